// SPDX-License-Identifier: GPL-2.0
/*
 * Faults, writes, fork, unmapping and migration at the same time as each other
 * and as changes of what sizes are allowed. All data is compared.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/mempolicy.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "../kselftest.h"
#include "laf_util.h"

#define WORKERS	3
#define SECONDS	5

static volatile bool stop;
static unsigned long rounds[WORKERS];

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec + ts.tv_nsec / 1e9;
}

/* A settings file written at random, all the time */
static void *changer(void *arg)
{
	static const char * const values[] = { "always", "inherit", "madvise", "never" };
	static const char * const globals[] = { "always", "madvise", "never" };
	static const char * const policies[] = { "strict", "unhinted", "independent",
						 "small" };
	bool policy = laf_exists(POLICY);
	unsigned long *changes = arg;
	char path[160];
	uint32_t seed = 1;

	while (!stop) {
		int order = LAF_MIN_ORDER +
			    laf_random_of(&seed) % (laf_largest() + 2 - LAF_MIN_ORDER);

		if (order > laf_pmd_order)
			order = laf_pmd_order;
		strcpy(path, laf_size_file(order, "enabled"));
		laf_expect(!laf_write(path, values[laf_random_of(&seed) % 4]),
			   "cannot write %s", path);
		if (laf_random_of(&seed) % 4 == 0)
			laf_write(THP "enabled", globals[laf_random_of(&seed) % 3]);
		if (policy && laf_random_of(&seed) % 4 == 0)
			laf_write(POLICY, policies[laf_random_of(&seed) % 4]);
		(*changes)++;
		usleep(200);
	}
	return NULL;
}

/* Have the runner restore what changer() writes */
static void save_settings(void)
{
	int order;

	for (order = LAF_MIN_ORDER; order <= laf_pmd_order; order++)
		laf_set_size(order, "inherit");
	laf_set(THP "enabled", "always");
	if (laf_exists(POLICY))
		laf_set(POLICY, "small");
}

/* One word a page tells what was written last; 0 for nothing */
static bool check_words(char *p, const uint32_t *shadow, size_t pages, const char *who)
{
	size_t i;

	for (i = 0; i < pages; i++) {
		uint32_t saw = laf_at(uint32_t, p + i * laf_page + 64);

		if (!laf_expect(saw == shadow[i], "%s: page %zu of %zu: saw %#x, want %#x",
				who, i, pages, saw, shadow[i]))
			return false;
	}
	return true;
}

/* Map, write at random, fork, drop, move, unmap; over and over */
static void *worker(void *arg)
{
	unsigned long id = (unsigned long)arg;
	uint32_t seed = id + 17, *shadow = calloc(1024, sizeof(*shadow));

	while (!stop && !laf_failed()) {
		size_t pages = 1 + laf_random_of(&seed) % 1024, i, part, first;
		char *p = laf_map_at(pages * laf_page, 1 << 20,
				     laf_random_of(&seed) % 64 * laf_page);
		pid_t pid;

		memset(shadow, 0, pages * sizeof(*shadow));
		for (i = 0; i < pages / 2 + 1; i++) {
			size_t page = laf_random_of(&seed) % pages;

			shadow[page] = laf_random_of(&seed) | 1;
			laf_at(uint32_t, p + page * laf_page + 64) = shadow[page];
		}
		check_words(p, shadow, pages, "filled");

		first = laf_random_of(&seed) % pages;
		part = 1 + laf_random_of(&seed) % (pages - first);
		switch (laf_random_of(&seed) % 4) {
		case 0:
			madvise(p + first * laf_page, part * laf_page, MADV_DONTNEED);
			memset(shadow + first, 0, part * sizeof(*shadow));
			break;
		case 1:
			mprotect(p + first * laf_page, part * laf_page, PROT_READ);
			check_words(p, shadow, pages, "read-only part");
			mprotect(p, pages * laf_page, PROT_READ | PROT_WRITE);
			break;
		case 2:
			pid = fork();
			if (!pid) {
				bool ok = check_words(p, shadow, pages, "child");

				for (i = 0; i < pages; i += 3)
					laf_at(uint32_t, p + i * laf_page + 64) = 1;
				_exit(!ok);
			}
			for (i = 0; i < pages; i += 5) {
				shadow[i] = laf_random_of(&seed) | 1;
				laf_at(uint32_t, p + i * laf_page + 64) = shadow[i];
			}
			if (pid > 0)
				laf_join(pid);
			break;
		case 3:
			madvise(p + first * laf_page, part * laf_page, MADV_PAGEOUT);
			break;
		}
		check_words(p, shadow, pages, "in the end");
		laf_unmap(p, pages * laf_page);
		rounds[id]++;
	}
	free(shadow);
	return NULL;
}

