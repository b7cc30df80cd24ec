// SPDX-License-Identifier: GPL-2.0
/*
 * What the kernel does for each page of anonymous memory, by folio size.
 *
 *	bench count [KB]	all operations, for the plugin that counts
 *	bench contend N		the same folios from N CPUs at once, for the plugin
 *	bench known		sequences with known counts, for the plugin
 *	bench native		all operations in nanoseconds, on a real machine
 *
 * Prints "figure OP KB PAGES" for each pair of markers, in their order, or
 * "time OP KB PAGES NANOSECONDS", several rounds of each.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "marker.h"

#ifndef MADV_PAGEOUT
#define MADV_PAGEOUT	21
#endif

#define THP		"/sys/kernel/mm/transparent_hugepage"
#define MB		(1UL << 20)
#define AREA		(32 * MB)
#define CONTEND_AREA	(16 * MB)
#define MAX_CPUS	16

static const int sizes_kb[] = { 4, 16, 32, 64, 128, 256, 512, 1024, 2048 };
static const int contend_kb[] = { 4, 64, 2048 };

static bool native;
static unsigned long page, pmd_kb;
static struct timespec began;

/* "bench: " is the reason of a failure, "bench note: " what else there is to say */
static void __attribute__((format(printf, 1, 2), noreturn)) stop(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	fputs("bench: ", stderr);
	vfprintf(stderr, fmt, ap);
	fputc('\n', stderr);
	exit(1);
}

/* ------------------------------------------------------------- measuring */

static inline __attribute__((always_inline)) void begin(void)
{
	if (native)
		clock_gettime(CLOCK_MONOTONIC, &began);
	else
		MARK(MARK_START);
}

static inline __attribute__((always_inline)) void end(const char *op, int kb, unsigned long pages)
{
	struct timespec now;

	if (native) {
		clock_gettime(CLOCK_MONOTONIC, &now);
		printf("time %s %d %lu %lld\n", op, kb, pages,
		       (now.tv_sec - began.tv_sec) * 1000000000LL + now.tv_nsec - began.tv_nsec);
	} else {
		MARK(MARK_STOP);
		printf("figure %s %d %lu\n", op, kb, pages);
	}
}

/* -------------------------------------------------------------- settings */

static int read_file(const char *file, char *buf, size_t size)
{
	int fd = open(file, O_RDONLY | O_CLOEXEC);
	size_t used = 0;
	ssize_t n;

	if (fd < 0)
		return -1;
	/* /proc gives a page at a time */
	while ((n = read(fd, buf + used, size - 1 - used)) > 0)
		used += n;
	close(fd);
	buf[used] = 0;
	return n;
}

static void write_file(const char *file, const char *value)
{
	int fd = open(file, O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, value, strlen(value)) < 0)
		stop("can't write '%s' to %s: %s%s", value, file, strerror(errno),
		     errno == EACCES ? "; run it as root" : "");
	close(fd);
}

static unsigned long counter(const char *file, const char *name)
{
	static char buf[65536];
	char *line;

	if (read_file(file, buf, sizeof(buf)))
		return 0;
	if (!name)
		return strtoul(buf, NULL, 10);
	for (line = strtok(buf, "\n"); line; line = strtok(NULL, "\n"))
		if (!strncmp(line, name, strlen(name)) && line[strlen(name)] == ' ')
			return strtoul(line + strlen(name), NULL, 10);
	return 0;
}

/* What the files of the policy held before, to be put back */
static struct setting {
	char file[300];
	char value[20];
	int kb;		/* 0: the global file */
} settings[32];
static int nr_settings;

static void restore(void)
{
	for (int i = 0; i < nr_settings; i++) {
		int fd = open(settings[i].file, O_WRONLY | O_CLOEXEC);

		if (fd < 0 || write(fd, settings[i].value, strlen(settings[i].value)) < 0)
			fprintf(stderr, "bench note: put '%s' back into %s\n",
				settings[i].value, settings[i].file);
		if (fd >= 0)
			close(fd);
	}
	nr_settings = 0;
}

static pid_t main_pid;

static void restore_at_exit(void)
{
	if (getpid() == main_pid)
		restore();
}

static void on_signal(int sig)
{
	restore_at_exit();
	_exit(128 + sig);
}

