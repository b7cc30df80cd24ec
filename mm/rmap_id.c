// SPDX-License-Identifier: GPL-2.0-only
/*
 * IDs of address spaces that tell whose mappings a folio has: see rmap_id.h.
 *
 * An ID is a vector of eight digits, each from 0 to 15, at one distance from the
 * centre (7.5, ..., 7.5): all IDs lie on one sphere. If k of them sum to k times
 * a member x, then x is their mean; and the mean of points on a sphere lies
 * inside of it, unless they are all the same. So all k are x.
 *
 * What is summed are not vectors but numbers, with the digits of an ID as digits
 * of base B = 15 * P + 1, for a folio of P pages: with no more than P IDs in a
 * sum nothing carries, and equal numbers mean equal vectors. Large bases need
 * several words.
 *
 * Documentation/mm/rmap_id.rst has the proof and the figures.
 */
#include <linux/idr.h>
#include <linux/init.h>
#include <linux/mm.h>
#include <linux/rmap_id.h>
#include <linux/slab.h>

#include "rmap_id_numbers.h"

/* ------------------------------------------------------------------ state */

/*
 * Who has no ID of his own has this one, which is on the sphere like all others:
 * sums with it are right, and what it maps counts as shared.
 */
struct rmap_id rmap_id_shared;

static DEFINE_IDA(rmap_ids);
u32 rmap_id_last = RMAP_ID_NR - 1;
static struct rmap_id_tables tables __ro_after_init;

/*
 * Where the words are: not where a tail has TAIL_MAPPING, the swap cache its
 * entries, or the second tail the queue of what waits to be split.
 */
static_assert(HPAGE_PMD_ORDER <= RMAP_ID_MAX_ORDER);
static_assert(offsetof(struct page, rmap_seq) == offsetof(struct page, lru.prev));
static_assert(offsetof(struct page, rmap_seq) + sizeof(atomic64_t) <=
	      offsetof(struct page, deferred_list));
static_assert(offsetof(struct page, rmap_sum_even) == offsetof(struct page, lru.prev));
static_assert(offsetof(struct page, rmap_sum_odd) == offsetof(struct page, index));
static_assert(offsetof(struct page, mapping) + sizeof(void *) <=
	      offsetof(struct page, index));
/* The smallest folio has the pages that hold them */
static_assert(1 << RMAP_ID_MIN_ORDER >= 4);

/* ------------------------------------------------------------- IDs of mms */

static void set_sums(struct rmap_id *id, u32 number)
{
	u8 digits[RMAP_ID_DIGITS];
	unsigned int order, word;

	id->number = (__force rmap_nr_t)number;
	rmap_id_unrank(&tables, number, digits);
	for (order = RMAP_ID_MIN_ORDER; order <= HPAGE_PMD_ORDER; order++)
		for (word = 0; word < RMAP_ID_WORDS; word++)
			id->sums[order][word] = rmap_id_word(&tables, digits, order, word);
}

/**
 * mm_rmap_id_alloc - Give a new mm an ID of its own.
 * @mm: The mm. Nothing is mapped in it yet.
 *
 * There are 63 million. If there is none left, or no memory, the mm shares one
 * with others like it: what it maps counts as shared, which is safe.
 *
 * Context: Process context, may sleep.
 */
void mm_rmap_id_alloc(struct mm_struct *mm)
{
	struct rmap_id *id = kmalloc(sizeof(*id), GFP_KERNEL_ACCOUNT);
	int number = -ENOMEM;

	if (id)
		number = ida_alloc_range(&rmap_ids, 1, rmap_id_last, GFP_KERNEL);
	if (number < 0) {
		kfree(id);
		mm->rmap_id = &rmap_id_shared;
		count_vm_event(RMAP_ID_SHARED);
		pr_warn_once("rmap_id: no ID for a process (%d): its memory counts as shared\n",
			     number);
		return;
	}

	set_sums(id, number);
	mm->rmap_id = id;
}

/**
 * mm_rmap_id_free - Take an mm's ID back.
 * @mm: The mm. Its last mapping is gone, and nobody asks for it any more.
 *
 * Context: Any.
 */
void mm_rmap_id_free(struct mm_struct *mm)
{
	struct rmap_id *id = mm->rmap_id;

	if (id == &rmap_id_shared)
		return;
	ida_free(&rmap_ids, (__force u32)id->number);
	kfree(id);
}

