// SPDX-License-Identifier: GPL-2.0-only
/*
 * Whether writers of an atomic_seqcount try to be the sole one.
 *
 * A sole writer spares an atomic operation for each counter and pays for finding
 * out whether it is alone. Where atomic operations on a cache line that is at
 * hand cost no more than additions, that is a loss: so both ways are measured
 * once, at boot.
 *
 *	atomic_seqcount.sole=	auto (default), off, on
 *
 * and /sys/module/atomic_seqcount/parameters/sole shows what came of it.
 */
#include <linux/atomic_seqcount.h>
#include <linux/cache.h>
#include <linux/init.h>
#include <linux/irqflags.h>
#include <linux/kernel.h>
#include <linux/math64.h>
#include <linux/minmax.h>
#include <linux/moduleparam.h>
#include <linux/sched/clock.h>
#include <linux/string.h>

DEFINE_STATIC_KEY_FALSE(atomic_seqcount_sole);

#ifdef CONFIG_LOCKDEP
struct lockdep_map atomic_seqcount_map =
	STATIC_LOCKDEP_MAP_INIT("atomic_seqcount", &atomic_seqcount_map);
#endif

static enum { SOLE_AUTO, SOLE_OFF, SOLE_ON } sole_wanted;

static int sole_set(const char *val, const struct kernel_param *kp)
{
	static const char * const words[] = { "auto", "off", "on" };
	int i = sysfs_match_string(words, val);

	if (i < 0)
		return i;
	sole_wanted = i;
	return 0;
}

static int sole_get(char *buffer, const struct kernel_param *kp)
{
	return sprintf(buffer, "%s\n",
		       static_key_enabled(&atomic_seqcount_sole) ? "on" : "off");
}

static const struct kernel_param_ops sole_ops = {
	.set = sole_set,
	.get = sole_get,
};
module_param_cb(sole, &sole_ops, NULL, 0444);
MODULE_PARM_DESC(sole, "Whether a writer that is alone avoids atomic operations: auto, off, on");

/**
 * atomic_seqcount_prefers_sole - Which way is worth it.
 * @shared: Time of a section of one of several writers, in any unit.
 * @sole: Time of a section of the sole writer, in the same.
 *
 * The sole writer makes others wait, so it has to be faster by a tenth.
 *
 * Context: Any.
 * Return: Whether writers shall try to be the sole one.
 */
bool atomic_seqcount_prefers_sole(u64 shared, u64 sole)
{
	return sole + div_u64(sole, 9) < shared;
}

#define ROUNDS	8
#define TIMES	64

/* As a page table entry of a large folio: a number of mappings and two words */
static struct {
	struct atomic_seqcount seq;
	atomic_t nr;
	atomic64_t words[2];
} trial __initdata ____cacheline_aligned;

static __always_inline void __init one_section(bool try_sole)
{
	bool sole = false;

	if (try_sole)
		sole = __write_atomic_seqcount_begin_sole(&trial.seq);
	else
		__write_atomic_seqcount_begin_shared(&trial.seq);
	atomic_seqcount_add(&trial.nr, 1, sole);
	atomic_seqcount_add64(&trial.words[0], 1, sole);
	atomic_seqcount_add64(&trial.words[1], 1, sole);
	__write_atomic_seqcount_end(&trial.seq, sole);
}

/* The least of several rounds: something may come between in the others */
static u64 __init time_sections(bool try_sole)
{
	u64 least = U64_MAX;
	int i, j;

	for (i = 0; i < ROUNDS; i++) {
		unsigned long flags;
		u64 start;

		local_irq_save(flags);
		start = sched_clock();
		if (try_sole)
			for (j = 0; j < TIMES; j++)
				one_section(true);
		else
			for (j = 0; j < TIMES; j++)
				one_section(false);
		least = min(least, sched_clock() - start);
		local_irq_restore(flags);
	}

	return least;
}

static int __init atomic_seqcount_choose(void)
{
	bool enable = sole_wanted == SOLE_ON;
	u64 shared, sole;

	if (sole_wanted == SOLE_AUTO) {
		shared = time_sections(false);
		sole = time_sections(true);
		enable = atomic_seqcount_prefers_sole(shared, sole);
		pr_info("atomic_seqcount: %d sections take %llu ns, %llu ns as the sole writer: sole %s\n",
			TIMES, shared, sole, enable ? "on" : "off");
	}
	/* Either way of a section works with the other: see the header */
	if (enable)
		static_branch_enable(&atomic_seqcount_sole);

	return 0;
}
late_initcall(atomic_seqcount_choose);
