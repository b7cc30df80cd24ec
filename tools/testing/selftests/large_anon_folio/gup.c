// SPDX-License-Identifier: GPL-2.0
/*
 * Pages that the kernel holds on to across fork: no process sees through them
 * what another one wrote later, and the owner's buffer stays the owner's.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/io_uring.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "../kselftest.h"
#include "laf_util.h"

static char *mem;
static size_t size, pages;

static void setup(int order)
{
	laf_only(order);
	size = laf_size(order);
	pages = size / laf_page;
	mem = laf_folios(order, 1, 0);
	laf_fill(mem, size, 50);
}

/* Which pages of the folio a test looks at */
static size_t sample(int i)
{
	size_t at[] = { 0, 1, pages / 2, pages - 1 };

	return at[i];
}

#define SAMPLES	4

static void splice_in(int fd, char *p, size_t len)
{
	struct iovec iov = { .iov_base = p, .iov_len = len };
	ssize_t n = vmsplice(fd, &iov, 1, 0);

	laf_require(n == (ssize_t)len, "vmsplice: saw %zd, want %zu: %s", n, len,
		    strerror(errno));
}

static void check_pipe(int fd, uint64_t seed, size_t page, const char *who)
{
	char *buf = aligned_alloc(laf_page, laf_page);
	size_t done = 0;

	while (done < laf_page) {
		ssize_t n = read(fd, buf + done, laf_page - done);

		laf_require(n > 0, "%s: read from the pipe: %zd, %s", who, n,
			    strerror(errno));
		done += n;
	}
	laf_expect(laf_same(buf, laf_page, seed, page), "%s: page %zu in the pipe", who,
		   page);
	free(buf);
}

/*
 * The child's pipe holds pages that it unmapped. The parent, alone again, must
 * not write into them: the child would read the parent's secrets.
 */
static void test_vmsplice_child(int order)
{
	struct laf_sync sync;
	int fd[2], i;
	pid_t pid;

	setup(order);
	laf_sync_init(&sync);
	pid = laf_fork();
	if (!pid) {
		laf_require(!pipe(fd), "pipe: %s", strerror(errno));
		for (i = 0; i < SAMPLES; i++)
			splice_in(fd[1], mem + sample(i) * laf_page, laf_page);
		munmap(mem, size);
		laf_sync_post(&sync, 0);
		laf_sync_wait(&sync, 1);
		for (i = 0; i < SAMPLES; i++)
			check_pipe(fd[0], 50, sample(i), "child");
		_exit(0);
	}
	laf_sync_wait(&sync, 0);
	laf_fill(mem, size, 51);
	laf_sync_post(&sync, 1);
	laf_join(pid);
	laf_expect_data(mem, size, 51, 0, "parent");
	laf_fill(mem, size, 52);
	laf_expect_data(mem, size, 52, 0, "parent after the child's end");
}

/* The same the other way: the parent's pipe, the child writes */
static void test_vmsplice_parent(int order)
{
	struct laf_sync sync;
	int fd[2], i, before;
	pid_t pid;

	for (before = 0; before < 2; before++) {
		setup(order);
		laf_sync_init(&sync);
		laf_require(!pipe(fd), "pipe: %s", strerror(errno));
		for (i = 0; before && i < SAMPLES; i++)
			splice_in(fd[1], mem + sample(i) * laf_page, laf_page);
		pid = laf_fork();
		if (!pid) {
			laf_sync_wait(&sync, 1);
			laf_expect_data(mem, size, 50, 0, "child");
			laf_fill(mem, size, 53);
			laf_expect_data(mem, size, 53, 0, "child, own");
			_exit(0);
		}
		for (i = 0; !before && i < SAMPLES; i++)
			splice_in(fd[1], mem + sample(i) * laf_page, laf_page);
		munmap(mem, size);
		laf_sync_post(&sync, 1);
		laf_join(pid);
		for (i = 0; i < SAMPLES; i++)
			check_pipe(fd[0], 50, sample(i), before ?
				   "spliced before fork" : "spliced after fork");
	}
}

