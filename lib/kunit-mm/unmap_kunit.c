// SPDX-License-Identifier: GPL-2.0-only
/*
 * Runs of PTEs of a large anonymous folio: given up by MADV_FREE, made old by
 * MADV_COLD, discarded or swapped out by reclaim, moved by migration, changed by
 * mprotect().
 */
#include <kunit/test.h>
#include <linux/large_anon_folio.h>
#include <linux/mm.h>
#include <linux/mm_inline.h>
#include <linux/pte_batch.h>
#include <linux/rmap.h>
#include <linux/rmap_batch.h>
#include <linux/sched/coredump.h>
#include <linux/slab.h>
#include <linux/swap.h>
#include <linux/swapfile.h>
#include <linux/swapops.h>

#include <asm/tlb.h>

#include "../../mm/internal.h"
#include "mock_pgtable.h"

#define MAX_ORDER_HERE	min(6, MOCK_MAX_ORDER)
#define NR_MIXES	BIT(12)

typedef int (*advise_fn)(struct mmu_gather *tlb, struct vm_area_struct *vma,
			 pte_t *pte, struct page *page, unsigned long addr,
			 unsigned long end);

/* As the walk over a page table does it, for what is mapped at @at */
static int advise(struct mock_pgtable *mock, advise_fn fn, unsigned int at,
		  unsigned int end)
{
	unsigned long addr = mock_addr(mock, at);
	pmd_t *pmd = mock_pmd(mock, at);
	struct mmu_gather tlb;
	spinlock_t *ptl; /* the page table's */
	pte_t *ptep;
	int nr;

	tlb_gather_mmu(&tlb, mock->mm);
	tlb_change_page_size(&tlb, PAGE_SIZE);
	ptep = pte_offset_map_lock(mock->mm, pmd, addr, &ptl);
	nr = fn(&tlb, mock->vma, ptep, pte_page(ptep_get(ptep)), addr,
		mock_addr(mock, end));
	pte_unmap_unlock(ptep, ptl);
	tlb_finish_mmu(&tlb);

	return nr;
}

static void set_mix(struct mock_pgtable *mock, struct folio *folio, unsigned int mix)
{
	unsigned int i;

	for (i = 0; i < 4; i++)
		mock_set_pte(mock, i, mock_run_pte(folio_page(folio, i), mock_mix(mix, i)));
}

/*
 * Of the pages that set_mix() mapped, some that can't be written to are shared.
 *
 * Return: The flags of page @i in the mix.
 */
static unsigned long share_mix(struct page *page, unsigned int mix, unsigned int i)
{
	unsigned long flags = mock_mix(mix, i);

	if (!(flags & MOCK_WRITE) && (mix ^ mix >> 5) & BIT(i))
		flags |= MOCK_SHARED;
	if (flags & MOCK_SHARED)
		ClearPageAnonExclusive(page);
	else
		SetPageAnonExclusive(page);
	return flags;
}

/* Not lazily freed any more: on the LRU list of what has to be swapped */
static void want_again(struct kunit *test, struct folio *folio)
{
	KUNIT_ASSERT_EQ(test, isolate_lru_page(&folio->page), 0);
	folio_set_swapbacked(folio);
	putback_lru_page(&folio->page);
}

/* ------------------------------------------------ MADV_FREE and MADV_COLD */

/*
 * A folio that is in the range as a whole is given up, or made old, in one
 * piece, whatever the bits of its PTEs are; no other bit changes.
 */
static void advise_mixes(struct kunit *test)
{
	const struct mock_run run = { .order = 2, .nr = 4 };
	struct mock_pgtable *mock = mock_pgtable_create(test, 0, 6, MOCK_VM_FLAGS);
	struct folio *folio = mock_map_run(mock, &run);
	unsigned int mix, i, free;

	for (mix = 0; mix < NR_MIXES && !mock_failed(test); mix++)
		for (free = 0; free < 2; free++) {
			unsigned long gone = free ? MOCK_YOUNG | MOCK_DIRTY : MOCK_YOUNG;

			set_mix(mock, folio, mix);
			KUNIT_EXPECT_EQ(test, advise(mock, free ? lazyfree_folio_ptes :
						     cold_folio_ptes, 0, 6), 4);
			KUNIT_EXPECT_EQ_MSG(test, folio_test_swapbacked(folio), !free,
					    "mix %#o", mix);
			if (free)
				want_again(test, folio);
			for (i = 0; i < 4; i++)
				mock_expect_pte(test, mock_pte(mock, i), folio_page(folio, i),
						mock_mix(mix, i) & ~gone, "mm", mix, i);
		}
	KUNIT_EXPECT_EQ(test, folio_ref_count(folio), 5);
	KUNIT_EXPECT_EQ(test, folio_mapcount(folio), 4);
}

