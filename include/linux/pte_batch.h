/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Runs of PTEs that map consecutive pages.
 *
 * An architecture overrides each function where it keeps the PFN in a PTE in
 * another way than in the bits from PAGE_SHIFT up, or where it can write a run
 * cheaper than entry by entry.
 */
#ifndef _LINUX_PTE_BATCH_H
#define _LINUX_PTE_BATCH_H

#include <linux/mm.h>

#include <asm/tlbflush.h>

/**
 * lockdep_assert_pte_held - Complain if a page table's lock is not held.
 * @mm: The address space.
 * @ptep: A PTE in the page table: not of the kernel's own.
 *
 * Without lockdep, and where page tables are in highmem and the entry's address
 * does not tell which one it is in, nothing is asked.
 *
 * Context: The page table lock is held.
 */
static inline void lockdep_assert_pte_held(struct mm_struct *mm, pte_t *ptep)
{
	if (!IS_ENABLED(CONFIG_LOCKDEP) || IS_ENABLED(CONFIG_HIGHPTE))
		return;
#if USE_SPLIT_PTE_PTLOCKS
	lockdep_assert_held(ptlock_ptr(virt_to_page(ptep)));
#else
	lockdep_assert_held(&mm->page_table_lock);
#endif
}

#ifndef pte_pfn_step
/**
 * pte_pfn_step - What is added to a PTE's value to get to the next page.
 * @pte: A present PTE.
 *
 * For loops over a run, which ask once: all PTEs of a run have the same step. x86
 * keeps the PFN of a present PROT_NONE entry inverted, and its step is negative.
 *
 * Context: Any.
 * Return: The step, for pte_add_step().
 */
static inline u64 pte_pfn_step(pte_t pte)
{
	return PAGE_SIZE;
}
#endif

#ifndef pte_add_step
/**
 * pte_add_step - The same PTE for the next page.
 * @pte: A present PTE.
 * @step: What pte_pfn_step() said of it, or of one before it in a run.
 *
 * arm64 with 52-bit addresses keeps the address bits [51:48] below the others:
 * there it is no addition.
 *
 * Context: Any.
 * Return: @pte with its PFN one higher and all other bits as they are.
 */
static inline pte_t pte_add_step(pte_t pte, u64 step)
{
	return __pte(pte_val(pte) + step);
}
#endif

/**
 * pte_next_pfn - The same PTE for the next page.
 * @pte: A present PTE.
 *
 * Context: Any.
 * Return: @pte with its PFN one higher and all other bits as they are.
 */
static inline pte_t pte_next_pfn(pte_t pte)
{
	return pte_add_step(pte, pte_pfn_step(pte));
}

#ifndef four_ptes_none
/**
 * four_ptes_none - Are four entries empty?
 * @pte: The first of them; all are in one page table.
 *
 * With one branch. Their values are not put together here: an architecture's empty
 * entry need not be 0, and Xen's guests translate what becomes a PTE.
 *
 * Context: With the page table lock held the answer is sure; without, it is a
 *	hint.
 * Return: True if no entry holds anything.
 */
static inline bool four_ptes_none(pte_t *pte)
{
	bool none = pte_none(ptep_get_lockless(pte));

	none &= pte_none(ptep_get_lockless(pte + 1));
	none &= pte_none(ptep_get_lockless(pte + 2));
	none &= pte_none(ptep_get_lockless(pte + 3));

	return none;
}
#endif

#ifndef set_ptes
/**
 * set_ptes - Map a run of consecutive pages.
 * @mm: The address space.
 * @addr: Address that the first page is mapped at.
 * @ptep: The first PTE of the run; all of the run is in one page table.
 * @pte: The value for the first page. The others get the same bits.
 * @nr: Number of pages, at least 1.
 *
 * Context: The page table lock is held, none of the entries is present.
 */
