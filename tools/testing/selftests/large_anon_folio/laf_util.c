// SPDX-License-Identifier: GPL-2.0
/*
 * What the tests of large anonymous folios share: see laf_util.h.
 */
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <limits.h>
#include <linux/io_uring.h>
#include <linux/magic.h>
#include <linux/userfaultfd.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/swap.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <linux/fs.h>

#include "../kselftest.h"
#include "laf_util.h"

#define MAX_SETTINGS	512
#define MAX_SWAPS	8
#define FAST_SWAP	"/dev/ram0"

size_t laf_page;
int laf_pmd_order;

/* What a setting was before a test changed it */
struct setting {
	char path[128];
	char value[64];
};

/* The runner and all descendants of a test see this */
static struct {
	unsigned int checks;
	unsigned int failures;
	bool skipped;
	char reason[256];
	char cgroup[8][PATH_MAX];
	int nr_cgroups;
	int nr_settings;
	int first_setting;	/* the first one of the test that runs */
	struct setting settings[MAX_SETTINGS];
	char swap[PATH_MAX];
	bool swap_tried;
	bool swap_ours, swap_fast;
	int nr_swaps_off;
	char swaps_off[MAX_SWAPS][PATH_MAX];
} *shared;

static pid_t runner;

/* --------------------------------------------------------------- results */

static void die(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	printf("# ");
	vprintf(fmt, args);
	printf("\n");
	va_end(args);
	if (shared)
		__atomic_add_fetch(&shared->failures, 1, __ATOMIC_SEQ_CST);
	fflush(stdout);
	_exit(1);
}

bool laf_result(bool ok, const char *file, int line, const char *fmt, ...)
{
	int saved_errno = errno;
	va_list args;

	__atomic_add_fetch(&shared->checks, 1, __ATOMIC_SEQ_CST);
	if (ok)
		return true;

	/* The first ones say what is wrong; a thousand more would hide them */
	if (__atomic_add_fetch(&shared->failures, 1, __ATOMIC_SEQ_CST) <= 16) {
		char text[512];

		errno = saved_errno;
		va_start(args, fmt);
		vsnprintf(text, sizeof(text), fmt, args);
		va_end(args);
		ksft_print_msg("%s:%d: %s\n", file, line, text);
		fflush(stdout);
	}
	return false;
}

bool laf_failed(void)
{
	return __atomic_load_n(&shared->failures, __ATOMIC_SEQ_CST);
}

void laf_skip(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf(shared->reason, sizeof(shared->reason), fmt, args);
	va_end(args);
	shared->skipped = true;
	fflush(stdout);
	_exit(0);
}

void laf_note(const char *fmt, ...)
{
	va_list args;

	printf("# ");
	va_start(args, fmt);
	vprintf(fmt, args);
	va_end(args);
	printf("\n");
	fflush(stdout);
}

/* ----------------------------------------------------------------- files */

int laf_read(const char *path, char *buf, size_t size)
{
	ssize_t len;
	int fd, err;

	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	len = read(fd, buf, size - 1);
	err = len < 0 ? -errno : 0;
	close(fd);
	if (err)
		return err;
	buf[len] = '\0';
	return 0;
}

int laf_write(const char *path, const char *value)
{
	int fd, err = 0;

	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (write(fd, value, strlen(value)) < 0)
		err = -errno;
	close(fd);
	return err;
}

bool laf_exists(const char *path)
{
	return !access(path, F_OK);
}

/* The value that is in force: the one in brackets, if there are any */
static int current_value(const char *path, char *value, size_t size)
{
	char buf[512], *from = buf, *to;
	int err;

	err = laf_read(path, buf, sizeof(buf));
	if (err)
		return err;
	to = strchr(buf, '[');
	if (to) {
		from = to + 1;
		to = strchr(from, ']');
	} else {
		to = strchr(buf, '\n');
	}
	if (to)
		*to = '\0';
	if (strlen(from) >= size)
		return -E2BIG;
	strcpy(value, from);
	return 0;
}

void laf_set(const char *path, const char *value)
{
	char old[64];
	int i, err;

	err = current_value(path, old, sizeof(old));
	if (err)
		die("cannot read %s: %s", path, strerror(-err));
	if (!strcmp(old, value))
		return;
	for (i = shared->first_setting; i < shared->nr_settings; i++)
		if (!strcmp(shared->settings[i].path, path))
			break;
	if (i == shared->nr_settings) {
		if (i == MAX_SETTINGS)
			die("more than %d settings changed", MAX_SETTINGS);
		snprintf(shared->settings[i].path, sizeof(shared->settings[i].path),
			 "%s", path);
		snprintf(shared->settings[i].value, sizeof(shared->settings[i].value),
			 "%s", old);
		shared->nr_settings++;
	}
	err = laf_write(path, value);
	if (err)
		die("cannot write %s to %s: %s", value, path, strerror(-err));
}

/* What @path was set to before this program; false if it is unchanged */
bool laf_original(const char *path, char *value, size_t size)
{
	int i;

	for (i = 0; i < shared->nr_settings; i++) {
		if (strcmp(shared->settings[i].path, path))
			continue;
		snprintf(value, size, "%s", shared->settings[i].value);
		return true;
	}
	return false;
}

void laf_set_long(const char *path, long value)
{
	char buf[24];

	snprintf(buf, sizeof(buf), "%ld", value);
	laf_set(path, buf);
}

