// SPDX-License-Identifier: GPL-2.0-only
/*
 * Ranges of a large anonymous folio: mapped once more by fork, and unmapped. A
 * model that counts page by page says what has to come of it.
 */
#include <kunit/test.h>
#include <linux/large_anon_folio.h>
#include <linux/memcontrol.h>
#include <linux/mm.h>
#include <linux/moduleparam.h>
#include <linux/prandom.h>
#include <linux/pte_batch.h>
#include <linux/rmap.h>
#include <linux/rmap_batch.h>
#include <linux/rmap_id.h>
#include <linux/sched/coredump.h>
#include <linux/slab.h>

#include <asm/tlb.h>

#include "mock_pgtable.h"

/* To replay a run: rmap_batch_kunit.seed=<what it printed> */
static unsigned int seed = 20230717;
module_param(seed, uint, 0444);
MODULE_PARM_DESC(seed, "What the random sequences begin with");

#define MODEL_ORDER	min(6, MOCK_MAX_ORDER)
#define MODEL_PAGES	64
#define NR_MMS		3

/* ------------------------------------------------------------------ model */

/**
 * struct model - A folio, and what is known of it.
 * @test: The test.
 * @mms: Who may map it. They have no page tables: rmap does not look there.
 * @folio: The folio: referenced once by the model, and once by each mapping and
 *	each pin.
 * @order: Its order.
 * @nr: Its pages.
 * @pins: Pins of it.
 * @queued: Whether it has to be on the deferred-split queue.
 * @mapped: Whether an mm maps a page.
 * @exclusive: Whether a page is PageAnonExclusive.
 * @before: All counts before it was there.
 */
struct model {
	struct kunit *test;
	struct mock_pgtable **mms;
	struct folio *folio;
	unsigned int order;
	unsigned int nr;
	unsigned int pins;
	bool queued;
	bool mapped[NR_MMS][MODEL_PAGES];
	bool exclusive[MODEL_PAGES];
	struct mock_counts before;
};

/*
 * As try_grab_folio() and unpin_user_page(), which want to see an exclusive page
 * when they are called.
 */
static void pin(struct folio *folio)
{
	folio_get(folio);
	atomic_inc(folio_pincount_ptr(folio));
}

static void unpin(struct folio *folio)
{
	atomic_dec(folio_pincount_ptr(folio));
	folio_put(folio);
}

static void model_unpin(struct model *m)
{
	unpin(m->folio);
	m->pins--;
}

static void model_free_res(struct kunit_resource *res)
{
	struct model *m = res->data;
	unsigned int mm, i;

	while (m->pins)
		model_unpin(m);
	for (mm = 0; mm < NR_MMS; mm++)
		for (i = 0; i < m->nr; i++)
			if (m->mapped[mm][i]) {
				preempt_disable();
				folio_remove_rmap_ptes(m->folio, folio_page(m->folio, i), 1,
						       m->mms[mm]->vma);
				preempt_enable();
				folio_put(m->folio);
			}

	KUNIT_EXPECT_EQ_MSG(m->test, folio_ref_count(m->folio), 1,
			    "a reference to a folio of order %u was lost or left", m->order);
	KUNIT_EXPECT_EQ_MSG(m->test, folio_mapcount(m->folio), 0,
			    "a mapping of a folio of order %u was lost or left", m->order);
	folio_put(m->folio);
	kfree(m);
}

static int model_init_res(struct kunit_resource *res, void *context)
{
	struct model *m = kzalloc(sizeof(*m), GFP_KERNEL);
	struct vm_area_struct *vma;
	unsigned int i;

	if (!m)
		return -ENOMEM;

	*m = *(struct model *)context;
	mock_count(&m->before);
	vma = m->mms[0]->vma;
	m->folio = vma_alloc_folio(GFP_HIGHUSER_MOVABLE, m->order, vma, vma->vm_start, false);
	if (m->folio && mem_cgroup_charge(m->folio, vma->vm_mm, GFP_KERNEL)) {
		folio_put(m->folio);
		m->folio = NULL;
	}
	if (!m->folio) {
		kfree(m);
		return -ENOMEM;
	}

	/* As after a fault in the first mm */
	folio_ref_add(m->folio, m->nr);
	preempt_disable();
	folio_add_new_anon_rmap(m->folio, vma, vma->vm_start);
	preempt_enable();
	for (i = 0; i < m->nr; i++) {
		m->mapped[0][i] = true;
		m->exclusive[i] = true;
	}
	res->data = m;

	return 0;
}

/* The test's end, or model_release(), unmaps and frees the folio */
static struct model *model_create(struct kunit *test, struct mock_pgtable **mms,
				  unsigned int order)
{
	static struct model init; /* it is large for a stack */
	struct model *m;

	init.test = test;
	init.mms = mms;
	init.order = order;
	init.nr = 1U << order;
	m = kunit_alloc_resource(test, model_init_res, model_free_res, GFP_KERNEL, &init);
	KUNIT_ASSERT_NOT_NULL_MSG(test, m, "no folio of order %u", order);

	return m;
}

static bool model_is_resource(struct kunit *test, struct kunit_resource *res, void *m)
{
	return res->data == m;
}

static void model_release(struct model *m)
{
	kunit_destroy_resource(m->test, model_is_resource, m);
}

/* A parent and its children */
static void model_mms(struct kunit *test, struct mock_pgtable **mms)
{
	unsigned int i;

	for (i = 0; i < NR_MMS; i++) {
		mms[i] = mock_pgtable_create(test, 0, MODEL_PAGES, MOCK_VM_FLAGS);
		if (i)
			mock_inherit(mms[i], mms[0]);
	}
}

static unsigned int model_mapcount(const struct model *m, unsigned int i)
{
	unsigned int mm, count = 0;

	for (mm = 0; mm < NR_MMS; mm++)
		count += m->mapped[mm][i];

	return count;
}

#ifdef CONFIG_RMAP_ID
/*
 * Each mm is told the truth about whether others map the folio, too, and whether
 * it is its owner. One without an ID of its own is told that others do, unless
 * there is no other mapping, and never that it is the owner.
 */
