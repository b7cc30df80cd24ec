// SPDX-License-Identifier: GPL-2.0
/*
 * Parts of folios unmapped, moved and protected; and what is not mapped any
 * more is given back when memory is short.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "../kselftest.h"
#include "laf_util.h"

static long stat_before[3];
static const char * const stat_names[] = {
	"nr_anon", "nr_anon_partially_mapped", "split_deferred",
};

enum { NR_ANON, PARTIAL, DEFERRED };

static void stats_start(int order)
{
	int i;

	for (i = 0; i < 3; i++)
		stat_before[i] = laf_stat(order, stat_names[i]);
}

static long stats_delta(int order, int i)
{
	return laf_stat(order, stat_names[i]) - stat_before[i];
}

static void expect_stat(int order, int i, long want, const char *when)
{
	long saw = stats_delta(order, i);

	laf_expect(saw == want, "%s %s: saw %+ld, want %+ld", stat_names[i], when, saw,
		   want);
}

/*
 * Shrinkers run here, so that everything on the deferred-split queues is split,
 * except what somebody else holds for a moment.
 */
static void shrink(int order, long want)
{
	int i;

	for (i = 0; i < 50 && stats_delta(order, NR_ANON) > want; i++) {
		/* Another CPU's list of what goes to the LRU lists may hold it for long */
		if (i == 25)
			laf_drain();
		laf_write("/proc/sys/vm/drop_caches", "2");
		usleep(2000);
	}
}

/* Which part of the folio goes, in pages: [from, to) */
struct part {
	size_t from, to;
};

static int get_parts(int order, struct part *parts)
{
	size_t nr = 1UL << order;

	parts[0] = (struct part){ 0, 1 };
	parts[1] = (struct part){ nr - 1, nr };
	parts[2] = (struct part){ 1, nr - 1 };
	parts[3] = (struct part){ 0, nr / 2 };
	parts[4] = (struct part){ nr / 2, nr };
	parts[5] = (struct part){ nr / 2 - 1, nr / 2 };
	parts[6] = (struct part){ 1, nr };
	parts[7] = (struct part){ 0, nr - 1 };
	return 8;
}

static void test_munmap(int order)
{
	size_t size = laf_size(order), nr = 1UL << order;
	struct part parts[8];
	int i, nr_parts = get_parts(order, parts);

	laf_only(order);
	for (i = 0; i < nr_parts; i++) {
		size_t from = parts[i].from * laf_page, to = parts[i].to * laf_page;
		char *p;

		stats_start(order);
		p = laf_folios(order, 1, i);
		laf_require(!munmap(p + from, to - from), "munmap: %s", strerror(errno));
		expect_stat(order, NR_ANON, 1, "after munmap of a part");
		expect_stat(order, PARTIAL, 1, "after munmap of a part");
		expect_stat(order, DEFERRED, 1, "after munmap of a part");
		laf_expect_data(p, from, i, 0, "before the part");
		laf_expect_data(p + to, size - to, i, parts[i].to, "behind the part");
		laf_expect(laf_signal_read(p + from) == 11, "the part is still there");

		/* And when memory is short the rest is made of single pages */
		shrink(order, 0);
		expect_stat(order, NR_ANON, 0, "after shrinking");
		expect_stat(order, PARTIAL, 0, "after shrinking");
		laf_expect_data(p, from, i, 0, "before the part, split");
		laf_expect_data(p + to, size - to, i, parts[i].to, "behind the part, split");
		if (from)
			laf_expect(laf_order_at(p) == 0, "saw order %d after the split, want 0",
				   laf_order_at(p));
		laf_fill(p, from, 99);
		laf_fill(p + to, size - to, 98);
		laf_expect_data(p, from, 99, 0, "written");
		laf_expect_data(p + to, size - to, 98, 0, "written");
		laf_expect(laf_count(p, size, PM_PRESENT) == nr - (parts[i].to - parts[i].from),
			   "saw %zu pages, want %zu", laf_count(p, size, PM_PRESENT),
			   nr - (parts[i].to - parts[i].from));
		laf_unmap(p, size);
	}
}

/* Page by page, in another order each time: the folio is gone with the last */
static void test_munmap_pieces(int order)
{
	size_t nr = 1UL << order, size = laf_size(order), i, step;
	char *p;

	laf_only(order);
	for (step = 1; step <= 5 && step < nr; step += 2) {
		stats_start(order);
		p = laf_folios(order, 1, step);
		/* An odd step reaches each page of a power of two once */
		for (i = 0; i < nr; i++) {
			size_t page = i * step % nr;

			laf_expect_data(p + page * laf_page, laf_page, step, page, "page");
			munmap(p + page * laf_page, laf_page);
			if (i == nr / 2)
				expect_stat(order, NR_ANON, 1, "with half of it gone");
		}
		expect_stat(order, NR_ANON, 0, "with all of it gone");
		expect_stat(order, PARTIAL, 0, "with all of it gone");
		laf_unmap(p, size);
	}
}

