// SPDX-License-Identifier: GPL-2.0-only
/*
 * What reclaim and migration do with a run of PTEs that maps a large anonymous
 * folio.
 *
 * Each of these is called by a walk over the places where a folio is mapped. It
 * handles as much as is alike, and says how much that was; what it can't, the
 * walk handles page by page, and there it finds out what stands in the way.
 */
#include <linux/hugetlb.h>
#include <linux/mm.h>
#include <linux/mmu_notifier.h>
#include <linux/pte_batch.h>
#include <linux/rmap.h>
#include <linux/rmap_batch.h>
#include <linux/rmap_id.h>
#include <linux/sched/mm.h>
#include <linux/swap.h>
#include <linux/swapops.h>
#include <trace/events/migrate.h>

#include <asm/tlbflush.h>

#include "internal.h"

/* Length of the run from @addr on, in its page table, that may end at @end */
static int run_of(struct folio *folio, pte_t *ptep, unsigned long addr,
		  unsigned long end, fpb_t flags, bool *any_dirty)
{
	return folio_pte_batch(folio, ptep, ptep_get(ptep),
			       ptes_in_table(addr, end), flags, NULL, NULL,
			       any_dirty);
}

/*
 * Take a page's PTE away to put an entry in its place. If the page must not
 * become shared by that, or the architecture objects, the PTE is put back; so it
 * is if s390 tells now that its guest does without the page.
 */
static bool take_pte(struct vm_area_struct *vma, unsigned long addr,
		     pte_t *ptep, struct page *page, bool exclusive, pte_t *pte)
{
	/* Exclusive or not is asked when gup-fast can't find it any more */
	*pte = ptep_get_and_clear(vma->vm_mm, addr, ptep);
	if (pte_unused(*pte) ||
	    arch_unmap_one(vma->vm_mm, vma, addr, *pte) < 0 ||
	    (exclusive && page_try_share_anon_rmap(page))) {
		set_pte_at(vma->vm_mm, addr, ptep, *pte);
		return false;
	}

	return true;
}

/* The PTE of an entry, with what others track in the PTE that it replaces */
static pte_t entry_to_pte(swp_entry_t entry, pte_t pte)
{
	pte_t swp_pte = swp_entry_to_pte(entry);

	if (pte_soft_dirty(pte))
		swp_pte = pte_swp_mksoft_dirty(swp_pte);
	if (pte_uffd_wp(pte))
		swp_pte = pte_swp_mkuffd_wp(swp_pte);

	return swp_pte;
}

/* What follows the loss of a run: its mappings and their references */
static void unmap_run(struct folio *folio, struct page *page, int nr,
		      struct vm_area_struct *vma)
{
	/* Who took all of the folio away looks later what is left of it */
	folio_remove_anon_rmap_ptes(folio, page, nr, vma, false);
	if (vma->vm_flags & VM_LOCKED)
		mlock_page_drain_local();
	folio_put_refs(folio, nr);
}

/* A lazily freed folio: its pages just go, unless somebody wants them again */
static int discard_folio_ptes(struct folio *folio, struct vm_area_struct *vma,
			      pte_t *ptep, struct page *page,
			      unsigned long addr, int nr, enum ttu_flags flags)
{
	struct mm_struct *mm = vma->vm_mm;
	const unsigned long stop = addr + nr * PAGE_SIZE;
	bool unused;
	pte_t pte;

	pte = get_and_clear_ptes(mm, addr, ptep, nr);
	flush_tlb_unmapped(vma, addr, stop, pte_dirty(pte), flags);
	if (pte_dirty(pte))
		folio_mark_dirty(folio);

	/*
	 * gup-fast takes a reference and then looks whether the PTE is still
	 * there: it sees that it is not, or its reference is seen here.
	 */
	smp_mb();
	/* One reference is reclaim's */
	unused = folio_refs_are_mappings(folio, 1);
	/*
	 * Who had a reference marks the folio dirty before he drops it: see
	 * __remove_mapping().
	 */
	smp_rmb();
	if (!unused || folio_test_dirty(folio)) {
		/*
		 * Back they go. Not each of them may have been writable: who
		 * writes gets the right from a fault.
		 */
		set_ptes(mm, addr, ptep, pte_wrprotect(pte), nr);
		return 0;
	}

	mmu_notifier_invalidate_range(mm, addr, stop);
	update_hiwater_rss(mm);
	add_mm_counter(mm, MM_ANONPAGES, -nr);
	unmap_run(folio, page, nr, vma);

	return nr;
}

