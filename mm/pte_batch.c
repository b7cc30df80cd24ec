// SPDX-License-Identifier: GPL-2.0-only
/*
 * What is done with a run of PTEs that maps a large anonymous folio by fork, zap,
 * madvise() and mprotect(); fork does it with those of files, too.
 *
 * Each of these is called by the loop over a page table where it met a large
 * folio. It handles as much as is alike, and says how much that was; what it
 * can't, the loop handles page by page.
 */
#include <linux/hugetlb.h>
#include <linux/large_anon_folio.h>
#include <linux/memcontrol.h>
#include <linux/mm.h>
#include <linux/mm_inline.h>
#include <linux/pte_batch.h>
#include <linux/rmap.h>
#include <linux/rmap_batch.h>
#include <linux/rmap_id.h>
#include <linux/swap.h>
#include <linux/userfaultfd_k.h>

#include <asm/tlb.h>

#include "internal.h"

/* PTEs from @addr to @end, which are in one page table */
static int ptes_left(unsigned long addr, unsigned long end)
{
	return (end - addr) >> PAGE_SHIFT;
}

static void tlb_remove_tlb_entries(struct mmu_gather *tlb, pte_t *pte, int nr,
				   unsigned long addr)
{
	int i;

	tlb_flush_pte_range(tlb, addr, nr * PAGE_SIZE);
	for (i = 0; i < nr; i++)
		__tlb_remove_tlb_entry(tlb, pte + i, addr + i * PAGE_SIZE);
}

/* Was any of a run written to? It is write-protected, so that the answer stays. */
static bool any_pte_dirty(pte_t *ptep, int nr)
{
	for (; nr; nr--, ptep++)
		if (pte_dirty(ptep_get(ptep)))
			return true;
	return false;
}

/* A child may write to nothing and has not used anything yet */
static inline void set_child_ptes(struct vm_area_struct *dst_vma,
				  unsigned long addr, pte_t *dst_pte, pte_t pte,
				  int nr)
{
	pte = pte_mkold(pte_wrprotect(pte));
	if (!userfaultfd_wp(dst_vma))
		pte = pte_clear_uffd_wp(pte);
	set_ptes(dst_vma->vm_mm, addr, dst_pte, pte, nr);
}

/*
 * What copy_folio_ptes() does with a folio of a file, or of a driver: no page of
 * it is exclusive or pinned for one process. Out of line, for the other's sake.
 */
static noinline int copy_file_folio_ptes(struct vm_area_struct *dst_vma,
					 struct vm_area_struct *src_vma,
					 pte_t *dst_pte, pte_t *src_pte,
					 struct page *page, unsigned long addr,
					 unsigned long end)
{
	struct folio *folio = page_folio(page);
	pte_t pte = ptep_get(src_pte);
	int nr;

	nr = folio_pte_batch(folio, src_pte, pte, ptes_left(addr, end), 0, NULL,
			     NULL, NULL);
	folio_ref_add(folio, nr);
	folio_dup_file_rmap_ptes(folio, page, nr, dst_vma);
	set_child_ptes(dst_vma, addr, dst_pte, pte, nr);

	return nr;
}

/**
 * copy_folio_ptes - Fork: copy a run of PTEs of a large folio.
 * @dst_vma: The child's VMA.
 * @src_vma: The parent's: not VM_SHARED, where anonymous folios never are.
 * @dst_pte: The child's PTE for @addr. None of the run is present there.
 * @src_pte: The parent's PTE for @addr: one of a file can't be written to.
 * @page: The page of a large folio that it maps.
 * @addr: Address of that page.
 * @end: Where the VMA or the page table ends.
 *
 * A dirty bit means that the page differs from its copy in swap, so each page
 * keeps its own: it ends a run. Soft-dirty does so only where it is tracked, or if
 * the folio is a file's.
 *
 * From the message on batching fork.
 *
 * Context: Both page table locks and the parent's write_protect_seq are held.
 * Return: Number of PTEs that were copied; 0 if the page is exclusive and may be
 *	pinned, so that the child needs its own.
 */