static void expect_refused(struct kunit *test, struct mock_pgtable *mock,
			   struct folio *folio, unsigned int at, unsigned int end,
			   const char *why)
{
	pte_t before = mock_pte(mock, at);

	KUNIT_EXPECT_EQ_MSG(test, advise(mock, lazyfree_folio_ptes, at, end), 0, "%s", why);
	KUNIT_EXPECT_EQ_MSG(test, advise(mock, cold_folio_ptes, at, end), 0, "%s", why);
	KUNIT_EXPECT_TRUE_MSG(test, pte_same(mock_pte(mock, at), before), "%s", why);
	KUNIT_EXPECT_TRUE_MSG(test, folio_test_swapbacked(folio), "%s", why);
}

/* What is not the whole of a folio and its mappings is left to the caller */
static void advise_parts(struct kunit *test)
{
	const unsigned long flags = MOCK_WRITE | MOCK_YOUNG | MOCK_DIRTY;
	const struct mock_run run = { .order = 3, .nr = 8, .flags = flags };
	const struct mock_run later = { .order = 3, .at = 8, .first = 1, .nr = 7, .flags = flags };
	struct mock_pgtable *mock = mock_pgtable_create(test, 0, 16, MOCK_VM_FLAGS);
	struct folio *folio = mock_map_run(mock, &run);
	unsigned int i;
	pte_t pte;

	for (i = 1; i < 8; i++) {
		expect_refused(test, mock, folio, i, 16, "begins in the folio");
		expect_refused(test, mock, folio, 0, i, "ends in the folio");
	}

	/* Mapped once more, anywhere */
	folio_add_large_mapcount(folio, 1);
	expect_refused(test, mock, folio, 0, 16, "mapped elsewhere, too");
	folio_add_large_mapcount(folio, -1);

	/* Its bad page is found by a split */
	folio_set_has_hwpoisoned(folio);
	if (IS_ENABLED(CONFIG_MEMORY_FAILURE))
		KUNIT_EXPECT_EQ(test, advise(mock, lazyfree_folio_ptes, 0, 16), 0);
	folio_clear_has_hwpoisoned(folio);

	/* Other protection in the middle */
	pte = mock_pte(mock, 5);
	mock_set_pte(mock, 5, mock_run_pte(folio_page(folio, 5), flags | MOCK_PROTNONE));
	expect_refused(test, mock, folio, 0, 16, "not one run");
	mock_set_pte(mock, 5, pte);

	KUNIT_EXPECT_EQ(test, advise(mock, lazyfree_folio_ptes, 0, 16), 8);
	want_again(test, folio);

	mock_unmap(mock, 7, 1);
	expect_refused(test, mock, folio, 0, 16, "not all of it is mapped");
	folio = mock_map_run(mock, &later);
	expect_refused(test, mock, folio, 8, 16, "its first page is not mapped");
}

/* A dirty folio is cleaned under its lock; if that is taken, nothing happens */
static void advise_dirty(struct kunit *test)
{
	const unsigned long flags = MOCK_WRITE | MOCK_YOUNG | MOCK_DIRTY;
	const struct mock_run run = { .order = 2, .nr = 4, .flags = flags };
	struct mock_pgtable *mock = mock_pgtable_create(test, 0, 4, MOCK_VM_FLAGS);
	struct folio *folio = mock_map_run(mock, &run);

	folio_mark_dirty(folio);
	folio_lock(folio);
	KUNIT_EXPECT_EQ(test, advise(mock, lazyfree_folio_ptes, 0, 4), 4);
	KUNIT_EXPECT_TRUE(test, folio_test_swapbacked(folio));
	KUNIT_EXPECT_TRUE(test, folio_test_dirty(folio));
	mock_expect_pte(test, mock_pte(mock, 0), &folio->page, flags, "mm", 0, 0);
	folio_unlock(folio);

	KUNIT_EXPECT_EQ(test, advise(mock, lazyfree_folio_ptes, 0, 4), 4);
	KUNIT_EXPECT_FALSE(test, folio_test_swapbacked(folio));
	KUNIT_EXPECT_FALSE(test, folio_test_dirty(folio));
	mock_expect_pte(test, mock_pte(mock, 0), &folio->page, MOCK_WRITE, "mm", 0, 0);
	want_again(test, folio);
}

/* ----------------------------------------------------------------- reclaim */

static struct folio *lazyfree_folio(struct kunit *test, struct mock_pgtable *mock,
				    unsigned int order)
{
	const struct mock_run run = {
		.order = order, .nr = 1U << order,
		.flags = MOCK_WRITE | MOCK_YOUNG | MOCK_DIRTY,
	};
	struct folio *folio = mock_map_run(mock, &run);

	KUNIT_EXPECT_EQ(test, advise(mock, lazyfree_folio_ptes, 0, 1U << order),
			1 << order);
	KUNIT_EXPECT_FALSE(test, folio_test_swapbacked(folio));
	return folio;
}

/*
 * As shrink_folio_list() does it; meanwhile the mock does without its reference. A
 * folio that may be freed next leaves no flush of the TLB for later.
 */
