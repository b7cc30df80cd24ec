/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Mock page tables: runs of PTEs over real folios, for KUnit suites.
 *
 * Mock is only who uses them: the mm, the VMA, the page tables, the folios and
 * their rmap are real, so that the functions under test are the kernel's own.
 * No task runs on the mm, so that nobody but the test changes anything.
 *
 * All is released when the test case ends, however it ends.
 */
#ifndef _MOCK_PGTABLE_H
#define _MOCK_PGTABLE_H

#include <kunit/test.h>
#include <linux/bits.h>
#include <linux/large_anon_folio.h>
#include <linux/list.h>
#include <linux/mm.h>

/* What the PTEs of a run have set; nothing is implied */
#define MOCK_WRITE	BIT(0)
#define MOCK_YOUNG	BIT(1)
#define MOCK_DIRTY	BIT(2)
#define MOCK_SOFT_DIRTY	BIT(3)
#define MOCK_PROTNONE	BIT(4)
/* The pages are not PageAnonExclusive, as after fork */
#define MOCK_SHARED	BIT(5)

/* Private memory that can be read and written */
#define MOCK_VM_FLAGS	(VM_READ | VM_WRITE | VM_MAYREAD | VM_MAYWRITE)

/**
 * struct mock_run - A run of PTEs that map consecutive pages of one folio.
 * @order: Order of the folio, 0 or from 2 up.
 * @at: Where the run begins: pages from the start of the VMA.
 * @first: The page of the folio that the first PTE maps.
 * @nr: Number of PTEs; all in one page table.
 * @flags: MOCK_* flags of all PTEs.
 *
 * Page @first being at @at settles where the whole folio belongs: its other
 * pages may lie outside the VMA, as after munmap().
 */
struct mock_run {
	unsigned int order;
	unsigned int at;
	unsigned int first;
	unsigned int nr;
	unsigned long flags;
};

/**
 * struct mock_pgtable - An mm with one anonymous VMA.
 * @test: The test that it belongs to.
 * @mm: The mm.
 * @vma: The VMA. vma->vm_start is in the PMD range that begins at @base.
 * @base: Aligned to twice the size of a PMD.
 * @folios: Folios made by mock_map_run() and what keeps them.
 */
struct mock_pgtable {
	struct kunit *test;
	struct mm_struct *mm;
	struct vm_area_struct *vma;
	unsigned long base;
	struct list_head folios;
};

/* Orders that have counters, and those below */
#define MOCK_NR_ORDERS	(HPAGE_PMD_ORDER + 1)

/**
 * struct mock_counts - All that a folio is counted in.
 * @anon_mapped: NR_ANON_MAPPED, in pages.
 * @anon_thps: NR_ANON_THPS, in pages.
 * @file_mapped: NR_FILE_MAPPED, in pages.
 * @lru: Pages on the anonymous and the unevictable LRU lists.
 * @mlock: NR_MLOCK, in pages.
 * @tables: NR_PAGETABLE, in pages.
 * @oom_kill: OOM kills so far.
 * @mthp: The counters of each folio size.
 */
struct mock_counts {
	long anon_mapped;
	long anon_thps;
	long file_mapped;
	long lru;
	long mlock;
	long tables;
	long oom_kill;
	long mthp[MOCK_NR_ORDERS][NR_MTHP_STATS];
};

/*
 * The largest order that tests fill with data: a PMD range is 512 MiB with 64K
 * pages, more than a small machine has in one piece.
 */
#define MOCK_MAX_ORDER	(PMD_SHIFT <= 21 ? PMD_SHIFT - PAGE_SHIFT - 1 : 21 - PAGE_SHIFT)

struct mock_pgtable *mock_pgtable_create(struct kunit *test, unsigned int skip,
					 unsigned int nr, unsigned long vm_flags);
void mock_pgtable_release(struct mock_pgtable *mock);

void mock_inherit(struct mock_pgtable *child, struct mock_pgtable *parent);
void mock_lose_id(struct mock_pgtable *mock);
bool mock_has_id(const struct mock_pgtable *mock);

void mock_map_pages(struct mock_pgtable *mock, struct folio *folio,
		    const struct mock_run *run);
struct folio *mock_map_run(struct mock_pgtable *mock, const struct mock_run *run);
void mock_unmap(struct mock_pgtable *mock, unsigned int at, unsigned int nr);
int mock_copy_run(struct mock_pgtable *parent, struct mock_pgtable *child,
		  unsigned int at, unsigned int end);
int mock_fault(struct mock_pgtable *mock, unsigned int at, bool write);
struct vm_fault mock_vmf(struct mock_pgtable *mock, unsigned int at);

pte_t mock_run_pte(struct page *page, unsigned long flags);
unsigned long mock_pte_flags(pte_t pte);
unsigned long mock_mix(unsigned int mix, unsigned int i);
void mock_expect_pte(struct kunit *test, pte_t pte, struct page *page,
		     unsigned long flags, const char *what, unsigned int code,
		     unsigned int i);
pmd_t *mock_pmd_alloc(struct mock_pgtable *mock, unsigned int at);
pmd_t *mock_pmd(struct mock_pgtable *mock, unsigned int at);
void mock_adjoin_tables(struct mock_pgtable *mock, unsigned int at, unsigned int next);
pte_t mock_pte(struct mock_pgtable *mock, unsigned int at);
void mock_set_pte(struct mock_pgtable *mock, unsigned int at, pte_t pte);
struct folio *mock_folio(struct mock_pgtable *mock, unsigned int at);

void mock_settings_save(struct kunit *test);
void mock_settings_set(enum anon_folio_policy policy,
		       enum anon_folio_enabled global);
void mock_settings_orders(unsigned long orders, enum anon_folio_enabled enabled);

void mock_fragment(struct kunit *test, int order);
void mock_fragment_release(struct kunit *test);

void mock_count(struct mock_counts *counts);
int mock_leak_check_init(struct kunit_suite *suite);
void mock_leak_check(struct kunit *test);

/**
 * mock_addr - The address of a page of the VMA.
 * @mock: The mm.
 * @at: Pages from the start of the VMA.
 *
 * Return: The address.
 */
static inline unsigned long mock_addr(struct mock_pgtable *mock, unsigned int at)
{
	return mock->vma->vm_start + at * PAGE_SIZE;
}

/**
 * mock_queued - Whether a folio waits to be split.
 * @folio: The folio, of any order.
 *
 * Return: True if it is on a deferred-split queue.
 */
static inline bool mock_queued(struct folio *folio)
{
	return folio_order(folio) >= 2 &&
	       !list_empty(page_deferred_list(&folio->page));
}

/**
 * mock_failed - Whether an expectation failed already.
 * @test: The test.
 *
 * Return: True if a long loop had better stop: its log tells enough.
 */
static inline bool mock_failed(struct kunit *test)
{
	return READ_ONCE(test->status) == KUNIT_FAILURE;
}

#endif /* _MOCK_PGTABLE_H */
