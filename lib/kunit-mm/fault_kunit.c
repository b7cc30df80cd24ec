// SPDX-License-Identifier: GPL-2.0-only
/*
 * The fault: which folio it takes, and that all of it is mapped, referenced and
 * counted. The kernel's own handle_mm_fault() serves each fault.
 */
#include <kunit/test.h>
#include <linux/large_anon_folio.h>
#include <linux/memcontrol.h>
#include <linux/mm.h>
#include <linux/pagemap.h>
#include <linux/rmap.h>
#include <linux/sched/coredump.h>
#include <linux/swap.h>
#include <linux/swapops.h>

#ifdef CONFIG_ARM64_MTE
#include <asm/mte-kasan.h>
#endif

#include "../../mm/internal.h"
#include "mock_pgtable.h"

/* Orders that a test may fill: the PMD's and what is too much memory left out */
static unsigned long test_orders(void)
{
	return (BIT(MOCK_MAX_ORDER + 1) - 1) & THP_ORDERS_PTE_ANON;
}

/* The order of what page @at maps, -1 for nothing or a zero page */
static int order_at(struct mock_pgtable *mock, unsigned int at)
{
	struct folio *folio = mock_folio(mock, at);

	return folio ? (int)folio_order(folio) : -1;
}

/*
 * All promises about a folio that a write fault at page @at has just mapped:
 * an aligned block, consecutive pages in PTEs that are writable, dirty and
 * young, one reference and one mapping for each page, all exclusive, zeroed,
 * on the LRU, charged.
 */
static void check_folio(struct kunit *test, struct mock_pgtable *mock,
			unsigned int at, int order)
{
	struct folio *folio = mock_folio(mock, at);
	unsigned long first, addr = mock_addr(mock, at);
	unsigned int i, nr = 1U << order;

	KUNIT_ASSERT_NOT_NULL_MSG(test, folio, "page %u maps nothing", at);
	KUNIT_ASSERT_EQ_MSG(test, (int)folio_order(folio), order, "page %u", at);

	/* A single page waits in a batch with a reference, a large folio must not */
	if (!order)
		lru_add_drain();
	first = ALIGN_DOWN(addr, PAGE_SIZE << order);
	at -= (addr - first) >> PAGE_SHIFT;

	for (i = 0; i < nr; i++) {
		struct page *page = folio_page(folio, i);
		pte_t pte = mock_pte(mock, at + i);

		KUNIT_ASSERT_EQ_MSG(test, pte_pfn(pte), folio_pfn(folio) + i,
				    "order %d, page %u of it", order, i);
		KUNIT_EXPECT_TRUE_MSG(test, pte_write(pte) && pte_dirty(pte) && pte_young(pte),
				      "order %d, page %u: writable %d, dirty %d, young %d",
				      order, i, !!pte_write(pte), !!pte_dirty(pte),
				      !!pte_young(pte));
		KUNIT_EXPECT_EQ_MSG(test, page_mapcount(page), 1,
				    "order %d, page %u", order, i);
		KUNIT_EXPECT_TRUE_MSG(test, PageAnonExclusive(page),
				      "order %d, page %u", order, i);
		KUNIT_EXPECT_NULL_MSG(test, memchr_inv(page_address(page), 0, PAGE_SIZE),
				      "order %d, page %u is not zeroed", order, i);
		/* Whoever gets the page next finds it dirty */
		memset(page_address(page), 0xa5, PAGE_SIZE);
	}

	KUNIT_EXPECT_EQ_MSG(test, folio_ref_count(folio), nr, "order %d", order);
	KUNIT_EXPECT_EQ_MSG(test, folio_mapcount(folio), nr, "order %d", order);
	KUNIT_EXPECT_TRUE(test, folio_test_anon(folio));
	KUNIT_EXPECT_TRUE(test, folio_test_swapbacked(folio));
	KUNIT_EXPECT_TRUE(test, folio_test_uptodate(folio));
	KUNIT_EXPECT_EQ(test, folio->index, linear_page_index(mock->vma, first));
	if (!mem_cgroup_disabled())
		KUNIT_EXPECT_NOT_NULL_MSG(test, folio_memcg(folio),
					  "order %d is not charged", order);
	if (!order)
		return;
	KUNIT_EXPECT_TRUE_MSG(test, folio_test_lru(folio),
			      "order %d is not on the LRU", order);
	KUNIT_EXPECT_EQ_MSG(test, folio_entire_mapcount(folio), 0, "order %d", order);
	KUNIT_EXPECT_TRUE_MSG(test, list_empty(page_deferred_list(&folio->page)),
			      "order %d is on the deferred-split queue", order);
}