static void model_check_shared(struct model *m, const char *step, unsigned int after,
			       unsigned int total)
{
	unsigned int mm, i;

	for (mm = 0; mm < NR_MMS; mm++) {
		struct mm_struct *asker = m->mms[mm]->mm;
		const bool has_id = mock_has_id(m->mms[mm]);
		unsigned int own = 0;
		bool owned;

		for (i = 0; i < m->nr; i++)
			own += m->mapped[mm][i];
		/* Who has no mapping and no ID can't tell whose a single one is */
		if (own || has_id || total != 1)
			KUNIT_EXPECT_EQ_MSG(m->test, folio_mapped_shared(m->folio, asker),
					    total > own || (!has_id && total > 1),
					    "order %u, %s, step %u: mm %u maps %u of %u",
					    m->order, step, after, mm, own, total);
		if (!own || m->pins)
			continue;

		folio_lock(m->folio);
		/* The model's reference is not a mapping's */
		folio_put(m->folio);
		owned = folio_owned(m->folio, asker);
		folio_get(m->folio);
		KUNIT_EXPECT_FALSE(m->test, folio_owned(m->folio, asker));
		folio_unlock(m->folio);
		KUNIT_EXPECT_EQ_MSG(m->test, owned, has_id && own == total,
				    "order %u, %s, step %u: mm %u maps %u of %u", m->order,
				    step, after, mm, own, total);
	}
}
#else
static void model_check_shared(struct model *m, const char *step, unsigned int after,
			       unsigned int total)
{
}
#endif

/* Everything is as the model says; @step and @after tell where it is not */
static void model_check(struct model *m, const char *step, unsigned int after)
{
	static struct mock_counts now;
	struct kunit *test = m->test;
	unsigned int i, mapped = 0, total = 0;
	const long *mthp, *mthp_before;

	for (i = 0; i < m->nr; i++) {
		struct page *page = folio_page(m->folio, i);
		unsigned int count = model_mapcount(m, i);

		mapped += !!count;
		total += count;
		KUNIT_EXPECT_EQ_MSG(test, atomic_read(&page->_mapcount), (int)count - 1,
				    "order %u, %s, step %u: page %u", m->order, step, after, i);
		KUNIT_EXPECT_EQ_MSG(test, !!PageAnonExclusive(page), m->exclusive[i],
				    "order %u, %s, step %u: page %u", m->order, step, after, i);
	}

	KUNIT_EXPECT_EQ_MSG(test, folio_mapcount(m->folio), total, "order %u, %s, step %u",
			    m->order, step, after);
	KUNIT_EXPECT_EQ_MSG(test, folio_large_mapcount(m->folio), total,
			    "order %u, %s, step %u", m->order, step, after);
	KUNIT_EXPECT_EQ_MSG(test, folio_mapped(m->folio), total > 0, "order %u, %s, step %u",
			    m->order, step, after);
	KUNIT_EXPECT_EQ_MSG(test, folio_ref_count(m->folio), 1 + total + m->pins,
			    "order %u, %s, step %u", m->order, step, after);
	KUNIT_EXPECT_EQ_MSG(test, mock_queued(m->folio), m->queued, "order %u, %s, step %u",
			    m->order, step, after);
	model_check_shared(m, step, after, total);

	mock_count(&now);
	mthp = now.mthp[m->order];
	mthp_before = m->before.mthp[m->order];
	KUNIT_EXPECT_EQ_MSG(test, now.anon_mapped - m->before.anon_mapped, (long)mapped,
			    "order %u, %s, step %u", m->order, step, after);
	KUNIT_EXPECT_EQ_MSG(test, mthp[MTHP_STAT_SPLIT_DEFERRED] -
			    mthp_before[MTHP_STAT_SPLIT_DEFERRED], (long)m->queued,
			    "order %u, %s, step %u", m->order, step, after);
	KUNIT_EXPECT_EQ_MSG(test, mthp[MTHP_STAT_NR_ANON_PARTIALLY_MAPPED] -
			    mthp_before[MTHP_STAT_NR_ANON_PARTIALLY_MAPPED], (long)m->queued,
			    "order %u, %s, step %u", m->order, step, after);
	KUNIT_EXPECT_EQ(test, mthp[MTHP_STAT_NR_ANON] - mthp_before[MTHP_STAT_NR_ANON], 1L);
}

/* Pages that @src maps, from @first on, are mapped by @dst too: in both worlds */
static void model_dup(struct model *m, unsigned int src, unsigned int dst,
		      unsigned int first, unsigned int nr)
{
	struct mm_struct *mm = m->mms[src]->mm;
	bool busy = false;
	unsigned int i;
	int err;

	for (i = first; i < first + nr; i++)
		busy |= m->exclusive[i];
	busy = busy && m->pins && test_bit(MMF_HAS_PINNED, &mm->flags);

	folio_ref_add(m->folio, nr);
	preempt_disable();
	raw_write_seqcount_begin(&mm->write_protect_seq);
	err = folio_try_dup_anon_rmap_ptes(m->folio, folio_page(m->folio, first), nr,
					   m->mms[src]->vma, m->mms[dst]->vma);
	raw_write_seqcount_end(&mm->write_protect_seq);
	preempt_enable();

	KUNIT_EXPECT_EQ_MSG(m->test, err, busy ? -EBUSY : 0,
			    "order %u, pages %u to %u, %u pins", m->order, first,
			    first + nr - 1, m->pins);
	if (err) {
		folio_ref_sub(m->folio, nr);
		return;
	}
	for (i = first; i < first + nr; i++) {
		m->mapped[dst][i] = true;
		m->exclusive[i] = false;
	}
}

static void model_remove(struct model *m, unsigned int mm, unsigned int first,
			 unsigned int nr)
{
	bool unmapped = false;
	unsigned int i, left = 0;

	preempt_disable();
	folio_remove_rmap_ptes(m->folio, folio_page(m->folio, first), nr, m->mms[mm]->vma);
	preempt_enable();
	folio_ref_sub(m->folio, nr);

	for (i = first; i < first + nr; i++) {
		m->mapped[mm][i] = false;
		unmapped |= !model_mapcount(m, i);
	}
	for (i = 0; i < m->nr; i++)
		left += model_mapcount(m, i);
	m->queued |= unmapped && left;
}

/*
 * Pages are mapped where they may have been before, as remove_migration_ptes() and
 * swap-in do it. @exclusive: only if nobody else maps any of them.
 */
