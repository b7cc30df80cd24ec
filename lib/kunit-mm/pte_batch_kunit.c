// SPDX-License-Identifier: GPL-2.0-only
/*
 * Stepping from one PTE to the next, writing a run of them, and finding one.
 */
#include <kunit/test.h>
#include <linux/mm.h>
#include <linux/pte_batch.h>
#include <linux/slab.h>
#include <linux/swap.h>
#include <linux/swapops.h>

#include "../../mm/internal.h"
#include "mock_pgtable.h"

/* Bits of a physical address that a PTE can hold */
#if defined(CONFIG_ARM64)
#define MOCK_PHYS_BITS	CONFIG_ARM64_PA_BITS
#elif defined(CONFIG_X86_64) && !defined(CONFIG_UML)
#define MOCK_PHYS_BITS	__PHYSICAL_MASK_SHIFT
#else
#define MOCK_PHYS_BITS	46
#endif

/* All protections that a VMA can have: PROT_NONE is the one without a bit */
#define NR_PROTS	(VM_READ | VM_WRITE | VM_EXEC | VM_SHARED)

/* What else may be set in a PTE */
static pte_t variant(pte_t pte, int which)
{
	switch (which) {
	case 0:
		return pte_mkold(pte_mkclean(pte_wrprotect(pte)));
	case 1:
		return pte_mkyoung(pte);
	case 2:
		return pte_mkdirty(pte_mkwrite(pte));
	case 3:
		return pte_mksoft_dirty(pte_mkyoung(pte));
	case 4:
		return pte_mkspecial(pte);
	default:
		return pte_wrprotect(pte_mkdirty(pte));
	}
}

#define NR_VARIANTS	6

/*
 * The value for page N, stepped once, is the value for page N + 1: at every
 * place where the addition carries into another bit, in every protection. That
 * includes bits [51:48] on arm64, which are below the others in the PTE, and
 * x86's PROT_NONE, where the PFN is inverted.
 */
static void pte_next_pfn_carries(struct kunit *test)
{
	int bit, prot, which, near;

	for (bit = 1; bit < MOCK_PHYS_BITS - PAGE_SHIFT; bit++)
		for (prot = 0; prot <= NR_PROTS; prot++)
			for (which = 0; which < NR_VARIANTS; which++)
				for (near = -2; near < 2; near++) {
					unsigned long pfn = BIT(bit) + near;
					pgprot_t pgprot = vm_get_page_prot(prot);
					pte_t pte = variant(pfn_pte(pfn, pgprot), which);
					pte_t want = variant(pfn_pte(pfn + 1, pgprot), which);
					pte_t next = pte_next_pfn(pte);

					KUNIT_ASSERT_EQ_MSG(test, pte_pfn(pte), pfn,
							    "can't store PFN %#lx", pfn);
					KUNIT_EXPECT_EQ_MSG(test, pte_val(next), pte_val(want),
							    "PFN %#lx, protection %#x, variant %d: %#llx stepped to %#llx, wanted %#llx",
							    pfn, prot, which, (u64)pte_val(pte),
							    (u64)pte_val(next), (u64)pte_val(want));
					KUNIT_EXPECT_EQ(test, pte_pfn(next), pfn + 1);
				}
}

/* Through a whole page table's worth of steps nothing but the PFN moves */
static void pte_next_pfn_far(struct kunit *test)
{
	unsigned long first = BIT(MOCK_PHYS_BITS - PAGE_SHIFT - 1) - PTRS_PER_PTE / 2;
	int prot, i;

	for (prot = 0; prot <= NR_PROTS; prot++) {
		pgprot_t pgprot = vm_get_page_prot(prot);
		pte_t pte = pfn_pte(first, pgprot);

		for (i = 0; i < PTRS_PER_PTE; i++, pte = pte_next_pfn(pte))
			if (pte_val(pte) != pte_val(pfn_pte(first + i, pgprot)))
				break;
		KUNIT_EXPECT_EQ_MSG(test, i, PTRS_PER_PTE,
				    "protection %#x goes wrong after PFN %#lx",
				    prot, first + i - 1);
	}
}