static inline void set_ptes(struct mm_struct *mm, unsigned long addr,
			    pte_t *ptep, pte_t pte, unsigned int nr)
{
	const u64 step = pte_pfn_step(pte);
	pte_t *end = ptep + nr;

	for (;;) {
		set_pte_at(mm, addr, ptep, pte);
		if (++ptep == end)
			break;
		addr += PAGE_SIZE;
		pte = pte_add_step(pte, step);
	}
}
#endif

/**
 * ptes_in_table - Length of a range, or of what one page table maps of it.
 * @addr: Address of a page.
 * @end: Where the range ends: behind @addr.
 *
 * Unlike pmd_addr_end() it knows where page tables end when PMDs are folded.
 *
 * Context: Any.
 * Return: Number of PTEs, at least 1.
 */
static inline unsigned int ptes_in_table(unsigned long addr, unsigned long end)
{
	return ((min(end - 1, addr | ~PMD_MASK) - addr) >> PAGE_SHIFT) + 1;
}

#ifndef pte_hw_settled
/**
 * pte_hw_settled - Whether hardware has nothing left to write into a PTE.
 * @pte: A present PTE, read from a page table whose lock is held.
 *
 * Hardware that manages the accessed and dirty bits writes to a PTE only to
 * set one that is clear. Where none is left to set, all who write to the PTE
 * hold the page table's lock, and so a plain store can change it.
 *
 * Context: Any.
 * Return: True if no other CPU's translation can write to the PTE. The generic
 *	function does not know and returns false.
 */
static inline bool pte_hw_settled(pte_t pte)
{
	return false;
}

/* Never called here: not each architecture has set_pte() */
static inline void set_settled_pte(pte_t *ptep, pte_t pte)
{
	BUILD_BUG();
}
#else
/**
 * set_settled_pte - Change bits of a PTE that only the lock's holder writes to.
 * @ptep: The PTE: it is pte_hw_settled().
 * @pte: Its new value: for the same page, present and of the same kind, with no new
 *	right to execute: there is nothing for which set_pte_at() would have to look
 *	after caches or tags.
 *
 * Context: The page table lock is held.
 */
static inline void set_settled_pte(pte_t *ptep, pte_t pte)
{
	set_pte(ptep, pte);
}
#endif

#ifndef wrprotect_ptes
/**
 * wrprotect_ptes - Write-protect a run of present PTEs.
 * @mm: The address space.
 * @addr: Address of the first.
 * @ptep: The first PTE of the run; all of the run is in one page table.
 * @nr: Number of PTEs, at least 1. Some may be read-only already.
 *
 * Nothing but the right to write changes, and no TLB is flushed.
 *
 * Context: The page table lock is held.
 */
static inline void wrprotect_ptes(struct mm_struct *mm, unsigned long addr,
				  pte_t *ptep, unsigned int nr)
{
	pte_t *end = ptep + nr;

	for (; ptep < end; ptep++, addr += PAGE_SIZE) {
		pte_t pte = ptep_get(ptep);

		if (!pte_write(pte))
			continue;
		if (pte_hw_settled(pte))
			set_settled_pte(ptep, pte_wrprotect(pte));
		else
			ptep_set_wrprotect(mm, addr, ptep);
	}
}
#endif

#ifndef flush_tlb_upgraded
/**
 * flush_tlb_upgraded - After PTEs have become writable that were not.
 * @vma: The VMA.
 * @start: The first address.
 * @end: Where the range ends.
 *
 * A TLB may still have the read-only entries. That is safe, but a fault does not
 * drop them everywhere: on arm64 a write through one that stays would fault again
 * and again.
 *
 * Context: The page table lock is held.
 */
static inline void flush_tlb_upgraded(struct vm_area_struct *vma,
				      unsigned long start, unsigned long end)
{
	flush_tlb_range(vma, start, end);
}
#endif

#ifndef ptep_clear_settled
/**
 * ptep_clear_settled - Clear a PTE that only the lock's holder writes to.
 * @mm: The address space.
 * @addr: The address that it maps.
 * @ptep: The PTE: not present, or present and pte_hw_settled().
 *
 * Context: The page table lock is held.
 * Return: What it was.
 */
