// SPDX-License-Identifier: GPL-2.0
/* What anon_folio_order.cocci has to find, and what it must not. */
#include <linux/gfp.h>
#include <linux/large_anon_folio.h>
#include <linux/mm.h>
#include <linux/rmap.h>

struct folio *bad_one(struct vm_area_struct *vma, unsigned long addr)
{
	return vma_alloc_folio(GFP_HIGHUSER_MOVABLE, 1, vma, addr, false);
}

struct folio *bad_constant(struct vm_area_struct *vma, unsigned long addr)
{
	return vma_alloc_folio(GFP_HIGHUSER_MOVABLE, 4, vma, addr, false);
}

struct folio *bad_choice(struct vm_area_struct *vma, unsigned long addr)
{
	struct folio *folio = NULL;
	int order;

	for (order = PMD_SHIFT - PAGE_SHIFT - 1; order > 1 && !folio; order--)
		folio = vma_alloc_folio(GFP_HIGHUSER_MOVABLE, order, vma, addr,
					false);

	return folio;
}

void bad_use(struct vm_area_struct *vma, unsigned long addr, int order)
{
	struct folio *folio = folio_alloc(GFP_HIGHUSER_MOVABLE, order);

	if (folio)
		folio_add_new_anon_rmap(folio, vma, addr);
}

/* One page, a huge one, one like another, one for a file */
void good(struct vm_area_struct *vma, unsigned long addr, struct folio *src,
	  struct folio **dst)
{
	int order = folio_order(src);

	dst[0] = vma_alloc_folio(GFP_HIGHUSER_MOVABLE, 0, vma, addr, false);
	dst[1] = vma_alloc_folio(GFP_TRANSHUGE, HPAGE_PMD_ORDER, vma, addr, true);
	dst[2] = vma_alloc_folio(GFP_TRANSHUGE, folio_order(src), vma, addr, false);
	dst[3] = vma_alloc_folio(GFP_TRANSHUGE, order, vma, addr, false);
	dst[4] = folio_alloc(GFP_HIGHUSER, 1);
}

/* Asks which orders are allowed */
struct folio *good_choice(struct vm_area_struct *vma, unsigned long addr)
{
	int order = fls_long(thp_vma_suitable_orders(vma, addr, BIT(4) - 1)) - 1;

	return vma_alloc_folio(GFP_HIGHUSER_MOVABLE, order, vma, addr, false);
}