/*
 * set_ptes() writes exactly nr entries, for consecutive pages, alike but for
 * the PFN, and touches neither neighbour.
 */
static void set_ptes_run(struct kunit *test)
{
	static const unsigned int lengths[] = { 1, 2, 3, 4, 7, 8, 16, 31, 64 };
	struct mock_pgtable *mock = mock_pgtable_create(test, 0, 80, VM_READ | VM_WRITE);
	struct page *page = alloc_pages(GFP_KERNEL | __GFP_COMP, 6);
	unsigned int l, prot, at, i;

	KUNIT_ASSERT_NOT_NULL(test, page);
	for (l = 0; l < ARRAY_SIZE(lengths); l++)
		for (prot = 0; prot <= NR_PROTS; prot++) {
			unsigned int nr = lengths[l], start = 1 + l;
			pgprot_t pgprot = vm_get_page_prot(prot);
			pmd_t *pmd = mock_pmd(mock, 0);
			unsigned int wrong = UINT_MAX;
			spinlock_t *ptl; /* the page table's */
			pte_t *pte;

			pte = pte_offset_map_lock(mock->mm, pmd, mock_addr(mock, 0),
						  &ptl);
			set_ptes(mock->mm, mock_addr(mock, start), pte + start,
				 pte_mkspecial(mk_pte(page, pgprot)), nr);
			for (at = 0; at < 80; at++) {
				bool in = at >= start && at < start + nr;
				pte_t seen = ptep_get(pte + at);

				if (in)
					in = pte_present(seen) &&
					     pte_pfn(seen) == page_to_pfn(page + at - start);
				else
					in = pte_none(seen);
				if (!in)
					wrong = at;
			}
			/* Nothing is counted for these entries: no zapping */
			for (i = 0; i < nr; i++)
				pte_clear(mock->mm, mock_addr(mock, start + i),
					  pte + start + i);
			pte_unmap_unlock(pte, ptl);

			KUNIT_EXPECT_EQ_MSG(test, wrong, UINT_MAX,
					    "%u entries from %u, protection %#x: entry %u is wrong",
					    nr, start, prot, wrong);
		}
	__free_pages(page, 6);
}

/* ------------------------------------------------------ folio_pte_batch() */

/*
 * Two folios of one order that are neighbours in memory, and a page table whose
 * entries are not counted: nothing but the functions under test sees them.
 *
 * Entry 0 and the last one are beyond what the tests fill with runs.
 */
struct batch {
	struct mock_pgtable *mock;
	struct page *block;
	unsigned int order;
	unsigned int entries;
};

#define BATCH_MAX_ORDER	min(6, MOCK_MAX_ORDER)

/* Beside the MOCK_* flags */
#define BATCH_UFFD_WP	BIT(8)
#define BATCH_SPECIAL	BIT(9)

/* Flags that a PTE can have here; those of MOCK_* that concern no PTE left out */
static unsigned long pte_flags_known(void)
{
	return MOCK_WRITE | MOCK_YOUNG | MOCK_DIRTY | MOCK_PROTNONE |
	       (IS_ENABLED(CONFIG_MEM_SOFT_DIRTY) ? MOCK_SOFT_DIRTY : 0) |
	       (IS_ENABLED(CONFIG_HAVE_ARCH_USERFAULTFD_WP) ? BATCH_UFFD_WP : 0) |
	       (IS_ENABLED(CONFIG_ARCH_HAS_PTE_SPECIAL) ? BATCH_SPECIAL : 0);
}

static pte_t batch_pte(struct page *page, unsigned long flags)
{
	pte_t pte = mock_run_pte(page, flags);

	if (flags & BATCH_UFFD_WP)
		pte = pte_mkuffd_wp(pte);
	return flags & BATCH_SPECIAL ? pte_mkspecial(pte) : pte;
}

