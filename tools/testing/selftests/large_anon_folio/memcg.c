// SPDX-License-Identifier: GPL-2.0
/*
 * A memory limit is met with smaller folios, not with the OOM killer.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../kselftest.h"
#include "laf_util.h"

/*
 * memory.current, read once, and memory.max, both opened before the process
 * joined the cgroup: else the open files and the kernel's buffer would be charged
 * to the cgroup, and at its limit the process would be killed for them.
 */
static int usage_fd, max_fd;

static long read_usage(void)
{
	char buf[32] = "";

	laf_require(pread(usage_fd, buf, sizeof(buf) - 1, 0) > 0, "memory.current: %s",
		    strerror(errno));
	return strtol(buf, NULL, 10);
}

static void set_max(long bytes)
{
	char buf[32];
	int len = snprintf(buf, sizeof(buf), "%ld", bytes);

	laf_require(pwrite(max_fd, buf, len, 0) == len, "memory.max: %s", strerror(errno));
}

static int open_file(const char *cg, const char *file, int flags)
{
	char path[PATH_MAX];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", cg, file);
	fd = open(path, flags | O_CLOEXEC);
	laf_require(fd >= 0, "%s: %s", path, strerror(errno));
	return fd;
}

static void open_files(const char *cg)
{
	usage_fd = open_file(cg, "memory.current", O_RDONLY);
	max_fd = open_file(cg, "memory.max", O_WRONLY);
	read_usage();
}

/*
 * Charges that the CPU took in advance, up to 64 pages, make the usage look
 * larger than it is. A limit just below it takes them back; memory that is free
 * for the taking stands by, should there be none. What the second one leaves is
 * less than 64 pages, so that nothing is taken in advance any more.
 */