/* A folio in the swap cache: PTEs become swap entries */
static int swap_folio_ptes(struct folio *folio, struct vm_area_struct *vma,
			   pte_t *ptep, struct page *page, unsigned long addr,
			   int max_nr, enum ttu_flags flags)
{
	struct mm_struct *mm = vma->vm_mm;
	const unsigned long start = addr;
	bool dirty = false;
	int nr;

	/* swapoff looks through the address spaces on this list */
	if (list_empty(&mm->mmlist)) {
		spin_lock(&mmlist_lock);
		if (list_empty(&mm->mmlist))
			list_add(&mm->mmlist, &init_mm.mmlist);
		spin_unlock(&mmlist_lock);
	}

	for (nr = 0; nr < max_nr; nr++, ptep++, addr += PAGE_SIZE) {
		swp_entry_t entry = { .val = page_private(page + nr) };
		const bool exclusive = PageAnonExclusive(page + nr);
		pte_t pte, swp_pte;

		if (swap_duplicate(entry) < 0)
			break;
		if (!take_pte(vma, addr, ptep, page + nr, exclusive, &pte)) {
			swap_free(entry);
			break;
		}
		dirty |= pte_dirty(pte);

		swp_pte = entry_to_pte(entry, pte);
		if (exclusive)
			swp_pte = pte_swp_mkexclusive(swp_pte);
		set_pte_at(mm, addr, ptep, swp_pte);
	}
	if (!nr)
		return 0;

	/* The lock that all else takes who could trust the TLB is still held */
	flush_tlb_unmapped(vma, start, addr, dirty, flags);
	if (dirty)
		folio_mark_dirty(folio);
	mmu_notifier_invalidate_range(mm, start, addr);
	update_hiwater_rss(mm);
	add_mm_counter(mm, MM_ANONPAGES, -nr);
	add_mm_counter(mm, MM_SWAPENTS, nr);
	unmap_run(folio, page, nr, vma);

	return nr;
}

/**
 * unmap_folio_ptes - Reclaim: unmap a run of PTEs of a large anonymous folio.
 * @folio: The folio: anonymous, locked, and reclaim has one reference to it.
 * @vma: The VMA: not one that is mlocked, unless @flags say to ignore that.
 * @pte: The PTE for @addr: it maps a page of the folio, or a device does.
 * @addr: Address of that page.
 * @end: Where the folio or the VMA ends.
 * @flags: As of try_to_unmap().
 *
 * A folio that is unmapped whole does not visit the deferred-split queue, in
 * however many runs it goes: the caller looks in the end.
 *
 * Context: The page table lock is held. All who could do with an outdated TLB
 *	take that lock or the folio's, and it is flushed, or is noted to need
 *	that, before they can.
 * Return: Number of PTEs that were unmapped. 0 if the first can't be, or needs
 *	what is not for runs: then nothing was changed that would be seen.
 */
int unmap_folio_ptes(struct folio *folio, struct vm_area_struct *vma,
		     pte_t *pte, unsigned long addr, unsigned long end,
		     enum ttu_flags flags)
{
	pte_t first = ptep_get(pte);
	struct page *page;
	bool dirty;
	int nr;

	lockdep_assert_pte_held(vma->vm_mm, pte);

	if (flags & TTU_HWPOISON || !pte_present(first) ||
	    folio_test_swapbacked(folio) != folio_test_swapcache(folio))
		return 0;

	page = pfn_to_page(pte_pfn(first));
	nr = run_of(folio, pte, addr, end, FPB_IGNORE_DIRTY, &dirty);
	flush_cache_range(vma, addr, addr + nr * PAGE_SIZE);

	if (folio_test_swapbacked(folio))
		return swap_folio_ptes(folio, vma, pte, page, addr, nr, flags);
	/* The slow way sees that and keeps the folio, with all that is mapped */
	if (dirty)
		folio_mark_dirty(folio);
	if (folio_test_dirty(folio))
		return 0;
	return discard_folio_ptes(folio, vma, pte, page, addr, nr, flags);
}

/**
 * migrate_folio_ptes - Migration: a run of PTEs becomes migration entries.
 * @folio: The folio: anonymous, large and locked; the caller has a reference.
 * @vma: The VMA.
 * @ptep: The PTE for @addr: it maps a page of the folio, or a device does.
 * @addr: Address of that page.
 * @end: Where the folio or the VMA ends.
 *
 * Each entry keeps what its PTE was: writable, exclusive, young, dirty. The TLB
 * is flushed once for the run.
 *
 * Context: The page table lock is held; nobody who takes it sees one of the
 *	entries before the TLB has been flushed.
 * Return: Number of entries that were made. 0 if the first page can't be
 *	migrated, or needs what is not for runs: then nothing was changed.
 */