static void model_add(struct model *m, unsigned int mm, unsigned int first,
		      unsigned int nr, bool exclusive)
{
	struct vm_area_struct *vma = m->mms[mm]->vma;
	const unsigned long addr = vma->vm_start + first * PAGE_SIZE;
	struct page *page = folio_page(m->folio, first);
	unsigned int i;

	/* As who put an entry in place of the last mapping did */
	for (i = first; i < first + nr; i++)
		if (!model_mapcount(m, i))
			ClearPageAnonExclusive(folio_page(m->folio, i));

	folio_ref_add(m->folio, nr);
	folio_lock(m->folio);
	preempt_disable();
	if (nr == 1)
		page_add_anon_rmap(page, vma, addr,
				   exclusive ? RMAP_EXCLUSIVE : RMAP_NONE);
	else
		folio_add_anon_rmap_ptes(m->folio, page, nr, vma, addr, exclusive);
	preempt_enable();
	folio_unlock(m->folio);
	for (i = first; i < first + nr; i++) {
		m->mapped[mm][i] = true;
		m->exclusive[i] = exclusive;
	}
}

static void model_pin(struct model *m)
{
	pin(m->folio);
	m->pins++;
}

/* ------------------------------------------------------- folio_*_rmap_ptes() */

/* A number below @below */
static unsigned int pick(struct rnd_state *rnd, unsigned int below)
{
	return prandom_u32_state(rnd) % below;
}

/* Whether @in maps a page that @out does not; @out may be -1 for no mm */
static bool fits(const struct model *m, int in, int out, unsigned int i)
{
	return m->mapped[in][i] && (out < 0 || !m->mapped[out][i]);
}

/*
 * A range of pages that @in maps and @out does not. It is often all that there
 * is.
 *
 * Return: Number of pages, 0 if there is none.
 */
static unsigned int pick_range(struct model *m, struct rnd_state *rnd, int in, int out,
			       unsigned int *first)
{
	const bool most = pick(rnd, 3) == 0;
	unsigned int start = most ? 0 : pick(rnd, m->nr), nr = 0;

	while (start < m->nr && !fits(m, in, out, start))
		start++;
	*first = start;
	while (start + nr < m->nr && fits(m, in, out, start + nr))
		nr++;

	return most || !nr ? nr : 1 + pick(rnd, nr);
}

/* Whether @mm may map the page again: what is exclusive is mapped by one */
static bool is_gap(const struct model *m, unsigned int mm, unsigned int i)
{
	return i < m->nr && !m->mapped[mm][i] &&
	       !(m->exclusive[i] && model_mapcount(m, i));
}

/*
 * Pages that @mm may map again.
 *
 * Return: Their number, 0 if there is none. *only is whether nobody maps them.
 */
static unsigned int pick_gap(struct model *m, struct rnd_state *rnd, unsigned int mm,
			     unsigned int *first, bool *only)
{
	unsigned int start = pick(rnd, m->nr), most = 1 + pick(rnd, m->nr), k, nr;

	for (k = 0; k < m->nr && !is_gap(m, mm, (start + k) % m->nr); k++)
		;
	*first = (start + k) % m->nr;
	*only = true;
	for (nr = 0; nr < most && is_gap(m, mm, *first + nr); nr++)
		*only = *only && !model_mapcount(m, *first + nr);

	return nr;
}

static void random_step(struct model *m, struct rnd_state *rnd, unsigned int forks,
			unsigned int step)
{
	unsigned int op = pick(rnd, 11), mm = pick(rnd, NR_MMS), first, nr;
	unsigned int other = (mm + 1 + pick(rnd, NR_MMS - 1)) % NR_MMS;
	bool only;

	if (op == 8 && m->pins) {
		model_unpin(m);
		model_check(m, "unpin", step);
	} else if (op == 8) {
		model_pin(m);
		model_check(m, "pin", step);
	} else if (op > 8) {
		nr = pick_gap(m, rnd, mm, &first, &only);
		if (!nr)
			return;
		model_add(m, mm, first, nr, only && pick(rnd, 2));
		model_check(m, "add", step);
	} else if (op < forks) {
		nr = pick_range(m, rnd, mm, other, &first);
		if (!nr)
			return;
		model_dup(m, mm, other, first, nr);
		model_check(m, "dup", step);
	} else {
		nr = pick_range(m, rnd, mm, -1, &first);
		if (!nr)
			return;
		model_remove(m, mm, first, nr);
		model_check(m, "remove", step);
	}
}

static void random_rounds(struct kunit *test, struct mock_pgtable **mms,
			  struct rnd_state *rnd, unsigned int order, unsigned int rounds)
{
	unsigned int round, step;

	for (round = 0; round < rounds && !mock_failed(test); round++) {
		struct model *m = model_create(test, mms, order);

		model_check(m, "new", 0);
		/* Some rounds fork more than they unmap, some less */
		for (step = 0; step < 60 && folio_mapped(m->folio) && !mock_failed(test);
		     step++)
			random_step(m, rnd, 2 + round % 4, step);
		model_release(m);
	}
}

/*
 * Random sequences of fork, unmapping, mapping again, pinning and unpinning of
 * random ranges of one folio by several mms, one of which never pinned anything:
 * after each step all counts, marks and the queue are what counting page by page
 * gives. The last rounds are with two mms that have no rmap ID of their own.
 */
static void rmap_random(struct kunit *test)
{
	struct mock_pgtable *mms[NR_MMS];
	struct rnd_state rnd;
	unsigned int order, i;

	kunit_info(test, "rmap_batch_kunit.seed=%u", seed);
	prandom_seed_state(&rnd, seed);
	model_mms(test, mms);
	for (i = 0; i < NR_MMS - 1; i++)
		set_bit(MMF_HAS_PINNED, &mms[i]->mm->flags);

	for (order = 2; order <= MODEL_ORDER; order++)
		random_rounds(test, mms, &rnd, order, 40);
#ifdef CONFIG_RMAP_ID
	for (i = 0; i < 2; i++)
		mock_lose_id(mms[i]);
	for (order = 2; order <= MODEL_ORDER; order++)
		random_rounds(test, mms, &rnd, order, 10);
#endif
}

/*
 * All ways to map a folio of four pages by two mms without an ID of their own and
 * one with: none is ever told that a folio is not shared, or its own, that another
 * maps; who has an ID is told the truth.
 */
