// SPDX-License-Identifier: GPL-2.0
/*
 * What happens to tortured processes from outside: see torture.h. And whether all
 * that they used comes back when they are gone.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <glob.h>
#include <linux/mempolicy.h>
#include <signal.h>
#include <string.h>
#include <sys/swap.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../kselftest.h"
#include "laf_util.h"
#include "torture.h"

#define DEBUGFS		"/sys/kernel/debug/"
#define UNPOISON	DEBUGFS "hwpoison/unpoison-pfn"
#define KMEMLEAK	DEBUGFS "kmemleak"

static struct actor env;	/* for its random numbers */

/* What is written here may be refused: memory is short, or allocations fail */
static void put(const char *path, const char *value)
{
	laf_write(path, value);
}

static void put_long(const char *path, long value)
{
	char text[24];

	snprintf(text, sizeof(text), "%ld", value);
	laf_write(path, text);
}

/* A process that is tortured; 0 if there is none there */
static pid_t victim(char **mem, size_t *len)
{
	int i = rnd(&env, MAX_PROCS), n;

	for (n = 0; n < MAX_PROCS; n++, i = (i + 1) % MAX_PROCS) {
		pid_t pid = torture->procs[i].pid;

		if (!pid)
			continue;
		*mem = torture->procs[i].mem;
		*len = torture->procs[i].pages * laf_page;
		return pid;
	}
	return 0;
}

/* ---------------------------------------------------------------- quickly */

/* One of each list is no value, and changes nothing */
static void env_sizes(void)
{
	static const char * const values[] = {
		"always", "always", "madvise", "inherit", "never", "sometimes"
	};
	static const char * const globals[] = { "always", "always", "madvise", "never" };
	static const char * const policies[] = {
		"strict", "unhinted", "independent", "small", "none"
	};
	int order = LAF_MIN_ORDER + rnd(&env, laf_pmd_order - LAF_MIN_ORDER + 1);

	put(laf_size_file(order, "enabled"), values[rnd(&env, ARRAY_SIZE(values))]);
	if (!rnd(&env, 3))
		put(THP "enabled", globals[rnd(&env, 4)]);
	if (!rnd(&env, 3))
		put(POLICY, policies[rnd(&env, ARRAY_SIZE(policies))]);
}

static void env_compact(void)
{
	put("/proc/sys/vm/compact_memory", "1");
}

/* The shrinkers' turn, that of the deferred split queues too; 4 is for silence */
static void env_shrink(void)
{
	put("/proc/sys/vm/drop_caches", "6");
}

static void env_split(void)
{
	char line[80], *mem;
	size_t len;
	pid_t pid = victim(&mem, &len);

	if (!pid)
		return;
	snprintf(line, sizeof(line), "%d,0x%lx,0x%lx", pid, (unsigned long)mem,
		 (unsigned long)mem + len);
	put(DEBUGFS "split_huge_pages", rnd(&env, 16) ? line : "1");
}

static void env_khugepaged(void)
{
	put_long(THP "khugepaged/scan_sleep_millisecs", 1 + rnd(&env, 200));
	put_long(THP "khugepaged/alloc_sleep_millisecs", 10);
	put_long(THP "khugepaged/pages_to_scan", 512 << rnd(&env, 5));
	put_long(THP "khugepaged/max_ptes_none", rnd(&env, 512));
	put_long(THP "khugepaged/max_ptes_shared", rnd(&env, 512));
	put_long(THP "khugepaged/max_ptes_swap", rnd(&env, 512));
}

static void env_ksm(void)
{
	put_long("/sys/kernel/mm/ksm/pages_to_scan", 1000);
	put_long("/sys/kernel/mm/ksm/sleep_millisecs", 1 + rnd(&env, 50));
	put_long("/sys/kernel/mm/ksm/use_zero_pages", rnd(&env, 2));
	put("/sys/kernel/mm/ksm/run", rnd(&env, 6) ? "1" : "2");
}

