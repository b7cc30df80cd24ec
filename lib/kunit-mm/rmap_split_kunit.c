// SPDX-License-Identifier: GPL-2.0-only
/*
 * What large folios are counted in, and how they come apart: unmapped page by
 * page, queued for a deferred split, split by hand and under memory pressure.
 */
#include <kunit/test.h>
#include <linux/large_anon_folio.h>
#include <linux/mm.h>
#include <linux/pagemap.h>
#include <linux/rmap.h>
#include <linux/rmap_id.h>
#include <linux/swap.h>
#include <linux/swapops.h>

#include "../../mm/internal.h"
#include "mock_pgtable.h"

/* Change of a counter of a size */
static long changed(const struct mock_counts *before,
		    const struct mock_counts *after, int order,
		    enum mthp_stat_item item)
{
	return after->mthp[order][item] - before->mthp[order][item];
}

/*
 * A new folio below PMD size is mapped by PTEs: each page once, each exclusive,
 * counted as NR_ANON_MAPPED pages and one folio of its size, and not as THP.
 * One of PMD size is mapped once as a whole, and counts as THP.
 */
static void rmap_new_folio(struct kunit *test)
{
	static struct mock_counts before, mapped, after;
	struct mock_pgtable *mock;
	int order;

	for (order = 0; order <= min(HPAGE_PMD_ORDER, MOCK_MAX_ORDER + 1); order++) {
		bool pmd = order == HPAGE_PMD_ORDER;
		unsigned int i, nr = 1U << order;
		struct folio *folio;

		if (order == 1)
			continue;
		mock = mock_pgtable_create(test, 0, nr, MOCK_VM_FLAGS);
		mock_count(&before);
		folio = vma_alloc_folio(GFP_HIGHUSER_MOVABLE, order, mock->vma,
					mock_addr(mock, 0), false);
		KUNIT_ASSERT_NOT_NULL_MSG(test, folio, "order %d", order);

		preempt_disable();
		folio_add_new_anon_rmap(folio, mock->vma, mock_addr(mock, 0));
		preempt_enable();
		mock_count(&mapped);

		KUNIT_EXPECT_EQ_MSG(test, mapped.anon_mapped - before.anon_mapped, (long)nr,
				    "order %d", order);
		KUNIT_EXPECT_EQ_MSG(test, mapped.anon_thps - before.anon_thps,
				    pmd ? (long)nr : 0L, "order %d", order);
		if (order)
			KUNIT_EXPECT_EQ_MSG(test,
					    changed(&before, &mapped, order, MTHP_STAT_NR_ANON),
					    1L, "order %d", order);
		if (order)
			KUNIT_EXPECT_EQ_MSG(test, folio_entire_mapcount(folio), (int)pmd,
					    "order %d", order);
		KUNIT_EXPECT_EQ_MSG(test, folio_mapcount(folio), pmd ? 1 : (int)nr,
				    "order %d", order);
		for (i = 0; i < (pmd ? 1 : nr); i++) {
			KUNIT_EXPECT_EQ_MSG(test, page_mapcount(folio_page(folio, i)), 1,
					    "order %d, page %u", order, i);
			KUNIT_EXPECT_TRUE_MSG(test, PageAnonExclusive(folio_page(folio, i)),
					      "order %d, page %u", order, i);
		}

		preempt_disable();
		for (i = 0; i < (pmd ? 1 : nr); i++)
			page_remove_rmap(folio_page(folio, i), mock->vma, pmd);
		preempt_enable();
		KUNIT_EXPECT_EQ(test, folio_mapcount(folio), 0);
		folio_put(folio);

		mock_count(&after);
		KUNIT_EXPECT_EQ_MSG(test, after.anon_mapped, before.anon_mapped, "order %d", order);
		KUNIT_EXPECT_EQ_MSG(test, after.anon_thps, before.anon_thps, "order %d", order);
		if (order)
			KUNIT_EXPECT_EQ_MSG(test,
					    changed(&before, &after, order, MTHP_STAT_NR_ANON),
					    0L, "order %d", order);
		mock_pgtable_release(mock);
	}
}