/* Remember a file whose value in use stands in brackets. */
static void remember(int kb, const char *fmt, ...)
{
	struct setting *s = &settings[nr_settings];
	char buf[200], *open_, *close_;
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(s->file, sizeof(s->file), fmt, ap);
	va_end(ap);
	if (nr_settings == 32 || read_file(s->file, buf, sizeof(buf)))
		return;
	open_ = strchr(buf, '[');
	close_ = open_ ? strchr(open_, ']') : NULL;
	if (!close_ || close_ - open_ > 19)
		return;
	snprintf(s->value, sizeof(s->value), "%.*s", (int)(close_ - open_ - 1), open_ + 1);
	s->kb = kb;
	nr_settings++;
}

static void read_settings(void)
{
	struct dirent *d;
	DIR *dir = opendir(THP);

	if (!dir)
		stop("this kernel has no " THP ": it lacks CONFIG_TRANSPARENT_HUGEPAGE");
	remember(0, THP "/enabled");
	while ((d = readdir(dir))) {
		int kb;

		if (sscanf(d->d_name, "hugepages-%dkB", &kb) == 1)
			remember(kb, THP "/%s/enabled", d->d_name);
	}
	closedir(dir);
	main_pid = getpid();
	atexit(restore_at_exit);
	signal(SIGINT, on_signal);
	signal(SIGTERM, on_signal);
	signal(SIGHUP, on_signal);
	pmd_kb = counter(THP "/hpage_pmd_size", NULL) / 1024;
}

/*
 * use_size - let memory that asks for huge pages have folios of @kb only.
 * Returns false when this kernel has no such size.
 */
static bool use_size(int kb)
{
	bool found = (unsigned long)kb * 1024 == page || (unsigned long)kb == pmd_kb;

	for (int i = 0; i < nr_settings; i++)
		found |= settings[i].kb == kb;
	if (!found)
		return false;
	for (int i = 0; i < nr_settings; i++)
		write_file(settings[i].file,
			   !settings[i].kb || settings[i].kb == kb ? "madvise" : "never");
	return true;
}

static unsigned long allocated(int kb)
{
	char file[200];

	snprintf(file, sizeof(file), THP "/hugepages-%dkB/stats/anon_fault_alloc", kb);
	if (!access(file, R_OK))
		return counter(file, NULL);
	/* a stock kernel: huge pages that are mapped whole, as new ones are */
	return counter("/proc/meminfo", "AnonHugePages:") / kb;
}

/* ---------------------------------------------------------------- memory */

static char *hole, *mem;
static size_t mem_size;

/*
 * The page allocator as it was before: nothing in its lists of single pages, and
 * no more fragmented than it has to be.
 */
static void settle(void)
{
	if (!native)
		write_file("/proc/sys/vm/compact_memory", "1");
}

