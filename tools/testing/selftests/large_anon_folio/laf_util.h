/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the tests of large anonymous folios share.
 *
 * A program hands a table of tests to laf_main(). Each test runs in its own
 * child, so that a signal, an OOM kill or a hang is one failed test, and starts
 * with every folio size at "never". What it sets with laf_set() is restored
 * when it has ended, however it ended.
 *
 * Tests use the size under test at "madvise" with MADV_HUGEPAGE on their
 * memory, unless settings are what they test: nothing but that memory then
 * moves the counters of the size.
 */
#ifndef LAF_UTIL_H
#define LAF_UTIL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/types.h>
#include <unistd.h>

#define __printf(fmt, args)	__attribute__((format(printf, fmt, args)))
#define __noreturn		__attribute__((noreturn))

#ifndef MADV_COLD
#define MADV_COLD		20
#define MADV_PAGEOUT		21
#endif
#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ	22
#define MADV_POPULATE_WRITE	23
#endif
#ifndef MADV_DONTNEED_LOCKED
#define MADV_DONTNEED_LOCKED	24
#endif
#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE		25
#endif
#ifndef MADV_SOFT_OFFLINE
#define MADV_SOFT_OFFLINE	101
#endif

#define THP	"/sys/kernel/mm/transparent_hugepage/"
#define POLICY	"/sys/kernel/debug/large_anon_folio/policy"
#define KSM	"/sys/kernel/mm/ksm/"
#define MEMORY	"/sys/devices/system/memory/"
#define NR_HUGEPAGES	"/proc/sys/vm/nr_hugepages"

/* Smallest order of a large folio */
#define LAF_MIN_ORDER	2

#define LAF_BIT(nr)	((uint64_t)1 << (nr))

/* /proc/PID/pagemap */
#define PM_PRESENT	LAF_BIT(63)
#define PM_SWAP		LAF_BIT(62)
#define PM_UFFD_WP	LAF_BIT(57)
#define PM_SOLE		LAF_BIT(56)
#define PM_PFN		(LAF_BIT(55) - 1)

/* /proc/kpageflags */
#define KPF_BIT_BUDDY		LAF_BIT(10)
#define KPF_BIT_ANON		LAF_BIT(12)
#define KPF_BIT_HEAD		LAF_BIT(15)
#define KPF_BIT_TAIL		LAF_BIT(16)
#define KPF_BIT_HUGE		LAF_BIT(17)
#define KPF_BIT_HWPOISON	LAF_BIT(19)
#define KPF_BIT_THP		LAF_BIT(22)
#define KPF_BIT_ZERO_PAGE	LAF_BIT(24)

#define ALIGN_DOWN(x, a)	((x) & ~((__typeof__(x))(a) - 1))
#define ALIGN_UP(x, a)		ALIGN_DOWN((x) + (__typeof__(x))(a) - 1, a)
/* Memory that must be read or written here and now */
#define laf_at(type, p)		(*(volatile type *)(p))
#define PTR_DOWN(p, a)		((char *)ALIGN_DOWN((uintptr_t)(p), a))

/* For which folio sizes a test runs */
enum laf_sizes {
	LAF_ONCE,	/* not by size: order is that of 64 KiB, or the next */
	LAF_PTE,	/* each size below the PMD's */
	LAF_ALL,	/* and the PMD's */
	LAF_SOME,	/* the smallest, 64 KiB, the largest below the PMD's */
};

struct laf_test {
	const char *name;
	void (*run)(int order);
	enum laf_sizes sizes;
	int timeout;	/* seconds; 0 for 60 */
};

extern size_t laf_page;		/* size of a page */
extern int laf_pmd_order;	/* order of a PMD leaf */

int laf_main(const struct laf_test *tests, int nr_tests);

/*
 * Results. A failed laf_expect() is noted and the test goes on, a failed
 * laf_require() ends it; both may be used in descendants of the test.
 */
bool laf_result(bool ok, const char *file, int line, const char *fmt, ...)
	__printf(4, 5);
void laf_skip(const char *fmt, ...)
	__printf(1, 2) __noreturn;
void laf_note(const char *fmt, ...) __printf(1, 2);
bool laf_failed(void);

#define laf_expect(cond, ...) laf_result((cond), __FILE__, __LINE__, __VA_ARGS__)
#define laf_require(cond, ...)						\
	do {								\
		if (!laf_result((cond), __FILE__, __LINE__, __VA_ARGS__))\
			_exit(1);					\
	} while (0)

/* Files */
int laf_read(const char *path, char *buf, size_t size);
int laf_write(const char *path, const char *value);
void laf_set(const char *path, const char *value);
bool laf_original(const char *path, char *value, size_t size);
void laf_set_long(const char *path, long value);
long laf_read_long(const char *path);
long laf_read_key(const char *path, const char *key);
bool laf_exists(const char *path);

/* Settings and counters of a folio size */
size_t laf_size(int order);
const char *laf_size_file(int order, const char *name);
void laf_set_size(int order, const char *value);
void laf_set_sizes(int from, int to, const char *value);
void laf_only(int order);
long laf_stat(int order, const char *name);
int laf_largest(void);