static void rmap_without_ids(struct kunit *test)
{
#ifdef CONFIG_RMAP_ID
	struct mock_pgtable *mms[NR_MMS];
	unsigned int step, i, total = 4;
	struct model *m;

	model_mms(test, mms);
	mock_lose_id(mms[0]);
	mock_lose_id(mms[1]);
	m = model_create(test, mms, 2);
	/* So that a page may be mapped again by anybody */
	for (i = 0; i < 4; i++) {
		ClearPageAnonExclusive(folio_page(m->folio, i));
		m->exclusive[i] = false;
	}

	/* A Gray code: from one to the next, one mapping is made or removed */
	for (step = 1; step < BIT(4 * NR_MMS) && !mock_failed(test); step++) {
		unsigned int bit = __ffs(step), mm = bit / 4, page = bit % 4;

		if (m->mapped[mm][page]) {
			model_remove(m, mm, page, 1);
			total--;
		} else {
			model_add(m, mm, page, 1, false);
			total++;
		}
		KUNIT_EXPECT_EQ(test, folio_mapcount(m->folio), total);
		model_check_shared(m, "Gray code", step, total);
	}
	model_release(m);
#else
	kunit_skip(test, "no rmap IDs");
#endif
}

/*
 * A folio that is mapped as a whole by one to three mms, and unmapped as a whole
 * by each, never comes to the queue. One that is unmapped in two parts does with
 * the first part that nobody else maps, and stays there with the second.
 */
static void rmap_whole_or_parts(struct kunit *test)
{
	struct mock_pgtable *mms[NR_MMS];
	unsigned int order, sharers, mm, part;

	model_mms(test, mms);
	for (order = 2; order <= MODEL_ORDER; order++)
		for (sharers = 1; sharers <= NR_MMS; sharers++)
			for (part = 0; part < 1U << order && !mock_failed(test); part++) {
				struct model *m = model_create(test, mms, order);

				for (mm = 1; mm < sharers; mm++)
					model_dup(m, mm - 1, mm, 0, m->nr);
				for (mm = 0; mm < sharers; mm++) {
					if (part) {
						model_remove(m, mm, 0, part);
						model_check(m, "first part", part);
						KUNIT_EXPECT_EQ(test, mock_queued(m->folio),
								mm == sharers - 1);
					}
					model_remove(m, mm, part, m->nr - part);
					model_check(m, "the rest", part);
				}
				KUNIT_EXPECT_EQ(test, mock_queued(m->folio), part > 0);
				model_release(m);
			}
}

/* The second mm shares the pages that are not in @exclusive; fork to the third */
static void check_pinned(struct kunit *test, struct mock_pgtable **mms,
			 unsigned long exclusive, unsigned int first, unsigned int nr)
{
	struct model *m = model_create(test, mms, 2);
	unsigned int i;

	for (i = 0; i < 4; i++)
		if (!(exclusive & BIT(i)))
			model_dup(m, 0, 1, i, 1);
	model_pin(m);
	model_dup(m, 0, 2, first, nr);
	model_check(m, "pinned", exclusive);

	model_unpin(m);
	for (i = first; i < first + nr; i++)
		if (!m->mapped[2][i])
			model_dup(m, 0, 2, i, 1);
	model_check(m, "unpinned", exclusive);
	model_release(m);
}

/*
 * Fork leaves alone what is pinned: for all mixes of exclusive and shared pages
 * in a pinned folio and all ranges of it, it fails if there is an exclusive page
 * in the range, and changes nothing then. An exclusive page elsewhere in the
 * folio does not matter, nor does a pin if the mm has never pinned anything.
 */
static void rmap_pinned(struct kunit *test)
{
	struct mock_pgtable *mms[NR_MMS];
	unsigned int exclusive, first, nr, has_pinned;

	model_mms(test, mms);
	for (has_pinned = 0; has_pinned < 2; has_pinned++) {
		assign_bit(MMF_HAS_PINNED, &mms[0]->mm->flags, has_pinned);
		for (exclusive = 0; exclusive < 16 && !mock_failed(test); exclusive++)
			for (first = 0; first < 4; first++)
				for (nr = 1; first + nr <= 4; nr++)
					check_pinned(test, mms, exclusive, first, nr);
	}
}

/* ------------------------------------------------------- copy_folio_ptes() */

/* Pages of the parent's folio are exclusive again, and mapped with these flags */
static void reset_page(struct mock_pgtable *parent, unsigned int at,
		       struct page *page, bool exclusive, unsigned long flags)
{
	mock_set_pte(parent, at, mock_run_pte(page, flags));
	if (exclusive)
		SetPageAnonExclusive(page);
	else
		ClearPageAnonExclusive(page);
}

/*
 * All mixes of the bits in the four PTEs of a folio: afterwards the child maps
 * the same pages, read-only and old, as dirty as the parent does, and as
 * soft-dirty where that is tracked. The parent's PTEs are read-only, and else as
 * they were. Each page has one mapping and one reference more, none is exclusive.
 */
static void copy_mixes(struct kunit *test)
{
	const struct mock_run run = { .order = 2, .at = 1, .nr = 4 };
	struct mock_pgtable *parent, *child;
	unsigned int tracked, mix, i;
	struct folio *folio;

	for (tracked = 0; tracked < 2; tracked++) {
		parent = mock_pgtable_create(test, 0, 6, MOCK_VM_FLAGS |
					     (tracked ? 0 : VM_SOFTDIRTY));
		child = mock_pgtable_create(test, 0, 6, MOCK_VM_FLAGS);
		folio = mock_map_run(parent, &run);

		for (mix = 0; mix < BIT(12) && !mock_failed(test); mix++) {
			unsigned long end_bits = MOCK_DIRTY | (tracked ? MOCK_SOFT_DIRTY : 0);
			unsigned int at, first = 0;

			if (!IS_ENABLED(CONFIG_MEM_SOFT_DIRTY))
				end_bits &= ~MOCK_SOFT_DIRTY;
			for (i = 0; i < 4; i++)
				reset_page(parent, 1 + i, folio_page(folio, i), true,
					   mock_mix(mix, i));

			for (at = 0; at < 4;) {
				unsigned int want = 1;
				int nr;

				while (at + want < 4 &&
				       !((mock_mix(mix, at + want) ^ mock_mix(mix, at)) &
					 end_bits))
					want++;
				nr = mock_copy_run(parent, child, 1 + at, 5);
				KUNIT_EXPECT_EQ_MSG(test, nr, want, "case %#o, from page %u",
						    mix, at);
				at += nr > 0 ? nr : 4;
			}

			KUNIT_EXPECT_EQ_MSG(test, folio_mapcount(folio), 8, "case %#o", mix);
			KUNIT_EXPECT_EQ_MSG(test, folio_ref_count(folio), 9, "case %#o", mix);
			for (i = 0; i < 4; i++) {
				struct page *page = folio_page(folio, i);
				unsigned long flags = mock_mix(mix, i) & ~MOCK_WRITE;

				mock_expect_pte(test, mock_pte(parent, 1 + i), page, flags,
						"parent", mix, i);
				/* What is not tracked is that of the run's first */
				if ((mock_mix(mix, i) ^ mock_mix(mix, first)) & end_bits)
					first = i;
				if (!tracked)
					flags = (flags & ~MOCK_SOFT_DIRTY) |
						(mock_mix(mix, first) & MOCK_SOFT_DIRTY);
				mock_expect_pte(test, mock_pte(child, 1 + i), page,
						flags & ~MOCK_YOUNG, "child", mix, i);
				KUNIT_EXPECT_EQ(test, page_mapcount(page), 2);
				KUNIT_EXPECT_FALSE_MSG(test, PageAnonExclusive(page),
						       "case %#o, page %u", mix, i);
			}
			mock_unmap(child, 0, 6);
			KUNIT_EXPECT_FALSE(test, mock_queued(folio));
		}
		mock_pgtable_release(child);
		mock_pgtable_release(parent);
	}
}