static void batch_clear(struct batch *b)
{
	unsigned int at;

	for (at = 0; at < b->entries; at++)
		mock_set_pte(b->mock, at, __pte(0));
}

static void batch_free_res(struct kunit_resource *res)
{
	struct batch *b = res->data;

	batch_clear(b);
	__free_pages(b->block, b->order);
	__free_pages(b->block + (1U << b->order), b->order);
	kfree(b);
}

static int batch_init_res(struct kunit_resource *res, void *context)
{
	struct batch *b = kmalloc(sizeof(*b), GFP_KERNEL);
	struct page *second;

	if (!b)
		return -ENOMEM;

	*b = *(struct batch *)context;
	b->block = alloc_pages(GFP_KERNEL, b->order + 1);
	if (!b->block) {
		kfree(b);
		return -ENOMEM;
	}

	/* Only the first page of the block has a reference yet */
	second = b->block + (1U << b->order);
	set_page_count(second, 1);
	if (b->order) {
		prep_compound_page(b->block, b->order);
		prep_compound_page(second, b->order);
	}
	res->data = b;

	return 0;
}

/* The test's end, or batch_release(), releases it, after it cleared all PTEs */
static struct batch *batch_create(struct kunit *test, unsigned int order)
{
	struct batch b = { .order = order, .entries = (2U << order) + 2 };
	struct batch *ret;

	b.mock = mock_pgtable_create(test, 0, b.entries, VM_READ | VM_WRITE);
	mock_pmd(b.mock, 0);
	ret = kunit_alloc_resource(test, batch_init_res, batch_free_res,
				   GFP_KERNEL, &b);
	KUNIT_ASSERT_NOT_NULL_MSG(test, ret, "no two folios of order %u", order);

	return ret;
}

static bool batch_is_resource(struct kunit *test, struct kunit_resource *res,
			      void *b)
{
	return res->data == b;
}

static void batch_release(struct kunit *test, struct batch *b)
{
	struct mock_pgtable *mock = b->mock;

	kunit_destroy_resource(test, batch_is_resource, b);
	mock_pgtable_release(mock);
}

/* Entries from 1 on map both folios in sequence, all with the same flags */
static void batch_fill(struct batch *b, unsigned long flags)
{
	unsigned int at;

	for (at = 1; at < b->entries - 1; at++)
		mock_set_pte(b->mock, at, batch_pte(b->block + at - 1, flags));
}

/* folio_pte_batch() from entry @at on, under the page table lock */
static int batch_run(struct batch *b, unsigned int at, int max_nr, fpb_t flags,
		     bool *any_writable, bool *any_young, bool *any_dirty)
{
	unsigned long addr = mock_addr(b->mock, at);
	spinlock_t *ptl; /* the page table's */
	pte_t *ptep, pte;
	int nr;

	ptep = pte_offset_map_lock(b->mock->mm, mock_pmd(b->mock, at), addr, &ptl);
	pte = ptep_get(ptep);
	nr = folio_pte_batch(page_folio(pte_page(pte)), ptep, pte, max_nr, flags,
			     any_writable, any_young, any_dirty);
	pte_unmap_unlock(ptep, ptl);

	return nr;
}

#define FPB_IGNORE_ALL	(FPB_IGNORE_DIRTY | FPB_IGNORE_SOFT_DIRTY)

/*
 * A run from every page of a folio ends after max_nr entries, and with the
 * folio, though the next entry maps the next page in memory: that is another
 * folio's.
 */
