// SPDX-License-Identifier: GPL-2.0
/* What mapcount_exclusive.cocci has to find, and what it must not. */
#include <linux/mm.h>
#include <linux/hugetlb.h>
#include <linux/rmap_id.h>

bool bad_page(struct vm_area_struct *vma, struct page *page)
{
	return PageAnon(page) && page_mapcount(page) == 1;
}

bool bad_folio(struct vm_area_struct *vma, struct folio *folio)
{
	if (folio_mapcount(folio) != 1)
		return false;
	return folio_test_anon(folio);
}

/* Found; no patch: whose mappings are meant? */
bool bad_unknown(struct folio *folio)
{
	return folio_mapcount(folio) >= 2;
}

bool good_small(struct page *page, struct folio *folio)
{
	if (!folio_test_large(folio) && folio_mapcount(folio) == 1)
		return true;
	return !PageCompound(page) && PageAnon(page) && page_mapcount(page) == 1;
}

bool good_hugetlb(struct page *page)
{
	return page_mapcount(page) == 1;
}

bool good(struct vm_area_struct *vma, struct folio *folio)
{
	if (!folio_mapcount(folio) || folio_mapcount(folio) == folio_nr_pages(folio))
		return false;
	return folio_mapped_shared(folio, vma->vm_mm);
}
