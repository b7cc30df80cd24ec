// SPDX-License-Identifier: GPL-2.0
/* What mapcount_owner.cocci has to find, and what it must not. */
#include <linux/mm.h>
#include <linux/rmap_batch.h>
#include <linux/rmap_id.h>

int bad_read(struct folio *folio)
{
	return atomic_read(&folio->_large_mapcount) + 1;
}

int bad_page(struct page *page)
{
	return atomic_read(&page->_mapcount) + 1;
}

/* Found; no patch: which of the rmap functions is meant? */
void bad_change(struct page *page, struct folio *folio)
{
	atomic_inc(&page->_mapcount);
	atomic_dec(&page[1]._mapcount);
	atomic_add(2, &folio->_large_mapcount);
}

void bad_words(struct page *page)
{
	atomic64_set(&page[3].rmap_sum_even, 0);
	atomic64_inc(&page[2].rmap_seq);
}

int good(struct page *page, struct folio *folio)
{
	const int _mapcount = 1;

	return page_mapcount(page) + folio_mapcount(folio) +
	       folio_large_mapcount(folio) + _mapcount;
}
