// SPDX-License-Identifier: GPL-2.0
/*
 * Known attacks on copy on write, for each size of folio: whoever shares a page by
 * fork tries to see, or to change, what the other side has, while something else
 * happens to the page. What needs no race is in gup.c and fork.c.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "../../../../mm/gup_test.h"
#include "../kselftest.h"
#include "laf_util.h"

#define GUP_TEST	"/sys/kernel/debug/gup_test"
#define SECONDS		1.0
#define SECRET		0x5ec4e700000000ULL

static char *mem;
static size_t size, pages;
static volatile bool stop;
static unsigned long count;

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

static void setup(int order)
{
	laf_only(order);
	size = laf_size(order);
	pages = size / laf_page;
	mem = laf_folios(order, 1, 70);
	stop = false;
	count = 0;
}

static void start(pthread_t *thread, void *(*fn)(void *))
{
	laf_require(!pthread_create(thread, NULL, fn, NULL), "no thread");
}

static void finish(pthread_t thread)
{
	stop = true;
	pthread_join(thread, NULL);
	laf_expect(count, "the other thread has done nothing");
}

/* ------------------------------------------------- writes that are forced */

static void *drop(void *arg)
{
	(void)arg;
	while (!stop) {
		madvise(mem, size, MADV_DONTNEED);
		count++;
	}
	return NULL;
}

/*
 * Dirty COW: a write that is forced into read-only memory breaks copy on write,
 * the copy is dropped before the write gets there, and the write goes to the page
 * that others have.
 */
static void force_writes(void)
{
	char *buf = aligned_alloc(laf_page, laf_page);
	int fd = open("/proc/self/mem", O_RDWR | O_CLOEXEC);
	double end = now() + SECONDS;
	size_t i;

	laf_require(fd >= 0, "/proc/self/mem: %s", strerror(errno));
	laf_fill(buf, laf_page, 71);
	for (i = 0; now() < end; i = (i + 1) % pages)
		laf_expect(pwrite(fd, buf, 256, (off_t)(uintptr_t)(mem + i * laf_page)) == 256,
			   "write to /proc/self/mem: %s", strerror(errno));
	close(fd);
	free(buf);
}

static void test_dirty_cow(int order)
{
	struct laf_sync sync;
	pthread_t thread;
	pid_t pid;

	setup(order);
	laf_sync_init(&sync);
	pid = laf_fork();
	if (!pid) {
		laf_sync_wait(&sync, 1);
		laf_expect_data(mem, size, 70, 0, "child");
		_exit(0);
	}
	laf_require(!mprotect(mem, size, PROT_READ), "mprotect: %s", strerror(errno));
	start(&thread, drop);
	force_writes();
	finish(thread);
	laf_sync_post(&sync, 1);
	laf_join(pid);
}

/* The same with a file that is mapped privately: it stays as it is */
static void test_dirty_cow_file(int order)
{
	int fd = memfd_create("large_anon_folio", MFD_CLOEXEC);
	pthread_t thread;
	char *buf;

	laf_only(order);
	size = laf_size(order);
	pages = size / laf_page;
	buf = aligned_alloc(laf_page, size);
	laf_fill(buf, size, 70);
	laf_require(fd >= 0 && pwrite(fd, buf, size, 0) == (ssize_t)size, "memfd: %s",
		    strerror(errno));
	mem = mmap(NULL, size, PROT_READ, MAP_PRIVATE, fd, 0);
	laf_require(mem != MAP_FAILED, "mmap: %s", strerror(errno));
	stop = false;
	count = 0;
	start(&thread, drop);
	force_writes();
	finish(thread);
	laf_require(pread(fd, buf, size, 0) == (ssize_t)size, "read: %s", strerror(errno));
	laf_expect_data(buf, size, 70, 0, "file");
	free(buf);
	close(fd);
}

/* --------------------------------------------------------- writes and fork */

/* Each page's first word grows, page by page */
static void *write_on(void *arg)
{
	uint64_t value = 1;
	size_t i;

	(void)arg;
	while (!stop) {
		for (i = 0; i < pages; i++)
			laf_at(uint64_t, mem + i * laf_page) = value;
		value++;
		count++;
	}
	return NULL;
}