/*
 * A folio of any order from 2 up, of which one page is unmapped, is queued and
 * counted; freed without a split, it leaves the queue and the counts.
 */
static void deferred_split_queue(struct kunit *test)
{
	static struct mock_counts before, part, after;
	struct mock_pgtable *mock;
	int order, which;

	mock_settings_save(test);
	for (order = 2; order <= MOCK_MAX_ORDER; order++)
		for (which = 0; which < 3; which++) {
			unsigned int nr = 1U << order, gone = which * (nr - 1) / 2;
			struct folio *folio;

			mock_settings_orders(BIT(order), ANON_FOLIO_ALWAYS);
			mock = mock_pgtable_create(test, 0, nr, MOCK_VM_FLAGS);
			mock_count(&before);
			KUNIT_ASSERT_EQ(test, mock_fault(mock, 0, true), 0);
			folio = mock_folio(mock, 0);
			KUNIT_ASSERT_EQ(test, (int)folio_order(folio), order);
			KUNIT_EXPECT_FALSE(test, mock_queued(folio));

			mock_unmap(mock, gone, 1);
			mock_count(&part);
			KUNIT_EXPECT_TRUE_MSG(test, mock_queued(folio),
					      "order %d without page %u is not queued",
					      order, gone);
			KUNIT_EXPECT_EQ(test, folio_mapcount(folio), nr - 1);
			KUNIT_EXPECT_EQ(test, changed(&before, &part, order,
						      MTHP_STAT_NR_ANON_PARTIALLY_MAPPED), 1L);
			KUNIT_EXPECT_EQ(test, changed(&before, &part, order,
						      MTHP_STAT_SPLIT_DEFERRED), 1L);
			KUNIT_EXPECT_EQ(test, part.anon_mapped - before.anon_mapped, nr - 1L);

			mock_unmap(mock, 0, nr);
			mock_count(&after);
			KUNIT_EXPECT_EQ(test, changed(&before, &after, order,
						      MTHP_STAT_NR_ANON_PARTIALLY_MAPPED), 0L);
			KUNIT_EXPECT_EQ(test, changed(&before, &after, order,
						      MTHP_STAT_NR_ANON), 0L);
			KUNIT_EXPECT_EQ(test, changed(&before, &after, order,
						      MTHP_STAT_SPLIT), 0L);
			mock_pgtable_release(mock);
			mock_settings_orders(BIT(order), ANON_FOLIO_NEVER);
		}
}

/*
 * Memory pressure splits what is queued: the unmapped part comes back, and the
 * rest stays where it is, with its data.
 */
static void deferred_split_shrinker(struct kunit *test)
{
	static struct mock_counts before, after;
	struct mock_pgtable *mock;
	int order;

	mock_settings_save(test);
	for (order = 2; order <= MOCK_MAX_ORDER; order++) {
		unsigned int i, nr = 1U << order;
		struct folio *folio;
		int wrong = -1;

		mock_settings_orders(BIT(order), ANON_FOLIO_ALWAYS);
		mock = mock_pgtable_create(test, 0, nr, MOCK_VM_FLAGS);
		mock_count(&before);
		KUNIT_ASSERT_EQ(test, mock_fault(mock, 0, true), 0);
		folio = mock_folio(mock, 0);
		KUNIT_ASSERT_EQ(test, (int)folio_order(folio), order);
		for (i = 0; i < nr; i++)
			*(u32 *)page_address(folio_page(folio, i)) = i + 1;
		/* Leave the second quarter only */
		mock_unmap(mock, 0, nr / 4);
		mock_unmap(mock, nr / 2, nr / 2);
		KUNIT_EXPECT_TRUE(test, mock_queued(folio));

		drop_slab();
		mock_count(&after);

		for (i = 0; i < nr; i++) {
			struct folio *now = mock_folio(mock, i);

			if (i < nr / 4 || i >= nr / 2 ? !!now :
			    !now || folio_order(now) ||
			    *(u32 *)folio_address(now) != i + 1 ||
			    folio_ref_count(now) != 1 || folio_mapcount(now) != 1)
				wrong = i;
		}
		KUNIT_EXPECT_EQ_MSG(test, wrong, -1, "order %d: page %d is wrong",
				    order, wrong);
		KUNIT_EXPECT_EQ_MSG(test, changed(&before, &after, order, MTHP_STAT_SPLIT), 1L,
				    "order %d was not split", order);
		KUNIT_EXPECT_EQ(test, changed(&before, &after, order, MTHP_STAT_NR_ANON), 0L);
		KUNIT_EXPECT_EQ(test, changed(&before, &after, order,
					      MTHP_STAT_NR_ANON_PARTIALLY_MAPPED), 0L);
		KUNIT_EXPECT_EQ_MSG(test, after.lru - before.lru, nr / 4L,
				    "order %d did not give its memory back", order);
		mock_pgtable_release(mock);
		mock_settings_orders(BIT(order), ANON_FOLIO_NEVER);
	}
}