static void reclaim(struct kunit *test, struct folio *folio)
{
	KUNIT_ASSERT_EQ(test, isolate_lru_page(&folio->page), 0);
	folio_put(folio);
	folio_lock(folio);
#ifdef CONFIG_ARCH_WANT_BATCHED_UNMAP_TLB_FLUSH
	current->tlb_ubc.flush_required = true;
#endif
	try_to_unmap(folio, TTU_BATCH_FLUSH);
#ifdef CONFIG_ARCH_WANT_BATCHED_UNMAP_TLB_FLUSH
	KUNIT_EXPECT_TRUE(test, folio_test_swapbacked(folio) ||
			  !current->tlb_ubc.flush_required);
#endif
	folio_unlock(folio);
	try_to_unmap_flush();
	folio_get(folio);
	putback_lru_page(&folio->page);
}

/* One that nobody wrote to again goes as a whole, and past the queue */
static void discard_whole(struct kunit *test)
{
	unsigned int order, i;

	for (order = 2; order <= MAX_ORDER_HERE; order++) {
		long deferred = sum_mthp_stat(order, MTHP_STAT_SPLIT_DEFERRED);
		struct mock_pgtable *mock;
		struct folio *folio;

		mock = mock_pgtable_create(test, 0, 1U << order, MOCK_VM_FLAGS);
		folio = lazyfree_folio(test, mock, order);
		reclaim(test, folio);
		for (i = 0; i < 1U << order; i++)
			KUNIT_EXPECT_TRUE_MSG(test, pte_none(mock_pte(mock, i)),
					      "order %u, entry %u", order, i);
		KUNIT_EXPECT_EQ(test, folio_mapcount(folio), 0);
		KUNIT_EXPECT_EQ(test, folio_ref_count(folio), 1);
		KUNIT_EXPECT_EQ(test, get_mm_counter(mock->mm, MM_ANONPAGES), 0UL);
		KUNIT_EXPECT_FALSE(test, mock_queued(folio));
		KUNIT_EXPECT_EQ(test, sum_mthp_stat(order, MTHP_STAT_SPLIT_DEFERRED),
				deferred);
		mock_pgtable_release(mock);
	}
}

/* All is still there, and none of it is free to take any more */
static void expect_kept(struct kunit *test, struct mock_pgtable *mock,
			struct folio *folio, unsigned int code)
{
	unsigned int i;

	for (i = 0; i < 8; i++) {
		pte_t pte = mock_pte(mock, i);

		KUNIT_EXPECT_TRUE_MSG(test, pte_present(pte) &&
				      pte_page(pte) == folio_page(folio, i),
				      "case %u: entry %u is %#llx", code, i, (u64)pte_val(pte));
		KUNIT_EXPECT_EQ(test, page_mapcount(folio_page(folio, i)), 1);
		KUNIT_EXPECT_TRUE(test, PageAnonExclusive(folio_page(folio, i)));
	}
	KUNIT_EXPECT_TRUE_MSG(test, folio_test_swapbacked(folio), "case %u", code);
	KUNIT_EXPECT_EQ(test, folio_mapcount(folio), 8);
	KUNIT_EXPECT_EQ(test, get_mm_counter(mock->mm, MM_ANONPAGES), 8UL);
	KUNIT_EXPECT_FALSE(test, mock_queued(folio));
}

/*
 * Written again through any of its PTEs, or in somebody's hands, or marked dirty
 * by one who had it in his: a folio is kept, all of it.
 */
static void discard_wanted(struct kunit *test)
{
	unsigned int i;

	for (i = 0; i < 10 && !mock_failed(test); i++) {
		struct mock_pgtable *mock = mock_pgtable_create(test, 0, 8, MOCK_VM_FLAGS);
		struct folio *folio = lazyfree_folio(test, mock, 3);

		if (i < 8)
			mock_set_pte(mock, i, pte_mkdirty(mock_pte(mock, i)));
		else if (i < 9)
			folio_get(folio);
		else
			folio_mark_dirty(folio);
		reclaim(test, folio);
		expect_kept(test, mock, folio, i);
		if (i < 8)
			KUNIT_EXPECT_TRUE(test, folio_test_dirty(folio));
		if (i == 8) {
			KUNIT_EXPECT_EQ(test, folio_ref_count(folio), 10);
			folio_put(folio);
		}
		mock_pgtable_release(mock);
	}
}

/* --------------------------------------------------------------- swapping */

/*
 * A swap area without a device, for as much as page tables need of one: counts of
 * its entries. It is the last that there can be, and no allocation finds it.
 */
#define SWAP_TYPE	(MAX_SWAPFILES - 1)
#define SWAP_FIRST	3
/* As large as a machine has it */
#define SWAP_ORDER	(PMD_SHIFT <= 25 ? HPAGE_PMD_ORDER : MAX_ORDER_HERE)

static void no_release(struct percpu_ref *users)
{
}

