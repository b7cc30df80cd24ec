// SPDX-License-Identifier: GPL-2.0-only
/*
 * The numbers behind rmap IDs, and what is done with them: sums of IDs tell
 * whether they are all the same; a process that is left alone keeps its folios.
 */
#include <kunit/test.h>
#include <linux/kmsg_dump.h>
#include <linux/large_anon_folio.h>
#include <linux/mm.h>
#include <linux/moduleparam.h>
#include <linux/prandom.h>
#include <linux/rmap.h>
#include <linux/rmap_id.h>
#include <linux/slab.h>
#include <linux/swap.h>
#include <linux/vmstat.h>

#include "../../mm/internal.h"
#include "../../mm/rmap_id_numbers.h"
#include "mock_pgtable.h"

/* To replay a run: rmap_id_kunit.seed=<what it printed> */
static unsigned int seed = 20231124;
module_param(seed, uint, 0444);
MODULE_PARM_DESC(seed, "What the random sequences begin with");

static struct rmap_id_tables tables;

static unsigned int distance(const u8 *digits)
{
	unsigned int i, sum = 0;

	for (i = 0; i < RMAP_ID_DIGITS; i++) {
		int d = 2 * digits[i] - RMAP_ID_DIGIT_MAX;

		sum += d * d;
	}
	return sum;
}

/* The sides of the centre that digits are on, as the low bits of a number say it */
static unsigned int sides(const u8 *digits)
{
	unsigned int i, above = 0;

	for (i = 0; i < RMAP_ID_DIGITS; i++)
		above |= (digits[i] > RMAP_ID_DIGIT_MAX / 2) << i;
	return above;
}

/*
 * Each number is another ID, all on one sphere: in the order of their numbers,
 * the distances of the digits from the centre go up as in a dictionary, and the
 * low bits say on which side of it each digit is. That is checked for all
 * distances, each with all digits above the centre and with sides at random; and
 * for the last distances with all sides. There are more than 16 million.
 */
static void ids_are_distinct(struct kunit *test)
{
	const unsigned int want = 8 * RMAP_ID_RADIUS + RMAP_ID_DIGITS;
	u8 digits[RMAP_ID_DIGITS], above[RMAP_ID_DIGITS], last[RMAP_ID_DIGITS] = {};
	struct rnd_state rnd;
	unsigned int i, side;
	u32 number;

	kunit_info(test, "rmap_id_kunit.seed=%u", seed);
	prandom_seed_state(&rnd, seed);
	rmap_id_count(&tables);
	KUNIT_ASSERT_EQ(test, rmap_id_total(&tables), RMAP_ID_NR);
	KUNIT_EXPECT_GT(test, RMAP_ID_NR, 16U << 20);

	for (number = 0; number < RMAP_ID_NR && !mock_failed(test);
	     number += BIT(RMAP_ID_DIGITS)) {
		/* Above the centre, whatever the side */
		rmap_id_unrank(&tables, number | (BIT(RMAP_ID_DIGITS) - 1), above);
		KUNIT_EXPECT_EQ_MSG(test, distance(above), want, "ID %u", number);
		for (i = 0; i < RMAP_ID_DIGITS && above[i] == last[i]; i++)
			;
		KUNIT_EXPECT_TRUE_MSG(test, i < RMAP_ID_DIGITS && above[i] > last[i],
				      "ID %u does not follow the one before it", number);
		memcpy(last, above, sizeof(last));

		/* The same distances, on other sides: no other number has both */
		side = prandom_u32_state(&rnd) % BIT(RMAP_ID_DIGITS);
		rmap_id_unrank(&tables, number | side, digits);
		KUNIT_EXPECT_EQ_MSG(test, sides(digits), side, "ID %u", number | side);
		for (i = 0; i < RMAP_ID_DIGITS; i++)
			KUNIT_EXPECT_EQ_MSG(test, side & BIT(i) ? digits[i] :
					    RMAP_ID_DIGIT_MAX - digits[i], above[i],
					    "ID %u, digit %u", number | side, i);
	}
	for (side = 0; side < BIT(RMAP_ID_DIGITS); side++) {
		number = RMAP_ID_NR - BIT(RMAP_ID_DIGITS) + side;
		rmap_id_unrank(&tables, number, digits);
		KUNIT_EXPECT_EQ_MSG(test, distance(digits), want, "ID %u", number);
		KUNIT_EXPECT_EQ_MSG(test, sides(digits), side, "ID %u", number);
	}
}

