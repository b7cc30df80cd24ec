// SPDX-License-Identifier: GPL-2.0
/*
 * Threads that write, page out, drop and pin pages of the same folios while they fork
 * children that write and unmap theirs, and fork again. Nobody ever sees what
 * another process wrote, a pin has what its owner wrote last, and when all is quiet
 * whoever is left owns the folios.
 */
#include <alloca.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "../../../../mm/gup_test.h"
#include "../kselftest.h"
#include "laf_util.h"

#define GUP_TEST	"/sys/kernel/debug/gup_test"
#define THREADS		3	/* each writes every third page */
#define MAX_PAGES	2048
#define WORDS		3

static char *mem;
static size_t pages, folio_size;
static volatile bool stop;
static unsigned long forks, pins;
static unsigned int seconds = 6;	/* for each size */

/*
 * What each page holds: made from its number and a generation. A page is written
 * first, its generation counted after that: a child may have been forked between.
 */
static volatile uint32_t generations[MAX_PAGES];

/*
 * What they were before the fork. A page that is pinned is copied at once, and then
 * written on by those whose CPUs still know the counter's page as writable: the
 * counter that a child gets may be of later than the page is.
 */
static __thread uint32_t since[MAX_PAGES];

static uint64_t *word_in(char *p, int i)
{
	return (uint64_t *)(p + i * (laf_page / 2 - 8));
}

static uint64_t *word_at(size_t page, int i)
{
	return word_in(mem + page * laf_page, i);
}

#define MADE_WITH	0x9e3779b97f4a7c15
#define MADE_OF		0xf1de83e19937733d	/* its inverse */

static uint64_t value(size_t page, uint32_t generation)
{
	return ((uint64_t)page << 32 | generation) * MADE_WITH;
}

static void put(size_t page, uint32_t generation)
{
	int i;

	for (i = 0; i < WORDS; i++)
		laf_at(uint64_t, word_at(page, i)) = value(page, generation);
}

/* The writer's own page */
static bool is(size_t page, uint32_t generation)
{
	bool same = true;
	int i;

	for (i = 0; i < WORDS; i++)
		same &= laf_at(uint64_t, word_at(page, i)) == value(page, generation);
	return same;
}

/* Called before a fork, by who forks */
static void take_since(void)
{
	memcpy(since, (const void *)generations, sizeof(since));
}

/* A page of another thread, as it was during the fork: each word for itself */
static bool was(size_t page)
{
	int i;

	for (i = 0; i < WORDS; i++) {
		uint64_t saw = laf_at(uint64_t, word_at(page, i)) * MADE_OF;
		uint32_t generation = (uint32_t)saw;

		/* Dropped, and not yet written again */
		if (!saw)
			continue;
		if (!laf_expect(saw >> 32 == page && generation >= since[page] &&
				generation <= generations[page] + 1,
				"page %zu, word %d: saw %#x of page %u, want %#x to %#x",
				page, i, generation, (unsigned int)(saw >> 32),
				since[page], generations[page] + 1))
			return false;
	}
	return true;
}

/* All of it as during the fork; then with pages of its own, and without others */
static __attribute__((noreturn)) void child(uint32_t seed, int depth)
{
	uint32_t mine = 0x80000000 | (uint32_t)getpid();
	size_t i, first = laf_random_of(&seed) % pages;
	size_t nr = 1 + laf_random_of(&seed) % (pages - first);
	bool ok = true;
	int status;
	pid_t pid;

	for (i = 0; i < pages; i++)
		ok &= was(i);
	for (i = first; i < first + nr; i += 1 + laf_random_of(&seed) % 4) {
		put(i, mine);
		generations[i] = mine;
		since[i] = mine;
	}
	if (depth && laf_random_of(&seed) % 2) {
		pid = fork();
		if (!pid)
			child(seed + 1, depth - 1);
		if (pid > 0 && laf_random_of(&seed) % 2)
			ok &= waitpid(pid, &status, 0) == pid && !status;
	}
	for (i = 0; i < pages; i++)
		ok &= was(i);
	/* Leaves some pages mapped, or all, until it exits */
	if (laf_random_of(&seed) % 2)
		munmap(mem + first * laf_page, nr * laf_page);
	_exit(!ok);
}