/*
 * With one size at "always", a fault at every page of its block maps the whole
 * block, and nothing else; the counters say so, and take it back.
 */
static void fault_each_order(struct kunit *test)
{
	static struct mock_counts before, mapped, after;
	struct mock_pgtable *mock;
	int order;

	mock_settings_save(test);
	for (order = 2; order <= MOCK_MAX_ORDER; order++) {
		unsigned int nr = 1U << order, step = max(1U, nr / 16), at;

		mock_settings_orders(BIT(order), ANON_FOLIO_ALWAYS);
		/* One block with a block's neighbours on both sides */
		mock = mock_pgtable_create(test, nr - 1, nr + 2, MOCK_VM_FLAGS);

		/* Small blocks at each page, large ones at 16 of them */
		for (at = 1; at <= nr; at += step) {
			mock_count(&before);
			KUNIT_ASSERT_EQ(test, mock_fault(mock, at, true), 0);
			mock_count(&mapped);
			check_folio(test, mock, at, order);
			KUNIT_EXPECT_TRUE_MSG(test, pte_none(mock_pte(mock, 0)),
					      "order %d: page before it is %#llx", order,
					      (u64)pte_val(mock_pte(mock, 0)));
			KUNIT_EXPECT_TRUE_MSG(test, pte_none(mock_pte(mock, nr + 1)),
					      "order %d: page after it is %#llx", order,
					      (u64)pte_val(mock_pte(mock, nr + 1)));
			KUNIT_EXPECT_EQ(test, get_mm_counter(mock->mm, MM_ANONPAGES), nr);
			KUNIT_EXPECT_EQ_MSG(test, mapped.anon_mapped - before.anon_mapped,
					    (long)nr, "order %d", order);
			KUNIT_EXPECT_EQ_MSG(test, mapped.lru - before.lru, (long)nr,
					    "order %d", order);
			KUNIT_EXPECT_EQ_MSG(test, mapped.anon_thps, before.anon_thps,
					    "order %d counts as mapped by a PMD", order);
			KUNIT_EXPECT_EQ(test, mapped.mthp[order][MTHP_STAT_ANON_FAULT_ALLOC] -
					before.mthp[order][MTHP_STAT_ANON_FAULT_ALLOC], 1L);
			KUNIT_EXPECT_EQ(test, mapped.mthp[order][MTHP_STAT_ANON_FAULT_FALLBACK],
					before.mthp[order][MTHP_STAT_ANON_FAULT_FALLBACK]);
			KUNIT_EXPECT_EQ(test, mapped.mthp[order][MTHP_STAT_NR_ANON] -
					before.mthp[order][MTHP_STAT_NR_ANON], 1L);

			mock_unmap(mock, 0, nr + 2);
			mock_count(&after);
			KUNIT_EXPECT_EQ(test, get_mm_counter(mock->mm, MM_ANONPAGES), 0UL);
			KUNIT_EXPECT_EQ(test, after.anon_mapped, before.anon_mapped);
			KUNIT_EXPECT_EQ(test, after.lru, before.lru);
			KUNIT_EXPECT_EQ(test, after.mthp[order][MTHP_STAT_NR_ANON],
					before.mthp[order][MTHP_STAT_NR_ANON]);
			KUNIT_EXPECT_EQ(test, after.mthp[order][MTHP_STAT_NR_ANON_PARTIALLY_MAPPED],
					before.mthp[order][MTHP_STAT_NR_ANON_PARTIALLY_MAPPED]);
		}
		mock_pgtable_release(mock);
		mock_settings_orders(BIT(order), ANON_FOLIO_NEVER);
	}
}