/* Eight digits of the largest sum fit: one word up to order 4, two up to 12, three */
static void ids_fit_words(struct kunit *test)
{
	unsigned int order, word, i;

	rmap_id_count(&tables);
	for (order = RMAP_ID_MIN_ORDER; order <= RMAP_ID_MAX_ORDER; order++) {
		unsigned int nr = tables.per_word[order];
		unsigned int words = order <= RMAP_ID_ONE_WORD ? 1 :
				     order <= RMAP_ID_TWO_WORDS ? 2 : 3;
		u64 max = 0;

		KUNIT_EXPECT_EQ_MSG(test, DIV_ROUND_UP(RMAP_ID_DIGITS, nr), words,
				    "order %u", order);
		/* P times the largest digit, in each place: no carry, no overflow */
		for (i = 0; i < nr; i++) {
			u64 digit = (u64)RMAP_ID_DIGIT_MAX << order;

			KUNIT_EXPECT_LT(test, digit, rmap_id_base(order));
			KUNIT_EXPECT_LE_MSG(test, max, (U64_MAX - digit) / rmap_id_base(order),
					    "order %u", order);
			max = max * rmap_id_base(order) + digit;
		}
		for (word = 0; word < words; word++) {
			static const u8 ones[RMAP_ID_DIGITS] = { 1, 1, 1, 1, 1, 1, 1, 1 };

			KUNIT_EXPECT_NE_MSG(test, rmap_id_word(&tables, ones, order, word),
					    0ULL, "order %u, word %u", order, word);
		}
	}
}

/* ---------------------------------------------------------- the argument */

/* Vectors of @NR digits from 0 to MAX, small enough to try all */
#define SMALL_DIGITS	3
#define SMALL_MAX	3
#define SMALL_IDS	64	/* (SMALL_MAX + 1) ^ SMALL_DIGITS */
#define SMALL_PAGES	4

static unsigned int small_digit(unsigned int id, unsigned int i)
{
	return id >> 2 * i & 3;
}

static unsigned int small_distance(unsigned int id)
{
	unsigned int i, sum = 0;

	for (i = 0; i < SMALL_DIGITS; i++) {
		int d = 2 * small_digit(id, i) - SMALL_MAX;

		sum += d * d;
	}
	return sum;
}

static u32 small_sum(unsigned int id)
{
	return (small_digit(id, 2) * (SMALL_MAX * SMALL_PAGES + 1) + small_digit(id, 1)) *
	       (SMALL_MAX * SMALL_PAGES + 1) + small_digit(id, 0);
}

/*
 * All ways to take up to SMALL_PAGES of these vectors, in order: how many look
 * like copies of one of all vectors of the set, and are not. @distance: 0 for
 * vectors anywhere.
 */
static unsigned int count_false(unsigned int distance)
{
	unsigned int set[SMALL_IDS], nr = 0, i, id, wrong = 0;
	unsigned int pick[SMALL_PAGES] = {}, k;

	for (id = 0; id < SMALL_IDS; id++)
		if (!distance || small_distance(id) == distance)
			set[nr++] = id;

	for (k = 2; nr && k <= SMALL_PAGES; k++) {
		memset(pick, 0, sizeof(pick));
		for (;;) {
			bool same = true;
			u32 sum = 0;

			for (i = 0; i < k; i++) {
				sum += small_sum(set[pick[i]]);
				same &= pick[i] == pick[0];
			}
			for (i = 0; !same && i < nr; i++)
				wrong += sum == k * small_sum(set[i]);

			/* The next multiset: pick[] does not go down */
			for (i = k; i-- > 0 && pick[i] == nr - 1;)
				;
			if (i == -1U)
				break;
			id = pick[i] + 1;
			for (; i < k; i++)
				pick[i] = id;
		}
	}

	return wrong;
}

/*
 * On each sphere, no mix of IDs is taken for copies of one. Without the sphere
 * many are: so this test would see it if it were left out.
 */
static void sums_of_small_ids(struct kunit *test)
{
	unsigned int distance;

	for (distance = 1; distance <= SMALL_DIGITS * SMALL_MAX * SMALL_MAX; distance++)
		KUNIT_EXPECT_EQ_MSG(test, count_false(distance), 0, "distance %u", distance);
	KUNIT_EXPECT_GT(test, count_false(0), 1000);
}

/* The same for an ID that is no member: one that counts as 0 breaks it */
static void sums_need_members(struct kunit *test)
{
	/* From the argument: one by x, two by y and one by nobody are four by x */
	static const u8 x[RMAP_ID_DIGITS] = { 0, 0, 4, 4, 4, 4, 8, 8 };
	static const u8 y[RMAP_ID_DIGITS] = { 0, 0, 6, 6, 6, 6, 12, 12 };

	rmap_id_count(&tables);
	KUNIT_EXPECT_EQ(test, distance(x), distance(y));
	KUNIT_EXPECT_EQ(test, rmap_id_word(&tables, x, 2, 0) + 2 * rmap_id_word(&tables, y, 2, 0),
			4 * rmap_id_word(&tables, x, 2, 0));
	/* So who has no ID has one nevertheless */
	KUNIT_EXPECT_NE(test, rmap_id_shared.sums[2][0], 0ULL);
}

static bool sums_equal(unsigned int order, u64 (*sums)[3], const u64 *id, unsigned int nr)
{
	unsigned int word;

	for (word = 0; word < 3; word++)
		if ((*sums)[word] != nr * id[word])
			return false;
	return true;
}

/*
 * Real IDs, at every order: sums of at random chosen ones, and of some that
 * differ as little as IDs can, are no multiple of one of them.
 */