int copy_folio_ptes(struct vm_area_struct *dst_vma,
		    struct vm_area_struct *src_vma, pte_t *dst_pte,
		    pte_t *src_pte, struct page *page, unsigned long addr,
		    unsigned long end)
{
	struct folio *folio = page_folio(page);
	pte_t pte = ptep_get(src_pte);
	int nr = ptes_left(addr, end);
	fpb_t flags = 0;
	bool writable;

	if (!folio_test_anon(folio))
		return copy_file_folio_ptes(dst_vma, src_vma, dst_pte, src_pte,
					    page, addr, end);

	/* The child gets its own copy of each exclusive page, one by one */
	if (unlikely(page_needs_cow_for_dma(src_vma, page)))
		nr = 1;
	if (!vma_soft_dirty_enabled(src_vma))
		flags = FPB_IGNORE_SOFT_DIRTY;
	nr = folio_pte_batch(folio, src_pte, pte, nr, flags, &writable, NULL, NULL);

	folio_ref_add(folio, nr);
	if (unlikely(folio_try_dup_anon_rmap_ptes(folio, page, nr, src_vma,
						  dst_vma))) {
		folio_ref_sub(folio, nr);
		return 0;
	}

	if (writable) {
		wrprotect_ptes(src_vma->vm_mm, addr, src_pte, nr);
		/*
		 * A clean run may have been written to since it was compared.
		 * The child's PTEs have to say so: without that, what is lazily
		 * freed would be lost, and what has an older copy in swap would
		 * be read from there. A CPU that is to set a dirty bit looks at
		 * the PTE again: from here on none can, but some x86 without
		 * CET, where a write that nobody ordered with the fork may set
		 * it in the parent alone. A folio that is dirty says it for all.
		 */
		if (!pte_dirty(pte) && !folio_test_dirty(folio) &&
		    any_pte_dirty(src_pte, nr))
			pte = pte_mkdirty(pte);
	}
	set_child_ptes(dst_vma, addr, dst_pte, pte, nr);

	return nr;
}

/*
 * Clear PTEs that differ in nothing but the page, the next each time, if the
 * hardware has nothing left to write into them, or the address space is torn down.
 * Returns their number, which may be 0: that is how most runs look, and the cheapest
 * way to get rid of them.
 */
static int clear_same_ptes(struct mm_struct *mm, unsigned long addr, pte_t *ptep,
			   int max_nr, bool full)
{
	pte_t want = ptep_get(ptep), *start = ptep, *end = ptep + max_nr;
	const u64 step = pte_pfn_step(want);

	if (!full && !pte_hw_settled(want))
		return 0;
	do {
		/* An architecture has its own way for a teardown */
		if (full)
			clear_full_ptes(mm, addr, ptep, 1, 1);
		else
			ptep_clear_settled(mm, addr, ptep);
		want = pte_add_step(want, step);
		addr += PAGE_SIZE;
	} while (++ptep < end && pte_same(ptep_get(ptep), want));

	return ptep - start;
}

/**
 * zap_folio_ptes - Unmap a run of PTEs of a large anonymous folio.
 * @tlb: What is flushed and freed when the lock is dropped.
 * @vma: The VMA: anonymous.
 * @pte: The PTE for @addr.
 * @page: The page of a large anonymous folio that it maps.
 * @addr: Address of that page.
 * @end: Where the range, the VMA or the page table ends.
 * @full: Set to whether @tlb takes no more pages before it is flushed.
 *
 * All mappings go first, then all references but one: that one keeps the folio
 * until the TLB has been flushed, and is dropped with @tlb, or at once on an
 * architecture that flushes each PTE as it is cleared (MMU_GATHER_NO_GATHER).
 * So @tlb needs room for one page, however long the run is, and nothing touches
 * the folio after it.
 *
 * One reference without a mapping does what many would: whoever compares
 * references with mappings finds one too many.
 *
 * From the message on folio_remove_rmap_range().
 *
 * Context: The page table lock is held.
 * Return: Number of PTEs that were cleared.
 */
