// SPDX-License-Identifier: GPL-2.0
/*
 * What each page of a tortured process has to hold: see torture.h.
 */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>
#include <unistd.h>

#include "../kselftest.h"
#include "laf_util.h"
#include "torture.h"

struct torture *torture;
struct process *me;

/* A filled page's first word: who wrote it, as which of his, and where */
#define ID_SHIFT	48
#define COUNTER_SHIFT	26
#define PAGE_SHIFT	14
#define COUNTER_MASK	((1U << (ID_SHIFT - COUNTER_SHIFT)) - 1)
#define SAME_ID		0xffff	/* what many pages hold alike, for KSM */

static uint64_t next_random(uint64_t *state)
{
	uint64_t x = *state += 0x9e3779b97f4a7c15;

	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
	x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
	return x ^ (x >> 31);
}

uint32_t rnd(struct actor *a, uint32_t below)
{
	return (next_random(&a->state) >> 20) % below;
}

char *page_at(int i)
{
	return me->mem + i * laf_page;
}

static uint64_t make_base(uint32_t id, uint32_t counter, int i)
{
	return (uint64_t)id << ID_SHIFT | (uint64_t)(counter & COUNTER_MASK) << COUNTER_SHIFT |
	       (uint64_t)i << PAGE_SHIFT;
}

uint64_t new_base(int i)
{
	return make_base(me->id, __atomic_add_fetch(&me->counter, 1, __ATOMIC_RELAXED), i);
}

uint64_t same_base(struct actor *a)
{
	return make_base(SAME_ID, 1 + rnd(a, 3), 0);
}

/* Whether this process has written a word, or may have: zero, and the same as others */
bool may_be_mine(uint64_t word)
{
	return !word || word >> ID_SHIFT == me->id || word >> ID_SHIFT == SAME_ID;
}

/* --------------------------------------------------------------- reports */

void complain(struct actor *a, const char *fmt, ...)
{
	char text[400], done[600] = "";
	va_list args;
	int i;

	if (laf_failed())
		return;
	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	for (i = a->nr_done - NR_DONE; i < a->nr_done; i++)
		if (i >= 0)
			snprintf(done + strlen(done), sizeof(done) - strlen(done), " %s",
				 a->done[i % NR_DONE]);
	for (i = 0; i < MAX_THREADS; i++)
		if (me->others[i])
			snprintf(done + strlen(done), sizeof(done) - strlen(done), "%s %s",
				 i ? "," : "; when it was forked, its parent's threads did",
				 me->others[i]);
	laf_expect(false, "seed %u, process %#x at depth %d, thread %d of %d: %s; it did:%s",
		   me->family->seed, me->id, me->depth, a->nr, me->nr_threads, text, done);
}

/* The line of /proc/self/maps for @addr, or what comes first behind it */
static void mapping_at(const char *addr, char *line, int size)
{
	FILE *file = fopen("/proc/self/maps", "re");
	unsigned long start, end = 0;

	*line = 0;
	while (file && end <= (unsigned long)addr && fgets(line, size, file))
		if (sscanf(line, "%lx-%lx", &start, &end) != 2)
			break;
	line[strcspn(line, "\n")] = 0;
	if (file)
		fclose(file);
}

/* --------------------------------------------------------------- accesses */

static __thread sigjmp_buf guard;
static __thread volatile sig_atomic_t guarded;
static __thread void *where;

/* Whether a cgroup had no memory for somebody, and maybe nobody to kill for it */
static bool oom_happened(void)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(torture->cgroups); i++)
		if (laf_cg_key(torture->cgroups[i], "memory.events", "oom") > 0)
			return true;
	return false;
}

/* Which instruction has raised a signal; 0 if that is not known for this architecture */
static unsigned long program_counter(const ucontext_t *context)
{
#if defined(__x86_64__)
	return context->uc_mcontext.gregs[REG_RIP];
#elif defined(__aarch64__)
	return context->uc_mcontext.pc;
#else
	(void)context;
	return 0;
#endif
}