static void env_lru(void)
{
	static const char * const values[] = { "0", "1", "3", "7" };

	put("/sys/kernel/mm/lru_gen/enabled", values[rnd(&env, 4)]);
}

static void env_numa(void)
{
	put_long("/proc/sys/kernel/numa_balancing", rnd(&env, 2));
	put_long(DEBUGFS "sched/numa_balancing/scan_delay_ms", 5);
	put_long(DEBUGFS "sched/numa_balancing/scan_period_min_ms", 10);
}

static void env_migrate(void)
{
	unsigned long from = 1 + rnd(&env, 2), to = 3 - from;
	char *mem;
	size_t len;
	pid_t pid = victim(&mem, &len);

	if (pid)
		syscall(__NR_migrate_pages, pid, 3, &from, &to);
}

static void env_move_pages(void)
{
	void *addrs[64];
	int nodes[64], status[64], i;
	size_t len, at;
	char *mem;
	pid_t pid = victim(&mem, &len);

	if (!pid)
		return;
	at = rnd(&env, len / laf_page);
	for (i = 0; i < 64; i++) {
		addrs[i] = mem + (at + i) * laf_page % len;
		nodes[i] = rnd(&env, 2);
	}
	syscall(__NR_move_pages, pid, 64, addrs, nodes, status, MPOL_MF_MOVE_ALL);
}

static void env_kill(void)
{
	char *mem;
	size_t len;
	pid_t pid = victim(&mem, &len);

	/* It may be gone by now, and its number another process's: so few, soon */
	if (pid && !rnd(&env, 4))
		kill(pid, SIGKILL);
}

/* Half a folio's worth of another's memory, as process_madvise() allows */
static void env_process_madvise(void)
{
	static const int advices[] = { MADV_COLD, MADV_PAGEOUT, MADV_WILLNEED, MADV_COLLAPSE };
	struct {
		void *base;
		size_t len;
	} range;
	size_t len;
	char *mem;
	pid_t pid = victim(&mem, &len);
	int fd;

	if (!pid)
		return;
	fd = syscall(__NR_pidfd_open, pid, 0);
	range.base = mem + rnd(&env, len / laf_page) * laf_page;
	range.len = laf_page * (1 + rnd(&env, (mem + len - (char *)range.base) / laf_page));
	syscall(__NR_process_madvise, fd, &range, 1UL, advices[rnd(&env, 4)], 0);
	if (fd >= 0)
		close(fd);
}

/* ----------------------------------------------------------------- readers */

static void read_all(const char *path)
{
	static char text[65536];
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return;
	while (read(fd, text, sizeof(text)) > 0)
		;
	close(fd);
}

static void read_pagemap(const char *path, const char *mem, size_t len)
{
	static uint64_t words[MAX_PAGES];
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return;
	n = pread(fd, words, len / laf_page * 8, (uintptr_t)mem / laf_page * 8);
	close(fd);
	while (n > 0) {
		n -= 8;
		if (words[n / 8] & PM_PRESENT && words[n / 8] & PM_PFN && !rnd(&env, 16)) {
			laf_pageflags(words[n / 8] & PM_PFN);
			laf_pagecount(words[n / 8] & PM_PFN);
		}
	}
}

static void env_read(void)
{
	static const char * const files[] = {
		"smaps", "smaps_rollup", "numa_maps", "pagemap", "clear_refs", "statm",
	};
	const char *file = files[rnd(&env, ARRAY_SIZE(files))];
	char path[64], *mem;
	size_t len;
	pid_t pid = victim(&mem, &len);

	if (!pid)
		return;
	snprintf(path, sizeof(path), "/proc/%d/%s", pid, file);
	if (!strcmp(file, "clear_refs"))
		put_long(path, 1 + rnd(&env, 4));
	else if (!strcmp(file, "pagemap"))
		read_pagemap(path, mem, len);
	else
		read_all(path);
}