static int swap_area_init_res(struct kunit_resource *res, void *unused)
{
	const unsigned int max = SWAP_FIRST + (1U << SWAP_ORDER);
	struct swap_info_struct *area = kzalloc(sizeof(*area), GFP_KERNEL);
	int err = -ENOMEM;

	if (!area)
		return err;
	area->swap_map = kvzalloc(max, GFP_KERNEL);
	if (!area->swap_map)
		goto free_area;
	err = init_swap_address_space(SWAP_TYPE, max);
	if (err)
		goto free_map;
	err = percpu_ref_init(&area->users, no_release, 0, GFP_KERNEL);
	if (err)
		goto free_cache;

	spin_lock_init(&area->lock);
	spin_lock_init(&area->cont_lock);
	area->flags = SWP_USED;
	area->type = SWAP_TYPE;
	area->max = max;
	/* Pairs with swap_type_to_swap_info(), as in alloc_swap_info() */
	smp_store_release(&swap_info[SWAP_TYPE], area);
	res->data = area;
	return 0;

free_cache:
	exit_swap_address_space(SWAP_TYPE);
free_map:
	kvfree(area->swap_map);
free_area:
	kfree(area);
	return err;
}

static void swap_area_free_res(struct kunit_resource *res)
{
	struct swap_info_struct *area = res->data;

	WRITE_ONCE(swap_info[SWAP_TYPE], NULL);
	percpu_ref_exit(&area->users);
	exit_swap_address_space(SWAP_TYPE);
	kvfree(area->swap_map);
	kfree(area);
}

/* The test's end takes it away, after the mocks that were made later */
static struct swap_info_struct *swap_area(struct kunit *test)
{
	struct swap_info_struct *area;

	KUNIT_ASSERT_NULL(test, swap_info[SWAP_TYPE]);
	area = kunit_alloc_resource(test, swap_area_init_res, swap_area_free_res,
				    GFP_KERNEL, NULL);
	KUNIT_ASSERT_NOT_NULL(test, area);
	return area;
}

/* As add_to_swap(); nobody looks for the folio in the cache */
static void enter_swap_cache(struct swap_info_struct *area, struct folio *folio)
{
	unsigned int i;

	for (i = 0; i < folio_nr_pages(folio); i++) {
		area->swap_map[SWAP_FIRST + i] = SWAP_HAS_CACHE;
		set_page_private(folio_page(folio, i),
				 swp_entry(SWAP_TYPE, SWAP_FIRST + i).val);
	}
	folio_set_swapcache(folio);
}

/*
 * As delete_from_swap_cache(), and what is left in page tables goes after it: with
 * that, each entry was in the cache only, as in the beginning.
 */
static void leave_swap_cache(struct kunit *test, struct swap_info_struct *area,
			     struct mock_pgtable *mock, struct folio *folio)
{
	const unsigned int nr = folio_nr_pages(folio);
	unsigned int i;

	folio_clear_swapcache(folio);
	mock_unmap(mock, 0, nr);
	for (i = 0; i < nr; i++) {
		KUNIT_EXPECT_EQ_MSG(test, (int)area->swap_map[SWAP_FIRST + i], SWAP_HAS_CACHE,
				    "entry %u is in use", i);
		set_page_private(folio_page(folio, i), 0);
	}
}

/* What an entry has to have of the PTE that it replaces, where it can have it */
static void expect_swapped(struct kunit *test, struct mock_pgtable *mock,
			   struct swap_info_struct *area, struct folio *folio,
			   unsigned int i, unsigned long flags, unsigned int code)
{
	pte_t pte = mock_pte(mock, i);

	KUNIT_EXPECT_TRUE_MSG(test, is_swap_pte(pte) &&
			      pte_to_swp_entry(pte).val == swp_entry(SWAP_TYPE, SWAP_FIRST + i).val,
			      "case %#o: entry %u is %#llx", code, i, (u64)pte_val(pte));
	if (IS_ENABLED(CONFIG_MEM_SOFT_DIRTY))
		KUNIT_EXPECT_EQ_MSG(test, !!pte_swp_soft_dirty(pte), !!(flags & MOCK_SOFT_DIRTY),
				    "case %#o, entry %u", code, i);
#ifdef __HAVE_ARCH_PTE_SWP_EXCLUSIVE
	KUNIT_EXPECT_EQ_MSG(test, !!pte_swp_exclusive(pte), !(flags & MOCK_SHARED),
			    "case %#o, entry %u", code, i);
#endif
	KUNIT_EXPECT_EQ_MSG(test, (int)area->swap_map[SWAP_FIRST + i], SWAP_HAS_CACHE | 1,
			    "case %#o, entry %u", code, i);
	KUNIT_EXPECT_FALSE_MSG(test, PageAnonExclusive(folio_page(folio, i)),
			       "case %#o, page %u", code, i);
}

static void expect_rss(struct kunit *test, struct mock_pgtable *mock, struct folio *folio,
		       unsigned int mapped, unsigned int swapped, unsigned int code)
{
	KUNIT_EXPECT_EQ_MSG(test, get_mm_counter(mock->mm, MM_ANONPAGES), mapped,
			    "case %#o", code);
	KUNIT_EXPECT_EQ_MSG(test, get_mm_counter(mock->mm, MM_SWAPENTS), swapped,
			    "case %#o", code);
	KUNIT_EXPECT_EQ_MSG(test, folio_mapcount(folio), mapped, "case %#o", code);
}