/* Fresh memory at the same aligned place each time, nothing next to it */
static void map(size_t size, int kb)
{
	settle();
	if (!hole) {
		hole = mmap(NULL, AREA + 6 * MB, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (hole == MAP_FAILED)
			stop("no address space: %s", strerror(errno));
		mem = (char *)(((uintptr_t)hole + 4 * MB - 1) & -(2 * MB));
	}
	if (mmap(mem, size, PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) != mem)
		stop("no memory: %s", strerror(errno));
	mem_size = size;
	if ((unsigned long)kb * 1024 > page && madvise(mem, size, MADV_HUGEPAGE))
		stop("MADV_HUGEPAGE: %s", strerror(errno));
}

static void unmap(void)
{
	if (mmap(mem, mem_size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) != mem)
		stop("can't unmap: %s", strerror(errno));
}

static void touch(void)
{
	for (size_t i = 0; i < mem_size; i += page)
		*(volatile char *)(mem + i) = 1;
}

/* Maps huge pages by page tables: one page of each gets other rights. */
static void remap(int prot)
{
	for (size_t i = 0; i < mem_size; i += pmd_kb * 1024)
		if (mprotect(mem + i, page, prot))
			stop("mprotect: %s", strerror(errno));
}

static bool is_pmd(int kb)
{
	return (unsigned long)kb == pmd_kb;
}

/* Memory in folios of @kb, written to; huge pages as they are */
static void fill_whole(size_t size, int kb)
{
	unsigned long before = allocated(kb), folios;

	map(size, kb);
	touch();
	folios = allocated(kb) - before;
	/* another program's folios may be among them on a real machine */
	if ((unsigned long)kb * 1024 > page && folios < size / (kb * 1024UL))
		stop("got %lu folios of %d kB, not %lu: memory is too full or too fragmented",
		     folios, kb, size / (kb * 1024UL));
}

/* The same, mapped by page tables */
static void fill(size_t size, int kb)
{
	fill_whole(size, kb);
	if (is_pmd(kb)) {
		remap(PROT_READ);
		remap(PROT_READ | PROT_WRITE);
	}
}

static void advise(size_t offset, size_t size, int advice, const char *name)
{
	if (madvise(mem + offset, size, advice))
		stop("%s: %s", name, strerror(errno));
}

/* -------------------------------------------------------------- children */

static struct {
	pid_t pid;
	int go;
} child;

/* A child that waits for its end; the fork is measured as @op. */
static void fork_child(const char *op, int kb, unsigned long pages)
{
	int go[2];
	char c;

	if (pipe(go))
		stop("pipe: %s", strerror(errno));
	fflush(stdout);
	if (op)
		begin();
	child.pid = fork();
	if (!child.pid) {
		close(go[1]);
		_exit(read(go[0], &c, 1) != 0);
	}
	if (op)
		end(op, kb, pages);
	if (child.pid < 0)
		stop("fork: %s", strerror(errno));
	close(go[0]);
	child.go = go[1];
	/* until it waits */
	usleep(3000);
}

static void end_child(const char *op, int kb, unsigned long pages)
{
	if (op)
		begin();
	close(child.go);
	if (waitpid(child.pid, NULL, 0) != child.pid)
		stop("waitpid: %s", strerror(errno));
	if (op)
		end(op, kb, pages);
}

/* ------------------------------------------------------------ operations */

static bool have_swap(void)
{
	return counter("/proc/meminfo", "SwapFree:") * 1024 > 2 * AREA;
}

static void one_round(int kb, bool swap)
{
	unsigned long pages = AREA / page;

	/* nothing but the process itself: to be taken off fork and exit */
	fork_child("fork_bare", kb, 1);
	end_child("exit_bare", kb, 1);

	map(AREA, kb);
	begin();
	touch();
	end("fault", kb, pages);
	if (is_pmd(kb)) {
		begin();
		remap(PROT_READ);
		end("remap", kb, pages);
		remap(PROT_READ | PROT_WRITE);
	}
	begin();
	if (mprotect(mem, AREA, PROT_READ) || mprotect(mem, AREA, PROT_READ | PROT_WRITE))
		stop("mprotect: %s", strerror(errno));
	end("mprotect", kb, pages);
	unmap();

	fill(AREA, kb);
	begin();
	munmap(mem, AREA);
	end("munmap", kb, pages);

	fill(AREA, kb);
	fork_child("fork", kb, pages);
	end_child("exit", kb, pages);
	fork_child("fork_again", kb, pages);
	begin();
	touch();
	end("write_byte_alive", kb, pages);
	end_child(NULL, 0, 0);
	unmap();

	fill(AREA, kb);
	fork_child(NULL, 0, 0);
	begin();
	memset(mem, 2, AREA);
	end("write_all_alive", kb, pages);
	end_child(NULL, 0, 0);
	unmap();

	fill(AREA, kb);
	fork_child(NULL, 0, 0);
	end_child(NULL, 0, 0);
	begin();
	touch();
	end("write_byte_gone", kb, pages);
	unmap();

	fill(AREA, kb);
	fork_child(NULL, 0, 0);
	end_child(NULL, 0, 0);
	begin();
	memset(mem, 2, AREA);
	end("write_all_gone", kb, pages);
	unmap();

	fill(AREA, kb);
	begin();
	for (size_t i = 0; i < AREA; i += page)
		advise(i, page, MADV_DONTNEED, "MADV_DONTNEED");
	end("dontneed", kb, pages);
	unmap();

	fill(AREA, kb);
	begin();
	advise(0, AREA, MADV_FREE, "MADV_FREE");
	end("free", kb, pages);
	unmap();

	if (!swap)
		return;
	fill(AREA, kb);
	begin();
	advise(0, AREA, MADV_PAGEOUT, "MADV_PAGEOUT");
	end("swapout", kb, pages);
	unmap();
}

/* Of all sizes, or of one */
static void all_operations(int rounds, int only_kb)
{
	bool swap = have_swap();

	if (!swap)
		fprintf(stderr, "bench note: less than %lu MB of swap are free: no figures of swapping out\n",
			2 * AREA / MB);
	for (size_t s = 0; s < sizeof(sizes_kb) / sizeof(*sizes_kb); s++) {
		int kb = sizes_kb[s];

		if ((only_kb && kb != only_kb) || kb * 1024UL < page || !use_size(kb))
			continue;
		/* page tables and free lists as they will be */
		fill(AREA, kb);
		unmap();
		for (int i = 0; i < rounds; i++)
			one_round(kb, swap);
	}
}

/* ------------------------------------------------------------ contention */

/* What the processes of a run share */
static struct shared {
	atomic_int ready;
	atomic_int go;
	atomic_int done;
} *shared;

enum { COW_SEQ, COW_RAND, FORK, EXIT, DONTNEED, MUNMAP, KINDS };
static const char * const kind_names[KINDS] = {
	"cow_seq", "cow_rand", "fork", "exit", "dontneed", "munmap",
};

static void pin(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set))
		stop("can't run on CPU %d: %s", cpu, strerror(errno));
}