static void check_file_copy(struct kunit *test, struct folio *folio,
			    struct mock_pgtable **mocks, unsigned int first, unsigned int end)
{
	static struct mock_counts before, now;
	const unsigned int nr = end - first;
	unsigned int i;

	mock_count(&before);
	KUNIT_EXPECT_EQ(test, mock_copy_run(mocks[0], mocks[1], 1 + first, 1 + end), (int)nr);
	mock_count(&now);
	/* These are counted once */
	KUNIT_EXPECT_EQ(test, now.file_mapped, before.file_mapped);
	KUNIT_EXPECT_EQ(test, get_mm_counter(mocks[1]->mm, MM_FILEPAGES), (unsigned long)nr);
	KUNIT_EXPECT_EQ_MSG(test, folio_mapcount(folio), 4 + nr, "pages %u to %u", first, end);
	KUNIT_EXPECT_EQ(test, folio_large_mapcount(folio), 4 + (int)nr);
	KUNIT_EXPECT_EQ(test, folio_ref_count(folio), 5 + (int)nr);
	KUNIT_EXPECT_TRUE(test, folio_mapped_shared(folio, mocks[0]->mm));
	for (i = 0; i < 4; i++) {
		const bool copied = i >= first && i < end;

		KUNIT_EXPECT_EQ_MSG(test, page_mapcount(folio_page(folio, i)), 1 + copied,
				    "pages %u to %u: page %u", first, end, i);
		mock_expect_pte(test, mock_pte(mocks[0], 1 + i), folio_page(folio, i),
				MOCK_YOUNG, "parent", first << 4 | end, i);
		if (copied)
			mock_expect_pte(test, mock_pte(mocks[1], 1 + i),
					folio_page(folio, i), 0, "child",
					first << 4 | end, i);
		else
			KUNIT_EXPECT_TRUE(test, pte_none(mock_pte(mocks[1], 1 + i)));
	}

	mock_unmap(mocks[1], 0, 6);
	KUNIT_EXPECT_EQ(test, folio_ref_count(folio), 5);
	KUNIT_EXPECT_EQ(test, get_mm_counter(mocks[1]->mm, MM_FILEPAGES), 0UL);
	if (folio_has_rmap_id(folio))
		KUNIT_EXPECT_FALSE(test, folio_mapped_shared(folio, mocks[0]->mm));
}

/*
 * Any part of what is mapped of a file's large folio is copied at once, too, and so
 * is what a driver maps, which is not tracked.
 */
static void copy_files(struct kunit *test)
{
	static struct address_space mapping;
	struct mock_pgtable *mocks[2];
	unsigned int driver, first, end, i;

	for (i = 0; i < 2; i++)
		mocks[i] = mock_pgtable_create(test, 0, 6, MOCK_VM_FLAGS);
	for (driver = 0; driver < 2; driver++) {
		struct folio *folio;

		folio = driver ? page_folio(alloc_pages(GFP_HIGHUSER_MOVABLE | __GFP_COMP, 2)) :
				 vma_alloc_folio(GFP_HIGHUSER_MOVABLE, 2, mocks[0]->vma,
						 mock_addr(mocks[0], 0), false);
		KUNIT_ASSERT_NOT_NULL(test, folio);
		folio->mapping = &mapping;
		for (i = 0; i < 4; i++) {
			struct page *page = folio_page(folio, i);

			folio_get(folio);
			folio_lock(folio);
			preempt_disable();
			page_add_file_rmap(page, mocks[0]->vma, false);
			preempt_enable();
			folio_unlock(folio);
			inc_mm_counter(mocks[0]->mm, MM_FILEPAGES);
			mock_set_pte(mocks[0], 1 + i, mock_run_pte(page, MOCK_YOUNG));
		}
		for (first = 0; first < 4; first++)
			for (end = first + 1; end <= 4 && !mock_failed(test); end++)
				check_file_copy(test, folio, mocks, first, end);

		mock_unmap(mocks[0], 0, 6);
		KUNIT_EXPECT_EQ(test, folio_mapcount(folio), 0);
		KUNIT_EXPECT_EQ(test, folio_ref_count(folio), 1);
		folio->mapping = NULL;
		folio_put(folio);
	}
}

/*
 * Any part of a folio is copied at once, and nothing beside it: in the child,
 * nothing else is mapped; in the parent, the rest stays writable and exclusive.
 */