static inline pte_t ptep_clear_settled(struct mm_struct *mm, unsigned long addr,
				       pte_t *ptep)
{
	return ptep_get_and_clear(mm, addr, ptep);
}
#endif

/**
 * ptep_take - Clear a PTE, by the cheapest means that loses nothing of it.
 * @mm: The address space.
 * @addr: The address that it maps.
 * @ptep: The PTE: any but an empty one.
 *
 * Context: The page table lock is held.
 * Return: What it was.
 */
static inline pte_t ptep_take(struct mm_struct *mm, unsigned long addr,
			      pte_t *ptep)
{
	pte_t pte = ptep_get(ptep);

	if (IS_ENABLED(CONFIG_LARGE_ANON_FOLIO) &&
	    (!pte_present(pte) || pte_hw_settled(pte)))
		return ptep_clear_settled(mm, addr, ptep);
	return ptep_get_and_clear(mm, addr, ptep);
}

#ifndef get_and_clear_ptes
/**
 * get_and_clear_ptes - Clear a run of present PTEs, and tell what they were.
 * @mm: The address space.
 * @addr: Address of the first.
 * @ptep: The first PTE of the run; all of the run is in one page table.
 * @nr: Number of PTEs, at least 1.
 *
 * Context: The page table lock is held.
 * Return: The first PTE; young if any of the run was, and dirty if any was.
 */
static inline pte_t get_and_clear_ptes(struct mm_struct *mm, unsigned long addr,
				       pte_t *ptep, unsigned int nr)
{
	pte_t pte = ptep_take(mm, addr, ptep), next;

	while (--nr) {
		ptep++;
		addr += PAGE_SIZE;
		next = ptep_take(mm, addr, ptep);
		if (pte_dirty(next))
			pte = pte_mkdirty(pte);
		if (pte_young(next))
			pte = pte_mkyoung(pte);
	}

	return pte;
}
#endif

#ifndef clear_young_dirty_ptes
/**
 * clear_young_dirty_ptes - Clear the young and dirty bits of a run of PTEs.
 * @mm: The address space.
 * @addr: Address of the first.
 * @ptep: The first PTE of the run; all of the run is in one page table.
 * @nr: Number of PTEs, at least 1, all present.
 * @dirty: Whether to clear the dirty bit, too, and not only the young one.
 *
 * Nothing else of the PTEs changes, and those that have none of the bits stay
 * as they are.
 *
 * From the message on MADV_FREE. Unlike mainline's it takes no flags: nobody
 * clears the dirty bit alone.
 *
 * Context: The page table lock is held.
 * Return: Whether any PTE was changed, and the TLB has to be flushed.
 */
static inline bool clear_young_dirty_ptes(struct mm_struct *mm,
					  unsigned long addr, pte_t *ptep,
					  unsigned int nr, bool dirty)
{
	pte_t *end = ptep + nr;
	bool changed = false;

	for (; ptep < end; ptep++, addr += PAGE_SIZE) {
		pte_t pte = ptep_get(ptep);
		const bool settled = pte_hw_settled(pte);

		if (!settled && !pte_young(pte) && !(dirty && pte_dirty(pte)))
			continue;
		changed = true;
		/* Where no PTE is settled, replacing one may not reach the TLB */
		if (!settled)
			pte = ptep_get_and_clear(mm, addr, ptep);
		pte = pte_mkold(pte);
		if (dirty)
			pte = pte_mkclean(pte);
		if (settled)
			set_settled_pte(ptep, pte);
		else
			set_pte_at(mm, addr, ptep, pte);
	}

	return changed;
}
#endif

#ifndef clear_full_ptes
/**
 * clear_full_ptes - Clear a run of present PTEs.
 * @mm: The address space.
 * @addr: Address of the first.
 * @ptep: The first PTE of the run; all of the run is in one page table.
 * @nr: Number of PTEs, at least 1.
 * @full: Whether the address space is being torn down.
 *
 * Their dirty and young bits are lost: for anonymous memory that goes away.
 *
 * Context: The page table lock is held.
 */
