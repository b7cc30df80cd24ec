// SPDX-License-Identifier: GPL-2.0-only
/*
 * Which folio sizes memory may have: settings, hints, policies, the bounds of
 * the VMA. What is wanted is written here again from the tables of the
 * documentation, and worked out page by page instead of by masks.
 */
#include <kunit/test.h>
#include <linux/large_anon_folio.h>
#include <linux/mm.h>
#include <linux/sched/coredump.h>
#include <linux/sizes.h>
#include <linux/userfaultfd_k.h>

#include "mock_pgtable.h"

/* ----------------------------------------------------- the tables in words */

enum cell { S, LAF, THP_LAF };

static const enum anon_folio_enabled globals[] = {
	ANON_FOLIO_NEVER, ANON_FOLIO_MADVISE, ANON_FOLIO_ALWAYS,
};

static const struct {
	const char *name;
	unsigned long vm_flags;
} hints[] = {
	{ "no hint", 0 },
	{ "MADV_HUGEPAGE", VM_HUGEPAGE },
	{ "MADV_NOHUGEPAGE", VM_NOHUGEPAGE },
};

static const char * const enabled_names[] = {
	[ANON_FOLIO_ALWAYS] = "always",
	[ANON_FOLIO_INHERIT] = "inherit",
	[ANON_FOLIO_MADVISE] = "madvise",
	[ANON_FOLIO_NEVER] = "never",
};

/* One row for each value of the global file, as globals[]; columns as hints[] */
static const struct {
	const char *name;
	enum cell cells[ARRAY_SIZE(globals)][ARRAY_SIZE(hints)];
} policies[] = {
	[ANON_FOLIO_STRICT] = { "strict", {
		{ S,		S,		S },
		{ S,		THP_LAF,	S },
		{ THP_LAF,	THP_LAF,	S },
	} },
	[ANON_FOLIO_UNHINTED] = { "unhinted", {
		{ S,		S,		S },
		{ LAF,		THP_LAF,	S },
		{ THP_LAF,	THP_LAF,	S },
	} },
	[ANON_FOLIO_INDEPENDENT] = { "independent", {
		{ LAF,		LAF,		S },
		{ LAF,		THP_LAF,	S },
		{ THP_LAF,	THP_LAF,	S },
	} },
	[ANON_FOLIO_SMALL] = { "small", {
		{ S,		S,		S },
		{ S,		LAF,		S },
		{ LAF,		LAF,		S },
	} },
};

/* One point of the table, with what to print if something is wrong there */
struct point {
	int policy;
	int global;
	int hint;
	char name[64];
};

#define NR_POINTS	(ARRAY_SIZE(policies) * ARRAY_SIZE(globals) * ARRAY_SIZE(hints))

static void get_point(struct point *p, unsigned int i)
{
	p->hint = i % ARRAY_SIZE(hints);
	i /= ARRAY_SIZE(hints);
	p->global = i % ARRAY_SIZE(globals);
	p->policy = i / ARRAY_SIZE(globals);
	snprintf(p->name, sizeof(p->name), "policy %s, global %s, %s",
		 policies[p->policy].name, enabled_names[globals[p->global]],
		 hints[p->hint].name);
}

/* Would stock give this memory a PMD-sized folio? */
static bool opted_in(const struct point *p)
{
	return globals[p->global] == ANON_FOLIO_ALWAYS ||
	       (globals[p->global] == ANON_FOLIO_MADVISE &&
		hints[p->hint].vm_flags == VM_HUGEPAGE);
}

/* The size set to @enabled: may memory at this point have it? */
static bool size_wanted(const struct point *p, int order,
			enum anon_folio_enabled enabled)
{
	enum cell cell = policies[p->policy].cells[p->global][p->hint];
	unsigned long size = PAGE_SIZE << order;

	if (order < 2 || order > HPAGE_PMD_ORDER)
		return false;
	if (hints[p->hint].vm_flags == VM_NOHUGEPAGE)
		return false;

