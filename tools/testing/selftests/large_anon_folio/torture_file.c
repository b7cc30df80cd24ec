// SPDX-License-Identifier: GPL-2.0
/*
 * What a tortured process does with files: see torture.h. What it maps here is gone
 * when the operation ends, so nobody else knows of it, and the model neither.
 */
#include <fcntl.h>
#include <linux/mempolicy.h>
#include <linux/userfaultfd.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../../../../mm/gup_test.h"
#include "../kselftest.h"
#include "laf_util.h"
#include "torture.h"

#define FILE_PAGES	1024

/* Whether pages of a mapped file hold what they have to; some can't be read now */
static bool file_is(struct actor *a, char *map, const uint64_t *bases, const char *how)
{
	const uint64_t *word = (const uint64_t *)a->buffer;
	size_t w;
	int i;

	for (i = rnd(a, 8); i < FILE_PAGES; i += 1 + rnd(a, 8)) {
		if (vm_read(a->buffer, map + i * laf_page) != (ssize_t)laf_page)
			continue;
		for (w = 0; w < laf_page / sizeof(*word); w++) {
			uint64_t want = bases[i] ? bases[i] + w : 0;

			if (word[w] == want)
				continue;
			complain(a, "page %d of a file, word %zu, %s: saw %#llx, want %#llx", i, w,
				 how, (unsigned long long)word[w], (unsigned long long)want);
			return false;
		}
	}
	return true;
}

/* Pages get data of their own, up to the first that can't */
static bool file_write(struct actor *a, char *map, uint64_t *bases, int nr)
{
	while (nr--) {
		int i = rnd(a, FILE_PAGES);
		uint64_t base = new_base(i);

		fill(a->buffer, base);
		if (vm_write(a->buffer, map + i * laf_page) != (ssize_t)laf_page)
			return false;
		bases[i] = base;
	}
	return true;
}

/* A range of a file's mapping is write-protected for userfaultfd, and given back */
static void file_guard(struct actor *a, char *map)
{
	const size_t at = rnd(a, FILE_PAGES) * laf_page, len = FILE_PAGES * laf_page - at;
	struct uffdio_writeprotect wp = {
		.range = { (uintptr_t)map + at, len },
		.mode = UFFDIO_WRITEPROTECT_MODE_WP,
	};
	int fd = uffd_open(map, FILE_PAGES * laf_page, UFFDIO_REGISTER_MODE_WP);
	pid_t pid;

	if (fd < 0)
		return;
	ioctl(fd, UFFDIO_WRITEPROTECT, &wp);
	pid = child_begin();
	if (!pid)
		_exit(0);
	if (rnd(a, 2))
		madvise(map + at, len, rnd(a, 2) ? MADV_DONTNEED : MADV_PAGEOUT);
	if (rnd(a, 2)) {
		wp.mode = 0;
		ioctl(fd, UFFDIO_WRITEPROTECT, &wp);
	}
	child_end(pid);
	uffd_close(fd, map, FILE_PAGES * laf_page);
}

/* The mapping is split, the boundary is moved, and it becomes one again */
static void file_protect(struct actor *a, char *map)
{
	const int at = rnd(a, FILE_PAGES), to = at + rnd(a, FILE_PAGES - at);

	mprotect(map + at * laf_page, (FILE_PAGES - at) * laf_page, PROT_READ);
	mprotect(map + at * laf_page, (to - at) * laf_page, PROT_READ | PROT_WRITE);
	mprotect(map + to * laf_page, (FILE_PAGES - to) * laf_page, PROT_READ | PROT_WRITE);
}

static bool file_share(struct actor *a, char *own, char *shared, int fd, off_t from,
		       uint64_t *bases)
{
	const size_t len = FILE_PAGES * laf_page;
	uint64_t mine[FILE_PAGES];
	int at = rnd(a, FILE_PAGES);
	pid_t pid;
	bool ok;

	if (!file_write(a, shared, bases, 1 + rnd(a, 32)))
		return false;
	memcpy(mine, bases, sizeof(mine));
	/* A fork copies the PTEs of what has such pages; a folio is mapped by PTEs, then */
	if (rnd(a, 4) && !file_write(a, own, mine, 1))
		return false;
	madvise(own, len, MADV_POPULATE_READ);
	if (!rnd(a, 4))
		file_protect(a, own);
	/* 6.1 warns if it has no memory for the page table of what it protects there */
	if (!torture->faults && !rnd(a, 4))
		file_guard(a, shared);
	/* Reclaim meets what is dirty, what is clean, and what is being written */
	if (!rnd(a, 4))
		sync_file_range(fd, from, len, SYNC_FILE_RANGE_WRITE);
	if (!rnd(a, 2))
		madvise(rnd(a, 2) ? own : shared, len, rnd(a, 4) ? MADV_PAGEOUT : MADV_COLD);
	madvise(shared, len, rnd(a, 2) ? MADV_POPULATE_READ : MADV_POPULATE_WRITE);
	pid = child_begin();
	if (!pid) {
		if (file_is(a, own, mine, "the child's") &&
		    file_write(a, own, mine, rnd(a, 8)))
			file_is(a, own, mine, "written by the child");
		if (rnd(a, 2))
			munmap(own + at * laf_page, len - at * laf_page);
		_exit(0);
	}
	ok = file_is(a, own, mine, "private") && file_is(a, shared, bases, "shared");
	if (file_write(a, own, mine, rnd(a, 8)))
		ok = ok && file_is(a, own, mine, "written");
	if (rnd(a, 2))
		madvise(own, at * laf_page, MADV_DONTNEED);
	child_end(pid);
	return ok && pid > 0;
}

