/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A sequence count for several writers at a time.
 *
 * It makes a set of counters readable as a whole: each counter is changed
 * atomically by any number of writers at once, and a reader that copied them all
 * can tell whether any writer came between. Readers never write and never stop
 * writers.
 *
 * Contract:
 *
 * - Writers do not exclude each other. What they change must be such that the
 *   order of their changes does not matter: counters, changed by
 *   atomic_seqcount_add() and its like, or by other atomic operations.
 * - A writer is not preempted in its section, which is short: readers that do
 *   not give up, and writers that meet a sole one, wait for its end.
 * - Writers of one count must not interrupt each other on a CPU: all of them are
 *   in one context (task, softirq, hardirq), or it is disabled for the others.
 * - A reader must not wait (read_atomic_seqcount_begin()) where it interrupts a
 *   writer of the same count, nor inside of a writer's section. It may try.
 * - What a reader copied means nothing until read_atomic_seqcount_retry() has
 *   said false. It does not keep anything alive, nor from changing afterwards.
 *
 * - A section is a lock to who has to wait for it: no lock that interrupts take
 *   is held where one begins, nor where a reader waits. Such a lock may be taken
 *   inside. Sections do not nest, whatever their counts: lockdep sees all of them
 *   as one lock.
 *
 * A writer that finds itself alone can be the *sole* one: others wait until it is
 * done, and meanwhile it changes the counters by plain loads and stores. Whether
 * that pays is the hardware's matter: see lib/atomic_seqcount.c.
 *
 * Documentation/locking/atomic_seqcount.rst says more. The idea is that of the
 * message on precise "mapped shared" detection.
 */
#ifndef _LINUX_ATOMIC_SEQCOUNT_H
#define _LINUX_ATOMIC_SEQCOUNT_H

#include <linux/atomic.h>
#include <linux/compiler.h>
#include <linux/jump_label.h>
#include <linux/kcsan-checks.h>
#include <linux/lockdep.h>
#include <linux/preempt.h>
#include <linux/processor.h>
#include <linux/types.h>

/**
 * struct atomic_seqcount - The count.
 * @word: Three counters. From bit 0 up: 16 bits, writers in their sections or
 *	waiting to begin; 16 bits, a sole writer and those who try to be it; 32
 *	bits, sections that were begun. The latter wrap: a reader is fooled if it
 *	is held up between two reads for exactly a multiple of 2^32 sections.
 */
struct atomic_seqcount {
	atomic64_t word;
};

/**
 * typedef asq_t - What a reader saw of a count when it began.
 */
typedef u64 __bitwise asq_t;

#define ATOMIC_SEQCOUNT_WRITER	BIT_ULL(0)
#define ATOMIC_SEQCOUNT_SOLE	BIT_ULL(16)
#define ATOMIC_SEQCOUNT_STEP	BIT_ULL(32)
#define ATOMIC_SEQCOUNT_SOLES	GENMASK_ULL(31, 16)
#define ATOMIC_SEQCOUNT_ACTIVE	GENMASK_ULL(31, 0)

#define ATOMIC_SEQCOUNT_INIT	{ ATOMIC64_INIT(0) }

/* Whether writers try to be the sole one */
DECLARE_STATIC_KEY_FALSE(atomic_seqcount_sole);

#ifdef CONFIG_LOCKDEP
extern struct lockdep_map atomic_seqcount_map;
#endif

/**
 * atomic_seqcount_init - Set up a count.
 * @s: The count. Nobody else uses it.
 *
 * Context: Any.
 */
static inline void atomic_seqcount_init(struct atomic_seqcount *s)
{
	atomic64_set(&s->word, 0);
}

/*
 * Begin a section as one of several writers. If there is a sole one, or somebody
 * who tries, wait until there is not: who tries and fails becomes one of several
 * by one atomic operation, and so is at no time invisible to readers.
 *
 * The fully ordered operation that began it (the caller's, or the one here) is
 * seen before any change of the section; pairs with smp_rmb() in
 * read_atomic_seqcount_retry(). The wait is an acquire: changes of the sole
 * writer, who ended with a release, are seen before those of this section.
 */
static inline void __write_atomic_seqcount_wait(struct atomic_seqcount *s,
						u64 seen)
{
	if (unlikely(seen & ATOMIC_SEQCOUNT_SOLES))
		atomic64_cond_read_acquire(&s->word,
					   !(VAL & ATOMIC_SEQCOUNT_SOLES));
}

static __always_inline void
__write_atomic_seqcount_begin_shared(struct atomic_seqcount *s)
{
	__write_atomic_seqcount_wait(s, atomic64_add_return(ATOMIC_SEQCOUNT_STEP +
					ATOMIC_SEQCOUNT_WRITER, &s->word));
}

/* As above, as the sole writer if possible. Returns whether that worked out. */
static __always_inline bool
__write_atomic_seqcount_begin_sole(struct atomic_seqcount *s)
{
	u64 seen = atomic64_fetch_add(ATOMIC_SEQCOUNT_STEP +
				      ATOMIC_SEQCOUNT_SOLE, &s->word);

	if (likely(!(seen & ATOMIC_SEQCOUNT_ACTIVE)))
		return true;

	seen = atomic64_add_return(ATOMIC_SEQCOUNT_WRITER -
				   ATOMIC_SEQCOUNT_SOLE, &s->word);
	__write_atomic_seqcount_wait(s, seen);
	return false;
}

