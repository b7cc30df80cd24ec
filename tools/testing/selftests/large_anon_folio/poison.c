// SPDX-License-Identifier: GPL-2.0
/*
 * Memory failure: one page is lost, its folio's other pages are not.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/mempolicy.h>
#include <linux/userfaultfd.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/swap.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../kselftest.h"
#include "laf_util.h"

#define NR	2

static volatile bool stop;

static void poison(char *addr, int how)
{
	if (!madvise(addr, laf_page, how))
		return;
	if (errno == EINVAL || errno == EPERM || errno == EOPNOTSUPP)
		laf_skip("no memory failure injection: %s", strerror(errno));
	laf_require(false, "madvise(%d): %s", how, strerror(errno));
}

static void make_good(uint64_t pfn)
{
	char text[24];

	snprintf(text, sizeof(text), "%#llx", (unsigned long long)pfn);
	laf_write("/sys/kernel/debug/hwpoison/unpoison-pfn", text);
}

/* All pages but @bad */
static void check_rest(const char *p, size_t pages, size_t bad, uint64_t seed,
		       const char *who)
{
	size_t i;

	for (i = 0; i < pages; i++)
		if (i != bad && !laf_expect(laf_same(p + i * laf_page, laf_page, seed, i),
					    "%s: page %zu", who, i))
			return;
}

static void test_hwpoison(int order)
{
	size_t size = laf_size(order), pages = NR << order, bad = (1UL << order) - 2;
	long before = laf_stat(order, "nr_anon"), corrupted, saw;
	char *p;

	laf_only(order);
	p = laf_folios(order, NR, 1);
	corrupted = laf_meminfo("HardwareCorrupted");
	poison(p + bad * laf_page, MADV_HWPOISON);
	saw = laf_meminfo("HardwareCorrupted") - corrupted;
	laf_expect(saw == (long)laf_page, "HardwareCorrupted: saw %+ld, want %+ld", saw,
		   (long)laf_page);
	saw = laf_signal_read(p + bad * laf_page);
	laf_expect(saw == SIGBUS, "poisoned page: saw signal %ld, want %d", saw, SIGBUS);
	check_rest(p, pages, bad, 1, "after the failure");
	laf_fill(p + size, size, 2);
	laf_fill(p, laf_page, 3);
	laf_expect_data(p, laf_page, 3, 0, "first page, written");
	laf_expect_data(p + size, size, 2, 0, "the other folio, written");

	/* The address can be used again */
	laf_require(!munmap(p + bad * laf_page, laf_page), "munmap: %s", strerror(errno));
	laf_require(mmap(p + bad * laf_page, laf_page, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) != MAP_FAILED,
		    "mmap: %s", strerror(errno));
	laf_expect(laf_zero(p + bad * laf_page, laf_page), "a new page is not zero");
	laf_unmap(p, NR * size);
	saw = laf_stat(order, "nr_anon") - before;
	laf_expect(saw <= 0, "nr_anon in the end: saw %+ld, want 0", saw);
}

/* Everybody who maps the page loses it, and nobody anything else */
static void test_shared(int order)
{
	size_t pages = NR << order, bad = 1;
	struct laf_sync sync;
	pid_t pid, other;
	char *p;

	laf_only(order);
	laf_sync_init(&sync);
	p = laf_folios(order, NR, 4);
	pid = laf_fork();
	if (!pid) {
		laf_sync_wait(&sync, 1);
		laf_expect(laf_signal_read(p + bad * laf_page) == SIGBUS,
			   "child: the poisoned page can be read");
		check_rest(p, pages, bad, 4, "child");
		_exit(0);
	}
	other = laf_fork();
	if (!other) {
		/* A copy of its own */
		laf_fill(p + bad * laf_page, laf_page, 5);
		laf_sync_post(&sync, 0);
		laf_sync_wait(&sync, 1);
		laf_expect_data(p + bad * laf_page, laf_page, 5, 0, "child with a copy");
		check_rest(p, pages, bad, 4, "child with a copy");
		_exit(0);
	}
	laf_sync_wait(&sync, 0);
	poison(p + bad * laf_page, MADV_HWPOISON);
	laf_sync_post(&sync, 1);
	laf_sync_post(&sync, 1);
	laf_expect(laf_signal_read(p + bad * laf_page) == SIGBUS,
		   "parent: the poisoned page can be read");
	check_rest(p, pages, bad, 4, "parent");
	laf_join(pid);
	laf_join(other);
}

