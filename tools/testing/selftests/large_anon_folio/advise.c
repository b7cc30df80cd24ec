// SPDX-License-Identifier: GPL-2.0
/*
 * MADV_FREE, MADV_COLD, MADV_COLLAPSE and khugepaged on large folios.
 */
#include <errno.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "../kselftest.h"
#include "laf_util.h"

#define NR	4

/* A page is either as it was or zero */
static void expect_kept_or_zero(char *p, uint64_t seed, size_t page, size_t *zero)
{
	bool was_zero = !laf_at(uint64_t, p + page * laf_page);

	*zero += was_zero;
	if (was_zero)
		laf_expect(laf_zero(p + page * laf_page, laf_page), "page %zu: half zero",
			   page);
	else
		laf_expect_data(p + page * laf_page, laf_page, seed, page, "freed page");
}

/* All of it, then some pages are written again: those must stay */
static void test_free(int order)
{
	size_t size = laf_size(order), pages = NR * size / laf_page, i, zero = 0;
	const char *cg = laf_cg_new();
	char *p;

	laf_only(order);
	laf_cg_join(cg);
	p = laf_folios(order, NR, 31);
	laf_require(!madvise(p, NR * size, MADV_FREE), "MADV_FREE: %s", strerror(errno));
	laf_expect_data(p, laf_page, 31, 0, "after MADV_FREE");
	for (i = 0; i < pages; i += 3)
		laf_fill(p + i * laf_page, laf_page, i);
	laf_cg_squeeze(cg);
	for (i = 0; i < pages && !laf_failed(); i++) {
		if (i % 3)
			expect_kept_or_zero(p, 31, i, &zero);
		else
			laf_expect_data(p + i * laf_page, laf_page, i, 0, "page written again");
	}
	laf_fill(p, NR * size, 32);
	laf_expect_data(p, NR * size, 32, 0, "all written again");
}

/* Clean folios that nobody wants go when memory is short, and come back zero */
static void test_free_reclaimed(int order)
{
	size_t size = laf_size(order), pages = NR * size / laf_page, i, zero = 0;
	const char *cg = laf_cg_new();
	char *p;

	laf_only(order);
	laf_cg_join(cg);
	p = laf_folios(order, NR, 33);
	laf_require(!madvise(p, NR * size, MADV_FREE), "MADV_FREE: %s", strerror(errno));
	laf_cg_squeeze(cg);
	for (i = 0; i < pages && !laf_failed(); i++)
		expect_kept_or_zero(p, 33, i, &zero);
	laf_expect(zero >= pages / 2, "saw %zu of %zu pages freed, want at least half", zero,
		   pages);
}

/*
 * A folio that is given up as a whole stays whole, and goes as a whole: it is
 * neither split nor queued for that.
 */
static void test_free_whole(int order)
{
	size_t size = laf_size(order), pages = NR * size / laf_page, i, zero = 0;
	long split, queued, lazy, saw;
	const char *cg = laf_cg_new();
	char *p;

	if (order == laf_pmd_order)
		laf_skip("a huge page is split to be unmapped");
	laf_only(order);
	laf_cg_join(cg);
	p = laf_folios(order, NR, 43);
	split = laf_stat(order, "split");
	queued = laf_stat(order, "split_deferred");
	lazy = laf_cg_key(cg, "memory.stat", "pglazyfree");
	laf_require(!madvise(p, NR * size, MADV_FREE), "MADV_FREE: %s", strerror(errno));
	for (i = 0; i < NR; i++)
		laf_expect_folio(p + i * size, order);
	/* What a cgroup counts may be up to two seconds old */
	for (i = 0; i < 30; i++) {
		saw = laf_cg_key(cg, "memory.stat", "pglazyfree") - lazy;
		if (saw == (long)pages)
			break;
		usleep(100000);
	}
	laf_expect(saw == (long)pages, "pglazyfree: saw %+ld, want %zu", saw, pages);
	saw = laf_smaps(p, "LazyFree");
	laf_expect(saw == (long)(NR * size), "LazyFree: saw %ld, want %zu", saw, NR * size);
	/* Once more changes nothing */
	laf_require(!madvise(p, NR * size, MADV_FREE), "MADV_FREE: %s", strerror(errno));
	laf_cg_squeeze(cg);
	saw = laf_stat(order, "split") - split;
	laf_expect(!saw, "split: saw %+ld, want 0", saw);
	saw = laf_stat(order, "split_deferred") - queued;
	laf_expect(!saw, "split_deferred: saw %+ld, want 0", saw);
	for (i = 0; i < pages && !laf_failed(); i++)
		expect_kept_or_zero(p, 43, i, &zero);
	laf_expect(zero >= pages / 2,
		   "saw %zu of %zu pages freed, want at least half; the cgroup has %ld bytes", zero,
		   pages, laf_cg_get(cg, "memory.current"));
}