static void batch_lengths(struct kunit *test)
{
	unsigned int order, at;
	int max_nr;

	for (order = 0; order <= BATCH_MAX_ORDER && !mock_failed(test); order++) {
		struct batch *b = batch_create(test, order);
		unsigned int nr = 1U << order;

		batch_fill(b, MOCK_WRITE | MOCK_YOUNG | MOCK_DIRTY);
		for (at = 1; at <= 2 * nr; at++) {
			int left = nr - (at - 1) % nr;

			for (max_nr = 1; max_nr <= 2 * nr + 1 - at; max_nr++)
				KUNIT_EXPECT_EQ_MSG(test, batch_run(b, at, max_nr, 0, NULL,
								    NULL, NULL),
						    min(left, max_nr),
						    "order %u, page %u, at most %d entries",
						    order, at - 1, max_nr);
		}
		batch_release(test, b);
	}
}

/* What may stand where the next page of a folio is expected */
enum stop {
	STOP_NONE, STOP_SWAP, STOP_MIGRATION, STOP_ZERO_PAGE,
	STOP_OTHER_FOLIO, STOP_SAME_PAGE, STOP_PAGE_BEFORE, STOP_PAGE_AFTER,
	STOP_FIRST_PAGE, STOP_PROT_NONE, NR_STOPS
};

static const char * const stop_names[NR_STOPS] = {
	"an empty entry", "a swap entry", "a migration entry",
	"the zero page", "another folio's page", "the same page again", "the page before it",
	"the page after the next", "the folio's first page", "a PROT_NONE entry",
};

/* The entry that stands for page @i of the folio, i > 0 */
static pte_t stop_pte(struct batch *b, unsigned int i, enum stop stop,
		      unsigned long flags)
{
	unsigned int nr = 1U << b->order;
	struct page *page = b->block + i;
	pgprot_t prot = vm_get_page_prot(VM_READ);

	switch (stop) {
	case STOP_NONE:
		return __pte(0);
	case STOP_SWAP:
		return swp_entry_to_pte(swp_entry(0, page_to_pfn(page)));
	case STOP_MIGRATION:
		return swp_entry_to_pte(make_readable_migration_entry(page_to_pfn(page)));
	case STOP_ZERO_PAGE:
		return pte_mkspecial(pfn_pte(my_zero_pfn(mock_addr(b->mock, i)), prot));
	case STOP_OTHER_FOLIO:
		return batch_pte(page + nr, flags);
	case STOP_SAME_PAGE:
		return batch_pte(page - 1, flags);
	case STOP_PAGE_BEFORE:
		return batch_pte(i > 1 ? page - 2 : page + nr - 1, flags);
	case STOP_PAGE_AFTER:
		return batch_pte(page + 1, flags);
	case STOP_FIRST_PAGE:
		return batch_pte(b->block, flags);
	default:
		return batch_pte(page, flags ^ MOCK_PROTNONE);
	}
}

/*
 * A run ends before whatever is not the folio's next page in a present entry of
 * the same protection, though the entries after that one go on as expected.
 */
static void batch_stops(struct kunit *test)
{
	static const unsigned long base[] = {
		0, MOCK_WRITE | MOCK_YOUNG | MOCK_DIRTY, MOCK_PROTNONE | MOCK_YOUNG,
	};
	unsigned int order, start, i, f;
	int stop;

	for (order = 2; order <= BATCH_MAX_ORDER; order++) {
		struct batch *b = batch_create(test, order);
		unsigned int nr = 1U << order, step = max(1U, nr / 8);

		for (f = 0; f < ARRAY_SIZE(base); f++) {
			batch_fill(b, base[f]);
			for (i = 1; i < nr && !mock_failed(test); i++)
				for (stop = 0; stop < NR_STOPS; stop++) {
					mock_set_pte(b->mock, 1 + i, stop_pte(b, i, stop, base[f]));
					for (start = (i - 1) % step; start < i; start += step)
						KUNIT_EXPECT_EQ_MSG(test,
								    batch_run(b, 1 + start, nr,
									      FPB_IGNORE_ALL, NULL,
									      NULL, NULL),
								    i - start,
								    "order %u, from page %u, %s for page %u, flags %#lx",
								    order, start, stop_names[stop],
								    i, base[f]);
					mock_set_pte(b->mock, 1 + i,
						     batch_pte(b->block + i, base[f]));
				}
		}
		batch_release(test, b);
	}
}