static void run_workers(void *(*disturb)(void *), unsigned long *count)
{
	pthread_t threads[WORKERS + 1];
	unsigned long i;
	double end = now() + SECONDS;

	laf_require(!pthread_create(&threads[WORKERS], NULL, disturb, count), "no thread");
	for (i = 0; i < WORKERS; i++)
		laf_require(!pthread_create(&threads[i], NULL, worker, (void *)i), "no thread");
	while (now() < end && !laf_failed())
		usleep(50000);
	stop = true;
	for (i = 0; i <= WORKERS; i++)
		pthread_join(threads[i], NULL);
	for (i = 0; i < WORKERS; i++)
		laf_expect(rounds[i], "worker %lu has done nothing", i);
	laf_expect(*count, "nothing disturbed them");
}

static long folios_all(const char *name)
{
	long sum = 0;
	int order;

	for (order = LAF_MIN_ORDER; order <= laf_pmd_order; order++)
		sum += laf_stat(order, name);
	return sum;
}

static void expect_no_folios(long before)
{
	long saw = folios_all("nr_anon") - before;

	/*
	 * The stacks and the heap of this process have some, and of other
	 * processes' some may have been split.
	 */
	laf_expect(labs(saw) < 200, "nr_anon of all sizes: saw %+ld, want about 0", saw);
}

static void test_settings(int order)
{
	long before = folios_all("nr_anon");
	unsigned long changes = 0;

	(void)order;
	save_settings();
	run_workers(changer, &changes);
	expect_no_folios(before);
}

static void *compact(void *arg)
{
	unsigned long *count = arg;

	while (!stop) {
		laf_write("/proc/sys/vm/compact_memory", "1");
		laf_write("/proc/sys/vm/drop_caches", "2");
		(*count)++;
		usleep(1000);
	}
	return NULL;
}

static void test_compaction(int order)
{
	long before = folios_all("nr_anon");
	unsigned long count = 0;

	(void)order;
	if (!laf_exists("/proc/sys/vm/compact_memory"))
		laf_skip("no compaction");
	laf_set_sizes(LAF_MIN_ORDER, laf_largest(), "madvise");
	run_workers(compact, &count);
	expect_no_folios(before);
}

/* ------------------------------------------------ the same memory for all */

static char *area;
static size_t area_len;
static pthread_barrier_t barrier;
static int race_rounds;

/* All threads fault in the same fresh folio at once, at different pages */
static void *same_folio(void *arg)
{
	size_t id = (size_t)arg, pages = area_len / laf_page, i;
	int round;

	for (round = 0; round < race_rounds; round++) {
		pthread_barrier_wait(&barrier);
		for (i = id; i < pages; i += WORKERS)
			laf_at(uint64_t, area + i * laf_page) = round * 1000 + i + 1;
		pthread_barrier_wait(&barrier);
		for (i = 0; i < pages; i++) {
			uint64_t saw = laf_at(uint64_t, area + i * laf_page);

			if (!laf_expect(saw == round * 1000 + i + 1,
					"round %d, page %zu: saw %llu, want %llu", round, i,
					(unsigned long long)saw,
					(unsigned long long)(round * 1000 + i + 1)))
				break;
		}
		pthread_barrier_wait(&barrier);
		if (!id)
			madvise(area, area_len, MADV_DONTNEED);
	}
	return NULL;
}

