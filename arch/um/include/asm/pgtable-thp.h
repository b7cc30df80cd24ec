/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Transparent huge pages without PMD leaves
 *
 * A UML page table is a description that arch/um/kernel/tlb.c replays with
 * mmap() on the host, PTE by PTE: there is no PMD leaf to describe. Large
 * folios that are mapped by PTEs need none, and neither does the code that
 * allocates, splits and frees them. So has_transparent_hugepage() is 0, which
 * keeps the core from making a leaf:
 *
 *  - hugepage_init() sets TRANSPARENT_HUGEPAGE_NEVER_DAX for good, and
 *    hugepage_vma_check() refuses each VMA while it is set. That gate is in
 *    front of the huge page fault, of khugepaged and of MADV_COLLAPSE (which
 *    returns -EINVAL).
 *  - shmem refuses huge= and leaves its own switch at "never".
 *  - do_set_pmd() asks, since a file system may put a folio of PMD size into
 *    the page cache without asking anybody.
 *  - DAX needs ZONE_DEVICE, and a PMD migration entry
 *    ARCH_ENABLE_THP_MIGRATION; UML has neither.
 *
 * With pmd_trans_huge() constant 0, the code behind it never runs. The other
 * helpers are there to compile. A way to a leaf that was overlooked ends in
 * set_pmd_at(), which warns and stores nothing: tlb.c would take a leaf for a
 * pointer to a page table.
 */

#ifndef __UM_PGTABLE_THP_H
#define __UM_PGTABLE_THP_H

#include <linux/bug.h>

#define has_transparent_hugepage() 0

static inline int pmd_trans_huge(pmd_t pmd)
{
	return 0;
}

static inline pte_t pmd_pte(pmd_t pmd)
{
	return __pte(pmd_val(pmd));
}

static inline pmd_t pte_pmd(pte_t pte)
{
	return __pmd(pte_val(pte));
}

static inline int pmd_dirty(pmd_t pmd)
{
	return pte_dirty(pmd_pte(pmd));
}

static inline int pmd_write(pmd_t pmd)
{
	return pte_write(pmd_pte(pmd));
}

static inline pmd_t pmd_mkclean(pmd_t pmd)
{
	return pte_pmd(pte_mkclean(pmd_pte(pmd)));
}

static inline pmd_t pmd_mkdirty(pmd_t pmd)
{
	return pte_pmd(pte_mkdirty(pmd_pte(pmd)));
}

static inline pmd_t pmd_mkold(pmd_t pmd)
{
	return pte_pmd(pte_mkold(pmd_pte(pmd)));
}

static inline pmd_t pmd_mkwrite(pmd_t pmd)
{
	return pte_pmd(pte_mkwrite(pmd_pte(pmd)));
}

static inline pmd_t pmd_mkyoung(pmd_t pmd)
{
	return pte_pmd(pte_mkyoung(pmd_pte(pmd)));
}

static inline pmd_t pmd_wrprotect(pmd_t pmd)
{
	return pte_pmd(pte_wrprotect(pmd_pte(pmd)));
}

static inline pmd_t pmd_mkhuge(pmd_t pmd)
{
	return pmd;
}

static inline pmd_t pmd_mkinvalid(pmd_t pmd)
{
	return __pmd(pmd_val(pmd) & ~_PAGE_PRESENT);
}

static inline pmd_t pmd_modify(pmd_t pmd, pgprot_t newprot)
{
	return pte_pmd(pte_modify(pmd_pte(pmd), newprot));
}

#define mk_pmd(page, prot) pfn_pmd(page_to_pfn(page), prot)

/*
 * Called for leaves only: page tables are linked with set_pmd(). All that
 * makes or changes a leaf ends here.
 */
static inline void set_pmd_at(struct mm_struct *mm, unsigned long addr,
			      pmd_t *pmdp, pmd_t pmd)
{
	WARN_ON_ONCE(1);
}

#define pmdp_establish generic_pmdp_establish

#define update_mmu_cache_pmd(vma, address, pmdp) do { } while (0)

#endif /* __UM_PGTABLE_THP_H */