static void sums_of_real_ids(struct kunit *test)
{
	struct rnd_state rnd;
	unsigned int order, turn;

	kunit_info(test, "seed %u", seed);
	prandom_seed_state(&rnd, seed);
	rmap_id_count(&tables);
	for (order = RMAP_ID_MIN_ORDER; order <= RMAP_ID_MAX_ORDER; order++)
		for (turn = 0; turn < 500 && !mock_failed(test); turn++) {
			unsigned int members = 2 + turn % 3, nr = 0, word, i, j;
			u64 ids[4][3], sums[3] = {};
			u32 numbers[4];

			for (i = 0; i < members; i++) {
				u8 digits[RMAP_ID_DIGITS];
				unsigned int times;

				numbers[i] = prandom_u32_state(&rnd) % RMAP_ID_NR;
				/* A neighbour: one digit on the other side of the centre */
				if (i && turn % 2)
					numbers[i] = numbers[0] ^ BIT(i);
				rmap_id_unrank(&tables, numbers[i], digits);
				/* As many mappings as there are pages, at most */
				times = 1 + prandom_u32_state(&rnd) % ((1U << order) / members);
				nr += times;
				for (word = 0; word < 3; word++) {
					ids[i][word] = rmap_id_word(&tables, digits, order, word);
					sums[word] += times * ids[i][word];
				}
			}
			for (i = 0, j = 0; i < members; i++)
				j += numbers[i] == numbers[0];
			if (j == members)
				continue;
			for (i = 0; i < members; i++)
				KUNIT_EXPECT_FALSE_MSG(test, sums_equal(order, &sums, ids[i], nr),
						       "order %u, turn %u: %u mappings of %u IDs",
						       order, turn, nr, members);
			/* And all by one are */
			for (word = 0; word < 3; word++)
				sums[word] = nr * ids[0][word];
			KUNIT_EXPECT_TRUE(test, sums_equal(order, &sums, ids[0], nr));
		}
}

/* ---------------------------------------------------------- IDs of mms */

static unsigned long vm_events(enum vm_event_item item)
{
	unsigned long *events = kmalloc_array(NR_VM_EVENT_ITEMS, sizeof(*events), GFP_KERNEL);
	unsigned long nr = 0;

	if (events) {
		all_vm_events(events);
		nr = events[item];
	}
	kfree(events);
	return nr;
}

static u32 number_of(const struct rmap_id *id)
{
	return (__force u32)id->number;
}

/* Each mm has its own ID; it comes back */
static void mms_have_ids(struct kunit *test)
{
	struct mock_pgtable *a = mock_pgtable_create(test, 0, 4, MOCK_VM_FLAGS);
	struct mock_pgtable *b = mock_pgtable_create(test, 0, 4, MOCK_VM_FLAGS);
	u32 number = number_of(b->mm->rmap_id);
	unsigned int i;

	KUNIT_EXPECT_PTR_EQ(test, init_mm.rmap_id, &rmap_id_shared);
	KUNIT_EXPECT_EQ(test, number_of(&rmap_id_shared), 0U);
	KUNIT_EXPECT_NE(test, number_of(a->mm->rmap_id), 0U);
	KUNIT_EXPECT_NE(test, number, 0U);
	KUNIT_EXPECT_NE(test, number_of(a->mm->rmap_id), number);
	mock_pgtable_release(b);
	/* Given back, it is the next to be given out */
	for (i = 0; i < 100; i++) {
		b = mock_pgtable_create(test, 0, 4, MOCK_VM_FLAGS);
		KUNIT_EXPECT_LE(test, number_of(b->mm->rmap_id), number);
		mock_pgtable_release(b);
	}
}

/* An mm that gets no ID shares one, which is counted; it is not given back */
static void mm_without_id(struct kunit *test)
{
	struct mock_pgtable *other = mock_pgtable_create(test, 0, 4, MOCK_VM_FLAGS);
	struct mm_struct *mm = kunit_kzalloc(test, sizeof(*mm), GFP_KERNEL);
	unsigned long before = vm_events(RMAP_ID_SHARED);

	KUNIT_ASSERT_NOT_NULL(test, mm);
	rmap_id_last = 0;
	mm_rmap_id_alloc(mm);
	rmap_id_last = RMAP_ID_NR - 1;
	KUNIT_EXPECT_PTR_EQ(test, mm->rmap_id, &rmap_id_shared);
	KUNIT_EXPECT_EQ(test, vm_events(RMAP_ID_SHARED), before + 1);

	/* The shared one stays what it is, and others have theirs as before */
	mm_rmap_id_free(mm);
	KUNIT_EXPECT_NE(test, rmap_id_shared.sums[2][0], 0ULL);
	mm_rmap_id_alloc(mm);
	KUNIT_EXPECT_PTR_NE(test, mm->rmap_id, &rmap_id_shared);
	KUNIT_EXPECT_NE(test, number_of(mm->rmap_id), number_of(other->mm->rmap_id));
	KUNIT_EXPECT_EQ(test, vm_events(RMAP_ID_SHARED), before + 1);
	mm_rmap_id_free(mm);
	mock_pgtable_release(other);
}