static void copy_ranges(struct kunit *test)
{
	const unsigned long flags = MOCK_WRITE | MOCK_YOUNG | MOCK_DIRTY | MOCK_SOFT_DIRTY;
	struct mock_pgtable *parent, *child;
	unsigned int order, first, end, i;

	parent = mock_pgtable_create(test, 0, MODEL_PAGES + 2, MOCK_VM_FLAGS);
	child = mock_pgtable_create(test, 0, MODEL_PAGES + 2, MOCK_VM_FLAGS);
	for (order = 2; order <= MODEL_ORDER; order++) {
		unsigned int nr = 1U << order, step = max(1U, nr / 16);
		const struct mock_run run = {
			.order = order, .at = 1, .nr = nr, .flags = flags,
		};
		struct folio *folio = mock_map_run(parent, &run);

		for (first = 0; first < nr; first += step)
			for (end = first + 1; end <= nr && !mock_failed(test); end += step) {
				unsigned int code = first << 8 | end;
				int copied = mock_copy_run(parent, child, 1 + first, 1 + end);

				KUNIT_EXPECT_EQ_MSG(test, copied, (int)(end - first),
						    "order %u, from page %u", order, first);
				KUNIT_EXPECT_EQ(test, folio_mapcount(folio), nr + end - first);
				KUNIT_EXPECT_EQ(test, folio_ref_count(folio), 1 + nr + end - first);
				for (i = 0; i < nr; i++) {
					struct page *page = folio_page(folio, i);
					bool in = i >= first && i < end;
					pte_t pte = mock_pte(child, 1 + i);

					if (in)
						mock_expect_pte(test, pte, page, MOCK_DIRTY |
							  MOCK_SOFT_DIRTY, "child", code, i);
					else
						KUNIT_EXPECT_TRUE(test, pte_none(pte));
					mock_expect_pte(test, mock_pte(parent, 1 + i), page,
							in ? flags & ~MOCK_WRITE : flags,
							"parent", code, i);
					KUNIT_EXPECT_EQ(test, page_mapcount(page), 1 + in);
					KUNIT_EXPECT_EQ(test, !!PageAnonExclusive(page), !in);
				}
				KUNIT_EXPECT_TRUE(test, pte_none(mock_pte(child, 0)));
				KUNIT_EXPECT_TRUE(test, pte_none(mock_pte(child, 1 + nr)));

				mock_unmap(child, 0, MODEL_PAGES + 2);
				for (i = first; i < end; i++)
					reset_page(parent, 1 + i, folio_page(folio, i), true,
						   flags);
			}
		mock_unmap(parent, 0, MODEL_PAGES + 2);
	}
}

/*
 * Of a pinned folio, the child gets the pages that are shared already, one by
 * one. For one that is exclusive it gets nothing, and nothing changes.
 */
static void copy_pinned(struct kunit *test)
{
	const struct mock_run run = { .order = 2, .nr = 4, .flags = MOCK_YOUNG };
	struct mock_pgtable *parent, *child;
	unsigned int mask, start, i;
	struct folio *folio;

	parent = mock_pgtable_create(test, 0, 4, MOCK_VM_FLAGS);
	child = mock_pgtable_create(test, 0, 4, MOCK_VM_FLAGS);
	folio = mock_map_run(parent, &run);
	set_bit(MMF_HAS_PINNED, &parent->mm->flags);
	pin(folio);

	for (mask = 0; mask < 16 && !mock_failed(test); mask++)
		for (start = 0; start < 4; start++) {
			const unsigned int code = mask << 3 | start;
			int nr, want = mask & BIT(start) ? 0 : 1;

			for (i = 0; i < 4; i++)
				reset_page(parent, i, folio_page(folio, i), mask & BIT(i),
					   mask & BIT(i) ? MOCK_WRITE | MOCK_DIRTY : MOCK_DIRTY);

			nr = mock_copy_run(parent, child, start, 4);
			KUNIT_EXPECT_EQ_MSG(test, nr, want, "exclusive %#x, from page %u",
					    mask, start);
			KUNIT_EXPECT_EQ_MSG(test, folio_mapcount(folio), 4 + want,
					    "exclusive %#x, from page %u", mask, start);
			KUNIT_EXPECT_EQ_MSG(test, folio_ref_count(folio), 6 + want,
					    "exclusive %#x, from page %u", mask, start);
			for (i = 0; i < 4; i++) {
				struct page *page = folio_page(folio, i);
				pte_t pte = mock_pte(child, i);

				if (i >= start && i < start + want)
					mock_expect_pte(test, pte, page, MOCK_DIRTY, "child",
							code, i);
				else
					KUNIT_EXPECT_TRUE(test, pte_none(pte));
				mock_expect_pte(test, mock_pte(parent, i), page, mask & BIT(i) ?
					  MOCK_WRITE | MOCK_DIRTY : MOCK_DIRTY, "parent", code, i);
				KUNIT_EXPECT_EQ(test, !!PageAnonExclusive(page), !!(mask & BIT(i)));
			}
			mock_unmap(child, 0, 4);
		}
	unpin(folio);
}

/* -------------------------------------------------------- zap_folio_ptes() */

/* As zap_pte_range() does it: one run that begins at @at and ends before @end */
static int zap_run(struct mmu_gather *tlb, struct mock_pgtable *mock,
		   unsigned int at, unsigned int end, bool *full)
{
	unsigned long addr = mock_addr(mock, at);
	pmd_t *pmd = mock_pmd(mock, at);
	spinlock_t *ptl; /* the page table's */
	pte_t *ptep;
	int nr;

	tlb_change_page_size(tlb, PAGE_SIZE);
	ptep = pte_offset_map_lock(mock->mm, pmd, addr, &ptl);
	nr = zap_folio_ptes(tlb, mock->vma, ptep, pte_page(ptep_get(ptep)), addr,
			    mock_addr(mock, end), full);
	add_mm_counter(mock->mm, MM_ANONPAGES, -nr);
	pte_unmap_unlock(ptep, ptl);

	return nr;
}

/* One run, with an mmu_gather of its own */
static int zap_at_once(struct mock_pgtable *mock, unsigned int at, unsigned int end)
{
	struct mmu_gather tlb;
	bool full;
	int nr;

	tlb_gather_mmu(&tlb, mock->mm);
	nr = zap_run(&tlb, mock, at, end, &full);
	tlb_finish_mmu(&tlb);

	return nr;
}

/* References that the mmu_gather keeps of a run, however long */
#ifdef CONFIG_MMU_GATHER_NO_GATHER
#define GATHERED	0
#else
#define GATHERED	1
#endif

/*
 * A folio that is unmapped as a whole, whatever the bits of its PTEs are, never
 * comes to the queue, is kept by one reference until the mmu_gather is finished,
 * and is freed then.
 */
