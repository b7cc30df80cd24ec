// SPDX-License-Identifier: GPL-2.0
/*
 * Threads that write and read under one atomic_seqcount, more than there are
 * CPUs, while the static key is switched: no change is lost, and no reader accepts
 * what is not a state between sections.
 *
 *	stress [SECONDS [THREADS]]
 */
#include <linux/atomic_seqcount.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

bool atomic_seqcount_sole;

static struct atomic_seqcount seq;
static atomic_t nr;
static atomic64_t sums[2];
static atomic64_t sections, soles, accepted, mixed, preemptible;
static bool stop;

__thread int preempt_depth;

static bool section(int change)
{
	bool sole = write_atomic_seqcount_begin(&seq);

	atomic_seqcount_add(&nr, change, sole);
	atomic_seqcount_add64(&sums[0], (u64)change * 3, sole);
	atomic_seqcount_add64(&sums[1], (u64)change * 5, sole);
	/* With PREEMPT_RT the section sees to it, else its caller has */
	if (preempt_depth != IS_ENABLED(CONFIG_PREEMPT_RT))
		atomic64_add(1, &preemptible);
	write_atomic_seqcount_end(&seq, sole);
	if (preempt_depth)
		atomic64_add(1, &preemptible);

	return sole;
}

static void *writer(void *arg)
{
	long id = (long)arg + 1, n = 0, alone = 0;

	/* As rmap does: some are added, then they go again */
	for (; !__atomic_load_n(&stop, __ATOMIC_RELAXED); n++)
		alone += section(n & 1 ? -id : id);
	if (n & 1)
		section(-id);
	atomic64_add(n, &sections);
	atomic64_add(alone, &soles);
	return NULL;
}

static void *reader(void *arg)
{
	(void)arg;
	while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
		s64 a, b, c;
		asq_t saw;

		if (!try_read_atomic_seqcount_begin(&seq, &saw)) {
			sched_yield();
			continue;
		}
		a = atomic_read(&nr);
		b = atomic64_read(&sums[0]);
		c = atomic64_read(&sums[1]);
		if (read_atomic_seqcount_retry(&seq, saw))
			continue;
		atomic64_add(1, &accepted);
		if (b != 3 * a || c != 5 * a)
			atomic64_add(1, &mixed);
	}
	return NULL;
}

int main(int argc, char **argv)
{
	long seconds = argc > 1 ? atol(argv[1]) : 10;
	long threads = argc > 2 ? atol(argv[2]) : 2 * sysconf(_SC_NPROCESSORS_ONLN) + 2;
	pthread_t *t = calloc(threads, sizeof(*t));
	struct timespec pause = { .tv_nsec = 10000000 };
	time_t end = time(NULL) + seconds;
	bool bad;

	if (!t || threads < 3)
		return 2;
	for (long i = 0; i < threads; i++)
		if (pthread_create(&t[i], NULL, i % 3 == 2 ? reader : writer, (void *)i))
			return 2;
	while (time(NULL) < end) {
		__atomic_store_n(&atomic_seqcount_sole, !atomic_seqcount_sole, __ATOMIC_RELAXED);
		nanosleep(&pause, NULL);
	}
	__atomic_store_n(&stop, true, __ATOMIC_RELAXED);
	for (long i = 0; i < threads; i++)
		pthread_join(t[i], NULL);

	bad = atomic64_read(&mixed) || atomic64_read(&preemptible) || atomic_read(&nr) ||
	      atomic64_read(&sums[0]) || atomic64_read(&sums[1]) ||
	      atomic64_read(&seq.word) & ATOMIC_SEQCOUNT_ACTIVE ||
	      !atomic64_read(&accepted) || !atomic64_read(&soles);
	printf("%ld threads, %lld sections, %lld by a sole writer; ", threads,
	       (long long)atomic64_read(&sections), (long long)atomic64_read(&soles));
	printf("%lld states accepted, %lld mixed; ", (long long)atomic64_read(&accepted),
	       (long long)atomic64_read(&mixed));
	printf("%lld times preemption was wrong; ", (long long)atomic64_read(&preemptible));
	printf("left %d, %lld, %lld: %s\n", atomic_read(&nr), (long long)atomic64_read(&sums[0]),
	       (long long)atomic64_read(&sums[1]), bad ? "bad" : "good");
	return bad;
}