/* ------------------------------------------------------- after a fork */

/* @nr pages of a new folio of the parent are mapped by the child, too */
static struct folio *fork_folio(struct kunit *test, struct mock_pgtable *parent,
				struct mock_pgtable *child, unsigned int order)
{
	unsigned int nr = 1U << order, i;
	struct folio *folio;

	mock_settings_orders(BIT(order), ANON_FOLIO_ALWAYS);
	KUNIT_ASSERT_EQ(test, mock_fault(parent, 0, true), 0);
	mock_settings_orders(BIT(order), ANON_FOLIO_NEVER);
	folio = mock_folio(parent, 0);
	KUNIT_ASSERT_EQ(test, folio_order(folio), order);
	/* As after writes to all of it */
	for (i = 0; i < nr; i++)
		mock_set_pte(parent, i, pte_mkdirty(pte_mkyoung(mock_pte(parent, i))));
	KUNIT_ASSERT_EQ(test, mock_copy_run(parent, child, 0, nr), nr);
	KUNIT_EXPECT_TRUE(test, folio_mapped_shared(folio, parent->mm));
	KUNIT_EXPECT_TRUE(test, folio_mapped_shared(folio, child->mm));

	return folio;
}

static void expect_owned(struct kunit *test, struct mock_pgtable *mock, struct folio *folio,
			 unsigned int from, unsigned int to, bool writable, const char *what)
{
	unsigned int i;

	for (i = from; i < to; i++) {
		pte_t pte = mock_pte(mock, i);

		KUNIT_EXPECT_TRUE_MSG(test, pte_present(pte) &&
				      pte_page(pte) == folio_page(folio, i),
				      "%s: entry %u is %#llx", what, i, (u64)pte_val(pte));
		KUNIT_EXPECT_EQ_MSG(test, !!PageAnonExclusive(folio_page(folio, i)), writable,
				    "%s: page %u", what, i);
		KUNIT_EXPECT_EQ_MSG(test, !!pte_write(pte), writable, "%s: entry %u", what, i);
	}
}

/*
 * When parent or child is gone, one write anywhere gives the other all of the
 * folio: no page is copied, all are exclusive and writable.
 */
static void reuse_whole(struct kunit *test)
{
	unsigned int order, child_stays, at;

	mock_settings_save(test);
	for (order = 2; order <= min(5, MOCK_MAX_ORDER); order++)
		for (child_stays = 0; child_stays < 2; child_stays++)
			for (at = 0; at < 1U << order; at += max(1U, (1U << order) / 8)) {
				struct mock_pgtable *parent, *child, *left, *gone;
				struct folio *folio;

				parent = mock_pgtable_create(test, 0, 1U << order, MOCK_VM_FLAGS);
				child = mock_pgtable_create(test, 0, 1U << order, MOCK_VM_FLAGS);
				folio = fork_folio(test, parent, child, order);
				left = child_stays ? child : parent;
				gone = child_stays ? parent : child;
				mock_unmap(gone, 0, 1U << order);
				KUNIT_EXPECT_FALSE(test, folio_mapped_shared(folio, left->mm));
				KUNIT_EXPECT_TRUE(test, folio_mapped_shared(folio, gone->mm));

				KUNIT_EXPECT_EQ(test, mock_fault(left, at, true), 0);
				expect_owned(test, left, folio, 0, 1U << order, true, "alone");
				mock_pgtable_release(parent);
				mock_pgtable_release(child);
			}
}

/* What another page table maps waits for its own fault, wherever that table lies */
static void reuse_ends_with_table(struct kunit *test)
{
	const unsigned long flags = MOCK_SHARED | MOCK_YOUNG | MOCK_DIRTY;
	const struct mock_run runs[] = {
		{ .order = 3, .nr = 3, .flags = flags },
		{ .order = 3, .at = 3, .first = 3, .nr = 5, .flags = flags },
	};
	struct mock_pgtable *mock;
	struct folio *folio;

	mock = mock_pgtable_create(test, PTRS_PER_PTE - 3, 8, MOCK_VM_FLAGS);
	mock_adjoin_tables(mock, 0, 3);
	folio = mock_map_run(mock, &runs[0]);
	mock_map_pages(mock, folio, &runs[1]);
	lru_add_drain();

	/* The test's own reference would stand in the way */
	folio_put(folio);
	KUNIT_EXPECT_EQ(test, mock_fault(mock, 1, true), 0);
	expect_owned(test, mock, folio, 0, 3, true, "the fault's table");
	expect_owned(test, mock, folio, 3, 8, false, "the next table");
	KUNIT_EXPECT_EQ(test, mock_fault(mock, 7, true), 0);
	expect_owned(test, mock, folio, 0, 8, true, "after another fault");
	folio_get(folio);
}