int zap_folio_ptes(struct mmu_gather *tlb, struct vm_area_struct *vma,
		   pte_t *pte, struct page *page, unsigned long addr,
		   unsigned long end, bool *full)
{
	struct folio *folio = page_folio(page);
	int nr, max = min_t(long, ptes_left(addr, end),
			    folio_nr_pages(folio) - folio_page_idx(folio, page));

	nr = clear_same_ptes(tlb->mm, addr, pte, max, tlb->fullmm);
	if (nr < max && (!nr || (pte_present(ptep_get(pte + nr)) &&
				 pte_pfn(ptep_get(pte + nr)) ==
				 page_to_pfn(page + nr)))) {
		const unsigned long from = addr + nr * PAGE_SIZE;
		pte_t *rest = pte + nr;
		int more;

		more = folio_pte_batch(folio, rest, ptep_get(rest), max - nr,
				       FPB_IGNORE_DIRTY | FPB_IGNORE_SOFT_DIRTY,
				       NULL, NULL, NULL);
		clear_full_ptes(tlb->mm, from, rest, more, tlb->fullmm);
		nr += more;
	}
	tlb_remove_tlb_entries(tlb, pte, nr, addr);

	folio_remove_rmap_ptes(folio, page, nr, vma);
	if (unlikely(folio_large_mapcount(folio) < 0))
		dump_page(page, "unmapped more often than mapped");
	if (nr > 1)
		folio_ref_sub(folio, nr - 1);
	*full = __tlb_remove_page(tlb, page);

	return nr;
}

/*
 * The number of a folio's pages, if this run of PTEs maps all of them and
 * nothing else maps any; else 0.
 *
 * While the page table lock is held these PTEs stay, so that nobody can split or
 * reclaim the folio, and a fork of this address space waits. But migration
 * entries of others, which are not counted, can become mappings: that takes the
 * folio's lock.
 */
static int whole_folio_ptes(struct folio *folio, struct page *page, pte_t *pte,
			    unsigned long addr, unsigned long end)
{
	int nr = folio_nr_pages(folio);

	if (page != &folio->page || ptes_left(addr, end) < nr ||
	    folio_large_mapcount(folio) != nr)
		return 0;
	if (folio_pte_batch(folio, pte, ptep_get(pte), nr,
			    FPB_IGNORE_DIRTY | FPB_IGNORE_SOFT_DIRTY,
			    NULL, NULL, NULL) != nr)
		return 0;

	return nr;
}

/*
 * What mark_page_lazyfree() does, but at once: a large folio never waits for
 * others, and the page table that maps it keeps it here without a reference.
 * One that is off the LRU lists, or about to be swapped, is in other hands.
 */
static void mark_folio_lazyfree(struct folio *folio)
{
	const long nr_pages = folio_nr_pages(folio);
	struct lruvec *lruvec;
	unsigned long flags;

	if (!folio_test_clear_lru(folio))
		return;
	lruvec = folio_lruvec_lock_irqsave(folio, &flags);
	if (folio_test_swapbacked(folio) && !folio_test_swapcache(folio) &&
	    !folio_test_unevictable(folio)) {
		lruvec_del_folio(lruvec, folio);
		if (folio_test_active(folio))
			folio_clear_active(folio);
		if (folio_test_referenced(folio))
			folio_clear_referenced(folio);
		folio_clear_swapbacked(folio);
		lruvec_add_folio(lruvec, folio);
		__count_vm_events(PGLAZYFREE, nr_pages);
		__count_memcg_events(lruvec_memcg(lruvec), PGLAZYFREE, nr_pages);
	}
	folio_set_lru(folio);
	unlock_page_lruvec_irqrestore(lruvec, flags);
}

/**
 * lazyfree_folio_ptes - MADV_FREE: give up a large anonymous folio's data.
 * @tlb: What is flushed later.
 * @vma: The VMA: anonymous.
 * @pte: The PTE for @addr.
 * @page: The page of a large anonymous folio that it maps.
 * @addr: Address of that page.
 * @end: Where the range, the VMA or the page table ends.
 *
 * The folio stays in one piece if it begins here, all of it is in the range,
 * nothing else maps it, and no page of it is poisoned: a split keeps such a page
 * from being freed. Reclaim finds out by the dirty bits whether any of it was
 * written again; then it keeps all of it.
 *
 * From the message on MADV_FREE.
 *
 * Context: The page table lock is held. Tries to lock the folio.
 * Return: Number of PTEs that are done with: all of the folio. 0 if only a part
 *	of it, or of its mappings, is meant: its pages have to be looked at one
 *	by one.
 */