static void caught(int sig, siginfo_t *info, void *context)
{
	char doing[100] = "";
	int i;

	where = info->si_addr;
	/*
	 * The kernel got no memory where it has to write to a stack or to an rseq
	 * area, whatever was done meanwhile, or for what it has to tell of the signal,
	 * which then seems to come from process 0; or this stack or the model was in
	 * swap, and can't be read.
	 */
	if ((info->si_code == SI_KERNEL && (torture->faults || oom_happened())) ||
	    (info->si_code == SI_USER && !info->si_pid && torture->faults) ||
	    (!guarded && sig == SIGBUS && torture->io_errors)) {
		__atomic_add_fetch(&torture->lost, 1, __ATOMIC_RELAXED);
		_exit(0);
	}
	if (guarded)
		siglongjmp(guard, sig);
	for (i = 0; me && i < me->nr_threads; i++)
		snprintf(doing + strlen(doing), sizeof(doing) - strlen(doing), " %s",
			 me->doing[i] ? me->doing[i] : "nothing");
	laf_expect(false,
		   "seed %u, process %#x: signal %d, code %d, at %p by %#lx, outside of a check;%s",
		   me ? me->family->seed : 0, me ? me->id : 0, sig, info->si_code, info->si_addr,
		   program_counter(context), doing);
	_exit(1);
}

void catch_signals(void)
{
	struct sigaction act = {
		.sa_sigaction = caught,
		.sa_flags = SA_SIGINFO | SA_NODEFER,
	};

	sigaction(SIGSEGV, &act, NULL);
	sigaction(SIGBUS, &act, NULL);
	/* A mistake in this program must not pass for an OOM kill */
	sigaction(SIGFPE, &act, NULL);
	sigaction(SIGILL, &act, NULL);
	sigaction(SIGABRT, &act, NULL);
}

void fill(char *to, uint64_t base)
{
	volatile uint64_t *word = (uint64_t *)to;
	size_t w;

	for (w = 0; w < laf_page / sizeof(*word); w++)
		word[w] = base ? base + w : 0;
}

/* The first word that is not as it has to be, or -1; *saw is what it is */
static int wrong_word(const struct page *p, const char *from, uint64_t *saw)
{
	const volatile uint64_t *word = (const uint64_t *)from;
	bool gone = false;
	size_t w;

	for (w = 0; w < laf_page / sizeof(*word); w++) {
		uint64_t want = p->base && !gone ? p->base + w : 0;
		uint64_t next = p->next ? p->next + w : 0;

		*saw = word[w];
		if (*saw == want || (p->flags & P_CHANGES && *saw == next))
			continue;
		if (!(p->flags & P_LAZY) || *saw)
			return w;
		/* Reclaim takes the page between two looks: it is zero from here */
		gone = true;
	}
	return -1;
}

bool check_copy(struct actor *a, int i, const char *from, const char *how)
{
	const struct page *p = &me->page[i];
	uint64_t saw;
	int w = wrong_word(p, from, &saw);

	if (w < 0 || p->flags & P_ANY)
		return true;
	complain(a,
		 "page %d, word %d, %s: saw %#llx, want %#llx or %#llx, flags %#x, pagemap %#llx",
		 i, w, how, (unsigned long long)saw, (unsigned long long)p->base,
		 (unsigned long long)p->next, p->flags,
		 (unsigned long long)laf_pagemap(page_at(i)));
	return false;
}

/* A page that memory failure or an I/O error took: start with a new one */
static bool lost_page(struct actor *a, int i, int sig)
{
	char mapping[160];

	if (sig != SIGBUS || !(me->family->poisons || torture->io_errors)) {
		mapping_at(where, mapping, sizeof(mapping));
		complain(a, "page %d: signal %d at %p, flags %#x, is %#llx, memory from %p, in %s",
			 i, sig, where, me->page[i].flags,
			 (unsigned long long)laf_pagemap(page_at(i)), me->mem, mapping);
		return false;
	}
	__atomic_add_fetch(&torture->lost, 1, __ATOMIC_RELAXED);
	return map_fresh(i, 1);
}

bool check_page(struct actor *a, int i)
{
	int sig = sigsetjmp(guard, 0);
	bool ok = true;

	if (!sig) {
		guarded = 1;
		ok = check_copy(a, i, page_at(i), "read");
	}
	guarded = 0;
	if (sig)
		return lost_page(a, i, sig);
	return ok;
}

/* Fill a page by stores */
bool write_page(struct actor *a, int i, uint64_t base)
{
	int sig;

	change_begin(i, base);
	sig = sigsetjmp(guard, 0);
	if (!sig) {
		guarded = 1;
		fill(page_at(i), base);
	}
	guarded = 0;
	if (sig)
		return lost_page(a, i, sig);
	change_end(i);
	return true;
}

void check_range(struct actor *a, int start, int nr)
{
	int i;

	for (i = start; i < start + nr; i++)
		if ((me->page[i].flags & (P_MAPPED | P_READ)) == (P_MAPPED | P_READ) &&
		    !check_page(a, i))
			break;
}

/* ---------------------------------------------------------------- changes */

/*
 * These stand around each change. A fork by another thread copies what stands
 * here before it copies what is done after it: a child never sees a change that
 * is not announced.
 */