/* While both are there, a write copies its page; so it does if somebody holds it */
static void reuse_refused(struct kunit *test)
{
	struct mock_pgtable *parent, *child;
	struct folio *folio;
	unsigned int c;

	mock_settings_save(test);
	for (c = 0; c < 5; c++) {
		static const char * const names[] = {
			"both map all", "the child maps a page", "a reference", "a lock",
			"each maps some, no more than there are",
		};
		const unsigned int end = c == 4 ? 5 : 8;

		parent = mock_pgtable_create(test, 0, 8, MOCK_VM_FLAGS);
		child = mock_pgtable_create(test, 0, 8, MOCK_VM_FLAGS);
		folio = fork_folio(test, parent, child, 3);
		if (c)
			mock_unmap(child, 0, c == 1 ? 7 : c == 4 ? 5 : 8);
		mock_unmap(parent, end, 8 - end);
		folio_get(folio);
		if (c == 3)
			folio_lock(folio);
		if (c != 2)
			folio_put(folio);

		KUNIT_EXPECT_EQ(test, mock_fault(parent, 2, true), 0);
		KUNIT_EXPECT_PTR_NE_MSG(test, mock_folio(parent, 2), folio, "%s", names[c]);
		expect_owned(test, parent, folio, 0, 2, false, names[c]);
		expect_owned(test, parent, folio, 3, end, false, names[c]);

		if (c == 3)
			folio_unlock(folio);
		if (c == 2)
			folio_put(folio);
		mock_unmap(child, 0, 8);
		/* Now nobody else has what is left of it */
		KUNIT_EXPECT_EQ(test, mock_fault(parent, 3, true), 0);
		expect_owned(test, parent, folio, 0, 2, true, names[c]);
		expect_owned(test, parent, folio, 3, end, true, names[c]);
		mock_pgtable_release(parent);
		mock_pgtable_release(child);
	}
}

/*
 * A process without an ID of its own gets no folio back when the other is gone, be
 * that one without, too: each page is copied that it writes to, but for the last,
 * whose only reference is its mapping's.
 */
static void reuse_without_ids(struct kunit *test)
{
	unsigned int without, child_stays, i;

	mock_settings_save(test);
	for (without = 1; without < 4; without++)
		for (child_stays = 0; child_stays < 2; child_stays++) {
			struct mock_pgtable *mocks[2], *left, *gone;
			struct folio *folio;

			for (i = 0; i < 2; i++) {
				mocks[i] = mock_pgtable_create(test, 0, 4, MOCK_VM_FLAGS);
				if (without & BIT(i))
					mock_lose_id(mocks[i]);
			}
			left = mocks[child_stays];
			gone = mocks[!child_stays];
			folio = fork_folio(test, mocks[0], mocks[1], 2);
			mock_unmap(gone, 0, 4);
			KUNIT_EXPECT_EQ(test, folio_mapped_shared(folio, left->mm),
					!mock_has_id(left));
			for (i = 0; i < 4; i++) {
				KUNIT_EXPECT_EQ(test, mock_fault(left, i, true), 0);
				KUNIT_EXPECT_EQ_MSG(test, mock_folio(left, i) == folio,
						    mock_has_id(left) || i == 3, "%u, %u: page %u",
						    without, child_stays, i);
			}
			mock_pgtable_release(mocks[0]);
			mock_pgtable_release(mocks[1]);
		}
}

/*
 * Of what comes back, a page that is not accessible stays read-only: its first
 * write wants a fault. One that is clean becomes writable; it stays clean if it is
 * lazily freed. An unshare fault makes nothing writable.
 */
static void reuse_respects(struct kunit *test)
{
	struct mock_pgtable *parent, *child;
	unsigned int i, lazy;
	struct folio *folio;
	bool hinting;

	mock_settings_save(test);
	for (lazy = 0; lazy < 2; lazy++) {
		parent = mock_pgtable_create(test, 0, 4, MOCK_VM_FLAGS);
		child = mock_pgtable_create(test, 0, 4, MOCK_VM_FLAGS);
		folio = fork_folio(test, parent, child, 2);
		mock_unmap(child, 0, 4);
		mock_set_pte(parent, 1, pte_mkclean(mock_pte(parent, 1)));
		mock_set_pte(parent, 2, mock_run_pte(folio_page(folio, 2), MOCK_PROTNONE |
						     MOCK_DIRTY | MOCK_YOUNG));

		mmap_read_lock(parent->mm);
		handle_mm_fault(parent->vma, mock_addr(parent, 0), FAULT_FLAG_UNSHARE, NULL);
		mmap_read_unlock(parent->mm);
		for (i = 0; i < 4; i++) {
			struct page *page = folio_page(folio, i);

			KUNIT_EXPECT_FALSE_MSG(test, pte_write(mock_pte(parent, i)), "entry %u", i);
			KUNIT_EXPECT_TRUE_MSG(test, PageAnonExclusive(page), "page %u", i);
			ClearPageAnonExclusive(page);
		}

		/* Only a kernel with NUMA balancing tells it from others */
		hinting = pte_protnone(mock_pte(parent, 2));
		/* On another list, which nothing here looks at */
		if (lazy)
			folio_clear_swapbacked(folio);
		KUNIT_EXPECT_EQ(test, mock_fault(parent, 0, true), 0);
		if (lazy)
			folio_set_swapbacked(folio);
		for (i = 0; i < 4; i++) {
			if (i != 2 || hinting)
				KUNIT_EXPECT_EQ_MSG(test, !!pte_write(mock_pte(parent, i)),
						    i != 2, "entry %u", i);
			KUNIT_EXPECT_TRUE_MSG(test, PageAnonExclusive(folio_page(folio, i)),
					      "page %u", i);
		}
		KUNIT_EXPECT_EQ(test, !!pte_dirty(mock_pte(parent, 1)), !lazy);
		mock_pgtable_release(parent);
		mock_pgtable_release(child);
	}
}

