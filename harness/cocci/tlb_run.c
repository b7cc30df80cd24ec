// SPDX-License-Identifier: GPL-2.0
/* What tlb_run.cocci has to find, and what it must not. */
#include <linux/mm.h>
#include <linux/pte_batch.h>

/* <asm/tlb.h> is not for modules, which this is to be compiled as */
struct mmu_gather {
	struct mm_struct *mm;
};

void tlb_remove_tlb_entry(struct mmu_gather *tlb, pte_t *pte, unsigned long addr);
void __tlb_remove_tlb_entry(struct mmu_gather *tlb, pte_t *pte, unsigned long addr);

/* What the patches use; its home is in mm/pte_batch.c */
static void tlb_remove_tlb_entries(struct mmu_gather *tlb, pte_t *pte, int nr,
				   unsigned long addr)
{
	int i;

	for (i = 0; i < nr; i++)
		__tlb_remove_tlb_entry(tlb, pte + i, addr + i * PAGE_SIZE);
}

void bad_tlb(struct mmu_gather *tlb, pte_t *ptep, unsigned long addr, int nr)
{
	int i;

	for (i = 0; i < nr; i++)
		tlb_remove_tlb_entry(tlb, ptep + i, addr + i * PAGE_SIZE);
}

/* Found; no patch: 6.1 has no function that tells the MMU of a run */
void bad_cache(struct vm_area_struct *vma, unsigned long addr, pte_t *ptep,
	       pte_t pte, int nr)
{
	int i;

	set_ptes(vma->vm_mm, addr, ptep, pte, nr);
	for (i = 0; i < nr; i++)
		update_mmu_cache(vma, addr + i * PAGE_SIZE, ptep + i);
}

void bad_step(struct mmu_gather *tlb, pte_t *ptep, unsigned long addr, int nr)
{
	pte_t *end = ptep + nr;

	clear_full_ptes(tlb->mm, addr, ptep, nr, 0);
	for (; ptep != end; ptep++, addr += PAGE_SIZE)
		tlb_remove_tlb_entry(tlb, ptep, addr);
}

/* A walk that decides at each, one entry, a run at once */
void good(struct mmu_gather *tlb, struct vm_area_struct *vma, pte_t *ptep,
	  unsigned long addr, unsigned long end, int nr)
{
	for (; addr != end; ptep++, addr += PAGE_SIZE) {
		if (pte_none(ptep_get(ptep)))
			continue;
		ptep_get_and_clear(tlb->mm, addr, ptep);
		tlb_remove_tlb_entry(tlb, ptep, addr);
	}
	update_mmu_cache(vma, addr, ptep);
	tlb_remove_tlb_entries(tlb, ptep, nr, addr);
}