/*
 * Writable and young never end a run; dirty and soft-dirty do unless they shall
 * be ignored; each other bit does. Whether it is the one that is set or the one
 * that is clear does not matter, nor what else is set.
 */
static void batch_bits(struct kunit *test)
{
	const unsigned long known = pte_flags_known();
	struct batch *b = batch_create(test, 3);
	unsigned long base, differs;
	unsigned int f, i, bit;

	for (base = 0; base <= known && !mock_failed(test); base++) {
		if (base & ~known)
			continue;
		batch_fill(b, base);
		for_each_set_bit(bit, &known, BITS_PER_LONG)
			for (f = 0; f < 4; f++) {
				fpb_t flags = (f & 1 ? FPB_IGNORE_DIRTY : 0) |
					      (f & 2 ? FPB_IGNORE_SOFT_DIRTY : 0);
				bool ends;

				differs = BIT(bit);
				ends = !(differs & (MOCK_WRITE | MOCK_YOUNG |
						    (f & 1 ? MOCK_DIRTY : 0) |
						    (f & 2 ? MOCK_SOFT_DIRTY : 0)));
				i = 1 + (base + bit) % 7;
				mock_set_pte(b->mock, 1 + i,
					     batch_pte(b->block + i, base ^ differs));
				KUNIT_EXPECT_EQ_MSG(test, batch_run(b, 1, 8, flags, NULL, NULL,
								    NULL),
						    ends ? (int)i : 8,
						    "flags %#lx, at page %u %#lx, ignored %u",
						    base, i, base ^ differs, f);
				/* The other way around, from the one that differs */
				KUNIT_EXPECT_EQ_MSG(test, batch_run(b, 1 + i, 8, flags, NULL, NULL,
								    NULL),
						    ends ? 1 : 8 - (int)i,
						    "flags %#lx, from page %u %#lx, ignored %u",
						    base, i, base ^ differs, f);
				mock_set_pte(b->mock, 1 + i, batch_pte(b->block + i, base));
			}
	}
}

#define NR_MIXES	BIT(12)

/*
 * any_writable, any_young and any_dirty say what is in the run, and nothing of
 * the entries after it: in all mixes of the bits in four entries, whether the
 * run ends with max_nr or where the dirty bit changes, and whichever of the
 * three is asked for.
 */
static void batch_any(struct kunit *test)
{
	struct batch *b = batch_create(test, 3);
	unsigned int mix, i, asked;
	int max_nr, ignore;

	batch_fill(b, MOCK_WRITE | MOCK_YOUNG | MOCK_DIRTY);
	for (mix = 0; mix < NR_MIXES && !mock_failed(test); mix++) {
		/* Pages 1 to 4 of the folio; their neighbours have all bits */
		for (i = 0; i < 4; i++)
			mock_set_pte(b->mock, 2 + i,
				     batch_pte(b->block + 1 + i, mock_mix(mix, i)));

		for (max_nr = 1; max_nr <= 4; max_nr++)
			for (ignore = 0; ignore < 2; ignore++) {
				bool write = true, young = true, dirty = true;
				unsigned long any = 0;
				int want = 0, nr;

				while (want < max_nr &&
				       (ignore || !want || !((mock_mix(mix, want) ^
							      mock_mix(mix, 0)) & MOCK_DIRTY)))
					any |= mock_mix(mix, want++);

				nr = batch_run(b, 2, max_nr, FPB_IGNORE_SOFT_DIRTY |
					       (ignore ? FPB_IGNORE_DIRTY : 0),
					       &write, &young, &dirty);
				KUNIT_EXPECT_EQ_MSG(test, nr, want, "mix %#o, at most %d",
						    mix, max_nr);
				KUNIT_EXPECT_EQ_MSG(test, write, !!(any & MOCK_WRITE),
						    "mix %#o, %d entries", mix, nr);
				KUNIT_EXPECT_EQ_MSG(test, young, !!(any & MOCK_YOUNG),
						    "mix %#o, %d entries", mix, nr);
				KUNIT_EXPECT_EQ_MSG(test, dirty, !!(any & MOCK_DIRTY),
						    "mix %#o, %d entries", mix, nr);

				asked = mix % 8;
				write = !(any & MOCK_WRITE);
				young = !(any & MOCK_YOUNG);
				dirty = !(any & MOCK_DIRTY);
				nr = batch_run(b, 2, max_nr, FPB_IGNORE_SOFT_DIRTY |
					       (ignore ? FPB_IGNORE_DIRTY : 0),
					       asked & 1 ? &write : NULL,
					       asked & 2 ? &young : NULL,
					       asked & 4 ? &dirty : NULL);
				KUNIT_EXPECT_EQ(test, nr, want);
				KUNIT_EXPECT_EQ(test, write, !!(any & MOCK_WRITE) == !!(asked & 1));
				KUNIT_EXPECT_EQ(test, young, !!(any & MOCK_YOUNG) == !!(asked & 2));
				KUNIT_EXPECT_EQ(test, dirty, !!(any & MOCK_DIRTY) == !!(asked & 4));
			}
	}
}