/*
 * Policy asks for the folio, not for the page: one that the child does not map any
 * more is part of what it does map. Single pages have only their own count.
 */
static void policy_asks_for_folio(struct kunit *test)
{
	struct mock_pgtable *parent, *child;
	struct folio *folio, *single;

	parent = mock_pgtable_create(test, 0, 9, MOCK_VM_FLAGS);
	child = mock_pgtable_create(test, 0, 9, MOCK_VM_FLAGS);
	mock_settings_save(test);
	folio = fork_folio(test, parent, child, 3);
	KUNIT_ASSERT_EQ(test, mock_fault(parent, 8, true), 0);
	single = mock_folio(parent, 8);
	KUNIT_EXPECT_FALSE(test, page_mapped_shared(&single->page, parent->mm));
	page_dup_file_rmap(&single->page, false, child->vma);
	KUNIT_EXPECT_TRUE(test, page_mapped_shared(&single->page, parent->mm));
	page_remove_rmap(&single->page, child->vma, false);

	mock_unmap(child, 0, 7);
	KUNIT_EXPECT_EQ(test, page_mapcount(folio_page(folio, 0)), 1);
	KUNIT_EXPECT_TRUE(test, page_mapped_shared(folio_page(folio, 0), parent->mm));
	KUNIT_EXPECT_TRUE(test, page_mapped_shared(folio_page(folio, 7), parent->mm));
	mock_unmap(child, 7, 1);
	KUNIT_EXPECT_FALSE(test, page_mapped_shared(folio_page(folio, 0), parent->mm));
	KUNIT_EXPECT_FALSE(test, page_mapped_shared(folio_page(folio, 7), parent->mm));
	mock_pgtable_release(parent);
	mock_pgtable_release(child);
}

/* Nobody owns a folio whose mappings change; that is counted */
static void owner_meets_writer(struct kunit *test)
{
	struct mock_pgtable *mock = mock_pgtable_create(test, 0, 8, MOCK_VM_FLAGS);
	const struct mock_run run = { .order = 3, .nr = 8 };
	struct folio *folio = mock_map_run(mock, &run);
	unsigned long before = vm_events(RMAP_ID_RETRY);
	bool sole, owned, shared, refs;

	folio_lock(folio);
	/* The test has a reference: that is somebody else's */
	KUNIT_EXPECT_FALSE(test, folio_owned(folio, mock->mm));
	folio_put(folio);
	KUNIT_EXPECT_TRUE(test, folio_owned(folio, mock->mm));
	KUNIT_EXPECT_EQ(test, vm_events(RMAP_ID_RETRY), before);
	preempt_disable();
	sole = folio_begin_rmap(folio);
	owned = folio_owned(folio, mock->mm);
	/* Nor does anybody wait for ever to be told */
	shared = folio_mapped_shared(folio, mock->mm);
	refs = folio_refs_are_mappings(folio, 0);
	folio_end_rmap(folio, sole);
	preempt_enable();
	KUNIT_EXPECT_FALSE(test, owned);
	KUNIT_EXPECT_TRUE(test, shared);
	KUNIT_EXPECT_FALSE(test, refs);
	KUNIT_EXPECT_EQ(test, vm_events(RMAP_ID_RETRY), before + 3);
	KUNIT_EXPECT_FALSE(test, folio_mapped_shared(folio, mock->mm));
	folio_get(folio);
	folio_unlock(folio);
	mock_pgtable_release(mock);
}

/* --------------------------------------------------- mapped by PMDs, too */

/* Each of two mms has four ways to map a folio: the PMD, if there is one, and PTEs */
#define FILE_WAYS	4

/* The page that one of these ways maps; -1 for all of them, by a PMD */
static int page_of_way(struct folio *folio, unsigned int way)
{
	static const int ways[FILE_WAYS] = { -1, 0, 1, HPAGE_PMD_NR - 1 };

	return folio_order(folio) < HPAGE_PMD_ORDER ? way : ways[way];
}

