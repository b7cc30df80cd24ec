// SPDX-License-Identifier: GPL-2.0
/*
 * After a fork, who is left gets the folios back: one fault each, and no copy.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "../kselftest.h"
#include "laf_util.h"

#define NR	4
#define PM_SOFT_DIRTY	LAF_BIT(55)

static char *mem;
static size_t size, len, pages;
static uint64_t *pfns;

static void need_tracking(void)
{
	if (!laf_exists("/sys/module/atomic_seqcount/parameters/sole"))
		laf_skip("this kernel does not know who maps a folio (RMAP_ID)");
}

static void remember(void)
{
	size_t i;

	pfns = calloc(pages, sizeof(*pfns));
	laf_require(pfns, "no memory");
	laf_pagemaps(mem, pages, pfns);
	for (i = 0; i < pages; i++)
		pfns[i] &= PM_PFN;
}

static void setup(int order)
{
	need_tracking();
	laf_only(order);
	size = laf_size(order);
	len = NR * size;
	pages = len / laf_page;
	mem = laf_folios(order, NR, 60);
	remember();
}

/* A child that is there and gone: each page was shared */
static void share_once(void)
{
	pid_t pid = laf_fork();

	if (!pid)
		_exit(0);
	laf_join(pid);
}

/* Pages [from, to) at @where are those that were [from, to) of mem */
static void expect_same(char *where, size_t from, size_t to, const char *what)
{
	size_t i, copied = 0;

	for (i = from; i < to; i++)
		copied += (laf_pagemap(where + (i - from) * laf_page) & PM_PFN) != pfns[i];
	laf_expect(!copied, "%s: saw %zu of %zu pages copied, want 0", what, copied, to - from);
}

static long faults(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return usage.ru_minflt;
}

static void write_bytes(char *from, size_t nr)
{
	size_t i;

	for (i = 0; i < nr; i++)
		laf_at(char, from + i * laf_page + 9) = 1;
}

/* A bystander's fault now and then is no matter */
static void expect_faults(long saw, long want, const char *what)
{
	laf_expect(saw <= want + 2, "%s: saw %ld faults, want %ld", what, saw, want);
}

static void test_parent(int order)
{
	long before;

	setup(order);
	share_once();
	before = faults();
	write_bytes(mem, pages);
	expect_faults(faults() - before, NR, "parent");
	expect_same(mem, 0, pages, "parent");
	for (before = 0; before < NR; before++)
		laf_expect_folio(mem + before * size, order);
	/* And again */
	share_once();
	laf_fill(mem, len, 61);
	expect_same(mem, 0, pages, "parent, again");
	laf_expect_data(mem, len, 61, 0, "parent");
}

/* The one in the middle makes the memory, forks and is gone */
static void test_child(int order)
{
	int gone[2];
	pid_t pid;

	need_tracking();
	laf_require(!pipe(gone), "pipe: %s", strerror(errno));
	pid = laf_fork();
	if (!pid) {
		pid_t middle = laf_fork();
		char c;

		if (!middle) {
			struct laf_sync sync;
			int go[2];

			laf_require(!pipe(go), "pipe: %s", strerror(errno));
			laf_sync_init(&sync);
			setup(order);
			if (!laf_fork()) {
				long before;

				/* It outlives its parent */
				prctl(PR_SET_PDEATHSIG, 0);
				laf_sync_post(&sync, 0);
				close(go[1]);
				laf_expect(!read(go[0], &c, 1), "the parent is still there");
				/* Its memory goes after its files */
				usleep(50000);
				before = faults();
				write_bytes(mem, pages);
				expect_faults(faults() - before, NR, "child");
				expect_same(mem, 0, pages, "child");
				laf_fill(mem, len, 62);
				laf_expect_data(mem, len, 62, 0, "child");
				_exit(0);
			}
			laf_sync_wait(&sync, 0);
			_exit(0);
		}
		laf_join(middle);
		_exit(0);
	}
	close(gone[1]);
	laf_join(pid);
	/* End of file: all who had it are gone, the child too */
	laf_expect(!read(gone[0], &(char){ 0 }, 1), "the child is still there");
}