static void test_same_folio(int order)
{
	long before = laf_stat(order, "nr_anon"), saw;
	pthread_t threads[WORKERS];
	size_t i;

	laf_only(order);
	area_len = laf_size(order);
	area = laf_map(area_len, area_len);
	race_rounds = 60;
	pthread_barrier_init(&barrier, NULL, WORKERS);
	for (i = 0; i < WORKERS; i++)
		laf_require(!pthread_create(&threads[i], NULL, same_folio, (void *)i),
			    "no thread");
	for (i = 0; i < WORKERS; i++)
		pthread_join(threads[i], NULL);
	laf_unmap(area, area_len);
	saw = laf_stat(order, "nr_anon") - before;
	laf_expect(!saw, "nr_anon in the end: saw %+ld, want 0", saw);
}

/* Others drop parts of what one writes: each page is as written, or zero */
static void *dropper(void *arg)
{
	unsigned long *count = arg;
	uint32_t seed = 5;

	while (!stop) {
		size_t pages = area_len / laf_page, first = laf_random_of(&seed) % pages;

		madvise(area + first * laf_page,
			(1 + laf_random_of(&seed) % (pages - first)) * laf_page, MADV_DONTNEED);
		(*count)++;
	}
	return NULL;
}

static void test_dontneed(int order)
{
	size_t pages, i;
	unsigned long count = 0, zero = 0, written = 0;
	double end = now() + 2;
	pthread_t thread;
	uint64_t round;

	laf_only(order);
	area_len = 4 * laf_size(order);
	pages = area_len / laf_page;
	area = laf_map(area_len, laf_size(order));
	laf_require(!pthread_create(&thread, NULL, dropper, &count), "no thread");
	for (round = 1; now() < end && !laf_failed(); round++) {
		for (i = 0; i < pages; i++)
			laf_at(uint64_t, area + i * laf_page) = round << 32 | i;
		for (i = 0; i < pages; i++) {
			uint64_t saw = laf_at(uint64_t, area + i * laf_page);

			if (saw)
				written++;
			else
				zero++;
			laf_expect(!saw || saw == (round << 32 | i),
				   "page %zu: saw %#llx, want 0 or %#llx", i,
				   (unsigned long long)saw,
				   (unsigned long long)(round << 32 | i));
		}
	}
	stop = true;
	pthread_join(thread, NULL);
	laf_expect(count && zero + written, "nothing happened");
}

/* Between two memory nodes and back, while it is written */
static void *migrator(void *arg)
{
	size_t pages = area_len / laf_page, i;
	unsigned long *count = arg;
	void **addrs = calloc(pages, sizeof(*addrs));
	int *nodes = calloc(pages, sizeof(*nodes)), *status = calloc(pages, sizeof(*status));
	int to = 0;

	for (i = 0; i < pages; i++)
		addrs[i] = area + i * laf_page;
	while (!stop) {
		to = !to;
		for (i = 0; i < pages; i++)
			nodes[i] = to;
		if (syscall(__NR_move_pages, 0, pages, addrs, nodes, status,
			    MPOL_MF_MOVE) >= 0)
			for (i = 0; i < pages; i++)
				*count += status[i] == to;
	}
	free(addrs);
	free(nodes);
	free(status);
	return NULL;
}

static void test_move_pages(int order)
{
	unsigned long count = 0;
	double end = now() + 2;
	pthread_t thread;
	uint64_t round;
	size_t pages, i;

	if (!laf_exists("/sys/devices/system/node/node1"))
		laf_skip("only one memory node");
	laf_only(order);
	area_len = 4 * laf_size(order);
	pages = area_len / laf_page;
	area = laf_folios(order, 4, 1);
	laf_require(!pthread_create(&thread, NULL, migrator, &count), "no thread");
	for (round = 1; now() < end && !laf_failed(); round++) {
		for (i = 0; i < pages; i++)
			laf_at(uint64_t, area + i * laf_page) = round << 32 | i;
		for (i = 0; i < pages; i++)
			laf_expect(laf_at(uint64_t, area + i * laf_page) ==
				   (round << 32 | i), "page %zu has other data", i);
	}
	stop = true;
	pthread_join(thread, NULL);
	laf_expect(count, "no page was moved");
	laf_fill(area, area_len, 2);
	laf_expect_data(area, area_len, 2, 0, "afterwards");
}

/* ----------------------------------------- lazily freed, and a fork meanwhile */

#define LAZY_PAGES	512