static void env_read_system(void)
{
	static const char * const files[] = {
		"/proc/zoneinfo", "/proc/pagetypeinfo", "/proc/meminfo", "/proc/vmstat",
		"/sys/devices/system/node/node0/meminfo", DEBUGFS "page_owner",
	};

	read_all(files[rnd(&env, ARRAY_SIZE(files) - 1)]);
}

/* ------------------------------------------------------------------ slowly */

static void env_swap(void)
{
	const char *swap = laf_swap_need();

	swapoff(swap);
	usleep(rnd(&env, 100000));
	while (swapon(swap, 0) && errno != EBUSY && errno != EINVAL)
		usleep(10000);
}

static const char *some_cgroup(void)
{
	return torture->cgroups[rnd(&env, ARRAY_SIZE(torture->cgroups))];
}

static void env_limit(void)
{
	static const char * const high[] = { "max", "max", "16M", "8M" };
	static const char * const max[] = { "max", "max", "64M", "24M" };
	const char *cg = some_cgroup();

	switch (rnd(&env, 3)) {
	case 0:
		laf_cg_write(cg, "memory.high", high[rnd(&env, 4)]);
		break;
	case 1:
		laf_cg_write(cg, "memory.max", max[rnd(&env, 4)]);
		break;
	case 2:
		laf_cg_write(cg, "memory.reclaim", "4M");
	}
}

/* To another cgroup; what it has stays charged where it was */
static void env_cgroup(void)
{
	char text[24], *mem;
	size_t len;
	pid_t pid = victim(&mem, &len);

	if (!pid)
		return;
	snprintf(text, sizeof(text), "%d", pid);
	laf_cg_write(some_cgroup(), "cgroup.procs", text);
}

/* More huge pages for hugetlbfs, or fewer; those that were lost are replaced */
static void env_hugetlb(void)
{
	put_long(NR_HUGEPAGES, 4 + rnd(&env, 8));
}