/*
 * After fork has returned, nothing of what the parent writes gets to the child:
 * no CPU has an old translation by which it could.
 */
static __attribute__((noreturn)) void expect_still(void)
{
	uint64_t *saw = malloc(pages * sizeof(*saw));
	size_t i;
	int again;

	for (i = 0; i < pages; i++)
		saw[i] = laf_at(uint64_t, mem + i * laf_page);
	for (i = 1; i < pages; i++)
		if (!laf_expect(saw[i] == saw[0] || saw[i] + 1 == saw[0],
				"page %zu of a snapshot: saw %llu, the first has %llu", i,
				(unsigned long long)saw[i], (unsigned long long)saw[0]))
			break;
	for (again = 0; again < 5; again++) {
		usleep(500);
		for (i = 0; i < pages; i++)
			laf_expect(laf_at(uint64_t, mem + i * laf_page) == saw[i],
				   "page %zu changed in the child", i);
	}
	_exit(0);
}

static void test_write_during_fork(int order)
{
	double end;
	unsigned int forks = 0;
	pthread_t thread;
	size_t i;
	pid_t pid;

	setup(order);
	for (i = 0; i < pages; i++)
		laf_at(uint64_t, mem + i * laf_page) = 0;
	start(&thread, write_on);
	for (end = now() + SECONDS; now() < end && !laf_failed(); forks++) {
		pid = laf_fork();
		if (!pid)
			expect_still();
		laf_join(pid);
	}
	finish(thread);
	laf_expect(forks > 1, "saw %u forks", forks);
}

/* ----------------------------------------------------------- pipe and fork */

/* A child that writes all of its memory, and one that leaves it alone */
static void *fork_on(void *arg)
{
	(void)arg;
	while (!stop) {
		size_t i;
		pid_t pid = fork();

		if (!pid) {
			for (i = 0; i < pages; i++)
				laf_at(uint64_t, mem + i * laf_page) = SECRET;
			_exit(0);
		}
		if (pid > 0)
			laf_join(pid);
		count++;
	}
	return NULL;
}

/* What is in a pipe is the parent's, whenever the page got there */
static void test_pipe_during_fork(int order)
{
	char *buf = aligned_alloc(laf_page, laf_page);
	double end = now() + SECONDS;
	pthread_t thread;
	uint64_t value;
	int fd[2];

	setup(order);
	laf_require(!pipe(fd), "pipe: %s", strerror(errno));
	start(&thread, fork_on);
	for (value = 1; now() < end && !laf_failed(); value++) {
		char *p = mem + value % pages * laf_page;
		struct iovec iov = { p, laf_page };

		laf_at(uint64_t, p) = value;
		laf_require(vmsplice(fd[1], &iov, 1, 0) == (ssize_t)laf_page, "vmsplice: %s",
			    strerror(errno));
		usleep(200);
		laf_require(read(fd[0], buf, laf_page) == (ssize_t)laf_page, "read: %s",
			    strerror(errno));
		laf_expect(*(uint64_t *)buf == value, "a pipe has %#llx, want %#llx",
			   (unsigned long long)*(uint64_t *)buf, (unsigned long long)value);
		laf_expect(laf_at(uint64_t, p) == value, "memory has other data");
	}
	finish(thread);
	close(fd[0]);
	close(fd[1]);
	free(buf);
}

/* ------------------------------------------------------------ pin and fork */