/* A part of the block device, of zeroes, that nobody else has; -1 if it is taken */
static int device_open(struct actor *a, off_t *at)
{
	struct flock lock = { .l_type = F_WRLCK, .l_len = FILE_PAGES * laf_page };
	int fd = open(torture->disk, O_RDWR | O_CLOEXEC);
	off_t size = fd < 0 ? -1 : lseek(fd, 0, SEEK_END);

	if (size >= DIRECT_END + lock.l_len) {
		*at = DIRECT_END + rnd(a, (size - DIRECT_END) / lock.l_len) * lock.l_len;
		lock.l_start = *at;
		/* Given up with the last one's file, however he ends */
		if (!fcntl(fd, F_OFD_SETLK, &lock) &&
		    !fallocate(fd, FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE, *at, lock.l_len))
			return fd;
	}
	if (fd >= 0)
		close(fd);
	return -1;
}

static int file_open(struct actor *a, off_t *at)
{
	const size_t len = FILE_PAGES * laf_page;
	int which = rnd(a, 4), fd;

	*at = 0;
	if (which == 0)
		return device_open(a, at);
	fd = memfd_create("torture", MFD_CLOEXEC | (which == 1 ? MFD_HUGETLB : 0));
	if (fd >= 0 && ftruncate(fd, len)) {
		close(fd);
		return -1;
	}
	return fd;
}

/*
 * A file, mapped twice, and again by a child: shmem's, whose folios are large,
 * hugetlbfs', or a part of a block device, which is written back
 */
bool op_file(struct actor *a)
{
	const size_t len = FILE_PAGES * laf_page;
	uint64_t bases[FILE_PAGES] = { 0 };
	char *own, *shared;
	bool ok = false;
	off_t at;
	int fd = file_open(a, &at);

	if (fd < 0)
		return false;
	own = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, at);
	shared = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, fd, at);
	if (own != MAP_FAILED && shared != MAP_FAILED)
		ok = file_share(a, own, shared, fd, at, bases);
	if (own != MAP_FAILED)
		munmap(own, len);
	if (shared != MAP_FAILED)
		munmap(shared, len);
	close(fd);
	return ok;
}

/* ---------------------------------------------------------------- hugetlbfs */

/* To any node, each huge page for itself */
static void hugetlb_move(struct actor *a, char *map)
{
	const size_t huge = laf_size(laf_pmd_order);
	void *addrs[FILE_PAGES];
	int nodes[FILE_PAGES], status[FILE_PAGES], i, nr = FILE_PAGES * laf_page / huge;

	for (i = 0; i < nr; i++) {
		addrs[i] = map + i * huge;
		nodes[i] = rnd(a, MAX_NODES);
	}
	syscall(__NR_move_pages, 0, nr, addrs, nodes, status, MPOL_MF_MOVE);
}

/* A page that the process has written, pinned; -1 if none, else the file to close */
static int hugetlb_pin(struct actor *a, char *map, const uint64_t *bases, int *at)
{
	struct pin_longterm_test pin = { .size = laf_page, .flags = rnd(a, 4) };
	int fd = open("/sys/kernel/debug/gup_test", O_RDWR | O_CLOEXEC), i = rnd(a, FILE_PAGES);

	while (!bases[i])
		i = (i + 1) % FILE_PAGES;
	pin.addr = (uintptr_t)map + i * laf_page;
	*at = i;
	if (fd < 0 || !ioctl(fd, PIN_LONGTERM_TEST_START, &pin))
		return fd;
	close(fd);
	return -1;
}

/* A pin sees what is written later, whoever was forked meanwhile */
static bool hugetlb_unpin(struct actor *a, int fd, uint64_t base, int at)
{
	const uint64_t *word = (const uint64_t *)a->buffer;
	__u64 to = (uintptr_t)a->buffer;
	bool ok = ioctl(fd, PIN_LONGTERM_TEST_READ, &to) || *word == base;

	if (!ok)
		complain(a, "page %d of hugetlbfs, pinned: saw %#llx, want %#llx", at,
			 (unsigned long long)*word, (unsigned long long)base);
	ioctl(fd, PIN_LONGTERM_TEST_STOP);
	close(fd);
	return ok;
}