/* Who touches the page without a handler dies of it, and nobody else */
static void test_killed(int order)
{
	struct laf_sync sync;
	pid_t pid;
	char *p;
	int saw;

	laf_only(order);
	laf_sync_init(&sync);
	p = laf_folios(order, NR, 6);
	pid = laf_fork();
	if (!pid) {
		laf_sync_wait(&sync, 1);
		check_rest(p, NR << order, 0, 6, "child");
		laf_sync_post(&sync, 0);
		laf_at(char, p);
		_exit(0);
	}
	poison(p, MADV_HWPOISON);
	laf_sync_post(&sync, 1);
	laf_sync_wait(&sync, 0);
	saw = laf_wait(pid);
	laf_expect(saw == -SIGBUS, "child: saw status %d, want %d", saw, -SIGBUS);
	check_rest(p, NR << order, 0, 6, "parent");
}

/* Soft offline moves the page away: nothing is lost, nobody is killed */
static void test_soft_offline(int order)
{
	size_t size = laf_size(order), at[] = { 0, 1, (1UL << order) - 1 };
	uint64_t pfn;
	unsigned int i;
	char *p;

	laf_only(order);
	p = laf_folios(order, NR, 7);
	for (i = 0; i < ARRAY_SIZE(at); i++) {
		char *page = p + at[i] * laf_page;

		pfn = laf_pagemap(page) & PM_PFN;
		poison(page, MADV_SOFT_OFFLINE);
		laf_expect_data(p, NR * size, 7, 0, "after soft offline");
		laf_expect((laf_pagemap(page) & PM_PFN) != pfn, "the page was not moved");
		laf_expect(laf_pageflags(pfn) & KPF_BIT_HWPOISON,
			   "pfn %#llx: saw flags %#llx, want it out of use",
			   (unsigned long long)pfn, (unsigned long long)laf_pageflags(pfn));
	}
	laf_fill(p, NR * size, 8);
	laf_expect_data(p, NR * size, 8, 0, "written");
}

/* ----------------------------------------------------- lost while it is isolated */

/*
 * move_pages() of one page, and of another whose address stands where userfaultfd lets
 * it wait: the first one is off its LRU list meanwhile.
 */
static void *mover(void *arg)
{
	int nodes[2] = { 0, 0 }, status[2];

	/* Wherever it is now, one of these takes it */
	syscall(__NR_move_pages, 0, 1UL, arg, NULL, status, MPOL_MF_MOVE);
	nodes[0] = !status[0];
	syscall(__NR_move_pages, 0, 2UL, arg, nodes, status, MPOL_MF_MOVE);
	return NULL;
}

/* A page in the swap cache that is dirty since the kernel has written to it */
static char *cached_page(void)
{
	char *page = laf_map(laf_page, laf_page), word[8] = "dirty";
	struct iovec from = { word, sizeof(word) }, to = { page, sizeof(word) };

	madvise(page, laf_page, MADV_NOHUGEPAGE);
	laf_fill(page, laf_page, 9);
	laf_require(!madvise(page, laf_page, MADV_PAGEOUT), "pageout: %s", strerror(errno));
	laf_expect_data(page, laf_page, 9, 0, "from swap");
	laf_require(process_vm_writev(getpid(), &from, 1, &to, 1, 0) == sizeof(word),
		    "write: %s", strerror(errno));
	return page;
}