/*
 * All mixes of the bits in four PTEs, of exclusive and shared pages: each swap
 * entry has what its PTE had, and is counted once; the folio is dirty if one of
 * them was.
 */
static void swap_mixes(struct kunit *test)
{
	const struct mock_run run = { .order = 2, .nr = 4 };
	struct swap_info_struct *area = swap_area(test);
	struct mock_pgtable *mock = mock_pgtable_create(test, 0, 4, MOCK_VM_FLAGS);
	struct folio *folio = mock_map_run(mock, &run);
	unsigned int mix, i;

	for (mix = 0; mix < NR_MIXES && !mock_failed(test); mix++) {
		unsigned long want[4], any = 0;

		set_mix(mock, folio, mix);
		for (i = 0; i < 4; i++) {
			want[i] = share_mix(folio_page(folio, i), mix, i);
			any |= want[i];
		}
		enter_swap_cache(area, folio);
		folio_clear_dirty(folio);
		reclaim(test, folio);

		for (i = 0; i < 4; i++)
			expect_swapped(test, mock, area, folio, i, want[i], mix);
		expect_rss(test, mock, folio, 0, 4, mix);
		KUNIT_EXPECT_EQ(test, folio_ref_count(folio), 1);
		KUNIT_EXPECT_EQ_MSG(test, !!folio_test_dirty(folio), !!(any & MOCK_DIRTY),
				    "mix %#o", mix);
		leave_swap_cache(test, area, mock, folio);
		expect_rss(test, mock, folio, 0, 0, mix);
		mock_map_pages(mock, folio, &run);
	}
	KUNIT_EXPECT_FALSE(test, mock_queued(folio));
	folio_clear_dirty(folio);
}

/*
 * A folio as large as they come, in a mix of PTEs: all of it goes. If it may be
 * pinned, all before its first exclusive page goes, and nothing from that on; the
 * entry that the page was about to have is in use by nobody.
 */
static void swap_stops(struct kunit *test)
{
	const unsigned int order = SWAP_ORDER, nr = 1U << order;
	const unsigned int stops[] = { 0, 1, nr / 2, nr / 2 + 1, nr - 1, nr };
	const struct mock_run run = { .order = order, .nr = nr };
	struct swap_info_struct *area = swap_area(test);
	struct mock_pgtable *mock = mock_pgtable_create(test, 0, nr, MOCK_VM_FLAGS);
	struct folio *folio = mock_map_run(mock, &run);
	unsigned long *wants = kunit_kcalloc(test, nr, sizeof(*wants), GFP_KERNEL);
	unsigned int c, i;

	KUNIT_ASSERT_NOT_NULL(test, wants);
	set_bit(MMF_HAS_PINNED, &mock->mm->flags);
	for (c = 0; c < ARRAY_SIZE(stops) && !mock_failed(test); c++) {
		const unsigned int stop = stops[c];
		const bool pinned = stop < nr;

		for (i = 0; i < nr; i++) {
			struct page *page = folio_page(folio, i);
			unsigned long flags = mock_mix(i, 0);

			/* Of what can't be written to, one in two */
			if (!(flags & MOCK_WRITE) && i & BIT(3))
				flags |= MOCK_SHARED;
			if (pinned && i < stop)
				flags = (flags & ~MOCK_WRITE) | MOCK_SHARED;
			if (pinned && i == stop)
				flags &= ~MOCK_SHARED;
			wants[i] = flags;
			mock_set_pte(mock, i, mock_run_pte(page, flags));
			if (flags & MOCK_SHARED)
				ClearPageAnonExclusive(page);
			else
				SetPageAnonExclusive(page);
		}
		enter_swap_cache(area, folio);
		if (pinned) {
			folio_get(folio);
			atomic_inc(folio_pincount_ptr(folio));
		}
		reclaim(test, folio);

		for (i = 0; i < nr; i++) {
			if (i < stop) {
				expect_swapped(test, mock, area, folio, i, wants[i], c);
				continue;
			}
			mock_expect_pte(test, mock_pte(mock, i), folio_page(folio, i),
					wants[i] & ~MOCK_SHARED, "mm", c, i);
			KUNIT_EXPECT_EQ_MSG(test, !PageAnonExclusive(folio_page(folio, i)),
					    !!(wants[i] & MOCK_SHARED), "case %u, page %u", c, i);
		}
		expect_rss(test, mock, folio, nr - stop, stop, c);
		KUNIT_EXPECT_EQ(test, folio_ref_count(folio), 1 + nr - stop + pinned);

		if (pinned) {
			atomic_dec(folio_pincount_ptr(folio));
			folio_put(folio);
		}
		leave_swap_cache(test, area, mock, folio);
		expect_rss(test, mock, folio, 0, 0, c);
		folio_clear_dirty(folio);
		mock_map_pages(mock, folio, &run);
	}
}

/* --------------------------------------------------------------- migration */

