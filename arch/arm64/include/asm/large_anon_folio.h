/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What arm64 adds to large anonymous folios. Included by asm/pgtable.h.
 */
#ifndef __ASM_LARGE_ANON_FOLIO_H
#define __ASM_LARGE_ANON_FOLIO_H

#define arch_wants_pte_order arch_wants_pte_order
/**
 * arch_wants_pte_order - The order of one contiguous-PTE block.
 *
 * 64 KiB with 4K pages, 2 MiB with 16K and with 64K pages. Even without
 * PTE_CONT, many cores merge the TLB entries of such a block.
 *
 * Return: The order: 4, 7 or 5.
 */
static inline int arch_wants_pte_order(void)
{
	return CONT_PTE_SHIFT - PAGE_SHIFT;
}

#ifdef CONFIG_ARM64_PA_BITS_52
#define pte_add_step pte_add_step
/**
 * pte_add_step - The same PTE for the next page.
 * @pte: A present PTE.
 * @step: Not used: it is always the next page.
 *
 * With 52-bit addresses, bits [51:48] of the address are in bits [15:12] of
 * the PTE: an addition would carry from bit 47 into the attributes above.
 *
 * Return: @pte with its PFN one higher and all other bits as they are.
 */
static inline pte_t pte_add_step(pte_t pte, u64 step)
{
	phys_addr_t phys = __pte_to_phys(pte) + PAGE_SIZE;

	return __pte((pte_val(pte) & ~PTE_ADDR_MASK) | __phys_to_pte_val(phys));
}
#endif

#define pte_hw_settled pte_hw_settled
/**
 * pte_hw_settled - Whether hardware has nothing left to write into a PTE.
 * @pte: A present PTE, read from a page table whose lock is held.
 *
 * A CPU sets the access flag at any use, and takes back the read-only bit at a
 * write if PTE_DBM (PTE_WRITE) allows it.
 *
 * Return: True if the flag is set and the bit is back or has to stay.
 */
static inline bool pte_hw_settled(pte_t pte)
{
	return pte_young(pte) && (!pte_write(pte) || pte_hw_dirty(pte));
}

#define ptep_clear_settled ptep_clear_settled
/**
 * ptep_clear_settled - Clear a PTE that only the lock's holder writes to.
 * @mm: The address space.
 * @addr: The address that it maps.
 * @ptep: The PTE: not present, or present and pte_hw_settled().
 *
 * Return: What it was.
 */
static inline pte_t ptep_clear_settled(struct mm_struct *mm, unsigned long addr,
				       pte_t *ptep)
{
	/* Nobody else changes it: read only if somebody asks */
	pte_t pte = *ptep;

	set_pte(ptep, __pte(0));
	page_table_check_pte_clear(mm, addr, pte);

	return pte;
}

#define clear_full_ptes clear_full_ptes
/**
 * clear_full_ptes - Clear a run of present PTEs.
 * @mm: The address space.
 * @addr: Address of the first.
 * @ptep: The first PTE of the run; all of the run is in one page table.
 * @nr: Number of PTEs, at least 1.
 * @full: Whether the address space is being torn down; makes no difference.
 *
 * Hardware sets a bit by an atomic operation that fails if the PTE has become
 * another. So a store may lose a bit, here it is not asked for, but it is never
 * undone.
 */
static inline void clear_full_ptes(struct mm_struct *mm, unsigned long addr,
				   pte_t *ptep, unsigned int nr, int full)
{
	pte_t *end = ptep + nr;

	for (; ptep < end; ptep++, addr += PAGE_SIZE)
		ptep_clear_settled(mm, addr, ptep);
}

#endif /* __ASM_LARGE_ANON_FOLIO_H */