int lazyfree_folio_ptes(struct mmu_gather *tlb, struct vm_area_struct *vma,
			pte_t *pte, struct page *page, unsigned long addr,
			unsigned long end)
{
	struct folio *folio = page_folio(page);
	int nr = whole_folio_ptes(folio, page, pte, addr, end);

	if (!nr || folio_test_has_hwpoisoned(folio))
		return 0;

	/*
	 * As for a small folio: what is in swap, too, has to be taken from
	 * there, and the folio's lock keeps reclaim from putting it there. Who
	 * else maps the folio must not lose its dirty flag: so the total is
	 * asked again, now that no migration entry can become a mapping.
	 */
	if (folio_test_swapcache(folio) || folio_test_dirty(folio)) {
		if (!folio_trylock(folio))
			return nr;
		if (folio_large_mapcount(folio) != nr ||
		    (folio_test_swapcache(folio) && !folio_free_swap(folio))) {
			folio_unlock(folio);
			return nr;
		}
		folio_clear_dirty(folio);
		folio_unlock(folio);
	}

	if (clear_young_dirty_ptes(vma->vm_mm, addr, pte, nr, true))
		tlb_remove_tlb_entries(tlb, pte, nr, addr);
	mark_folio_lazyfree(folio);

	return nr;
}

/**
 * cold_folio_ptes - MADV_COLD and MADV_PAGEOUT: forget accesses to a folio.
 * @tlb: What is flushed later.
 * @vma: The VMA.
 * @pte: The PTE for @addr.
 * @page: The page of a large anonymous folio that it maps.
 * @addr: Address of that page.
 * @end: Where the range, the VMA or the page table ends.
 *
 * From the message on MADV_FREE, which leaves these as the next to do.
 *
 * Context: The page table lock is held.
 * Return: Number of PTEs that were made old: all of the folio. 0 if only a part
 *	of it, or of its mappings, is meant: its pages have to be looked at one
 *	by one.
 */
int cold_folio_ptes(struct mmu_gather *tlb, struct vm_area_struct *vma,
		    pte_t *pte, struct page *page, unsigned long addr,
		    unsigned long end)
{
	int nr = whole_folio_ptes(page_folio(page), page, pte, addr, end);

	if (nr && clear_young_dirty_ptes(vma->vm_mm, addr, pte, nr, false))
		tlb_remove_tlb_entries(tlb, pte, nr, addr);

	return nr;
}

/*
 * The page of a PTE if it is anonymous and this process's alone, else NULL.
 * *last is set to the last page of its folio.
 */
static struct page *exclusive_page(struct vm_area_struct *vma,
				   unsigned long addr, pte_t pte,
				   struct page **last)
{
	struct page *page = vm_normal_page(vma, addr, pte);
	struct folio *folio;

	if (!page || !PageAnon(page) || !PageAnonExclusive(page))
		return NULL;
	folio = page_folio(page);
	*last = folio_page(folio, folio_nr_pages(folio) - 1);

	return page;
}

/*
 * Give PTEs the rights of the one before them, as long as each is as that was but
 * for the page. If that one became writable for its page's sake (@page, else NULL),
 * the pages of these have to be exclusive, too. Returns their number.
 */
static __always_inline int __protect_same_ptes(struct mm_struct *mm, unsigned long addr,
					       pte_t *ptep, int max_nr, pte_t old,
					       pte_t new, struct page *page)
{
	const u64 old_step = pte_pfn_step(old), new_step = pte_pfn_step(new);
	pte_t *start = ptep, *end = ptep + max_nr;

	for (; ptep < end; ptep++, addr += PAGE_SIZE) {
		old = pte_add_step(old, old_step);
		/* A Xen guest's step may be to no page: then it is an empty entry */
		if (!pte_same(ptep_get(ptep), old) || !pte_present(old))
			break;
		if (page && !PageAnonExclusive(++page))
			break;
		new = pte_add_step(new, new_step);
		set_pte_at(mm, addr, ptep, new);
	}

	return ptep - start;
}

/* Out of line: single pages do without */
static noinline int protect_same_ptes(struct mm_struct *mm, unsigned long addr,
				      pte_t *ptep, int max_nr, pte_t old, pte_t new,
				      struct page *page)
{
	/* Two loops: one asks more */
	return page ? __protect_same_ptes(mm, addr, ptep, max_nr, old, new, page) :
		      __protect_same_ptes(mm, addr, ptep, max_nr, old, new, NULL);
}