/* A pipe that holds a page has what is in it */
static void held_is(size_t page, uint32_t generation, const int *fd)
{
	struct iovec iov = { mem + page * laf_page, laf_page };
	uint64_t saw = 0;
	char *buf = alloca(laf_page);

	laf_expect(vmsplice(fd[1], &iov, 1, 0) == (ssize_t)laf_page, "vmsplice: %s",
		   strerror(errno));
	sched_yield();
	if (laf_expect(read(fd[0], buf, laf_page) == (ssize_t)laf_page, "read: %s",
		       strerror(errno)))
		memcpy(&saw, buf, sizeof(saw));
	laf_expect(saw == value(page, generation), "page %zu has other data in a pipe", page);
}

/* A page that the kernel holds as if for a device, over writes and forks */
struct pin {
	int fd;		/* negative without gup_test */
	bool held;
	size_t page;
	char *buf;
};

static void pin_take(struct pin *pin, size_t page, uint32_t chance)
{
	struct pin_longterm_test args = {
		.addr = (uintptr_t)(mem + page * laf_page),
		.size = laf_page,
		.flags = chance % 4,	/* _WRITE, _FAST, both or none */
	};

	if (!laf_expect(!ioctl(pin->fd, PIN_LONGTERM_TEST_START, &args), "pin page %zu: %s", page,
			strerror(errno)))
		return;
	pin->held = true;
	pin->page = page;
	__atomic_fetch_add(&pins, 1, __ATOMIC_RELAXED);
}

/* A device sees what was written last: the page is still the one that is mapped */
static void pin_check(struct pin *pin)
{
	uint64_t want = value(pin->page, generations[pin->page]);
	__u64 to = (uintptr_t)pin->buf;
	int i;

	if (!laf_expect(!ioctl(pin->fd, PIN_LONGTERM_TEST_READ, &to), "read a pin: %s",
			strerror(errno)))
		return;
	for (i = 0; i < WORDS; i++) {
		uint64_t saw = *word_in(pin->buf, i);

		laf_expect(saw == want, "pinned page %zu, word %d: saw %#llx, want %#llx",
			   pin->page, i, (unsigned long long)saw, (unsigned long long)want);
	}
}

static void pin_drop(struct pin *pin)
{
	pin_check(pin);
	put(pin->page, generations[pin->page] + 1);
	generations[pin->page]++;
	pin_check(pin);
	laf_expect(!ioctl(pin->fd, PIN_LONGTERM_TEST_STOP), "unpin: %s", strerror(errno));
	pin->held = false;
}

/* One of thread @id's own; often one of the folio that it has pinned */
static size_t next_page(size_t id, const struct pin *pin, uint32_t *seed)
{
	size_t nr = folio_size / laf_page, page;

	if (!pin->held || laf_random_of(seed) % 2)
		return laf_random_of(seed) % (pages / THREADS) * THREADS + id;
	page = (pin->page / nr * nr + laf_random_of(seed) % nr) / THREADS * THREADS + id;
	return page < pages ? page : pin->page;
}

static void *thread(void *arg)
{
	struct pin pin = { .fd = open(GUP_TEST, O_RDWR | O_CLOEXEC) };
	size_t id = (size_t)arg;
	uint32_t seed = id + 11;
	int status, fd[2];
	pid_t pid = 0;

	pin.buf = aligned_alloc(laf_page, laf_page);
	laf_require(pin.buf && !pipe(fd), "pipe: %s", strerror(errno));
	while (!stop && !laf_failed()) {
		size_t page = next_page(id, &pin, &seed);
		uint32_t generation = generations[page];
		/* Children only, but for forks and pipes, touch the first half */
		bool theirs = page < pages / 2;

		if (!laf_expect(is(page, generation), "page %zu is not what was written", page))
			break;
		if (theirs && laf_random_of(&seed) % 64)
			continue;
		switch (laf_random_of(&seed) % 16) {
		case 0:
			if (pid && waitpid(pid, &status, WNOHANG) != pid)
				break;
			laf_expect(!pid || !status, "a child saw other data: status %#x", status);
			take_since();
			pid = fork();
			if (!pid)
				child(seed, 2);
			__atomic_fetch_add(&forks, 1, __ATOMIC_RELAXED);
			if (pid < 0)
				pid = 0;
			break;
		case 1:
			if (!theirs)
				madvise(mem + page * laf_page,
					laf_random_of(&seed) % 2 ? laf_page : folio_size,
					MADV_PAGEOUT);
			break;
		case 2:
			if (!theirs && !(pin.held && pin.page == page))
				madvise(mem + page * laf_page, laf_page, MADV_DONTNEED);
			break;
		case 3:
			held_is(page, generation, fd);
			break;
		case 4:
			/* To pin what is shared copies it: not in the first half */
			if (theirs || pin.fd < 0)
				break;
			if (!pin.held)
				pin_take(&pin, page, laf_random_of(&seed));
			else if (laf_random_of(&seed) % 8)
				pin_check(&pin);
			else
				pin_drop(&pin);
			break;
		}
		if (theirs)
			continue;
		put(page, generations[page] + 1);
		generations[page]++;
	}
	if (pin.held)
		pin_drop(&pin);
	if (pin.fd >= 0)
		close(pin.fd);
	free(pin.buf);
	if (pid)
		laf_expect(waitpid(pid, &status, 0) == pid && !status,
			   "a child saw other data: status %#x", status);
	return NULL;
}