	switch (enabled) {
	case ANON_FOLIO_ALWAYS:
		return true;
	case ANON_FOLIO_MADVISE:
		return hints[p->hint].vm_flags == VM_HUGEPAGE;
	case ANON_FOLIO_INHERIT:
		if (order == HPAGE_PMD_ORDER)
			return cell == THP_LAF;
		return cell != S && (opted_in(p) || size <= SZ_64K);
	default:
		return false;
	}
}

/* ---------------------------------------------------- orders by settings */

/* The orders whose settings are multiplied out; the others move together */
static int chosen_orders(int chosen[])
{
	int candidates[] = { 2, 3, 4, 5, HPAGE_PMD_ORDER - 1, HPAGE_PMD_ORDER };
	int i, nr = 0;

	for (i = 0; i < ARRAY_SIZE(candidates); i++)
		if (!nr || candidates[i] > chosen[nr - 1])
			chosen[nr++] = candidates[i];

	return nr;
}

static void add_order(struct anon_folio_settings *settings, int order,
		      enum anon_folio_enabled enabled)
{
	if (enabled == ANON_FOLIO_ALWAYS)
		settings->always |= BIT(order);
	else if (enabled == ANON_FOLIO_INHERIT)
		settings->inherit |= BIT(order);
	else if (enabled == ANON_FOLIO_MADVISE)
		settings->madvise |= BIT(order);
}

/* Compare all orders at one point, with the setting of each order given */
static bool check_point(struct kunit *test, const struct point *p,
			const enum anon_folio_enabled *enabled)
{
	struct anon_folio_settings settings = {
		.global = globals[p->global],
		.policy = p->policy,
	};
	unsigned long seen, wanted = 0;
	int order;

	for (order = 0; order < 32; order++) {
		add_order(&settings, order, enabled[order]);
		if (size_wanted(p, order, enabled[order]))
			wanted |= BIT(order);
	}

	seen = anon_folio_orders_by_settings(&settings, hints[p->hint].vm_flags);
	KUNIT_EXPECT_EQ_MSG(test, seen, wanted,
			    "%s: orders %#lx, wanted %#lx; always %#lx, inherit %#lx, madvise %#lx",
			    p->name, seen, wanted, settings.always,
			    settings.inherit, settings.madvise);
	return seen == wanted;
}

/*
 * Every policy, value of the global file and hint, times every setting of each
 * size: the sizes are independent of each other, and a cell of the table means
 * the same for all of them but for the cap and the PMD size.
 */
static void policy_every_setting(struct kunit *test)
{
	enum anon_folio_enabled enabled[32];
	int chosen[8], nr = chosen_orders(chosen);
	unsigned long combination, checked = 0;
	unsigned int point;
	struct point p;
	int rest, i;

	for (point = 0; point < NR_POINTS; point++) {
		get_point(&p, point);
		for (rest = 0; rest < NR_ANON_FOLIO_ENABLED; rest++) {
			for (combination = 0; combination < BIT(2 * nr); combination++) {
				for (i = 0; i < 32; i++)
					enabled[i] = rest;
				for (i = 0; i < nr; i++)
					enabled[chosen[i]] = combination >> (2 * i) & 3;
				if (!check_point(test, &p, enabled))
					return;
				checked++;
			}
		}
		cond_resched();
	}
	kunit_info(test, "%lu combinations", checked);
}

/*
 * Order 1 has no room for the deferred-split list, and nothing maps more than a
 * PMD: neither comes out, whatever went in.
 */
static void policy_never_order_1(struct kunit *test)
{
	const struct anon_folio_settings settings = {
		.always = ~0UL,
		.inherit = ~0UL,
		.madvise = ~0UL,
		.global = ANON_FOLIO_ALWAYS,
	};
	unsigned long orders = anon_folio_orders_by_settings(&settings, VM_HUGEPAGE);
	unsigned long wanted = 0;
	int order;

	for (order = 2; order <= HPAGE_PMD_ORDER; order++)
		wanted |= BIT(order);
	KUNIT_EXPECT_EQ_MSG(test, orders, wanted, "seen %#lx, wanted %#lx",
			    orders, wanted);
}

/*
 * Memory that did not opt in gets at most 64 KiB, or one page if that is more:
 * with 64K pages, no large folio at all.
 */