/* Take back all settings but the first @keep */
static void restore_settings(int keep)
{
	while (shared->nr_settings > keep) {
		struct setting *s = &shared->settings[shared->nr_settings - 1];
		int err = laf_write(s->path, s->value);

		if (err)
			ksft_print_msg("cannot restore %s to %s: %s\n", s->path,
				       s->value, strerror(-err));
		shared->nr_settings--;
	}
}

long laf_read_long(const char *path)
{
	char buf[64];
	int err = laf_read(path, buf, sizeof(buf));

	if (err)
		die("cannot read %s: %s", path, strerror(-err));
	return strtol(buf, NULL, 10);
}

/* The number behind @key at the start of a line; -1 if there is no such line */
long laf_read_key(const char *path, const char *key)
{
	size_t len = strlen(key);
	char line[256];
	long value = -1;
	FILE *file;

	file = fopen(path, "re");
	if (!file)
		die("cannot open %s: %s", path, strerror(errno));
	while (fgets(line, sizeof(line), file)) {
		if (strncmp(line, key, len) ||
		    !strchr(" :\t", line[len]))
			continue;
		value = strtol(line + len + 1, NULL, 10);
		break;
	}
	fclose(file);
	return value;
}

/* -------------------------------------------------------------- settings */

size_t laf_size(int order)
{
	return laf_page << order;
}

const char *laf_size_file(int order, const char *name)
{
	static char path[4][160];
	static int next;

	next = (next + 1) % 4;
	snprintf(path[next], sizeof(path[0]), THP "hugepages-%zukB/%s",
		 laf_size(order) / 1024, name);
	return path[next];
}

void laf_set_size(int order, const char *value)
{
	laf_set(laf_size_file(order, "enabled"), value);
}

void laf_set_sizes(int from, int to, const char *value)
{
	while (from <= to)
		laf_set_size(from++, value);
}

/* The memory that laf_map() gives gets folios of this size or single pages */
void laf_only(int order)
{
	laf_set_size(order, "madvise");
}

long laf_stat(int order, const char *name)
{
	char file[64];

	snprintf(file, sizeof(file), "stats/%s", name);
	return laf_read_long(laf_size_file(order, file));
}

/*
 * Tests use several folios at a time, and the machine may be small: sizes above
 * 1/32 of its memory are left out.
 */
static bool affordable(int order)
{
	long total = laf_read_key("/proc/meminfo", "MemTotal") * 1024;

	return (long)laf_size(order) <= total / 32;
}

/* The largest affordable order below the PMD's */
int laf_largest(void)
{
	int order = laf_pmd_order - 1;

	while (!affordable(order))
		order--;
	return order;
}

