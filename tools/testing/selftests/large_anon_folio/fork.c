// SPDX-License-Identifier: GPL-2.0
/*
 * fork: each process keeps its own data, and all folios are freed in the end.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "../kselftest.h"
#include "laf_util.h"

#define NR	4

static char *mem;
static size_t size, len, pages;

/* Fill each page of @nth in @of with @seed */
static void write_some(uint64_t seed, size_t nth, size_t of)
{
	size_t i;

	for (i = nth; i < pages; i += of)
		laf_fill(mem + i * laf_page, laf_page, seed + i);
}

static void check_some(uint64_t seed, size_t nth, size_t of, const char *who)
{
	size_t i;

	for (i = nth; i < pages; i += of)
		if (!laf_expect(laf_same(mem + i * laf_page, laf_page, seed + i, 0),
				"%s: page %zu of %zu", who, i, pages))
			return;
}

/* All pages of @mem have @want mappings */
static void check_mapcount(uint64_t want, const char *when)
{
	uint64_t saw;
	size_t i;

	for (i = 0; i < pages; i++) {
		saw = laf_pagecount(laf_pagemap(mem + i * laf_page) & PM_PFN);
		if (!laf_expect(saw == want, "%s: page %zu: saw mapcount %llu, want %llu",
				when, i, (unsigned long long)saw,
				(unsigned long long)want))
			return;
	}
}

/* Others may have partly mapped folios too */
static long partly_before;

static void setup(int order)
{
	laf_only(order);
	partly_before = laf_stat(order, "nr_anon_partially_mapped");
	size = laf_size(order);
	len = NR * size;
	pages = len / laf_page;
	mem = laf_folios(order, NR, 0);
	write_some(1000, 0, 1);
}

/* Counts folios before and after, whatever happened between */
static void check_leak(int order, long before)
{
	long saw;
	int i;

	laf_unmap(mem, len);
	for (i = 0; i < 50; i++) {
		saw = laf_stat(order, "nr_anon") - before;
		if (!saw)
			break;
		usleep(20000);
	}
	laf_expect(saw <= 0, "nr_anon in the end: saw %+ld, want 0", saw);
	saw = laf_stat(order, "nr_anon_partially_mapped");
	laf_expect(saw <= partly_before,
		   "nr_anon_partially_mapped in the end: saw %ld, want %ld at most",
		   saw, partly_before);
}

/* Both write pages of their own, in turn, and look at all of them */
static void test_both_write(int order)
{
	long before = laf_stat(order, "nr_anon");
	struct laf_sync sync;
	pid_t pid;

	setup(order);
	laf_sync_init(&sync);
	pid = laf_fork();
	if (!pid) {
		check_some(1000, 0, 1, "child at start");
		check_mapcount(2, "shared");
		write_some(2000, 0, 3);
		check_some(2000, 0, 3, "child, own");
		laf_sync_post(&sync, 0);
		laf_sync_wait(&sync, 1);
		/* The parent wrote pages 1 of 3 meanwhile */
		check_some(2000, 0, 3, "child, own");
		check_some(1000, 1, 3, "child, the parent's");
		check_some(1000, 2, 3, "child, nobody's");
		_exit(0);
	}
	laf_sync_wait(&sync, 0);
	check_some(1000, 0, 1, "parent after the child's writes");
	write_some(3000, 1, 3);
	check_some(3000, 1, 3, "parent, own");
	laf_sync_post(&sync, 1);
	laf_join(pid);
	check_some(1000, 0, 3, "parent, the child's");
	check_some(3000, 1, 3, "parent, own");
	check_some(1000, 2, 3, "parent, nobody's");
	check_mapcount(1, "after the child's end");
	write_some(4000, 0, 1);
	check_some(4000, 0, 1, "parent after all");
	check_mapcount(1, "after writing");
	check_leak(order, before);
}