static void zap_whole(struct kunit *test)
{
	static struct mock_counts before, after;
	struct mock_pgtable *mock;
	unsigned int order, i;

	mock_settings_save(test);
	for (order = 2; order <= MODEL_ORDER; order++) {
		unsigned int nr = 1U << order, wrong = 0;
		struct mmu_gather tlb;
		struct folio *folio;
		bool full = true;

		mock_settings_orders(BIT(order), ANON_FOLIO_ALWAYS);
		mock = mock_pgtable_create(test, 0, nr, MOCK_VM_FLAGS);
		mock_count(&before);
		KUNIT_ASSERT_EQ(test, mock_fault(mock, 0, true), 0);
		folio = mock_folio(mock, 0);
		KUNIT_ASSERT_EQ(test, folio_order(folio), order);
		KUNIT_ASSERT_EQ(test, folio_ref_count(folio), nr);
		for (i = 0; i < nr; i++)
			mock_set_pte(mock, i, mock_run_pte(folio_page(folio, i),
							   mock_mix(01234567 >> i % 8 * 3, 0)));

		tlb_gather_mmu(&tlb, mock->mm);
		KUNIT_EXPECT_EQ_MSG(test, zap_run(&tlb, mock, 0, nr, &full), nr,
				    "order %u", order);
		KUNIT_EXPECT_FALSE(test, full);
		if (GATHERED) {
			KUNIT_EXPECT_EQ_MSG(test, folio_ref_count(folio), 1, "order %u", order);
			KUNIT_EXPECT_EQ_MSG(test, folio_mapcount(folio), 0, "order %u", order);
			KUNIT_EXPECT_FALSE(test, mock_queued(folio));
			KUNIT_EXPECT_EQ(test, sum_mthp_stat(order, MTHP_STAT_NR_ANON) -
					before.mthp[order][MTHP_STAT_NR_ANON], 1L);
		}
		tlb_finish_mmu(&tlb);

		for (i = 0; i < nr; i++)
			wrong += !pte_none(mock_pte(mock, i));
		KUNIT_EXPECT_EQ_MSG(test, wrong, 0, "order %u: entries are left", order);
		mock_count(&after);
		KUNIT_EXPECT_EQ_MSG(test, after.mthp[order][MTHP_STAT_NR_ANON],
				    before.mthp[order][MTHP_STAT_NR_ANON], "order %u", order);
		KUNIT_EXPECT_EQ_MSG(test, after.mthp[order][MTHP_STAT_SPLIT_DEFERRED],
				    before.mthp[order][MTHP_STAT_SPLIT_DEFERRED],
				    "order %u", order);
		KUNIT_EXPECT_EQ_MSG(test, after.anon_mapped, before.anon_mapped, "order %u", order);
		KUNIT_EXPECT_EQ_MSG(test, after.lru, before.lru, "order %u", order);
		mock_pgtable_release(mock);
		mock_settings_orders(BIT(order), ANON_FOLIO_NEVER);
	}
}

static void check_zap_range(struct kunit *test, struct mock_pgtable *mock,
			    unsigned int order, unsigned int first, unsigned int end)
{
	unsigned int nr = 1U << order, gone = end - first, i;
	const bool part = gone < nr;
	struct mmu_gather tlb;
	struct folio *folio;
	bool full = true;
	long deferred;

	KUNIT_ASSERT_EQ(test, mock_fault(mock, 0, true), 0);
	folio = mock_folio(mock, 0);
	KUNIT_ASSERT_EQ(test, folio_order(folio), order);
	deferred = sum_mthp_stat(order, MTHP_STAT_SPLIT_DEFERRED);
	folio_get(folio);

	tlb_gather_mmu(&tlb, mock->mm);
	KUNIT_EXPECT_EQ_MSG(test, zap_run(&tlb, mock, first, end, &full), gone,
			    "order %u, pages %u to %u", order, first, end - 1);
	KUNIT_EXPECT_FALSE(test, full);
	KUNIT_EXPECT_EQ_MSG(test, folio_ref_count(folio), 1 + nr - gone + GATHERED,
			    "order %u, pages %u to %u, not yet flushed", order, first, end - 1);
	tlb_finish_mmu(&tlb);

	KUNIT_EXPECT_EQ_MSG(test, folio_ref_count(folio), 1 + nr - gone,
			    "order %u, pages %u to %u", order, first, end - 1);
	KUNIT_EXPECT_EQ_MSG(test, folio_mapcount(folio), nr - gone,
			    "order %u, pages %u to %u", order, first, end - 1);
	KUNIT_EXPECT_EQ_MSG(test, mock_queued(folio), part, "order %u, pages %u to %u", order,
			    first, end - 1);
	KUNIT_EXPECT_EQ_MSG(test, sum_mthp_stat(order, MTHP_STAT_SPLIT_DEFERRED) - deferred,
			    (long)part, "order %u, pages %u to %u", order, first, end - 1);
	for (i = 0; i < nr; i++) {
		struct page *page = folio_page(folio, i);
		bool in = i >= first && i < end;
		pte_t pte = mock_pte(mock, i);

		KUNIT_EXPECT_EQ_MSG(test, page_mapcount(page), !in,
				    "order %u, pages %u to %u: page %u", order, first, end - 1, i);
		if (in)
			KUNIT_EXPECT_TRUE(test, pte_none(pte));
		else
			mock_expect_pte(test, pte, page, MOCK_WRITE | MOCK_YOUNG | MOCK_DIRTY |
				  MOCK_SOFT_DIRTY, "mm", first << 8 | end, i);
	}
	KUNIT_EXPECT_EQ(test, get_mm_counter(mock->mm, MM_ANONPAGES), nr - gone);
	mock_unmap(mock, 0, nr);
	folio_put(folio);
}

/*
 * Any part of a folio is unmapped at once, with its references, and nothing
 * beside it; if that leaves a part mapped, the folio is queued once.
 */
static void zap_ranges(struct kunit *test)
{
	struct mock_pgtable *mock;
	unsigned int order, first, end;

	mock_settings_save(test);
	for (order = 2; order <= MODEL_ORDER; order++) {
		unsigned int nr = 1U << order, step = max(1U, nr / 16);

		mock_settings_orders(BIT(order), ANON_FOLIO_ALWAYS);
		mock = mock_pgtable_create(test, 0, nr, MOCK_VM_FLAGS);
		for (first = 0; first < nr; first += step)
			for (end = nr; end > first && !mock_failed(test);
			     end -= min(step, end - first))
				check_zap_range(test, mock, order, first, end);
		mock_pgtable_release(mock);
		mock_settings_orders(BIT(order), ANON_FOLIO_NEVER);
	}
}

