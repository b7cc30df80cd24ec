// SPDX-License-Identifier: GPL-2.0
/*
 * arm64's memory tags: zero on each page of a new folio, and not lost when the
 * folio is split, swapped, copied or collapsed.
 */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "../kselftest.h"
#include "laf_util.h"

#ifdef __aarch64__

#define GRANULE		16
#define NR		2

#ifndef PROT_MTE
#define PROT_MTE	0x20
#endif
#ifndef HWCAP2_MTE
#define HWCAP2_MTE	LAF_BIT(18)
#endif
#ifndef PR_SET_TAGGED_ADDR_CTRL
#define PR_SET_TAGGED_ADDR_CTRL	55
#define PR_TAGGED_ADDR_ENABLE	1
#endif
#define TCF_SYNC	LAF_BIT(1)
#define TAGS_ALL	(0xffffUL << 3)

static void need_mte(void)
{
	if (!(getauxval(AT_HWCAP2) & HWCAP2_MTE))
		laf_skip("this CPU has no MTE");
	laf_require(!prctl(PR_SET_TAGGED_ADDR_CTRL,
			   PR_TAGGED_ADDR_ENABLE | TCF_SYNC | TAGS_ALL, 0, 0, 0),
		    "PR_SET_TAGGED_ADDR_CTRL: %s", strerror(errno));
}

static int get_tag(const char *p)
{
	uint64_t x = (uintptr_t)p;

	asm volatile(".arch armv8.5-a+memtag\n\tldg %0, [%0]" : "+r" (x) : : "memory");
	return x >> 56 & 15;
}

static void set_tag(char *p, int tag)
{
	uint64_t x = (uintptr_t)p | (uint64_t)tag << 56;

	asm volatile(".arch armv8.5-a+memtag\n\tstg %0, [%0]" : : "r" (x) : "memory");
}

/*
 * Differs from page to page and from granule to granule, never 0. Some QEMU
 * 7.2 keep but two tags for a page, of even and of odd granules.
 */
static int tag_of(size_t page, size_t granule, int seed)
{
	return 1 + (page * 7 + granule % 2 * 3 + seed) % 15;
}

static void tag_pages(char *p, size_t from, size_t to, int seed)
{
	size_t page, at;

	for (page = from; page < to; page++)
		for (at = 0; at < laf_page; at += GRANULE)
			set_tag(p + page * laf_page + at, tag_of(page, at / GRANULE, seed));
}

/* @seed -1 for all zero */
static void check_tags(const char *p, size_t from, size_t to, int seed, const char *when)
{
	size_t page, at;

	for (page = from; page < to; page++) {
		for (at = 0; at < laf_page; at += GRANULE) {
			int saw = get_tag(p + page * laf_page + at);
			int want = seed < 0 ? 0 : tag_of(page, at / GRANULE, seed);

			if (!laf_expect(saw == want,
					"%s: page %zu, offset %zu: saw tag %d, want %d", when,
					page, at, saw, want))
				return;
		}
	}
}

/* Loads and stores go through tag 0, that the data functions use */
static void unchecked(void)
{
	prctl(PR_SET_TAGGED_ADDR_CTRL, PR_TAGGED_ADDR_ENABLE, 0, 0, 0);
}

static char *mte_map(size_t len, size_t align)
{
	char *p = laf_map(len, align);

	laf_require(!mprotect(p, len, PROT_READ | PROT_WRITE | PROT_MTE), "PROT_MTE: %s",
		    strerror(errno));
	return p;
}

static void test_zero(int order)
{
	size_t size = laf_size(order), pages = NR << order, i;
	int round;
	char *p;

	need_mte();
	unchecked();
	laf_only(order);
	for (round = 0; round < 3; round++) {
		p = mte_map(NR * size, size);
		for (i = 0; i < NR; i++) {
			laf_touch(p + i * size + (round + i) % 3 * laf_page);
			laf_expect_folio(p + i * size, order);
		}
		check_tags(p, 0, pages, -1, "new memory");
		laf_expect(laf_zero(p, NR * size), "new memory is not zero");
		/* For the next round to find, if it can */
		tag_pages(p, 0, pages, round);
		laf_fill(p, NR * size, 1);
		check_tags(p, 0, pages, round, "tagged");
		if (round == 1) {
			madvise(p, NR * size, MADV_DONTNEED);
			laf_touch(p);
			laf_expect_folio(p, order);
			check_tags(p, 0, 1UL << order, -1, "after MADV_DONTNEED");
		}
		laf_unmap(p, NR * size);
	}
}

/* A wrong tag is found on the last page of a folio as on the first */
static void test_check(int order)
{
	size_t size = laf_size(order), at[] = { 0, laf_page, size - GRANULE };
	unsigned int i;
	char *p;

	need_mte();
	laf_only(order);
	p = mte_map(size, size);
	laf_touch(p);
	laf_expect_folio(p, order);
	for (i = 0; i < ARRAY_SIZE(at); i++) {
		char *right = (char *)((uintptr_t)(p + at[i]) | 5UL << 56);

		laf_expect(!laf_signal_read(p + at[i]), "tag 0 does not fit new memory");
		laf_expect(laf_signal_read(right) == SIGSEGV, "tag 5 fits new memory");
		set_tag(p + at[i], 5);
		laf_expect(!laf_signal_read(right), "tag 5 does not fit its memory");
		laf_expect(laf_signal_read(p + at[i]) == SIGSEGV,
			   "tag 0 fits memory of tag 5");
	}
}

