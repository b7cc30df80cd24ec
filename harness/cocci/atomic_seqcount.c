// SPDX-License-Identifier: GPL-2.0
/* What atomic_seqcount.cocci has to find, and what it must not. */
#include <linux/atomic_seqcount.h>
#include <linux/mm.h>
#include <linux/mutex.h>
#include <linux/rmap_id.h>
#include <linux/slab.h>

static DEFINE_MUTEX(lock);

int bad_return(struct atomic_seqcount *s, atomic_t *v)
{
	bool sole = write_atomic_seqcount_begin(s);

	if (atomic_read(v) < 0)
		return -EINVAL;
	atomic_seqcount_add(v, 1, sole);
	write_atomic_seqcount_end(s, sole);

	return 0;
}

void bad_rmap(struct folio *folio, struct mm_struct *mm, int nr)
{
	bool sole;

	sole = folio_begin_rmap(folio);
	if (!nr)
		return;
	folio_count_rmap(folio, mm, nr, sole);
	folio_end_rmap(folio, sole);
}

void *bad_sleep(struct page *page, struct mm_struct *mm)
{
	bool sole;
	void *p;

	sole = page_begin_rmap(page);
	mutex_lock(&lock);
	page_count_rmap(page, mm, 1, sole);
	mutex_unlock(&lock);
	p = kmalloc(16, GFP_KERNEL);
	page_end_rmap(page, sole);

	return p;
}

bool bad_nesting(struct folio *folio, struct folio *other, struct mm_struct *mm)
{
	bool shared, sole;

	sole = folio_begin_rmap(folio);
	folio_count_rmap(folio, mm, 1, sole);
	shared = folio_mapped_shared(other, mm);
	folio_end_rmap(folio, sole);

	return shared;
}

int bad_reader(struct atomic_seqcount *s, atomic_t *v)
{
	asq_t seq;
	int n;

	seq = read_atomic_seqcount_begin(s);
	n = atomic_read(v);
	if (n < 0)
		return 0;

	return read_atomic_seqcount_retry(s, seq) ? 0 : n;
}

int bad_try(struct atomic_seqcount *s, atomic_t *v)
{
	asq_t seq;

	if (!try_read_atomic_seqcount_begin(s, &seq))
		return -EAGAIN;

	return atomic_read(v);
}

int bad_result(struct atomic_seqcount *s, atomic_t *v)
{
	asq_t seq = read_atomic_seqcount_begin(s);
	int n = atomic_read(v);

	read_atomic_seqcount_retry(s, seq);
	return n;
}

bool good_begin(struct folio *folio)
{
	return folio_begin_rmap(folio);
}

int good_writer(struct folio *folio, struct mm_struct *mm, int nr)
{
	bool sole;

	if (!nr)
		return 0;
	sole = folio_begin_rmap(folio);
	folio_count_rmap(folio, mm, nr, sole);
	if (nr < 0) {
		folio_end_rmap(folio, sole);
		return -1;
	}
	folio_end_rmap(folio, sole);
	mutex_lock(&lock);
	mutex_unlock(&lock);

	return nr;
}

int good_reader(struct atomic_seqcount *s, atomic_t *v)
{
	asq_t seq;
	int n;

	do {
		seq = read_atomic_seqcount_begin(s);
		n = atomic_read(v);
	} while (read_atomic_seqcount_retry(s, seq));

	if (!try_read_atomic_seqcount_begin(s, &seq))
		return n;
	n = atomic_read(v);

	return read_atomic_seqcount_retry(s, seq) ? 0 : n;
}

void bad_never(struct folio *folio, struct mm_struct *mm)
{
	bool sole = folio_begin_rmap(folio);

	folio_count_rmap(folio, mm, 1, sole);
}

/* Two decisions that are alike */
void good_some(struct folio *folio, struct mm_struct *mm, bool count)
{
	bool sole = false;

	if (count)
		sole = folio_begin_rmap(folio);
	folio_count_rmap(folio, mm, 1, sole);
	if (count)
		folio_end_rmap(folio, sole);
}

bool bad_within(struct atomic_seqcount *s, atomic_t *v)
{
	asq_t seq;
	int n;

	for (;;) {
		if (try_read_atomic_seqcount_begin(s, &seq)) {
			n = atomic_read(v);
			if (n)
				return n;
		}
		cpu_relax();
	}
}

bool good_within(struct atomic_seqcount *s, atomic_t *v)
{
	asq_t seq;
	int n;

	for (;;) {
		if (try_read_atomic_seqcount_begin(s, &seq)) {
			n = atomic_read(v);
			if (!read_atomic_seqcount_retry(s, seq))
				return n;
		}
		cpu_relax();
	}
}