/*
 * Memory failure cannot take such a page off the LRU, and it goes back there when it
 * was not moved. When nobody has it any more, reclaim must not want to swap it.
 */
static void test_isolated(int order)
{
	const char *cg = laf_cg_new(), *swap = laf_swap_need();
	struct uffdio_zeropage zero;
	struct uffd_msg msg;
	char *page, *arrays;
	pthread_t thread;
	uint64_t pfn;
	int fd;

	(void)order;
	if (!laf_exists("/sys/devices/system/node/node1"))
		laf_skip("only one memory node");
	laf_cg_join(cg);
	page = cached_page();
	pfn = laf_pagemap(page) & PM_PFN;
	arrays = laf_map(2 * laf_page, laf_page);
	*(char **)(arrays + laf_page - sizeof(char *)) = page;
	fd = laf_uffd(0, 0);
	if (fd < 0 || !laf_uffd_arm(fd, arrays + laf_page, laf_page, UFFDIO_REGISTER_MODE_MISSING))
		laf_skip("no userfaultfd: %s", strerror(errno));
	laf_require(!pthread_create(&thread, NULL, mover, arrays + laf_page - sizeof(char *)),
		    "no thread");
	laf_require(read(fd, &msg, sizeof(msg)) == sizeof(msg), "userfaultfd: %s",
		    strerror(errno));
	madvise(page, laf_page, MADV_HWPOISON);
	zero = (struct uffdio_zeropage){ .range = { (uintptr_t)arrays + laf_page, laf_page } };
	laf_require(!ioctl(fd, UFFDIO_ZEROPAGE, &zero), "zero page: %s", strerror(errno));
	pthread_join(thread, NULL);
	close(fd);
	laf_expect(laf_pageflags(pfn) & KPF_BIT_HWPOISON, "the page was not lost");
	laf_unmap(page, laf_page);
	/* It leaves the swap cache, as it does when swap is nearly full */
	laf_require(!swapoff(swap) && !swapon(swap, 0), "%s: %s", swap, strerror(errno));
	laf_drain();
	laf_cg_write(cg, "memory.reclaim", "1M");
	make_good(pfn);
}

/*
 * Returns 0 or -errno. What is held there for long has the kernel wait until a signal
 * comes.
 */
static int set_block(int block, const char *state)
{
	int tries, status = 0;
	char path[100];
	pid_t pid;

	snprintf(path, sizeof(path), MEMORY "memory%d/state", block);
	for (tries = 0; tries < 5; tries++) {
		pid = laf_fork();
		if (!pid) {
			alarm(5);
			_exit(-laf_write(path, state));
		}
		if (waitpid(pid, &status, 0) != pid || WIFSIGNALED(status))
			return -EINTR;
		if (!WEXITSTATUS(status))
			break;
		usleep(20000);
	}
	return -WEXITSTATUS(status);
}

static bool movable(int block)
{
	char path[100], zones[32];

	snprintf(path, sizeof(path), MEMORY "memory%d/valid_zones", block);
	return !laf_read(path, zones, sizeof(zones)) && !strncmp(zones, "Movable", 7);
}

/* Memory for four pages that KSM merges, as soon as they are alike */
static char *mergeable_four(void)
{
	char *p = laf_map(4 * laf_page, laf_page);

	if (!laf_exists(KSM "run"))
		laf_skip("no KSM");
	madvise(p, 4 * laf_page, MADV_NOHUGEPAGE);
	laf_set(KSM "pages_to_scan", "20000");
	laf_set(KSM "sleep_millisecs", "5");
	laf_set(KSM "run", "1");
	laf_require(!madvise(p, 4 * laf_page, MADV_MERGEABLE), "MADV_MERGEABLE: %s",
		    strerror(errno));
	return p;
}