/* Tagging is turned on for a part of a folio that is there already */
static void test_part(int order)
{
	size_t size = laf_size(order), nr = 1UL << order, from = nr / 2, i;
	long before;
	char *p;

	need_mte();
	unchecked();
	laf_only(order);
	p = laf_folios(order, 1, 3);
	before = laf_stat(order, "nr_anon");
	laf_require(!mprotect(p + from * laf_page, (nr - from - 1) * laf_page,
			      PROT_READ | PROT_WRITE | PROT_MTE), "PROT_MTE: %s",
		    strerror(errno));
	check_tags(p, from, nr - 1, -1, "newly tagged part");
	tag_pages(p, from, nr - 1, 4);
	laf_expect_data(p, size, 3, 0, "after PROT_MTE for a part");
	/* Split the folio: the last page goes, then memory is short */
	munmap(p + (nr - 1) * laf_page, laf_page);
	for (i = 0; i < 50 && laf_stat(order, "nr_anon") >= before; i++)
		laf_write("/proc/sys/vm/drop_caches", "2");
	laf_expect(laf_stat(order, "nr_anon") < before, "the folio was not split");
	check_tags(p, from, nr - 1, 4, "split");
	laf_expect_data(p, size - laf_page, 3, 0, "split");
}

static void test_swap(int order)
{
	size_t size = laf_size(order), pages = NR << order, out;
	char *p;

	need_mte();
	laf_swap_need();
	unchecked();
	laf_only(order);
	p = mte_map(NR * size, size);
	laf_fill(p, NR * size, 5);
	laf_expect_folio(p, order);
	tag_pages(p, 0, pages, 6);
	out = laf_pageout(p, NR * size);
	laf_expect(out == pages, "saw %zu pages swapped out, want %zu", out, pages);
	check_tags(p, 0, pages, 6, "swapped in");
	laf_expect_data(p, NR * size, 5, 0, "swapped in");
	/* A part only */
	laf_pageout(p + laf_page, size);
	check_tags(p, 0, pages, 6, "part swapped in");
	laf_expect_data(p, NR * size, 5, 0, "part swapped in");
}

static void test_fork(int order)
{
	size_t size = laf_size(order), pages = NR << order;
	pid_t pid;
	char *p;

	need_mte();
	unchecked();
	laf_only(order);
	p = mte_map(NR * size, size);
	laf_fill(p, NR * size, 7);
	tag_pages(p, 0, pages, 8);
	pid = laf_fork();
	if (!pid) {
		check_tags(p, 0, pages, 8, "child");
		laf_expect_data(p, NR * size, 7, 0, "child");
		/* A copied page takes its tags along */
		laf_fill(p, laf_page, 9);
		check_tags(p, 0, pages, 8, "child, written");
		tag_pages(p, 1, pages, 10);
		check_tags(p, 1, pages, 10, "child, own tags");
		_exit(0);
	}
	laf_join(pid);
	check_tags(p, 0, pages, 8, "parent");
	laf_expect_data(p, NR * size, 7, 0, "parent");
	laf_fill(p, NR * size, 11);
	check_tags(p, 0, pages, 8, "parent, written");
}

static void test_collapse(int order)
{
	size_t pmd = laf_size(laf_pmd_order), pages = pmd / laf_page;
	char *p;

	need_mte();
	if (laf_largest() != laf_pmd_order - 1)
		laf_skip("too little memory for huge pages");
	unchecked();
	laf_only(order);
	p = mte_map(pmd, pmd);
	laf_fill(p, pmd, 12);
	laf_expect_folio(p, order);
	tag_pages(p, 0, pages, 13);
	laf_require(!madvise(p, pmd, MADV_COLLAPSE), "MADV_COLLAPSE: %s", strerror(errno));
	laf_expect_folio(p, laf_pmd_order);
	check_tags(p, 0, pages, 13, "collapsed");
	laf_expect_data(p, pmd, 12, 0, "collapsed");
}

#else

static void need_mte(void)
{
	laf_skip("this architecture has no MTE");
}

#define NO_MTE(name) static void name(int order) { (void)order; need_mte(); }

NO_MTE(test_zero)
NO_MTE(test_check)
NO_MTE(test_part)
NO_MTE(test_swap)
NO_MTE(test_fork)
NO_MTE(test_collapse)

#endif

/* By size where there is something to run */
#ifdef __aarch64__
#define MTE_SIZES(sizes)	sizes
#else
#define MTE_SIZES(sizes)	LAF_ONCE
#endif

static const struct laf_test tests[] = {
	{ "tags are zero", test_zero, MTE_SIZES(LAF_ALL) },
	{ "tags are checked", test_check, MTE_SIZES(LAF_ALL) },
	{ "tags of a part, split", test_part, MTE_SIZES(LAF_ALL) },
	{ "tags in swap", test_swap, MTE_SIZES(LAF_ALL) },
	{ "tags and fork", test_fork, MTE_SIZES(LAF_ALL) },
	{ "tags and MADV_COLLAPSE", test_collapse, MTE_SIZES(LAF_SOME) },
};

int main(void)
{
	laf_swap_setup();
	return laf_main(tests, ARRAY_SIZE(tests));
}