static inline void clear_full_ptes(struct mm_struct *mm, unsigned long addr,
				   pte_t *ptep, unsigned int nr, int full)
{
	pte_t *end = ptep + nr;

	/* "full" makes the architecture's function leave out its atomics */
	if (full) {
		for (; ptep < end; ptep++, addr += PAGE_SIZE)
			ptep_get_and_clear_full(mm, addr, ptep, 1);
		return;
	}
	for (; ptep < end; ptep++, addr += PAGE_SIZE)
		ptep_get_and_clear_full(mm, addr, ptep,
					pte_hw_settled(ptep_get(ptep)));
}
#endif

/**
 * typedef fpb_t - Bits that folio_pte_batch() shall not care about.
 *
 * The bits to write and of a recent access never end a run.
 */
typedef unsigned int __bitwise fpb_t;

/* Runs go on where the dirty bit changes */
#define FPB_IGNORE_DIRTY	((__force fpb_t)BIT(0))
/* Runs go on where the soft-dirty bit changes */
#define FPB_IGNORE_SOFT_DIRTY	((__force fpb_t)BIT(1))

/* What is compared of a PTE */
static __always_inline pte_t pte_batch_key(pte_t pte, fpb_t flags)
{
	/*
	 * Dirty first: where hardware marks a page dirty by making its PTE
	 * writable, pte_wrprotect() would keep that as another bit.
	 */
	if (flags & FPB_IGNORE_DIRTY)
		pte = pte_mkclean(pte);
	if (flags & FPB_IGNORE_SOFT_DIRTY)
		pte = pte_clear_soft_dirty(pte);
	return pte_wrprotect(pte_mkold(pte));
}

#ifndef folio_pte_batch
/**
 * folio_pte_batch - Length of a run of PTEs that map consecutive pages of a folio.
 * @folio: The folio; it may be a small one.
 * @ptep: The first PTE of the run.
 * @pte: Its value: present, and mapping a page of @folio.
 * @max_nr: Number of PTEs that the run may have, at least 1: what is left of
 *	the page table, the VMA and the caller's range.
 * @flags: Bits that shall not end the run, FPB_*.
 * @any_writable: Optional: set to whether any PTE of the run can be written to.
 * @any_young: Optional: set to whether any was accessed.
 * @any_dirty: Optional: set to whether any is dirty.
 *
 * A run ends before the first PTE that is not present, does not map the next
 * page of the folio, or differs in another bit than those to write and of an
 * access and those that @flags name.
 *
 * From the messages on batching fork and MADV_FREE. Unlike mainline's it needs
 * no address.
 *
 * Context: The page table lock is held.
 * Return: Number of PTEs in the run, at least 1.
 */
static __always_inline int
folio_pte_batch(struct folio *folio, pte_t *ptep, pte_t pte, int max_nr,
		fpb_t flags, bool *any_writable, bool *any_young, bool *any_dirty)
{
	unsigned long left = folio_pfn(folio) + folio_nr_pages(folio) - pte_pfn(pte);
	pte_t want = pte_batch_key(pte, flags);
	const u64 step = pte_pfn_step(pte);
	bool writable = false, young = false, dirty = false;
	pte_t *start = ptep, *end;

	VM_WARN_ON_FOLIO(!pte_present(pte), folio);
	VM_WARN_ON_FOLIO(page_folio(pfn_to_page(pte_pfn(pte))) != folio, folio);

	end = start + min_t(unsigned long, max_nr, left);
	do {
		writable |= any_writable && pte_write(pte);
		young |= any_young && pte_young(pte);
		dirty |= any_dirty && pte_dirty(pte);
		if (++ptep == end)
			break;
		want = pte_add_step(want, step);
		pte = ptep_get(ptep);
		/* One that is not present has no key like a present one's */
	} while (pte_same(pte_batch_key(pte, flags), want));

	if (any_writable)
		*any_writable = writable;
	if (any_young)
		*any_young = young;
	if (any_dirty)
		*any_dirty = dirty;

	return ptep - start;
}
#endif

#endif /* _LINUX_PTE_BATCH_H */