/* A run ends where the protection changes, though these are the folio's pages */
static void zap_prot_none(struct kunit *test)
{
	struct mock_run run = { .order = 3, .nr = 8 };
	struct mock_pgtable *mock;
	unsigned int i, base;

	mock = mock_pgtable_create(test, 0, 8, MOCK_VM_FLAGS);
	for (base = 0; base < 2; base++)
		for (i = 1; i < 8; i++) {
			struct folio *folio;

			run.flags = base ? MOCK_PROTNONE : 0;
			folio = mock_map_run(mock, &run);
			mock_set_pte(mock, i, mock_run_pte(folio_page(folio, i),
							   run.flags ^ MOCK_PROTNONE));
			KUNIT_EXPECT_EQ(test, zap_at_once(mock, 0, 8), i);
			KUNIT_EXPECT_TRUE(test, mock_queued(folio));
			KUNIT_EXPECT_EQ(test, zap_at_once(mock, i, 8), 1);
			if (i < 7)
				KUNIT_EXPECT_EQ(test, zap_at_once(mock, i + 1, 8), 7 - i);
			KUNIT_EXPECT_EQ(test, folio_mapcount(folio), 0);
			KUNIT_EXPECT_EQ(test, folio_ref_count(folio), 1);
		}
}

/*
 * A folio that two mms map is queued as soon as a page of it is mapped by none
 * and another by one. Unmapped as a whole by each, it is not.
 */
static void zap_shared(struct kunit *test)
{
	struct mock_pgtable *parent, *child;
	unsigned int order;

	parent = mock_pgtable_create(test, 0, MODEL_PAGES, MOCK_VM_FLAGS);
	child = mock_pgtable_create(test, 0, MODEL_PAGES, MOCK_VM_FLAGS);
	for (order = 2; order <= MODEL_ORDER; order++) {
		unsigned int nr = 1U << order;
		const struct mock_run run = {
			.order = order, .nr = nr, .flags = MOCK_WRITE | MOCK_DIRTY,
		};
		long deferred = sum_mthp_stat(order, MTHP_STAT_SPLIT_DEFERRED);
		struct folio *folio = mock_map_run(parent, &run);

		KUNIT_EXPECT_EQ(test, mock_copy_run(parent, child, 0, nr), nr);
		KUNIT_EXPECT_EQ(test, zap_at_once(parent, 0, nr), nr);
		KUNIT_EXPECT_FALSE(test, mock_queued(folio));
		KUNIT_EXPECT_EQ(test, folio_ref_count(folio), 1 + nr);
		KUNIT_EXPECT_EQ(test, zap_at_once(child, 0, nr), nr);
		KUNIT_EXPECT_FALSE(test, mock_queued(folio));
		KUNIT_EXPECT_EQ(test, folio_ref_count(folio), 1);
		KUNIT_EXPECT_EQ(test, sum_mthp_stat(order, MTHP_STAT_SPLIT_DEFERRED), deferred);

		folio = mock_map_run(parent, &run);
		KUNIT_EXPECT_EQ(test, mock_copy_run(parent, child, 0, nr), nr);
		KUNIT_EXPECT_EQ(test, zap_at_once(parent, 0, nr / 2), nr / 2);
		KUNIT_EXPECT_FALSE(test, mock_queued(folio));
		KUNIT_EXPECT_EQ(test, folio_mapcount(folio), nr + nr / 2);
		KUNIT_EXPECT_EQ(test, zap_at_once(child, 0, nr), nr);
		KUNIT_EXPECT_TRUE(test, mock_queued(folio));
		KUNIT_EXPECT_EQ(test, zap_at_once(parent, nr / 2, nr), nr / 2);
		KUNIT_EXPECT_EQ(test, folio_ref_count(folio), 1);
		KUNIT_EXPECT_EQ(test, folio_mapcount(folio), 0);
		KUNIT_EXPECT_EQ(test, sum_mthp_stat(order, MTHP_STAT_SPLIT_DEFERRED) - deferred,
				1L);
	}
}

/*
 * An mmu_gather that gets no more memory takes as many runs as it has room for
 * pages, and says so with the last one.
 */
static void zap_gather_full(struct kunit *test)
{
#ifndef CONFIG_MMU_GATHER_NO_GATHER
	const struct mock_run run = { .order = 4, .nr = 16, .flags = MOCK_DIRTY };
	struct folio *folios[MMU_GATHER_BUNDLE];
	struct mock_pgtable *mock;
	struct mmu_gather tlb;
	unsigned int i;

	mock = mock_pgtable_create(test, 0, 16 * MMU_GATHER_BUNDLE, MOCK_VM_FLAGS);
	for (i = 0; i < MMU_GATHER_BUNDLE; i++) {
		struct mock_run one = run;

		one.at = 16 * i;
		folios[i] = mock_map_run(mock, &one);
	}

	tlb_gather_mmu(&tlb, mock->mm);
	/* All that it may allocate is used up */
	tlb.batch_count = MAX_GATHER_BATCH_COUNT;
	for (i = 0; i < MMU_GATHER_BUNDLE; i++) {
		bool full = i < MMU_GATHER_BUNDLE - 1;

		KUNIT_EXPECT_EQ(test, zap_run(&tlb, mock, 16 * i, 16 * i + 16, &full), 16);
		KUNIT_EXPECT_EQ_MSG(test, full, i == MMU_GATHER_BUNDLE - 1, "run %u", i);
		KUNIT_EXPECT_EQ(test, folio_ref_count(folios[i]), 2);
	}
	tlb_finish_mmu(&tlb);

	for (i = 0; i < MMU_GATHER_BUNDLE; i++)
		KUNIT_EXPECT_EQ_MSG(test, folio_ref_count(folios[i]), 1, "run %u", i);
#else
	kunit_skip(test, "pages are not gathered here");
#endif
}

static struct kunit_case rmap_batch_cases[] = {
	KUNIT_CASE(rmap_random),
	KUNIT_CASE(rmap_without_ids),
	KUNIT_CASE(rmap_whole_or_parts),
	KUNIT_CASE(rmap_pinned),
	KUNIT_CASE(copy_mixes),
	KUNIT_CASE(copy_ranges),
	KUNIT_CASE(copy_files),
	KUNIT_CASE(copy_pinned),
	KUNIT_CASE(zap_whole),
	KUNIT_CASE(zap_ranges),
	KUNIT_CASE(zap_prot_none),
	KUNIT_CASE(zap_shared),
	KUNIT_CASE(zap_gather_full),
	KUNIT_CASE(mock_leak_check),
	{}
};

static struct kunit_suite rmap_batch_suite = {
	.name = "rmap_batch",
	.suite_init = mock_leak_check_init,
	.test_cases = rmap_batch_cases,
};

kunit_test_suite(rmap_batch_suite);
