// SPDX-License-Identifier: GPL-2.0
/*
 * Out to swap and in again, with all data compared.
 */
#include <errno.h>
#include <string.h>
#include <sys/swap.h>
#include <unistd.h>

#include "../kselftest.h"
#include "laf_util.h"

#define NR	4

static void expect_out(size_t out, size_t want, const char *what)
{
	laf_expect(out == want, "%s: saw %zu pages swapped out, want %zu", what, out, want);
}

static void test_pageout(int order)
{
	size_t size = laf_size(order), len = NR * size, pages = len / laf_page, i;
	long before = laf_stat(order, "nr_anon"), saw;
	int round;
	char *p;

	laf_swap_need();
	laf_only(order);
	p = laf_folios(order, NR, 1);
	for (round = 1; round < 4; round++) {
		expect_out(laf_pageout(p, len), pages, "MADV_PAGEOUT");
		/* In any order, some to be read and some to be written */
		for (i = 0; i < pages; i += 2)
			laf_expect_data(p + i * laf_page, laf_page, round, i, "read");
		for (i = 1; i < pages; i += 2)
			laf_expect_data(p + i * laf_page, laf_page, round, i, "read, odd");
		laf_fill(p, len, round + 1);
		laf_expect_data(p, len, round + 1, 0, "written");
	}
	laf_unmap(p, len);
	saw = laf_stat(order, "nr_anon") - before;
	laf_expect(!saw, "nr_anon in the end: saw %+ld, want 0", saw);
}

/* Folios of all sizes at once: no slot may be used twice */
static void test_mixture(int order)
{
	char *p[16];
	int o, round;

	laf_swap_need();
	(void)order;
	for (o = LAF_MIN_ORDER; o <= laf_largest() && laf_size(o) <= 4UL << 20; o++) {
		laf_only(o);
		p[o] = laf_folios(o, 2 * NR, o);
	}
	for (round = 0; round < 3; round++) {
		for (o = LAF_MIN_ORDER; o <= laf_largest() && laf_size(o) <= 4UL << 20; o++)
			expect_out(laf_pageout(p[o], 2 * NR * laf_size(o)),
				   2 * NR << o, "MADV_PAGEOUT");
		for (o = LAF_MIN_ORDER; o <= laf_largest() && laf_size(o) <= 4UL << 20; o++)
			laf_expect(laf_same(p[o], 2 * NR * laf_size(o), o, 0),
				   "round %d: size %zu kB", round, laf_size(o) / 1024);
	}
}

/* Reclaim finds them without being told where they are */
static void test_reclaim(int order)
{
	size_t size = laf_size(order), nr = NR, i, out = 0;
	const char *cg = laf_cg_new();
	char *p;

	laf_swap_need();
	while (nr * size < 8UL << 20)
		nr *= 2;
	laf_only(order);
	laf_cg_join(cg);
	p = laf_folios(order, nr, 5);
	for (i = 0; i < 20 && out < nr * size / laf_page / 2; i++) {
		laf_cg_write(cg, "memory.reclaim", "8M");
		out = laf_count(p, nr * size, PM_SWAP);
	}
	laf_expect(out >= nr * size / laf_page / 2,
		   "saw %zu of %zu pages swapped out, want at least half", out,
		   nr * size / laf_page);
	laf_expect(laf_cg_get(cg, "memory.swap.current") > 0, "memory.swap.current is 0");
	laf_expect_data(p, nr * size, 5, 0, "read back");
	laf_expect(!laf_cg_key(cg, "memory.events", "oom_kill"), "OOM kill");
}

