// SPDX-License-Identifier: GPL-2.0
/*
 * Whether others map a folio: a family of processes forks, writes, drops, unmaps,
 * moves and pages out parts of the same memory. Whenever all of them are at rest,
 * each is told of every page what the page tables of all say.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../../../../mm/gup_test.h"
#include "../kselftest.h"
#include "laf_util.h"

#define GUP_TEST	"/sys/kernel/debug/gup_test"
#define PROCS		6
#define FOLIOS		3	/* at least */
#define MIN_PAGES	96
#define MAX_PAGES	(2 * FOLIOS * 512)
#define ROUNDS		120

enum op {
	WRITE,
	DROP,
	UNMAP,
	MOVE,	/* from the first half of the memory to the second */
	OUT,
	FORK,
	LEAVE,
	NR_RANDOM_OPS,
	ASK = NR_RANDOM_OPS,
	LOOK,
};

/* What all see */
struct family {
	enum op op;
	size_t first, nr;	/* pages that @op is about */
	int child;		/* who FORK makes */
	pid_t pids[PROCS];	/* 0 for who is not there */
	uint8_t answers[PROCS][MAX_PAGES];
	uint64_t words[PROCS][MAX_PAGES];
};

static struct family *family;
static int calls[PROCS][2], done[2];	/* pipes */
static int gup_test;
static char *mem;
static size_t pages;	/* of one half */
static size_t compared[2];	/* by what the answer was */

static __attribute__((noreturn)) void serve(int me);

static void make_child(void)
{
	const int child = family->child;
	pid_t pid = fork();

	laf_require(pid >= 0, "fork: %s", strerror(errno));
	if (pid)
		return;
	/* Nobody waits for who is a child of a child */
	signal(SIGCHLD, SIG_IGN);
	family->pids[child] = getpid();
	serve(child);
}

/* FORK is reported by the child */
static void obey(int me)
{
	struct mapped_shared_test ask = {
		.addr = (uintptr_t)mem,
		.size = 2 * pages * laf_page,
		.answers = (uintptr_t)family->answers[me],
	};
	char *at = mem + family->first * laf_page;
	size_t len = family->nr * laf_page;

	switch (family->op) {
	case WRITE:
		/* What is not mapped any more stays so: that is an error here */
		madvise(at, len, MADV_POPULATE_WRITE);
		break;
	case DROP:
		madvise(at, len, MADV_DONTNEED);
		break;
	case UNMAP:
		munmap(at, len);
		break;
	case MOVE:
		mremap(at, len, len, MREMAP_MAYMOVE | MREMAP_FIXED, at + pages * laf_page);
		break;
	case OUT:
		madvise(at, len, MADV_PAGEOUT);
		break;
	case FORK:
		make_child();
		return;
	case LEAVE:
		_exit(0);
	case ASK:
		laf_expect(!ioctl(gup_test, MAPPED_SHARED_TEST, &ask), "ask: %s",
			   strerror(errno));
		break;
	case LOOK:
		laf_pagemaps(mem, 2 * pages, family->words[me]);
		break;
	}
	laf_require(write(done[1], "", 1) == 1, "write: %s", strerror(errno));
}

static __attribute__((noreturn)) void serve(int me)
{
	char c;

	laf_require(write(done[1], "", 1) == 1, "write: %s", strerror(errno));
	while (read(calls[me][0], &c, 1) == 1)
		obey(me);
	_exit(0);
}

static void call(int who, enum op op)
{
	const pid_t pid = family->pids[who];
	char c;

	family->op = op;
	if (!who)
		obey(0);
	else
		laf_require(write(calls[who][1], "", 1) == 1, "write: %s", strerror(errno));
	if (op != LEAVE) {
		laf_require(read(done[0], &c, 1) == 1, "read: %s", strerror(errno));
		return;
	}
	/* Its memory is gone when it is */
	while (!kill(pid, 0)) {
		waitpid(-1, NULL, WNOHANG);
		usleep(1000);
	}
	family->pids[who] = 0;
}

static void call_all(enum op op)
{
	int who;

	for (who = 0; who < PROCS; who++)
		if (family->pids[who])
			call(who, op);
}