static void policy_cap(struct kunit *test)
{
	struct anon_folio_settings settings = { .inherit = ~0UL };
	unsigned long orders;
	unsigned int point;
	struct point p;

	for (point = 0; point < NR_POINTS; point++) {
		get_point(&p, point);
		if (opted_in(&p))
			continue;
		settings.global = globals[p.global];
		settings.policy = p.policy;
		orders = anon_folio_orders_by_settings(&settings,
						       hints[p.hint].vm_flags);
		KUNIT_EXPECT_TRUE_MSG(test, !orders ||
				      PAGE_SIZE << highest_order(orders) == SZ_64K,
				      "%s: up to %lu bytes", p.name,
				      orders ? PAGE_SIZE << highest_order(orders) : 0);
	}
}

/* --------------------------------------------------------------- settings */

/*
 * After boot the sizes up to the one that the hardware likes, but at least up
 * to PAGE_ALLOC_COSTLY_ORDER, and the PMD's are at "inherit", the others at
 * "never". Must be the first case: the others change settings.
 */
static void policy_boot_defaults(struct kunit *test)
{
	int order, preferred = max_t(int, arch_wants_pte_order(), 3);

	if (saved_command_line && strstr(saved_command_line, "thp_anon="))
		kunit_skip(test, "thp_anon= was given");

	for (order = 2; order <= HPAGE_PMD_ORDER; order++) {
		enum anon_folio_enabled wanted =
			order <= preferred || order == HPAGE_PMD_ORDER ?
			ANON_FOLIO_INHERIT : ANON_FOLIO_NEVER;

		KUNIT_EXPECT_EQ_MSG(test, huge_anon_order_get(order), wanted,
				    "order %d is at %s, wanted %s", order,
				    enabled_names[huge_anon_order_get(order)],
				    enabled_names[wanted]);
	}
	KUNIT_EXPECT_EQ(test, anon_folio_policy, ANON_FOLIO_STRICT);
}

/* The same for every wish that hardware could have */
static void policy_default_orders(struct kunit *test)
{
	int wish, order;

	for (wish = -1; wish < HPAGE_PMD_ORDER; wish++) {
		unsigned long seen = anon_folio_default_orders(wish);

		for (order = 0; order < BITS_PER_LONG; order++) {
			bool wanted = order == HPAGE_PMD_ORDER ||
				      (order >= 2 && order <= max(wish, 3) &&
				       order < HPAGE_PMD_ORDER);

			KUNIT_EXPECT_EQ_MSG(test, !!(seen & BIT(order)), wanted,
					    "wish %d: orders %#lx, order %d wanted: %d",
					    wish, seen, order, wanted);
		}
	}
}

/* One contiguous-PTE block on arm64, no wish elsewhere */
static void policy_arch_wish(struct kunit *test)
{
	int wanted = -1;

	if (IS_ENABLED(CONFIG_ARM64_4K_PAGES))
		wanted = 4;
	if (IS_ENABLED(CONFIG_ARM64_16K_PAGES))
		wanted = 7;
	if (IS_ENABLED(CONFIG_ARM64_64K_PAGES))
		wanted = 5;

	KUNIT_EXPECT_EQ(test, arch_wants_pte_order(), wanted);
	KUNIT_EXPECT_NE(test, arch_wants_pte_order(), 1);
	KUNIT_EXPECT_LT(test, arch_wants_pte_order(), HPAGE_PMD_ORDER);
}

static int nr_sets(int order)
{
	return !!(huge_anon_orders_always & BIT(order)) +
	       !!(huge_anon_orders_inherit & BIT(order)) +
	       !!(huge_anon_orders_madvise & BIT(order));
}