static long exact_usage(void)
{
	size_t len = 40 * laf_page;
	char *buffer = mmap(NULL, len, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int i;

	madvise(buffer, len, MADV_NOHUGEPAGE);
	laf_fill(buffer, len, 1);
	laf_require(!madvise(buffer, len, MADV_FREE), "MADV_FREE: %s", strerror(errno));
	for (i = 0; i < 2; i++)
		set_max(read_usage() - laf_page);
	munmap(buffer, len);
	return read_usage();
}

static void expect_no_oom(const char *cg)
{
	long oom = laf_cg_key(cg, "memory.events", "oom");
	long kill = laf_cg_key(cg, "memory.events", "oom_kill");

	laf_expect(!oom && !kill, "memory.events: saw oom %ld, oom_kill %ld, want 0", oom,
		   kill);
}

/*
 * There is room for some single pages, but not for one folio. The process is a
 * child, so that its death is seen.
 */
static void test_step_down(int order)
{
	size_t size = laf_size(order), room = (1UL << order) - 1, i;
	long usage, failed = laf_stat(order, "anon_fault_fallback");
	long charge = laf_stat(order, "anon_fault_fallback_charge"), saw;
	const char *cg = laf_cg_new();
	cpu_set_t cpu;
	pid_t pid;

	if (room > 3)
		room = order < laf_pmd_order ? 3 : 6;
	laf_only(order);
	if (laf_cg_write(cg, "memory.swap.max", "0"))
		laf_note("no memory.swap.max");
	pid = laf_fork();
	if (!pid) {
		char *p;

		CPU_ZERO(&cpu);
		CPU_SET(0, &cpu);
		sched_setaffinity(0, sizeof(cpu), &cpu);
		open_files(cg);
		laf_cg_join(cg);
		p = laf_map(6 * size, order < laf_pmd_order ? laf_size(laf_pmd_order) : size);
		/* Page tables, but for huge pages: they are charged, too */
		for (i = 0; order < laf_pmd_order && i < 6 * size;
		     i += laf_size(laf_pmd_order)) {
			laf_require(!madvise(p + i, laf_page, MADV_NOHUGEPAGE),
				    "madvise: %s", strerror(errno));
			laf_touch(p + i);
		}
		usage = exact_usage();
		for (i = 1; i < 6; i++) {
			set_max(usage + room * laf_page);
			laf_touch(p + i * size + laf_page);
			usage = read_usage();
		}
		_exit(0);
	}
	laf_join(pid);
	expect_no_oom(cg);
	saw = laf_stat(order, "anon_fault_fallback_charge") - charge;
	laf_expect(saw > 0, "anon_fault_fallback_charge: saw %+ld, want more than 0", saw);
	failed = laf_stat(order, "anon_fault_fallback") - failed;
	laf_expect(failed >= saw, "anon_fault_fallback: saw %+ld, want at least %+ld", failed,
		   saw);
}

/* All sizes on: each is tried on the way down, and data is right at the limit */
static void test_ladder(int order)
{
	size_t size = laf_size(order), len = 4 * size;
	const char *cg = laf_cg_new();
	long max;
	pid_t pid;

	while (len < 4UL << 20)
		len *= 2;
	/* Single pages would fit, with what the kernel needs beside them */
	max = len + size / 2 + 512 * 1024 + 96 * laf_page;
	laf_set_sizes(LAF_MIN_ORDER, order, "madvise");
	laf_cg_write(cg, "memory.swap.max", "0");
	laf_cg_set_long(cg, "memory.max", max);
	pid = laf_fork();
	if (!pid) {
		size_t single = 0, i;
		char *p, *q;

		open_files(cg);
		laf_cg_join(cg);
		p = laf_map(len, size);
		laf_fill(p, len, 9);
		/* Now page by page, up to where not even one page is left over */
		q = laf_map(2 * size, size);
		for (i = 0; i < 2 * size; i += laf_page) {
			/* A folio may leave no room for what opening a file takes */
			if (read_usage() + 80 * (long)laf_page > max)
				break;
			laf_fill(q + i, laf_page, i);
			single++;
		}
		laf_expect_data(p, len, 9, 0, "at the limit");
		while (single--)
			laf_expect_data(q + single * laf_page, laf_page, single * laf_page, 0,
					"near the limit");
		_exit(0);
	}
	laf_join(pid);
	expect_no_oom(cg);
}

/* MADV_POPULATE_WRITE and fork's copies, too, in a memcg that is nearly full */
static void test_copies(int order)
{
	size_t size = laf_size(order), nr = 1, len;
	const char *cg = laf_cg_new();
	pid_t pid;

	while (nr * size < 2UL << 20)
		nr *= 2;
	len = nr * size;
	laf_only(order);
	laf_cg_write(cg, "memory.swap.max", "0");
	laf_cg_set_long(cg, "memory.max", 2 * len + 3 * size + (1 << 20) + 512 * laf_page);
	pid = laf_fork();
	if (!pid) {
		pid_t child;
		char *p;

		laf_cg_join(cg);
		p = laf_map(len, size);
		laf_require(!madvise(p, len, MADV_POPULATE_WRITE), "populate: %s",
			    strerror(errno));
		laf_fill(p, len, 1);
		child = laf_fork();
		if (!child) {
			laf_fill(p, len, 2);
			laf_expect_data(p, len, 2, 0, "child");
			_exit(0);
		}
		laf_join(child);
		laf_expect_data(p, len, 1, 0, "parent");
		_exit(0);
	}
	laf_join(pid);
	expect_no_oom(cg);
}

/* All that was charged is uncharged, whoever frees it */
static void test_uncharged(int order)
{
	size_t size = laf_size(order), nr = 1, len;
	const char *cg = laf_cg_new();
	struct laf_sync sync;
	long before, saw = 0;
	pid_t pid;
	int i;

	while (nr * size < 4UL << 20)
		nr *= 2;
	len = nr * size;
	laf_only(order);
	laf_sync_init(&sync);
	before = laf_cg_get(cg, "memory.current");
	pid = laf_fork();
	if (!pid) {
		char *p;

		laf_cg_join(cg);
		p = laf_folios(order, nr, 3);
		munmap(p + laf_page, size);
		madvise(p + 2 * size, size / 2, MADV_DONTNEED);
		laf_sync_post(&sync, 0);
		laf_sync_wait(&sync, 1);
		_exit(0);
	}
	laf_sync_wait(&sync, 0);
	saw = laf_cg_get(cg, "memory.current") - before;
	laf_expect(saw >= (long)(len - 2 * size), "memory.current: saw %+ld, want about %zu",
		   saw, len);
	laf_sync_post(&sync, 1);
	laf_join(pid);
	/* Page tables and stacks go a little later */
	for (i = 0; i < 100; i++) {
		saw = laf_cg_get(cg, "memory.current") - before;
		if (saw <= 256 * (long)laf_page)
			break;
		usleep(20000);
	}
	laf_expect(saw <= 256 * (long)laf_page, "memory.current in the end: saw %+ld, want 0",
		   saw);
}

static const struct laf_test tests[] = {
	{ "no room for a folio", test_step_down, LAF_ALL },
	{ "at the limit", test_ladder, LAF_ALL },
	{ "copies in a full memcg", test_copies, LAF_SOME },
	{ "uncharged", test_uncharged, LAF_ALL },
};

int main(void)
{
	return laf_main(tests, ARRAY_SIZE(tests));
}