/* Runs that a folio can be mapped by; nr and first in quarters of the folio */
static const struct {
	const char *name;
	unsigned int first;
	unsigned int nr;
	unsigned long flags;
} split_cases[] = {
	{ "whole, writable", 0, 4, MOCK_WRITE | MOCK_DIRTY | MOCK_YOUNG },
	{ "whole, clean and old", 0, 4, 0 },
	{ "whole, shared", 0, 4, MOCK_SHARED | MOCK_YOUNG },
	{ "head only", 0, 1, MOCK_WRITE | MOCK_DIRTY },
	{ "tail only", 3, 1, MOCK_WRITE | MOCK_DIRTY | MOCK_YOUNG },
	{ "middle", 1, 2, MOCK_DIRTY },
};

/* What a present PTE and its page have set, in the words of a run */
static unsigned long flags_seen(pte_t pte)
{
	return (mock_pte_flags(pte) & ~MOCK_SOFT_DIRTY) |
	       (PageAnonExclusive(pte_page(pte)) ? 0 : MOCK_SHARED);
}

static void check_split_page(struct kunit *test, struct mock_pgtable *mock,
			     const struct mock_run *run, unsigned int i,
			     const char *name)
{
	pte_t pte = mock_pte(mock, run->at + i);
	unsigned long flags = run->flags;
	struct page *page;

	/* Without room in migration entries, only the page remembers */
	if (!migration_entry_supports_ad())
		flags &= ~(MOCK_YOUNG | MOCK_DIRTY);

	KUNIT_ASSERT_TRUE_MSG(test, pte_present(pte), "order %u, %s: entry %u is %#llx",
			      run->order, name, i, (u64)pte_val(pte));
	page = pte_page(pte);
	KUNIT_EXPECT_EQ_MSG(test, *(u32 *)page_address(page), i + 1,
			    "order %u, %s: data of page %u", run->order, name, i);
	KUNIT_EXPECT_FALSE(test, PageCompound(page));
	KUNIT_EXPECT_EQ(test, page_mapcount(page), 1);
	KUNIT_EXPECT_TRUE_MSG(test, PageDirty(page) || !(run->flags & MOCK_DIRTY),
			      "order %u, %s: page %u is not dirty any more",
			      run->order, name, i);
	KUNIT_EXPECT_EQ_MSG(test, flags_seen(pte), flags,
			    "order %u, %s: MOCK_* flags of entry %u", run->order, name, i);
}

/*
 * split_huge_page() of a folio of any order, mapped wholly or in part: single
 * pages in the same places with the same flags, data and exclusivity; what was
 * not mapped is freed.
 */