/* A device that was given a page sees what the process writes there, for good */
static void pin_and_write(int fd, uint64_t value, char *buf)
{
	char *p = mem + value % pages * laf_page;
	struct pin_longterm_test pin = {
		.addr = (uintptr_t)p,
		.size = laf_page,
		.flags = PIN_LONGTERM_TEST_FLAG_USE_WRITE |
			 (value % 2 ? PIN_LONGTERM_TEST_FLAG_USE_FAST : 0),
	};
	__u64 to = (uintptr_t)buf;

	laf_require(!ioctl(fd, PIN_LONGTERM_TEST_START, &pin), "pin: %s", strerror(errno));
	laf_at(uint64_t, p) = value;
	usleep(100);
	laf_require(!ioctl(fd, PIN_LONGTERM_TEST_READ, &to), "read a pin: %s", strerror(errno));
	laf_expect(*(uint64_t *)buf == value, "the pinned page has %#llx, memory has %#llx",
		   (unsigned long long)*(uint64_t *)buf, (unsigned long long)value);
	laf_at(uint64_t, p) = value + 1;
	usleep(100);
	laf_require(!ioctl(fd, PIN_LONGTERM_TEST_READ, &to), "read a pin: %s", strerror(errno));
	laf_expect(*(uint64_t *)buf == value + 1, "the pinned page was left behind");
	ioctl(fd, PIN_LONGTERM_TEST_STOP);
}

static void test_pin_during_fork(int order)
{
	char *buf = aligned_alloc(laf_page, laf_page);
	int fd = open(GUP_TEST, O_RDWR | O_CLOEXEC);
	double end = now() + SECONDS;
	pthread_t thread;
	uint64_t value;

	if (fd < 0)
		laf_skip("no gup_test: %s", strerror(errno));
	setup(order);
	start(&thread, fork_on);
	for (value = 1; now() < end && !laf_failed(); value += 3)
		pin_and_write(fd, value, buf);
	finish(thread);
	close(fd);
	free(buf);
}

/* ------------------------------------------------- the last one, and a pipe */

/*
 * CVE-2020-29374 with a race: the child puts pages into a pipe and unmaps them page
 * by page, while the parent writes. Each moment at which the parent seems to be
 * alone must not let it write to a page that the pipe holds.
 */
static __attribute__((noreturn)) void hold_and_unmap(struct laf_sync *sync, size_t held)
{
	char *buf = aligned_alloc(laf_page, laf_page);
	struct iovec iov = { mem + held * laf_page, laf_page };
	size_t i;
	int fd[2];

	laf_require(!pipe(fd), "pipe: %s", strerror(errno));
	laf_require(vmsplice(fd[1], &iov, 1, 0) == (ssize_t)laf_page, "vmsplice: %s",
		    strerror(errno));
	laf_sync_post(sync, 0);
	for (i = 0; i < pages; i++)
		munmap(mem + (held + i) % pages * laf_page, laf_page);
	laf_sync_wait(sync, 1);
	laf_require(read(fd[0], buf, laf_page) == (ssize_t)laf_page, "read: %s",
		    strerror(errno));
	laf_expect(laf_same(buf, laf_page, 70, held), "the child's pipe has the parent's data");
	_exit(0);
}

static void test_pipe_of_last(int order)
{
	double end = now() + SECONDS;
	struct laf_sync sync;
	size_t round = 0;
	pid_t pid;

	laf_sync_init(&sync);
	while (now() < end && !laf_failed()) {
		size_t i, held;

		setup(order);
		held = round++ * 7 % pages;
		pid = laf_fork();
		if (!pid)
			hold_and_unmap(&sync, held);
		laf_sync_wait(&sync, 0);
		for (i = 0; i < pages; i++)
			laf_at(uint64_t, mem + (held + pages - i) % pages * laf_page) = SECRET;
		laf_fill(mem, size, 72);
		laf_sync_post(&sync, 1);
		laf_join(pid);
		laf_expect_data(mem, size, 72, 0, "parent");
		laf_unmap(mem, size);
	}
	laf_expect(round, "nothing happened");
}

static const struct laf_test tests[] = {
	{ "forced writes, pages dropped", test_dirty_cow, LAF_ALL },
	{ "forced writes to a private file", test_dirty_cow_file, LAF_ONCE },
	{ "writes during fork", test_write_during_fork, LAF_ALL },
	{ "vmsplice during fork", test_pipe_during_fork, LAF_ALL },
	{ "pins during fork", test_pin_during_fork, LAF_ALL },
	{ "vmsplice by a child that unmaps", test_pipe_of_last, LAF_ALL },
};

int main(void)
{
	return laf_main(tests, ARRAY_SIZE(tests));
}