/* A limit below what the process has: it goes on in swap */
static void test_limit(int order)
{
	size_t size = laf_size(order), nr = NR, i;
	const char *cg = laf_cg_new();
	long saw;
	char *p;

	laf_swap_need();
	while (nr * size < 24UL << 20)
		nr *= 2;
	laf_only(order);
	laf_cg_set_long(cg, "memory.max", nr * size / 2 + (4 << 20));
	laf_cg_join(cg);
	p = laf_map(nr * size, size);
	for (i = 0; i < nr; i++)
		laf_fill(p + i * size, size, i);
	for (i = 0; i < nr; i++)
		laf_expect_data(p + i * size, size, i, 0, "read back");
	saw = laf_cg_key(cg, "memory.events", "oom_kill");
	laf_expect(!saw, "oom_kill: saw %ld, want 0", saw);
	laf_expect(laf_cg_get(cg, "memory.swap.current") > 0, "memory.swap.current is 0");
}

/* No swap for this memcg: reclaim gives up, and nothing is lost */
static void test_no_swap(int order)
{
	size_t size = laf_size(order);
	const char *cg = laf_cg_new();
	char *p;
	int i;

	laf_swap_need();
	laf_only(order);
	if (laf_cg_write(cg, "memory.swap.max", "0"))
		laf_skip("no swap in memcg");
	laf_cg_join(cg);
	p = laf_folios(order, NR, 6);
	for (i = 0; i < 3; i++) {
		laf_cg_write(cg, "memory.reclaim", "8M");
		madvise(p, NR * size, MADV_PAGEOUT);
	}
	laf_expect(!laf_count(p, NR * size, PM_SWAP), "saw %zu pages swapped out, want 0",
		   laf_count(p, NR * size, PM_SWAP));
	laf_expect_data(p, NR * size, 6, 0, "after reclaim");
	laf_expect(!laf_cg_key(cg, "memory.events", "oom_kill"), "OOM kill");
}

static void test_swapoff(int order)
{
	size_t size = laf_size(order), len = 2 * NR * size;
	const char *dev = laf_swap_need();
	char *p;

	laf_only(order);
	p = laf_folios(order, 2 * NR, 7);
	expect_out(laf_pageout(p, len), len / laf_page, "MADV_PAGEOUT");
	laf_swap_off_all();
	laf_expect(!laf_count(p, len, PM_SWAP), "saw %zu pages in swap after swapoff(%s)",
		   laf_count(p, len, PM_SWAP), dev);
	laf_expect_data(p, len, 7, 0, "after swapoff");
	laf_fill(p, len, 8);
	laf_expect_data(p, len, 8, 0, "written after swapoff");
}

/* A part is out, the rest is in */
static void test_part(int order)
{
	size_t size = laf_size(order), nr = 1UL << order, from = 1, to = nr - 1;
	size_t half = size / 2;
	char *p;

	laf_swap_need();
	laf_only(order);
	p = laf_folios(order, NR, 9);
	expect_out(laf_pageout(p + from * laf_page, (to - from) * laf_page), to - from,
		   "MADV_PAGEOUT of a part");
	laf_expect_data(p, size, 9, 0, "after MADV_PAGEOUT of a part");

	/* Dropped while in swap: zero afterwards, and its neighbours are not */
	expect_out(laf_pageout(p + size, size), nr, "MADV_PAGEOUT");
	laf_require(!madvise(p + size, half, MADV_DONTNEED), "DONTNEED: %s",
		    strerror(errno));
	laf_expect(laf_zero(p + size, half), "dropped in swap: not zero");
	laf_expect_data(p + size + half, half, 9, nr + nr / 2, "kept in swap");

	/* A fault beside a page that is in swap must not cover it */
	expect_out(laf_pageout(p + 2 * size, size), nr, "MADV_PAGEOUT");
	laf_require(!madvise(p + 2 * size, size - laf_page, MADV_DONTNEED), "DONTNEED: %s",
		    strerror(errno));
	laf_touch(p + 2 * size);
	laf_expect_folio(p + 2 * size, 0);
	laf_expect_data(p + 3 * size - laf_page, laf_page, 9, 3 * nr - 1,
			"beside a new page");

	/* Moved while in swap */
	expect_out(laf_pageout(p + 3 * size, size), nr, "MADV_PAGEOUT");
	laf_require(mremap(p + 3 * size, half, half, MREMAP_MAYMOVE | MREMAP_FIXED,
			   p + size) == p + size, "mremap: %s", strerror(errno));
	laf_expect_data(p + size, half, 9, 3 * nr, "moved in swap");
	laf_expect_data(p + 3 * size + half, half, 9, 3 * nr + nr / 2, "not moved");
}