static void split_every_order(struct kunit *test)
{
	static struct mock_counts before, after;
	int order, c;

	for (order = 2; order <= MOCK_MAX_ORDER; order++)
		for (c = 0; c < ARRAY_SIZE(split_cases); c++) {
			unsigned int quarter = 1U << (order - 2), i;
			struct mock_run run = {
				.order = order,
				.at = 1,
				.first = split_cases[c].first * quarter,
				.nr = split_cases[c].nr * quarter,
				.flags = split_cases[c].flags,
			};
			struct mock_pgtable *mock;
			struct folio *folio;
			int err;

			mock = mock_pgtable_create(test, 0, run.nr + 2, MOCK_VM_FLAGS);
			mock_count(&before);
			folio = mock_map_run(mock, &run);
			for (i = 0; i < run.nr; i++)
				*(u32 *)page_address(folio_page(folio, run.first + i)) = i + 1;

			folio_lock(folio);
			err = split_huge_page(&folio->page);
			folio_unlock(folio);
			mock_count(&after);

			KUNIT_ASSERT_EQ_MSG(test, err, 0, "order %d, %s", order,
					    split_cases[c].name);
			KUNIT_EXPECT_EQ(test, (int)folio_order(folio), 0);
			KUNIT_EXPECT_EQ(test, changed(&before, &after, order,
						      MTHP_STAT_SPLIT), 1L);
			KUNIT_EXPECT_EQ(test, changed(&before, &after, order,
						      MTHP_STAT_NR_ANON), 0L);
			KUNIT_EXPECT_EQ(test, after.anon_mapped - before.anon_mapped,
					(long)run.nr);

			for (i = 0; i < run.nr; i++)
				check_split_page(test, mock, &run, i, split_cases[c].name);
			mock_pgtable_release(mock);
		}
}

#ifdef CONFIG_64BIT
/*
 * Whether a page has arm64's memory tags in use is its own, not the head's: KVM says
 * so of single pages, and of a page that does not say so the tags are cleared.
 */
static void split_keeps_tags(struct kunit *test)
{
	const struct mock_run run = {
		.order = 3, .nr = 8, .flags = MOCK_WRITE | MOCK_YOUNG | MOCK_DIRTY,
	};
	static const unsigned long tagged[] = { 0x00, 0x01, 0xfe, 0x55, 0xaa, 0xff };
	unsigned int c, i;

	for (c = 0; c < ARRAY_SIZE(tagged); c++) {
		struct mock_pgtable *mock = mock_pgtable_create(test, 0, 8, MOCK_VM_FLAGS);
		struct folio *folio = mock_map_run(mock, &run);
		struct page *page = &folio->page;

		for (i = 0; i < 8; i++)
			if (tagged[c] & BIT(i))
				set_bit(PG_arch_2, &page[i].flags);
		folio_lock(folio);
		KUNIT_EXPECT_EQ(test, split_huge_page(page), 0);
		folio_unlock(folio);
		for (i = 0; i < 8; i++) {
			KUNIT_EXPECT_EQ_MSG(test, test_bit(PG_arch_2, &page[i].flags),
					    !!(tagged[c] & BIT(i)), "%#lx, page %u", tagged[c], i);
			clear_bit(PG_arch_2, &page[i].flags);
		}
		mock_pgtable_release(mock);
	}
}
#endif

