// SPDX-License-Identifier: GPL-2.0-only
/*
 * The reverse mapping of a range of a large folio's pages, done at once.
 */
#include <linux/memcontrol.h>
#include <linux/mm.h>
#include <linux/rmap.h>
#include <linux/rmap_batch.h>
#include <linux/rmap_id.h>

#include "internal.h"

/* How many of them nobody mapped before */
static __always_inline int map_pages_again(struct page *page, int nr, bool exclusive,
					   bool sole)
{
	struct page *end = page + nr;
	int mapped = 0;

	for (; page < end; page++) {
		const bool first = page_inc_mapcount(page, sole);

		VM_WARN_ON_ONCE_PAGE(!first && (exclusive || PageAnonExclusive(page)),
				     page);
		mapped += first;
		if (exclusive)
			SetPageAnonExclusive(page);
	}

	return mapped;
}

static __always_inline void dup_pages(struct page *page, int nr, bool sole)
{
	struct page *end = page + nr;

	for (; page < end; page++) {
		/* Atomic: other flags of a page in use may change meanwhile */
		if (PageAnonExclusive(page))
			ClearPageAnonExclusive(page);
		page_inc_mapcount(page, sole);
	}
}

/* How many of them nobody maps any more */
static __always_inline int remove_pages(struct page *page, int nr, bool sole)
{
	struct page *end = page + nr;
	int unmapped = 0, olds = 0;

	/*
	 * Mostly all are alike. If nobody else maps the first page, they are not
	 * counted until one is met that somebody else maps.
	 */
	if (sole && !atomic_read(&page->_mapcount)) {
		for (; page < end; page++) {
			olds |= page->_mapcount.counter;
			page_dec_mapcount(page, true);
		}
		if (!olds)
			return nr;
		for (page = end - nr; page < end; page++)
			unmapped += atomic_read(&page->_mapcount) < 0;
		return unmapped;
	}

	for (; page < end; page++)
		unmapped += page_dec_mapcount(page, sole);

	return unmapped;
}

/* As the sole writer, from the first on, those that others map, too; their number */
static __always_inline int remove_kept_pages(struct page *page, int nr)
{
	struct page *start = page, *end = page + nr;

	for (; page < end && atomic_read(&page->_mapcount) > 0; page++)
		page_dec_mapcount(page, true);

	return page - start;
}

/**
 * folio_add_anon_rmap_ptes - Map a range of an anonymous folio again.
 * @folio: The folio: large, anonymous, locked.
 * @page: The first page of the range.
 * @nr_pages: Number of pages.
 * @vma: The VMA that they are mapped in.
 * @address: Where the first of them is mapped.
 * @exclusive: Whether they become exclusive: then nobody else maps them.
 *
 * For who puts PTEs in the place of migration or swap entries. The folio's lock
 * keeps its charge from being moved, as in page_add_anon_rmap(), which is this for
 * one page.
 *
 * By mainline's name, with a bool in place of its flags.
 *
 * Context: The page table lock is held. The caller took @nr_pages references.
 */
void folio_add_anon_rmap_ptes(struct folio *folio, struct page *page,
			      int nr_pages, struct vm_area_struct *vma,
			      unsigned long address, bool exclusive)
{
	bool sole;
	int mapped;

	VM_WARN_ON_FOLIO(!folio_test_anon(folio) || !folio_test_large(folio), folio);
	VM_WARN_ON_FOLIO(!folio_test_locked(folio), folio);

	/* As in folio_try_dup_anon_rmap_ptes() */
	smp_mb__before_atomic();
	sole = folio_begin_rmap(folio);
	folio_count_rmap(folio, vma->vm_mm, nr_pages, sole);
	if (sole)
		mapped = map_pages_again(page, nr_pages, exclusive, true);
	else
		mapped = map_pages_again(page, nr_pages, exclusive, false);
	folio_end_rmap(folio, sole);

	if (mapped)
		__lruvec_stat_mod_folio(folio, NR_ANON_MAPPED, mapped);
	/* Who maps a page first may do so where the VMA is just being changed */
	VM_WARN_ON_FOLIO(mapped < nr_pages &&
			 (folio_anon_vma(folio)->root != vma->anon_vma->root ||
			  page_to_pgoff(page) != linear_page_index(vma, address)), folio);

	/* Only the folio's first page can stand for it; see there */
	mlock_vma_page(page, vma, false);
}

/**
 * folio_dup_file_rmap_ptes - Map a range of a folio of a file once more.
 * @folio: The folio: large. It may be one that a driver maps.
 * @page: The first page of the range.
 * @nr_pages: Number of pages.
 * @dst_vma: The VMA that it is mapped in now.
 *
 * What page_dup_file_rmap() does for one page: it is mapped already, so that no
 * statistics change. By mainline's name.
 *
 * Context: The lock of the page table that maps the range already is held. The
 *	caller took @nr_pages references.
 */