void laf_drain(void)
{
	cpu_set_t before, cpu;
	int i;

	laf_require(!sched_getaffinity(0, sizeof(before), &before),
		    "sched_getaffinity: %s", strerror(errno));
	for (i = 0; i < CPU_SETSIZE; i++) {
		void *p;

		CPU_ZERO(&cpu);
		CPU_SET(i, &cpu);
		if (sched_setaffinity(0, sizeof(cpu), &cpu))
			continue;
		/* Whoever unmaps drains the CPU that he is on */
		p = mmap(NULL, laf_page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		laf_require(p != MAP_FAILED && !munmap(p, laf_page), "mmap, munmap: %s",
			    strerror(errno));
	}
	laf_require(!sched_setaffinity(0, sizeof(before), &before),
		    "sched_setaffinity: %s", strerror(errno));
}

long laf_vmstat(const char *name)
{
	char buf[16];

	/* Folds what the CPUs have not told yet; reading does it */
	laf_read("/proc/sys/vm/stat_refresh", buf, sizeof(buf));
	return laf_read_key("/proc/vmstat", name);
}

/* In bytes */
long laf_meminfo(const char *name)
{
	char buf[16];

	laf_read("/proc/sys/vm/stat_refresh", buf, sizeof(buf));
	return laf_read_key("/proc/meminfo", name) * 1024;
}

long laf_smaps(const void *addr, const char *name)
{
	size_t len = strlen(name);
	unsigned long start, end;
	bool inside = false;
	char line[512];
	long value = -1;
	FILE *file;

	file = fopen("/proc/self/smaps", "re");
	if (!file)
		die("cannot open smaps: %s", strerror(errno));
	while (fgets(line, sizeof(line), file)) {
		if (sscanf(line, "%lx-%lx ", &start, &end) == 2 &&
		    strchr(line, '-') < strchr(line, ' ')) {
			inside = (uintptr_t)addr >= start && (uintptr_t)addr < end;
		} else if (inside && !strncmp(line, name, len) && line[len] == ':') {
			value = strtol(line + len + 1, NULL, 10) * 1024;
			break;
		}
	}
	fclose(file);
	return value;
}

/* ---------------------------------------------------------------- memory */

/*
 * Private anonymous memory of its own VMA that starts @offset after an address
 * aligned to @align, with a page on each side that is not accessible.
 */
char *laf_map_at(size_t len, size_t align, size_t offset)
{
	size_t space = len + align + offset + 2 * laf_page;
	char *area, *p;

	area = mmap(NULL, space, PROT_NONE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (area == MAP_FAILED)
		die("mmap of %zu: %s", space, strerror(errno));
	p = (char *)ALIGN_UP((uintptr_t)area + laf_page, align) + offset;
	if (p - laf_page > area)
		munmap(area, p - laf_page - area);
	if (area + space > p + len + laf_page)
		munmap(p + len + laf_page, area + space - (p + len + laf_page));
	if (mmap(p, len, PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == MAP_FAILED)
		die("mmap of %zu: %s", len, strerror(errno));
	if (madvise(p, len, MADV_HUGEPAGE))
		die("MADV_HUGEPAGE: %s", strerror(errno));
	return p;
}

char *laf_map(size_t len, size_t align)
{
	return laf_map_at(len, align, 0);
}

void laf_unmap(char *addr, size_t len)
{
	munmap(addr - laf_page, len + 2 * laf_page);
}

void laf_touch(char *addr)
{
	laf_at(char, addr) = 0;
}

static uint64_t word(uint64_t seed, size_t page, size_t i)
{
	return seed * 0x9e3779b97f4a7c15ULL + (page << 16) + i + 1;
}

/* Words that differ by seed, page and place */
void laf_fill(char *addr, size_t len, uint64_t seed)
{
	size_t page, i, words = laf_page / 8;
	uint64_t *p = (uint64_t *)addr;

	for (page = 0; page < len / laf_page; page++, p += words)
		for (i = 0; i < words; i++)
			p[i] = word(seed, page, i);
}

/* @addr is page @first of what was filled with @seed */
bool laf_same(const char *addr, size_t len, uint64_t seed, size_t first)
{
	const volatile uint64_t *p = (const volatile uint64_t *)addr;
	size_t page, i, words = laf_page / 8;

	for (page = 0; page < len / laf_page; page++, p += words) {
		for (i = 0; i < words; i++) {
			uint64_t saw = p[i], want = word(seed, first + page, i);

			if (saw == want)
				continue;
			laf_note("page %zu, word %zu: saw %#llx, want %#llx",
				 first + page, i, (unsigned long long)saw,
				 (unsigned long long)want);
			return false;
		}
	}
	return true;
}

bool laf_zero(const char *addr, size_t len)
{
	const volatile uint64_t *p = (const volatile uint64_t *)addr;
	size_t i;

	for (i = 0; i < len / 8; i++) {
		uint64_t saw = p[i];

		if (!saw)
			continue;
		laf_note("page %zu, word %zu: saw %#llx, want 0",
			 i / (laf_page / 8), i % (laf_page / 8),
			 (unsigned long long)saw);
		return false;
	}
	return true;
}

static void read_words(const char *path, int *fd, uint64_t index, size_t nr,
		       uint64_t *words)
{
	ssize_t want = nr * 8, saw;

	if (*fd < 0)
		*fd = open(path, O_RDONLY | O_CLOEXEC);
	if (*fd < 0)
		die("cannot open %s: %s", path, strerror(errno));
	saw = pread(*fd, words, want, index * 8);
	if (saw != want)
		die("%s: saw %zd bytes at entry %#llx, want %zd: %s", path, saw,
		    (unsigned long long)index, want, strerror(errno));
}

void laf_pagemaps(const void *addr, size_t nr, uint64_t *words)
{
	static int fd = -1;
	static pid_t owner;

	/* The open file stays with the memory that it was opened for */
	if (owner != getpid()) {
		if (fd >= 0)
			close(fd);
		fd = -1;
		owner = getpid();
	}
	read_words("/proc/self/pagemap", &fd, (uintptr_t)addr / laf_page, nr, words);
}

static void read_pageflags(uint64_t pfn, size_t nr, uint64_t *words)
{
	static int fd = -1;

	read_words("/proc/kpageflags", &fd, pfn, nr, words);
}

uint64_t laf_pagemap(const void *addr)
{
	uint64_t word;

	laf_pagemaps(addr, 1, &word);
	return word;
}

uint64_t laf_pageflags(uint64_t pfn)
{
	uint64_t word;

	read_pageflags(pfn, 1, &word);
	return word;
}

uint64_t laf_pagecount(uint64_t pfn)
{
	static int fd = -1;
	uint64_t word;

	read_words("/proc/kpagecount", &fd, pfn, 1, &word);
	return word;
}

/* False if no page is mapped at @addr */
bool laf_folio_at(const void *addr, struct laf_folio *folio)
{
	uint64_t pm = laf_pagemap(addr), pfn, pages = 1, first, *flags;

	memset(folio, 0, sizeof(*folio));
	if (!(pm & PM_PRESENT))
		return false;
	pfn = pm & PM_PFN;
	if (!pfn)
		die("no PFNs in pagemap: run it as root");
	folio->pfn = pfn;
	folio->head = pfn;
	folio->flags = laf_pageflags(pfn);
	if (!(folio->flags & (KPF_BIT_HEAD | KPF_BIT_TAIL)))
		return true;

	/* No folio leaves the block of the largest order that it lies in */
	first = ALIGN_DOWN(pfn, 1ULL << laf_pmd_order);
	flags = malloc(8UL << laf_pmd_order);
	read_pageflags(first, 1UL << laf_pmd_order, flags);
	while (folio->head > first && flags[folio->head - first] & KPF_BIT_TAIL)
		folio->head--;
	while (folio->head - first + pages < 1ULL << laf_pmd_order &&
	       flags[folio->head - first + pages] & KPF_BIT_TAIL)
		pages++;
	free(flags);
	while (1ULL << folio->order < pages)
		folio->order++;
	if (1ULL << folio->order != pages)
		die("pfn %#llx: %llu pages from head to last tail",
		    (unsigned long long)pfn, (unsigned long long)pages);
	return true;
}

/* Order of the folio at @addr; -1 if no page is mapped there */
int laf_order_at(const void *addr)
{
	struct laf_folio folio;

	return laf_folio_at(addr, &folio) ? folio.order : -1;
}

/* Pages in [@addr, @addr + @len) that have @bit in pagemap */
size_t laf_count(const void *addr, size_t len, uint64_t bit)
{
	size_t i, nr = len / laf_page, count = 0;
	uint64_t *words = malloc(nr * 8);

	laf_pagemaps(addr, nr, words);
	for (i = 0; i < nr; i++)
		count += !!(words[i] & bit);
	free(words);
	return count;
}

/*
 * Is the naturally aligned block of @order around @addr one whole anonymous
 * folio, mapped page by page and aligned in memory? If not, say what is there.
 */
bool laf_is_folio(const void *addr, int order)
{
	const char *start = PTR_DOWN(addr, laf_size(order));
	size_t i, nr = 1UL << order;
	struct laf_folio folio;
	uint64_t *pm, *kpf, flags, want;
	bool ok = false;

	if (!laf_folio_at(addr, &folio)) {
		laf_note("%p: saw no page, want order %d", addr, order);
		return false;
	}
	if (folio.order != order) {
		laf_note("%p: saw order %d (pfn %#llx, flags %#llx), want order %d",
			 addr, folio.order, (unsigned long long)folio.pfn,
			 (unsigned long long)folio.flags, order);
		return false;
	}
	if (folio.head & (nr - 1)) {
		laf_note("%p: head pfn %#llx is not aligned to order %d", addr,
			 (unsigned long long)folio.head, order);
		return false;
	}
	pm = malloc(nr * 16);
	kpf = pm + nr;
	laf_pagemaps(start, nr, pm);
	read_pageflags(folio.head, nr, kpf);
	for (i = 0; i < nr; i++) {
		if (!(pm[i] & PM_PRESENT) || (pm[i] & PM_PFN) != folio.head + i) {
			laf_note("%p: page %zu of the block: saw pagemap %#llx, want pfn %#llx",
				 addr, i, (unsigned long long)pm[i],
				 (unsigned long long)folio.head + i);
			goto out;
		}
		flags = kpf[i] & (KPF_BIT_HEAD | KPF_BIT_TAIL | KPF_BIT_ANON |
				  KPF_BIT_HUGE | KPF_BIT_THP);
		want = KPF_BIT_ANON;
		if (order)
			want |= KPF_BIT_THP | (i ? KPF_BIT_TAIL : KPF_BIT_HEAD);
		if (flags != want) {
			laf_note("%p: page %zu of the block: saw flags %#llx, want %#llx",
				 addr, i, (unsigned long long)flags,
				 (unsigned long long)want);
			goto out;
		}
	}
	ok = true;
out:
	free(pm);
	return ok;
}

char *laf_folios(int order, int nr, uint64_t seed)
{
	size_t size = laf_size(order);
	char *p = laf_map(nr * size, size);
	int i;

	for (i = 0; i < nr; i++)
		laf_touch(p + i * size);
	for (i = 0; i < nr; i++)
		laf_require(laf_is_folio(p + i * size, order),
			    "folio %d of %d is missing", i, nr);
	laf_fill(p, nr * size, seed);
	return p;
}

size_t laf_pageout(char *addr, size_t len)
{
	size_t out = 0;
	int i;

	/* A page can be in use for a moment: try again */
	for (i = 0; i < 20; i++) {
		/*
		 * New pages may wait in another CPU's batch. Compaction begins
		 * with having them put on lists.
		 */
		if (i)
			laf_write("/proc/sys/vm/compact_memory", "1");
		if (madvise(addr, len, MADV_PAGEOUT))
			die("MADV_PAGEOUT: %s", strerror(errno));
		out = laf_count(addr, len, PM_SWAP);
		if (out == len / laf_page)
			break;
		usleep(10000);
	}
	return out;
}

int laf_direct(void)
{
	static const char * const devs[] = { "/dev/ram1", "/dev/ram2", "/dev/ram0" };
	unsigned int i;
	int fd;

	for (i = 0; i < ARRAY_SIZE(devs); i++) {
		fd = open(devs[i], O_RDWR | O_DIRECT | O_EXCL | O_CLOEXEC);
		if (fd >= 0)
			return fd;
	}
	laf_skip("no free ram disk");
}

/* ------------------------------------------------------------ userfaultfd */

int laf_uffd(uint64_t features, int flags)
{
	struct uffdio_api api = { .api = UFFD_API, .features = features };
	int fd = syscall(__NR_userfaultfd, O_CLOEXEC | flags), err;

	if (fd < 0 || !ioctl(fd, UFFDIO_API, &api))
		return fd;
	err = errno;
	close(fd);
	errno = err;
	return -1;
}

bool laf_uffd_arm(int fd, char *addr, size_t len, uint64_t mode)
{
	struct uffdio_register reg = { .range = { (uintptr_t)addr, len }, .mode = mode };

	return !ioctl(fd, UFFDIO_REGISTER, &reg);
}

/* --------------------------------------------------------------- io_uring */

void laf_ring_exit(struct laf_ring *ring)
{
	munmap(ring->sq, ring->sq_len);
	munmap(ring->cq, ring->cq_len);
	munmap(ring->sqes, ring->sqes_len);
	close(ring->fd);
}

static void *ring_map(struct laf_ring *ring, size_t len, off_t what)
{
	return mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, ring->fd, what);
}

/* 0, or -1 and errno */
int laf_ring_init(struct laf_ring *ring)
{
	struct io_uring_params p = { 0 };

	ring->fd = syscall(__NR_io_uring_setup, 4, &p);
	if (ring->fd < 0)
		return -1;
	/* A child has no use for the ring, and must not keep pages pinned */
	fcntl(ring->fd, F_SETFD, FD_CLOEXEC);
	ring->sq_len = p.sq_off.array + p.sq_entries * 4;
	ring->cq_len = p.cq_off.cqes + p.cq_entries * sizeof(*ring->cqes);
	ring->sqes_len = p.sq_entries * sizeof(*ring->sqes);
	ring->sq = ring_map(ring, ring->sq_len, IORING_OFF_SQ_RING);
	ring->cq = ring_map(ring, ring->cq_len, IORING_OFF_CQ_RING);
	ring->sqes = ring_map(ring, ring->sqes_len, IORING_OFF_SQES);
	if (ring->sq == MAP_FAILED || ring->cq == MAP_FAILED || ring->sqes == MAP_FAILED) {
		laf_ring_exit(ring);
		return -1;
	}
	ring->sq_tail = ring->sq + p.sq_off.tail;
	ring->sq_mask = ring->sq + p.sq_off.ring_mask;
	ring->sq_array = ring->sq + p.sq_off.array;
	ring->cq_head = ring->cq + p.cq_off.head;
	ring->cq_tail = ring->cq + p.cq_off.tail;
	ring->cq_mask = ring->cq + p.cq_off.ring_mask;
	ring->cqes = ring->cq + p.cq_off.cqes;
	return 0;
}

int laf_ring_pin(struct laf_ring *ring, char *p, size_t len)
{
	struct iovec iov = { .iov_base = p, .iov_len = len };

	return syscall(__NR_io_uring_register, ring->fd, IORING_REGISTER_BUFFERS, &iov, 1);
}

/* How much was read or written, or a negative error */
int laf_ring_io(struct laf_ring *ring, int op, int fd, char *p, size_t len, off_t offset)
{
	unsigned int tail = *ring->sq_tail, at = tail & *ring->sq_mask;
	struct io_uring_sqe *sqe = &ring->sqes[at];
	struct io_uring_cqe *cqe;

	memset(sqe, 0, sizeof(*sqe));
	sqe->opcode = op;
	sqe->fd = fd;
	sqe->addr = (uintptr_t)p;
	sqe->len = len;
	sqe->off = offset;
	ring->sq_array[at] = at;
	__atomic_store_n(ring->sq_tail, tail + 1, __ATOMIC_RELEASE);
	while (syscall(__NR_io_uring_enter, ring->fd, 1, 1, IORING_ENTER_GETEVENTS, NULL, 0) < 0)
		if (errno != EINTR && errno != EAGAIN)
			return -errno;
	while (__atomic_load_n(ring->cq_tail, __ATOMIC_ACQUIRE) == *ring->cq_head)
		sched_yield();
	cqe = &ring->cqes[*ring->cq_head & *ring->cq_mask];
	at = cqe->res;
	__atomic_store_n(ring->cq_head, *ring->cq_head + 1, __ATOMIC_RELEASE);
	return at;
}

/* ----------------------------------------------------------------- chance */

uint32_t laf_random(void)
{
	static uint64_t state = 88172645463325252ULL;

	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state >> 16;
}

uint32_t laf_random_of(uint32_t *seed)
{
	*seed = *seed * 1664525 + 1013904223;
	return *seed >> 8;
}

/* ------------------------------------------------------------- processes */

pid_t laf_fork(void)
{
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (pid < 0)
		die("fork: %s", strerror(errno));
	if (!pid)
		prctl(PR_SET_PDEATHSIG, SIGKILL);
	return pid;
}

/* Exit status, or the negative number of the signal that killed the process */
int laf_wait(pid_t pid)
{
	int status;

	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			die("waitpid: %s", strerror(errno));
	return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

void laf_join(pid_t pid)
{
	int status = laf_wait(pid);

	laf_expect(!status, "child: saw status %d (negative: signal), want 0", status);
}

static __thread sigjmp_buf sig_env;
static __thread void *sig_addr;

static void sig_caught(int sig, siginfo_t *info, void *context)
{
	(void)context;
	sig_addr = info->si_addr;
	siglongjmp(sig_env, sig);
}

int laf_signal_of(void (*fn)(void *arg), void *arg, void **where)
{
	struct sigaction act = {
		.sa_sigaction = sig_caught,
		.sa_flags = SA_SIGINFO | SA_NODEFER,
	}, old_segv, old_bus;
	int sig;

	sigaction(SIGSEGV, &act, &old_segv);
	sigaction(SIGBUS, &act, &old_bus);
	sig = sigsetjmp(sig_env, 1);
	if (!sig)
		fn(arg);
	else if (where)
		*where = sig_addr;
	sigaction(SIGSEGV, &old_segv, NULL);
	sigaction(SIGBUS, &old_bus, NULL);
	return sig;
}

static void do_read(void *addr)
{
	(void)laf_at(char, addr);
}

static void do_write(void *addr)
{
	laf_at(char, addr) = 1;
}

int laf_signal_read(const void *addr)
{
	return laf_signal_of(do_read, (void *)addr, NULL);
}

int laf_signal_write(void *addr)
{
	return laf_signal_of(do_write, addr, NULL);
}

void laf_sync_init(struct laf_sync *sync)
{
	if (pipe(sync->fd[0]) || pipe(sync->fd[1]))
		die("pipe: %s", strerror(errno));
}

/* Let side 0 (by convention the parent) or 1 go on */
void laf_sync_post(struct laf_sync *sync, int side)
{
	if (write(sync->fd[side][1], "", 1) != 1)
		die("pipe: %s", strerror(errno));
}

void laf_sync_wait(struct laf_sync *sync, int side)
{
	char c;

	if (read(sync->fd[side][0], &c, 1) != 1)
		die("pipe: %s", strerror(errno));
}

/* --------------------------------------------------------------- cgroups */

static const char *cg_root(void)
{
	static const char * const roots[] = {
		"/sys/fs/cgroup", "/sys/fs/cgroup/unified"
	};
	struct statfs fs;
	char buf[512];
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(roots); i++)
		if (!statfs(roots[i], &fs) && fs.f_type == CGROUP2_SUPER_MAGIC)
			break;
	if (i == ARRAY_SIZE(roots)) {
		i = 0;
		if (mount("none", roots[i], "cgroup2", 0, NULL))
			laf_skip("no cgroup v2: %s", strerror(errno));
	}

	snprintf(buf, sizeof(buf), "%s/cgroup.subtree_control", roots[i]);
	if (laf_write(buf, "+memory"))
		laf_skip("no memory controller in cgroup v2");
	return roots[i];
}

const char *laf_cg_new(void)
{
	const char *root = cg_root();
	int nr = shared->nr_cgroups;
	char *path = shared->cgroup[nr];

	if (nr == ARRAY_SIZE(shared->cgroup))
		die("too many cgroups");
	snprintf(path, PATH_MAX, "%s/large_anon_folio.%d.%d", root, runner, nr);
	if (mkdir(path, 0755) && errno != EEXIST)
		die("mkdir %s: %s", path, strerror(errno));
	shared->nr_cgroups++;
	return path;
}

int laf_cg_write(const char *cg, const char *file, const char *value)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/%s", cg, file);
	return laf_write(path, value);
}

void laf_cg_set(const char *cg, const char *file, const char *value)
{
	int err = laf_cg_write(cg, file, value);

	if (err)
		die("cannot write %s to %s/%s: %s", value, cg, file, strerror(-err));
}

/* Makes the memcg give back what it can */
void laf_cg_squeeze(const char *cg)
{
	int i;

	for (i = 0; i < 10; i++)
		laf_cg_write(cg, "memory.reclaim", "64M");
}

void laf_cg_set_long(const char *cg, const char *file, long value)
{
	char buf[24];

	snprintf(buf, sizeof(buf), "%ld", value);
	laf_cg_set(cg, file, buf);
}

void laf_cg_join(const char *cg)
{
	laf_cg_set(cg, "cgroup.procs", "0");
}

long laf_cg_get(const char *cg, const char *file)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/%s", cg, file);
	return laf_read_long(path);
}

