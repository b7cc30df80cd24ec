/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Who maps a large folio: one address space, or several.
 *
 * Each mm has an ID, and a folio has the sum of the IDs of all its mappings: it
 * is mapped by one mm alone exactly if the sum is that mm's ID times the number
 * of mappings. IDs are chosen so that no other mix has the same sum, as long as
 * there are no more mappings than the folio has pages: Documentation/mm/rmap_id.rst
 * proves it. With more, the folio counts as shared.
 *
 * Tracked are folios of order 2 and more that hold anonymous memory or page
 * cache: those that prep_transhuge_page() has seen. Hugetlb's and what drivers
 * map are not.
 *
 * Number and sum change within one section of the folio's sequence count, with
 * the mapcounts of an anonymous folio's pages. So the pages' counts belong to the
 * section's sole writer, if there is one: see atomic_seqcount.h. All sections are
 * under a page table lock, which keeps them from being preempted.
 *
 * From the message on precise "mapped shared" detection.
 */
#ifndef _LINUX_RMAP_ID_H
#define _LINUX_RMAP_ID_H

#include <linux/atomic_seqcount.h>
#include <linux/mm.h>
#include <linux/mm_types.h>
#include <linux/rmap_batch.h>

#ifdef CONFIG_RMAP_ID

/* Smallest order of a tracked folio: its state is in its second and third tail */
#define RMAP_ID_MIN_ORDER	2

/* Words of a sum, by order: Documentation/mm/rmap_id.rst has the table */
#define RMAP_ID_ONE_WORD	4
#define RMAP_ID_TWO_WORDS	12
#define RMAP_ID_WORDS		(2 + (HPAGE_PMD_ORDER - RMAP_ID_TWO_WORDS > 0))

/* Orders of folios, from 0 to the PMD's */
#define RMAP_ID_ORDERS		(HPAGE_PMD_ORDER + 1)

/**
 * typedef rmap_nr_t - The number of an rmap ID; 0 is that of all who have none.
 */
typedef u32 __bitwise rmap_nr_t;

/**
 * struct rmap_id - The ID of an address space.
 * @sums: What a mapping adds to the sum of a folio, by the folio's order.
 * @number: Which one.
 */
struct rmap_id {
	u64 sums[RMAP_ID_ORDERS][RMAP_ID_WORDS];
	rmap_nr_t number;
};

extern struct rmap_id rmap_id_shared;

void rmap_id_init(void);

void mm_rmap_id_alloc(struct mm_struct *mm);
void mm_rmap_id_free(struct mm_struct *mm);

/**
 * folio_has_rmap_id - Whether a folio's mappings are tracked.
 * @folio: Any folio.
 *
 * Context: Any; the folio can't be split or freed.
 * Return: True if it is large and holds anonymous memory or page cache.
 */
static inline bool folio_has_rmap_id(struct folio *folio)
{
	return folio_test_large(folio) &&
	       folio->_folio_dtor == TRANSHUGE_PAGE_DTOR;
}

static inline struct atomic_seqcount *folio_rmap_seq(struct folio *folio)
{
	return container_of(&folio_page(folio, 2)->rmap_seq,
			    struct atomic_seqcount, word);
}

static inline atomic64_t *folio_rmap_sum(struct folio *folio, int word)
{
	struct page *page = folio_page(folio, word < 2 ? 3 : 4);

	return word == 1 ? &page->rmap_sum_odd : &page->rmap_sum_even;
}

/**
 * folio_set_new_rmap - The mappings of a new folio.
 * @folio: The folio: nobody else sees it yet.
 * @mm: Who maps it.
 * @nr: How many mappings it has.
 *
 * Context: The page table lock is held.
 */
static inline void folio_set_new_rmap(struct folio *folio, struct mm_struct *mm,
				      int nr)
{
	const unsigned int order = folio_order(folio);
	const u64 *id = mm->rmap_id->sums[order];

	folio_set_large_mapcount(folio, nr);
	atomic64_set(folio_rmap_sum(folio, 0), nr * id[0]);
	if (order > RMAP_ID_ONE_WORD)
		atomic64_set(folio_rmap_sum(folio, 1), nr * id[1]);
	if (RMAP_ID_WORDS > 2 && order > RMAP_ID_TWO_WORDS)
		atomic64_set(folio_rmap_sum(folio, 2), nr * id[2]);
}

/**
 * folio_init_rmap_id - Set up the tracking of a new folio.
 * @folio: The folio: nobody else knows it, nobody maps it.
 *
 * Context: Any.
 */