/* A pipe holds one page only; all the others are as exclusive as ever */
static void test_vmsplice_one(int order)
{
	long before = laf_stat(order, "nr_anon"), saw;
	int fd[2];
	pid_t pid;

	setup(order);
	laf_require(!pipe(fd), "pipe: %s", strerror(errno));
	splice_in(fd[1], mem + laf_page, laf_page);
	pid = laf_fork();
	if (!pid)
		_exit(0);
	laf_join(pid);
	laf_fill(mem, size, 54);
	laf_expect_data(mem, size, 54, 0, "after fork");
	/* The pipe may see either: the page was spliced by its writer */
	laf_unmap(mem, size);
	close(fd[0]);
	close(fd[1]);
	saw = laf_stat(order, "nr_anon") - before;
	laf_expect(saw <= 0, "nr_anon in the end: saw %+ld, want 0", saw);
}

/* Another process's memory, read and written by the kernel */
static void test_process_vm(int order)
{
	struct laf_sync sync;
	struct iovec local, remote;
	char *buf;
	pid_t pid;

	setup(order);
	laf_sync_init(&sync);
	pid = laf_fork();
	if (!pid) {
		laf_sync_wait(&sync, 1);
		laf_expect_data(mem, laf_page, 50, 0, "child, first page");
		laf_expect_data(mem + laf_page, laf_page, 60, 0, "child, written page");
		laf_expect_data(mem + 2 * laf_page, size - 2 * laf_page, 50, 2, "child, rest");
		_exit(0);
	}
	buf = aligned_alloc(laf_page, size);
	local.iov_base = buf;
	remote.iov_base = mem;
	local.iov_len = size;
	remote.iov_len = size;
	laf_expect(process_vm_readv(pid, &local, 1, &remote, 1, 0) == (ssize_t)size,
		   "process_vm_readv: %s", strerror(errno));
	laf_expect_data(buf, size, 50, 0, "read from the child");
	laf_fill(buf, laf_page, 60);
	remote.iov_base = mem + laf_page;
	local.iov_len = laf_page;
	remote.iov_len = laf_page;
	laf_expect(process_vm_writev(pid, &local, 1, &remote, 1, 0) == (ssize_t)laf_page,
		   "process_vm_writev: %s", strerror(errno));
	laf_expect_data(mem, size, 50, 0, "parent after writing to the child");
	laf_sync_post(&sync, 1);
	laf_join(pid);
	laf_expect_data(mem, size, 50, 0, "parent");
}

/* A debugger's write to memory that is read-only, and shared with a child */
static void test_proc_mem(int order)
{
	char *buf = aligned_alloc(laf_page, laf_page);
	struct laf_sync sync;
	pid_t pid;
	int fd;

	setup(order);
	laf_sync_init(&sync);
	laf_require(!mprotect(mem, size, PROT_READ), "mprotect: %s", strerror(errno));
	pid = laf_fork();
	if (!pid) {
		laf_sync_wait(&sync, 1);
		laf_expect_data(mem, size, 50, 0, "child");
		_exit(0);
	}
	fd = open("/proc/self/mem", O_RDWR);
	laf_require(fd >= 0, "/proc/self/mem: %s", strerror(errno));
	laf_fill(buf, laf_page, 61);
	laf_expect(pwrite(fd, buf, laf_page, (uintptr_t)mem + laf_page) == (ssize_t)laf_page,
		   "write to /proc/self/mem: %s", strerror(errno));
	laf_sync_post(&sync, 1);
	laf_join(pid);
	laf_expect_data(mem, laf_page, 50, 0, "first page");
	laf_expect_data(mem + laf_page, laf_page, 61, 0, "written page");
	laf_expect_data(mem + 2 * laf_page, size - 2 * laf_page, 50, 2, "rest");
}

/* --------------------------------------------------------------- io_uring */

static void ring_init(struct laf_ring *ring)
{
	if (laf_ring_init(ring))
		laf_skip("no io_uring: %s", strerror(errno));
}