static void flip_file(struct folio *folio, struct mock_pgtable *mock, unsigned int way, bool map)
{
	const int nr = page_of_way(folio, way);
	struct page *page = folio_page(folio, max(nr, 0));

	folio_lock(folio);
	preempt_disable();
	if (map) {
		folio_get(folio);
		page_add_file_rmap(page, mock->vma, nr < 0);
	} else {
		page_remove_rmap(page, mock->vma, nr < 0);
	}
	preempt_enable();
	folio_unlock(folio);
	if (!map)
		folio_put(folio);
}

static void check_file(struct kunit *test, struct folio *folio, struct mock_pgtable **mocks,
		       unsigned long mapped, unsigned int step)
{
	const unsigned int total = hweight_long(mapped), order = folio_order(folio);
	unsigned int mm, way;

	KUNIT_EXPECT_EQ_MSG(test, folio_mapcount(folio), total, "order %u, step %u", order, step);
	KUNIT_EXPECT_EQ_MSG(test, folio_large_mapcount(folio), total, "order %u, step %u",
			    order, step);
	for (mm = 0; mm < 2; mm++) {
		unsigned int own = hweight8(mapped >> FILE_WAYS * mm & (BIT(FILE_WAYS) - 1));

		KUNIT_EXPECT_EQ_MSG(test, folio_mapped_shared(folio, mocks[mm]->mm), total > own,
				    "order %u, step %u: mm %u maps %u of %u", order, step, mm,
				    own, total);
	}
	for (way = 0; way < FILE_WAYS; way++) {
		int nr = page_of_way(folio, way), count = 0;

		if (nr < 0)
			continue;
		for (mm = 0; mm < 2; mm++) {
			unsigned long own = mapped >> FILE_WAYS * mm;

			count += !!(own & BIT(way));
			count += page_of_way(folio, 0) < 0 && own & BIT(0);
		}
		KUNIT_EXPECT_EQ_MSG(test, page_mapcount(folio_page(folio, nr)), count,
				    "order %u, step %u: page %d", order, step, nr);
	}
}

/*
 * Mappings of a file's folio are tracked, by PTE and by PMD: after each step of a
 * Gray code, which goes through all ways to map it by two mms, each of them is
 * told the truth. What one maps more often than there are pages counts as shared.
 */
static void files_are_tracked(struct kunit *test)
{
	const unsigned int orders[] = { 2, HPAGE_PMD_ORDER };
	static struct address_space mapping;
	struct mock_pgtable *mocks[2];
	unsigned int k, step, i;

	for (i = 0; i < 2; i++)
		mocks[i] = mock_pgtable_create(test, 0, 4, MOCK_VM_FLAGS);
	for (k = 0; k < ARRAY_SIZE(orders); k++) {
		struct folio *folio;
		unsigned long mapped = 0;

		if (PAGE_SIZE << orders[k] > SZ_32M)
			continue;
		folio = vma_alloc_folio(GFP_HIGHUSER_MOVABLE, orders[k], mocks[0]->vma,
					mock_addr(mocks[0], 0), false);
		KUNIT_ASSERT_NOT_NULL_MSG(test, folio, "order %u", orders[k]);
		/* All that rmap wants to know of the page cache */
		folio->mapping = &mapping;
		KUNIT_EXPECT_TRUE(test, folio_has_rmap_id(folio));
		check_file(test, folio, mocks, 0, 0);
		for (step = 1; step < BIT(2 * FILE_WAYS); step++) {
			unsigned int bit = __ffs(step);

			mapped ^= BIT(bit);
			flip_file(folio, mocks[bit / FILE_WAYS], bit % FILE_WAYS,
				  mapped & BIT(bit));
			check_file(test, folio, mocks, mapped, step);
		}
		for (i = 0; i < 2 * FILE_WAYS; i++)
			if (mapped & BIT(i))
				flip_file(folio, mocks[i / FILE_WAYS], i % FILE_WAYS, false);
		check_file(test, folio, mocks, 0, step);

		/* By one, who has a second mapping of the file */
		if (k == 0) {
			for (i = 0; i < 5; i++) {
				KUNIT_EXPECT_FALSE(test, folio_mapped_shared(folio, mocks[0]->mm));
				flip_file(folio, mocks[0], i % FILE_WAYS, true);
			}
			KUNIT_EXPECT_TRUE(test, folio_mapped_shared(folio, mocks[0]->mm));
			while (i--)
				flip_file(folio, mocks[0], i % FILE_WAYS, false);
		}
		KUNIT_EXPECT_EQ(test, folio_ref_count(folio), 1);
		folio->mapping = NULL;
		folio_put(folio);
	}
}

static void check_shared(struct kunit *test, struct folio *folio, struct mock_pgtable **mocks,
			 const unsigned int *nr, const char *step)
{
	unsigned int mm;

	KUNIT_EXPECT_EQ_MSG(test, folio_mapcount(folio), nr[0] + nr[1], "%s", step);
	for (mm = 0; mm < 2; mm++)
		KUNIT_EXPECT_EQ_MSG(test, folio_mapped_shared(folio, mocks[mm]->mm),
				    nr[!mm] > 0, "%s: mm %u, which maps %u of %u", step, mm,
				    nr[mm], nr[0] + nr[1]);
}

