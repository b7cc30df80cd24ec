/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What x86 adds to large anonymous folios. Included by asm/pgtable.h.
 */
#ifndef _ASM_X86_LARGE_ANON_FOLIO_H
#define _ASM_X86_LARGE_ANON_FOLIO_H

#include <linux/kmsan-checks.h>

#include <asm/asm.h>

#define pte_pfn_step pte_pfn_step
/**
 * pte_pfn_step - What is added to a PTE's value to get to the next page.
 * @pte: A present PTE.
 *
 * The PFN of a PROT_NONE entry is stored inverted, as a defence against L1TF:
 * there, the next page is one PAGE_SIZE less.
 *
 * Return: The step, for pte_add_step().
 */
static inline u64 pte_pfn_step(pte_t pte)
{
	/* What __pte_needs_invert() asks, but an empty entry */
	if (unlikely(!(pte_val(pte) & _PAGE_PRESENT)))
		return -(u64)PAGE_SIZE;
	return PAGE_SIZE;
}

#define four_ptes_none four_ptes_none
/**
 * four_ptes_none - Are four entries empty?
 * @pte: The first of them; all are in one page table.
 *
 * The entries as they are stored: nothing is translated for Xen's guests.
 *
 * Return: True if no entry holds anything but what an erratum may set.
 */
static inline bool four_ptes_none(pte_t *pte)
{
	/* A hint, or under the lock */
	pteval_t any = data_race(pte[0].pte | pte[1].pte | pte[2].pte | pte[3].pte);

	return !(any & ~_PAGE_KNL_ERRATUM_MASK);
}

#define clear_user_pages clear_user_pages
/**
 * clear_user_pages - Zero pages that follow each other.
 * @kaddr: The first one's address in the kernel.
 * @vaddr: The address where users will find it; makes no difference.
 * @page: The first page; makes no difference.
 * @nr: Number of pages.
 *
 * One string instruction for all: the CPU is told how far it goes, and can do
 * without reading what it overwrites.
 */
static inline void clear_user_pages(void *kaddr, unsigned long vaddr,
				    struct page *page, unsigned int nr)
{
	unsigned long count = nr * PAGE_SIZE;

	/* It does not see what assembly writes */
	kmsan_unpoison_memory(kaddr, count);

	if (static_cpu_has(X86_FEATURE_ERMS)) {
		asm volatile("rep stosb"
			     : "+D" (kaddr), "+c" (count) : "a" (0) : "memory");
	} else if (static_cpu_has(X86_FEATURE_REP_GOOD)) {
		count /= sizeof(long);
		asm volatile("rep " __ASM_SIZE(stos)
			     : "+D" (kaddr), "+c" (count) : "a" (0L) : "memory");
	} else {
		for (; nr; nr--, kaddr += PAGE_SIZE)
			clear_page(kaddr);
	}
}

#define pte_hw_settled pte_hw_settled
/**
 * pte_hw_settled - Whether hardware has nothing left to write into a PTE.
 * @pte: A present PTE, read from a page table whose lock is held.
 *
 * A CPU sets the accessed bit at any use and the dirty bit at a write, by a
 * locked operation, and never clears one.
 *
 * Return: True if both are set.
 */
static inline bool pte_hw_settled(pte_t pte)
{
	const pteval_t both = _PAGE_ACCESSED | _PAGE_DIRTY;

	return (pte_flags(pte) & both) == both;
}

/* A fault drops the entry that it met: no write faults a second time */
#define flush_tlb_upgraded(vma, start, end) do { } while (0)

#define ptep_clear_settled(mm, addr, ptep) \
	ptep_get_and_clear_full(mm, addr, ptep, 1)

#endif /* _ASM_X86_LARGE_ANON_FOLIO_H */
