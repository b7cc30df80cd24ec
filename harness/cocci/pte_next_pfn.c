// SPDX-License-Identifier: GPL-2.0
/* What pte_next_pfn.cocci has to find, and what it must not. */
#include <linux/mm.h>
#include <linux/pte_batch.h>

pte_t bad_add(pte_t pte)
{
	return __pte(pte_val(pte) + PAGE_SIZE);
}

pte_t bad_shift(pte_t pte)
{
	pte = __pte(pte_val(pte) + (1UL << PAGE_SHIFT));
	return pte;
}

/* Found; no patch, for there is no function that takes several steps */
pte_t bad_several(pte_t pte, int nr)
{
	return __pte(pte_val(pte) + nr * PAGE_SIZE);
}

void bad_member(struct mm_struct *mm, unsigned long addr, pte_t *ptep, pte_t pte,
		int nr)
{
	int i;

	for (i = 0; i < nr; i++) {
		if (pte_none(ptep_get(ptep + i)))
			set_pte_at(mm, addr + i * PAGE_SIZE, ptep + i, pte);
		pte.pte += PAGE_SIZE;
	}
}

pte_t bad_pfn(pte_t pte, pgprot_t prot)
{
	return pfn_pte(pte_pfn(pte) + 1, prot);
}

/* A step between addresses, flags of a PTE, a PTE for a page: all fine */
pte_t good(pte_t pte, struct page *page, unsigned long *addr, pgprot_t prot)
{
	*addr += PAGE_SIZE;
	if (pte_val(pte) & ~PAGE_MASK)
		pte = __pte(pte_val(pte) & PAGE_MASK);
	if (pte_pfn(pte) + 1 == page_to_pfn(page))
		pte = pte_next_pfn(pte);
	else
		pte = pfn_pte(page_to_pfn(page) + 1, prot);

	return pte;
}