/* A worker: waits in user space, so that the wait is not counted. */
static void __attribute__((noreturn)) work(int kind, int cpu, int done, int quit)
{
	unsigned long pages = mem_size / page, at = cpu * 7919UL;
	struct sched_param other = { .sched_priority = 0 };
	pid_t pid = 1;
	char c;

	/* below the parent, who could not come back from its waits else */
	sched_setscheduler(0, SCHED_OTHER, &other);
	pin(cpu);
	atomic_fetch_add(&shared->ready, 1);
	while (!atomic_load(&shared->go))
		;
	switch (kind) {
	case COW_SEQ:
		touch();
		break;
	case COW_RAND:
		/* every page once, in an order without a pattern: a full-period generator */
		for (unsigned long i = 0; i < pages; i++) {
			at = (at * 1664525 + 1013904223) % pages;
			*(volatile char *)(mem + at * page) = 2;
		}
		break;
	case FORK:
		pid = fork();
		if (pid < 0)
			_exit(1);
		break;
	case EXIT:
		_exit(0);
	case DONTNEED:
		for (size_t i = 0; i < mem_size; i += page)
			advise(i, page, MADV_DONTNEED, "MADV_DONTNEED");
		break;
	case MUNMAP:
		munmap(mem, mem_size);
		break;
	}
	if (pid && write(done, "", 1) != 1)
		_exit(1);
	_exit(read(quit, &c, 1) != 0);
}

static void contend_once(int kind, int kb, int cpus)
{
	int done[2], quit[2], bad = 0, status;
	unsigned long retries;
	pid_t pids[MAX_CPUS];
	char c;

	/* A huge page is mapped by page tables in each child, when it first writes */
	if (kind == COW_SEQ || kind == COW_RAND)
		fill_whole(CONTEND_AREA, kb);
	else
		fill(CONTEND_AREA, kb);
	retries = counter("/proc/vmstat", "rmap_id_retry");
	if (pipe(done) || pipe(quit))
		stop("pipe: %s", strerror(errno));
	memset(shared, 0, sizeof(*shared));
	fflush(stdout);
	for (int i = 0; i < cpus; i++) {
		pids[i] = fork();
		if (pids[i] < 0)
			stop("fork: %s", strerror(errno));
		if (!pids[i]) {
			close(quit[1]);
			work(kind, i, done[1], quit[0]);
		}
	}
	close(done[1]);
	while (atomic_load(&shared->ready) < cpus)
		usleep(1000);
	begin();
	atomic_store(&shared->go, 1);
	if (kind == EXIT) {
		for (int i = 0; i < cpus; i++)
			waitpid(pids[i], &status, 0);
	} else {
		for (int i = 0; i < cpus; i++)
			bad |= read(done[0], &c, 1) != 1;
	}
	end(kind_names[kind], kb, cpus * (CONTEND_AREA / page));
	/* how often a reader of a folio's sequence count met a writer */
	printf("retries %lu\n", counter("/proc/vmstat", "rmap_id_retry") - retries);
	if (bad)
		stop("a worker of %s ended before its work", kind_names[kind]);
	close(quit[1]);
	close(quit[0]);
	close(done[0]);
	if (kind != EXIT)
		for (int i = 0; i < cpus; i++)
			waitpid(pids[i], &status, 0);
	unmap();
}