/*
 * Nobody else is left: a folio that is still whole keeps its pages when they are
 * written. In the first half all are, as nobody here wrote while there were children.
 */
static void expect_owned(int order)
{
	static uint64_t before[MAX_PAGES / 2], after[MAX_PAGES / 2];
	size_t nr = 1UL << order, i, j, whole = 0;

	laf_require(nr <= ARRAY_SIZE(before), "order %d is too large", order);
	laf_drain();
	for (i = 0; i < pages; i += nr) {
		struct laf_folio folio;

		if (!laf_folio_at(mem + i * laf_page, &folio) || folio.order != order)
			continue;
		/* Flags of pages are slow to read: the PFNs tell of the others */
		laf_pagemaps(mem + i * laf_page, nr, before);
		for (j = 0; j < nr; j++)
			if (!(before[j] & PM_PRESENT) || (before[j] & PM_PFN) != folio.head + j)
				break;
		if (j < nr)
			continue;
		whole++;
		for (j = 0; j < nr; j++) {
			put(i + j, generations[i + j] + 1);
			generations[i + j]++;
		}
		laf_pagemaps(mem + i * laf_page, nr, after);
		for (j = 0; j < nr; j++)
			laf_expect(!((before[j] ^ after[j]) & PM_PFN),
				   "page %zu of a folio that nobody shares was copied", j);
	}
	laf_expect(whole >= pages / nr / 2, "%zu of %zu folios are still whole, after %lu forks",
		   whole, pages / nr, forks);
}

static void test_storm(int order)
{
	pthread_t threads[THREADS];
	time_t end;
	size_t i;

	laf_swap_need();
	laf_only(order);
	/* Grandchildren whose parent is gone are waited for here */
	laf_require(!prctl(PR_SET_CHILD_SUBREAPER, 1), "prctl: %s", strerror(errno));
	folio_size = laf_size(order);
	pages = MAX_PAGES;
	if (pages * laf_page > 16UL << 20)
		pages = (16UL << 20) / laf_page;
	if (pages < 2UL << order)
		pages = 2UL << order;
	laf_require(pages <= MAX_PAGES, "order %d is too large", order);
	mem = laf_map(pages * laf_page, folio_size);
	for (i = 0; i < pages; i++) {
		put(i, 1);
		generations[i] = 1;
	}
	for (i = 0; i < THREADS; i++)
		laf_require(!pthread_create(&threads[i], NULL, thread, (void *)i), "no thread");
	/* By the clock: on a busy machine, sleeps last longer */
	for (end = time(NULL) + seconds; time(NULL) < end && !laf_failed(); )
		usleep(50000);
	stop = true;
	for (i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	while (waitpid(-1, NULL, 0) > 0)
		;
	laf_expect(forks > 1, "saw %lu forks", forks);
	if (laf_exists(GUP_TEST))
		laf_expect(pins, "nothing was pinned");
	take_since();
	for (i = 0; i < pages; i++)
		was(i);
	expect_owned(order);
}

/* storm [SECONDS]: how long each size is tried */
int main(int argc, char **argv)
{
	struct laf_test tests[] = {
		{ "writes, forks, page-outs and pins at once", test_storm, LAF_SOME },
	};

	if (argc > 1)
		seconds = atoi(argv[1]);
	tests[0].timeout = 120 + seconds;
	laf_swap_setup();
	return laf_main(tests, ARRAY_SIZE(tests));
}