void change_begin(int i, uint64_t next)
{
	struct page *p = &me->page[i];

	if (p->flags & P_CHANGES)
		__atomic_fetch_or(&p->flags, P_ANY, __ATOMIC_SEQ_CST);
	p->next = next;
	__atomic_fetch_or(&p->flags, P_CHANGES, __ATOMIC_SEQ_CST);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
}

void change_end(int i)
{
	struct page *p = &me->page[i];

	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	p->base = p->next;
	__atomic_fetch_and(&p->flags, ~(P_CHANGES | P_LAZY | P_ANY), __ATOMIC_SEQ_CST);
}

/* It was not done */
void change_cancel(int i)
{
	struct page *p = &me->page[i];

	if (!(p->flags & P_ANY))
		__atomic_fetch_and(&p->flags, ~P_CHANGES, __ATOMIC_SEQ_CST);
}

void remap_begin(int start, int nr)
{
	int i;

	for (i = start; i < start + nr; i++)
		__atomic_fetch_or(&me->page[i].flags, P_REMAPS, __ATOMIC_SEQ_CST);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
}

/* Pages that were mapped anew, or unmapped, if @flags are 0 */
void remap_end(int start, int nr, uint32_t flags)
{
	int i;

	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	for (i = start; i < start + nr; i++) {
		struct page *p = &me->page[i];

		p->base = 0;
		p->next = 0;
		p->fresh++;
		__atomic_store_n(&p->flags, flags, __ATOMIC_SEQ_CST);
	}
}

bool map_fresh(int start, int nr)
{
	void *p;

	remap_begin(start, nr);
	p = mmap(page_at(start), nr * laf_page, PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE, -1, 0);
	/* A failed one may have unmapped what was there */
	if (p == MAP_FAILED) {
		munmap(page_at(start), nr * laf_page);
		remap_end(start, nr, 0);
		return false;
	}
	remap_end(start, nr, P_ALL);
	return true;
}

/* ----------------------------------------------------------------- ranges */

/* One of the thread's pieces */
static const struct piece *pick_piece(struct actor *a)
{
	int own = (me->nr_pieces - a->nr + me->nr_threads - 1) / me->nr_threads;

	return &me->pieces[a->nr + rnd(a, own) * me->nr_threads];
}

/* A place where a huge page can be mapped in whole, if the piece has one */
static bool pick_huge(struct actor *a, const struct piece *piece, int *start, int *nr)
{
	const int huge = 1 << laf_pmd_order;
	int first = piece->start, end = piece->start + piece->nr;

	first += -((uintptr_t)page_at(first) / laf_page) & (huge - 1);
	if (first + huge > end)
		return false;
	*start = first + (int)rnd(a, (end - first) / huge) * huge;
	*nr = huge;
	return true;
}

/* A range of the piece: whole, one page, or anything */
static void pick_any(struct actor *a, const struct piece *piece, int *start, int *nr)
{
	*start = piece->start;
	*nr = piece->nr;
	switch (rnd(a, 4)) {
	case 0:
		break;
	case 1:
		*start += rnd(a, piece->nr);
		*nr = 1;
		break;
	default:
		*start += rnd(a, piece->nr);
		*nr = 1 + rnd(a, piece->start + piece->nr - *start);
	}
}

static void pick_last(struct actor *a, int *start, int *nr, int max)
{
	*start = a->last.start;
	*nr = a->last.nr < max ? a->last.nr : max;
}

/* A range of one of them, of @max pages at most; often the same once more */
void pick(struct actor *a, int *start, int *nr, int max)
{
	const struct piece *piece = pick_piece(a);

	if (a->stay) {
		a->stay--;
	} else if (!a->last.nr || rnd(a, 3)) {
		if (rnd(a, 5) || !pick_huge(a, piece, start, nr))
			pick_any(a, piece, start, nr);
		a->last = (struct piece){ *start, *nr };
	}
	pick_last(a, start, nr, max);
}

/*
 * A huge page's place, where the thread stays for some operations, or a piece, of @max
 * pages at most then
 */
void pick_whole(struct actor *a, int *start, int *nr, int max)
{
	const struct piece *piece = pick_piece(a);

	if (rnd(a, 4) && pick_huge(a, piece, start, nr)) {
		a->stay = rnd(a, 6);
	} else {
		*start = piece->start;
		*nr = piece->nr < max ? piece->nr : max;
	}
	a->last = (struct piece){ *start, *nr };
}

bool range_has(int start, int nr, uint32_t flags)
{
	int i;

	for (i = start; i < start + nr; i++)
		if ((me->page[i].flags & flags) != flags)
			return false;
	return true;
}