static bool maps(int who, int order, uint64_t word)
{
	size_t i;

	for (i = 0; i < 2 * pages; i++) {
		uint64_t has = family->words[who][i];

		if (has & PM_PRESENT && !(((has ^ word) & PM_PFN) >> order))
			return true;
	}
	return false;
}

static void compare(int order, int round)
{
	int who, other;
	size_t i;

	for (who = 0; who < PROCS; who++) {
		uint64_t last = 0;
		bool shared = false;

		for (i = 0; family->pids[who] && i < 2 * pages; i++) {
			const uint64_t word = family->words[who][i];
			const uint8_t answer = family->answers[who][i];

			if (!(word & PM_PRESENT) || !(answer & MAPPED_SHARED_TEST_TRACKED))
				continue;
			/* Pages of one folio are told the same */
			if (!last || ((last ^ word) & PM_PFN) >> order) {
				shared = false;
				for (other = 0; other < PROCS && !shared; other++)
					shared = other != who && family->pids[other] &&
						 maps(other, order, word);
				last = word;
			}
			laf_expect(!!(answer & MAPPED_SHARED_TEST_SHARED) == shared,
				   "round %d, process %d, page %zu: told %d, is %d", round, who,
				   i, !shared, shared);
			compared[shared]++;
		}
	}
}

static void test_shared(int order)
{
	struct mapped_shared_test none = { 0 };
	uint32_t seed = 6 + order;
	int i, round;

	gup_test = open(GUP_TEST, O_RDWR | O_CLOEXEC);
	if (gup_test < 0)
		laf_skip("needs CONFIG_GUP_TEST");
	if (ioctl(gup_test, MAPPED_SHARED_TEST, &none))
		laf_skip("needs CONFIG_RMAP_ID");
	laf_swap_need();
	laf_only(order);
	laf_require(!prctl(PR_SET_CHILD_SUBREAPER, 1), "prctl: %s", strerror(errno));
	pages = (size_t)FOLIOS << order;
	if (pages < MIN_PAGES)
		pages = MIN_PAGES;
	laf_require(2 * pages <= MAX_PAGES, "order %d is too large", order);
	family = mmap(NULL, sizeof(*family), PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	laf_require(family != MAP_FAILED && !pipe(done), "setup: %s", strerror(errno));
	for (i = 0; i < PROCS; i++)
		laf_require(!pipe(calls[i]), "pipe: %s", strerror(errno));

	mem = laf_map(2 * pages * laf_page, laf_size(order));
	family->pids[0] = getpid();
	family->nr = pages;
	call(0, WRITE);
	laf_require(laf_is_folio(mem, order), "no folio to begin with");

	for (round = 0; round < ROUNDS && !laf_failed(); round++) {
		int who = laf_random_of(&seed) % PROCS, child = 1;
		enum op op = laf_random_of(&seed) % NR_RANDOM_OPS;
		const size_t half = op == MOVE ? 1 : 2;

		while (!family->pids[who])
			who = (who + 1) % PROCS;
		while (child < PROCS && family->pids[child])
			child++;
		family->child = child;
		family->first = laf_random_of(&seed) % (half * pages);
		family->nr = 1 + laf_random_of(&seed) % (half * pages - family->first);
		/* The first keeps its own, and is there to the end */
		if ((op == FORK && child == PROCS) || (op == LEAVE && !who) ||
		    (op == UNMAP && !who))
			op = WRITE;
		call(who, op);

		/* Asking brings back what is in swap; then all stays as it is */
		call_all(ASK);
		laf_drain();
		call_all(ASK);
		call_all(LOOK);
		compare(order, round);
	}
	for (i = 1; i < PROCS; i++)
		if (family->pids[i])
			call(i, LEAVE);
	laf_expect(compared[0] && compared[1], "compared %zu that are shared, %zu that are not",
		   compared[1], compared[0]);
	laf_note("%zu answers are shared, %zu are not", compared[1], compared[0]);
}

int main(void)
{
	static const struct laf_test tests[] = {
		{ "told what the page tables say", test_shared, LAF_SOME },
	};

	laf_swap_setup();
	return laf_main(tests, ARRAY_SIZE(tests));
}