/* The largest order whose block around @at is in the VMA and free, else 0 */
static int model_order(const u8 *taken, unsigned int skip, unsigned int nr,
		       unsigned int at, unsigned long orders)
{
	int order, best = 0;

	for (order = 2; order <= MOCK_MAX_ORDER; order++) {
		unsigned int size = 1U << order;
		unsigned int first = (skip + at) / size * size, i;

		if (!(orders & BIT(order)) || first < skip || first + size > skip + nr)
			continue;
		for (i = 0; i < size && !taken[first - skip + i]; i++)
			;
		if (i == size)
			best = order;
	}

	return best;
}

/*
 * VMAs at every offset from an aligned block, filled by faults in several
 * sequences: each fault takes the largest allowed order whose block lies in the
 * VMA and is free. The model decides that page by page.
 */
static void fault_fill_vma(struct kunit *test)
{
	static const unsigned long sets[] = {
		~0UL, BIT(2), BIT(3) | BIT(5), BIT(2) | BIT(4), BIT(4),
	};
	/* Multipliers prime to each size: up, down, and here and there */
	static const int strides[] = { 1, -1, 29 };
	static u8 taken[64];
	struct mock_pgtable *mock;
	unsigned int skip, nr, set, s, i;

	mock_settings_save(test);
	for (set = 0; set < ARRAY_SIZE(sets); set++)
		for (skip = 0; skip < 16; skip += 1 + (set > 0))
			for (s = 0; s < ARRAY_SIZE(strides); s++) {
				unsigned long orders = sets[set] & test_orders();

				mock_settings_orders(THP_ORDERS_ALL_ANON, ANON_FOLIO_NEVER);
				mock_settings_orders(orders, ANON_FOLIO_ALWAYS);
				nr = 64 - skip - (skip & 3);
				memset(taken, 0, sizeof(taken));
				mock = mock_pgtable_create(test, skip, nr, MOCK_VM_FLAGS);

				for (i = 0; i < 64; i++) {
					unsigned int at = (u32)(i * strides[s]) % 64;
					int want;

					if (at >= nr || taken[at])
						continue;
					want = model_order(taken, skip, nr, at, orders);
					KUNIT_ASSERT_EQ(test, mock_fault(mock, at, true), 0);
					KUNIT_ASSERT_EQ_MSG(test, order_at(mock, at), want,
							    "%u pages from %u, orders %#lx, stride %d, fault at %u",
							    nr, skip, orders, strides[s], at);
					memset(&taken[round_down(skip + at, 1 << want) - skip],
					       1, 1 << want);
				}
				KUNIT_EXPECT_EQ(test, get_mm_counter(mock->mm, MM_ANONPAGES), nr);
				mock_pgtable_release(mock);
			}
}

/* What may be in the way */
enum occupant { OCCUPANT_PAGE, OCCUPANT_ZERO_PAGE, OCCUPANT_ENTRY, NR_OCCUPANTS };

static const char * const occupant_names[NR_OCCUPANTS] = {
	"a page", "a zero page", "an entry that is not present",
};

static void occupy(struct kunit *test, struct mock_pgtable *mock,
		   unsigned int at, enum occupant occupant)
{
	switch (occupant) {
	case OCCUPANT_PAGE:
		KUNIT_ASSERT_EQ(test, mock_fault(mock, at, true), 0);
		break;
	case OCCUPANT_ZERO_PAGE:
		KUNIT_ASSERT_EQ(test, mock_fault(mock, at, false), 0);
		break;
	default:
		mock_set_pte(mock, at, swp_entry_to_pte(swp_entry(0, 1)));
	}
	KUNIT_ASSERT_FALSE(test, pte_none(mock_pte(mock, at)));
}

/*
 * Each PTE of a block taken in turn, by each kind of entry, for a fault at each
 * other page: the order is the largest whose block leaves the taken one out.
 */