long laf_cg_key(const char *cg, const char *file, const char *key)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/%s", cg, file);
	return laf_read_key(path, key);
}

static void remove_cgroups(void)
{
	int i;

	while (shared->nr_cgroups) {
		const char *path = shared->cgroup[--shared->nr_cgroups];

		laf_cg_write(path, "cgroup.kill", "1");
		for (i = 0; rmdir(path) && errno == EBUSY && i < 200; i++)
			usleep(10000);
	}
}

/* ------------------------------------------------------------- hugetlbfs */

void laf_hugetlb_need(int nr)
{
	if (!laf_exists(NR_HUGEPAGES))
		laf_skip("no hugetlbfs");
	laf_set_long(NR_HUGEPAGES, nr);
	if (laf_meminfo("Hugepagesize") != (long)laf_size(laf_pmd_order) ||
	    laf_read_key("/proc/meminfo", "HugePages_Free") < nr)
		laf_skip("not %d huge pages of a PMD's size", nr);
}

/* ------------------------------------------------------------------ swap */

/* The active swap area in line @nr of /proc/swaps */
static bool swap_name(int nr, char *name)
{
	char line[512];
	bool found = false;
	FILE *file;

	file = fopen("/proc/swaps", "re");
	if (!file)
		return false;
	while (!found && fgets(line, sizeof(line), file))
		found = line[0] == '/' && !nr-- &&
			sscanf(line, "%255s", name) == 1;
	fclose(file);
	return found;
}