static inline void folio_init_rmap_id(struct folio *folio)
{
	unsigned int order = folio_order(folio);

	if (order < RMAP_ID_MIN_ORDER)
		return;
	atomic_seqcount_init(folio_rmap_seq(folio));
	atomic64_set(folio_rmap_sum(folio, 0), 0);
	atomic64_set(folio_rmap_sum(folio, 1), 0);
	if (RMAP_ID_WORDS > 2 && order > RMAP_ID_TWO_WORDS)
		atomic64_set(folio_rmap_sum(folio, 2), 0);
}

/**
 * folio_begin_rmap - Begin to change the mappings of a tracked folio.
 * @folio: The folio: folio_has_rmap_id() holds.
 *
 * This may wait for another CPU's section, which an interrupt may hold up: no
 * lock that interrupts take is held. The memcg's move lock, which is one, comes
 * after it.
 *
 * Context: The page table lock is held.
 * Return: For the functions below: whether nobody else changes mappings of the
 *	folio meanwhile.
 */
static __always_inline bool folio_begin_rmap(struct folio *folio)
{
	return write_atomic_seqcount_begin(folio_rmap_seq(folio));
}

/**
 * folio_count_rmap - Change number and sum of a tracked folio's mappings.
 * @folio: The folio.
 * @mm: Who maps it.
 * @nr: How many mappings are added; negative if they are removed.
 * @sole: What folio_begin_rmap() returned.
 *
 * The pages' own mapcounts are changed by who calls.
 *
 * Context: Between folio_begin_rmap() and folio_end_rmap().
 */
static __always_inline void folio_count_rmap(struct folio *folio,
					     struct mm_struct *mm, int nr, bool sole)
{
	/* What folio_order() says of a large one */
	const unsigned int order = folio->_folio_order;
	const u64 *id = mm->rmap_id->sums[order];

	atomic_seqcount_add(&folio->_large_mapcount, nr, sole);
	atomic_seqcount_add64(folio_rmap_sum(folio, 0), nr * id[0], sole);
	if (order > RMAP_ID_ONE_WORD)
		atomic_seqcount_add64(folio_rmap_sum(folio, 1), nr * id[1], sole);
	if (RMAP_ID_WORDS > 2 && order > RMAP_ID_TWO_WORDS)
		atomic_seqcount_add64(folio_rmap_sum(folio, 2), nr * id[2], sole);
}

#ifdef CONFIG_DEBUG_RMAP_ID
void folio_check_rmap_id(struct folio *folio);
#else
static inline void folio_check_rmap_id(struct folio *folio)
{
}
#endif

/**
 * folio_end_rmap - End what folio_begin_rmap() began.
 * @folio: The folio.
 * @sole: What that returned.
 *
 * Context: The page table lock is held.
 */
static __always_inline void folio_end_rmap(struct folio *folio, bool sole)
{
	write_atomic_seqcount_end(folio_rmap_seq(folio), sole);
	folio_check_rmap_id(folio);
}

bool folio_mapped_shared(struct folio *folio, struct mm_struct *mm);
bool folio_owned(struct folio *folio, struct mm_struct *mm);
bool folio_refs_are_mappings(struct folio *folio, int others);
void folio_dump_rmap(struct folio *folio);

#else /* !CONFIG_RMAP_ID */

static inline void rmap_id_init(void)
{
}

static inline void mm_rmap_id_alloc(struct mm_struct *mm)
{
}

static inline void mm_rmap_id_free(struct mm_struct *mm)
{
}

static inline bool folio_has_rmap_id(struct folio *folio)
{
	return false;
}

static inline void folio_init_rmap_id(struct folio *folio)
{
}

static inline void folio_set_new_rmap(struct folio *folio, struct mm_struct *mm,
				      int nr)
{
	folio_set_large_mapcount(folio, nr);
}

static __always_inline bool folio_begin_rmap(struct folio *folio)
{
	return false;
}

static __always_inline void folio_count_rmap(struct folio *folio,
					     struct mm_struct *mm, int nr, bool sole)
{
	folio_add_large_mapcount(folio, nr);
}

static __always_inline void folio_end_rmap(struct folio *folio, bool sole)
{
}

static inline void folio_check_rmap_id(struct folio *folio)
{
}

static inline bool folio_mapped_shared(struct folio *folio, struct mm_struct *mm)
{
	return folio_mapcount(folio) > 1;	/* not known: rather shared */
}