/* Pages in use that are then called bad: they are moved */
static void env_soft_offline(void)
{
	char path[64], text[24], *mem;
	uint64_t word = 0;
	size_t len;
	pid_t pid = victim(&mem, &len);
	int fd;

	if (!pid || torture->soft_offline >= 200)
		return;
	snprintf(path, sizeof(path), "/proc/%d/pagemap", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return;
	if (pread(fd, &word, 8, ((uintptr_t)mem / laf_page + rnd(&env, len / laf_page)) * 8) == 8 &&
	    word & PM_PRESENT && word & PM_PFN) {
		torture->soft_offline++;
		snprintf(text, sizeof(text), "%#llx",
			 (unsigned long long)((word & PM_PFN) * laf_page));
		put(MEMORY "soft_offline_page", text);
	}
	close(fd);
}

/*
 * Takes a block of memory away. That is tried until a signal comes: who calls a page
 * bad holds it while he waits for this to end (MADV_SOFT_OFFLINE).
 */
static void offline(const char *state)
{
	pid_t pid = fork();

	if (!pid) {
		alarm(5);
		put(state, "offline");
		_exit(0);
	}
	if (pid > 0)
		waitpid(pid, NULL, 0);
}

/* A block of memory away, and back */
static void env_offline(void)
{
	char path[300], zones[64];
	glob_t g;

	if (glob(MEMORY "memory*", GLOB_NOSORT, NULL, &g))
		return;
	snprintf(path, sizeof(path), "%s/valid_zones", g.gl_pathv[rnd(&env, g.gl_pathc)]);
	if (!laf_read(path, zones, sizeof(zones)) && !strncmp(zones, "Movable", 7)) {
		strcpy(strrchr(path, '/'), "/state");
		offline(path);
		usleep(rnd(&env, 50000));
		put(path, "online_movable");
	}
	globfree(&g);
}

/* Memory is taken until the cgroup kills */
static void env_oom(void)
{
	size_t len = 48UL << 20, i;
	pid_t pid;
	char *p;

	laf_cg_write(some_cgroup(), "memory.max", "20M");
	pid = fork();
	if (!pid) {
		laf_cg_write(torture->cgroups[0], "cgroup.procs", "0");
		p = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		mlock(p, len);
		for (i = 0; p != MAP_FAILED && i < len; i += laf_page)
			laf_at(char, p + i) = 1;
		_exit(0);
	}
	if (pid > 0)
		waitpid(pid, NULL, 0);
}

/* Allocations of the tortured processes fail, see make-it-fail in process_enter() */
static void env_faults(void)
{
	static const char * const kinds[] = { "failslab", "fail_page_alloc" };
	char path[80];
	int i;

	if (!torture->faults)
		return;
	put_long(DEBUGFS "fail_page_alloc/min-order", rnd(&env, 3) ? 2 : 0);
	for (i = 0; i < 2; i++) {
		snprintf(path, sizeof(path), DEBUGFS "%s/probability", kinds[i]);
		put_long(path, rnd(&env, 2) ? rnd(&env, i ? 30 : 4) : 0);
	}
}

/* The device that is swapped to, if that is one of a kind that can fail */
static const char *swap_fails(void)
{
	static char path[80];
	const char *swap = laf_swap_need();

	snprintf(path, sizeof(path), "/sys/block/%s/make-it-fail", strrchr(swap, '/') + 1);
	return path;
}

static void env_io_errors(void)
{
	if (torture->io_errors)
		put_long(DEBUGFS "fail_make_request/probability", rnd(&env, 2) * rnd(&env, 5));
}

static void faults_setup(void)
{
	static const char * const kinds[] = { "failslab", "fail_page_alloc", "fail_make_request" };
	static const struct {
		const char *file;
		long value;
	} files[] = {
		{ "times", -1 }, { "interval", 1 }, { "verbose", 0 }, { "task-filter", 'Y' },
		{ "ignore-gfp-wait", 'N' }, { "ignore-gfp-highmem", 'N' },
	};
	char path[80], letter[2] = "";
	unsigned int i, j;

	for (i = 0; i < ARRAY_SIZE(kinds); i++) {
		for (j = 0; j < ARRAY_SIZE(files); j++) {
			snprintf(path, sizeof(path), DEBUGFS "%s/%s", kinds[i], files[j].file);
			letter[0] = files[j].value;
			if (files[j].value >= 'N')
				put(path, letter);
			else
				put_long(path, files[j].value);
		}
	}
	/* Whoever writes to swap may be nobody's task */
	put(DEBUGFS "fail_make_request/task-filter", "N");
	if (torture->io_errors)
		put(swap_fails(), "1");
}

static void faults_end(void)
{
	put_long(DEBUGFS "failslab/probability", 0);
	put_long(DEBUGFS "fail_page_alloc/probability", 0);
	put_long(DEBUGFS "fail_make_request/probability", 0);
	if (torture->io_errors)
		put(swap_fails(), "0");
}

/* --------------------------------------------------------------------- all */

static void (* const quick[])(void) = {
	env_sizes, env_sizes, env_compact, env_shrink, env_split,
	env_khugepaged, env_ksm, env_lru, env_numa, env_migrate, env_move_pages,
	env_move_pages, env_process_madvise, env_process_madvise, env_faults, env_kill, NULL
};

static void (* const slow[])(void) = {
	env_swap, env_swap, env_limit, env_limit, env_limit, env_cgroup, env_cgroup,
	env_soft_offline, env_offline, env_oom, env_io_errors, env_hugetlb, NULL
};

static void (* const readers[])(void) = { env_read, env_read, env_read, env_read_system, NULL };

static void (* const * const kinds[])(void) = { quick, slow, readers };

void environment(int kind, uint32_t seed)
{
	static const int pause[] = { 30000, 200000, 30000 };
	int n = 0;

	env.state = seed * 3 + kind;
	while (kinds[kind][n])
		n++;
	while (!torture->stop && !laf_failed()) {
		kinds[kind][rnd(&env, n)]();
		__atomic_fetch_add(&torture->events, 1, __ATOMIC_RELAXED);
		usleep(rnd(&env, pause[kind]));
	}
}

void environment_begin(void)
{
	faults_setup();
}

/* Pages that were called bad come back, as far as they can */
static void unpoison(void)
{
	static uint64_t flags[4096];
	int fd = open("/proc/kpageflags", O_RDONLY | O_CLOEXEC);
	uint64_t pfn = 0;
	char text[24];
	ssize_t n;

	if (fd < 0)
		return;
	while ((n = read(fd, flags, sizeof(flags))) > 0) {
		ssize_t i;

		for (i = 0; i < n / 8; i++, pfn++) {
			if (!(flags[i] & KPF_BIT_HWPOISON))
				continue;
			snprintf(text, sizeof(text), "%#llx", (unsigned long long)pfn);
			put(UNPOISON, text);
		}
	}
	close(fd);
}

void environment_end(void)
{
	glob_t g;
	size_t i;

	faults_end();
	put("/sys/kernel/mm/ksm/run", "2");
	put("/sys/kernel/mm/ksm/run", "0");
	put("/proc/sys/kernel/numa_balancing", "0");
	swapon(laf_swap_need(), 0);
	unpoison();
	if (glob(MEMORY "memory*/state", 0, NULL, &g))
		return;
	for (i = 0; i < g.gl_pathc; i++)
		put(g.gl_pathv[i], "online_movable");
	globfree(&g);
}

/* ------------------------------------------------------------------- leaks */

#define COUNTED_NODES	4

/* Memory in use, in pages or kB, by what it is used for */
struct usage {
	long anon, swap, folios;
	long lru;	/* listed, less @anon: nobody maps it, or it is a file's */
	long unknown[COUNTED_NODES];	/* in use, and nobody says for what */
	long dying;			/* cgroups that were removed and are still held */
};

static struct usage before;

static long node_key(int node, const char *key)
{
	char path[64], name[48];

	snprintf(path, sizeof(path), "/sys/devices/system/node/node%d/meminfo", node);
	snprintf(name, sizeof(name), "Node %d %s", node, key);
	if (!laf_exists(path))
		return -1;
	return laf_read_key(path, name);
}

/* Pages of a node that are free but wait at a CPU, in kB */
static long node_pcp(int node)
{
	char line[128], name[16];
	bool here = false;
	long sum = 0, n;
	FILE *file = fopen("/proc/zoneinfo", "re");
	int nr;

	while (file && fgets(line, sizeof(line), file)) {
		if (sscanf(line, "Node %d, zone %15s", &nr, name) == 2)
			here = nr == node;
		else if (here && sscanf(line, " count: %ld", &n) == 1)
			sum += n;
	}
	if (file)
		fclose(file);
	return sum * (long)(laf_page / 1024);
}

static long node_unknown(int node)
{
	static const char * const known[] = {
		"MemFree", "FilePages", "AnonPages", "Slab", "KernelStack", "PageTables",
		"SwapCached", "HardwareCorrupted",
	};
	long sum = node_key(node, "MemTotal") - node_pcp(node), n;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(known); i++) {
		n = node_key(node, known[i]);
		if (n > 0)
			sum -= n;
	}
	n = node_key(node, "HugePages_Total");
	return n > 0 ? sum - n * (long)(laf_size(laf_pmd_order) / 1024) : sum;
}