/* Have them merged, with other data each time; their PFN */
static uint64_t merge_four(char *p)
{
	static uint64_t seed = 100;
	int i;

	laf_require(!madvise(p, 4 * laf_page, MADV_DONTNEED), "MADV_DONTNEED: %s", strerror(errno));
	for (i = 0; i < 4; i++)
		laf_fill(p + i * laf_page, laf_page, seed);
	seed++;
	for (i = 0; i < 400; i++) {
		uint64_t pfn = laf_pagemap(p) & PM_PFN;

		if (pfn && laf_pagecount(pfn) == 4)
			return pfn;
		usleep(50000);
	}
	laf_require(false, "the pages were not merged");
	return 0;
}

/* Memory failure of a page that cannot be taken away now, as it says */
static void lose_in_place(char *p, uint64_t pfn)
{
	uint64_t flags = laf_pageflags(pfn);

	if (madvise(p, laf_page, MADV_HWPOISON) && errno != EBUSY)
		laf_skip("MADV_HWPOISON: %s", strerror(errno));
	/* hugetlbfs marks the first page until it frees them */
	if (flags & KPF_BIT_HUGE)
		pfn = ALIGN_DOWN(pfn, 1UL << laf_pmd_order);
	laf_require(laf_pageflags(pfn) & KPF_BIT_HWPOISON, "the page was not lost");
}

static void expect_lost_four(const char *p)
{
	int i;

	for (i = 0; i < 4; i++)
		laf_expect(laf_signal_read(p + i * laf_page) == SIGBUS, "page %d: no SIGBUS", i);
}

static void test_ksm_reclaim(int order)
{
	const char *cg = laf_cg_new();
	uint64_t pfn;
	int tries;
	char *p;

	(void)order;
	laf_swap_need();
	laf_cg_join(cg);
	p = mergeable_four();
	pfn = merge_four(p);
	lose_in_place(p, pfn);
	laf_drain();
	for (tries = 0; tries < 20 && laf_pagemap(p) & PM_PRESENT; tries++)
		laf_cg_write(cg, "memory.reclaim", "1M");
	expect_lost_four(p);
	laf_unmap(p, 4 * laf_page);
}

/* When memory is back, it is somebody else's: nobody can keep what refers to it */
static void test_ksm_offline(int order)
{
	uint64_t pfn;
	int block = 0, tries, err = -EBUSY;
	char *p, size[32];

	(void)order;
	if (laf_read(MEMORY "block_size_bytes", size, sizeof(size)))
		laf_skip("no memory that can go offline");
	while (block < 64 && !movable(block))
		block++;
	if (block == 64)
		laf_skip("no movable memory that can go offline; boot with movablecore=40%%");
	p = mergeable_four();
	for (tries = 0; tries < 30 && err; tries++) {
		/* Another place: what is beside it may be pinned */
		if (tries)
			laf_fill(laf_map(16 << 20, laf_page), 16 << 20, tries);
		pfn = merge_four(p);
		block = pfn * laf_page / strtoull(size, NULL, 16);
		if (movable(block)) {
			lose_in_place(p, pfn);
			err = set_block(block, "offline");
			if (err == -EPERM)
				laf_skip("no memory of the boot can go offline");
		}
	}
	laf_require(!err, "the last of %d pages is in block %d, which stays: %s", tries, block,
		    strerror(-err));
	expect_lost_four(p);
	laf_expect(!set_block(block, "online_movable"), "block %d does not come back", block);
	laf_unmap(p, 4 * laf_page);
}

/* ----------------------------------------------------- lost, and freed later */

/* Lose the second page while a pipe has the first, so that nothing is split or freed */
static uint64_t lose_pinned(char *p)
{
	struct iovec iov = { .iov_base = p, .iov_len = laf_page };
	uint64_t pfn = laf_pagemap(p + laf_page) & PM_PFN;
	int fd[2];

	laf_require(!pipe(fd) && vmsplice(fd[1], &iov, 1, 0) == (ssize_t)laf_page, "vmsplice: %s",
		    strerror(errno));
	lose_in_place(p + laf_page, pfn);
	close(fd[0]);
	close(fd[1]);
	return pfn;
}

