// SPDX-License-Identifier: GPL-2.0
/*
 * Locked memory stays, is counted as locked, and is as free as any other after
 * munlock.
 */
#include <errno.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../kselftest.h"
#include "laf_util.h"

#define NR	4

#ifndef MLOCK_ONFAULT
#define MLOCK_ONFAULT	1
#endif

/* Others lock and unlock nothing meanwhile */
static long locked_before, unevictable_before;

static void lock_start(void)
{
	/* Nor do pages that the test before left on their way */
	laf_drain();
	locked_before = laf_vmstat("nr_mlock");
	unevictable_before = laf_vmstat("nr_unevictable");
}

static void expect_locked(long want, const char *when)
{
	long locked = 0, unevictable = 0;
	int i;

	/* Pages on their way to or from a list are counted late */
	for (i = 0; i < 50; i++) {
		locked = laf_vmstat("nr_mlock") - locked_before;
		unevictable = laf_vmstat("nr_unevictable") - unevictable_before;
		if (locked == want && unevictable == want)
			break;
		laf_drain();
		usleep(20000);
	}
	laf_expect(locked == want, "nr_mlock %s: saw %+ld, want %+ld", when, locked, want);
	laf_expect(unevictable == want, "nr_unevictable %s: saw %+ld, want %+ld", when,
		   unevictable, want);
}

/* Reclaim tries hard, and all that is locked is still there */
static void expect_stays(const char *cg, char *p, size_t len, const char *when)
{
	int i;

	for (i = 0; i < 3; i++)
		laf_cg_write(cg, "memory.reclaim", "32M");
	laf_expect(laf_count(p, len, PM_PRESENT) == len / laf_page,
		   "%s: saw %zu pages after reclaim, want %zu", when,
		   laf_count(p, len, PM_PRESENT), len / laf_page);
}

static void expect_evictable(char *p, size_t len)
{
	size_t out = laf_pageout(p, len);

	laf_expect(out == len / laf_page, "saw %zu pages swapped out, want %zu", out,
		   len / laf_page);
}

static void test_mlock(int order)
{
	size_t len = NR * laf_size(order), pages = len / laf_page;
	const char *cg = laf_cg_new();
	int round;
	char *p;

	laf_swap_need();
	laf_only(order);
	laf_cg_join(cg);
	lock_start();
	p = laf_folios(order, NR, 1);
	for (round = 0; round < 3; round++) {
		laf_require(!mlock(p, len), "mlock: %s", strerror(errno));
		expect_locked(pages, "after mlock");
		laf_expect(madvise(p, len, MADV_PAGEOUT) && errno == EINVAL,
			   "MADV_PAGEOUT of locked memory: want EINVAL");
		expect_stays(cg, p, len, "locked");
		laf_expect_data(p, len, 1, 0, "locked");
		laf_require(!munlock(p, len), "munlock: %s", strerror(errno));
		expect_locked(0, "after munlock");
		expect_evictable(p, len);
		laf_expect_data(p, len, 1, 0, "swapped in");
	}
}