/* A part of each folio is gone: what is left is not copied */
static void test_part(int order)
{
	size_t half = laf_size(order) / 2, i;

	setup(order);
	share_once();
	for (i = 0; i < NR; i++)
		laf_require(!madvise(mem + i * size, half, MADV_DONTNEED), "DONTNEED: %s",
			    strerror(errno));
	for (i = 0; i < NR; i++) {
		size_t first = (i * size + half) / laf_page;

		write_bytes(mem + i * size + half, half / laf_page);
		expect_same(mem + i * size + half, first, (i + 1) * size / laf_page, "half");
		laf_expect(laf_zero(mem + i * size, half), "dropped half is not zero");
	}
}

/* Two VMAs, of which one is read-only for a while */
static void test_vmas(int order)
{
	size_t half = laf_size(order) / 2, first = half / laf_page, nr = 2 * first;
	long before;

	setup(order);
	laf_require(!mprotect(mem, half, PROT_READ), "mprotect: %s", strerror(errno));
	share_once();
	before = faults();
	write_bytes(mem + half, nr - first);
	expect_faults(faults() - before, 1, "writable half");
	expect_same(mem + half, first, nr, "writable half");
	laf_expect(laf_signal_write(mem) == 11, "read-only half can be written to");
	laf_require(!mprotect(mem, half, PROT_READ | PROT_WRITE), "mprotect: %s",
		    strerror(errno));
	write_bytes(mem, first);
	expect_same(mem, 0, first, "other half");
}

/* Half of a folio was moved to another page table */
static void test_moved(int order)
{
	size_t half = laf_size(order) / 2, first = half / laf_page, nr = 2 * first;
	char *to;

	setup(order);
	to = laf_map(half, laf_size(laf_pmd_order));
	laf_require(mremap(mem, half, half, MREMAP_MAYMOVE | MREMAP_FIXED, to) == to,
		    "mremap: %s", strerror(errno));
	share_once();
	write_bytes(to, first);
	write_bytes(mem + half, nr - first);
	expect_same(to, 0, first, "moved half");
	expect_same(mem + half, first, nr, "half that stayed");
}

/* The child has but one page left: all that the parent writes is copied */
static void test_one_left(int order)
{
	size_t i, nr, same = 0;
	struct laf_sync sync;
	pid_t pid;

	setup(order);
	nr = size / laf_page;
	laf_sync_init(&sync);
	pid = laf_fork();
	if (!pid) {
		munmap(mem + laf_page, len - laf_page);
		laf_sync_post(&sync, 0);
		laf_sync_wait(&sync, 1);
		laf_expect_data(mem, laf_page, 60, 0, "child");
		_exit(0);
	}
	laf_sync_wait(&sync, 0);
	laf_fill(mem, len, 63);
	laf_expect_data(mem, len, 63, 0, "parent");
	for (i = 0; i < nr; i++)
		same += (laf_pagemap(mem + i * laf_page) & PM_PFN) == pfns[i];
	laf_expect(!same, "saw %zu pages of a shared folio reused, want 0", same);
	/* The child has nothing of the others */
	expect_same(mem + size, nr, pages, "folios that the child left");
	laf_sync_post(&sync, 1);
	laf_join(pid);
}