/* Whole folios come and go without a trace in the counters of parts */
static void test_munmap_all(int order)
{
	size_t size = laf_size(order);
	char *p;
	int i;

	laf_only(order);
	stats_start(order);
	for (i = 0; i < 8; i++) {
		p = laf_folios(order, 4, i);
		laf_require(!munmap(p + size, 2 * size), "munmap: %s", strerror(errno));
		expect_stat(order, NR_ANON, 2, "with two of four unmapped");
		expect_stat(order, PARTIAL, 0, "with two of four unmapped");
		laf_unmap(p, 4 * size);
	}
	expect_stat(order, NR_ANON, 0, "in the end");
	expect_stat(order, PARTIAL, 0, "in the end");
}

static void test_dontneed(int order)
{
	size_t size = laf_size(order), nr = 1UL << order;
	struct part parts[8];
	int i, nr_parts = get_parts(order, parts);

	laf_only(order);
	for (i = 0; i < nr_parts; i++) {
		size_t from = parts[i].from * laf_page, to = parts[i].to * laf_page, at;
		char *p;

		stats_start(order);
		p = laf_folios(order, 1, i);
		laf_require(!madvise(p + from, to - from, MADV_DONTNEED), "DONTNEED: %s",
			    strerror(errno));
		expect_stat(order, PARTIAL, 1, "after MADV_DONTNEED of a part");
		laf_expect(laf_count(p, size, PM_PRESENT) == nr - (parts[i].to - parts[i].from),
			   "saw %zu pages, want %zu", laf_count(p, size, PM_PRESENT),
			   nr - (parts[i].to - parts[i].from));
		/* The next writes are new faults: single pages, zeroed */
		for (at = from; at < to; at += laf_page) {
			p[at] = 1;
			laf_expect(laf_order_at(p + at) == 0, "refault: saw order %d, want 0",
				   laf_order_at(p + at));
			p[at] = 0;
			if (laf_failed())
				return;
		}
		laf_expect(laf_zero(p + from, to - from), "the part is not zero");
		laf_expect_data(p, from, i, 0, "before the part");
		laf_expect_data(p + to, size - to, i, parts[i].to, "behind the part");
		shrink(order, 0);
		expect_stat(order, NR_ANON, 0, "after shrinking");
		laf_expect(laf_zero(p + from, to - from), "the part is not zero after the split");
		laf_expect_data(p, from, i, 0, "before the part, split");
		laf_expect_data(p + to, size - to, i, parts[i].to, "behind the part, split");
		laf_unmap(p, size);
	}
	/* Of a whole block, and the next fault is large again */
	{
		char *p = laf_folios(order, 3, 1);

		laf_require(!madvise(p + size, size, MADV_DONTNEED), "DONTNEED: %s",
			    strerror(errno));
		laf_touch(p + 2 * size - laf_page);
		laf_expect_folio(p + size, order);
		laf_expect(laf_zero(p + size, size), "refaulted folio is not zero");
		laf_expect_data(p, size, 1, 0, "first folio");
		laf_expect_data(p + 2 * size, size, 1, 2 * nr, "third folio");
	}
}

/* A part of a folio lives elsewhere; the rest stays */
static void test_mremap(int order)
{
	size_t size = laf_size(order);
	struct part parts[8];
	int i, nr_parts = get_parts(order, parts);

	laf_only(order);
	for (i = 0; i < nr_parts; i++) {
		size_t from = parts[i].from * laf_page, len;
		char *p, *q;

		len = parts[i].to * laf_page - from;
		stats_start(order);
		p = laf_folios(order, 1, i);
		q = laf_map_at(size, size, i & 1 ? laf_page : 0);
		laf_require(mremap(p + from, len, len, MREMAP_MAYMOVE | MREMAP_FIXED, q) == q,
			    "mremap: %s", strerror(errno));
		expect_stat(order, NR_ANON, 1, "after mremap of a part");
		expect_stat(order, PARTIAL, 0, "after mremap of a part");
		laf_expect_data(q, len, i, parts[i].from, "moved");
		laf_expect_data(p, from, i, 0, "before the part");
		laf_expect_data(p + from + len, size - from - len, i, parts[i].to,
				"behind the part");
		laf_fill(q, len, 55);
		laf_expect_data(p, from, i, 0, "before the part, after writes to it");
		laf_expect_data(q, len, 55, 0, "moved, written");

		/* One of the two goes: reverse mapping must find the other */
		if (i & 1)
			munmap(p, size);
		else
			munmap(q, len);
		expect_stat(order, PARTIAL, 1, "after munmap of one of two places");
		shrink(order, 0);
		expect_stat(order, NR_ANON, 0, "after shrinking");
		if (i & 1) {
			laf_expect_data(q, len, 55, 0, "moved, split");
		} else {
			laf_expect_data(p, from, i, 0, "before the part, split");
			laf_expect_data(p + from + len, size - from - len, i, parts[i].to,
					"behind the part, split");
		}
		laf_unmap(p, size);
		laf_unmap(q, size);
		if (laf_failed())
			return;
	}
}