static unsigned long entry_flags(pte_t pte)
{
	swp_entry_t entry = pte_to_swp_entry(pte);

	return (is_writable_migration_entry(entry) ? MOCK_WRITE : 0) |
	       (is_readable_migration_entry(entry) ? MOCK_SHARED : 0) |
	       (is_migration_entry_young(entry) ? MOCK_YOUNG : 0) |
	       (is_migration_entry_dirty(entry) ? MOCK_DIRTY : 0) |
	       (pte_swp_soft_dirty(pte) ? MOCK_SOFT_DIRTY : 0);
}

/*
 * All mixes of the bits in four PTEs, of exclusive and shared pages: each
 * migration entry has what its PTE had; afterwards all is mapped as before. The
 * folio never comes to the queue.
 */
static void migrate_mixes(struct kunit *test)
{
	const struct mock_run run = { .order = 2, .nr = 4 };
	struct mock_pgtable *mock = mock_pgtable_create(test, 0, 4, MOCK_VM_FLAGS);
	struct folio *folio = mock_map_run(mock, &run);
	unsigned long known = MOCK_WRITE | MOCK_SHARED |
		(IS_ENABLED(CONFIG_MEM_SOFT_DIRTY) ? MOCK_SOFT_DIRTY : 0) |
		(migration_entry_supports_ad() ? MOCK_YOUNG | MOCK_DIRTY : 0);
	long deferred = sum_mthp_stat(2, MTHP_STAT_SPLIT_DEFERRED);
	unsigned int mix, i;

	for (mix = 0; mix < NR_MIXES && !mock_failed(test); mix++) {
		unsigned long want[4];

		set_mix(mock, folio, mix);
		for (i = 0; i < 4; i++)
			want[i] = share_mix(folio_page(folio, i), mix, i);
		folio_clear_dirty(folio);

		folio_lock(folio);
		try_to_migrate(folio, 0);
		KUNIT_EXPECT_EQ(test, folio_mapcount(folio), 0);
		KUNIT_EXPECT_EQ(test, folio_ref_count(folio), 1);
		for (i = 0; i < 4; i++) {
			pte_t pte = mock_pte(mock, i);

			KUNIT_ASSERT_TRUE_MSG(test, is_swap_pte(pte) &&
					      is_migration_entry(pte_to_swp_entry(pte)),
					      "mix %#o: entry %u is %#llx", mix, i,
					      (u64)pte_val(pte));
			KUNIT_EXPECT_PTR_EQ(test, pfn_swap_entry_to_page(pte_to_swp_entry(pte)),
					    folio_page(folio, i));
			KUNIT_EXPECT_EQ_MSG(test, entry_flags(pte), want[i] & known,
					    "mix %#o, entry %u", mix, i);
			KUNIT_EXPECT_FALSE(test, PageAnonExclusive(folio_page(folio, i)));
			KUNIT_EXPECT_TRUE(test, folio_test_dirty(folio) ||
					  !(want[i] & MOCK_DIRTY));
		}
		remove_migration_ptes(folio, folio, false);
		folio_unlock(folio);

		for (i = 0; i < 4; i++) {
			struct page *page = folio_page(folio, i);

			mock_expect_pte(test, mock_pte(mock, i), page,
					want[i] & known & ~MOCK_SHARED, "mm", mix, i);
			KUNIT_EXPECT_EQ(test, page_mapcount(page), 1);
			KUNIT_EXPECT_EQ_MSG(test, !PageAnonExclusive(page),
					    !!(want[i] & MOCK_SHARED), "mix %#o, page %u", mix, i);
		}
		KUNIT_EXPECT_EQ(test, folio_mapcount(folio), 4);
		KUNIT_EXPECT_EQ(test, folio_ref_count(folio), 5);
	}
	KUNIT_EXPECT_FALSE(test, mock_queued(folio));
	KUNIT_EXPECT_EQ(test, sum_mthp_stat(2, MTHP_STAT_SPLIT_DEFERRED), deferred);
}

/* An exclusive page that may be pinned stays where it is, and so does the rest */
static void migrate_pinned(struct kunit *test)
{
	const unsigned long flags = MOCK_WRITE | MOCK_YOUNG | MOCK_DIRTY | MOCK_SOFT_DIRTY;
	const struct mock_run run = { .order = 3, .nr = 8, .flags = flags };
	unsigned int first, i;

	for (first = 0; first < 8; first++) {
		struct mock_pgtable *mock = mock_pgtable_create(test, 0, 8, MOCK_VM_FLAGS);
		struct folio *folio = mock_map_run(mock, &run);

		set_bit(MMF_HAS_PINNED, &mock->mm->flags);
		folio_get(folio);
		atomic_inc(folio_pincount_ptr(folio));
		/* Those before it are shared */
		for (i = 0; i < first; i++) {
			mock_set_pte(mock, i, mock_run_pte(folio_page(folio, i),
							   flags & ~MOCK_WRITE));
			ClearPageAnonExclusive(folio_page(folio, i));
		}

		folio_lock(folio);
		try_to_migrate(folio, 0);
		KUNIT_EXPECT_EQ(test, folio_mapcount(folio), 8 - first);
		KUNIT_EXPECT_EQ(test, folio_ref_count(folio), 2 + 8 - first);
		for (i = 0; i < 8; i++) {
			if (i < first)
				KUNIT_EXPECT_TRUE(test, is_swap_pte(mock_pte(mock, i)));
			else
				mock_expect_pte(test, mock_pte(mock, i), folio_page(folio, i),
						flags, "mm", first, i);
			KUNIT_EXPECT_EQ(test, !!PageAnonExclusive(folio_page(folio, i)),
					i >= first);
		}
		remove_migration_ptes(folio, folio, false);
		folio_unlock(folio);
		KUNIT_EXPECT_EQ(test, folio_mapcount(folio), 8);
		KUNIT_EXPECT_FALSE(test, mock_queued(folio));

		atomic_dec(folio_pincount_ptr(folio));
		folio_put(folio);
		mock_pgtable_release(mock);
	}
}

