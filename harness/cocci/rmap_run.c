// SPDX-License-Identifier: GPL-2.0
/* What rmap_run.cocci has to find, and what it must not. */
#include <linux/mm.h>
#include <linux/pte_batch.h>
#include <linux/rmap.h>
#include <linux/rmap_batch.h>

void remove_by_index(struct page *page, struct vm_area_struct *vma, int nr)
{
	int i;

	for (i = 0; i < nr; i++)
		page_remove_rmap(page + i, vma, false);
}

/* Found; no patch: what if one of them fails? */
int dup_by_step(struct page *page, struct vm_area_struct *vma,
		struct vm_area_struct *dst_vma, int nr)
{
	int i;

	for (i = 0; i < nr; i++, page++) {
		if (page_try_dup_anon_rmap(page, false, vma, dst_vma))
			return i;
	}

	return nr;
}

/* Found: nobody looks for runs */
void remove_walk(struct vm_area_struct *vma, unsigned long addr,
		 unsigned long end, pte_t *pte)
{
	do {
		struct page *page = vm_normal_page(vma, addr, ptep_get(pte));

		if (page)
			page_remove_rmap(page, vma, false);
	} while (pte++, addr += PAGE_SIZE, addr != end);
}

void references(struct folio *folio, int nr)
{
	int i;

	for (i = 0; i < nr; i++)
		folio_get(folio);
	for (i = 0; i < nr; i++)
		folio_put(folio);
}

void dup_by_index(struct page *page, struct vm_area_struct *dst_vma, int nr)
{
	int i;

	for (i = 0; i < nr; i++)
		page_dup_file_rmap(page + i, false, dst_vma);
}

/* Found; no patch: the folio has to be locked, and what is exclusive be alike */
void add_by_step(struct page *page, struct vm_area_struct *vma, unsigned long addr,
		 int nr)
{
	int i;

	for (i = 0; i < nr; i++, page++, addr += PAGE_SIZE)
		page_add_anon_rmap(page, vma, addr, RMAP_NONE);
}

/* Runs are done as runs, and the rest page by page */
void good_walk(struct vm_area_struct *vma, unsigned long addr,
	       unsigned long end, pte_t *pte)
{
	int nr;

	for (; addr != end; pte += nr, addr += nr * PAGE_SIZE) {
		struct page *page = vm_normal_page(vma, addr, ptep_get(pte));
		struct folio *folio;

		nr = 1;
		if (!page)
			continue;
		folio = page_folio(page);
		if (folio_test_large(folio) && folio_test_anon(folio)) {
			nr = folio_pte_batch(folio, pte, ptep_get(pte),
					     (end - addr) >> PAGE_SHIFT, 0,
					     NULL, NULL, NULL);
			folio_remove_rmap_ptes(folio, page, nr, vma);
			pte++;
		} else {
			page_remove_rmap(page, vma, false);
			pte++;
		}
	}
}

/* Other folios, one page, references that are not a folio's */
void good(struct folio **folios, struct page **pages,
	  struct vm_area_struct *vma, int nr)
{
	int i;

	for (i = 0; i < nr; i++)
		folio_put(folios[i]);
	for (i = 0; i < nr; i++)
		put_page(pages[i]);
	page_remove_rmap(pages[0], vma, false);
	folio_ref_add(folios[0], nr);
}
