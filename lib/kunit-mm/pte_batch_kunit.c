// SPDX-License-Identifier: GPL-2.0-only
/*
 * Stepping from one PTE to the next, and writing a run of them.
 */
#include <kunit/test.h>
#include <linux/mm.h>
#include <linux/pte_batch.h>

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

static struct kunit_case pte_batch_cases[] = {
	KUNIT_CASE(pte_next_pfn_carries),
	KUNIT_CASE(pte_next_pfn_far),
	KUNIT_CASE(set_ptes_run),
	KUNIT_CASE(mock_leak_check),
	{}
};

static struct kunit_suite pte_batch_suite = {
	.name = "pte_batch",
	.suite_init = mock_leak_check_init,
	.test_cases = pte_batch_cases,
};

kunit_test_suite(pte_batch_suite);