/**
 * rmap_id_init - Make the tables that IDs come from.
 *
 * Context: Boot, before the first process is made.
 */
void __init rmap_id_init(void)
{
	rmap_id_count(&tables);
	WARN_ON(rmap_id_total(&tables) != RMAP_ID_NR);
	set_sums(&rmap_id_shared, 0);
}

/* -------------------------------------------------------------- questions */

/* How often to look for a moment without a writer: some ten microseconds */
#define RMAP_ID_TRIES	1000

/*
 * Are all mappings of a folio this mm's? Inside of a reader's section.
 *
 * With more mappings than pages the digits of a sum may have carried, and nothing
 * follows from it. Private memory has no more mappings than pages in one mm: so
 * another has some, too. A file may be mapped twice by one.
 */
static bool sums_match(struct folio *folio, struct mm_struct *mm, unsigned int nr)
{
	const unsigned int order = folio_order(folio);
	const u64 *id = mm->rmap_id->sums[order];

	if (nr > folio_nr_pages(folio) || mm->rmap_id == &rmap_id_shared)
		return false;
	if (atomic64_read(folio_rmap_sum(folio, 0)) != nr * id[0])
		return false;
	if (order > RMAP_ID_ONE_WORD &&
	    atomic64_read(folio_rmap_sum(folio, 1)) != nr * id[1])
		return false;
	if (RMAP_ID_WORDS > 2 && order > RMAP_ID_TWO_WORDS &&
	    atomic64_read(folio_rmap_sum(folio, 2)) != nr * id[2])
		return false;
	return true;
}

/**
 * folio_mapped_shared - Whether page tables of others map a folio.
 * @folio: Any folio that somebody maps; the caller keeps it from being freed.
 * @mm: Who asks.
 *
 * The answer is about present entries of page tables, now: not about swap and
 * migration entries, the page cache, or references. It is exact but for an mm
 * without an ID of its own, for a folio with more mappings than pages, and for
 * what is not tracked: there it is true if there is more than one mapping. And
 * it is true if mappings of the folio change all the time, so that no moment is
 * found to read them: nobody waits for long, with a page table's lock held.
 *
 * Context: Any. In a section of the folio's rmap, and without the locks of all
 *	page tables that map the folio, the answer may be outdated when it is
 *	returned.
 * Return: False if all mappings, or none, are @mm's.
 */
bool folio_mapped_shared(struct folio *folio, struct mm_struct *mm)
{
	struct atomic_seqcount *s;
	unsigned int tries, nr;
	bool shared;
	asq_t seq;

	if (!folio_has_rmap_id(folio))
		return folio_mapcount(folio) > 1;
	if (mm->rmap_id == &rmap_id_shared)
		return folio_large_mapcount(folio) > 1;

	s = folio_rmap_seq(folio);
	for (tries = 0; tries < RMAP_ID_TRIES; tries++) {
		if (try_read_atomic_seqcount_begin(s, &seq)) {
			nr = folio_large_mapcount(folio);
			shared = nr && !sums_match(folio, mm, nr);
			if (!read_atomic_seqcount_retry(s, seq))
				return shared;
		}
		if (!tries)
			count_vm_event(RMAP_ID_RETRY);
		cpu_relax();
	}
	return true;
}

/**
 * folio_owned - Whether an anonymous folio is one mm's, and nobody else has it.
 * @folio: The folio: large, anonymous, tracked, locked, not in the swap cache.
 * @mm: The mm: it maps the folio.
 *
 * That is so if all mappings are @mm's and each reference is a mapping's. All is
 * read in one section. References are taken before mappings are counted, and
 * dropped after they are not: so there are never fewer references than mappings,
 * and if the numbers are equal while no mapping changes, nobody had another one
 * at the time when the references were read.
 *
 * gup-fast, which takes a reference without a lock, looks at the PTE again after
 * it did. Who zaps that PTE clears it, and then begins a section. So either
 * gup-fast sees the PTE cleared, and drops its reference; or its reference, an
 * atomic operation, was before the PTE was cleared, and so before that section
 * began, which is fully ordered: then who sees the section's end, by the acquire
 * at the begin here, sees the reference, too.
 *
 * Nobody can get to the folio afterwards but through @mm's page tables: it is in
 * no cache, and migration entries, which have no reference, are made under the
 * folio's lock.
 *
 * Context: The folio's lock and the lock of a page table that maps it are held.
 * Return: True if it is. False if it is not, or if somebody is about to change
 *	that: this does not wait.
 */
