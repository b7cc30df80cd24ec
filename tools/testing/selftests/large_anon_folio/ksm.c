// SPDX-License-Identifier: GPL-2.0
/*
 * KSM merges pages of large folios, and takes them apart again.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "../kselftest.h"
#include "laf_util.h"

#define NR	4

/*
 * A merged page has several mappings, and nobody else maps these. (The KSM flag
 * in /proc/kpageflags is set for all anonymous pages in some kernels.)
 */
static bool is_ksm(const char *addr)
{
	uint64_t pm = laf_pagemap(addr);

	return (pm & PM_PRESENT) && laf_pagecount(pm & PM_PFN) > 1;
}

static size_t count_ksm(const char *p, size_t len)
{
	size_t i, count = 0;

	for (i = 0; i < len; i += laf_page)
		count += is_ksm(p + i);
	return count;
}

/* Every second page is the same everywhere, the others are alone */
static char *setup(int order)
{
	size_t size = laf_size(order), pages = NR << order, i;
	char *p;

	if (!laf_exists(KSM "run"))
		laf_skip("no KSM");
	laf_only(order);
	p = laf_folios(order, NR, 1);
	for (i = 0; i < pages; i += 2)
		laf_fill(p + i * laf_page, laf_page, 77);
	laf_set(KSM "run", "0");
	laf_set(KSM "pages_to_scan", "20000");
	laf_set(KSM "sleep_millisecs", "5");
	laf_require(!madvise(p, NR * size, MADV_MERGEABLE), "MADV_MERGEABLE: %s",
		    strerror(errno));
	laf_set(KSM "run", "1");
	return p;
}

static void check_data(const char *p, int order, const char *when)
{
	size_t pages = NR << order, i;

	for (i = 0; i < pages; i++)
		if (!laf_expect(laf_same(p + i * laf_page, laf_page, i & 1 ? 1 : 77,
					 i & 1 ? i : 0), "%s: page %zu", when, i))
			return;
}

static void wait_merged(const char *p, int order)
{
	size_t pages = NR << order, saw = 0;
	int i;

	for (i = 0; i < 300; i++) {
		saw = count_ksm(p, NR * laf_size(order));
		if (saw == pages / 2)
			return;
		usleep(50000);
	}
	laf_expect(false, "saw %zu merged pages, want %zu", saw, pages / 2);
}

static void test_merge(int order)
{
	long before = laf_stat(order, "nr_anon"), saw;
	size_t pages = NR << order, i;
	char *p = setup(order);

	wait_merged(p, order);
	check_data(p, order, "merged");
	for (i = 0; i < pages; i += 2)
		laf_expect(is_ksm(p + i * laf_page) && !is_ksm(p + (i + 1) * laf_page),
			   "page %zu: want it merged, and its neighbour not", i);
	/* Written, it is one's own again */
	laf_fill(p, laf_page, 78);
	laf_expect(!is_ksm(p), "written, but still merged");
	laf_expect_data(p + 2 * laf_page, laf_page, 77, 0, "another merged page");
	laf_fill(p, laf_page, 77);
	laf_require(!madvise(p, NR * laf_size(order), MADV_UNMERGEABLE), "UNMERGEABLE: %s",
		    strerror(errno));
	laf_expect(!count_ksm(p, NR * laf_size(order)), "saw %zu merged pages, want 0",
		   count_ksm(p, NR * laf_size(order)));
	check_data(p, order, "unmerged");
	laf_unmap(p, NR * laf_size(order));
	saw = laf_stat(order, "nr_anon") - before;
	laf_expect(!saw, "nr_anon in the end: saw %+ld, want 0", saw);
}

static void test_fork(int order)
{
	char *p = setup(order);
	pid_t pid;

	wait_merged(p, order);
	pid = laf_fork();
	if (!pid) {
		check_data(p, order, "child");
		laf_fill(p, NR * laf_size(order), 80);
		_exit(0);
	}
	laf_join(pid);
	check_data(p, order, "parent");
	laf_fill(p, NR * laf_size(order), 81);
	laf_expect_data(p, NR * laf_size(order), 81, 0, "parent, written");
}

/*
 * MADV_FREE of a merged page that is mapped once: what is merged with it later must
 * not be lost when memory is short
 */
static void test_free(int order)
{
	size_t pages = NR << order, i;
	const char *cg = laf_cg_new();
	char *p;

	laf_cg_join(cg);
	p = setup(order);
	wait_merged(p, order);
	for (i = 2; i < pages; i += 2)
		laf_fill(p + i * laf_page, laf_page, 100 + i);
	laf_require(!madvise(p, laf_page, MADV_FREE), "MADV_FREE: %s", strerror(errno));
	for (i = 2; i < pages; i += 2)
		laf_fill(p + i * laf_page, laf_page, 77);
	wait_merged(p, order);
	laf_cg_squeeze(cg);
	for (i = 2; i < pages && !laf_failed(); i += 2)
		laf_expect_data(p + i * laf_page, laf_page, 77, 0, "merged later");
}

/* While KSM runs, the owner writes, drops and faults in again */
static void test_busy(int order)
{
	size_t size = laf_size(order), pages = NR << order;
	char *p = setup(order);
	int round;

	for (round = 0; round < 60; round++) {
		size_t page = laf_random() % pages, i;

		laf_fill(p + page * laf_page, laf_page, 90 + round);
		laf_expect_data(p + page * laf_page, laf_page, 90 + round, 0, "written");
		i = laf_random() % NR;
		madvise(p + i * size, size, MADV_DONTNEED);
		laf_touch(p + i * size);
		laf_expect(laf_zero(p + i * size, size), "dropped, but not zero");
		for (i = 0; i < pages; i += 2)
			laf_fill(p + i * laf_page, laf_page, 77);
		for (i = 0; i < pages; i += 2)
			laf_expect_data(p + i * laf_page, laf_page, 77, 0, "all written");
		usleep(3000);
		if (laf_failed())
			return;
	}
}

static const struct laf_test tests[] = {
	{ "merge and unmerge", test_merge, LAF_ALL },
	{ "fork", test_fork, LAF_SOME },
	{ "MADV_FREE, then merged", test_free, LAF_SOME },
	{ "writes while it merges", test_busy, LAF_SOME },
};

int main(void)
{
	return laf_main(tests, ARRAY_SIZE(tests));
}