void folio_dup_file_rmap_ptes(struct folio *folio, struct page *page,
			      int nr_pages, struct vm_area_struct *dst_vma)
{
	struct page *end = page + nr_pages;
	bool sole;

	VM_WARN_ON_FOLIO(folio_test_anon(folio) || !folio_test_large(folio), folio);

	sole = page_begin_rmap(page);
	page_count_rmap(page, dst_vma->vm_mm, nr_pages, sole);
	for (; page < end; page++)
		page_inc_mapcount(page, sole);
	page_end_rmap(&folio->page, sole);
}

/**
 * folio_try_dup_anon_rmap_ptes - Map a range of an anonymous folio once more.
 * @folio: The folio: large and anonymous.
 * @page: The first page of the range.
 * @nr_pages: Number of pages.
 * @src_vma: The VMA that the range is mapped in and copied from.
 * @dst_vma: The VMA that it is mapped in now.
 *
 * What page_try_dup_anon_rmap() does for one page. If it succeeds, all of the
 * range has to be mapped read-only on both sides.
 *
 * A pin is on the folio, not on a page, and write_protect_seq keeps gup-fast
 * from pinning while a fork is under way: so it is enough to ask once, before
 * any page loses its exclusive mark.
 *
 * From the message on batching fork.
 *
 * Context: The page table lock and the mm's write_protect_seq are held. The
 *	caller took @nr_pages references.
 * Return: 0, or -EBUSY if a page of the range is exclusive and may be pinned;
 *	then nothing was changed.
 */
int folio_try_dup_anon_rmap_ptes(struct folio *folio, struct page *page,
				 int nr_pages, struct vm_area_struct *src_vma,
				 struct vm_area_struct *dst_vma)
{
	const bool pinned = page_needs_cow_for_dma(src_vma, page);
	bool sole;
	int i;

	VM_WARN_ON_FOLIO(!folio_test_anon(folio) || !folio_test_large(folio), folio);

	if (unlikely(pinned))
		for (i = 0; i < nr_pages; i++)
			if (PageAnonExclusive(page + i))
				return -EBUSY;

	/*
	 * The references, which the caller took, are seen before the mappings.
	 * Pairs with smp_rmb() in folio_refs_seem_mappings().
	 */
	smp_mb__before_atomic();
	sole = folio_begin_rmap(folio);
	folio_count_rmap(folio, dst_vma->vm_mm, nr_pages, sole);
	/* Two loops: what is the same for all pages is asked once */
	if (sole)
		dup_pages(page, nr_pages, true);
	else
		dup_pages(page, nr_pages, false);
	folio_end_rmap(folio, sole);

	return 0;
}

/**
 * folio_remove_anon_rmap_ptes - folio_remove_rmap_ptes(), with a choice.
 * @folio: The folio: large and anonymous.
 * @page: The first page of the range.
 * @nr_pages: Number of pages.
 * @vma: The VMA that they were mapped in.
 * @queue: Whether the folio goes to the deferred-split queue if this leaves it
 *	partly mapped. Who maps it again, or frees it, says no.
 *
 * Context: As folio_remove_rmap_ptes().
 */
void folio_remove_anon_rmap_ptes(struct folio *folio, struct page *page,
				 int nr_pages, struct vm_area_struct *vma,
				 bool queue)
{
	int unmapped = 0, kept = 0;
	bool sole;

	VM_WARN_ON_FOLIO(!folio_test_anon(folio) || !folio_test_large(folio), folio);

	sole = folio_begin_rmap(folio);
	/*
	 * Pages that others still map change no statistics, and nobody but the
	 * sole writer takes these mappings away. They keep the folio mapped, which
	 * is all that who moves its charge asks: so these need no lock.
	 */
	if (sole && atomic_read(&page->_mapcount) > 0) {
		folio_count_rmap(folio, vma->vm_mm, -nr_pages, true);
		kept = remove_kept_pages(page, nr_pages);
		if (kept == nr_pages) {
			folio_end_rmap(folio, true);
			goto out;
		}
	}
	folio_memcg_lock(folio);

	/*
	 * The total first: if a page was seen as unmapped by its last owner,
	 * all others who removed it have subtracted theirs. The pages' counts
	 * are fully ordered, and so the total is seen to fall before the
	 * references, which the caller drops later; pairs with smp_rmb() in
	 * folio_refs_seem_mappings().
	 */
	if (!kept)
		folio_count_rmap(folio, vma->vm_mm, -nr_pages, sole);
	if (sole)
		unmapped = remove_pages(page + kept, nr_pages - kept, true);
	else
		unmapped = remove_pages(page, nr_pages, false);
	folio_end_rmap(folio, sole);

	if (unmapped) {
		/* The page table lock disables preemption */
		__lruvec_stat_mod_folio(folio, NR_ANON_MAPPED, -unmapped);
		/*
		 * A folio of which nothing is mapped any more is about to be
		 * freed: nothing would be won by a visit to the queue.
		 */
		VM_WARN_ON_FOLIO(folio_large_mapcount(folio) < 0, folio);
		if (queue && folio_large_mapcount(folio))
			deferred_split_huge_page(&folio->page);
	}

	folio_memcg_unlock(folio);
out:
	/* Only the folio's first page can stand for it; see there */
	munlock_vma_page(page, vma, false);
}