static void contend(int cpus, int rounds)
{
	shared = mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared == MAP_FAILED)
		stop("no memory: %s", strerror(errno));
	for (size_t s = 0; s < sizeof(contend_kb) / sizeof(*contend_kb); s++) {
		if (!use_size(contend_kb[s]))
			continue;
		for (int i = 0; i < rounds; i++)
			for (int kind = 0; kind < KINDS; kind++)
				contend_once(kind, contend_kb[s], cpus);
	}
}

/* ------------------------------------------------------- known sequences */

/*
 * 1000 times: 2 locked instructions in x86-64's case, 2 in arm64's. The first of
 * x86-64's lies on both sides of a page's end.
 */
static void known_user(void)
{
	unsigned long n = 1000, word = 0;

	begin();
#if defined(__x86_64__)
	asm volatile("jmp 1f\n\t"
		     ".balign 4096\n\t"
		     ".skip 4093\n"
		     "1:\n\t"
		     "xchgq %%rax, %%rdx\n\t"
		     "lock incq %1\n\t"
		     "xchgq %%rax, %1\n\t"
		     "decq %0\n\t"
		     "jnz 1b" : "+r"(n), "+m"(word) : : "rax", "rdx", "cc", "memory");
#elif defined(__aarch64__)
	unsigned long a = 0, *p = &word;

	asm volatile(".arch armv8.1-a\n"
		     "1:\n\t"
		     "ldadd %2, %2, [%1]\n\t"
		     "2: ldaxr %2, [%1]\n\t"
		     "stlxr w9, %2, [%1]\n\t"
		     "cbnz w9, 2b\n\t"
		     "ldar %2, [%1]\n\t"
		     "sub %0, %0, #1\n\t"
		     "cbnz %0, 1b" : "+r"(n), "+r"(p), "+r"(a) : : "x9", "cc", "memory");
#endif
	end("known_user", 0, 1000);
}

static void known(void)
{
	for (int i = 0; i < 5; i++) {
		known_user();
		begin();
		for (int j = 0; j < 100; j++)
			syscall(SYS_getppid);
		end("getppid_100", 0, 1);
		begin();
		for (int j = 0; j < 200; j++)
			syscall(SYS_getppid);
		end("getppid_200", 0, 1);
	}
}

int main(int argc, char **argv)
{
	struct sched_param fifo = { .sched_priority = 1 };
	const char *what = argc > 1 ? argv[1] : "";

	setvbuf(stdout, NULL, _IOLBF, 0);
	page = sysconf(_SC_PAGESIZE);
	native = !strcmp(what, "native");
	/* a new child waits until its parent does, and nothing else comes between */
	if (!native && sched_setscheduler(0, SCHED_FIFO, &fifo))
		stop("sched_setscheduler: %s", strerror(errno));
	if (!strcmp(what, "known")) {
		pin(1);
		known();
		return 0;
	}
	read_settings();
	if (!strcmp(what, "count")) {
		/* not the first: that one has the interrupts of devices */
		pin(1);
		all_operations(5, argc == 3 ? atoi(argv[2]) : 0);
	} else if (!strcmp(what, "contend") && argc == 3) {
		int cpus = atoi(argv[2]);

		if (cpus < 2 || cpus > MAX_CPUS)
			stop("contend takes 2 to %d CPUs", MAX_CPUS);
		pin(0);
		contend(cpus, 3);
	} else if (native) {
		cpu_set_t set;

		/* stay where we are */
		CPU_ZERO(&set);
		CPU_SET(sched_getcpu(), &set);
		sched_setaffinity(0, sizeof(set), &set);
		all_operations(10, 0);
	} else {
		stop("usage: bench count [KB] | contend N | known | native");
	}
	return 0;
}