/* A device writes to memory that was given up: no PTE tells, but it has to stay */
static void test_free_direct(int order)
{
	size_t size = laf_size(order);
	const char *cg = laf_cg_new();
	int fd = laf_direct();
	char *p;

	laf_only(order);
	laf_cg_join(cg);
	p = laf_folios(order, NR, 44);
	laf_require(pwrite(fd, p, size, 0) == (ssize_t)size, "O_DIRECT write: %s",
		    strerror(errno));
	laf_fill(p, size, 45);
	laf_require(!madvise(p, NR * size, MADV_FREE), "MADV_FREE: %s", strerror(errno));
	laf_require(pread(fd, p, size, 0) == (ssize_t)size, "O_DIRECT read: %s",
		    strerror(errno));
	laf_cg_squeeze(cg);
	laf_expect_data(p, size, 44, 0, "read by O_DIRECT");
	close(fd);
}

/* Only a part: what is around it is not free to take */
static void test_free_part(int order)
{
	size_t size = laf_size(order), nr = 1UL << order, from = nr / 4, to = nr - 1, i;
	const char *cg = laf_cg_new();
	size_t zero = 0;
	char *p;

	laf_only(order);
	laf_cg_join(cg);
	p = laf_folios(order, 1, 34);
	laf_require(!madvise(p + from * laf_page, (to - from) * laf_page, MADV_FREE),
		    "MADV_FREE: %s", strerror(errno));
	laf_cg_squeeze(cg);
	laf_expect_data(p, from * laf_page, 34, 0, "before the part");
	laf_expect_data(p + to * laf_page, size - to * laf_page, 34, to, "behind the part");
	for (i = from; i < to && !laf_failed(); i++)
		expect_kept_or_zero(p, 34, i, &zero);
}

/* A child has what is given up here: neither loses its own */
static void give_up_what_is_shared(char *p, size_t len, uint64_t seed, const char *cg)
{
	struct laf_sync sync;
	pid_t pid;

	laf_sync_init(&sync);
	pid = laf_fork();
	if (!pid) {
		laf_sync_wait(&sync, 1);
		laf_expect_data(p, len, seed, 0, "child");
		_exit(0);
	}
	laf_require(!madvise(p, len, MADV_FREE), "MADV_FREE: %s", strerror(errno));
	laf_cg_squeeze(cg);
	laf_sync_post(&sync, 1);
	laf_join(pid);
	laf_fill(p, len, seed + 1);
	laf_expect_data(p, len, seed + 1, 0, "parent");
}

static void test_free_shared(int order)
{
	const char *cg = laf_cg_new();

	laf_only(order);
	laf_cg_join(cg);
	give_up_what_is_shared(laf_folios(order, NR, 35), NR * laf_size(order), 35, cg);
}

/* The same with pages that were copied to be read by the kernel: nobody wrote them */
static void test_free_unshared(int order)
{
	size_t size = laf_size(order), i;
	const char *cg = laf_cg_new();
	struct laf_sync sync;
	pid_t pid;
	char *p;

	laf_only(order);
	laf_cg_join(cg);
	laf_sync_init(&sync);
	p = laf_folios(order, NR, 37);
	pid = laf_fork();
	if (!pid) {
		laf_sync_wait(&sync, 1);
		_exit(0);
	}
	for (i = 0; i < NR * size; i += laf_page) {
		char byte;
		struct iovec to = { &byte, 1 }, from = { p + i, 1 };

		laf_require(process_vm_readv(getpid(), &to, 1, &from, 1, 0) == 1,
			    "process_vm_readv: %s", strerror(errno));
	}
	laf_sync_post(&sync, 1);
	laf_join(pid);
	give_up_what_is_shared(p, NR * size, 37, cg);
}