/* A reference that nobody can explain: the split fails and changes nothing */
static void split_fails_cleanly(struct kunit *test)
{
	static struct mock_counts before, after;
	int order;

	for (order = 2; order <= MOCK_MAX_ORDER; order++) {
		struct mock_run run = {
			.order = order,
			.nr = 1U << order,
			.flags = MOCK_WRITE | MOCK_DIRTY | MOCK_YOUNG,
		};
		struct mock_pgtable *mock;
		struct folio *folio;
		unsigned int i;
		int err;

		mock = mock_pgtable_create(test, 0, run.nr, MOCK_VM_FLAGS);
		folio = mock_map_run(mock, &run);
		mock_count(&before);

		folio_get(folio);
		folio_lock(folio);
		err = split_huge_page(&folio->page);
		folio_unlock(folio);
		folio_put(folio);
		mock_count(&after);

		KUNIT_EXPECT_EQ_MSG(test, err, -EAGAIN, "order %d", order);
		KUNIT_EXPECT_EQ(test, (int)folio_order(folio), order);
		KUNIT_EXPECT_EQ(test, changed(&before, &after, order, MTHP_STAT_SPLIT), 0L);
		KUNIT_EXPECT_EQ(test, changed(&before, &after, order, MTHP_STAT_SPLIT_FAILED), 1L);
		KUNIT_EXPECT_EQ(test, changed(&before, &after, order, MTHP_STAT_NR_ANON), 0L);
		for (i = 0; i < run.nr; i++) {
			pte_t pte = mock_pte(mock, i);

			KUNIT_EXPECT_TRUE_MSG(test, pte_present(pte) &&
					      pte_pfn(pte) == folio_pfn(folio) + i &&
					      pte_write(pte) && pte_dirty(pte),
					      "order %d, entry %u is %#llx", order, i,
					      (u64)pte_val(pte));
		}
		mock_pgtable_release(mock);
	}
}

/* The mock itself: a run is mapped with the flags that it asks for, no others */
static void mock_run_flags(struct kunit *test)
{
	const unsigned long all = MOCK_WRITE | MOCK_YOUNG | MOCK_DIRTY |
				  MOCK_SOFT_DIRTY | MOCK_SHARED;
	struct mock_pgtable *mock;
	unsigned long flags;

	for (flags = 0; flags <= all; flags++) {
		struct mock_run run = {
			.order = 3, .at = 5, .first = 2, .nr = 4, .flags = flags,
		};
		pte_t pte;

		if (flags & ~all)
			continue;
		mock = mock_pgtable_create(test, 0, 16, MOCK_VM_FLAGS);
		mock_map_run(mock, &run);
		pte = mock_pte(mock, 6);
		KUNIT_EXPECT_TRUE(test, pte_none(mock_pte(mock, 4)));
		KUNIT_EXPECT_TRUE(test, pte_none(mock_pte(mock, 9)));
		KUNIT_EXPECT_TRUE(test, pte_present(pte));
		KUNIT_EXPECT_EQ_MSG(test, !!pte_write(pte), !!(flags & MOCK_WRITE), "%#lx", flags);
		KUNIT_EXPECT_EQ_MSG(test, !!pte_young(pte), !!(flags & MOCK_YOUNG), "%#lx", flags);
		KUNIT_EXPECT_EQ_MSG(test, !!pte_dirty(pte), !!(flags & MOCK_DIRTY), "%#lx", flags);
		if (IS_ENABLED(CONFIG_MEM_SOFT_DIRTY))
			KUNIT_EXPECT_EQ_MSG(test, !!pte_soft_dirty(pte),
					    !!(flags & MOCK_SOFT_DIRTY), "%#lx", flags);
		KUNIT_EXPECT_EQ_MSG(test, !!PageAnonExclusive(pte_page(pte)),
				    !(flags & MOCK_SHARED), "%#lx", flags);
		mock_pgtable_release(mock);
	}
}

/* What a fork does with a huge page: the child maps it, too */
static void copy_pmd(struct kunit *test, struct mock_pgtable *parent,
		     struct mock_pgtable *child)
{
	unsigned long addr = mock_addr(parent, 0);
	pmd_t *pmd = mock_pmd_alloc(child, 0);
	struct mm_struct *mm = child->mm;

	mmap_write_lock(parent->mm);
	mmap_write_lock_nested(mm, SINGLE_DEPTH_NESTING);
	preempt_disable();
	raw_write_seqcount_begin(&parent->mm->write_protect_seq);
	preempt_enable();
	KUNIT_EXPECT_EQ(test, copy_huge_pmd(mm, parent->mm, pmd, mm_find_pmd(parent->mm, addr),
					    addr, child->vma, parent->vma), 0);
	preempt_disable();
	raw_write_seqcount_end(&parent->mm->write_protect_seq);
	preempt_enable();
	mmap_write_unlock(mm);
	mmap_write_unlock(parent->mm);
}