/* As file_share(), for pages that are pinned, and moved, while a child is made */
static bool hugetlb_share(struct actor *a, char *map, bool private, uint64_t *bases)
{
	const size_t huge = laf_size(laf_pmd_order);
	int pin = -1, at = 0;
	pid_t pid;
	bool ok;

	if (!file_write(a, map, bases, 1 + rnd(a, 16)))
		return false;
	if (!rnd(a, 4) && !mprotect(map, huge, PROT_READ))
		mprotect(map, huge, PROT_READ | PROT_WRITE);
	if (rnd(a, 2))
		pin = hugetlb_pin(a, map, bases, &at);
	if (rnd(a, 2))
		hugetlb_move(a, map);
	pid = child_begin();
	if (!pid) {
		/* What is shared its parent writes to meanwhile */
		if (private && file_is(a, map, bases, "hugetlbfs, the child's")) {
			file_write(a, map, bases, rnd(a, 8));
			file_is(a, map, bases, "hugetlbfs, written by the child");
		}
		_exit(0);
	}
	file_write(a, map, bases, rnd(a, 8));
	hugetlb_move(a, map);
	/* What is lost nobody can read, nor write */
	if (me->family->poisons && rnd(a, 2))
		madvise(map + rnd(a, FILE_PAGES) * laf_page, laf_page,
			rnd(a, 2) ? MADV_HWPOISON : MADV_SOFT_OFFLINE);
	ok = file_is(a, map, bases, "hugetlbfs");
	if (pin >= 0)
		ok = hugetlb_unpin(a, pin, bases[at], at) && ok;
	child_end(pid);
	return ok && pid > 0;
}

/* What is there is refused, and what is not comes write-protected or not */
static void hugetlb_copy(struct actor *a, const struct uffd_server *s, uint64_t *bases)
{
	const int nr = s->len / s->size, nr_pages = s->size / laf_page;
	struct uffdio_copy copy = {
		.len = s->size,
		.mode = rnd(a, 2) ? UFFDIO_COPY_MODE_WP : 0,
	};
	char *from = mmap(NULL, s->size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			  -1, 0);
	int i = rnd(a, nr), j;

	if (from == MAP_FAILED)
		return;
	copy.dst = (uintptr_t)s->mem + i * s->size;
	copy.src = (uintptr_t)from;
	for (j = 0; j < nr_pages; j++)
		fill(from + j * laf_page, new_base(j));
	if (!ioctl(s->fd, UFFDIO_COPY, &copy))
		for (j = 0; j < nr_pages; j++)
			bases[i * nr_pages + j] = laf_at(uint64_t, from + j * laf_page);
	munmap(from, s->size);
}

/*
 * hugetlbfs: userfaultfd, pins at a fork, and migration are all its own there. A file
 * may be longer than what is mapped, or have pages already.
 */
bool op_hugetlb(struct actor *a)
{
	const size_t huge = laf_size(laf_pmd_order), len = FILE_PAGES * laf_page;
	const bool private = rnd(a, 2);
	const int mode = UFFDIO_REGISTER_MODE_MISSING | (rnd(a, 2) ? UFFDIO_REGISTER_MODE_WP : 0) |
			 (rnd(a, 2) ? UFFDIO_REGISTER_MODE_MINOR : 0);
	int fd = memfd_create("torture", MFD_CLOEXEC | MFD_HUGETLB);
	uint64_t bases[FILE_PAGES] = { 0 };
	struct uffd_server server;
	bool ok = false, served;
	char *map;

	if (fd < 0 || len % huge || ftruncate(fd, len))
		goto out;
	/* Pages of the file that are not in the mapping */
	if (rnd(a, 2))
		fallocate(fd, 0, 0, huge);
	map = mmap(NULL, len, PROT_READ | PROT_WRITE, private ? MAP_PRIVATE : MAP_SHARED, fd, 0);
	if (map == MAP_FAILED)
		goto out;
	served = rnd(a, 4) && uffd_start(&server, map, len, huge, mode);
	if (served && rnd(a, 2))
		hugetlb_copy(a, &server, bases);
	ok = hugetlb_share(a, map, private, bases);
	if (ok && !private && rnd(a, 2)) {
		madvise(map, len, MADV_DONTNEED);
		ok = file_is(a, map, bases, "hugetlbfs, unmapped");
	}
	if (served)
		uffd_stop(&server);
	munmap(map, len);
out:
	if (fd >= 0)
		close(fd);
	return ok;
}
