// SPDX-License-Identifier: GPL-2.0
/*
 * All that can happen to large folios at once: see torture.h.
 *
 *	torture [-t SECONDS] [-s SEED] [-w WORKERS] [-d DISK] [-f] [-i]
 *
 * Episodes begin with SEED; what a report names as its seed is the number of one,
 * and given here it is the first to run. DISK is a block device that is written to.
 * -f has allocations fail, -i I/O to the swap device.
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "../kselftest.h"
#include "laf_util.h"
#include "torture.h"

#define TURNS		60	/* of each thread of an episode's first process */
#define NR_KINDS	3	/* of the environment */

/*
 * Far below where mmap() looks first: what is unmapped here has to stay so until it
 * is mapped again, and is no place for a thread's stack.
 */
#define AREA		((char *)(64UL << 30))

static int seconds = 30, workers = 3;

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

static void *shared_map(size_t len)
{
	void *p = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	laf_require(p != MAP_FAILED, "mmap: %s", strerror(errno));
	return p;
}

/* Who is not tortured must not lose what it has in swap */
static void stay_in_memory(void)
{
	if (torture->io_errors)
		mlockall(MCL_CURRENT | MCL_FUTURE);
}

/* Cut the memory into pieces, and give them to the threads in turn */
static void cut(struct actor *a)
{
	int i, at = 0;

	me->nr_pieces = me->nr_threads * (rnd(a, 2) ? 1 : 1 + rnd(a, 5));
	for (i = 0; i < me->nr_pieces; i++) {
		int left = me->pages - at, rest = me->nr_pieces - i;
		int most = left - rest + 1, nr = most;

		if (rest > 1)
			nr = 1 + rnd(a, left / rest * 2 - 1);
		if (nr > most)
			nr = most;
		me->pieces[i] = (struct piece){ at, nr };
		at += nr;
	}
}

/* The first process of an episode */
static __attribute__((noreturn)) void episode(uint32_t seed)
{
	static const int sizes[] = { 48, 160, 512, 1100, MAX_PAGES, MAX_PAGES };
	struct actor a = { .state = seed };

	me->family->seed = seed;
	me->family->poisons = !rnd(&a, 6);
	me->pages = sizes[rnd(&a, ARRAY_SIZE(sizes))];
	me->nr_threads = 1 + rnd(&a, MAX_THREADS);
	cut(&a);
	/* At a multiple of the huge page size, or anywhere */
	me->mem = AREA + rnd(&a, 2) * rnd(&a, 512) * laf_page;
	laf_cg_write(torture->cgroups[rnd(&a, ARRAY_SIZE(torture->cgroups))], "cgroup.procs", "0");
	process_enter();
	catch_signals();
	if (torture->faults)
		laf_write("/proc/self/make-it-fail", "1");
	map_fresh(0, me->pages);
	run_threads(seed, TURNS);
	_exit(0);
}

static void prepare(void)
{
	me = mmap(NULL, sizeof(*me), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	laf_require(me != MAP_FAILED, "mmap: %s", strerror(errno));
	/* The model is not what is tested */
	madvise(me, sizeof(*me), MADV_NOHUGEPAGE);
	me->family = shared_map(sizeof(*me->family));
	init_locks();
}

/* One episode after another */
static void work(void)
{
	pid_t pid;

	/* Who loses its parent is waited for here */
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	prepare();
	while (!torture->stop && !laf_failed()) {
		uint32_t seed = __atomic_fetch_add(&torture->seed, 1, __ATOMIC_RELAXED);

		me->family->alive = 1;
		fflush(stdout);
		before_fork();
		pid = fork();
		if (!pid)
			episode(seed);
		while ((pid = waitpid(-1, NULL, 0)) > 0)
			reap(pid);
		__atomic_fetch_add(&torture->episodes, 1, __ATOMIC_RELAXED);
	}
}

static void start(pid_t *pid, int i, uint32_t seed)
{
	fflush(stdout);
	*pid = fork();
	laf_require(*pid >= 0, "fork: %s", strerror(errno));
	if (*pid)
		return;
	stay_in_memory();
	if (i < workers)
		work();
	else
		environment(i - workers, seed);
	_exit(0);
}

static void run_all(int how_long)
{
	const uint32_t seed = torture->seed;
	double end = now() + how_long;
	pid_t pids[16];
	int i;

	torture->stop = false;
	for (i = 0; i < workers + NR_KINDS; i++)
		start(&pids[i], i, seed);
	while (now() < end && !laf_failed())
		usleep(100000);
	torture->stop = true;
	for (i = 0; i < workers + NR_KINDS; i++)
		laf_join(pids[i]);
}

/* What the kernel has done with large folios below PMD size since the start */
static const char * const stats[] = {
	"anon_fault_alloc", "anon_fault_fallback", "anon_fault_fallback_charge", "split",
	"split_failed", "split_deferred",
};

static long stats_before[ARRAY_SIZE(stats)];

static long stat_sum(int i)
{
	long sum = 0;
	int order;

	for (order = LAF_MIN_ORDER; order < laf_pmd_order; order++)
		sum += laf_stat(order, stats[i]);
	return sum;
}

static void stats_begin(void)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(stats); i++)
		stats_before[i] = stat_sum(i);
}