/* A child that only reads leaves the folios as they are */
static void test_child_reads(int order)
{
	long before = laf_stat(order, "nr_anon"), saw;
	pid_t pid;
	int i;

	setup(order);
	for (i = 0; i < 3; i++) {
		pid = laf_fork();
		if (!pid) {
			check_some(1000, 0, 1, "child");
			_exit(0);
		}
		laf_join(pid);
	}
	for (i = 0; i < NR; i++)
		laf_expect_folio(mem + i * size, order);
	check_mapcount(1, "after the children");
	check_some(1000, 0, 1, "parent");
	laf_expect(laf_count(mem, len, PM_SOLE) == pages,
		   "saw %zu pages mapped by one process, want %zu",
		   laf_count(mem, len, PM_SOLE), pages);
	saw = laf_stat(order, "nr_anon") - before;
	laf_expect(saw == NR, "nr_anon: saw %+ld, want %+d", saw, NR);
	write_some(5000, 0, 1);
	check_some(5000, 0, 1, "parent after writing");
	check_leak(order, before);
}

/* The parent unmaps and goes; child and grandchild carry on */
static void test_grandchildren(int order)
{
	long before = laf_stat(order, "nr_anon");
	struct laf_sync sync;
	pid_t child, grandchild;

	setup(order);
	laf_sync_init(&sync);
	child = laf_fork();
	if (!child) {
		write_some(2000, 0, 4);
		grandchild = laf_fork();
		if (!grandchild) {
			check_some(2000, 0, 4, "grandchild");
			check_some(1000, 1, 4, "grandchild");
			write_some(3000, 1, 4);
			laf_sync_wait(&sync, 1);
			check_some(2000, 0, 4, "grandchild alone");
			check_some(3000, 1, 4, "grandchild alone");
			check_some(1000, 2, 4, "grandchild alone");
			check_some(1000, 3, 4, "grandchild alone");
			write_some(6000, 0, 1);
			check_some(6000, 0, 1, "grandchild, all written");
			_exit(0);
		}
		write_some(4000, 2, 4);
		check_some(2000, 0, 4, "child");
		check_some(1000, 1, 4, "child");
		check_some(4000, 2, 4, "child");
		munmap(mem, len);
		laf_sync_post(&sync, 0);
		laf_join(grandchild);
		_exit(0);
	}
	laf_sync_wait(&sync, 0);
	check_some(1000, 0, 1, "grandparent");
	write_some(5000, 3, 4);
	check_some(5000, 3, 4, "grandparent");
	munmap(mem, len);
	laf_sync_post(&sync, 1);
	laf_join(child);
	check_leak(order, before);
}

/* Many at once: each mapping counts, and each goes */
static void test_many(int order)
{
	long before = laf_stat(order, "nr_anon");
	struct laf_sync sync;
	pid_t pids[12];
	unsigned int i;

	setup(order);
	laf_sync_init(&sync);
	for (i = 0; i < ARRAY_SIZE(pids); i++) {
		pids[i] = laf_fork();
		if (pids[i])
			continue;
		laf_sync_post(&sync, 0);
		laf_sync_wait(&sync, 1);
		check_some(1000, 0, 1, "child");
		write_some(7000 + i, i, ARRAY_SIZE(pids));
		check_some(7000 + i, i, ARRAY_SIZE(pids), "child, own");
		check_some(1000, (i + 1) % ARRAY_SIZE(pids), ARRAY_SIZE(pids),
			   "child, a sibling's");
		_exit(0);
	}
	for (i = 0; i < ARRAY_SIZE(pids); i++)
		laf_sync_wait(&sync, 0);
	check_mapcount(1 + ARRAY_SIZE(pids), "with all children");
	for (i = 0; i < ARRAY_SIZE(pids); i++)
		laf_sync_post(&sync, 1);
	for (i = 0; i < ARRAY_SIZE(pids); i++)
		laf_join(pids[i]);
	check_some(1000, 0, 1, "parent");
	check_mapcount(1, "after the children");
	check_leak(order, before);
}

