// SPDX-License-Identifier: GPL-2.0
/*
 * Runs a program and prints what its memory cost: "NAME VALUE" lines.
 *
 *	anon_faults	page faults outside of mapped files: heap, stack, mmap
 *	cut_faults	those in 64 kB blocks that reached beyond their mapping
 *			when they were touched, as at the end of a heap that
 *			grows bit by bit: no folio of 64 kB fits
 *	read_faults	those in other blocks that were read before they were
 *			written: each page first gets the zero page
 *	file_faults	page faults in mapped files, the program itself among them
 *	microseconds	from exec to exit
 *	peak_kb		peak RSS
 *	folios KB N	folios of that size that the faults allocated
 *
 * The kernel gives each fault's address and each mapping as a perf event, so
 * the program runs unmodified. It is kept on one CPU, the second where there
 * is one, for the events must be read in the order in which they happened.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <linux/perf_event.h>

#define STATS	"/sys/kernel/mm/transparent_hugepage/hugepages-%dkB/stats/anon_fault_alloc"
#define SIZES	20	/* 4 kB << 1 and up */
#define RING	(8UL << 20)

struct range {
	uint64_t start, end;
	int file;
};

static struct range *ranges;
static size_t nr_ranges, room;
static unsigned long anon_faults, file_faults, lost;

#define PAGE	4096UL
#define BLOCK	(64UL << 10)
#define BLOCKS	(1UL << 20)	/* told apart by 20 bits of their address */

static struct block {
	unsigned int faults;
	unsigned short touched;	/* a bit for each page */
	unsigned char cut, twice;
} blocks[BLOCKS];

static void die(const char *what)
{
	perror(what);
	exit(2);
}

/* The newest mapping of an address counts; what it hides is forgotten. */
static void mapped(uint64_t start, uint64_t end, int file)
{
	size_t kept = 0;

	for (size_t i = 0; i < nr_ranges; i++)
		if (ranges[i].start < start || ranges[i].end > end)
			ranges[kept++] = ranges[i];
	nr_ranges = kept;
	if (nr_ranges == room) {
		room = room ? 2 * room : 256;
		ranges = realloc(ranges, room * sizeof(*ranges));
		if (!ranges)
			die("realloc");
	}
	ranges[nr_ranges++] = (struct range){ start, end, file };
}

static void fault(uint64_t addr)
{
	uint64_t start = addr & -BLOCK;
	struct block *b = &blocks[addr / BLOCK % BLOCKS];
	unsigned short bit = 1U << (addr - start) / PAGE;
	struct range *r = NULL;

	for (size_t i = nr_ranges; !r && i-- > 0;)
		if (addr >= ranges[i].start && addr < ranges[i].end)
			r = &ranges[i];
	if (r && r->file) {
		file_faults++;
		return;
	}
	/* in no mapping: a stack that grew, an area that was moved */
	anon_faults++;
	b->faults++;
	if (!r || start < r->start || start + BLOCK > r->end)
		b->cut = 1;
	if (b->touched & bit)
		b->twice = 1;
	b->touched |= bit;
}

struct map_event {
	struct perf_event_header header;
	uint32_t pid, tid;
	uint64_t addr, len, pgoff;
	char name[];
};

static void event(struct perf_event_header *h)
{
	if (h->type == PERF_RECORD_SAMPLE) {
		uint64_t addr;

		memcpy(&addr, h + 1, sizeof(addr));
		fault(addr);
	} else if (h->type == PERF_RECORD_MMAP) {
		struct map_event *m = (struct map_event *)h;

		/* "//anon", "[heap]" and the like are no files */
		mapped(m->addr, m->addr + m->len,
		       m->name[0] == '/' && m->name[1] != '/');
	} else if (h->type == PERF_RECORD_LOST) {
		lost++;
	}
}