/* Memory that comes into a locked VMA */
static void check_future(int order, int flags, const char *what)
{
	size_t size = laf_size(order), len = NR * size, i;
	const char *cg = laf_cg_new();
	long resident, want;
	char *p;

	laf_swap_need();
	laf_only(order);
	laf_cg_join(cg);
	laf_require(!mlockall(flags), "mlockall: %s", strerror(errno));
	lock_start();
	/* laf_map() would lock its other parts as well */
	p = mmap(NULL, len + size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	laf_require(p != MAP_FAILED, "mmap: %s", strerror(errno));
	p = (char *)ALIGN_UP((uintptr_t)p, size);
	laf_require(!madvise(p, len, MADV_HUGEPAGE), "madvise: %s", strerror(errno));
	laf_require(!mprotect(p, len, PROT_READ | PROT_WRITE), "mprotect: %s",
		    strerror(errno));
	for (i = 0; i < NR; i++)
		laf_touch(p + i * size + laf_page);
	resident = laf_smaps(p, "Rss");
	want = len / laf_page;
	laf_expect(resident == (long)len, "%s: Rss: saw %ld, want %zu", what, resident, len);
	/* Locked at the fault, or populated by mprotect(): the same folios */
	for (i = 0; i < NR; i++)
		laf_expect_folio(p + i * size, order);
	laf_fill(p, len, 2);
	expect_locked(want, what);
	expect_stays(cg, p, len, what);
	laf_expect_data(p, len, 2, 0, what);
	laf_require(!munlock(p, len), "munlock: %s", strerror(errno));
	expect_locked(0, "after munlock");
	expect_evictable(p, len);
	laf_expect_data(p, len, 2, 0, "swapped in");
}

static void test_future(int order)
{
	check_future(order, MCL_FUTURE, "MCL_FUTURE");
}

static void test_onfault(int order)
{
	check_future(order, MCL_FUTURE | MCL_ONFAULT, "MCL_FUTURE | MCL_ONFAULT");
}

static void test_mlock2(int order)
{
	size_t size = laf_size(order), len = NR * size;
	char *p;

	laf_only(order);
	lock_start();
	p = laf_map(len, size);
	if (syscall(__NR_mlock2, p, len, MLOCK_ONFAULT))
		laf_skip("mlock2: %s", strerror(errno));
	expect_locked(0, "before a fault");
	laf_touch(p);
	laf_expect_folio(p, order);
	expect_locked(1L << order, "after a fault");
	laf_unmap(p, len);
	expect_locked(0, "after munmap");
}

/* Locks that end inside a folio: what is locked stays, the rest is free */
static void test_part(int order)
{
	size_t size = laf_size(order), len = NR * size, half = size / 2;
	const char *cg = laf_cg_new();
	char *p;

	laf_swap_need();
	laf_only(order);
	laf_cg_join(cg);
	lock_start();
	p = laf_folios(order, NR, 3);
	laf_require(!mlock(p + half, size), "mlock: %s", strerror(errno));
	expect_stays(cg, p + half, size, "locked part");
	laf_require(!munlock(p + half, size), "munlock: %s", strerror(errno));
	expect_locked(0, "after munlock of the part");
	expect_evictable(p, len);
	laf_expect_data(p, len, 3, 0, "swapped in");
	laf_unmap(p, len);

	/* All locked, then pages in the middle unlocked */
	p = laf_folios(order, NR, 4);
	laf_require(!mlock(p, len), "mlock: %s", strerror(errno));
	laf_require(!munlock(p + half, size), "munlock: %s", strerror(errno));
	expect_stays(cg, p, half, "locked before the hole");
	expect_stays(cg, p + half + size, len - half - size, "locked behind the hole");
	laf_expect_data(p, len, 4, 0, "after munlock in the middle");
	laf_require(!munlock(p, len), "munlock: %s", strerror(errno));
	expect_locked(0, "after munlock of all");
	expect_evictable(p, len);
	laf_expect_data(p, len, 4, 0, "swapped in");
	laf_unmap(p, len);
	expect_locked(0, "in the end");
}

/* Locked memory goes without munlock: by munmap, DONTNEED_LOCKED and exit */
static void test_dropped(int order)
{
	size_t size = laf_size(order), len = NR * size, half = size / 2;
	long before = laf_stat(order, "nr_anon"), saw;
	pid_t pid;
	char *p;

	laf_only(order);
	lock_start();
	p = laf_folios(order, NR, 5);
	laf_require(!mlock(p, len), "mlock: %s", strerror(errno));
	laf_require(!munmap(p + size, size), "munmap: %s", strerror(errno));
	expect_locked((NR - 1) * (1L << order), "after munmap of a folio");
	if (!madvise(p + 2 * size, size, MADV_DONTNEED_LOCKED)) {
		expect_locked((NR - 2) * (1L << order), "after DONTNEED_LOCKED");
		laf_expect(laf_zero(p + 2 * size, size), "dropped, but not zero");
	}
	laf_require(!munmap(p, half), "munmap: %s", strerror(errno));
	laf_expect_data(p + half, half, 5, half / laf_page, "half");
	laf_unmap(p, len);
	expect_locked(0, "after munmap");

	pid = laf_fork();
	if (!pid) {
		p = laf_folios(order, NR, 6);
		laf_require(!mlock(p, len), "mlock: %s", strerror(errno));
		munlock(p + laf_page, laf_page);
		_exit(0);
	}
	laf_join(pid);
	expect_locked(0, "after exit");
	saw = laf_stat(order, "nr_anon") - before;
	laf_expect(!saw, "nr_anon in the end: saw %+ld, want 0", saw);
}

/* A lock is not inherited, and is the parent's alone */
static void test_fork(int order)
{
	size_t len = NR * laf_size(order);
	pid_t pid;
	char *p;

	laf_only(order);
	lock_start();
	p = laf_folios(order, NR, 7);
	laf_require(!mlock(p, len), "mlock: %s", strerror(errno));
	pid = laf_fork();
	if (!pid) {
		laf_expect_data(p, len, 7, 0, "child");
		laf_fill(p, len, 8);
		laf_expect_data(p, len, 8, 0, "child, own");
		_exit(0);
	}
	laf_join(pid);
	laf_expect_data(p, len, 7, 0, "parent");
	expect_locked(len / laf_page, "after the child");
	laf_fill(p, len, 9);
	laf_expect_data(p, len, 9, 0, "parent, written");
	laf_require(!munlock(p, len), "munlock: %s", strerror(errno));
	expect_locked(0, "after munlock");
}

static const struct laf_test tests[] = {
	{ "mlock and munlock", test_mlock, LAF_ALL },
	{ "MCL_FUTURE", test_future, LAF_ALL },
	{ "MCL_ONFAULT", test_onfault, LAF_ALL },
	{ "MLOCK_ONFAULT", test_mlock2, LAF_ALL },
	{ "part of a folio", test_part, LAF_ALL },
	{ "dropped while locked", test_dropped, LAF_ALL },
	{ "fork", test_fork, LAF_ALL },
};

int main(void)
{
	laf_swap_setup();
	return laf_main(tests, ARRAY_SIZE(tests));
}