static void stats_end(void)
{
	char line[400] = "";
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(stats); i++)
		snprintf(line + strlen(line), sizeof(line) - strlen(line), " %s %ld", stats[i],
			 stat_sum(i) - stats_before[i]);
	laf_note("folios below PMD size:%s", line);
	laf_note("of %lu pages seen at forks %lu were of large folios", torture->seen,
		 torture->seen_large);
	laf_expect(stat_sum(0) > stats_before[0], "no large folio was made");
}

/* What each operation did; one that never works tests nothing */
static void report(void)
{
	char line[2000] = "";
	int i;

	for (i = 0; i < torture_nr_ops; i++)
		snprintf(line + strlen(line), sizeof(line) - strlen(line), " %s %lu/%lu",
			 torture_ops[i].name, torture->worked[i], torture->ran[i]);
	laf_note("%lu episodes, next seed %u; %lu turns, %lu events, %lu pages lost",
		 torture->episodes, torture->seed, torture->turns, torture->events,
		 torture->lost);
	laf_note("of each operation, how many did something:%s", line);
	laf_expect(torture->turns > 100, "only %lu turns in %d s", torture->turns, seconds);
}

static void save_settings(void)
{
	static const char * const files[] = {
		THP "khugepaged/scan_sleep_millisecs", THP "khugepaged/alloc_sleep_millisecs",
		THP "khugepaged/pages_to_scan", THP "khugepaged/max_ptes_none",
		THP "khugepaged/max_ptes_shared", THP "khugepaged/max_ptes_swap",
		"/sys/kernel/mm/ksm/pages_to_scan", "/sys/kernel/mm/ksm/sleep_millisecs",
		"/sys/kernel/mm/ksm/use_zero_pages", "/proc/sys/kernel/numa_balancing",
	};
	unsigned int i;
	int order;

	for (order = LAF_MIN_ORDER; order <= laf_pmd_order; order++)
		laf_set_size(order, "always");
	laf_set(THP "enabled", "always");
	laf_set(THP "shmem_enabled", "always");
	if (laf_exists(NR_HUGEPAGES))
		laf_set(NR_HUGEPAGES, "8");
	if (laf_exists(POLICY))
		laf_set(POLICY, "small");
	/* What is set is restored: so have it differ once */
	for (i = 0; i < ARRAY_SIZE(files); i++)
		if (laf_exists(files[i]))
			laf_set_long(files[i], 1);
}

static void test_torture(int order)
{
	unsigned int i;

	(void)order;
	laf_swap_need();
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	for (i = 0; i < ARRAY_SIZE(torture->cgroups); i++)
		snprintf(torture->cgroups[i], sizeof(torture->cgroups[i]), "%s", laf_cg_new());
	stay_in_memory();
	save_settings();
	environment_begin();
	/* Caches, and what is made once, are there before anything is counted */
	run_all(3);
	environment_end();
	leaks_begin();
	stats_begin();
	run_all(seconds);
	environment_end();
	report();
	stats_end();
	for (i = 0; i < ARRAY_SIZE(torture->cgroups); i++)
		laf_cg_write(torture->cgroups[i], "memory.max", "max");
	if (!laf_failed())
		leaks_end();
	print_coverage();
}

int main(int argc, char **argv)
{
	struct laf_test test = { "torture", test_torture, LAF_ONCE };
	uint32_t seed = 1;
	int c;

	laf_swap_setup();
	torture = mmap(NULL, sizeof(*torture), PROT_READ | PROT_WRITE,
		       MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (torture == MAP_FAILED)
		ksft_exit_fail_msg("mmap: %s\n", strerror(errno));
	strcpy(torture->disk, "/dev/ram1");
	while ((c = getopt(argc, argv, "t:s:w:d:fi")) != -1) {
		switch (c) {
		case 't':
			seconds = atoi(optarg);
			break;
		case 's':
			seed = strtoul(optarg, NULL, 0);
			break;
		case 'w':
			workers = atoi(optarg);
			break;
		case 'd':
			snprintf(torture->disk, sizeof(torture->disk), "%s", optarg);
			break;
		case 'f':
			torture->faults = true;
			break;
		case 'i':
			torture->io_errors = true;
			break;
		default:
			ksft_exit_fail_msg("-t SECONDS, -s SEED, -w WORKERS, -d DISK, -f, -i\n");
		}
	}
	if (seconds < 1 || workers < 1 || workers > 8)
		ksft_exit_fail_msg("1 to 8 workers, at least 1 second\n");
	torture->seed = seed;
	test.timeout = 2 * seconds + 300;
	return laf_main(&test, 1);
}