/* What was set is read again, from any state, and other sizes are not touched */
static void policy_set_and_get(struct kunit *test)
{
	int order, other, from, to;

	mock_settings_save(test);
	for (order = 2; order <= HPAGE_PMD_ORDER; order++)
		for (from = 0; from < NR_ANON_FOLIO_ENABLED; from++)
			for (to = 0; to < NR_ANON_FOLIO_ENABLED; to++) {
				int seen;

				huge_anon_order_set(order, from);
				huge_anon_order_set(order, to);
				seen = huge_anon_order_get(order);
				KUNIT_EXPECT_EQ_MSG(test, seen, to, "order %d from %s to %s: is %s",
						    order, enabled_names[from],
						    enabled_names[to], enabled_names[seen]);
				KUNIT_EXPECT_EQ_MSG(test, nr_sets(order), to != ANON_FOLIO_NEVER,
						    "order %d at %s is in %d sets", order,
						    enabled_names[to], nr_sets(order));
				huge_anon_order_set(order, ANON_FOLIO_NEVER);
				for (other = 2; other <= HPAGE_PMD_ORDER; other++)
					KUNIT_EXPECT_EQ(test, huge_anon_order_get(other),
							ANON_FOLIO_NEVER);
			}
}

/* Sizes without counters are left out; the others count each for itself */
static void policy_counters(struct kunit *test)
{
	static struct mock_counts before, after;
	int order, other, item;

	mock_count(&before);
	for (order = -1; order <= HPAGE_PMD_ORDER + 2; order++)
		for (item = 0; item < NR_MTHP_STATS; item++)
			mod_mthp_stat(order, item, order * 100 + item);
	mock_count(&after);

	for (other = 0; other <= HPAGE_PMD_ORDER; other++)
		for (item = 0; item < NR_MTHP_STATS; item++)
			KUNIT_EXPECT_EQ_MSG(test,
					    after.mthp[other][item] - before.mthp[other][item],
					    other < 2 ? 0L : other * 100L + item,
					    "order %d, counter %d", other, item);

	for (order = 2; order <= HPAGE_PMD_ORDER; order++)
		for (item = 0; item < NR_MTHP_STATS; item++)
			mod_mthp_stat(order, item, -(order * 100 + item));
}

/* -------------------------------------------------------------------- VMA */

/* The order that a fault takes in a VMA as large as one block of MOCK_MAX_ORDER */
static int faulted_order(struct kunit *test, struct mock_pgtable *mock)
{
	struct folio *folio;
	int order = -1;

	KUNIT_EXPECT_EQ(test, mock_fault(mock, 3, true), 0);
	folio = mock_folio(mock, 3);
	if (folio)
		order = folio_order(folio);
	mock_unmap(mock, 0, 1U << MOCK_MAX_ORDER);

	return order;
}

static void check_live(struct kunit *test, struct mock_pgtable *mock,
		       const struct point *p, int enabled, bool prctl)
{
	unsigned long fits, seen, wanted = 0;
	int order, fault;

	for (order = 2; order <= HPAGE_PMD_ORDER; order++)
		if (!prctl && size_wanted(p, order, enabled))
			wanted |= BIT(order);
	if (!has_transparent_hugepage())
		wanted &= ~BIT(HPAGE_PMD_ORDER);

	mock_settings_set(p->policy, globals[p->global]);
	mock_settings_orders(THP_ORDERS_ALL_ANON, enabled);
	assign_bit(MMF_DISABLE_THP, &mock->mm->flags, prctl);
	seen = anon_folio_orders(mock->vma,
				 mock->vma->vm_flags | hints[p->hint].vm_flags);
	KUNIT_EXPECT_EQ_MSG(test, seen, wanted,
			    "%s, sizes %s, prctl %d: orders seen %#lx, wanted %#lx",
			    p->name, enabled_names[enabled], prctl, seen, wanted);

	fits = wanted & (BIT(MOCK_MAX_ORDER + 1) - 1);
	order = fits ? highest_order(fits) : 0;
	mock->vma->vm_flags |= hints[p->hint].vm_flags;
	fault = faulted_order(test, mock);
	mock->vma->vm_flags &= ~hints[p->hint].vm_flags;
	KUNIT_EXPECT_EQ_MSG(test, fault, order, "%s, sizes %s, prctl %d: fault",
			    p->name, enabled_names[enabled], prctl);
}

/*
 * The settings that are in force, the VMA's hint and the process's prctl come
 * together in a real VMA: every combination with all sizes at each value. And a
 * fault in it takes the largest that fits.
 */