/* Parent and child each drop another part: what is left is intact */
static void test_drop_parts(int order)
{
	long before = laf_stat(order, "nr_anon");
	struct laf_sync sync;
	size_t i, half = size / 2;
	pid_t pid;

	setup(order);
	laf_sync_init(&sync);
	pid = laf_fork();
	if (!pid) {
		for (i = 0; i < NR; i++)
			munmap(mem + i * size, half);
		laf_sync_post(&sync, 0);
		laf_sync_wait(&sync, 1);
		for (i = 0; i < NR; i++)
			laf_expect(laf_same(mem + i * size + half, laf_page,
					    1000 + (i * size + half) / laf_page, 0),
				   "child, second half of folio %zu", i);
		_exit(0);
	}
	laf_sync_wait(&sync, 0);
	for (i = 0; i < NR; i++)
		madvise(mem + i * size + half, half, MADV_DONTNEED);
	laf_sync_post(&sync, 1);
	laf_join(pid);
	for (i = 0; i < NR; i++) {
		laf_expect(laf_same(mem + i * size, laf_page, 1000 + i * size / laf_page, 0),
			   "parent, first half of folio %zu", i);
		laf_expect(laf_zero(mem + i * size + half, half),
			   "parent, second half of folio %zu is not zero", i);
	}
	check_leak(order, before);
}

/* fork after a part of the folio was copied, moved and split off by mprotect */
static void test_patchwork(int order)
{
	long before = laf_stat(order, "nr_anon");
	char *moved;
	pid_t pid;

	setup(order);
	moved = laf_map(laf_page, laf_page);
	laf_require(mremap(mem + laf_page, laf_page, laf_page,
			   MREMAP_MAYMOVE | MREMAP_FIXED, moved) == moved,
		    "mremap: %s", strerror(errno));
	laf_require(!mprotect(mem + 2 * laf_page, laf_page, PROT_READ), "mprotect: %s",
		    strerror(errno));
	pid = laf_fork();
	if (!pid) {
		laf_expect(laf_same(moved, laf_page, 1001, 0), "child, moved page");
		laf_fill(moved, laf_page, 1);
		laf_expect(laf_same(mem, laf_page, 1000, 0), "child, page 0");
		laf_expect(laf_same(mem + 2 * laf_page, laf_page, 1002, 0), "child, page 2");
		laf_expect(laf_signal_write(mem + 2 * laf_page) == 11,
			   "child, page 2: it could be written");
		laf_fill(mem + 3 * laf_page, laf_page, 2);
		_exit(0);
	}
	laf_fill(mem, laf_page, 3);
	laf_join(pid);
	laf_expect(laf_same(mem, laf_page, 3, 0), "parent, page 0");
	laf_expect(laf_same(moved, laf_page, 1001, 0), "parent, moved page");
	laf_expect(laf_same(mem + 2 * laf_page, laf_page, 1002, 0), "parent, page 2");
	laf_expect(laf_same(mem + 3 * laf_page, laf_page, 1003, 0), "parent, page 3");
	laf_fill(moved, laf_page, 4);
	laf_expect(laf_same(moved, laf_page, 4, 0), "parent, moved page written");
	laf_unmap(moved, laf_page);
	check_leak(order, before);
}

static void test_advice(int order)
{
	pid_t pid;

	setup(order);
	laf_require(!madvise(mem + size / 2, size / 2, MADV_WIPEONFORK), "WIPEONFORK: %s",
		    strerror(errno));
	laf_require(!madvise(mem + size, size / 2, MADV_DONTFORK), "DONTFORK: %s",
		    strerror(errno));
	pid = laf_fork();
	if (!pid) {
		laf_expect(laf_zero(mem + size / 2, size / 2), "WIPEONFORK: not zero");
		laf_expect(laf_signal_read(mem + size) == 11, "DONTFORK: it is there");
		laf_expect(laf_same(mem, laf_page, 1000, 0), "child, page 0");
		laf_expect(laf_same(mem + size + size / 2, laf_page,
				    1000 + (size + size / 2) / laf_page, 0),
			   "child, behind DONTFORK");
		_exit(0);
	}
	laf_join(pid);
	check_some(1000, 0, 1, "parent");
}