/* Write the header of a swap area, as mkswap(8) does, and use it */
static bool swap_make(const char *dev)
{
	const uint64_t limit = 256UL << 20;
	char *page = calloc(1, laf_page);
	uint32_t *head = (uint32_t *)(page + 1024);
	uint64_t bytes = 0;
	bool ok;
	int fd;

	/* Exclusive: not if it is mounted or has another user */
	fd = open(dev, O_RDWR | O_EXCL | O_CLOEXEC);
	if (fd < 0) {
		free(page);
		return false;
	}
	ok = !ioctl(fd, BLKGETSIZE64, &bytes) && bytes >= 16UL << 20;
	if (bytes > limit)
		bytes = limit;
	head[0] = 1;				/* version */
	head[1] = bytes / laf_page - 1;		/* last page */
	memcpy(page + laf_page - 10, "SWAPSPACE2", 10);
	ok = ok && pwrite(fd, page, laf_page, 0) == (ssize_t)laf_page && !fsync(fd);
	close(fd);
	free(page);
	return ok && !swapon(dev, 0);
}

static void shared_init(void);

void laf_swap_setup(void)
{
	static const char * const devs[] = { "/dev/ram0", "/dev/zram0" };
	unsigned int i;

	shared_init();
	shared->swap_tried = true;
	if (swap_name(0, shared->swap))
		return;
	if (laf_exists("/sys/block/zram0/disksize") &&
	    !laf_read_long("/sys/block/zram0/disksize"))
		laf_write("/sys/block/zram0/disksize", "256M");
	for (i = 0; i < ARRAY_SIZE(devs); i++) {
		if (!swap_make(devs[i]))
			continue;
		snprintf(shared->swap, sizeof(shared->swap), "%s", devs[i]);
		shared->swap_ours = true;
		return;
	}
}