static volatile uint64_t *lazy_word(size_t page)
{
	return (volatile uint64_t *)(area + page * laf_page);
}

/* Writes each page once, at about the speed of a fork */
static void *lazy_writer(void *arg)
{
	uint32_t seed = (uintptr_t)arg;
	size_t page;

	for (page = 0; page < area_len / laf_page; page++) {
		volatile uint32_t wait = laf_random_of(&seed) % 512;

		while (wait)
			wait--;
		*lazy_word(page) = ~page;
	}
	return NULL;
}

/* What the child has once seen stays, though the parent's pages go */
static void lazy_child(struct laf_sync *sync)
{
	static uint64_t saw[LAZY_PAGES];
	size_t page, pages = area_len / laf_page;

	for (page = 0; page < pages; page++)
		saw[page] = *lazy_word(page);
	laf_sync_wait(sync, 1);
	madvise(area, area_len, MADV_PAGEOUT);
	for (page = 0; page < pages; page++)
		if (saw[page] == ~page)
			laf_expect(*lazy_word(page) == ~page,
				   "page %zu was written before the fork, is %#llx", page,
				   (unsigned long long)*lazy_word(page));
}

/*
 * MADV_FREE leaves PTEs clean, and what is written again must not be lost: neither if
 * that happens while fork copies a run of such PTEs.
 */
static void test_lazy_fork(int order)
{
	double until = now() + SECONDS;
	struct laf_sync sync;
	pthread_t thread;
	int round;
	pid_t pid;

	laf_swap_need();
	laf_only(order);
	area_len = ALIGN_UP(LAZY_PAGES / 2 * laf_page, laf_size(order));
	laf_require(area_len <= LAZY_PAGES * laf_page, "order %d is too large", order);
	laf_sync_init(&sync);
	for (round = 0; now() < until && !laf_failed(); round++) {
		area = laf_folios(order, area_len / laf_size(order), 1);
		laf_require(!madvise(area, area_len, MADV_FREE), "MADV_FREE: %s", strerror(errno));
		laf_require(!pthread_create(&thread, NULL, lazy_writer, (void *)(uintptr_t)round),
			    "no thread");
		while (*lazy_word(round % 8) != ~(uint64_t)(round % 8))
			;
		pid = laf_fork();
		if (!pid) {
			lazy_child(&sync);
			_exit(laf_failed());
		}
		pthread_join(thread, NULL);
		laf_unmap(area, area_len);
		laf_sync_post(&sync, 1);
		laf_join(pid);
	}
}

/* ---------------------------------------------------- a split that fails */

#define FAILSLAB	"/sys/kernel/debug/failslab/"
#define FAIL_NTH	"/proc/thread-self/fail-nth"

/* To protect half of it takes another VMA: one allocation after another fails */
static void *splitter(void *arg)
{
	int fd = open(FAIL_NTH, O_RDWR | O_CLOEXEC);
	unsigned long *count = arg;
	unsigned int n = 0;
	char nth;

	while (fd >= 0 && !stop) {
		nth = '1' + n++ % 8;
		if (pwrite(fd, &nth, 1, 0) != 1)
			break;
		*count += !!mprotect(area, area_len / 2, PROT_READ);
		nth = '0';
		if (pwrite(fd, &nth, 1, 0) != 1)
			break;
		mprotect(area, area_len, PROT_READ | PROT_WRITE);
	}
	if (fd >= 0)
		close(fd);
	return NULL;
}

/*
 * rmap must not meet what is left of a VMA that could not be split off. Children whose
 * VMAs are empty make its way longer.
 */