/* Fully ordered */
static __always_inline void
__write_atomic_seqcount_end(struct atomic_seqcount *s, bool sole)
{
	atomic64_sub_return(sole ? ATOMIC_SEQCOUNT_SOLE : ATOMIC_SEQCOUNT_WRITER,
			    &s->word);
}

/**
 * write_atomic_seqcount_begin - Begin a writer's section.
 * @s: The count.
 *
 * Context: Any, see the contract. Preemption is disabled; with PREEMPT_RT this
 *	does it, where spinlocks do not.
 * Return: Whether this is the sole writer: for atomic_seqcount_add() and
 *	write_atomic_seqcount_end().
 */
static __always_inline bool
write_atomic_seqcount_begin(struct atomic_seqcount *s)
{
	if (IS_ENABLED(CONFIG_PREEMPT_RT))
		preempt_disable();
	else
		lockdep_assert_preemption_disabled();
	lock_map_acquire(&atomic_seqcount_map);

	if (static_branch_unlikely(&atomic_seqcount_sole))
		return __write_atomic_seqcount_begin_sole(s);
	__write_atomic_seqcount_begin_shared(s);
	return false;
}

/**
 * write_atomic_seqcount_end - End a writer's section.
 * @s: The count.
 * @sole: What write_atomic_seqcount_begin() returned.
 *
 * All changes of the section are seen before its end, which pairs with the
 * acquires of who begins after it, and before whatever the writer does next.
 *
 * Context: As of write_atomic_seqcount_begin().
 */
static __always_inline void
write_atomic_seqcount_end(struct atomic_seqcount *s, bool sole)
{
	__write_atomic_seqcount_end(s, sole);
	lock_map_release(&atomic_seqcount_map);
	if (IS_ENABLED(CONFIG_PREEMPT_RT))
		preempt_enable();
}

/**
 * atomic_seqcount_add - Change a counter in a writer's section.
 * @v: The counter. It is changed in sections of the same count only.
 * @n: What to add.
 * @sole: What write_atomic_seqcount_begin() returned.
 *
 * Context: A writer's section.
 */
static __always_inline void atomic_seqcount_add(atomic_t *v, int n, bool sole)
{
	if (sole) {
		ASSERT_EXCLUSIVE_WRITER(v->counter);
		atomic_set(v, atomic_read(v) + n);
	} else {
		atomic_add(n, v);
	}
}

/**
 * atomic_seqcount_add64 - Change a counter in a writer's section.
 * @v: The counter. It is changed in sections of the same count only.
 * @n: What to add; the sum may wrap.
 * @sole: What write_atomic_seqcount_begin() returned.
 *
 * Context: A writer's section.
 */
static __always_inline void atomic_seqcount_add64(atomic64_t *v, u64 n, bool sole)
{
	if (sole) {
		ASSERT_EXCLUSIVE_WRITER(v->counter);
		atomic64_set(v, atomic64_read(v) + n);
	} else {
		atomic64_add(n, v);
	}
}

/**
 * try_read_atomic_seqcount_begin - Begin to read, unless there is a writer.
 * @s: The count.
 * @seq: Where to keep what was seen, for read_atomic_seqcount_retry().
 *
 * Context: Any.
 * Return: False if a writer is in its section: give up, or try again.
 */
static inline bool
try_read_atomic_seqcount_begin(const struct atomic_seqcount *s, asq_t *seq)
{
	/* Pairs with the release at the end of each section that is over */
	u64 seen = atomic64_read_acquire(&s->word);

	*seq = (__force asq_t)seen;
	return likely(!(seen & ATOMIC_SEQCOUNT_ACTIVE));
}

/**
 * read_atomic_seqcount_begin - Begin to read; wait for writers to end.
 * @s: The count.
 *
 * Context: Any but in a writer's section, or where one may be interrupted.
 * Return: What was seen, for read_atomic_seqcount_retry().
 */
static inline asq_t read_atomic_seqcount_begin(const struct atomic_seqcount *s)
{
	asq_t seq;

	/* As who waits for a lock, but holds nothing afterwards */
	lock_map_acquire_read(&atomic_seqcount_map);
	lock_map_release(&atomic_seqcount_map);

	while (!try_read_atomic_seqcount_begin(s, &seq))
		cpu_relax();

	return seq;
}

/**
 * read_atomic_seqcount_retry - Whether what was read is no whole.
 * @s: The count.
 * @seq: What was seen at the begin.
 *
 * Context: Any.
 * Return: True if a writer came between: what was read has to be forgotten.
 */
static inline bool
read_atomic_seqcount_retry(const struct atomic_seqcount *s, asq_t seq)
{
	/*
	 * If any change of a section was read, the count is seen to have begun
	 * it. Pairs with the fully ordered operation that begins a section.
	 */
	smp_rmb();
	return unlikely((__force asq_t)(u64)atomic64_read(&s->word) != seq);
}

bool atomic_seqcount_prefers_sole(u64 shared, u64 sole);

#endif /* _LINUX_ATOMIC_SEQCOUNT_H */