/*
 * An anonymous folio that one maps by PMD and another by PTEs: each is told the
 * truth when the PTEs come and go, one by one, and so when the PMD does.
 */
static void pmd_and_ptes(struct kunit *test)
{
	struct mock_pgtable *mocks[2];
	unsigned int i, last, nr[2] = {};
	struct folio *folio;

	if (HPAGE_PMD_SIZE > SZ_32M)
		kunit_skip(test, "PMD size is more than a small machine has");

	for (i = 0; i < 2; i++)
		mocks[i] = mock_pgtable_create(test, 0, 4, MOCK_VM_FLAGS);
	mock_inherit(mocks[1], mocks[0]);
	for (last = 0; last < 2; last++) {
		folio = vma_alloc_folio(GFP_HIGHUSER_MOVABLE, HPAGE_PMD_ORDER, mocks[0]->vma,
					mock_addr(mocks[0], 0), false);
		KUNIT_ASSERT_NOT_NULL(test, folio);
		preempt_disable();
		folio_add_new_anon_rmap(folio, mocks[0]->vma, mock_addr(mocks[0], 0));
		preempt_enable();
		/* As when fork mapped it by PMD twice, and one of these was split */
		ClearPageAnonExclusive(&folio->page);
		SetPageDoubleMap(&folio->page);
		for (i = 0; i < HPAGE_PMD_NR; i++)
			atomic_inc(&folio_page(folio, i)->_mapcount);
		nr[0] = 1;
		check_shared(test, folio, mocks, nr, "a PMD");
		for (i = 0; i < 4; i++) {
			folio_lock(folio);
			preempt_disable();
			page_add_anon_rmap(folio_page(folio, i), mocks[1]->vma,
					   mock_addr(mocks[1], i), RMAP_NONE);
			preempt_enable();
			folio_unlock(folio);
			nr[1]++;
			check_shared(test, folio, mocks, nr, "a PMD, and PTEs come");
		}
		/* Which of them goes first */
		for (i = 0; i <= 4; i++) {
			const bool pmd = i == (last ? 4 : 0);
			struct page *page = folio_page(folio, pmd ? 0 : last ? i : i - 1);

			preempt_disable();
			page_remove_rmap(page, mocks[!pmd]->vma, pmd);
			preempt_enable();
			nr[!pmd]--;
			check_shared(test, folio, mocks, nr, pmd ? "the PMD goes" : "PTEs go");
		}
		KUNIT_EXPECT_EQ(test, folio_ref_count(folio), 1);
		folio_put(folio);
	}
}

/* ------------------------------------------------------------------- log */

/* Whether the kernel's log has this */
static bool was_logged(const char *what)
{
	struct kmsg_dump_iter iter;
	static char line[512];
	bool found = false;
	size_t len;

	kmsg_dump_rewind(&iter);
	while (kmsg_dump_get_line(&iter, false, line, sizeof(line) - 1, &len)) {
		line[len] = 0;
		found |= !!strstr(line, what);
	}
	return found;
}

static void dump_tells_mappings(struct kunit *test)
{
	struct mock_pgtable *mock = mock_pgtable_create(test, 0, 4, MOCK_VM_FLAGS);
	const struct mock_run run = { .order = 2, .nr = 4, .flags = MOCK_WRITE };
	struct folio *folio = mock_map_run(mock, &run);
	char want[64];

	snprintf(want, sizeof(want), "large_mapcount:4 rmap_seq:%#llx rmap_sums:%#llx",
		 (u64)atomic64_read(&folio_rmap_seq(folio)->word),
		 4 * mock->mm->rmap_id->sums[2][0]);
	dump_page(folio_page(folio, 1), "a test wants to read this");
	KUNIT_EXPECT_TRUE_MSG(test, was_logged(want), "no '%s' in the log", want);
	mock_pgtable_release(mock);
}

static struct kunit_case rmap_id_cases[] = {
	KUNIT_CASE(ids_are_distinct),
	KUNIT_CASE(ids_fit_words),
	KUNIT_CASE(sums_of_small_ids),
	KUNIT_CASE(sums_need_members),
	KUNIT_CASE(sums_of_real_ids),
	KUNIT_CASE(mms_have_ids),
	KUNIT_CASE(mm_without_id),
	KUNIT_CASE(reuse_whole),
	KUNIT_CASE(reuse_ends_with_table),
	KUNIT_CASE(reuse_refused),
	KUNIT_CASE(reuse_without_ids),
	KUNIT_CASE(reuse_respects),
	KUNIT_CASE(policy_asks_for_folio),
	KUNIT_CASE(owner_meets_writer),
	KUNIT_CASE(files_are_tracked),
	KUNIT_CASE(pmd_and_ptes),
	KUNIT_CASE(dump_tells_mappings),
	KUNIT_CASE(mock_leak_check),
	{}
};

static struct kunit_suite rmap_id_suite = {
	.name = "rmap_id",
	.suite_init = mock_leak_check_init,
	.test_cases = rmap_id_cases,
};

kunit_test_suite(rmap_id_suite);