/* The lost page is nobody's; are most of those around it free, as they should be? */
static bool others_free(uint64_t pfn, size_t pages)
{
	uint64_t flags = laf_pageflags(pfn);
	size_t i, free = 0;

	laf_expect(flags & KPF_BIT_HWPOISON && !(flags & KPF_BIT_BUDDY),
		   "pfn %#llx, lost: saw flags %#llx, want it kept", (unsigned long long)pfn,
		   (unsigned long long)flags);
	pfn = ALIGN_DOWN(pfn, pages);
	for (i = 0; i < pages; i++)
		free += !!(laf_pageflags(pfn + i) & KPF_BIT_BUDDY);
	return free > pages / 2;
}

static void expect_not_reused(int order, uint64_t pfn)
{
	size_t pages = 1UL << order;
	int tries;
	char *p;

	for (tries = 0; tries < 20 && !laf_failed(); tries++) {
		p = laf_folios(order, 1, 2);
		laf_expect(ALIGN_DOWN(laf_pagemap(p) & PM_PFN, pages) != ALIGN_DOWN(pfn, pages),
			   "try %d: the lost page %#llx is used again", tries,
			   (unsigned long long)pfn);
		laf_unmap(p, laf_size(order));
	}
}

/* When it is said to be good, whoever needs a page on this CPU gets it */
static bool used_when_good(uint64_t pfn)
{
	const size_t pages = 64;
	char *p = laf_map(pages * laf_page, laf_page);
	bool found = false;
	size_t i;

	madvise(p, pages * laf_page, MADV_NOHUGEPAGE);
	make_good(pfn);
	laf_fill(p, pages * laf_page, 3);
	for (i = 0; i < pages; i++)
		found |= (laf_pagemap(p + i * laf_page) & PM_PFN) == pfn;
	laf_expect(!(laf_pageflags(pfn) & KPF_BIT_HWPOISON), "pfn %#llx is still lost",
		   (unsigned long long)pfn);
	laf_unmap(p, pages * laf_page);
	return found;
}

static void test_freed(int order)
{
	bool others = false, good = false;
	cpu_set_t cpu;
	uint64_t pfn;
	int tries;
	char *p;

	CPU_ZERO(&cpu);
	CPU_SET(sched_getcpu(), &cpu);
	laf_require(!sched_setaffinity(0, sizeof(cpu), &cpu), "sched_setaffinity: %s",
		    strerror(errno));
	laf_only(order);
	/* Somebody else may need a page just when they are free */
	for (tries = 0; tries < 5 && !(others && good) && !laf_failed(); tries++) {
		p = laf_folios(order, 1, 1);
		pfn = lose_pinned(p);
		laf_require(laf_is_folio(p, order), "the folio was split");
		laf_unmap(p, laf_size(order));
		others |= others_free(pfn, 1UL << order);
		expect_not_reused(order, pfn);
		good |= used_when_good(pfn);
	}
	laf_expect(others, "the other pages are not free");
	laf_expect(good, "the lost page does not come back");
}

/* Memory failures one after another: who has to do with another one waits a little */
static void *keep_busy(void *arg)
{
	char *p = laf_map(laf_page, laf_page);

	(void)arg;
	madvise(p, laf_page, MADV_NOHUGEPAGE);
	while (!stop) {
		uint64_t pfn;

		laf_at(char, p) = 1;
		pfn = laf_pagemap(p) & PM_PFN;
		madvise(p, laf_page, MADV_SOFT_OFFLINE);
		make_good(pfn);
	}
	return NULL;
}

static void *make_it_good(void *arg)
{
	make_good(*(uint64_t *)arg);
	return NULL;
}