static void fault_occupied_neighbour(struct kunit *test)
{
	const unsigned int nr = 64;
	static u8 taken[64];
	struct mock_pgtable *mock;
	unsigned int at, other;
	int occupant;

	mock_settings_save(test);
	mock = mock_pgtable_create(test, 0, nr, MOCK_VM_FLAGS);

	for (occupant = 0; occupant < NR_OCCUPANTS; occupant++)
		for (other = 0; other < nr; other++) {
			mock_settings_orders(THP_ORDERS_ALL_ANON, ANON_FOLIO_NEVER);
			occupy(test, mock, other, occupant);
			memset(taken, 0, sizeof(taken));
			taken[other] = 1;

			mock_settings_orders(test_orders(), ANON_FOLIO_ALWAYS);
			for (at = 0; at < nr; at++) {
				struct vm_fault vmf = mock_vmf(mock, at);
				unsigned long orders;
				int want, seen;

				if (at == other)
					continue;
				want = model_order(taken, 0, nr, at, test_orders());
				orders = anon_fault_orders(&vmf);
				seen = orders ? highest_order(orders) : 0;
				KUNIT_EXPECT_EQ_MSG(test, seen, want,
						    "page %u holds %s, fault at %u: orders %#lx",
						    other, occupant_names[occupant], at, orders);
			}
			if (occupant == OCCUPANT_ENTRY)
				mock_set_pte(mock, other, __pte(0));
			mock_unmap(mock, 0, nr);
		}
}

static long fallbacks(const struct mock_counts *before,
		      const struct mock_counts *after, int order)
{
	return after->mthp[order][MTHP_STAT_ANON_FAULT_FALLBACK] -
	       before->mthp[order][MTHP_STAT_ANON_FAULT_FALLBACK];
}

/*
 * A folio that is wanted but not to be had: the next smaller allowed order is
 * taken, each failure is counted once for its size, and nobody is killed.
 */
static void fault_falls_back(struct kunit *test)
{
	static struct mock_counts before, after;
	int largest = min(MOCK_MAX_ORDER, 6), limit, order, hinted;
	struct mock_pgtable *mock;

	mock_settings_save(test);
	mock_settings_orders(GENMASK(largest, 2) & ~BIT(3), ANON_FOLIO_ALWAYS);

	for (limit = largest; limit >= 2; limit--) {
		/* The largest that is allowed and can be had */
		int want = limit == 4 ? 2 : limit == 2 ? 0 : limit - 1;

		for (hinted = 0; hinted < 2; hinted++) {
			int tries = 0;
again:
			mock = mock_pgtable_create(test, 0, 1U << largest,
						   MOCK_VM_FLAGS | (hinted ? VM_HUGEPAGE : 0));
			/* An mm can need more than a page at once itself */
			mock_pmd(mock, 0);
			mock_fragment(test, limit);
			mock_count(&before);
			KUNIT_ASSERT_EQ(test, mock_fault(mock, 5, true), 0);
			/* Compaction may be moving the page: wait for it */
			KUNIT_ASSERT_EQ(test, mock_fault(mock, 5, false), 0);
			mock_count(&after);
			/* More than there was: somebody freed it meanwhile */
			if (order_at(mock, 5) > want && tries++ < 5) {
				mock_fragment_release(test);
				mock_pgtable_release(mock);
				goto again;
			}
			KUNIT_EXPECT_EQ_MSG(test, order_at(mock, 5), want,
					    "no order %d left, hinted %d", limit, hinted);
			check_folio(test, mock, 5, want);

			for (order = 2; order <= largest; order++)
				KUNIT_EXPECT_EQ_MSG(test,
						    fallbacks(&before, &after, order),
						    order > want && order != 3 ? 1L : 0L,
						    "no order %d left: fallback of order %d",
						    limit, order);
			KUNIT_EXPECT_EQ(test, after.oom_kill, before.oom_kill);
			mock_fragment_release(test);
			mock_pgtable_release(mock);
		}
	}
}

/*
 * A read maps the zero page and nothing large, and a later write beside it
 * takes a smaller folio, at it a single page.
 */
