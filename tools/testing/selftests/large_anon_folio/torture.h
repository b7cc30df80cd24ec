/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Torture: processes that share folios do at random what can be done with memory,
 * and each knows what each of its pages has to hold.
 *
 * An episode is a process with memory of its own and what it forks, in depth. All
 * that it does follows from the episode's number, the seed: threads and processes
 * draw from generators that are derived from it, so that only the interleaving
 * differs when it is run again. Several episodes run at a time, and beside them the
 * environment: what happens to processes from outside.
 *
 * Threads own different pages of the same folios. Only its owner changes a page, so
 * its owner knows what is in it. A fork while other threads are at work leaves the
 * child with pages that are half changed: these hold old or new words. What a pinned
 * page holds that changed while the process forked, nobody knows in the child.
 */
#ifndef TORTURE_H
#define TORTURE_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "laf_util.h"

#define MAX_THREADS	3
#define MAX_PAGES	1536
#define MAX_PIECES	24
#define MAX_DEPTH	3
#define MAX_FAMILY	10	/* processes of an episode at a time */
#define MAX_PROCS	64	/* in all */
#define MAX_NODES	2	/* of memory, that are used */
#define DIRECT_PAGES	16	/* of a thread's buffer, and of its place on disk */
#define DIRECT_SLOTS	512	/* places on disk */
#define DIRECT_END	((off_t)(DIRECT_SLOTS * DIRECT_PAGES * laf_page))
#define NR_DONE		24	/* operations that a report shows */

/* What is true of a page */
#define P_MAPPED	0x01
#define P_READ		0x02
#define P_WRITE		0x04
#define P_CHANGES	0x08	/* each word is old or new */
#define P_REMAPS	0x10	/* nobody knows whether it is mapped */
#define P_LAZY		0x20	/* all old, or from some word on zero */
#define P_NOFORK	0x40
#define P_WIPE		0x80
#define P_ANY		0x100	/* an unfinished change met another: anything */
#define P_ALL		(P_MAPPED | P_READ | P_WRITE)

/*
 * A page as it has to be. The first word of a filled page is @base, each other is
 * one more than the one before; all words are zero if @base is. @fresh counts how
 * often the page at this place was replaced.
 */
struct page {
	uint64_t base;
	uint64_t next;		/* with P_CHANGES: what it may be, too */
	uint32_t fresh;
	uint32_t flags;
};

struct piece {
	uint16_t start, nr;
};

/* What an episode's processes share */
struct family {
	uint32_t seed;
	int alive;		/* forked, and not yet waited for */
	bool poisons;		/* pages may be lost */
	char cgroup[96];
};

/* A process; its copy at a fork is the child's */
struct process {
	struct family *family;
	char *mem;
	int pages;
	uint32_t id;
	uint32_t counter;
	uint32_t seed;
	bool named;		/* its mm surely has an rmap ID of its own */
	int depth;
	int nr_threads;
	int slot;		/* in torture->procs */
	const char *doing[MAX_THREADS];	/* each thread, */
	const char *others[MAX_THREADS];	/* and the parent's at the fork */
	int nr_pieces;
	struct piece pieces[MAX_PIECES];	/* piece i is thread i % nr_threads' */
	pthread_rwlock_t whole;	/* for writing: nobody else does anything */
	pthread_rwlock_t direct;	/* for writing: no device writes to memory */
	struct page page[MAX_PAGES];
};

/* Pages that a pipe or a pin holds */
struct held {
	bool active;
	int fd[2];
	int start, nr;
	uint64_t base[16];
	uint32_t fresh[16];
};

/* A thread of a process */
struct actor {
	int nr;
	uint64_t state;		/* of its random numbers */
	int turns;
	struct piece last;	/* what was picked; most things take two operations */
	int stay;		/* for so many more it is picked again */
	struct held pipe, pin, ringed;
	struct laf_ring ring;
	char *buffer;		/* 16 pages, aligned */
	int disk;		/* block device, or -1 */
	off_t slot;		/* where on it this thread may write */
	struct page before[MAX_PAGES];	/* pages as they were before a move or fork */
	int nr_done;
	const char *done[NR_DONE];
};

/* What all processes of the program share */
struct torture {
	uint32_t seed;		/* of the next episode */
	uint32_t ids;
	uint32_t slots;
	bool stop;
	bool io_errors;		/* a read from swap may fail */
	bool faults;		/* allocations fail */
	char disk[64];		/* a block device to write to */
	char cgroups[3][128];
	unsigned long episodes, turns, lost, events;
	unsigned long seen, seen_large;	/* pages at forks */
	int soft_offline;
	struct {
		pid_t pid;
		char *mem;
		int pages;
	} procs[MAX_PROCS];
	unsigned long ran[64];	/* each operation, */
	unsigned long worked[64];	/* and how often it did what it is for */
};

/* A thread that answers page faults */
struct uffd_server {
	int fd;
	char *mem, *zeroes;
	size_t len, size;
	pthread_t thread;
	bool stop;
};

struct op {
	const char *name;
	bool (*run)(struct actor *a);	/* whether it did something */
	int weight;
	bool whole;		/* no other thread does anything meanwhile */
};

extern struct torture *torture;
extern struct process *me;
extern const struct op torture_ops[];
extern const int torture_nr_ops;

/* torture_model.c */
uint32_t rnd(struct actor *a, uint32_t below);
char *page_at(int i);
uint64_t new_base(int i);
uint64_t same_base(struct actor *a);
bool may_be_mine(uint64_t word);
void change_begin(int i, uint64_t next);
void change_end(int i);
void change_cancel(int i);
void remap_begin(int start, int nr);
void remap_end(int start, int nr, uint32_t flags);
void fill(char *to, uint64_t base);
bool check_copy(struct actor *a, int i, const char *from, const char *how);
bool check_page(struct actor *a, int i);
bool write_page(struct actor *a, int i, uint64_t base);
void check_range(struct actor *a, int start, int nr);
void pick(struct actor *a, int *start, int *nr, int max);
void pick_whole(struct actor *a, int *start, int *nr, int max);
bool range_has(int start, int nr, uint32_t flags);
bool map_fresh(int start, int nr);
void complain(struct actor *a, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
void catch_signals(void);

/* torture_ops.c */
ssize_t vm_write(void *buf, char *page);
ssize_t vm_read(void *buf, char *page);
int uffd_open(char *mem, size_t len, int mode);
void uffd_close(int fd, char *mem, size_t len);
bool uffd_start(struct uffd_server *s, char *mem, size_t len, size_t size, int mode);
void uffd_stop(struct uffd_server *s);
void run_threads(uint64_t seed, int turns);
void init_locks(void);
void reap(pid_t pid);
pid_t child_begin(void);
void child_end(pid_t pid);
void before_fork(void);
void process_enter(void);

/* torture_file.c */
bool op_file(struct actor *a);
bool op_hugetlb(struct actor *a);

/* torture_env.c */
void environment(int kind, uint32_t seed);
void environment_begin(void);
void environment_end(void);
void leaks_begin(void);
void leaks_end(void);
void print_coverage(void);

#endif /* TORTURE_H */