/* Counters of the system, after they were gathered from all CPUs */
long laf_vmstat(const char *name);
/* Bring pages that CPUs gathered to their lists, where they are counted */
void laf_drain(void);
long laf_meminfo(const char *name);

/* A value of /proc/self/smaps for the VMA of @addr, in bytes */
long laf_smaps(const void *addr, const char *name);

/* Memory */
char *laf_map_at(size_t len, size_t align, size_t offset);
char *laf_map(size_t len, size_t align);
void laf_unmap(char *addr, size_t len);
void laf_touch(char *addr);
void laf_fill(char *addr, size_t len, uint64_t seed);
bool laf_same(const char *addr, size_t len, uint64_t seed, size_t first);
bool laf_zero(const char *addr, size_t len);

#define laf_expect_data(addr, len, seed, first, what)			\
	laf_expect(laf_same(addr, len, seed, first), "data differs: %s", what)

/* Pages and folios */
struct laf_folio {
	uint64_t pfn;	/* of the page asked for */
	uint64_t head;	/* of the folio's first page */
	uint64_t flags;	/* of the page asked for */
	int order;
};

uint64_t laf_pagemap(const void *addr);
void laf_pagemaps(const void *addr, size_t nr, uint64_t *words);
uint64_t laf_pageflags(uint64_t pfn);
uint64_t laf_pagecount(uint64_t pfn);
bool laf_folio_at(const void *addr, struct laf_folio *folio);
int laf_order_at(const void *addr);
size_t laf_count(const void *addr, size_t len, uint64_t pagemap_bit);
bool laf_is_folio(const void *addr, int order);

#define laf_expect_folio(addr, order) \
	laf_expect(laf_is_folio(addr, order), "no such folio (above)")

/* Memory of @nr folios of @order that is populated and filled */
char *laf_folios(int order, int nr, uint64_t seed);

/* Processes */
pid_t laf_fork(void);
void laf_join(pid_t pid);
int laf_wait(pid_t pid);

/*
 * The signal that @fn(@arg) raises, or 0, and where (if @where). Only in the
 * calling thread, for synchronous signals.
 */
int laf_signal_of(void (*fn)(void *arg), void *arg, void **where);
int laf_signal_read(const void *addr);
int laf_signal_write(void *addr);

/* Points where two processes wait for one another */
struct laf_sync {
	int fd[2][2];
};

void laf_sync_init(struct laf_sync *sync);
void laf_sync_post(struct laf_sync *sync, int side);
void laf_sync_wait(struct laf_sync *sync, int side);

/* A memory cgroup (version 2) for this test; skips the test without */
const char *laf_cg_new(void);
void laf_cg_join(const char *cg);
void laf_cg_set(const char *cg, const char *file, const char *value);
int laf_cg_write(const char *cg, const char *file, const char *value);
void laf_cg_squeeze(const char *cg);
void laf_cg_set_long(const char *cg, const char *file, long value);
long laf_cg_get(const char *cg, const char *file);
long laf_cg_key(const char *cg, const char *file, const char *key);

/* Skips unless hugetlbfs gets @nr huge pages of a PMD's size */
void laf_hugetlb_need(int nr);

/* Swap: set up before laf_main(), which takes it down */
void laf_swap_setup(void);
const char *laf_swap_need(void);
void laf_swap_off_all(void);
void laf_swap_fast(void);

/* Pages [addr, addr + len) out with MADV_PAGEOUT; how many went */
size_t laf_pageout(char *addr, size_t len);

/* A block device that is free for O_DIRECT; skips the test without */
int laf_direct(void);

/*
 * A userfaultfd with these features, opened with O_NONBLOCK or 0; and memory that it is
 * to tell of, by a UFFDIO_REGISTER_MODE. -1 or false, and errno, if that can't be had.
 */
int laf_uffd(uint64_t features, int flags);
bool laf_uffd_arm(int fd, char *addr, size_t len, uint64_t mode);

/* One io_uring request at a time; pinned memory is a fixed buffer */
struct io_uring_sqe;
struct io_uring_cqe;

struct laf_ring {
	int fd;
	unsigned int *sq_tail, *sq_mask, *sq_array, *cq_head, *cq_tail, *cq_mask;
	struct io_uring_sqe *sqes;
	struct io_uring_cqe *cqes;
	size_t sq_len, cq_len, sqes_len;
	void *sq, *cq;
};

int laf_ring_init(struct laf_ring *ring);
int laf_ring_pin(struct laf_ring *ring, char *p, size_t len);
int laf_ring_io(struct laf_ring *ring, int op, int fd, char *p, size_t len, off_t offset);
void laf_ring_exit(struct laf_ring *ring);

uint32_t laf_random(void);
/* The same for a thread or child, which has its own seed */
uint32_t laf_random_of(uint32_t *seed);

#endif /* LAF_UTIL_H */