static void test_mprotect(int order)
{
	size_t size = laf_size(order);
	struct part parts[8];
	int i, nr_parts = get_parts(order, parts);

	laf_only(order);
	for (i = 0; i < nr_parts; i++) {
		size_t from = parts[i].from * laf_page, to = parts[i].to * laf_page;
		char *p;

		stats_start(order);
		p = laf_folios(order, 1, i);
		laf_require(!mprotect(p + from, to - from, i & 1 ? PROT_NONE : PROT_READ),
			    "mprotect: %s", strerror(errno));
		expect_stat(order, PARTIAL, 0, "after mprotect of a part");
		laf_expect(laf_signal_write(p + from) == 11, "the part can be written");
		laf_fill(p, from, 44);
		laf_fill(p + to, size - to, 45);
		laf_require(!mprotect(p + from, to - from, PROT_READ | PROT_WRITE),
			    "mprotect: %s", strerror(errno));
		laf_expect_data(p, from, 44, 0, "before the part");
		laf_expect_data(p + from, to - from, i, parts[i].from, "the part");
		laf_expect_data(p + to, size - to, 45, 0, "behind the part");
		laf_expect_folio(p, order);
		laf_unmap(p, size);
		expect_stat(order, NR_ANON, 0, "in the end");
	}
}

/* Each VMA of a folio goes by itself, with forks between */
static void test_mprotect_fork(int order)
{
	size_t size = laf_size(order), half = size / 2;
	char *p;
	pid_t pid;

	laf_only(order);
	stats_start(order);
	p = laf_folios(order, 1, 3);
	laf_require(!mprotect(p, half, PROT_READ), "mprotect: %s", strerror(errno));
	pid = laf_fork();
	if (!pid) {
		laf_fill(p + half, half, 4);
		laf_require(!munmap(p, half), "munmap: %s", strerror(errno));
		laf_write("/proc/sys/vm/drop_caches", "2");
		laf_expect_data(p + half, half, 4, 0, "child");
		_exit(0);
	}
	laf_join(pid);
	laf_fill(p + half, half, 5);
	laf_require(!mprotect(p, half, PROT_READ | PROT_WRITE), "mprotect: %s",
		    strerror(errno));
	laf_expect_data(p, half, 3, 0, "first half");
	laf_fill(p, half, 6);
	laf_expect_data(p, half, 6, 0, "first half, written");
	laf_expect_data(p + half, half, 5, 0, "second half");
	laf_unmap(p, size);
	expect_stat(order, NR_ANON, 0, "in the end");
	expect_stat(order, PARTIAL, 0, "in the end");
}

