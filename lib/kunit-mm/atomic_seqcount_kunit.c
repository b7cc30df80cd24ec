// SPDX-License-Identifier: GPL-2.0-only
/*
 * A sequence count for several writers: what one CPU can see of its promises, in
 * both ways of writing, and threads that write and read at the same time.
 */
#include <kunit/test.h>
#include <linux/atomic_seqcount.h>
#include <linux/completion.h>
#include <linux/cpumask.h>
#include <linux/jiffies.h>
#include <linux/kthread.h>
#include <linux/sched.h>
#include <linux/slab.h>

/* Sections in either way, whatever was chosen at boot */
static bool begin(struct atomic_seqcount *s, bool try_sole)
{
	if (try_sole)
		return __write_atomic_seqcount_begin_sole(s);
	__write_atomic_seqcount_begin_shared(s);
	return false;
}

static void end(struct atomic_seqcount *s, bool sole)
{
	__write_atomic_seqcount_end(s, sole);
}

/*
 * A reader does not begin while a writer is in its section, and has to retry if
 * one came and went; it does not if none did.
 */
static void reader_sees_writers(struct kunit *test)
{
	struct atomic_seqcount s = ATOMIC_SEQCOUNT_INIT;
	unsigned int way;
	bool sole;
	asq_t seq, other;

	for (way = 0; way < 2; way++) {
		KUNIT_EXPECT_TRUE(test, try_read_atomic_seqcount_begin(&s, &seq));
		KUNIT_EXPECT_FALSE(test, read_atomic_seqcount_retry(&s, seq));

		preempt_disable();
		sole = begin(&s, way);
		KUNIT_EXPECT_EQ(test, sole, way);
		KUNIT_EXPECT_FALSE(test, try_read_atomic_seqcount_begin(&s, &other));
		KUNIT_EXPECT_TRUE(test, read_atomic_seqcount_retry(&s, seq));
		end(&s, sole);
		preempt_enable();

		KUNIT_EXPECT_TRUE(test, read_atomic_seqcount_retry(&s, seq));
		seq = read_atomic_seqcount_begin(&s);
		KUNIT_EXPECT_FALSE(test, read_atomic_seqcount_retry(&s, seq));
	}
}

/* A section is a lock that lockdep knows */
static void lockdep_sees_sections(struct kunit *test)
{
#ifdef CONFIG_LOCKDEP
	struct atomic_seqcount s = ATOMIC_SEQCOUNT_INIT;
	bool sole, held;

	preempt_disable();
	sole = write_atomic_seqcount_begin(&s);
	held = lock_is_held(&atomic_seqcount_map);
	write_atomic_seqcount_end(&s, sole);
	KUNIT_EXPECT_TRUE(test, held);
	KUNIT_EXPECT_FALSE(test, lock_is_held(&atomic_seqcount_map));
	preempt_enable();
#else
	kunit_skip(test, "needs CONFIG_LOCKDEP");
#endif
}

/* Writers do not exclude each other; who comes to others is not the sole one */
static void writers_meet(struct kunit *test)
{
	struct atomic_seqcount s = ATOMIC_SEQCOUNT_INIT;
	bool first, second;
	asq_t seq;

	preempt_disable();
	first = begin(&s, false);
	second = begin(&s, true);
	KUNIT_EXPECT_FALSE(test, first);
	KUNIT_EXPECT_FALSE(test, second);
	end(&s, first);
	KUNIT_EXPECT_FALSE(test, try_read_atomic_seqcount_begin(&s, &seq));
	end(&s, second);
	KUNIT_EXPECT_TRUE(test, try_read_atomic_seqcount_begin(&s, &seq));
	/* And alone again */
	first = begin(&s, true);
	KUNIT_EXPECT_TRUE(test, first);
	end(&s, first);
	preempt_enable();
}

/* The count of sections wraps without touching those of writers */
static void count_wraps(struct kunit *test)
{
	struct atomic_seqcount s;
	unsigned int way;
	bool sole;
	asq_t seq;

	for (way = 0; way < 2; way++) {
		atomic64_set(&s.word, GENMASK_ULL(63, 32));
		seq = read_atomic_seqcount_begin(&s);
		preempt_disable();
		sole = begin(&s, way);
		KUNIT_EXPECT_FALSE(test, try_read_atomic_seqcount_begin(&s, &seq));
		end(&s, sole);
		preempt_enable();
		KUNIT_EXPECT_TRUE(test, try_read_atomic_seqcount_begin(&s, &seq));
		KUNIT_EXPECT_EQ(test, (u64)atomic64_read(&s.word), 0ULL);
	}
}

static void counters_add_up(struct kunit *test)
{
	atomic_t a = ATOMIC_INIT(5);
	atomic64_t b = ATOMIC64_INIT(7);
	unsigned int sole;

	for (sole = 0; sole < 2; sole++) {
		atomic_seqcount_add(&a, -3, sole);
		KUNIT_EXPECT_EQ(test, atomic_read(&a), 2);
		atomic_seqcount_add(&a, 3, sole);
		atomic_seqcount_add64(&b, -8ULL, sole);
		KUNIT_EXPECT_EQ(test, atomic64_read(&b), -1LL);
		atomic_seqcount_add64(&b, 8, sole);
		KUNIT_EXPECT_EQ(test, atomic64_read(&b), 7LL);
	}
}