/* --------------------------------------------------- changing a run of PTEs */

enum change {
	WRPROTECT,
	CLEAR,
	CLEAR_FULL,
	GET_AND_CLEAR,
	CLEAR_YOUNG,
	CLEAR_YOUNG_DIRTY,
	NR_CHANGES,
};

/* What a change leaves of a PTE's flags; what is cleared has none */
static unsigned long change_keeps(enum change change)
{
	switch (change) {
	case WRPROTECT:
		return ~MOCK_WRITE;
	case CLEAR_YOUNG:
		return ~MOCK_YOUNG;
	case CLEAR_YOUNG_DIRTY:
		return ~(MOCK_YOUNG | MOCK_DIRTY);
	default:
		return 0;
	}
}

/* The entries 2 to 1 + @nr are changed, no other; @got is what that returned */
static void check_change(struct kunit *test, struct batch *b, enum change how,
			 unsigned int mix, unsigned int nr, pte_t got, const pte_t *before)
{
	const unsigned long known = pte_flags_known();
	unsigned long any = 0;
	unsigned int at;

	for (at = 0; at < b->entries; at++) {
		pte_t pte = mock_pte(b->mock, at);

		if (at < 2 || at >= 2 + nr) {
			KUNIT_EXPECT_EQ_MSG(test, pte_val(pte), pte_val(before[at]),
					    "change %d, mix %#o, %u entries: neighbour %u",
					    how, mix, nr, at);
			continue;
		}
		any |= mock_mix(mix, at - 2);
		if (!change_keeps(how)) {
			KUNIT_EXPECT_TRUE_MSG(test, pte_none(pte),
					      "change %d, mix %#o, entry %u of %u is %#llx",
					      how, mix, at - 2, nr, (u64)pte_val(pte));
			continue;
		}
		KUNIT_EXPECT_EQ_MSG(test, mock_pte_flags(pte) & known,
				    mock_mix(mix, at - 2) & known & change_keeps(how),
				    "change %d, mix %#o, entry %u of %u", how, mix, at - 2, nr);
		KUNIT_EXPECT_TRUE(test, pte_present(pte));
		KUNIT_EXPECT_EQ(test, pte_pfn(pte), pte_pfn(before[at]));
	}

	if (how == GET_AND_CLEAR) {
		const unsigned long ored = MOCK_YOUNG | MOCK_DIRTY;

		KUNIT_EXPECT_EQ_MSG(test, mock_pte_flags(got) & ored, any & ored,
				    "mix %#o, %u entries", mix, nr);
		KUNIT_EXPECT_EQ_MSG(test, pte_write(got), pte_write(before[2]),
				    "mix %#o, %u entries", mix, nr);
		KUNIT_EXPECT_EQ(test, pte_pfn(got), pte_pfn(before[2]));
	}
}