static void ring_pin(struct laf_ring *ring, char *p, size_t len)
{
	laf_require(!laf_ring_pin(ring, p, len), "register a buffer: %s", strerror(errno));
}

static void ring_io(struct laf_ring *ring, int op, int fd, char *p, size_t len)
{
	int done = laf_ring_io(ring, op, fd, p, len, 0);

	laf_expect(done == (int)len, "I/O: saw %d, want %zu", done, len);
}

/* A file to read from and to write to */
static int make_file(uint64_t seed)
{
	char *buf = aligned_alloc(laf_page, size);
	int fd = memfd_create("large_anon_folio", MFD_CLOEXEC);

	laf_require(fd >= 0, "memfd_create: %s", strerror(errno));
	laf_fill(buf, size, seed);
	laf_require(pwrite(fd, buf, size, 0) == (ssize_t)size, "write: %s",
		    strerror(errno));
	free(buf);
	return fd;
}

static void check_file(int fd, size_t len, uint64_t seed, size_t first, const char *what)
{
	char *buf = aligned_alloc(laf_page, len);

	laf_expect(pread(fd, buf, len, 0) == (ssize_t)len, "read: %s", strerror(errno));
	laf_expect_data(buf, len, seed, first, what);
	free(buf);
}

/* Pinned before fork: reads arrive in the parent, writes send what it wrote */
static void test_pin_then_fork(int order)
{
	struct laf_sync sync;
	struct laf_ring ring;
	int file;
	pid_t pid;

	setup(order);
	laf_sync_init(&sync);
	ring_init(&ring);
	ring_pin(&ring, mem, size);
	file = make_file(70);
	pid = laf_fork();
	if (!pid) {
		laf_expect_data(mem, size, 50, 0, "child at start");
		laf_sync_post(&sync, 0);
		laf_sync_wait(&sync, 1);
		laf_expect_data(mem, size, 50, 0, "child after the parent's I/O");
		laf_fill(mem, size, 71);
		laf_sync_post(&sync, 0);
		laf_sync_wait(&sync, 1);
		laf_expect_data(mem, size, 71, 0, "child, own");
		_exit(0);
	}
	laf_sync_wait(&sync, 0);
	ring_io(&ring, IORING_OP_READ_FIXED, file, mem, size);
	laf_expect_data(mem, size, 70, 0, "read into the parent's buffer");
	laf_sync_post(&sync, 1);
	laf_sync_wait(&sync, 0);
	laf_expect_data(mem, size, 70, 0, "parent after the child's writes");
	laf_fill(mem, size, 72);
	ring_io(&ring, IORING_OP_WRITE_FIXED, file, mem, size);
	check_file(file, size, 72, 0, "what the parent wrote last");
	laf_sync_post(&sync, 1);
	laf_join(pid);
	laf_fill(mem, size, 73);
	lseek(file, 0, SEEK_SET);
	ring_io(&ring, IORING_OP_WRITE_FIXED, file, mem, size);
	check_file(file, size, 73, 0, "after the child's end");
}

/* Pinned after fork, by the child: it gets copies of its own */
static void test_fork_then_pin(int order)
{
	struct laf_sync sync;
	pid_t pid;

	setup(order);
	laf_sync_init(&sync);
	pid = laf_fork();
	if (!pid) {
		struct laf_ring ring;
		int file;

		ring_init(&ring);
		ring_pin(&ring, mem, size);
		file = make_file(70);
		laf_sync_post(&sync, 0);
		laf_sync_wait(&sync, 1);
		ring_io(&ring, IORING_OP_WRITE_FIXED, file, mem, size);
		check_file(file, size, 50, 0, "child: what was there at fork");
		laf_fill(mem, size, 74);
		ring_io(&ring, IORING_OP_WRITE_FIXED, file, mem, size);
		check_file(file, size, 74, 0, "child: what it wrote");
		_exit(0);
	}
	laf_sync_wait(&sync, 0);
	laf_fill(mem, size, 75);
	laf_sync_post(&sync, 1);
	laf_join(pid);
	laf_expect_data(mem, size, 75, 0, "parent");
}