/**
 * protect_ptes - mprotect: give the present PTEs of a range other rights.
 * @tlb: What is flushed later.
 * @vma: The VMA: see can_protect_ptes().
 * @pte: The PTE for @addr: it is present.
 * @addr: Address of the first page.
 * @end: Where the range, the VMA or the page table ends.
 * @newprot: The new protection.
 * @cp_flags: MM_CP_TRY_CHANGE_WRITABLE or 0.
 *
 * Ends at the first PTE that is not present. The PTEs need not be alike.
 *
 * A PTE to which hardware has nothing left to write is replaced by one store,
 * where others have to be taken away for the time (see pte_hw_settled()).
 *
 * Context: The page table lock is held.
 * Return: Number of PTEs that were changed, at least 1.
 */
int protect_ptes(struct mmu_gather *tlb, struct vm_area_struct *vma,
		 pte_t *pte, unsigned long addr, unsigned long end,
		 pgprot_t newprot, unsigned long cp_flags)
{
	const bool try_writable = cp_flags & MM_CP_TRY_CHANGE_WRITABLE;
	const unsigned long start = addr;
	struct mm_struct *mm = vma->vm_mm;
	struct page *page, *last;
	bool settled, flush = false;
	pte_t old, new;
	int nr;

	do {
		old = ptep_get(pte);
		if (!pte_present(old))
			break;
		settled = pte_hw_settled(old);
		if (!settled)
			old = ptep_modify_prot_start(vma, addr, pte);

		page = NULL;
		new = pte_modify(old, newprot);
		if (try_writable && !pte_write(new) &&
		    pte_needs_no_write_fault(vma, new) &&
		    !userfaultfd_pte_wp(vma, new))
			page = exclusive_page(vma, addr, new, &last);
		if (page)
			new = pte_mkwrite(new);

		if (settled)
			set_pte_at(mm, addr, pte, new);
		else
			ptep_modify_prot_commit(vma, addr, pte, old, new);
		/* One that needs it, and all are flushed */
		flush = flush || pte_needs_flush(old, new);

		pte++;
		addr += PAGE_SIZE;
		/*
		 * Mostly the next ones are alike. But one that was not to be made
		 * writable, while others may be, says nothing about them.
		 */
		if (!settled || (try_writable && !page) || (page && page == last) ||
		    addr == end || !pte_same(ptep_get(pte), pte_next_pfn(old)))
			continue;
		nr = ptes_left(addr, end);
		if (page)
			nr = min_t(long, nr, last - page);
		nr = protect_same_ptes(mm, addr, pte, nr, old, new, page);
		pte += nr;
		addr += nr * PAGE_SIZE;
	} while (addr != end);

	if (flush)
		tlb_flush_pte_range(tlb, start, addr - start);

	return (addr - start) >> PAGE_SHIFT;
}

/**
 * remap_folio_by_ptes - Map by PTEs what one PMD maps.
 * @folio: The folio: anonymous and of PMD size.
 * @mm: The address space.
 * @addr: Address of the folio.
 * @pmd: A PMD that nobody else sees yet, with an empty page table.
 * @entry: The PTE for the first page.
 * @exclusive: Whether the folio is marked exclusive.
 * @sole_writer: What page_begin_rmap() returned.
 *
 * From the message on batching the remapping of a PMD-mapped folio.
 *
 * Context: The PMD's lock is held, and the PMD in the page table is invalid. The
 *	caller took the references, and began the section that accounts for one
 *	mapping by each PTE in place of the PMD's.
 */
void remap_folio_by_ptes(struct folio *folio, struct mm_struct *mm,
			 unsigned long addr, pmd_t *pmd, pte_t entry,
			 bool exclusive, bool sole_writer)
{
	/*
	 * Of an exclusive folio there is no mapping, nor an entry that stands
	 * for one, but the PMD: nobody else counts at its pages. But each of
	 * them may have one that stands for all PMDs, left from a PMD of another
	 * process that was split.
	 */
	const bool sole = exclusive &&
			  folio_large_mapcount(folio) == HPAGE_PMD_NR &&
			  !folio_test_double_map(folio);
	pte_t *pte = pte_offset_map(pmd, addr);
	int i;

	for (i = 0; sole && i < HPAGE_PMD_NR; i++) {
		SetPageAnonExclusive(folio_page(folio, i));
		atomic_set(&folio_page(folio, i)->_mapcount, 0);
	}
	for (; i < HPAGE_PMD_NR; i++) {
		if (exclusive)
			SetPageAnonExclusive(folio_page(folio, i));
		page_inc_mapcount(folio_page(folio, i), sole_writer);
	}
	set_ptes(mm, addr, pte, entry, HPAGE_PMD_NR);
	pte_unmap(pte);
}