/*
 * All mixes of the bits in four entries, of which the first @nr are changed by
 * each function: it does to these what it says, leaves their other bits as they
 * are, and touches no entry beside them.
 */
static void change_runs(struct kunit *test)
{
	struct batch *b = batch_create(test, 2);
	struct mm_struct *mm = b->mock->mm;
	unsigned long addr = mock_addr(b->mock, 2);
	pte_t before[10], got = __pte(0);
	unsigned int mix, nr, at;
	enum change change;

	KUNIT_ASSERT_EQ(test, b->entries, ARRAY_SIZE(before));
	for (mix = 0; mix < NR_MIXES && !mock_failed(test); mix++)
		for (change = 0; change < NR_CHANGES; change++) {
			pmd_t *pmd = mock_pmd(b->mock, 2);
			spinlock_t *ptl; /* the page table's */
			pte_t *ptep;

			/* Each length in turn: with each mix of the others beside it */
			nr = 1 + (mix + (mix >> 4)) % 4;
			batch_fill(b, MOCK_WRITE | MOCK_YOUNG | MOCK_DIRTY);
			for (at = 0; at < 4; at++)
				mock_set_pte(b->mock, 2 + at,
					     batch_pte(b->block + 1 + at, mock_mix(mix, at)));
			for (at = 0; at < b->entries; at++)
				before[at] = mock_pte(b->mock, at);

			ptep = pte_offset_map_lock(mm, pmd, addr, &ptl);
			switch (change) {
			case WRPROTECT:
				wrprotect_ptes(mm, addr, ptep, nr);
				break;
			case CLEAR:
			case CLEAR_FULL:
				clear_full_ptes(mm, addr, ptep, nr, change == CLEAR_FULL);
				break;
			case GET_AND_CLEAR:
				got = get_and_clear_ptes(mm, addr, ptep, nr);
				break;
			default:
				clear_young_dirty_ptes(mm, addr, ptep, nr,
						       change == CLEAR_YOUNG_DIRTY);
				break;
			}
			pte_unmap_unlock(ptep, ptl);

			check_change(test, b, change, mix, nr, got, before);
		}
}

/*
 * A PTE is settled only if hardware that manages both bits has set accessed,
 * and dirty unless it may not write; x86 wants both even then. Where nobody
 * says what hardware does, none is.
 */
static void hw_settled(struct kunit *test)
{
	struct batch *b = batch_create(test, 0);
	unsigned long flags;

	for (flags = 0; flags < MOCK_SHARED; flags++) {
		bool young = flags & MOCK_YOUNG, dirty = flags & MOCK_DIRTY;
		bool settled = pte_hw_settled(mock_run_pte(b->block, flags));
		bool want = false;

		if (IS_ENABLED(CONFIG_ARM64))
			want = young && (dirty || !(flags & MOCK_WRITE));
		else if (IS_ENABLED(CONFIG_X86) && !IS_ENABLED(CONFIG_UML))
			want = young && dirty;
		KUNIT_EXPECT_EQ_MSG(test, settled, want, "flags %#lx", flags);
	}
}

static struct kunit_case pte_batch_cases[] = {
	KUNIT_CASE(pte_next_pfn_carries),
	KUNIT_CASE(pte_next_pfn_far),
	KUNIT_CASE(set_ptes_run),
	KUNIT_CASE(batch_lengths),
	KUNIT_CASE(batch_stops),
	KUNIT_CASE(batch_bits),
	KUNIT_CASE(batch_any),
	KUNIT_CASE(change_runs),
	KUNIT_CASE(hw_settled),
	KUNIT_CASE(mock_leak_check),
	{}
};

static struct kunit_suite pte_batch_suite = {
	.name = "pte_batch",
	.suite_init = mock_leak_check_init,
	.test_cases = pte_batch_cases,
};

kunit_test_suite(pte_batch_suite);