static void test_failed_split(int order)
{
	unsigned long failed = 0, moved = 0;
	double until = now() + SECONDS;
	pid_t children[8];
	pthread_t threads[2];
	unsigned int i;

	(void)order;
	if (!laf_exists(FAILSLAB) || !laf_exists(FAIL_NTH))
		laf_skip("the kernel has no CONFIG_FAILSLAB");
	laf_set(FAILSLAB "ignore-gfp-wait", "N");
	area_len = 16 * laf_page;
	area = laf_map(area_len, laf_page);
	laf_fill(area, area_len, 1);
	for (i = 0; i < ARRAY_SIZE(children); i++) {
		children[i] = laf_fork();
		if (!children[i]) {
			madvise(area, area_len, MADV_DONTNEED);
			pause();
			_exit(0);
		}
	}
	laf_require(!pthread_create(&threads[0], NULL, splitter, &failed) &&
		    !pthread_create(&threads[1], NULL, migrator, &moved), "no thread");
	while (now() < until)
		usleep(10000);
	stop = true;
	for (i = 0; i < ARRAY_SIZE(threads); i++)
		pthread_join(threads[i], NULL);
	for (i = 0; i < ARRAY_SIZE(children); i++) {
		kill(children[i], SIGKILL);
		waitpid(children[i], NULL, 0);
	}
	laf_expect(failed && moved, "%lu splits failed, %lu pages were moved", failed, moved);
	laf_expect_data(area, area_len, 1, 0, "afterwards");
}

/* ---------------------------------------------------------------- hugetlbfs */

/* Wants a huge page of its own at @arg, again and again; there is none */
static void *copier(void *arg)
{
	int fd = open("/dev/zero", O_RDONLY);

	while (!stop)
		if (read(fd, arg, 1) < 0 && errno != EFAULT)
			break;
	close(fd);
	return NULL;
}

/* Who has memory reserved takes it from his child, which asks for it in that moment */
static void reclaim_from_children(char *p)
{
	struct laf_sync sync;
	pthread_t threads[2];
	char i;

	for (i = 1; i <= 20; i++) {
		pid_t pid;

		laf_sync_init(&sync);
		pid = laf_fork();
		if (!pid) {
			pthread_create(&threads[0], NULL, copier, p);
			pthread_create(&threads[1], NULL, copier, p);
			laf_sync_post(&sync, 0);
			laf_sync_wait(&sync, 1);
			stop = true;
			pthread_join(threads[0], NULL);
			pthread_join(threads[1], NULL);
			_exit(0);
		}
		laf_sync_wait(&sync, 0);
		usleep(2000);
		laf_at(char, p) = i;
		laf_sync_post(&sync, 1);
		laf_join(pid);
		laf_expect(laf_at(char, p) == i, "saw %d, want %d", laf_at(char, p), i);
	}
	_exit(0);
}

static void test_hugetlb_copy(int order)
{
	const size_t size = laf_size(laf_pmd_order);
	int fd = memfd_create("race", MFD_CLOEXEC | MFD_HUGETLB);
	double end = now() + 30;
	pid_t pid, saw;
	char *file;

	(void)order;
	if (fd < 0)
		laf_skip("no hugetlbfs: %s", strerror(errno));
	laf_hugetlb_need(2);
	laf_require(!ftruncate(fd, size), "ftruncate: %s", strerror(errno));
	file = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	laf_require(file != MAP_FAILED, "mmap: %s", strerror(errno));
	laf_at(char, file) = 100;
	pid = laf_fork();
	if (!pid) {
		char *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);

		laf_require(p != MAP_FAILED, "mmap: %s", strerror(errno));
		laf_at(char, p) = 0;
		reclaim_from_children(p);
	}
	/* Two that wait for each other's locks could not be killed, either */
	do {
		usleep(10000);
		saw = waitpid(pid, NULL, WNOHANG);
	} while (!saw && now() < end);
	laf_expect(saw == pid, "a fault does not end");
	laf_expect(laf_at(char, file) == 100, "the file has changed");
}

static const struct laf_test tests[] = {
	{ "settings change", test_settings, LAF_ONCE },
	{ "compaction and splits", test_compaction, LAF_ONCE },
	{ "threads in one folio", test_same_folio, LAF_ALL },
	{ "MADV_DONTNEED", test_dontneed, LAF_SOME },
	{ "move_pages", test_move_pages, LAF_SOME },
	{ "lazily freed, written while forking", test_lazy_fork, LAF_SOME },
	{ "a split that fails", test_failed_split, LAF_ONCE },
	{ "huge page of hugetlbfs, taken from a child", test_hugetlb_copy, LAF_ONCE },
};

int main(void)
{
	laf_swap_setup();
	return laf_main(tests, ARRAY_SIZE(tests));
}