/*
 * Mark exclusive what the page table of a fault maps of the folio in its VMA, and
 * make writable what would not need a fault for it. The PTE of the fault itself
 * is left to the fault.
 */
static void reuse_ptes(struct vm_fault *vmf, struct folio *folio)
{
	/*
	 * Swap has no copy, so nobody needs to see whether it is written; without
	 * hardware's help that would be a fault. But what is lazily freed has to
	 * stay clean until then.
	 */
	const bool dirty = folio_test_swapbacked(folio);
	const bool writable = !(vmf->flags & FAULT_FLAG_UNSHARE) &&
			      vmf->vma->vm_flags & VM_WRITE;
	struct vm_area_struct *vma = vmf->vma;
	unsigned long addr = ALIGN_DOWN(vmf->address, PAGE_SIZE);
	unsigned long idx = folio_page_idx(folio, vmf->page);
	/* PTEs before that of the fault, and from it on */
	unsigned long before = min_t(unsigned long, idx,
		ptes_left(max(vma->vm_start, addr & PMD_MASK), addr));
	unsigned long after = min_t(unsigned long, folio_nr_pages(folio) - idx,
		ptes_in_table(addr, vma->vm_end));
	struct page *page = vmf->page - before;
	pte_t *const of_fault = vmf->pte;
	pte_t *ptep = of_fault - before, *end = of_fault + after;
	unsigned long start = addr - before * PAGE_SIZE, pfn = page_to_pfn(page);
	bool changed = false;

	for (addr = start; ptep < end; ptep++, page++, pfn++, addr += PAGE_SIZE) {
		pte_t old, new, pte = ptep_get(ptep);

		if (!pte_present(pte) || pte_pfn(pte) != pfn)
			continue;
		/* Before it is writable: gup-fast wants writable pages exclusive */
		if (!PageAnonExclusive(page))
			SetPageAnonExclusive(page);
		if (!writable || ptep == of_fault || pte_write(pte) ||
		    pte_write_is_watched(vma, pte) ||
		    userfaultfd_pte_wp(vma, pte))
			continue;
		new = pte_mkwrite(pte);
		if (dirty)
			new = pte_mkdirty(new);
		/* A child's are old; without hardware's help that is a fault */
		if (!arch_has_hw_pte_young())
			new = pte_mkyoung(new);
		changed = true;
		if (pte_hw_settled(pte)) {
			set_settled_pte(ptep, new);
		} else {
			old = ptep_modify_prot_start(vma, addr, ptep);
			/* Hardware may have made it young meanwhile */
			if (pte_young(old))
				new = pte_mkyoung(new);
			ptep_modify_prot_commit(vma, addr, ptep, old, new);
		}
	}
	if (changed)
		flush_tlb_upgraded(vma, start, addr);
}

/**
 * reuse_folio_ptes - Write fault: keep a large folio that nobody else has.
 * @vmf: The fault: on a PTE that is read-only, and that maps
 * @folio: this folio: large and anonymous.
 *
 * After a fork, who is left of those who mapped a folio gets it back without a
 * copy: all of it that this VMA maps by this page table becomes exclusive, and
 * writable where the VMA allows it and nobody wants to see the first write.
 * What is mapped elsewhere gets the same from its own fault.
 *
 * The folio keeps its anon_vma. It may be that of a process that is gone, which
 * costs rmap walks a look at more VMAs; but this VMA's need not reach to all
 * places where the folio is mapped, as after a split of the VMA by mprotect().
 *
 * From the message on precise "mapped shared" detection.
 *
 * Context: The page table lock is held. Tries to lock the folio.
 * Return: Whether it was that way. If not, nothing was changed.
 */
bool reuse_folio_ptes(struct vm_fault *vmf, struct folio *folio)
{
	bool owned;

	/* Not exact, but it spares the lock where there is little hope */
	if (folio_ref_count(folio) > folio_large_mapcount(folio) +
	    (folio_test_swapcache(folio) ? folio_nr_pages(folio) : 0))
		return false;
	if (!folio_trylock(folio))
		return false;

	if (folio_test_swapcache(folio))
		folio_free_swap(folio);
	owned = !folio_test_swapcache(folio) &&
		folio_owned(folio, vmf->vma->vm_mm);
	if (owned)
		reuse_ptes(vmf, folio);
	folio_unlock(folio);

	return owned;
}