/*
 * A huge page that is mapped by PTEs instead: each maps its page, with the PMD's
 * bits; pages are exclusive and writable if the PMD was; each page, and the whole,
 * is counted as often as it is mapped. One process after the other does it.
 */
static void split_pmd_maps(struct kunit *test)
{
	unsigned int forked, turn, i;

	if (!has_transparent_hugepage())
		kunit_skip(test, "no PMD maps a page here");
	if (HPAGE_PMD_SIZE > SZ_32M)
		kunit_skip(test, "PMD size is more than a small machine has");

	mock_settings_save(test);
	mock_settings_orders(THP_ORDERS_ALL_ANON, ANON_FOLIO_ALWAYS);
	for (forked = 0; forked < 2; forked++) {
		struct mock_pgtable *mocks[2];
		struct folio *folio;

		for (i = 0; i < 2; i++)
			mocks[i] = mock_pgtable_create(test, 0, HPAGE_PMD_NR, MOCK_VM_FLAGS);
		KUNIT_ASSERT_EQ(test, mock_fault(mocks[0], 1, true), 0);
		folio = pfn_folio(pmd_pfn(*mm_find_pmd(mocks[0]->mm, mock_addr(mocks[0], 0))));
		KUNIT_ASSERT_EQ(test, folio_order(folio), (unsigned int)HPAGE_PMD_ORDER);
		if (forked)
			copy_pmd(test, mocks[0], mocks[1]);

		for (turn = 0; turn <= forked; turn++) {
			struct mock_pgtable *mock = mocks[turn];
			unsigned int others = forked ? (turn ? HPAGE_PMD_NR : 1) : 0;

			__split_huge_pmd(mock->vma, mm_find_pmd(mock->mm, mock_addr(mock, 0)),
					 mock_addr(mock, 0), false, NULL);
			KUNIT_EXPECT_EQ(test, folio_mapcount(folio),
					(int)(HPAGE_PMD_NR + others));
			KUNIT_EXPECT_EQ(test, folio_mapped_shared(folio, mock->mm), !!forked);
			KUNIT_EXPECT_TRUE(test, folio_mapped_shared(folio, mocks[!turn]->mm));
			for (i = 0; i < HPAGE_PMD_NR && !mock_failed(test); i++) {
				struct page *page = folio_page(folio, i);
				pte_t pte = mock_pte(mock, i);

				KUNIT_EXPECT_TRUE_MSG(test, pte_present(pte) &&
						      pte_page(pte) == page,
						      "entry %u is %#llx", i, (u64)pte_val(pte));
				KUNIT_EXPECT_EQ_MSG(test, !!pte_write(pte), !forked,
						    "entry %u", i);
				KUNIT_EXPECT_EQ_MSG(test, !!PageAnonExclusive(page), !forked,
						    "page %u", i);
				KUNIT_EXPECT_EQ_MSG(test, page_mapcount(page), 1 + (int)forked,
						    "page %u", i);
			}
		}
		for (i = 0; i < 2; i++) {
			mock_unmap(mocks[i], 0, HPAGE_PMD_NR);
			mock_pgtable_release(mocks[i]);
		}
	}
}

/*
 * One process maps a huge page by a PMD, another some of its pages by PTEs, and it is
 * migrated: whoever comes back first, and whatever is split then, each page counts
 * once as mapped.
 */