/* The child's new memory is as large as the parent's */
static void test_child_faults(int order)
{
	long before = laf_stat(order, "nr_anon");
	pid_t pid;

	setup(order);
	pid = laf_fork();
	if (!pid) {
		char *p = laf_map(2 * size, size);

		laf_touch(p);
		laf_expect_folio(p, order);
		laf_require(!madvise(mem, len, MADV_DONTNEED), "MADV_DONTNEED: %s",
			    strerror(errno));
		laf_touch(mem + size);
		laf_expect_folio(mem + size, order);
		_exit(0);
	}
	laf_join(pid);
	check_some(1000, 0, 1, "parent");
	check_leak(order, before);
}

/*
 * A child splits its PMD of a huge page and goes; the parent has the page for
 * itself again, writes to it, and splits its PMD in turn. Each page is mapped
 * once then, and the huge page can be freed.
 */
static void test_split_in_turn(int order)
{
	size_t i;
	pid_t pid;

	order = laf_pmd_order;
	if (order < LAF_MIN_ORDER)
		laf_skip("no huge pages");
	setup(order);
	pid = laf_fork();
	if (!pid) {
		for (i = 0; i < NR; i++)
			madvise(mem + i * size + laf_page, laf_page, MADV_DONTNEED);
		_exit(0);
	}
	laf_join(pid);
	for (i = 0; i < NR; i++) {
		laf_touch(mem + i * size);
		laf_expect(!mprotect(mem + i * size, laf_page, PROT_READ), "mprotect: %s",
			   strerror(errno));
	}
	for (i = laf_page; i < NR * size; i += size / 8) {
		uint64_t pfn = laf_pagemap(mem + i) & PM_PFN;

		laf_expect(laf_pagecount(pfn) == 1, "page %zu is mapped %llu times, want 1",
			   i / laf_page, (unsigned long long)laf_pagecount(pfn));
	}
	laf_unmap(mem, NR * size);
}

/*
 * Folios that are unmapped whole, by an exit or by munmap, are not queued for a
 * deferred split on the way; those that are unmapped in part are, once.
 */
static void test_whole_not_queued(int order)
{
	long before, saw;
	size_t i;
	pid_t pid;

	setup(order);
	before = laf_stat(order, "split_deferred");
	pid = laf_fork();
	if (!pid)
		_exit(0);
	laf_join(pid);
	saw = laf_stat(order, "split_deferred") - before;
	laf_expect(!saw, "exit of a child: split_deferred: saw %+ld, want 0", saw);
	munmap(mem, size);
	saw = laf_stat(order, "split_deferred") - before;
	laf_expect(!saw, "munmap: split_deferred: saw %+ld, want 0", saw);
	for (i = 1; i < NR; i++)
		madvise(mem + i * size, laf_page, MADV_DONTNEED);
	saw = laf_stat(order, "split_deferred") - before;
	laf_expect(saw == NR - 1, "unmapped in part: split_deferred: saw %+ld, want %+d",
		   saw, NR - 1);
	laf_unmap(mem + size, (NR - 1) * size);
}

static const struct laf_test tests[] = {
	{ "writes on both sides", test_both_write, LAF_ALL },
	{ "child that reads", test_child_reads, LAF_ALL },
	{ "grandchildren", test_grandchildren, LAF_ALL },
	{ "many children", test_many, LAF_SOME },
	{ "each drops a part", test_drop_parts, LAF_ALL },
	{ "moved and protected parts", test_patchwork, LAF_ALL },
	{ "WIPEONFORK and DONTFORK", test_advice, LAF_ALL },
	{ "faults of the child", test_child_faults, LAF_ALL },
	{ "huge page split in turn", test_split_in_turn, LAF_ONCE },
	{ "unmapped whole, not queued", test_whole_not_queued, LAF_PTE },
};

int main(void)
{
	return laf_main(tests, ARRAY_SIZE(tests));
}
