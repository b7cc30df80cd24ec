/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What x86 adds to large anonymous folios. Included by asm/pgtable.h.
 */
#ifndef _ASM_X86_LARGE_ANON_FOLIO_H
#define _ASM_X86_LARGE_ANON_FOLIO_H

/**
 * pte_next_pfn - The same PTE for the next page.
 * @pte: A present PTE.
 *
 * The PFN of a PROT_NONE entry is stored inverted, as a defence against L1TF:
 * there, the next page is one PAGE_SIZE less.
 *
 * Return: @pte with its PFN one higher and all other bits as they are.
 */
#define pte_next_pfn pte_next_pfn
static inline pte_t pte_next_pfn(pte_t pte)
{
	pteval_t val = pte_val(pte);

	if (__pte_needs_invert(val))
		return __pte(val - PAGE_SIZE);
	return __pte(val + PAGE_SIZE);
}

#endif /* _ASM_X86_LARGE_ANON_FOLIO_H */