/* One pinned page: the folio can't be split, and all of it keeps its data */
static void test_pin_one(int order)
{
	long before = laf_stat(order, "nr_anon"), saw;
	struct laf_ring ring;
	int file, i;
	pid_t pid;

	setup(order);
	ring_init(&ring);
	ring_pin(&ring, mem + laf_page, laf_page);
	file = make_file(76);
	pid = laf_fork();
	if (!pid) {
		laf_expect_data(mem, size, 50, 0, "child");
		laf_fill(mem, size, 77);
		_exit(0);
	}
	laf_join(pid);
	laf_fill(mem, size, 78);
	ring_io(&ring, IORING_OP_WRITE_FIXED, file, mem + laf_page, laf_page);
	check_file(file, laf_page, 78, 1, "the pinned page");
	ring_io(&ring, IORING_OP_READ_FIXED, file, mem + laf_page, laf_page);

	/* Under pressure, with a part of it gone */
	laf_require(!munmap(mem + size / 2, size / 2), "munmap: %s", strerror(errno));
	for (i = 0; i < 3; i++)
		laf_write("/proc/sys/vm/drop_caches", "2");
	madvise(mem, size / 2, MADV_PAGEOUT);
	laf_expect_data(mem, laf_page, 78, 0, "page 0");
	laf_fill(mem + laf_page, laf_page, 79);
	lseek(file, 0, SEEK_SET);
	ring_io(&ring, IORING_OP_WRITE_FIXED, file, mem + laf_page, laf_page);
	check_file(file, laf_page, 79, 0, "the pinned page after munmap and reclaim");

	laf_unmap(mem, size);
	laf_expect(!syscall(__NR_io_uring_register, ring.fd, IORING_UNREGISTER_BUFFERS,
			    NULL, 0), "unregister: %s", strerror(errno));
	/* It may be asynchronous */
	for (i = 0; i < 100; i++) {
		saw = laf_stat(order, "nr_anon") - before;
		if (saw <= 0)
			break;
		usleep(20000);
	}
	laf_expect(saw <= 0, "nr_anon in the end: saw %+ld, want 0", saw);
}

/* O_DIRECT: into memory that is shared with a child, and out of it */
static void test_direct_io(int order)
{
	struct laf_sync sync;
	int fd = laf_direct();
	pid_t pid;

	setup(order);
	laf_sync_init(&sync);
	laf_require(pwrite(fd, mem, size, 0) == (ssize_t)size, "O_DIRECT write: %s",
		    strerror(errno));
	laf_fill(mem, size, 80);
	pid = laf_fork();
	if (!pid) {
		laf_sync_wait(&sync, 1);
		laf_expect_data(mem, size, 80, 0, "child");
		_exit(0);
	}
	laf_expect(pread(fd, mem, size, 0) == (ssize_t)size, "O_DIRECT read: %s",
		   strerror(errno));
	laf_expect_data(mem, size, 50, 0, "parent, read back");
	laf_sync_post(&sync, 1);
	laf_join(pid);
	laf_expect_data(mem, size, 50, 0, "parent");
}

static const struct laf_test tests[] = {
	{ "vmsplice by the child", test_vmsplice_child, LAF_ALL },
	{ "vmsplice by the parent", test_vmsplice_parent, LAF_ALL },
	{ "vmsplice of one page", test_vmsplice_one, LAF_ALL },
	{ "process_vm", test_process_vm, LAF_ALL },
	{ "/proc/PID/mem", test_proc_mem, LAF_ALL },
	{ "io_uring buffer, then fork", test_pin_then_fork, LAF_ALL },
	{ "fork, then io_uring buffer", test_fork_then_pin, LAF_ALL },
	{ "one pinned page", test_pin_one, LAF_ALL },
	{ "O_DIRECT", test_direct_io, LAF_ALL },
};

int main(void)
{
	return laf_main(tests, ARRAY_SIZE(tests));
}