static void fault_read_maps_zero_page(struct kunit *test)
{
	struct mock_pgtable *mock;

	mock_settings_save(test);
	mock_settings_orders(test_orders(), ANON_FOLIO_ALWAYS);
	mock = mock_pgtable_create(test, 0, 16, MOCK_VM_FLAGS);

	KUNIT_ASSERT_EQ(test, mock_fault(mock, 0, false), 0);
	KUNIT_EXPECT_TRUE(test, is_zero_pfn(pte_pfn(mock_pte(mock, 0))));
	KUNIT_EXPECT_TRUE(test, pte_none(mock_pte(mock, 1)));

	KUNIT_ASSERT_EQ(test, mock_fault(mock, 8, true), 0);
	check_folio(test, mock, 8, min(3, MOCK_MAX_ORDER));
	KUNIT_ASSERT_EQ(test, mock_fault(mock, 0, true), 0);
	check_folio(test, mock, 0, 0);
}

static const struct {
	const char *name;
	unsigned long vm_flags;
	unsigned long mm_flag;
} single_page_cases[] = {
	{ "MADV_NOHUGEPAGE", VM_NOHUGEPAGE, 0 },
	{ "prctl", VM_HUGEPAGE, MMF_DISABLE_THP },
#ifdef CONFIG_HAVE_ARCH_USERFAULTFD_WP
	{ "userfaultfd, write-protect", VM_UFFD_WP, 0 },
#endif
};

/* Who is promised single pages gets them, and all sizes at "never" do it too */
static void fault_single_pages(struct kunit *test)
{
	struct mock_pgtable *mock;
	unsigned int i, at;

	mock_settings_save(test);
	mock = mock_pgtable_create(test, 0, 16, MOCK_VM_FLAGS);
	for (at = 0; at < 16; at += 5) {
		KUNIT_ASSERT_EQ(test, mock_fault(mock, at, true), 0);
		check_folio(test, mock, at, 0);
	}
	mock_pgtable_release(mock);

	mock_settings_orders(THP_ORDERS_ALL_ANON, ANON_FOLIO_ALWAYS);
	for (i = 0; i < ARRAY_SIZE(single_page_cases); i++) {
		mock = mock_pgtable_create(test, 0, 16, MOCK_VM_FLAGS |
					   single_page_cases[i].vm_flags);
		if (single_page_cases[i].mm_flag)
			set_bit(single_page_cases[i].mm_flag, &mock->mm->flags);
		KUNIT_ASSERT_EQ(test, mock_fault(mock, 3, true), 0);
		KUNIT_EXPECT_EQ_MSG(test, order_at(mock, 3), 0, "%s",
				    single_page_cases[i].name);
		KUNIT_EXPECT_EQ(test, get_mm_counter(mock->mm, MM_ANONPAGES), 1UL);
		mock_pgtable_release(mock);
	}
}

/* Settings hold for the next fault: there is no state between them */
static void fault_follows_settings(struct kunit *test)
{
	struct mock_pgtable *mock;

	mock_settings_save(test);
	mock = mock_pgtable_create(test, 0, 64, MOCK_VM_FLAGS);

	mock_settings_orders(BIT(2), ANON_FOLIO_ALWAYS);
	KUNIT_ASSERT_EQ(test, mock_fault(mock, 0, true), 0);
	check_folio(test, mock, 0, 2);
	mock_settings_orders(BIT(3), ANON_FOLIO_ALWAYS);
	KUNIT_ASSERT_EQ(test, mock_fault(mock, 8, true), 0);
	mock_settings_orders(BIT(3), ANON_FOLIO_NEVER);
	KUNIT_ASSERT_EQ(test, mock_fault(mock, 16, true), 0);
	mock_settings_orders(BIT(2), ANON_FOLIO_MADVISE);
	KUNIT_ASSERT_EQ(test, mock_fault(mock, 24, true), 0);

	KUNIT_EXPECT_EQ(test, order_at(mock, 0), 2);
	KUNIT_EXPECT_EQ(test, order_at(mock, 8), 3);
	KUNIT_EXPECT_EQ(test, order_at(mock, 16), 2);
	KUNIT_EXPECT_EQ(test, order_at(mock, 24), 0);
}

/*
 * An mm whose memory the OOM reaper takes away: the fault fails, and maps no
 * zeroes where there was data. The folio is freed.
 */
