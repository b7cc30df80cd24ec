/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What include/linux/atomic_seqcount.h needs of the kernel, in user space. All
 * that the header names is here or in the headers of this folder that include
 * this one.
 */
#ifndef _ATOMIC_SEQCOUNT_SHIM_H
#define _ATOMIC_SEQCOUNT_SHIM_H

#include <sched.h>
#include <stdbool.h>
#include <stdint.h>

typedef uint64_t u64;
typedef int64_t s64;

typedef struct { int counter; } atomic_t;
typedef struct { s64 counter; } atomic64_t;

#define ATOMIC_INIT(i)		{ (i) }
#define ATOMIC64_INIT(i)	{ (i) }

#define atomic_read(v)		__atomic_load_n(&(v)->counter, __ATOMIC_RELAXED)
#define atomic64_read(v)	atomic_read(v)
#define atomic64_read_acquire(v) __atomic_load_n(&(v)->counter, __ATOMIC_ACQUIRE)
#define atomic_set(v, i)	__atomic_store_n(&(v)->counter, i, __ATOMIC_RELAXED)
#define atomic64_set(v, i)	atomic_set(v, i)
#define atomic_add(i, v)	((void)__atomic_fetch_add(&(v)->counter, i, __ATOMIC_RELAXED))
#define atomic64_add(i, v)	atomic_add(i, v)
#define atomic64_add_return(i, v) __atomic_add_fetch(&(v)->counter, i, __ATOMIC_SEQ_CST)
#define atomic64_fetch_add(i, v) __atomic_fetch_add(&(v)->counter, i, __ATOMIC_SEQ_CST)
#define atomic64_sub_return(i, v) __atomic_sub_fetch(&(v)->counter, i, __ATOMIC_SEQ_CST)

/* There may be more threads than CPUs, and a writer may be preempted here */
#define atomic64_cond_read_acquire(v, cond) ({				\
	u64 VAL;							\
	while (VAL = atomic64_read_acquire(v), !(cond))			\
		sched_yield();						\
	VAL;								\
})
#define cpu_relax()		sched_yield()
/* ThreadSanitizer does not know fences; what this one orders are atomics */
#define smp_rmb()		__atomic_thread_fence(__ATOMIC_ACQUIRE)

#define __bitwise
#define __force
#define likely(x)		__builtin_expect(!!(x), 1)
#define unlikely(x)		__builtin_expect(!!(x), 0)
#define BIT_ULL(n)		(1ULL << (n))
#define GENMASK_ULL(h, l)	((~0ULL << (l)) & (~0ULL >> (63 - (h))))
/* What the header asks is whether this is PREEMPT_RT */
#ifdef STRESS_RT
#define IS_ENABLED(CONFIG_option) 1
#else
#define IS_ENABLED(CONFIG_option) 0
#endif
#define ASSERT_EXCLUSIVE_WRITER(v) do { } while (0)
#define lockdep_assert_preemption_disabled() do { } while (0)
#define lock_map_acquire(map)	do { } while (0)
#define lock_map_acquire_read(map) do { } while (0)
#define lock_map_release(map)	do { } while (0)
/* How often this thread disabled preemption */
extern __thread int preempt_depth;
#define preempt_disable()	(preempt_depth++)
#define preempt_enable()	(preempt_depth--)

/* A static key is a variable that anybody may switch */
#define DECLARE_STATIC_KEY_FALSE(key) extern bool key
#define static_branch_unlikely(key) __atomic_load_n(key, __ATOMIC_RELAXED)

#endif
