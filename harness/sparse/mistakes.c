// SPDX-License-Identifier: GPL-2.0
/* Each function but the last has one mistake, which sparse has to find. */
#include <linux/mm.h>
#include <linux/pte_batch.h>
#include <linux/rmap_id.h>

/* A number is no set of flags */
static int bad_flags(struct folio *folio, pte_t *ptep, int nr)
{
	return folio_pte_batch(folio, ptep, *ptep, nr, 1, NULL, NULL, NULL);
}

/* Nor are the flags of something else */
static int bad_gfp(struct folio *folio, pte_t *ptep, int nr)
{
	return folio_pte_batch(folio, ptep, *ptep, nr, GFP_KERNEL, NULL, NULL, NULL);
}

/* What a reader saw is no number */
static u64 bad_seq(struct atomic_seqcount *s)
{
	return read_atomic_seqcount_begin(s) + 1;
}

/* An ID's number is none to calculate with */
static u32 bad_number(struct mm_struct *mm)
{
	return mm->rmap_id->number + 1;
}

/* All as it is meant */
static int good(struct folio *folio, struct mm_struct *mm, pte_t *ptep, int nr)
{
	bool sole = folio_begin_rmap(folio);

	folio_count_rmap(folio, mm, nr, sole);
	folio_end_rmap(folio, sole);

	return folio_pte_batch(folio, ptep, *ptep, nr,
			       FPB_IGNORE_DIRTY | FPB_IGNORE_SOFT_DIRTY,
			       NULL, NULL, NULL);
}

/* Used, so that the compiler has nothing to say */
struct {
	int (*flags)(struct folio *folio, pte_t *ptep, int nr);
	int (*gfp)(struct folio *folio, pte_t *ptep, int nr);
	u64 (*seq)(struct atomic_seqcount *s);
	u32 (*number)(struct mm_struct *mm);
	int (*good)(struct folio *folio, struct mm_struct *mm, pte_t *ptep, int nr);
} static const mistakes __used = {
	bad_flags, bad_gfp, bad_seq, bad_number, good,
};