static long dying(void)
{
	return laf_read_key("/sys/fs/cgroup/cgroup.stat", "nr_dying_descendants");
}

static void measure(struct usage *u)
{
	int order, node;

	memset(u, 0, sizeof(*u));
	laf_drain();
	u->anon = laf_vmstat("nr_anon_pages");
	u->lru = laf_vmstat("nr_inactive_anon") + laf_vmstat("nr_active_anon") +
		 laf_vmstat("nr_unevictable") + laf_vmstat("nr_isolated_anon") - u->anon;
	u->swap = laf_meminfo("SwapTotal") - laf_meminfo("SwapFree");
	for (order = LAF_MIN_ORDER; order <= laf_pmd_order; order++)
		u->folios += laf_stat(order, "nr_anon") << order;
	for (node = 0; node < COUNTED_NODES && node_key(node, "MemTotal") > 0; node++)
		u->unknown[node] = node_unknown(node);
	u->dying = dying();
}

static void settle(void)
{
	int i;

	/* What is left in swap is those's that live: one of nobody would stay for ever */
	swapoff(laf_swap_need());
	swapon(laf_swap_need(), 0);
	for (i = 0; i < 3; i++) {
		put("/proc/sys/vm/compact_memory", "1");
		put("/proc/sys/vm/drop_caches", "7");
	}
}