/* The sole writer has to be faster by a tenth to be wanted */
static void choice_of_way(struct kunit *test)
{
	static const struct {
		u64 shared, sole;
		bool want;
	} cases[] = {
		{ 1000, 500, true }, { 1000, 899, true }, { 1000, 901, false },
		{ 1000, 1000, false }, { 1000, 2000, false }, { 0, 0, false },
		{ 1, 0, true }, { U32_MAX * 100ULL, U32_MAX * 50ULL, true },
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(cases); i++)
		KUNIT_EXPECT_EQ_MSG(test, atomic_seqcount_prefers_sole(cases[i].shared,
								       cases[i].sole),
				    cases[i].want, "%llu, %llu", cases[i].shared, cases[i].sole);
}

/* ------------------------------------------------------------ all at once */

#define WRITERS		3
#define SECTIONS	20000

static struct {
	struct atomic_seqcount s;
	atomic_t a;
	atomic64_t b;
	atomic_t writing;
	atomic_t mixed;		/* states that no reader may accept */
	atomic_t accepted;
	atomic_t sole;
	struct completion done;
} race;

/* a and b change by 1 and 3: at rest, and to readers, b is 3 * a */
static int race_writer(void *way)
{
	unsigned int i;

	for (i = 0; i < SECTIONS; i++) {
		bool sole;

		preempt_disable();
		/* Some of both: they work together */
		sole = begin(&race.s, way || i % 3);
		atomic_seqcount_add(&race.a, 1, sole);
		atomic_seqcount_add64(&race.b, 3, sole);
		end(&race.s, sole);
		preempt_enable();
		if (sole)
			atomic_inc(&race.sole);
		if (!(i % 64))
			cond_resched();
	}
	if (atomic_dec_and_test(&race.writing))
		complete(&race.done);
	return 0;
}

static int race_reader(void *unused)
{
	while (atomic_read(&race.writing)) {
		s64 a, b;
		asq_t seq;

		if (!try_read_atomic_seqcount_begin(&race.s, &seq)) {
			cond_resched();
			continue;
		}
		a = atomic_read(&race.a);
		b = atomic64_read(&race.b);
		if (read_atomic_seqcount_retry(&race.s, seq))
			continue;
		atomic_inc(&race.accepted);
		if (b != 3 * a)
			atomic_inc(&race.mixed);
		cond_resched();
	}
	complete(&race.done);
	return 0;
}

/*
 * Writers in both ways, on as many CPUs as there are, lose no change, and a reader
 * accepts nothing but states between sections.
 */
static void race_all(struct kunit *test)
{
	unsigned int i, started = 0;

	init_completion(&race.done);
	atomic_set(&race.writing, WRITERS);
	for (i = 0; i <= WRITERS; i++) {
		struct task_struct *t;

		t = kthread_run(i < WRITERS ? race_writer : race_reader,
				(void *)(unsigned long)(i % 2), "atomic_seqcount/%u", i);
		if (IS_ERR(t) && i < WRITERS)
			atomic_dec(&race.writing);
		started += !IS_ERR(t);
	}
	KUNIT_ASSERT_EQ(test, started, WRITERS + 1U);
	/* The last writer and the reader */
	for (i = 0; i < 2; i++)
		KUNIT_ASSERT_NE(test, wait_for_completion_timeout(&race.done, 120 * HZ), 0UL);

	KUNIT_EXPECT_EQ(test, atomic_read(&race.a), WRITERS * SECTIONS);
	KUNIT_EXPECT_EQ(test, atomic64_read(&race.b), 3LL * WRITERS * SECTIONS);
	KUNIT_EXPECT_EQ(test, atomic_read(&race.mixed), 0);
	KUNIT_EXPECT_EQ(test, (u64)atomic64_read(&race.s.word) & ATOMIC_SEQCOUNT_ACTIVE, 0ULL);
	KUNIT_EXPECT_GT(test, atomic_read(&race.sole), 0);
	kunit_info(test, "%u CPUs: %d of %d sections by a sole writer, %d states accepted",
		   num_online_cpus(), atomic_read(&race.sole), WRITERS * SECTIONS,
		   atomic_read(&race.accepted));
}

static struct kunit_case atomic_seqcount_cases[] = {
	KUNIT_CASE(reader_sees_writers),
	KUNIT_CASE(lockdep_sees_sections),
	KUNIT_CASE(writers_meet),
	KUNIT_CASE(count_wraps),
	KUNIT_CASE(counters_add_up),
	KUNIT_CASE(choice_of_way),
	KUNIT_CASE(race_all),
	{}
};

static struct kunit_suite atomic_seqcount_suite = {
	.name = "atomic_seqcount",
	.test_cases = atomic_seqcount_cases,
};

kunit_test_suite(atomic_seqcount_suite);