static void test_fork(int order)
{
	size_t size = laf_size(order), len = NR * size, half = len / 2;
	long before = laf_stat(order, "nr_anon"), saw;
	struct laf_sync sync;
	pid_t pid;
	char *p;

	laf_swap_need();
	laf_only(order);
	laf_sync_init(&sync);
	p = laf_folios(order, NR, 10);
	expect_out(laf_pageout(p, half), half / laf_page, "before fork");
	pid = laf_fork();
	if (!pid) {
		laf_expect_data(p, len, 10, 0, "child");
		laf_fill(p, size, 11);
		madvise(p, len, MADV_PAGEOUT);
		laf_sync_post(&sync, 0);
		laf_sync_wait(&sync, 1);
		laf_expect_data(p, size, 11, 0, "child, own");
		laf_expect_data(p + size, len - size, 10, size / laf_page, "child, rest");
		_exit(0);
	}
	laf_sync_wait(&sync, 0);
	madvise(p, len, MADV_PAGEOUT);
	laf_expect_data(p, len, 10, 0, "parent");
	laf_fill(p + size, size, 12);
	laf_sync_post(&sync, 1);
	laf_join(pid);
	laf_expect_data(p, size, 10, 0, "parent, the child's");
	laf_expect_data(p + size, size, 12, 0, "parent, own");
	laf_expect_data(p + 2 * size, len - 2 * size, 10, 2 * size / laf_page, "parent, rest");
	laf_fill(p, len, 13);
	expect_out(laf_pageout(p, len), len / laf_page, "alone again");
	laf_expect_data(p, len, 13, 0, "alone again");
	laf_unmap(p, len);
	saw = laf_stat(order, "nr_anon") - before;
	laf_expect(!saw, "nr_anon in the end: saw %+ld, want 0", saw);
}

/* A folio leaves as a whole or is split first, and the counters tell which */
static void test_counters(int order)
{
	static const char * const names[] = { "swpout", "swpout_fallback", "split" };
	size_t size = laf_size(order);
	long before[3], sum = 0;
	char *p;
	int i;

	laf_swap_need();
	for (i = 0; i < 3; i++)
		before[i] = laf_stat(order, names[i]);
	laf_only(order);
	p = laf_folios(order, NR, 14);
	expect_out(laf_pageout(p, NR * size), NR * size / laf_page, "MADV_PAGEOUT");
	for (i = 0; i < 3; i++)
		before[i] = laf_stat(order, names[i]) - before[i];
	/* What was not written in one piece was split before */
	sum = before[0] + before[2];
	laf_expect(sum == NR, "swpout %+ld, fallback %+ld, split %+ld: want swpout + split = %d",
		   before[0], before[1], before[2], NR);
	laf_expect(before[1] <= before[2], "swpout_fallback %+ld, split %+ld: want no more",
		   before[1], before[2]);
	laf_expect_data(p, NR * size, 14, 0, "read back");
}

static const struct laf_test tests[] = {
	{ "MADV_PAGEOUT", test_pageout, LAF_ALL },
	{ "mixture of sizes", test_mixture, LAF_ONCE },
	{ "counters", test_counters, LAF_ALL },
	{ "memory.reclaim", test_reclaim, LAF_ALL },
	{ "memory.max", test_limit, LAF_SOME },
	{ "no swap for the memcg", test_no_swap, LAF_ALL },
	{ "swapoff", test_swapoff, LAF_ALL },
	{ "part of a folio", test_part, LAF_ALL },
	{ "fork", test_fork, LAF_ALL },
};

int main(void)
{
	laf_swap_setup();
	return laf_main(tests, ARRAY_SIZE(tests));
}