void leaks_begin(void)
{
	settle();
	put(KMEMLEAK, "scan=off");
	put(KMEMLEAK, "clear");
	measure(&before);
}

static bool back(const char *what, long most, long now, bool report)
{
	if (report)
		laf_expect(now <= most, "%s: %ld in the end, want at most %ld", what, now, most);
	return now <= most;
}

/*
 * Back to where it was, or less. A few pages are this process's own. Nobody names what
 * slabs have in reserve, and where KASAN keeps each way to an allocation: that is
 * more when allocations fail, but does not grow for long.
 */
static bool is_back(const struct usage *now, bool report)
{
	const long few = 64, very_few = 16, some_kb = 4096;
	bool ok = true;
	int node;

	ok &= back("anonymous pages", before.anon + few, now->anon, report);
	ok &= back("other pages on LRU lists", before.lru + very_few, now->lru, report);
	ok &= back("pages in folios", before.folios + few, now->folios, report);
	ok &= back("bytes in swap", before.swap + few * (long)laf_page, now->swap, report);
	ok &= back("cgroups that are gone", before.dying, now->dying, report);
	for (node = 0; node < COUNTED_NODES; node++)
		ok &= back("kB of a node that nobody names", before.unknown[node] + some_kb,
			   now->unknown[node], report);
	return ok;
}

static void kmemleak_end(void)
{
	char text[4096] = "";

	if (!laf_exists(KMEMLEAK))
		return;
	/* The first scan looks what is in each object, the second reports */
	put(KMEMLEAK, "scan");
	put(KMEMLEAK, "scan");
	laf_read(KMEMLEAK, text, sizeof(text));
	laf_expect(!*text, "kmemleak: %.1500s", text);
}

void leaks_end(void)
{
	struct usage now;
	int i;

	for (i = 0; i < 20; i++) {
		settle();
		measure(&now);
		if (is_back(&now, false))
			break;
		usleep(500000);
	}
	is_back(&now, true);
	for (i = 0; i < 2; i++) {
		const struct usage *u = i ? &now : &before;

		laf_note("%s: anonymous %ld, others %ld, in folios %ld; kB nobody names %ld, %ld",
			 i ? "in the end" : "at the start", u->anon, u->lru, u->folios,
			 u->unknown[0], u->unknown[1]);
	}
	kmemleak_end();
}

/* ---------------------------------------------------------------- coverage */

/* Prints a file, for who runs this in a guest: "# gcda PATH HEX..." */
static int print_gcda(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
	unsigned char bytes[512];
	char hex[1025];
	ssize_t n, i;
	int fd;

	(void)st;
	(void)ftw;
	if (kind != FTW_F || strcmp(path + strlen(path) - 5, ".gcda"))
		return 0;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	while (fd >= 0 && (n = read(fd, bytes, sizeof(bytes))) > 0) {
		for (i = 0; i < n; i++)
			snprintf(hex + 2 * i, 3, "%02x", bytes[i]);
		laf_note("gcda %s %s", path + strlen(DEBUGFS "gcov/"), hex);
	}
	if (fd >= 0)
		close(fd);
	return 0;
}

/* What the kernel counted of the lines that it has executed, if it did */
void print_coverage(void)
{
	nftw(DEBUGFS "gcov", print_gcda, 8, FTW_PHYS);
}