/* Its folio is freed while that is under way */
static void test_good_while_freed(int order)
{
	pthread_t busy, thread;
	uint64_t pfn;
	int i;
	char *p;

	laf_only(order);
	laf_require(!pthread_create(&busy, NULL, keep_busy, NULL), "no thread");
	for (i = 0; i < 100; i++) {
		p = laf_folios(order, 1, 1);
		pfn = lose_pinned(p);
		laf_require(!pthread_create(&thread, NULL, make_it_good, &pfn), "no thread");
		usleep(i * 20);
		laf_unmap(p, laf_size(order));
		pthread_join(thread, NULL);
		make_good(pfn);
		laf_expect(!(laf_pageflags(pfn) & KPF_BIT_HWPOISON), "pfn %#llx is still lost",
			   (unsigned long long)pfn);
	}
	stop = true;
	pthread_join(busy, NULL);
}

static char *hugetlb_page(void)
{
	size_t size = laf_size(laf_pmd_order);
	char *p;

	laf_hugetlb_need(1);
	p = mmap(NULL, size, PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB, -1, 0);
	laf_require(p != MAP_FAILED, "mmap: %s", strerror(errno));
	laf_fill(p, size, 1);
	return p;
}

/* Pages that leave hugetlbfs have been lost there */
static void test_freed_hugetlb(int order)
{
	char *p = hugetlb_page();
	uint64_t pfn = lose_pinned(p);

	(void)order;
	laf_unmap(p, laf_size(laf_pmd_order));
	laf_require(laf_pageflags(pfn) & KPF_BIT_HUGE, "the page has left hugetlbfs");
	laf_set(NR_HUGEPAGES, "0");
	laf_expect(others_free(pfn, 1UL << laf_pmd_order), "the other pages are not free");
	laf_only(laf_pmd_order);
	expect_not_reused(laf_pmd_order, pfn);
}

/* Memory failure takes the whole page, gives back what is good, and counts what is not */
static void test_hugetlb(int order)
{
	long corrupted = laf_meminfo("HardwareCorrupted"), saw;
	char *p = hugetlb_page(), *lost = p + laf_page;
	uint64_t pfn = laf_pagemap(lost) & PM_PFN;

	(void)order;
	poison(lost, MADV_HWPOISON);
	laf_expect(laf_signal_read(lost) == SIGBUS, "the lost page can be read");
	laf_expect(others_free(pfn, 1UL << laf_pmd_order), "the other pages are not free");
	saw = laf_meminfo("HardwareCorrupted") - corrupted;
	laf_expect(saw == (long)laf_page, "HardwareCorrupted: saw %+ld, want %+ld", saw,
		   (long)laf_page);
	make_good(pfn);
	saw = laf_meminfo("HardwareCorrupted") - corrupted;
	laf_expect(!saw, "HardwareCorrupted in the end: saw %+ld, want 0", saw);
	laf_unmap(p, laf_size(laf_pmd_order));
}

static const struct laf_test tests[] = {
	{ "MADV_HWPOISON", test_hwpoison, LAF_ALL },
	{ "poisoned page, shared", test_shared, LAF_ALL },
	{ "poisoned page kills its user", test_killed, LAF_SOME },
	{ "MADV_SOFT_OFFLINE", test_soft_offline, LAF_ALL },
	{ "lost while it is isolated", test_isolated, LAF_ONCE },
	{ "lost page of KSM is reclaimed", test_ksm_reclaim, LAF_ONCE },
	{ "lost page of KSM goes offline", test_ksm_offline, LAF_ONCE, 180 },
	{ "lost page of a folio that is freed", test_freed, LAF_ALL },
	{ "lost page, good while it is freed", test_good_while_freed, LAF_SOME },
	{ "lost page of hugetlbfs, freed later", test_freed_hugetlb, LAF_ONCE },
	{ "lost page of hugetlbfs", test_hugetlb, LAF_ONCE },
};

int main(void)
{
	laf_swap_setup();
	return laf_main(tests, ARRAY_SIZE(tests));
}