static void policy_live(struct kunit *test)
{
	struct mock_pgtable *mock;
	unsigned int point;
	struct point p;
	int enabled, prctl;

	mock_settings_save(test);
	mock = mock_pgtable_create(test, 0, 1U << MOCK_MAX_ORDER, VM_READ | VM_WRITE);

	for (point = 0; point < NR_POINTS; point++) {
		get_point(&p, point);
		for (enabled = 0; enabled < NR_ANON_FOLIO_ENABLED; enabled++)
			for (prctl = 0; prctl < 2; prctl++)
				check_live(test, mock, &p, enabled, prctl);
	}
	clear_bit(MMF_DISABLE_THP, &mock->mm->flags);
}

static const struct {
	const char *name;
	unsigned long vm_flags;
	unsigned long allowed;
} special_vmas[] = {
	{ "plain", 0, THP_ORDERS_ALL_ANON },
	{ "mlocked", VM_LOCKED, THP_ORDERS_ALL_ANON },
	{ "stack", VM_GROWSDOWN, THP_ORDERS_ALL_ANON },
	{ "stack while exec() builds it", VM_GROWSDOWN | VM_STACK_INCOMPLETE_SETUP, 0 },
	{ "device memory", VM_IO, 0 },
	{ "PFN map", VM_PFNMAP, 0 },
	{ "mixed map", VM_MIXEDMAP, 0 },
	{ "hugetlb", VM_HUGETLB, 0 },
#ifdef CONFIG_USERFAULTFD
	{ "userfaultfd, missing", VM_UFFD_MISSING, BIT(HPAGE_PMD_ORDER) },
	{ "userfaultfd, write-protect", VM_UFFD_WP, BIT(HPAGE_PMD_ORDER) },
#endif
};

/*
 * Memory that is not ordinary anonymous memory gets single pages even with each
 * size at "always". A userfaultfd's user is promised an event for each page;
 * the PMD size is left to the huge page fault, which keeps that promise.
 */
static void policy_special_vmas(struct kunit *test)
{
	unsigned long all = THP_ORDERS_ALL_ANON;
	struct mock_pgtable *mock;
	unsigned long orders;
	int i;

	if (!has_transparent_hugepage())
		all = THP_ORDERS_PTE_ANON;
	mock_settings_save(test);
	mock_settings_orders(THP_ORDERS_ALL_ANON, ANON_FOLIO_ALWAYS);
	mock = mock_pgtable_create(test, 0, 16, VM_READ | VM_WRITE);

	for (i = 0; i < ARRAY_SIZE(special_vmas); i++) {
		unsigned long old = mock->vma->vm_flags;

		mock->vma->vm_flags |= special_vmas[i].vm_flags;
		orders = anon_folio_orders(mock->vma, mock->vma->vm_flags);
		mock->vma->vm_flags = old;
		KUNIT_EXPECT_EQ_MSG(test, orders, special_vmas[i].allowed & all,
				    "%s", special_vmas[i].name);
	}
}

/* A VMA of a file, or of no mm, has no anonymous folios */
static void policy_not_anonymous(struct kunit *test)
{
	static const struct vm_operations_struct ops;
	struct mock_pgtable *mock;
	struct vm_area_struct vma;

	mock_settings_save(test);
	mock_settings_orders(THP_ORDERS_ALL_ANON, ANON_FOLIO_ALWAYS);
	mock = mock_pgtable_create(test, 0, 16, VM_READ | VM_WRITE);

	memcpy(&vma, mock->vma, sizeof(vma));
	KUNIT_EXPECT_NE(test, anon_folio_orders(&vma, vma.vm_flags), 0UL);
	vma.vm_ops = &ops;
	KUNIT_EXPECT_EQ(test, anon_folio_orders(&vma, vma.vm_flags), 0UL);
	vma.vm_ops = NULL;
	vma.vm_mm = NULL;
	KUNIT_EXPECT_EQ(test, anon_folio_orders(&vma, vma.vm_flags), 0UL);
}

/* ------------------------------------------------------------ the bounds */

/* Is every page of the aligned block around page @at in [start, end)? */
static bool block_inside(unsigned long at, int order, unsigned long start,
			 unsigned long end)
{
	unsigned long nr = 1UL << order, first = at / nr * nr;

	return first >= start && first + nr - 1 < end;
}

