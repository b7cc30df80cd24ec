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

#ifndef pte_next_pfn
/**
 * pte_next_pfn - The same PTE for the next page.
 * @pte: A present PTE.
 *
 * Adding PAGE_SIZE to a PTE's value is not the same everywhere: arm64 with
 * 52-bit addresses keeps the address bits [51:48] below the others, x86 keeps
 * the PFN of a present PROT_NONE entry inverted.
 *
 * Context: Any.
 * Return: @pte with its PFN one higher and all other bits as they are.
 */
static inline pte_t pte_next_pfn(pte_t pte)
{
	return __pte(pte_val(pte) + PAGE_SIZE);
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
	for (;;) {
		set_pte_at(mm, addr, ptep, pte);
		if (!--nr)
			break;
		ptep++;
		addr += PAGE_SIZE;
		pte = pte_next_pfn(pte);
	}
}
#endif

#endif /* _LINUX_PTE_BATCH_H */