/* And with pages that come from a swap device so fast that nothing of them stays there */
static void test_free_swapped_in(int order)
{
	size_t size = laf_size(order);
	const char *cg = laf_cg_new();
	char *p;

	laf_swap_fast();
	laf_only(order);
	laf_cg_join(cg);
	p = laf_folios(order, NR, 39);
	laf_require(!madvise(p, NR * size, MADV_PAGEOUT), "MADV_PAGEOUT: %s", strerror(errno));
	laf_expect(!(laf_pagemap(p) & PM_PRESENT), "nothing was paged out");
	laf_expect_data(p, NR * size, 39, 0, "paged in");
	give_up_what_is_shared(p, NR * size, 39, cg);
}

/*
 * A page that only this process maps, of a folio of which a child maps another
 * part: to page it out would split what is the child's, too.
 */
static void test_pageout_part(int order)
{
	size_t size = laf_size(order);
	struct laf_sync sync;
	size_t out;
	pid_t pid;
	char *p;

	laf_swap_need();
	laf_only(order);
	laf_sync_init(&sync);
	p = laf_folios(order, 1, 36);
	pid = laf_fork();
	if (!pid) {
		laf_require(!munmap(p, size / 2), "munmap: %s", strerror(errno));
		laf_sync_post(&sync, 0);
		laf_sync_wait(&sync, 1);
		laf_expect_data(p + size / 2, size / 2, 36, size / 2 / laf_page, "child");
		_exit(0);
	}
	laf_sync_wait(&sync, 0);
	laf_require(!madvise(p, laf_page, MADV_PAGEOUT), "MADV_PAGEOUT: %s", strerror(errno));
	laf_expect(laf_count(p, laf_page, PM_PRESENT), "paged out while the child maps the rest");
	laf_expect_folio(p, order);
	laf_sync_post(&sync, 1);
	laf_join(pid);

	out = laf_pageout(p, laf_page);
	laf_expect(out == 1, "not paged out when the child is gone");
	laf_expect_data(p, size, 36, 0, "in the end");
}

static void test_cold(int order)
{
	size_t size = laf_size(order), i;
	char *p;

	laf_only(order);
	p = laf_folios(order, NR, 37);
	laf_require(!madvise(p, NR * size, MADV_COLD), "MADV_COLD: %s", strerror(errno));
	laf_expect_data(p, NR * size, 37, 0, "after MADV_COLD");
	for (i = 0; i < NR; i++)
		laf_expect_folio(p + i * size, order);
	laf_require(!madvise(p + laf_page, size, MADV_COLD), "MADV_COLD of a part: %s",
		    strerror(errno));
	laf_expect_data(p, NR * size, 37, 0, "after MADV_COLD of a part");
	laf_expect(laf_count(p, NR * size, PM_PRESENT) == NR * size / laf_page,
		   "saw %zu pages, want %zu", laf_count(p, NR * size, PM_PRESENT),
		   NR * size / laf_page);
	laf_fill(p, NR * size, 38);
	laf_expect_data(p, NR * size, 38, 0, "written");
}

/* @len from @p is huge pages now, with the same data */
static void expect_huge(char *p, size_t len, uint64_t seed, int order, long before)
{
	size_t i;
	long saw;

	for (i = 0; i < len; i += laf_size(laf_pmd_order))
		laf_expect_folio(p + i, laf_pmd_order);
	saw = laf_smaps(p, "AnonHugePages");
	laf_expect(saw == (long)len, "AnonHugePages: saw %ld, want %zu", saw, len);
	laf_expect_data(p, len, seed, 0, "collapsed");
	saw = laf_stat(order, "nr_anon") - before;
	laf_expect(!saw, "nr_anon of the old size: saw %+ld, want 0", saw);
	laf_fill(p, len, seed + 1);
	laf_expect_data(p, len, seed + 1, 0, "collapsed and written");
}