const char *laf_swap_need(void)
{
	/* Or it would skip where there is swap */
	if (!shared->swap_tried)
		die("main() does not call laf_swap_setup()");
	if (!shared->swap[0])
		laf_skip("no swap, and no free /dev/ram0 or /dev/zram0 of 16 MiB to make it");
	return shared->swap;
}

/* For this test only */
void laf_swap_off_all(void)
{
	char name[256];

	while (swap_name(0, name)) {
		if (shared->nr_swaps_off == MAX_SWAPS || swapoff(name))
			die("swapoff %s: %s", name, strerror(errno));
		strcpy(shared->swaps_off[shared->nr_swaps_off++], name);
	}
}

/* For this test: no swap but a device that the kernel reads from at once */
void laf_swap_fast(void)
{
	laf_swap_off_all();
	shared->swap_fast = swap_make(FAST_SWAP);
	if (!shared->swap_fast)
		laf_skip("no free " FAST_SWAP " of 16 MiB");
}

static void restore_swaps(void)
{
	if (shared->swap_fast && swapoff(FAST_SWAP))
		ksft_print_msg("swapoff " FAST_SWAP ": %s\n", strerror(errno));
	shared->swap_fast = false;
	while (shared->nr_swaps_off) {
		const char *name = shared->swaps_off[--shared->nr_swaps_off];

		if (swapon(name, 0))
			ksft_print_msg("swapon %s: %s\n", name, strerror(errno));
	}
}

