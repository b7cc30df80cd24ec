// SPDX-License-Identifier: GPL-2.0
/* What pte_run.cocci has to find, and what it must not. */
#include <linux/mm.h>
#include <linux/pte_batch.h>

void set_by_index(struct mm_struct *mm, unsigned long addr, pte_t *ptep,
		  struct page *page, pgprot_t prot, int nr)
{
	int i;

	for (i = 0; i < nr; i++)
		set_pte_at(mm, addr + i * PAGE_SIZE, ptep + i,
			   mk_pte(page + i, prot));
}

void set_by_step(struct mm_struct *mm, unsigned long addr, pte_t *ptep,
		 pte_t pte, int nr)
{
	int i;

	for (i = 0; i < nr; i++, ptep++, addr += PAGE_SIZE) {
		set_pte_at(mm, addr, ptep, pte);
		pte = pte_next_pfn(pte);
	}
}

/* Found; no patch: the caller needs to know where it ended */
pte_t *set_and_go_on(struct mm_struct *mm, unsigned long addr, pte_t *ptep,
		     pte_t pte, int nr)
{
	int i;

	for (i = 0; i < nr; i++, ptep++, addr += PAGE_SIZE) {
		set_pte_at(mm, addr, ptep, pte);
		pte = pte_next_pfn(pte);
	}

	return ptep;
}

/* Found; no patch: there are many ways to write it */
void set_by_pfn(struct mm_struct *mm, unsigned long addr, unsigned long end,
		pte_t *ptep, unsigned long pfn, pgprot_t prot)
{
	do {
		set_pte_at(mm, addr, ptep, pte_mkyoung(pfn_pte(pfn, prot)));
		pfn++;
	} while (ptep++, addr += PAGE_SIZE, addr != end);
}

void protect_by_index(struct mm_struct *mm, unsigned long addr, pte_t *ptep,
		      unsigned int nr)
{
	unsigned int i;

	for (i = 0; i < nr; i++)
		ptep_set_wrprotect(mm, addr + i * PAGE_SIZE, ptep + i);
}

void protect_by_step(struct mm_struct *mm, unsigned long addr,
		     unsigned long end, pte_t *ptep)
{
	for (; addr != end; ptep++, addr += PAGE_SIZE)
		ptep_set_wrprotect(mm, addr, ptep);
}

void clear_by_index(struct mm_struct *mm, unsigned long addr, pte_t *ptep,
		    int nr, int full)
{
	int i;

	for (i = 0; i < nr; i++)
		ptep_get_and_clear_full(mm, addr + i * PAGE_SIZE, ptep + i, full);
}

bool clear_and_look(struct mm_struct *mm, unsigned long addr, pte_t *ptep, int nr)
{
	bool dirty = false;
	int i;

	for (i = 0; i < nr; i++) {
		pte_t pte = ptep_get_and_clear(mm, addr, ptep + i);

		dirty |= pte_dirty(pte);
		addr += PAGE_SIZE;
	}

	return dirty;
}

/* Each PTE has its own value, or its own fate */
void good(struct vm_area_struct *vma, unsigned long addr, pte_t *ptep,
	  struct page **pages, pte_t pte, swp_entry_t *entry, int nr)
{
	struct mm_struct *mm = vma->vm_mm;
	int i;

	/* no run: pages from anywhere */
	for (i = 0; i < nr; i++)
		set_pte_at(mm, addr + i * PAGE_SIZE, ptep + i,
			   mk_pte(pages[i], vma->vm_page_prot));
	/* the zero page everywhere */
	for (i = 0; i < nr; i++)
		set_pte_at(mm, addr + i * PAGE_SIZE, ptep + i, pte);
	/* only some of them */
	for (i = 0; i < nr; i++, ptep++, addr += PAGE_SIZE) {
		if (pte_write(ptep_get(ptep)))
			ptep_set_wrprotect(mm, addr, ptep);
	}
	/* a single one, in a loop over something else */
	for (i = 0; i < nr; i++)
		ptep_set_wrprotect(mm, addr, ptep);
	/* this is how */
	set_ptes(mm, addr, ptep, pte, nr);
	wrprotect_ptes(mm, addr, ptep, nr);
}

/* Found: it takes each PTE away for the time, and could take a run */
void walk(struct vm_area_struct *vma, unsigned long addr, unsigned long end,
	  pte_t *pte, pgprot_t newprot)
{
	do {
		pte_t old;

		if (!pte_present(ptep_get(pte)))
			continue;
		old = ptep_modify_prot_start(vma, addr, pte);
		ptep_modify_prot_commit(vma, addr, pte, old,
					pte_modify(old, newprot));
	} while (pte++, addr += PAGE_SIZE, addr != end);
}

/* The kernel's own page table; and PFNs that are asked one by one */
void good_walk(struct mm_struct *mm, unsigned long addr, unsigned long end,
	       pte_t *pte, unsigned long pfn, pgprot_t prot)
{
	unsigned long at = addr;
	pte_t *ptep = pte;

	do {
		if (!pte_none(ptep_get_and_clear(&init_mm, at, ptep)))
			WARN_ON_ONCE(!pte_write(ptep_get(ptep)));
	} while (ptep++, at += PAGE_SIZE, at != end);

	do {
		if (!pfn_valid(pfn))
			break;
		set_pte_at(mm, addr, pte, pfn_pte(pfn, prot));
		pfn++;
	} while (pte++, addr += PAGE_SIZE, addr != end);
}