/* One page of each folio stays; its memcg needs the rest back */
static void test_pressure(int order)
{
	size_t size = laf_size(order), nr = 1, i;
	long splits, full, now = 0, want, saw;
	const char *cg = laf_cg_new();
	char *p;
	int try;

	while (nr * size < 16UL << 20)
		nr *= 2;
	laf_only(order);
	laf_cg_join(cg);
	stats_start(order);
	splits = laf_stat(order, "split");
	p = laf_folios(order, nr, 21);
	full = laf_cg_get(cg, "memory.current");
	for (i = 0; i < nr; i++) {
		char *f = p + i * size, *keep = f + i % (1UL << order) * laf_page;

		if (keep > f)
			munmap(f, keep - f);
		if (keep + laf_page < f + size)
			munmap(keep + laf_page, f + size - keep - laf_page);
	}
	expect_stat(order, NR_ANON, nr, "before pressure");
	expect_stat(order, PARTIAL, nr, "before pressure");
	expect_stat(order, DEFERRED, nr, "before pressure");

	/* What is kept needs 1/2^order; half of all is a mild wish */
	want = full - (long)(nr * size) / 2;
	for (try = 0; try < 40; try++) {
		now = laf_cg_get(cg, "memory.current");
		if (now <= want)
			break;
		laf_cg_write(cg, "memory.reclaim", "8M");
		usleep(5000);
	}
	laf_expect(now <= want, "memory.current: saw %ld of %ld, want %ld at most",
		   now, full, want);
	saw = laf_stat(order, "split") - splits;
	laf_expect(saw > 0 && saw <= (long)nr, "split: saw %+ld, want up to %zu", saw, nr);
	saw = stats_delta(order, NR_ANON);
	laf_expect(saw <= (long)nr / 2 + 1, "nr_anon: saw %+ld of %zu, want half at most", saw,
		   nr);
	saw = stats_delta(order, PARTIAL);
	laf_expect(saw == stats_delta(order, NR_ANON),
		   "nr_anon_partially_mapped: saw %+ld, want %+ld", saw,
		   stats_delta(order, NR_ANON));
	for (i = 0; i < nr; i++) {
		size_t page = i * (size / laf_page) + i % (1UL << order);

		if (!laf_expect(laf_same(p + page * laf_page, laf_page, 21, page),
				"page %zu", page))
			break;
	}
	munmap(p, nr * size);
	expect_stat(order, NR_ANON, 0, "in the end");
	expect_stat(order, PARTIAL, 0, "in the end");
}

/* The same when the limit is lowered under what is charged: no OOM kill */
static void test_limit_lowered(int order)
{
	size_t size = laf_size(order), nr = 1, i;
	const char *cg = laf_cg_new();
	long full, saw;
	char *p;

	while (nr * size < 16UL << 20)
		nr *= 2;
	laf_only(order);
	laf_cg_join(cg);
	stats_start(order);
	p = laf_folios(order, nr, 22);
	full = laf_cg_get(cg, "memory.current");
	for (i = 0; i < nr; i++)
		munmap(p + i * size + laf_page, size - laf_page);
	laf_cg_set_long(cg, "memory.max", full - (long)(nr * size) / 2);
	saw = laf_cg_key(cg, "memory.events", "oom_kill");
	laf_expect(!saw, "oom_kill: saw %ld, want 0", saw);
	for (i = 0; i < nr; i++)
		if (!laf_expect(laf_same(p + i * size, laf_page, 22, i * (size / laf_page)),
				"first page of folio %zu", i))
			break;
	saw = stats_delta(order, NR_ANON);
	laf_expect(saw < (long)nr, "nr_anon: saw %+ld, want less than %zu", saw, nr);
}

/* The memcg that was charged goes away first */
static void test_memcg_gone(int order)
{
	size_t size = laf_size(order), nr = 8, i;
	const char *cg = laf_cg_new(), *other = laf_cg_new();
	char *p;

	laf_only(order);
	laf_cg_join(cg);
	stats_start(order);
	p = laf_folios(order, nr, 23);
	for (i = 0; i < nr / 2; i++)
		munmap(p + i * size + size / 2, size / 2);
	laf_cg_join(other);
	laf_expect(!rmdir(cg), "rmdir: %s", strerror(errno));
	for (i = nr / 2; i < nr; i++)
		munmap(p + i * size + size / 2, size / 2);
	for (i = 0; i < nr; i++)
		laf_expect_data(p + i * size, size / 2, 23, i * (size / laf_page), "first half");
	for (i = 0; i < 10; i++)
		laf_write("/proc/sys/vm/drop_caches", "2");
	for (i = 0; i < nr; i++)
		laf_expect_data(p + i * size, size / 2, 23, i * (size / laf_page), "first half");
	munmap(p, nr * size);
	expect_stat(order, NR_ANON, 0, "in the end");
	expect_stat(order, PARTIAL, 0, "in the end");
}

static const struct laf_test tests[] = {
	{ "munmap", test_munmap, LAF_ALL },
	{ "munmap piece by piece", test_munmap_pieces, LAF_ALL },
	{ "munmap of whole folios", test_munmap_all, LAF_ALL },
	{ "MADV_DONTNEED", test_dontneed, LAF_ALL },
	{ "mremap", test_mremap, LAF_ALL },
	{ "mprotect", test_mprotect, LAF_ALL },
	{ "mprotect, fork, munmap", test_mprotect_fork, LAF_ALL },
	{ "memcg pressure", test_pressure, LAF_ALL },
	{ "memcg limit lowered", test_limit_lowered, LAF_ALL },
	{ "memcg removed", test_memcg_gone, LAF_ALL },
};

int main(void)
{
	return laf_main(tests, ARRAY_SIZE(tests));
}