static void read_events(struct perf_event_mmap_page *ring)
{
	static char copy[1 << 16];
	char *data = (char *)ring + ring->data_offset;
	uint64_t head = __atomic_load_n(&ring->data_head, __ATOMIC_ACQUIRE);
	uint64_t tail = ring->data_tail;

	while (tail < head) {
		struct perf_event_header h;

		/* headers are 8 byte aligned and so never wrap */
		memcpy(&h, data + tail % RING, sizeof(h));
		for (size_t i = 0; i < h.size; i++)
			copy[i] = data[(tail + i) % RING];
		event((struct perf_event_header *)copy);
		tail += h.size;
	}
	__atomic_store_n(&ring->data_tail, tail, __ATOMIC_RELEASE);
}

static int64_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000LL + t.tv_nsec / 1000;
}

static void cpu(int n)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(n, &set);
	sched_setaffinity(0, sizeof(set), &set);
}

/* How many folios of a size the faults allocated so far; -1: no such size. */
static long folios(int kb)
{
	char file[128], buf[32] = "";
	int fd;

	snprintf(file, sizeof(file), STATS, kb);
	fd = open(file, O_RDONLY);
	if (fd < 0)
		return -1;
	if (read(fd, buf, sizeof(buf) - 1) < 0)
		die(file);
	close(fd);
	return atol(buf);
}

int main(int argc, char **argv)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_SOFTWARE,
		.size = sizeof(attr),
		.config = PERF_COUNT_SW_PAGE_FAULTS,
		.sample_period = 1,
		.sample_type = PERF_SAMPLE_ADDR,
		.disabled = 1,
		.enable_on_exec = 1,
		.mmap = 1,
		.mmap_data = 1,
	};
	struct perf_event_mmap_page *ring;
	unsigned long cut = 0, twice = 0;
	int go[2], fd, status = 0;
	int64_t start, took;
	struct rusage use;
	long before[SIZES];
	pid_t pid;
	char c = 0;

	if (argc < 2)
		return 2;
	if (pipe(go))
		die("pipe");
	pid = fork();
	if (!pid) {
		if (sysconf(_SC_NPROCESSORS_ONLN) > 1)
			cpu(1);
		if (read(go[0], &c, 1) != 1)
			_exit(127);
		close(go[0]);
		close(go[1]);
		execv(argv[1], argv + 1);
		perror(argv[1]);
		_exit(127);
	}
	cpu(0);
	fd = syscall(SYS_perf_event_open, &attr, pid, -1, -1, PERF_FLAG_FD_CLOEXEC);
	if (fd < 0)
		die("perf_event_open");
	ring = mmap(NULL, RING + sysconf(_SC_PAGESIZE), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (ring == MAP_FAILED)
		die("mmap of the events");
	for (int i = 0; i < SIZES; i++)
		before[i] = folios(8 << i);

	start = now();
	if (write(go[1], &c, 1) != 1)
		die("write");
	do {
		usleep(5000);
		read_events(ring);
	} while (!wait4(pid, &status, WNOHANG, &use));
	took = now() - start;
	read_events(ring);

	if (!WIFEXITED(status) || WEXITSTATUS(status)) {
		printf("%s ended with status %#x\n", argv[1], status);
		return 1;
	}
	if (lost) {
		puts("events were lost: no figures");
		return 1;
	}
	printf("anon_faults %lu\n", anon_faults);
	for (size_t i = 0; i < BLOCKS; i++) {
		if (blocks[i].cut)
			cut += blocks[i].faults;
		else if (blocks[i].twice)
			twice += blocks[i].faults;
	}
	printf("cut_faults %lu\n", cut);
	printf("read_faults %lu\n", twice);
	printf("file_faults %lu\n", file_faults);
	printf("all_faults %ld\n", use.ru_minflt + use.ru_majflt);
	printf("microseconds %lld\n", (long long)took);
	printf("peak_kb %ld\n", use.ru_maxrss);
	for (int i = 0; i < SIZES; i++) {
		long n = folios(8 << i) - before[i];

		if (n)
			printf("folios %d %ld\n", 8 << i, n);
	}
	return 0;
}
