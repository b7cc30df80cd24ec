// SPDX-License-Identifier: GPL-2.0
/*
 * What single pages cost: instructions of a fault, a fork, a child's exit and
 * an munmap, for each page. For a guest in which the time stamp counter goes
 * on by one for each instruction (QEMU's -icount shift=0).
 *
 * Prints one line "NAME INSTRUCTIONS" for each operation. Of many rounds the
 * smallest counts: what a timer interrupt adds is not the operation's.
 */
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define PAGES	8192	/* 32 MiB: what a fork does beside them is small */
#define ROUNDS	12
#define BARE	8	/* times as many of those without memory, which are short */
#define PAGE	4096UL
#define SIZE	(PAGES * PAGE)

enum { FAULT, FORK, EXIT, UNMAP, FORK_AGAIN, KINDS };
static const char * const names[KINDS] = {
	"fault", "fork", "exit", "munmap", "fork_again",
};

static uint64_t least[KINDS][2];	/* with and without the memory */

static inline uint64_t ticks(void)
{
	uint32_t low, high;

	asm volatile("rdtsc" : "=a"(low), "=d"(high) : : "memory");
	return (uint64_t)high << 32 | low;
}

static void note(int kind, int empty, uint64_t n)
{
	if (!least[kind][empty] || n < least[kind][empty])
		least[kind][empty] = n;
}

/* The counter itself: a loop of a known number of instructions. */
static void known_loop(void)
{
	uint64_t best = ~0ULL;

	for (int i = 0; i < 20; i++) {
		uint64_t n = 100000, start = ticks(), took;

		asm volatile("1: dec %0\n\tjnz 1b" : "+r"(n) : : "cc");
		took = ticks() - start;
		if (took < best)
			best = took;
	}
	printf("known_loop %llu\n", (unsigned long long)best);
}

static void touch(volatile char *p, size_t size)
{
	for (size_t i = 0; i < size; i += PAGE)
		p[i] = 1;
}

/* A child that does nothing: returns the instructions of fork, and of exit. */
static void one_fork(uint64_t *forked, uint64_t *exited)
{
	int go[2];
	uint64_t start;
	pid_t pid;
	char c;

	if (pipe(go))
		exit(2);
	start = ticks();
	pid = fork();
	if (!pid) {
		/* wait, so that the child does not run inside the fork's time */
		close(go[1]);
		_exit(read(go[0], &c, 1) != 0);
	}
	*forked = ticks() - start;
	if (pid < 0)
		exit(2);
	/* let it come to its read */
	usleep(2000);
	start = ticks();
	close(go[1]);
	if (waitpid(pid, NULL, 0) != pid)
		exit(2);
	*exited = ticks() - start;
	close(go[0]);
}

static void one_round(int empty)
{
	size_t size = empty ? PAGE : SIZE;
	uint64_t start, forked, exited;
	char *hole, *p;

	/* the same place in its page tables on each kernel */
	hole = mmap(NULL, SIZE + (4 << 20), PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (hole == MAP_FAILED)
		exit(2);
	p = (char *)(((uintptr_t)hole + (2 << 20) - 1) & -(2UL << 20));
	if (mmap(p, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) != p)
		exit(2);

	start = ticks();
	touch(p, size);
	note(FAULT, empty, ticks() - start);
	one_fork(&forked, &exited);
	note(FORK, empty, forked);
	note(EXIT, empty, exited);
	one_fork(&forked, &exited);
	note(FORK_AGAIN, empty, forked);
	start = ticks();
	munmap(p, size);
	note(UNMAP, empty, ticks() - start);
	munmap(hole, SIZE + (4 << 20));
}

int main(void)
{
	struct sched_param param = { .sched_priority = 1 };

	/* else a new child runs in the middle of its fork, or does not */
	if (sched_setscheduler(0, SCHED_FIFO, &param)) {
		perror("sched_setscheduler");
		return 2;
	}
	setvbuf(stdout, NULL, _IONBF, 0);
	known_loop();
	for (int i = 0; i < ROUNDS; i++) {
		one_round(0);
		for (int j = 0; j < BARE; j++)
			one_round(1);
	}
	for (int k = 0; k < KINDS; k++)
		printf("%s %.2f\n", names[k],
		       (double)(least[k][0] - least[k][1]) / (PAGES - 1));
	/* whole processes: what the memory does not explain */
	printf("fork_bare %llu\n", (unsigned long long)least[FORK][1]);
	printf("exit_bare %llu\n", (unsigned long long)least[EXIT][1]);
	return 0;
}