/*
 * What became of the entries meanwhile is left as it is, on each side of where one
 * page table ends: an entry that is gone, or one for another page. All others
 * become PTEs again.
 */
static void restore_parts(struct kunit *test)
{
	const unsigned int skip = PMD_SIZE / PAGE_SIZE - 3;
	const unsigned long flags = MOCK_WRITE | MOCK_YOUNG | MOCK_DIRTY | MOCK_SOFT_DIRTY;
	const struct mock_run runs[] = {
		{ .order = 3, .nr = 3, .flags = flags },
		{ .order = 3, .at = 3, .first = 3, .nr = 5, .flags = flags },
	};
	const swp_entry_t other = make_writable_migration_entry(0);
	unsigned int gone, kind, i;

	for (gone = 0; gone < 9; gone++)
		for (kind = 0; kind < 2 && !mock_failed(test); kind++) {
			const int left = 8 - (gone < 8);
			struct mock_pgtable *mock;
			struct folio *folio;

			mock = mock_pgtable_create(test, skip, 8, MOCK_VM_FLAGS);
			folio = mock_map_run(mock, &runs[0]);
			mock_map_pages(mock, folio, &runs[1]);
			folio_lock(folio);
			try_to_migrate(folio, 0);
			KUNIT_EXPECT_EQ(test, folio_mapcount(folio), 0);
			if (gone < 8)
				mock_set_pte(mock, gone,
					     kind ? swp_entry_to_pte(other) : __pte(0));
			remove_migration_ptes(folio, folio, false);
			folio_unlock(folio);

			KUNIT_EXPECT_EQ_MSG(test, folio_mapcount(folio), left, "%u gone", gone);
			KUNIT_EXPECT_EQ_MSG(test, folio_ref_count(folio), 1 + left, "%u gone",
					    gone);
			for (i = 0; i < 8; i++) {
				struct page *page = folio_page(folio, i);

				KUNIT_EXPECT_EQ_MSG(test, page_mapcount(page), i != gone,
						    "%u gone, page %u", gone, i);
				if (i != gone)
					KUNIT_EXPECT_PTR_EQ(test, pte_page(mock_pte(mock, i)),
							    page);
				else if (kind)
					KUNIT_EXPECT_TRUE(test, is_swap_pte(mock_pte(mock, i)));
				else
					KUNIT_EXPECT_TRUE(test, pte_none(mock_pte(mock, i)));
			}
			if (gone < 8) {
				mock_set_pte(mock, gone, __pte(0));
				add_mm_counter(mock->mm, MM_ANONPAGES, -1);
			}
			mock_pgtable_release(mock);
		}
}

/* PTEs from @at to @end become entries, and PTEs again: how many at once */
static void move_run(struct mock_pgtable *mock, struct folio *folio, unsigned int at,
		     unsigned int end, int *migrated, int *restored)
{
	pmd_t *pmd = mock_pmd(mock, at);
	spinlock_t *ptl; /* the page table's */
	pte_t *ptep;

	ptep = pte_offset_map_lock(mock->mm, pmd, mock_addr(mock, at), &ptl);
	if (migrated)
		*migrated = migrate_folio_ptes(folio, mock->vma, ptep, mock_addr(mock, at),
					       mock_addr(mock, end));
	if (restored)
		*restored = restore_folio_ptes(folio, folio_page(folio, at), mock->vma, ptep,
					       mock_addr(mock, at), mock_addr(mock, end));
	pte_unmap_unlock(ptep, ptl);
}

/*
 * A run ends with its page table, whose lock is the only one that is held, even if
 * the PTEs behind it in memory are those of the pages behind it.
 */