/* Who looks for written pages sees those that were, and no others */
static void test_soft_dirty(int order)
{
	size_t i, nr, dirty = 0;
	int fd;

	setup(order);
	nr = size / laf_page;
	/* All of it was just written */
	if (!(laf_pagemap(mem) & PM_SOFT_DIRTY))
		laf_skip("no soft-dirty bits");
	share_once();
	fd = open("/proc/self/clear_refs", O_WRONLY);
	laf_require(fd >= 0 && write(fd, "4", 1) == 1, "clear_refs: %s", strerror(errno));
	close(fd);
	for (i = 0; i < nr; i++)
		dirty += !!(laf_pagemap(mem + i * laf_page) & PM_SOFT_DIRTY);
	laf_expect(!dirty, "saw %zu pages soft-dirty after clear_refs, want 0", dirty);
	dirty = 0;
	laf_at(char, mem + laf_page) = 1;
	for (i = 0; i < nr; i++) {
		bool saw = laf_pagemap(mem + i * laf_page) & PM_SOFT_DIRTY, want = i == 1;

		if (!laf_expect(saw == want, "page %zu: soft-dirty %d", i, saw))
			break;
	}
	write_bytes(mem, nr);
	dirty = 0;
	for (i = 0; i < nr; i++)
		dirty += !!(laf_pagemap(mem + i * laf_page) & PM_SOFT_DIRTY);
	laf_expect(dirty == nr, "saw %zu pages soft-dirty, want %zu", dirty, nr);
	expect_same(mem, 0, nr, "after all");
}

/* A huge page that is mapped by PTEs, which are clean, comes back by one fault, too */
static void test_huge(int order)
{
	long before;

	(void)order;
	if (!laf_exists(laf_size_file(laf_pmd_order, "enabled")) ||
	    laf_size(laf_pmd_order) > 4UL << 20)
		laf_skip("no huge pages, or too large ones");
	need_tracking();
	laf_only(laf_pmd_order);
	len = laf_size(laf_pmd_order);
	pages = len / laf_page;
	mem = laf_folios(laf_pmd_order, 1, 62);
	laf_require(!mprotect(mem, laf_page, PROT_READ) &&
		    !mprotect(mem, laf_page, PROT_READ | PROT_WRITE), "mprotect: %s",
		    strerror(errno));
	remember();
	share_once();
	before = faults();
	write_bytes(mem, pages);
	expect_faults(faults() - before, 1, "huge page");
	expect_same(mem, 0, pages, "huge page");
}

/*
 * Paged out and read back while it is still in the swap cache, perhaps: once the child
 * is gone, its pages are written where they are or copied, but nothing is lost.
 */
static void test_swap_cache(int order)
{
	size_t i, large = 0;
	uint64_t seed;

	laf_swap_need();
	laf_only(order);
	size = laf_size(order);
	len = NR * size;
	pages = len / laf_page;
	mem = laf_folios(order, NR, 64);
	for (seed = 64; seed < 68 && !laf_failed(); seed++) {
		laf_require(!madvise(mem, len, MADV_PAGEOUT), "MADV_PAGEOUT: %s", strerror(errno));
		/* Some pages stay in swap, to come back after the fork */
		for (i = 0; i < pages; i++) {
			if (i % 8 == 7)
				continue;
			laf_expect_data(mem + i * laf_page, laf_page, seed, i, "read back");
		}
		for (i = 0; i < NR; i++)
			large += laf_order_at(mem + i * size) == order;
		share_once();
		/* One page, then all: the others keep what they have */
		write_bytes(mem + laf_page, 1);
		laf_expect_data(mem, laf_page, seed, 0, "beside what was written");
		laf_expect_data(mem + 2 * laf_page, len - 2 * laf_page, seed, 2,
				"behind what was written");
		laf_fill(mem, len, seed + 1);
		laf_expect_data(mem, len, seed + 1, 0, "written");
	}
	laf_note("%zu of %d folios were whole when they came back", large, 4 * NR);
}

static const struct laf_test tests[] = {
	{ "the parent is left", test_parent, LAF_PTE },
	{ "the child is left", test_child, LAF_PTE },
	{ "part of a folio", test_part, LAF_PTE },
	{ "two VMAs", test_vmas, LAF_PTE },
	{ "two page tables", test_moved, LAF_PTE },
	{ "one page is shared", test_one_left, LAF_PTE },
	{ "soft-dirty bits", test_soft_dirty, LAF_PTE },
	{ "a huge page in pages", test_huge, LAF_ONCE },
	{ "swap cache", test_swap_cache, LAF_ALL },
};

int main(void)
{
	laf_swap_setup();
	return laf_main(tests, ARRAY_SIZE(tests));
}
