/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The reverse mapping of a range of a large folio's pages, done at once.
 *
 * A range is a number of pages of one folio, from a page on, each mapped by
 * the PTE after that of the page before it in one page table, whose lock the
 * caller holds. One range costs one update of the statistics, one of the
 * folio's mapcount, and one decision about the deferred-split queue.
 *
 * Beside the mapcount of each page, a large folio has a total, which spares
 * folio_mapcount() a walk over the pages: each PTE and each PMD that maps any
 * of it counts one. Hugetlb's folios do not have it: their mapcount is that of
 * the whole, and they keep other things in its place.
 *
 * A reference is taken before a mapping is counted, and dropped after it is not
 * any more: folio_refs_are_mappings() compares them.
 *
 * Documentation/mm/large_anon_folio.rst explains the design.
 */
#ifndef _LINUX_RMAP_BATCH_H
#define _LINUX_RMAP_BATCH_H

#include <linux/mm.h>
#include <linux/mm_types.h>

/**
 * folio_refs_seem_mappings - What folio_refs_are_mappings() is without rmap IDs.
 * @folio: The folio; the caller keeps it from being freed.
 * @others: References that the caller knows of: its own, the swap cache's.
 *
 * References, mappings, references: with one look at the references, a pin could be
 * taken for a mapping that was made meanwhile. Here it takes one that was made and
 * one that was removed.
 *
 * Context: Any.
 * Return: True if it looks as if each reference but those were a mapping's.
 */
static inline bool folio_refs_seem_mappings(struct folio *folio, int others)
{
	int refs = folio_ref_count(folio), mappings;

	/* Pairs with the barrier in folio_try_dup_anon_rmap_ptes() */
	smp_rmb();
	mappings = folio_mapcount(folio);
	/* Pairs with the atomics in folio_remove_anon_rmap_ptes() */
	smp_rmb();

	return refs == mappings + others && refs == folio_ref_count(folio);
}

#ifdef CONFIG_LARGE_ANON_FOLIO

/**
 * folio_set_large_mapcount - The total mapcount of a new folio.
 * @folio: A large folio that nobody else knows yet.
 * @nr: Number of page table entries that map it.
 *
 * Context: Any.
 */
static inline void folio_set_large_mapcount(struct folio *folio, int nr)
{
	atomic_set(&folio->_large_mapcount, nr - 1);
}

/**
 * folio_large_mapcount - How many page table entries map a large folio.
 * @folio: A large folio, not hugetlb's.
 *
 * Context: Any. Without the locks of all page tables that map it, and its own,
 *	the number may be outdated when it is returned.
 * Return: Number of PTEs and PMDs that map any of the folio.
 */
static inline int folio_large_mapcount(const struct folio *folio)
{
	return atomic_read(&folio->_large_mapcount) + 1;
}

/**
 * folio_add_large_mapcount - Count mappings of a large folio.
 * @folio: A large folio, not hugetlb's.
 * @nr: Number of mappings that were made; negative if they were removed.
 *
 * Context: The lock of the page table is held.
 */
static inline void folio_add_large_mapcount(struct folio *folio, int nr)
{
	atomic_add(nr, &folio->_large_mapcount);
}

/**
 * folio_freed_while_mapped - Whether a folio is freed that counts mappings.
 * @folio: A large folio that is being freed.
 *
 * Only those for anonymous memory and the page cache are asked: drivers may do
 * what they like with the tails of theirs.
 *
 * Context: Nobody has a reference any more.
 * Return: True if that is so, and somebody forgot to count.
 */
static inline bool folio_freed_while_mapped(const struct folio *folio)
{
	return folio->_folio_dtor == TRANSHUGE_PAGE_DTOR &&
	       folio_large_mapcount(folio);
}

#else /* !CONFIG_LARGE_ANON_FOLIO */

static inline void folio_set_large_mapcount(struct folio *folio, int nr)
{
}

static inline int folio_large_mapcount(const struct folio *folio)
{
	return 0;	/* not asked: folio_mapcount() counts the pages' */
}

static inline void folio_add_large_mapcount(struct folio *folio, int nr)
{
}

static inline bool folio_freed_while_mapped(const struct folio *folio)
{
	return false;
}

#endif /* CONFIG_LARGE_ANON_FOLIO */

void folio_add_anon_rmap_ptes(struct folio *folio, struct page *page,
			      int nr_pages, struct vm_area_struct *vma,
			      unsigned long address, bool exclusive);
void folio_dup_file_rmap_ptes(struct folio *folio, struct page *page,
			      int nr_pages, struct vm_area_struct *dst_vma);
int folio_try_dup_anon_rmap_ptes(struct folio *folio, struct page *page,
				 int nr_pages, struct vm_area_struct *src_vma,
				 struct vm_area_struct *dst_vma);
void folio_remove_anon_rmap_ptes(struct folio *folio, struct page *page,
				 int nr_pages, struct vm_area_struct *vma,
				 bool queue);

/**
 * folio_remove_rmap_ptes - Remove the mappings of a range of an anonymous folio.
 * @folio: The folio: large and anonymous.
 * @page: The first page of the range.
 * @nr_pages: Number of pages.
 * @vma: The VMA that they were mapped in.
 *
 * From the message on folio_remove_rmap_range(), by mainline's later name.
 * Unlike mainline's it is for anonymous folios only.
 *
 * Context: The page table lock is held. Takes the memcg's move lock and the
 *	split queue's.
 */
static inline void folio_remove_rmap_ptes(struct folio *folio,
					  struct page *page, int nr_pages,
					  struct vm_area_struct *vma)
{
	folio_remove_anon_rmap_ptes(folio, page, nr_pages, vma, true);
}

#endif /* _LINUX_RMAP_BATCH_H */