static void runs_end_with_table(struct kunit *test)
{
	const unsigned long flags = MOCK_WRITE | MOCK_YOUNG | MOCK_DIRTY | MOCK_SOFT_DIRTY;
	const struct mock_run runs[] = {
		{ .order = 3, .nr = 3, .flags = flags },
		{ .order = 3, .at = 3, .first = 3, .nr = 5, .flags = flags },
	};
	struct mock_pgtable *mock;
	struct folio *folio;
	int first = 0, rest = 0;

	mock = mock_pgtable_create(test, PTRS_PER_PTE - 3, 8, MOCK_VM_FLAGS);
	mock_adjoin_tables(mock, 0, 3);
	folio = mock_map_run(mock, &runs[0]);
	mock_map_pages(mock, folio, &runs[1]);

	folio_lock(folio);
	move_run(mock, folio, 0, 8, &first, NULL);
	KUNIT_EXPECT_EQ(test, first, 3);
	if (first == 3)
		move_run(mock, folio, 3, 8, &rest, NULL);
	KUNIT_EXPECT_EQ(test, rest, 5);
	move_run(mock, folio, 0, 8, NULL, &first);
	KUNIT_EXPECT_EQ(test, first, 3);
	if (first == 3)
		move_run(mock, folio, 3, 8, NULL, &rest);
	KUNIT_EXPECT_EQ(test, rest, 5);
	folio_unlock(folio);
	KUNIT_EXPECT_EQ(test, folio_mapcount(folio), 8);
}

/* ---------------------------------------------------------------- mprotect */

/* What one PTE becomes, found without a look at those beside it */
static unsigned long protected(struct vm_area_struct *vma, unsigned long flags,
			       bool exclusive, pgprot_t newprot, bool try_writable,
			       struct page *page)
{
	pte_t pte = pte_modify(mock_run_pte(page, flags), newprot);

	if (try_writable && exclusive && !pte_write(pte) &&
	    pte_needs_no_write_fault(vma, pte))
		pte = pte_mkwrite(pte);

	return mock_pte_flags(pte);
}

/*
 * All mixes of the bits in four PTEs, of exclusive and shared pages, made
 * read-only, and writable where that needs no fault: each becomes what it would
 * become alone.
 */
static void protect_mixes(struct kunit *test)
{
	const struct mock_run run = { .order = 2, .nr = 4 };
	struct mock_pgtable *mock = mock_pgtable_create(test, 0, 4, MOCK_VM_FLAGS);
	struct folio *folio = mock_map_run(mock, &run);
	struct vm_area_struct *vma = mock->vma;
	unsigned int mix, i, writable;

	for (mix = 0; mix < NR_MIXES && !mock_failed(test); mix++)
		for (writable = 0; writable < 2; writable++) {
			unsigned long addr = mock_addr(mock, 0), flags[4];
			pmd_t *pmd = mock_pmd(mock, 0);
			struct mmu_gather tlb;
			spinlock_t *ptl; /* the page table's */
			bool exclusive[4];
			pgprot_t prot;
			pte_t *ptep;
			int nr;

			vma->vm_flags = writable ? MOCK_VM_FLAGS : MOCK_VM_FLAGS & ~VM_WRITE;
			prot = vm_get_page_prot(vma->vm_flags);
			for (i = 0; i < 4; i++) {
				flags[i] = mock_mix(mix, i);
				if (writable)
					flags[i] &= ~MOCK_WRITE;
				exclusive[i] = flags[i] & MOCK_WRITE || (mix ^ mix >> 7) & BIT(i);
				mock_set_pte(mock, i, mock_run_pte(folio_page(folio, i), flags[i]));
				if (exclusive[i])
					SetPageAnonExclusive(folio_page(folio, i));
				else
					ClearPageAnonExclusive(folio_page(folio, i));
			}

			tlb_gather_mmu(&tlb, mock->mm);
			tlb_change_page_size(&tlb, PAGE_SIZE);
			ptep = pte_offset_map_lock(mock->mm, pmd, addr, &ptl);
			nr = protect_ptes(&tlb, vma, ptep, addr, mock_addr(mock, 4), prot,
					  writable ? MM_CP_TRY_CHANGE_WRITABLE : 0);
			pte_unmap_unlock(ptep, ptl);
			tlb_finish_mmu(&tlb);

			KUNIT_EXPECT_EQ(test, nr, 4);
			for (i = 0; i < 4; i++)
				mock_expect_pte(test, mock_pte(mock, i), folio_page(folio, i),
						protected(vma, flags[i], exclusive[i], prot,
							  writable, folio_page(folio, i)),
						writable ? "writable mm" : "mm", mix, i);
		}
	vma->vm_flags = MOCK_VM_FLAGS;
}

static struct kunit_case unmap_cases[] = {
	KUNIT_CASE(advise_mixes),
	KUNIT_CASE(advise_parts),
	KUNIT_CASE(advise_dirty),
	KUNIT_CASE(discard_whole),
	KUNIT_CASE(discard_wanted),
	KUNIT_CASE(swap_mixes),
	KUNIT_CASE(swap_stops),
	KUNIT_CASE(migrate_mixes),
	KUNIT_CASE(migrate_pinned),
	KUNIT_CASE(restore_parts),
	KUNIT_CASE(runs_end_with_table),
	KUNIT_CASE(protect_mixes),
	KUNIT_CASE(mock_leak_check),
	{}
};

static struct kunit_suite unmap_suite = {
	.name = "unmap",
	.suite_init = mock_leak_check_init,
	.test_cases = unmap_cases,
};

kunit_test_suite(unmap_suite);
