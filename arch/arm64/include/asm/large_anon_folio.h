/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What arm64 adds to large anonymous folios. Included by asm/pgtable.h.
 */
#ifndef __ASM_LARGE_ANON_FOLIO_H
#define __ASM_LARGE_ANON_FOLIO_H

/**
 * arch_wants_pte_order - The order of one contiguous-PTE block.
 *
 * 64 KiB with 4K pages, 2 MiB with 16K and with 64K pages. Even without
 * PTE_CONT, many cores merge the TLB entries of such a block.
 *
 * Return: The order: 4, 7 or 5.
 */
#define arch_wants_pte_order arch_wants_pte_order
static inline int arch_wants_pte_order(void)
{
	return CONT_PTE_SHIFT - PAGE_SHIFT;
}

#ifdef CONFIG_ARM64_PA_BITS_52
/**
 * pte_next_pfn - The same PTE for the next page.
 * @pte: A present PTE.
 *
 * With 52-bit addresses, bits [51:48] of the address are in bits [15:12] of
 * the PTE: an addition would carry from bit 47 into the attributes above.
 *
 * Return: @pte with its PFN one higher and all other bits as they are.
 */
#define pte_next_pfn pte_next_pfn
static inline pte_t pte_next_pfn(pte_t pte)
{
	phys_addr_t phys = __pte_to_phys(pte) + PAGE_SIZE;

	return __pte((pte_val(pte) & ~PTE_ADDR_MASK) | __phys_to_pte_val(phys));
}
#endif

#endif /* __ASM_LARGE_ANON_FOLIO_H */