static void migrate_pmd_and_ptes(struct kunit *test)
{
	const unsigned int gone = 3;
	unsigned int turn, i;

	if (!has_transparent_hugepage() || !thp_migration_supported())
		kunit_skip(test, "no PMD becomes a migration entry here");
	if (HPAGE_PMD_SIZE > SZ_32M)
		kunit_skip(test, "PMD size is more than a small machine has");

	mock_settings_save(test);
	mock_settings_orders(THP_ORDERS_ALL_ANON, ANON_FOLIO_ALWAYS);
	for (turn = 0; turn < 2; turn++) {
		struct mock_pgtable *mocks[2], *by_ptes, *by_pmd;
		struct mock_counts before, now;
		struct folio *folio;

		mock_count(&before);
		for (i = 0; i < 2; i++)
			mocks[i] = mock_pgtable_create(test, 0, HPAGE_PMD_NR, MOCK_VM_FLAGS);
		KUNIT_ASSERT_EQ(test, mock_fault(mocks[0], 1, true), 0);
		mock_inherit(mocks[1], mocks[0]);
		folio = pfn_folio(pmd_pfn(*mm_find_pmd(mocks[0]->mm, mock_addr(mocks[0], 0))));
		KUNIT_ASSERT_EQ(test, folio_order(folio), (unsigned int)HPAGE_PMD_ORDER);
		copy_pmd(test, mocks[0], mocks[1]);

		/* The walk meets the parent first */
		by_ptes = mocks[turn];
		by_pmd = mocks[!turn];
		__split_huge_pmd(by_ptes->vma, mm_find_pmd(by_ptes->mm, mock_addr(by_ptes, 0)),
				 mock_addr(by_ptes, 0), false, NULL);
		mock_unmap(by_ptes, 0, gone);

		folio_get(folio);
		folio_lock(folio);
		try_to_migrate(folio, 0);
		KUNIT_EXPECT_FALSE(test, folio_mapped(folio));
		mock_count(&now);
		KUNIT_EXPECT_EQ(test, now.anon_mapped, before.anon_mapped);
		remove_migration_ptes(folio, folio, false);
		folio_unlock(folio);
		folio_put(folio);
		mock_count(&now);
		KUNIT_EXPECT_EQ(test, now.anon_mapped, before.anon_mapped + HPAGE_PMD_NR);
		KUNIT_EXPECT_EQ(test, folio_mapcount(folio), (int)(HPAGE_PMD_NR - gone + 1));

		__split_huge_pmd(by_pmd->vma, mm_find_pmd(by_pmd->mm, mock_addr(by_pmd, 0)),
				 mock_addr(by_pmd, 0), false, NULL);
		for (i = 0; i < HPAGE_PMD_NR && !mock_failed(test); i++)
			KUNIT_EXPECT_EQ_MSG(test, page_mapcount(folio_page(folio, i)),
					    i < gone ? 1 : 2, "page %u", i);
		mock_count(&now);
		KUNIT_EXPECT_EQ(test, now.anon_mapped, before.anon_mapped + HPAGE_PMD_NR);
		mock_unmap(by_pmd, 0, HPAGE_PMD_NR);
		mock_count(&now);
		KUNIT_EXPECT_EQ(test, now.anon_mapped, before.anon_mapped + HPAGE_PMD_NR - gone);
		for (i = 0; i < 2; i++)
			mock_pgtable_release(mocks[i]);
		mock_count(&now);
		KUNIT_EXPECT_EQ(test, now.anon_mapped, before.anon_mapped);
	}
}

static struct kunit_case rmap_split_cases[] = {
	KUNIT_CASE(mock_run_flags),
	KUNIT_CASE(rmap_new_folio),
	KUNIT_CASE(deferred_split_queue),
	KUNIT_CASE(deferred_split_shrinker),
	KUNIT_CASE(split_every_order),
#ifdef CONFIG_64BIT
	KUNIT_CASE(split_keeps_tags),
#endif
	KUNIT_CASE(split_fails_cleanly),
	KUNIT_CASE(split_pmd_maps),
	KUNIT_CASE(migrate_pmd_and_ptes),
	KUNIT_CASE(mock_leak_check),
	{}
};

static struct kunit_suite rmap_split_suite = {
	.name = "large_anon_folio_rmap_split",
	.suite_init = mock_leak_check_init,
	.test_cases = rmap_split_cases,
};

kunit_test_suite(rmap_split_suite);