static void fault_while_reaped(struct kunit *test)
{
	static struct mock_counts before, after;
	struct mock_pgtable *mock;
	int ret;

	mock_settings_save(test);
	mock_settings_orders(BIT(4), ANON_FOLIO_ALWAYS);
	mock = mock_pgtable_create(test, 0, 16, MOCK_VM_FLAGS);

	mock_count(&before);
	set_bit(MMF_UNSTABLE, &mock->mm->flags);
	ret = mock_fault(mock, 3, true);
	clear_bit(MMF_UNSTABLE, &mock->mm->flags);
	mock_count(&after);

	KUNIT_EXPECT_EQ_MSG(test, ret, (__force int)VM_FAULT_SIGBUS,
			    "fault said %#x", ret);
	KUNIT_EXPECT_TRUE(test, pte_none(mock_pte(mock, 3)));
	KUNIT_EXPECT_EQ(test, after.anon_mapped, before.anon_mapped);
	KUNIT_EXPECT_EQ(test, after.mthp[4][MTHP_STAT_NR_ANON],
			before.mthp[4][MTHP_STAT_NR_ANON]);
	KUNIT_EXPECT_EQ(test, after.mthp[4][MTHP_STAT_ANON_FAULT_ALLOC],
			before.mthp[4][MTHP_STAT_ANON_FAULT_ALLOC]);
}

/* A folio in a VM_LOCKED VMA is mlocked once, and evictable when it is unmapped */
static void fault_mlocked(struct kunit *test)
{
	static struct mock_counts before, mapped, after;
	struct mock_pgtable *mock;

	mock_settings_save(test);
	mock_settings_orders(BIT(4), ANON_FOLIO_ALWAYS);
	mock = mock_pgtable_create(test, 0, 16, MOCK_VM_FLAGS | VM_LOCKED);

	mock_count(&before);
	KUNIT_ASSERT_EQ(test, mock_fault(mock, 3, true), 0);
	mock_count(&mapped);
	KUNIT_EXPECT_EQ(test, order_at(mock, 3), 4);
	KUNIT_EXPECT_EQ(test, mapped.mlock - before.mlock, 16L);
	mock_unmap(mock, 0, 16);
	mock_count(&after);
	KUNIT_EXPECT_EQ(test, after.mlock, before.mlock);
	KUNIT_EXPECT_EQ(test, after.lru, before.lru);
}

/* With tagged memory, each page of the folio starts with zeroed tags */
static void fault_mte(struct kunit *test)
{
#ifdef CONFIG_ARM64_MTE
	struct mock_pgtable *mock;
	struct folio *folio;
	unsigned int i;

	if (!system_supports_mte())
		kunit_skip(test, "no MTE");

	mock_settings_save(test);
	mock_settings_orders(BIT(4), ANON_FOLIO_ALWAYS);
	mock = mock_pgtable_create(test, 0, 16, MOCK_VM_FLAGS | VM_MTE | VM_MTE_ALLOWED);
	KUNIT_ASSERT_EQ(test, mock_fault(mock, 3, true), 0);
	KUNIT_ASSERT_EQ(test, order_at(mock, 3), 4);
	folio = mock_folio(mock, 3);

	for (i = 0; i < 16; i++) {
		struct page *page = folio_page(folio, i);

		KUNIT_EXPECT_TRUE_MSG(test, test_bit(PG_mte_tagged, &page->flags),
				      "page %u is not marked as tagged", i);
		KUNIT_EXPECT_EQ_MSG(test, mte_get_mem_tag(page_address(page)) & 0xf, 0,
				    "tag of page %u", i);
	}
#else
	kunit_skip(test, "no MTE");
#endif
}

/*
 * A PMD-sized folio where there are PMD leaves: one fault, counted as such and
 * not as a size below. Where there are none, the next size serves.
 */