static inline bool folio_owned(struct folio *folio, struct mm_struct *mm)
{
	return false;
}

static inline bool folio_refs_are_mappings(struct folio *folio, int others)
{
	return folio_refs_seem_mappings(folio, others);
}

static inline void folio_dump_rmap(struct folio *folio)
{
}

#endif /* CONFIG_RMAP_ID */

/**
 * folio_may_be_owned - Whether it is worth while to ask folio_owned().
 * @folio: A large folio.
 *
 * Context: A page table that maps it is locked.
 * Return: False if it is not tracked, or if it has more mappings than pages.
 */
static __always_inline bool folio_may_be_owned(struct folio *folio)
{
	return folio_has_rmap_id(folio) &&
	       folio_large_mapcount(folio) <= folio_nr_pages(folio);
}

/**
 * page_mapped_shared - Whether page tables of others map what a page belongs to.
 * @page: Any page that somebody maps; the caller keeps it from being freed.
 * @mm: Who asks.
 *
 * For policy, which moves, ages or splits folios whole, and leaves those of others
 * alone.
 *
 * Context: As of folio_mapped_shared().
 * Return: That of folio_mapped_shared() for the page's folio if it is tracked;
 *	otherwise whether the page itself is not mapped exactly once, as in stock.
 *	So what is mapped without being counted (device memory) is others', too.
 */
static inline bool page_mapped_shared(struct page *page, struct mm_struct *mm)
{
	if (folio_has_rmap_id(page_folio(page)))
		return folio_mapped_shared(page_folio(page), mm);
	return page_mapcount(page) != 1;
}

/**
 * page_begin_rmap - folio_begin_rmap() for the folio of any page.
 * @page: The page: of a tracked folio, of one that is not, or a single page.
 *
 * Context: As of folio_begin_rmap().
 * Return: As that of folio_begin_rmap(); false for what is not tracked.
 */
static inline bool page_begin_rmap(struct page *page)
{
	return folio_has_rmap_id(page_folio(page)) &&
	       folio_begin_rmap(page_folio(page));
}

/**
 * page_count_rmap - folio_count_rmap() for the folio of any page.
 * @page: The page. If its folio is not tracked but has a total, that is changed.
 * @mm: Who maps it.
 * @nr: How many mappings are added; negative if they are removed.
 * @sole: What page_begin_rmap() returned.
 *
 * Context: Between page_begin_rmap() and page_end_rmap().
 */
static inline void page_count_rmap(struct page *page, struct mm_struct *mm, int nr,
				   bool sole)
{
	if (!IS_ENABLED(CONFIG_LARGE_ANON_FOLIO) || !PageCompound(page) || PageHuge(page))
		return;
	if (folio_has_rmap_id(page_folio(page)))
		folio_count_rmap(page_folio(page), mm, nr, sole);
	else
		folio_add_large_mapcount(page_folio(page), nr);
}

/**
 * page_end_rmap - End what page_begin_rmap() began.
 * @page: The page.
 * @sole: What that returned.
 *
 * Context: The page table lock is held.
 */
static inline void page_end_rmap(struct page *page, bool sole)
{
	if (folio_has_rmap_id(page_folio(page)))
		folio_end_rmap(page_folio(page), sole);
}

/**
 * page_inc_mapcount - Count a mapping of a page in its own mapcount.
 * @page: The page.
 * @sole: What began the section.
 *
 * Context: Between folio_begin_rmap() and folio_end_rmap().
 * Return: True if it was mapped by nobody before.
 */
static __always_inline bool page_inc_mapcount(struct page *page, bool sole)
{
	if (!sole)
		return atomic_inc_and_test(&page->_mapcount);
	ASSERT_EXCLUSIVE_WRITER(page->_mapcount.counter);
	/* Plain: one instruction where there is one; it is not torn */
	return !data_race(++page->_mapcount.counter);
}

/**
 * page_dec_mapcount - Take a mapping of a page from its own mapcount.
 * @page: The page.
 * @sole: What began the section.
 *
 * Context: Between folio_begin_rmap() and folio_end_rmap().
 * Return: True if nobody maps it any more.
 */
static __always_inline bool page_dec_mapcount(struct page *page, bool sole)
{
	if (!sole)
		return atomic_add_negative(-1, &page->_mapcount);
	ASSERT_EXCLUSIVE_WRITER(page->_mapcount.counter);
	/* See page_inc_mapcount() */
	return data_race(--page->_mapcount.counter) < 0;
}

#endif /* _LINUX_RMAP_ID_H */