bool folio_owned(struct folio *folio, struct mm_struct *mm)
{
	unsigned int nr;
	bool owned;
	asq_t seq;

	VM_WARN_ON_FOLIO(!folio_test_locked(folio) || !folio_test_anon(folio), folio);

	if (!try_read_atomic_seqcount_begin(folio_rmap_seq(folio), &seq))
		goto met_writer;
	nr = folio_large_mapcount(folio);
	owned = folio_ref_count(folio) == nr && sums_match(folio, mm, nr);
	if (!read_atomic_seqcount_retry(folio_rmap_seq(folio), seq))
		return owned;

met_writer:
	count_vm_event(RMAP_ID_RETRY);
	return false;
}

/**
 * folio_refs_are_mappings - Whether nobody has a folio but who maps it.
 * @folio: The folio; the caller keeps it from being freed.
 * @others: References that the caller knows of: its own, the swap cache's.
 *
 * For who wants to give up what nobody uses any more. References are taken before
 * mappings are counted, and dropped after they are not, and both are read in one
 * section: see folio_owned(). For a folio that is not tracked:
 * folio_refs_seem_mappings().
 *
 * Context: Any. Does not wait.
 * Return: True if each reference but those is a mapping's. False if not, or if
 *	somebody is about to change that.
 */
bool folio_refs_are_mappings(struct folio *folio, int others)
{
	bool same;
	asq_t seq;

	if (!folio_has_rmap_id(folio))
		return folio_refs_seem_mappings(folio, others);
	if (!try_read_atomic_seqcount_begin(folio_rmap_seq(folio), &seq))
		goto met_writer;
	same = folio_ref_count(folio) == folio_large_mapcount(folio) + others;
	if (!read_atomic_seqcount_retry(folio_rmap_seq(folio), seq))
		return same;

met_writer:
	count_vm_event(RMAP_ID_RETRY);
	return false;
}

/**
 * folio_dump_rmap - What dump_page() says about the mappings of a folio.
 * @folio: Any folio. One that is not tracked is passed over.
 *
 * Context: Any.
 */
void folio_dump_rmap(struct folio *folio)
{
	const unsigned int order = folio_order(folio);

	if (!folio_has_rmap_id(folio) || order < RMAP_ID_MIN_ORDER)
		return;
	pr_warn("large_mapcount:%d rmap_seq:%#llx rmap_sums:%#llx,%#llx,%#llx\n",
		folio_large_mapcount(folio),
		(u64)atomic64_read(&folio_rmap_seq(folio)->word),
		(u64)atomic64_read(folio_rmap_sum(folio, 0)),
		order > RMAP_ID_ONE_WORD ? (u64)atomic64_read(folio_rmap_sum(folio, 1)) : 0,
		RMAP_ID_WORDS > 2 && order > RMAP_ID_TWO_WORDS ?
			(u64)atomic64_read(folio_rmap_sum(folio, 2)) : 0);
}

#ifdef CONFIG_DEBUG_RMAP_ID
/**
 * folio_check_rmap_id - Complain about a sum that no mappings can have.
 * @folio: A tracked folio.
 *
 * Of k mappings, no more than there are pages, each digit of the sum is at most
 * k times the largest digit of an ID. Without mappings all are 0.
 *
 * Context: Any. Says nothing while mappings change.
 */
void folio_check_rmap_id(struct folio *folio)
{
	const unsigned int order = folio_order(folio);
	const unsigned int per_word = tables.per_word[order];
	const u64 base = rmap_id_base(order);
	unsigned int word, i;
	bool bad = false;
	asq_t seq;
	int nr;

	if (!try_read_atomic_seqcount_begin(folio_rmap_seq(folio), &seq))
		return;
	nr = folio_large_mapcount(folio);
	for (word = 0; word * per_word < RMAP_ID_DIGITS; word++) {
		u64 sum = atomic64_read(folio_rmap_sum(folio, word));

		for (i = 0; i < per_word; i++) {
			bad |= sum % base > (u64)nr * RMAP_ID_DIGIT_MAX;
			sum /= base;
		}
		bad |= sum;
	}
	if (read_atomic_seqcount_retry(folio_rmap_seq(folio), seq) ||
	    nr > folio_nr_pages(folio))
		return;
	VM_WARN_ON_FOLIO(bad || nr < 0, folio);
}
#endif