int migrate_folio_ptes(struct folio *folio, struct vm_area_struct *vma,
		       pte_t *ptep, unsigned long addr, unsigned long end)
{
	struct mm_struct *mm = vma->vm_mm;
	const unsigned long start = addr;
	pte_t pte = ptep_get(ptep);
	struct page *page;
	bool dirty = false;
	int nr, max_nr;

	lockdep_assert_pte_held(mm, ptep);

	if (!pte_present(pte))
		return 0;
	page = pfn_to_page(pte_pfn(pte));
	max_nr = run_of(folio, ptep, addr, end,
			FPB_IGNORE_DIRTY | FPB_IGNORE_SOFT_DIRTY, NULL);
	flush_cache_range(vma, addr, addr + max_nr * PAGE_SIZE);

	for (nr = 0; nr < max_nr; nr++, ptep++, addr += PAGE_SIZE) {
		const bool exclusive = PageAnonExclusive(page + nr);
		unsigned long pfn = page_to_pfn(page + nr);
		swp_entry_t entry;
		pte_t swp_pte;

		/* It gets another kind of entry */
		if (PageHWPoison(page + nr))
			break;
		if (!take_pte(vma, addr, ptep, page + nr, exclusive, &pte))
			break;
		dirty |= pte_dirty(pte);

		VM_WARN_ON_FOLIO(pte_write(pte) && !exclusive, folio);
		if (pte_write(pte))
			entry = make_writable_migration_entry(pfn);
		else if (exclusive)
			entry = make_readable_exclusive_migration_entry(pfn);
		else
			entry = make_readable_migration_entry(pfn);
		if (pte_young(pte))
			entry = make_migration_entry_young(entry);
		if (pte_dirty(pte))
			entry = make_migration_entry_dirty(entry);
		swp_pte = entry_to_pte(entry, pte);
		set_pte_at(mm, addr, ptep, swp_pte);
		trace_set_migration_pte(addr, pte_val(swp_pte), folio_order(folio));
	}
	if (!nr)
		return 0;

	flush_tlb_range(vma, start, addr);
	if (dirty)
		folio_mark_dirty(folio);
	unmap_run(folio, page, nr, vma);

	return nr;
}

/**
 * restore_folio_ptes - Migration: a run of migration entries becomes PTEs again.
 * @folio: The folio that is mapped now: anonymous, large and locked.
 * @page: Its page for @addr.
 * @vma: The VMA.
 * @ptep: The entry for @addr: a migration entry for the page that @page was.
 * @addr: Its address.
 * @end: Where the folio or the VMA ends.
 *
 * The run ends before what is not the entry of the next page, and where exclusive
 * and shared pages meet. Each PTE gets what its own entry has kept.
 *
 * Context: The page table lock is held.
 * Return: Number of PTEs, at least 1.
 */
int restore_folio_ptes(struct folio *folio, struct page *page,
		       struct vm_area_struct *vma, pte_t *ptep,
		       unsigned long addr, unsigned long end)
{
	swp_entry_t entry = pte_to_swp_entry(ptep_get(ptep));
	const bool shared = is_readable_migration_entry(entry);
	const unsigned long pfn = swp_offset_pfn(entry);
	int nr, max_nr, i;

	lockdep_assert_pte_held(vma->vm_mm, ptep);

	max_nr = ptes_in_table(addr, end);
	for (nr = 1; nr < max_nr; nr++) {
		pte_t pte = ptep_get(ptep + nr);

		if (!is_swap_pte(pte))
			break;
		entry = pte_to_swp_entry(pte);
		if (!is_migration_entry(entry) || swp_offset_pfn(entry) != pfn + nr ||
		    is_readable_migration_entry(entry) != shared)
			break;
	}

	folio_ref_add(folio, nr);
	folio_add_anon_rmap_ptes(folio, page, nr, vma, addr, !shared);

	for (i = 0; i < nr; i++, ptep++, page++, addr += PAGE_SIZE) {
		pte_t pte = migration_entry_to_pte(folio, page, vma, ptep_get(ptep));

		set_pte_at(vma->vm_mm, addr, ptep, pte);
		trace_remove_migration_pte(addr, pte_val(pte), folio_order(folio));
		/* It was not present: no TLB has it */
		update_mmu_cache(vma, addr, ptep);
	}
	if (vma->vm_flags & VM_LOCKED)
		mlock_page_drain_local();

	return nr;
}