static bool check_suitable(struct kunit *test, unsigned long start,
			   unsigned long end, unsigned long at, unsigned long orders)
{
	struct vm_area_struct vma = {
		.vm_start = start << PAGE_SHIFT,
		.vm_end = end << PAGE_SHIFT,
	};
	/* A fault may be at any byte of the page */
	unsigned long addr = (at << PAGE_SHIFT) + (at * 7 + start) % PAGE_SIZE;
	unsigned long seen = thp_vma_suitable_orders(&vma, addr, orders);
	unsigned long wanted = 0;
	int order;

	for (order = 0; order <= HPAGE_PMD_ORDER; order++)
		if ((orders & BIT(order)) && block_inside(at, order, start, end))
			wanted |= BIT(order);

	KUNIT_EXPECT_EQ_MSG(test, seen, wanted,
			    "VMA [%lu, %lu), fault at page %lu, orders %#lx: %#lx, wanted %#lx",
			    start, end, at, orders, seen, wanted);
	return seen == wanted;
}

/* VMAs of every start and every size up to some, faults at every page of them */
static void policy_bounds_small(struct kunit *test)
{
	unsigned long start, nr, at;

	for (start = 1024; start < 1024 + 40; start++) {
		for (nr = 1; nr <= 72; nr++)
			for (at = start; at < start + nr; at++)
				if (!check_suitable(test, start, start + nr, at,
						    THP_ORDERS_ALL_ANON))
					return;
		cond_resched();
	}
}

/* The same near the bounds of each order's block, with sets that have holes */
static void policy_bounds_large(struct kunit *test)
{
	static const unsigned long sets[] = {
		~0UL, BIT(2), BIT(HPAGE_PMD_ORDER), BIT(2) | BIT(HPAGE_PMD_ORDER),
		0x5555555555555554, 0x2aaaaaaaaaaaaaa8, 0,
	};
	unsigned long base = 4UL << HPAGE_PMD_ORDER;
	int order, set, before, after, off;

	for (order = 2; order <= HPAGE_PMD_ORDER; order++) {
		unsigned long nr = 1UL << order;

		for (set = 0; set < ARRAY_SIZE(sets); set++)
			for (before = -2; before <= 2; before++)
				for (after = -2; after <= 2; after++)
					for (off = 0; off < 5; off++) {
						unsigned long start = base + before;
						unsigned long end = base + nr + after;
						unsigned long last = end - start - 1;

						check_suitable(test, start, end,
							       start + last * off / 4,
							       sets[set] & THP_ORDERS_ALL_ANON);
					}
	}
}

/* A VMA at the very top of the address space: no sum wraps */
static void policy_bounds_top(struct kunit *test)
{
	unsigned long top = ULONG_MAX >> PAGE_SHIFT;
	unsigned long nr, at;

	for (nr = 1; nr <= 64; nr++)
		for (at = top - nr; at < top; at++)
			if (!check_suitable(test, top - nr, top, at,
					    THP_ORDERS_ALL_ANON))
				return;
}

static struct kunit_case policy_cases[] = {
	KUNIT_CASE(policy_boot_defaults),
	KUNIT_CASE(policy_every_setting),
	KUNIT_CASE(policy_never_order_1),
	KUNIT_CASE(policy_cap),
	KUNIT_CASE(policy_default_orders),
	KUNIT_CASE(policy_arch_wish),
	KUNIT_CASE(policy_set_and_get),
	KUNIT_CASE(policy_counters),
	KUNIT_CASE(policy_live),
	KUNIT_CASE(policy_special_vmas),
	KUNIT_CASE(policy_not_anonymous),
	KUNIT_CASE(policy_bounds_small),
	KUNIT_CASE(policy_bounds_large),
	KUNIT_CASE(policy_bounds_top),
	KUNIT_CASE(mock_leak_check),
	{}
};

static struct kunit_suite policy_suite = {
	.name = "large_anon_folio_policy",
	.suite_init = mock_leak_check_init,
	.test_cases = policy_cases,
};

kunit_test_suite(policy_suite);