/* ------------------------------------------------------------------ main */

static void clean_up(void)
{
	if (!shared || getpid() != runner)
		return;
	remove_cgroups();
	restore_swaps();
	restore_settings(0);
	if (shared->swap_ours && swapoff(shared->swap))
		ksft_print_msg("swapoff %s: %s\n", shared->swap, strerror(errno));
	shared->swap_ours = false;
}

static void interrupted(int sig)
{
	clean_up();
	_exit(128 + sig);
}

static void shared_init(void)
{
	if (shared)
		return;
	laf_page = sysconf(_SC_PAGESIZE);
	runner = getpid();
	setvbuf(stdout, NULL, _IOLBF, 0);
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared == MAP_FAILED)
		ksft_exit_fail_msg("mmap: %s\n", strerror(errno));
}

/* The state that each test starts from */
static void set_baseline(void)
{
	int order;

	/* 'never' everywhere sends khugepaged to sleep as well */
	laf_set(THP "enabled", "never");
	for (order = LAF_MIN_ORDER; order <= laf_pmd_order; order++)
		laf_set_size(order, "never");
	/* Faults try hard to get what they want: failure is a test of its own */
	laf_set(THP "defrag", "madvise");
	/*
	 * Nor shall it make huge pages of what is sparse on purpose, or of what is
	 * looked at: it runs when PMD size is on.
	 */
	laf_set(THP "khugepaged/max_ptes_none", "0");
	laf_set(THP "khugepaged/scan_sleep_millisecs", "1000000000");
	if (laf_exists(POLICY))
		laf_set(POLICY, "strict");
	/* What others have on the deferred-split queues is split now, not later */
	for (order = 0; order < 3; order++)
		laf_write("/proc/sys/vm/drop_caches", "2");
}

static int once_order(void)
{
	int order = LAF_MIN_ORDER;

	while (laf_size(order) < 65536)
		order++;
	return order;
}

/* Does a test run for @order? */
static bool wanted(const struct laf_test *test, int order)
{
	switch (test->sizes) {
	case LAF_ONCE:
		return order == once_order();
	case LAF_PTE:
		return order < laf_pmd_order;
	case LAF_ALL:
		return true;
	case LAF_SOME:
		return order == LAF_MIN_ORDER || order == once_order() ||
		       order == laf_largest();
	}
	return false;
}

