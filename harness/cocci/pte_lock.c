// SPDX-License-Identifier: GPL-2.0
/* What pte_lock.cocci has to find, and what it must not. */
#include <linux/mm.h>
#include <linux/pte_batch.h>

void bad_mapped(struct vm_area_struct *vma, pmd_t *pmd, unsigned long addr, int nr)
{
	pte_t *ptep;

	ptep = pte_offset_map(pmd, addr);
	wrprotect_ptes(vma->vm_mm, addr, ptep, nr);
	pte_unmap(ptep);
}

/* Found; no patch: it had the lock */
void bad_dropped(struct mm_struct *mm, pmd_t *pmd, unsigned long addr, pte_t pte,
		 int nr)
{
	spinlock_t *ptl;
	pte_t *ptep;

	ptep = pte_offset_map_lock(mm, pmd, addr, &ptl);
	pte_unmap_unlock(ptep, ptl);
	set_ptes(mm, addr, ptep, pte, nr);
}

void good(struct mm_struct *mm, pmd_t *pmd, unsigned long addr, pte_t pte, int nr)
{
	spinlock_t *ptl;
	pte_t *ptep;

	ptep = pte_offset_map_lock(mm, pmd, addr, &ptl);
	set_ptes(mm, addr, ptep, pte, nr);
	pte_unmap_unlock(ptep, ptl);

	ptl = pte_lockptr(mm, pmd);
	ptep = pte_offset_map(pmd, addr);
	spin_lock(ptl);
	wrprotect_ptes(mm, addr, ptep, nr);
	pte_unmap_unlock(ptep, ptl);

	ptep = pte_offset_map_lock(mm, pmd, addr, &ptl);
	clear_full_ptes(mm, addr, ptep, nr, 0);
	pte_unmap_unlock(ptep, ptl);
}

/* Nobody else sees the page table yet */
void good_own(struct mm_struct *mm, pmd_t *was, unsigned long addr, pte_t pte,
	      int nr)
{
	pmd_t pmd = *was;
	pte_t *ptep;

	ptep = pte_offset_map(&pmd, addr);
	set_ptes(mm, addr, ptep, pte, nr);
	pte_unmap(ptep);
}