static void fault_pmd_size(struct kunit *test)
{
	static struct mock_counts before, after;
	struct mock_pgtable *mock;

	if (HPAGE_PMD_SIZE > SZ_32M)
		kunit_skip(test, "PMD size is more than a small machine has");

	mock_settings_save(test);
	mock_settings_orders(THP_ORDERS_ALL_ANON, ANON_FOLIO_ALWAYS);
	mock = mock_pgtable_create(test, 0, HPAGE_PMD_NR, MOCK_VM_FLAGS);
	mock_count(&before);
	KUNIT_ASSERT_EQ(test, mock_fault(mock, 1, true), 0);
	mock_count(&after);

	KUNIT_EXPECT_EQ(test, after.mthp[HPAGE_PMD_ORDER][MTHP_STAT_ANON_FAULT_ALLOC] -
			before.mthp[HPAGE_PMD_ORDER][MTHP_STAT_ANON_FAULT_ALLOC],
			has_transparent_hugepage() ? 1L : 0L);
	KUNIT_EXPECT_EQ(test, after.anon_thps - before.anon_thps,
			has_transparent_hugepage() ? (long)HPAGE_PMD_NR : 0L);
	KUNIT_EXPECT_EQ(test, after.anon_mapped - before.anon_mapped,
			has_transparent_hugepage() ? (long)HPAGE_PMD_NR : HPAGE_PMD_NR / 2L);
}

/*
 * A new block of pages is used, and the tails of a freed one are cleaned at once,
 * only if all of them look free: one field of one page, wherever it is, spoils it.
 * Tails have their mapping until then.
 */
static void fault_wants_clean_pages(struct kunit *test)
{
	enum { MAPCOUNT, MAPCOUNT_MORE, REFCOUNT, FLAG, MAPPING, MEMCG, FIELDS };
	const unsigned long check = BIT(PG_locked) | BIT(PG_lru);
	struct page *pages, *end;
	int i, field, nr = 8;
	bool clean;

	pages = kunit_kcalloc(test, nr, sizeof(*pages), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, pages);
	end = pages + nr;
	for (i = 0; i < nr; i++)
		atomic_set(&pages[i]._mapcount, -1);
	/* Flags that nobody asked about do not matter */
	pages[3].flags = BIT(PG_reserved);
	KUNIT_EXPECT_TRUE(test, pages_expected_state(pages, end, check, false));

	for (i = 0; i < nr; i++) {
		for (field = 0; field < FIELDS; field++) {
			struct page saved = pages[i];

			if (field == MAPCOUNT)
				atomic_set(&pages[i]._mapcount, 0);
			else if (field == MAPCOUNT_MORE)
				atomic_set(&pages[i]._mapcount, -2);
			else if (field == REFCOUNT)
				set_page_count(&pages[i], 1);
			else if (field == FLAG)
				pages[i].flags |= BIT(PG_lru);
			else if (field == MAPPING)
				pages[i].mapping = TAIL_MAPPING;
#ifdef CONFIG_MEMCG
			else if (field == MEMCG)
				pages[i].memcg_data = BIT(BITS_PER_LONG - 1);
#else
			else
				continue;
#endif
			clean = pages_expected_state(pages, end, check, false);
			KUNIT_EXPECT_FALSE_MSG(test, clean, "page %d, field %d", i, field);
			clean = pages_expected_state(pages, end, check, true);
			KUNIT_EXPECT_EQ_MSG(test, clean, field == MAPPING,
					    "tail %d, field %d", i, field);
			pages[i] = saved;
		}
	}
	KUNIT_EXPECT_TRUE(test, pages_expected_state(pages, end, check, false));
}

static struct kunit_case fault_cases[] = {
	KUNIT_CASE(fault_each_order),
	KUNIT_CASE(fault_fill_vma),
	KUNIT_CASE(fault_occupied_neighbour),
	KUNIT_CASE(fault_falls_back),
	KUNIT_CASE(fault_read_maps_zero_page),
	KUNIT_CASE(fault_single_pages),
	KUNIT_CASE(fault_follows_settings),
	KUNIT_CASE(fault_while_reaped),
	KUNIT_CASE(fault_mlocked),
	KUNIT_CASE(fault_mte),
	KUNIT_CASE(fault_pmd_size),
	KUNIT_CASE(fault_wants_clean_pages),
	KUNIT_CASE(mock_leak_check),
	{}
};

static struct kunit_suite fault_suite = {
	.name = "large_anon_folio_fault",
	.suite_init = mock_leak_check_init,
	.test_cases = fault_cases,
};

kunit_test_suite(fault_suite);