static void test_collapse(int order)
{
	size_t pmd = laf_size(laf_pmd_order), len = 2 * pmd;
	long before = laf_stat(order, "nr_anon");
	char *p;

	if (laf_largest() != laf_pmd_order - 1)
		laf_skip("too little memory for huge pages");
	laf_only(order);
	p = laf_map(len, pmd);
	laf_require(!madvise(p, len, MADV_POPULATE_WRITE), "populate: %s", strerror(errno));
	laf_expect_folio(p, order);
	laf_fill(p, len, 41);
	laf_require(!madvise(p, len, MADV_COLLAPSE), "MADV_COLLAPSE: %s", strerror(errno));
	expect_huge(p, len, 41, order, before);
}

static void test_khugepaged(int order)
{
	size_t pmd = laf_size(laf_pmd_order), len = 2 * pmd;
	long before = laf_stat(order, "nr_anon");
	char *p;
	int i;

	if (laf_largest() != laf_pmd_order - 1)
		laf_skip("too little memory for huge pages");
	laf_set(THP "khugepaged/scan_sleep_millisecs", "10");
	laf_set(THP "khugepaged/alloc_sleep_millisecs", "10");
	laf_set(THP "khugepaged/pages_to_scan", "65536");
	laf_only(order);
	p = laf_map(len, pmd);
	laf_require(!madvise(p, len, MADV_POPULATE_WRITE), "populate: %s", strerror(errno));
	laf_expect_folio(p, order);
	laf_fill(p, len, 42);
	laf_set_size(laf_pmd_order, "madvise");
	/* A fault that could be huge tells khugepaged of this process */
	laf_touch(laf_map(pmd, pmd));
	for (i = 0; i < 100 && laf_smaps(p, "AnonHugePages") < (long)len; i++)
		usleep(100000);
	expect_huge(p, len, 42, order, before);
}

/* Not everything in there is one folio: parts, holes and single pages */
static void test_collapse_mixed(int order)
{
	size_t pmd = laf_size(laf_pmd_order), size = laf_size(order), i;
	char *p;

	if (laf_largest() != laf_pmd_order - 1)
		laf_skip("too little memory for huge pages");
	laf_only(order);
	laf_set(THP "khugepaged/max_ptes_none", "511");
	p = laf_map(pmd, pmd);
	for (i = 0; i + 2 * size <= pmd; i += 2 * size) {
		laf_touch(p + i);
		laf_fill(p + i, size, i);
		/* Half of the next */
		laf_touch(p + i + size);
		laf_fill(p + i + size, size, i + 1);
		madvise(p + i + size, size / 2, MADV_DONTNEED);
	}
	laf_require(i, "nothing to collapse");
	laf_require(!madvise(p, pmd, MADV_COLLAPSE), "MADV_COLLAPSE: %s", strerror(errno));
	laf_expect_folio(p, laf_pmd_order);
	for (i = 0; i + 2 * size <= pmd && !laf_failed(); i += 2 * size) {
		laf_expect_data(p + i, size, i, 0, "whole folio");
		laf_expect(laf_zero(p + i + size, size / 2), "hole is not zero");
		laf_expect_data(p + i + size + size / 2, size / 2, i + 1,
				size / 2 / laf_page, "half folio");
	}
}

static const struct laf_test tests[] = {
	{ "MADV_FREE, written again", test_free, LAF_ALL },
	{ "MADV_FREE and pressure", test_free_reclaimed, LAF_ALL },
	{ "MADV_FREE of whole folios", test_free_whole, LAF_ALL },
	{ "MADV_FREE and O_DIRECT", test_free_direct, LAF_ALL },
	{ "MADV_FREE of a part", test_free_part, LAF_ALL },
	{ "MADV_FREE of shared memory", test_free_shared, LAF_ALL },
	{ "MADV_FREE of shared memory, unshared before", test_free_unshared, LAF_SOME },
	{ "MADV_FREE of shared memory, swapped in before", test_free_swapped_in, LAF_SOME },
	{ "MADV_PAGEOUT of a part", test_pageout_part, LAF_PTE },
	{ "MADV_COLD", test_cold, LAF_ALL },
	{ "MADV_COLLAPSE", test_collapse, LAF_PTE },
	{ "MADV_COLLAPSE of patchwork", test_collapse_mixed, LAF_SOME },
	{ "khugepaged", test_khugepaged, LAF_SOME },
};

int main(void)
{
	laf_swap_setup();
	return laf_main(tests, ARRAY_SIZE(tests));
}