/* Where in the kernel each thread of a process group is */
static void print_where(pid_t group)
{
	glob_t stacks;
	size_t i;

	if (glob("/proc/[0-9]*/task/[0-9]*/stack", 0, NULL, &stacks))
		return;
	for (i = 0; i < stacks.gl_pathc; i++) {
		char line[128], name[64], where[512] = "";
		FILE *file;
		int pid;

		if (sscanf(stacks.gl_pathv[i], "/proc/%d/", &pid) != 1 || getpgid(pid) != group)
			continue;
		file = fopen(stacks.gl_pathv[i], "re");
		while (file && fgets(line, sizeof(line), file))
			if (sscanf(line, "[<0>] %63[^/]", name) == 1 &&
			    strlen(where) + strlen(name) + 2 < sizeof(where))
				strcat(strcat(where, name), " ");
		if (file)
			fclose(file);
		ksft_print_msg("%s: %s\n", stacks.gl_pathv[i], where);
	}
	globfree(&stacks);
}

/* Wait for a child for @seconds; its status, or -1 after it was killed */
static int wait_for(pid_t pid, int seconds)
{
	struct timespec end, now;
	int status;

	clock_gettime(CLOCK_MONOTONIC, &end);
	end.tv_sec += seconds;
	for (;;) {
		pid_t ret = waitpid(pid, &status, WNOHANG);

		if (ret == pid)
			return status;
		if (ret < 0)
			return -1;
		clock_gettime(CLOCK_MONOTONIC, &now);
		if (now.tv_sec > end.tv_sec)
			break;
		usleep(1000);
	}
	print_where(pid);
	kill(-pid, SIGKILL);
	waitpid(pid, &status, 0);
	return -1;
}

static void run(const struct laf_test *test, int order)
{
	int seconds = test->timeout ? test->timeout : 60;
	int keep = shared->nr_settings, status;
	char name[128];
	pid_t pid;

	if (test->sizes == LAF_ONCE)
		snprintf(name, sizeof(name), "%s", test->name);
	else
		snprintf(name, sizeof(name), "%s: %zukB", test->name,
			 laf_size(order) / 1024);

	shared->first_setting = keep;
	shared->checks = 0;
	shared->failures = 0;
	shared->skipped = false;
	fflush(stdout);
	pid = fork();
	if (pid < 0)
		ksft_exit_fail_msg("fork: %s\n", strerror(errno));
	if (!pid) {
		setpgid(0, 0);
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		test->run(order);
		fflush(stdout);
		_exit(0);
	}
	setpgid(pid, pid);
	status = wait_for(pid, seconds);
	/* Nobody of the test's may be left to disturb the next */
	kill(-pid, SIGKILL);
	remove_cgroups();
	restore_swaps();
	restore_settings(keep);

	if (status == -1) {
		ksft_print_msg("not done after %d s\n", seconds);
		shared->failures++;
	} else if (WIFSIGNALED(status)) {
		ksft_print_msg("killed by signal %d (%s)\n", WTERMSIG(status),
			       strsignal(WTERMSIG(status)));
		shared->failures++;
	} else if (WEXITSTATUS(status) && !shared->failures) {
		ksft_print_msg("exit status %d\n", WEXITSTATUS(status));
		shared->failures++;
	}
	if (!shared->failures && shared->skipped) {
		ksft_test_result_skip("%s: %s\n", name, shared->reason);
		return;
	}
	if (!shared->failures && !shared->checks) {
		ksft_print_msg("nothing was checked\n");
		shared->failures++;
	}
	if (shared->failures > 16)
		ksft_print_msg("%u failures in all\n", shared->failures);
	ksft_test_result(!shared->failures, "%s\n", name);
}

int laf_main(const struct laf_test *tests, int nr_tests)
{
	int order, i, plan = 0, too_large = 0;

	shared_init();
	ksft_print_header();
	if (geteuid())
		ksft_exit_skip("needs root\n");
	if (laf_read_key("/proc/meminfo", "MemTotal") < 0 || !laf_exists(THP "enabled"))
		ksft_exit_skip("no transparent huge pages in this kernel\n");
	laf_pmd_order = 0;
	while (laf_size(laf_pmd_order) <
	       (size_t)laf_read_long(THP "hpage_pmd_size"))
		laf_pmd_order++;
	if (!laf_exists(laf_size_file(LAF_MIN_ORDER, "enabled")))
		ksft_exit_skip("no large anonymous folios in this kernel\n");
	if (!laf_exists("/sys/kernel/debug/tracing") && !laf_exists(POLICY))
		mount("none", "/sys/kernel/debug", "debugfs", 0, NULL);

	for (order = LAF_MIN_ORDER; order <= laf_pmd_order; order++) {
		if (!affordable(order)) {
			too_large++;
			continue;
		}
		for (i = 0; i < nr_tests; i++)
			plan += wanted(&tests[i], order);
	}
	ksft_set_plan(plan);
	if (too_large)
		ksft_print_msg("too little memory for the largest %d sizes: left out\n",
			       too_large);

	atexit(clean_up);
	signal(SIGINT, interrupted);
	signal(SIGTERM, interrupted);
	signal(SIGHUP, interrupted);
	set_baseline();
	for (i = 0; i < nr_tests; i++)
		for (order = LAF_MIN_ORDER; order <= laf_pmd_order; order++)
			if (affordable(order) && wanted(&tests[i], order))
				run(&tests[i], order);
	ksft_finished();
	return 0;
}
