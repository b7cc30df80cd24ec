// SPDX-License-Identifier: GPL-2.0
/*
 * What a tortured process does: see torture.h. An operation takes a range of its
 * thread's pages, does something to them, and tells the model. What fails, because
 * memory is short or something is pinned, has to leave a known state, too.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/io_uring.h>
#include <linux/mempolicy.h>
#include <linux/userfaultfd.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../../../../mm/gup_test.h"
#include "../kselftest.h"
#include "laf_util.h"
#include "torture.h"

#define CHILD_TURNS	24

/* --------------------------------------------------------- reads and writes */

static bool op_write(struct actor *a)
{
	int start, nr, i, step = 1 + rnd(a, 3);
	uint64_t same = rnd(a, 6) ? 0 : same_base(a);

	pick(a, &start, &nr, 64);
	for (i = start; i < start + nr; i += step)
		if (range_has(i, 1, P_ALL) && !write_page(a, i, same ? same : new_base(i)))
			return false;
	return true;
}

static bool op_read(struct actor *a)
{
	int start, nr;

	pick(a, &start, &nr, 128);
	check_range(a, start, nr);
	return true;
}

/* One page's data by way of the kernel; @call returns what it has moved */
typedef ssize_t (*move_fn)(void *buf, char *page);

static bool kernel_writes(struct actor *a, move_fn call, uint32_t flags)
{
	int start, nr, i;
	bool ok = false;

	pick(a, &start, &nr, 8);
	for (i = start; i < start + nr; i++) {
		uint64_t base = new_base(i);

		if (!range_has(i, 1, flags))
			continue;
		fill(a->buffer, base);
		change_begin(i, base);
		if (call(a->buffer, page_at(i)) != (ssize_t)laf_page)
			continue;	/* it may have done a part */
		change_end(i);
		ok = true;
	}
	return ok;
}

static bool kernel_reads(struct actor *a, move_fn call, uint32_t flags, const char *how)
{
	int start, nr, i;
	bool ok = false;

	pick(a, &start, &nr, 16);
	for (i = start; i < start + nr; i++) {
		if (!range_has(i, 1, flags) || call(a->buffer, page_at(i)) != (ssize_t)laf_page)
			continue;
		if (!check_copy(a, i, a->buffer, how))
			return false;
		ok = true;
	}
	return ok;
}

static ssize_t self_mem(void *buf, char *page, bool write)
{
	int fd = open("/proc/self/mem", O_RDWR | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return -1;
	n = write ? pwrite(fd, buf, laf_page, (off_t)(uintptr_t)page) :
		    pread(fd, buf, laf_page, (off_t)(uintptr_t)page);
	close(fd);
	return n;
}

static ssize_t mem_write(void *buf, char *page)
{
	return self_mem(buf, page, true);
}

static ssize_t mem_read(void *buf, char *page)
{
	return self_mem(buf, page, false);
}

ssize_t vm_write(void *buf, char *page)
{
	struct iovec from = { buf, laf_page }, to = { page, laf_page };

	return process_vm_writev(getpid(), &from, 1, &to, 1, 0);
}

ssize_t vm_read(void *buf, char *page)
{
	struct iovec to = { buf, laf_page }, from = { page, laf_page };

	return process_vm_readv(getpid(), &to, 1, &from, 1, 0);
}

/* Rights do not matter here: this breaks copy on write of what is read-only */
static bool op_mem_write(struct actor *a)
{
	return kernel_writes(a, mem_write, P_MAPPED);
}

static bool op_mem_read(struct actor *a)
{
	return kernel_reads(a, mem_read, P_MAPPED, "by /proc/self/mem");
}

static bool op_vm_write(struct actor *a)
{
	return kernel_writes(a, vm_write, P_ALL);
}

static bool op_vm_read(struct actor *a)
{
	return kernel_reads(a, vm_read, P_MAPPED | P_READ, "by process_vm_readv");
}

static bool is_held(const struct held *h, int i)
{
	return h->active && i >= h->start && i < h->start + h->nr;
}

/* A page's data through a pipe to another page */
static bool op_pipe_copy(struct actor *a)
{
	int from, to, nr, fd[2];
	bool ok = false;

	pick(a, &from, &nr, 1);
	pick(a, &to, &nr, 1);
	/* What a parent wrote would not pass for this one's in what is held */
	if (!may_be_mine(me->page[from].base) &&
	    (is_held(&a->pipe, to) || is_held(&a->pin, to) || is_held(&a->ringed, to)))
		return false;
	if (from == to || !range_has(from, 1, P_MAPPED | P_READ) || !range_has(to, 1, P_ALL) ||
	    me->page[from].flags & (P_CHANGES | P_LAZY) || pipe2(fd, O_CLOEXEC | O_NONBLOCK))
		return false;
	if (write(fd[1], page_at(from), laf_page) == (ssize_t)laf_page) {
		change_begin(to, me->page[from].base);
		ok = read(fd[0], page_at(to), laf_page) == (ssize_t)laf_page;
		if (ok)
			change_end(to);
	}
	close(fd[0]);
	close(fd[1]);
	return ok;
}

/* ------------------------------------------------------------- the mapping */

static bool op_unmap(struct actor *a)
{
	int start, nr;

	pick(a, &start, &nr, MAX_PAGES);
	remap_begin(start, nr);
	if (munmap(page_at(start), nr * laf_page))
		return map_fresh(start, nr);
	remap_end(start, nr, 0);
	return true;
}

static bool op_map(struct actor *a)
{
	int start, nr;

	pick(a, &start, &nr, MAX_PAGES);
	return map_fresh(start, nr);
}

/* A whole place anew and written: large folios, if the settings allow them */
static bool op_renew(struct actor *a)
{
	int i, start, nr, step = 1 + rnd(a, 3);

	pick_whole(a, &start, &nr, 256);
	if (!map_fresh(start, nr))
		return false;
	madvise(page_at(start), nr * laf_page, MADV_HUGEPAGE);
	/* Or only read: the huge zero page */
	if (!rnd(a, 5)) {
		check_range(a, start, nr);
		return true;
	}
	for (i = start; i < start + nr; i += step)
		if (!write_page(a, i, new_base(i)))
			return false;
	return true;
}

static bool op_move(struct actor *a)
{
	int from, to, nr, nr2, i, flags = MREMAP_MAYMOVE | MREMAP_FIXED;
	struct page *old = a->before;
	bool stays = !rnd(a, 4);
	void *p;

	pick(a, &from, &nr, MAX_PAGES);
	pick(a, &to, &nr2, nr);
	nr = nr2;
	if (from + nr > to && to + nr > from)
		return false;
	/* Or a device would write where nobody expects it */
	if (!range_has(from, nr, P_MAPPED) ||
	    (a->ringed.active && a->ringed.start < from + nr &&
	     from < a->ringed.start + a->ringed.nr))
		return false;
	if (stays)
		flags |= MREMAP_DONTUNMAP;
	memcpy(old, &me->page[from], nr * sizeof(*old));
	remap_begin(from, nr);
	remap_begin(to, nr);
	p = mremap(page_at(from), nr * laf_page, nr * laf_page, flags, page_at(to));
	if (p == MAP_FAILED) {
		/* What was at the target may be gone, the source is as it was */
		for (i = 0; i < nr; i++)
			__atomic_store_n(&me->page[from + i].flags, old[i].flags,
					 __ATOMIC_SEQ_CST);
		map_fresh(to, nr);
		return false;
	}
	remap_end(from, nr, stays ? old[0].flags & (P_ALL | P_NOFORK | P_WIPE) : 0);
	for (i = 0; i < nr; i++) {
		struct page *page = &me->page[to + i];

		page->base = old[i].base;
		page->next = old[i].next;
		page->fresh++;
		__atomic_store_n(&page->flags, old[i].flags, __ATOMIC_SEQ_CST);
	}
	return true;
}

/* Change something of the mapping, not of the data; @flags replace those in @mask */
static bool change_mapping(int start, int nr, int err, uint32_t mask, uint32_t flags)
{
	int i;

	/* It may have been done for a part */
	if (err) {
		map_fresh(start, nr);
		return false;
	}
	for (i = start; i < start + nr; i++)
		__atomic_store_n(&me->page[i].flags,
				 (me->page[i].flags & ~(mask | P_REMAPS)) | flags,
				 __ATOMIC_SEQ_CST);
	return true;
}

static bool op_protect(struct actor *a)
{
	static const int prots[] = {
		PROT_NONE, PROT_READ, PROT_READ | PROT_WRITE, PROT_READ | PROT_WRITE
	};
	int start, nr, prot = prots[rnd(a, 4)];
	uint32_t flags = 0;

	pick(a, &start, &nr, MAX_PAGES);
	if (!range_has(start, nr, P_MAPPED))
		return false;
	if (prot & PROT_READ)
		flags |= P_READ;
	if (prot & PROT_WRITE)
		flags |= P_WRITE;
	remap_begin(start, nr);
	return change_mapping(start, nr, mprotect(page_at(start), nr * laf_page, prot),
			      P_READ | P_WRITE, flags);
}

static bool op_fork_advice(struct actor *a)
{
	static const struct {
		int advice;
		uint32_t mask, flags;
	} list[] = {
		{ MADV_DONTFORK, P_NOFORK, P_NOFORK },
		{ MADV_DOFORK, P_NOFORK, 0 },
		{ MADV_DOFORK, P_NOFORK, 0 },
		{ MADV_WIPEONFORK, P_WIPE, P_WIPE },
		{ MADV_KEEPONFORK, P_WIPE, 0 },
		{ MADV_KEEPONFORK, P_WIPE, 0 },
	};
	int start, nr, which = rnd(a, ARRAY_SIZE(list));

	pick(a, &start, &nr, MAX_PAGES);
	if (!range_has(start, nr, P_MAPPED))
		return false;
	remap_begin(start, nr);
	return change_mapping(start, nr, madvise(page_at(start), nr * laf_page,
						 list[which].advice),
			      list[which].mask, list[which].flags);
}

/* ------------------------------------------------------------------ advice */

static void drop(int start, int nr, int advice)
{
	int i, err;

	for (i = start; i < start + nr; i++)
		change_begin(i, 0);
	err = madvise(page_at(start), nr * laf_page, advice);
	for (i = start; i < start + nr; i++) {
		/* Locked pages are refused, in the middle of others maybe */
		if (err && madvise(page_at(i), laf_page, advice)) {
			change_cancel(i);
			continue;
		}
		me->page[i].fresh++;
		change_end(i);
	}
}

static bool op_dontneed(struct actor *a)
{
	int start, nr, advice = rnd(a, 2) ? MADV_DONTNEED : MADV_DONTNEED_LOCKED;

	pick(a, &start, &nr, MAX_PAGES);
	if (!range_has(start, nr, P_MAPPED))
		return false;
	drop(start, nr, advice);
	return true;
}

/* Leaves every few pages of a range */
static bool op_holes(struct actor *a)
{
	int start, nr, i, step = 2 + rnd(a, 6);

	pick(a, &start, &nr, 64);
	for (i = start; i < start + nr; i += step)
		if (range_has(i, 1, P_MAPPED))
			drop(i, 1, MADV_DONTNEED);
	return true;
}

static bool op_free(struct actor *a)
{
	int start, nr, i;

	pick(a, &start, &nr, MAX_PAGES);
	if (!range_has(start, nr, P_MAPPED))
		return false;
	for (i = start; i < start + nr; i++)
		__atomic_fetch_or(&me->page[i].flags, P_LAZY, __ATOMIC_SEQ_CST);
	return !madvise(page_at(start), nr * laf_page, MADV_FREE);
}

/* What changes no data */
static bool op_advise(struct actor *a)
{
	static const int advices[] = {
		MADV_COLD, MADV_WILLNEED, MADV_POPULATE_READ, MADV_POPULATE_WRITE,
		MADV_HUGEPAGE, MADV_HUGEPAGE, MADV_HUGEPAGE, MADV_NOHUGEPAGE, MADV_UNMERGEABLE,
		MADV_COLLAPSE,
	};
	int start, nr;

	pick(a, &start, &nr, MAX_PAGES);
	return !madvise(page_at(start), nr * laf_page, advices[rnd(a, ARRAY_SIZE(advices))]);
}

static bool op_pageout(struct actor *a)
{
	int start, nr;

	pick(a, &start, &nr, MAX_PAGES);
	return !madvise(page_at(start), nr * laf_page, MADV_PAGEOUT);
}

/* Pages that are alike, for ksmd to find */
static bool op_merge(struct actor *a)
{
	uint64_t same = same_base(a);
	int start, nr, i;

	pick(a, &start, &nr, 24);
	for (i = start; i < start + nr; i++)
		if (range_has(i, 1, P_ALL) && !write_page(a, i, same))
			return false;
	return !madvise(page_at(start), nr * laf_page, MADV_MERGEABLE);
}

static bool op_lock(struct actor *a)
{
	int start, nr;

	pick(a, &start, &nr, rnd(a, 2) ? 128 : MAX_PAGES);
	switch (rnd(a, 4)) {
	case 0:
		return !mlock(page_at(start), nr * laf_page);
	case 1:
		return !mlock2(page_at(start), nr * laf_page, MLOCK_ONFAULT);
	default:
		return !munlock(page_at(start), nr * laf_page);
	}
}

/* ------------------------------------------------------- places in memory */

static bool op_bind(struct actor *a)
{
	static const int modes[] = { MPOL_DEFAULT, MPOL_BIND, MPOL_PREFERRED, MPOL_INTERLEAVE };
	int start, nr, mode = modes[rnd(a, 4)];
	unsigned long nodes = 1 + rnd(a, (1 << MAX_NODES) - 1);

	pick(a, &start, &nr, MAX_PAGES);
	return !syscall(__NR_mbind, page_at(start), nr * laf_page, mode,
			mode == MPOL_DEFAULT ? NULL : &nodes, MAX_NODES + 1,
			(rnd(a, 2) ? MPOL_MF_MOVE : MPOL_MF_MOVE_ALL) | rnd(a, 2) * MPOL_MF_STRICT);
}

static bool op_move_pages(struct actor *a)
{
	void *addrs[64];
	int start, nr, i, nodes[64], status[64];

	pick(a, &start, &nr, 64);
	for (i = 0; i < nr; i++) {
		addrs[i] = page_at(start + i);
		nodes[i] = rnd(a, MAX_NODES);
	}
	/* A node that is not there ends it in the middle */
	if (!rnd(a, 16))
		nodes[rnd(a, nr)] = rnd(a, 2) ? MAX_NODES : -1;
	return !syscall(__NR_move_pages, 0, nr, addrs, nodes, status,
			rnd(a, 2) ? MPOL_MF_MOVE : MPOL_MF_MOVE_ALL);
}

static bool op_migrate_pages(struct actor *a)
{
	unsigned long from = 1 + rnd(a, 2), to = 3 - from;

	return syscall(__NR_migrate_pages, 0, MAX_NODES + 1, &from, &to) >= 0;
}

static bool op_split(struct actor *a)
{
	char line[80];
	int start, nr;

	pick(a, &start, &nr, MAX_PAGES);
	snprintf(line, sizeof(line), "%d,0x%lx,0x%lx", getpid(), (unsigned long)page_at(start),
		 (unsigned long)page_at(start + nr));
	return !laf_write("/sys/kernel/debug/split_huge_pages", line);
}

static bool op_poison(struct actor *a)
{
	int start, nr;

	if (!me->family->poisons)
		return false;
	pick(a, &start, &nr, 1);
	return !madvise(page_at(start), laf_page, rnd(a, 2) ? MADV_HWPOISON : MADV_SOFT_OFFLINE);
}

/* --------------------------------------------------- what is held of a page */

/*
 * What is read through a pipe or a pin is what the page held, or what its owner
 * has written since; never what anybody else wrote.
 */
static bool check_held(struct actor *a, const struct held *h, int nr, const char *from,
		       const char *how, bool same_page)
{
	const struct page *p = &me->page[h->start + nr];
	const uint64_t *word = (const uint64_t *)from;
	size_t w;

	if (same_page && p->fresh == h->fresh[nr])
		return check_copy(a, h->start + nr, from, how);
	for (w = 0; w < laf_page / sizeof(*word); w++) {
		uint64_t want = h->base[nr] ? h->base[nr] + w : 0, saw = word[w];

		if (saw == want || may_be_mine(saw))
			continue;
		complain(a, "page %d, word %zu, %s: saw %#llx, which is not its own, want %#llx",
			 h->start + nr, w, how, (unsigned long long)saw,
			 (unsigned long long)want);
		return false;
	}
	return true;
}

static bool hold(struct actor *a, struct held *h, int max)
{
	int i;

	pick(a, &h->start, &h->nr, max);
	if (!range_has(h->start, h->nr, P_ALL))
		return false;
	for (i = 0; i < h->nr; i++) {
		const struct page *p = &me->page[h->start + i];

		if (p->flags & P_CHANGES)
			return false;
		h->base[i] = p->base;
		h->fresh[i] = p->fresh;
	}
	return true;
}

static void drop_held(struct held *h)
{
	int i;

	if (!h->active)
		return;
	h->active = false;
	for (i = 0; i < 2; i++)
		if (h->fd[i] >= 0)
			close(h->fd[i]);
}

static bool op_pipe_release(struct actor *a)
{
	struct held *h = &a->pipe;
	bool ok = true;
	int i;

	for (i = 0; i < h->nr && ok; i++) {
		size_t n = 0;

		while (n < laf_page) {
			ssize_t got = read(h->fd[0], a->buffer + n, laf_page - n);

			if (got <= 0)
				break;
			n += got;
		}
		if (n < laf_page)
			break;
		ok = check_held(a, h, i, a->buffer, "in a pipe", false);
	}
	drop_held(h);
	return ok;
}

static bool op_pipe_hold(struct actor *a)
{
	struct held *h = &a->pipe;
	struct iovec iov;

	if (h->active)
		return op_pipe_release(a);
	if (!hold(a, h, 8) || pipe2(h->fd, O_CLOEXEC | O_NONBLOCK))
		return false;
	h->active = true;
	iov.iov_base = page_at(h->start);
	iov.iov_len = h->nr * laf_page;
	if (vmsplice(h->fd[1], &iov, 1, 0) > 0)
		return true;
	drop_held(h);
	return false;
}

static bool op_unpin(struct actor *a)
{
	struct held *h = &a->pin;
	__u64 to = (uintptr_t)a->buffer;
	bool ok = true;
	int i;

	if (!ioctl(h->fd[0], PIN_LONGTERM_TEST_READ, &to))
		for (i = 0; i < h->nr && ok; i++)
			ok = check_held(a, h, i, a->buffer + i * laf_page, "pinned", true);
	if (ok && rnd(a, 2))
		return true;
	drop_held(h);
	return ok;
}

static bool op_pin(struct actor *a)
{
	struct held *h = &a->pin;
	struct pin_longterm_test pin = { .flags = rnd(a, 4) };
	int i;

	if (h->active)
		return op_unpin(a);
	h->fd[0] = open("/sys/kernel/debug/gup_test", O_RDWR | O_CLOEXEC);
	h->fd[1] = -1;
	if (h->fd[0] < 0)
		return false;
	h->active = true;
	if (hold(a, h, 16)) {
		pin.addr = (uintptr_t)page_at(h->start);
		pin.size = h->nr * laf_page;
		/* The zero page, also where memory was given up: no later write is seen */
		for (i = 0; i < h->nr; i++)
			if (!(pin.flags & PIN_LONGTERM_TEST_FLAG_USE_WRITE) &&
			    (!h->base[i] || me->page[h->start + i].flags & P_LAZY))
				h->fresh[i]--;
		if (!ioctl(h->fd[0], PIN_LONGTERM_TEST_START, &pin))
			return true;
	}
	drop_held(h);
	return false;
}

/* Short references and pins */
static bool op_gup(struct actor *a)
{
	static const unsigned long calls[] = {
		GUP_FAST_BENCHMARK, GUP_BASIC_TEST, PIN_FAST_BENCHMARK, PIN_BASIC_TEST,
		PIN_LONGTERM_BENCHMARK,
	};
	const int call = rnd(a, ARRAY_SIZE(calls));
	int fd = open("/sys/kernel/debug/gup_test", O_RDWR | O_CLOEXEC), start, nr;
	/* FOLL_WRITE; pins always, as the zero page would not be one that is pinned */
	struct gup_test gup = { .gup_flags = call > 1 || rnd(a, 2) };
	bool ok;

	pick(a, &start, &nr, MAX_PAGES);
	gup.addr = (uintptr_t)page_at(start);
	gup.size = nr * laf_page;
	gup.nr_pages_per_call = 1 + rnd(a, nr);
	ok = fd >= 0 && !ioctl(fd, calls[call], &gup);
	if (fd >= 0)
		close(fd);
	return ok;
}

/* @nr words of a file of words from @first on */
static bool read_words(const char *path, uint64_t first, size_t nr, uint64_t *words)
{
	const ssize_t len = nr * sizeof(*words);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	bool ok = fd >= 0 && pread(fd, words, len, first * sizeof(*words)) == len;

	if (fd >= 0)
		close(fd);
	return ok;
}

/*
 * How often page tables map the folio of page @i, and how often this process's do.
 * False if that can't be told now.
 */
static bool count_mappings(struct actor *a, int i, int *all, int *mine)
{
	const uint64_t most = 1ULL << laf_pmd_order;
	uint64_t *maps = (uint64_t *)a->buffer, *words = maps + me->pages, pfn, base;
	int first, end, at, nr;

	if (!read_words("/proc/self/pagemap", (uintptr_t)me->mem / laf_page, me->pages, maps))
		return false;
	pfn = maps[i] & PM_PFN;
	if (!(maps[i] & PM_PRESENT) || !pfn)
		return false;
	base = pfn & ~(most - 1);
	if (!read_words("/proc/kpageflags", base, most, words))
		return false;
	for (first = pfn - base; first > 0 && !(words[first] & KPF_BIT_HEAD); first--)
		;
	for (end = first + 1; end < (int)most && words[end] & KPF_BIT_TAIL; end++)
		;
	*all = 0;
	*mine = 0;
	if (!read_words("/proc/kpagecount", base + first, end - first, words))
		return false;
	for (nr = 0; nr < end - first; nr++)
		*all += words[nr];
	for (at = 0; at < me->pages; at++) {
		pfn = maps[at] & PM_PFN;
		*mine += maps[at] & PM_PRESENT && pfn >= base + first && pfn < base + end;
	}
	return true;
}

/*
 * Whether others map a folio is known exactly by who has an ID of his own. Others may
 * unmap it meanwhile, and who had it swapped or migrated may map it again; nobody can
 * fork, as no other thread does anything.
 */
static bool op_ask(struct actor *a)
{
	int fd = open("/sys/kernel/debug/gup_test", O_RDWR | O_CLOEXEC);
	int start, nr, tries, i, from, all = 0, mine = 0;
	struct mapped_shared_test ask = { .answers = (uintptr_t)a->buffer };
	bool shared = false, ok = false;
	char answer = 0;

	pick_whole(a, &start, &nr, MAX_PAGES);
	ask.addr = (uintptr_t)page_at(start);
	ask.size = nr * laf_page;
	from = rnd(a, nr);
	if (fd < 0 || ioctl(fd, MAPPED_SHARED_TEST, &ask))
		goto out;
	for (i = from; i < from + nr && !(a->buffer[i % nr] & MAPPED_SHARED_TEST_TRACKED); i++)
		;
	if (i == from + nr)
		goto out;
	i = start + i % nr;
	ask = (struct mapped_shared_test){ (uintptr_t)page_at(i), laf_page, (uintptr_t)&answer };
	for (tries = 0; tries < 200 && !ok && !torture->stop; tries++) {
		if (tries)
			usleep(1000);
		if (!count_mappings(a, i, &all, &mine) || ioctl(fd, MAPPED_SHARED_TEST, &ask) ||
		    !(answer & MAPPED_SHARED_TEST_TRACKED))
			goto out;
		shared = answer & MAPPED_SHARED_TEST_SHARED;
		/* Without an ID it is called shared, rather */
		ok = shared == (all > mine) || (shared && !me->named);
	}
	if (tries == 200)
		complain(a, "page %d is called %s, and has %d of the folio's %d mappings here", i,
			 shared ? "shared" : "not shared", mine, all);
out:
	if (fd >= 0)
		close(fd);
	return ok;
}

/*
 * Memory that is pinned as an io_uring buffer: what a device writes there is the
 * process's, whoever was forked meanwhile, and what it reads is what was written.
 */
static void ring_drop(struct actor *a)
{
	if (!a->ringed.active)
		return;
	/* A child of another thread's looks at this: see become_child() */
	__atomic_store_n(&a->ringed.active, false, __ATOMIC_SEQ_CST);
	laf_ring_exit(&a->ring);
}

static bool ring_take(struct actor *a)
{
	struct held *h = &a->ringed;

	if (a->disk < 0 || !hold(a, h, DIRECT_PAGES) || laf_ring_init(&a->ring))
		return false;
	__atomic_store_n(&h->active, true, __ATOMIC_SEQ_CST);
	if (!laf_ring_pin(&a->ring, page_at(h->start), h->nr * laf_page))
		return true;
	ring_drop(a);
	return false;
}

static bool ring_write(struct actor *a)
{
	const struct held *h = &a->ringed;
	const ssize_t len = h->nr * laf_page;
	bool ok = true;
	int i;

	if (laf_ring_io(&a->ring, IORING_OP_WRITE_FIXED, a->disk, page_at(h->start), len,
			a->slot) != len || pread(a->disk, a->buffer, len, a->slot) != len)
		return false;
	for (i = 0; i < h->nr && ok; i++)
		ok = check_held(a, h, i, a->buffer + i * laf_page, "an io_uring buffer", true);
	return ok;
}

/* A page that is not there any more is written where nobody sees it */
static bool ring_page_is_mine(const struct held *h, int i)
{
	return me->page[h->start + i].fresh == h->fresh[i];
}

static bool ring_read(struct actor *a)
{
	const struct held *h = &a->ringed;
	const ssize_t len = h->nr * laf_page;
	uint32_t lazy;
	bool ok;
	int i;

	for (i = 0; i < h->nr; i++)
		fill(a->buffer + i * laf_page, new_base(h->start + i));
	if (pwrite(a->disk, a->buffer, len, a->slot) != len)
		return false;
	for (i = 0; i < h->nr; i++)
		if (ring_page_is_mine(h, i))
			change_begin(h->start + i, *(uint64_t *)(a->buffer + i * laf_page));
	ok = laf_ring_io(&a->ring, IORING_OP_READ_FIXED, a->disk, page_at(h->start), len,
			 a->slot) == len;
	for (i = 0; i < h->nr && ok; i++) {
		if (!ring_page_is_mine(h, i))
			continue;
		/* io_uring does not say that it has written: MADV_FREE still holds */
		lazy = me->page[h->start + i].flags & P_LAZY;
		change_end(h->start + i);
		__atomic_fetch_or(&me->page[h->start + i].flags, lazy, __ATOMIC_SEQ_CST);
	}
	return ok;
}

static bool op_ring(struct actor *a)
{
	if (!a->ringed.active)
		return ring_take(a);
	switch (rnd(a, 4)) {
	case 0:
		ring_drop(a);
		return true;
	case 1:
		return ring_write(a);
	default:
		return ring_read(a);
	}
}

static bool op_direct_out(struct actor *a)
{
	int start, nr, i;

	pick(a, &start, &nr, DIRECT_PAGES);
	if (a->disk < 0 || !range_has(start, nr, P_MAPPED | P_READ) ||
	    pwrite(a->disk, page_at(start), nr * laf_page, a->slot) != (ssize_t)(nr * laf_page) ||
	    pread(a->disk, a->buffer, nr * laf_page, a->slot) != (ssize_t)(nr * laf_page))
		return false;
	for (i = 0; i < nr; i++)
		if (!check_copy(a, start + i, a->buffer + i * laf_page, "written by O_DIRECT"))
			return false;
	return true;
}

/*
 * Not while another thread forks: O_DIRECT takes references in 6.1, not pins, and
 * what comes from the disk then may go to the child's page, in stock, too.
 */
static bool op_direct_in(struct actor *a)
{
	int start, nr, i;
	bool ok;

	pick(a, &start, &nr, DIRECT_PAGES);
	if (a->disk < 0 || !range_has(start, nr, P_ALL))
		return false;
	for (i = 0; i < nr; i++)
		fill(a->buffer + i * laf_page, new_base(start + i));
	if (pwrite(a->disk, a->buffer, nr * laf_page, a->slot) != (ssize_t)(nr * laf_page))
		return false;
	pthread_rwlock_rdlock(&me->direct);
	for (i = 0; i < nr; i++)
		change_begin(start + i, *(uint64_t *)(a->buffer + i * laf_page));
	ok = pread(a->disk, page_at(start), nr * laf_page, a->slot) == (ssize_t)(nr * laf_page);
	if (ok)
		for (i = 0; i < nr; i++)
			change_end(start + i);
	pthread_rwlock_unlock(&me->direct);
	return ok;
}

/* ------------------------------------------------------------- userfaultfd */

/* A child may have the file, too: to close it does not end the registration */
void uffd_close(int fd, char *mem, size_t len)
{
	struct uffdio_range range = { (uintptr_t)mem, len };

	ioctl(fd, UFFDIO_UNREGISTER, &range);
	close(fd);
}

int uffd_open(char *mem, size_t len, int mode)
{
	int fd = laf_uffd(0, O_NONBLOCK);

	if (fd < 0 || laf_uffd_arm(fd, mem, len, mode))
		return fd;
	close(fd);
	return -1;
}

/* One fault: what was missing is zero, what was write-protected is not any more */
static void uffd_answer(const struct uffd_server *s, const struct uffd_msg *msg)
{
	const uint64_t flags = msg->arg.pagefault.flags;
	struct uffdio_range range = {
		.start = msg->arg.pagefault.address & ~(uint64_t)(s->size - 1),
		.len = s->size,
	};
	struct uffdio_copy copy = { range.start, (uintptr_t)s->zeroes, s->size, .copy = 0 };
	struct uffdio_zeropage zero = { .range = range };
	struct uffdio_continue page = { .range = range };
	struct uffdio_writeprotect wp = { .range = range };
	int err, tries = 1000;

	do {
		if (flags & UFFD_PAGEFAULT_FLAG_WP)
			err = ioctl(s->fd, UFFDIO_WRITEPROTECT, &wp);
		else if (flags & UFFD_PAGEFAULT_FLAG_MINOR)
			err = ioctl(s->fd, UFFDIO_CONTINUE, &page);
		else if (s->size == laf_page && range.start & laf_page)
			err = ioctl(s->fd, UFFDIO_ZEROPAGE, &zero);
		else
			err = ioctl(s->fd, UFFDIO_COPY, &copy);
		/* Memory is short, or the mapping changes: once more */
	} while (err && (errno == EAGAIN || errno == ENOMEM) && tries-- && !sched_yield());
	/* It can't be had: let the fault itself fail, or tell that others came before */
	if (err)
		ioctl(s->fd, tries < 0 ? UFFDIO_UNREGISTER : UFFDIO_WAKE, &range);
}

static void *uffd_serve(void *arg)
{
	struct uffd_server *s = arg;
	struct uffd_msg msg;

	while (!__atomic_load_n(&s->stop, __ATOMIC_SEQ_CST)) {
		if (read(s->fd, &msg, sizeof(msg)) == sizeof(msg))
			uffd_answer(s, &msg);
		else
			usleep(200);
	}
	return NULL;
}

/*
 * Have a thread answer the faults of [@mem, @mem + @len), by @size bytes at a time;
 * false if that can't be had
 */
bool uffd_start(struct uffd_server *s, char *mem, size_t len, size_t size, int mode)
{
	s->mem = mem;
	s->len = len;
	s->size = size;
	s->stop = false;
	s->fd = uffd_open(mem, len, mode);
	if (s->fd < 0)
		return false;
	s->zeroes = mmap(NULL, size, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (s->zeroes != MAP_FAILED) {
		if (!pthread_create(&s->thread, NULL, uffd_serve, s))
			return true;
		munmap(s->zeroes, size);
	}
	uffd_close(s->fd, mem, len);
	return false;
}

void uffd_stop(struct uffd_server *s)
{
	__atomic_store_n(&s->stop, true, __ATOMIC_SEQ_CST);
	pthread_join(s->thread, NULL);
	uffd_close(s->fd, s->mem, s->len);
	munmap(s->zeroes, s->size);
}

/* Pages come by UFFDIO_COPY and UFFDIO_ZEROPAGE into a range that was dropped */
static bool op_uffd_copy(struct actor *a)
{
	int start, nr, i, fd;
	bool ok = false;

	pick(a, &start, &nr, 8);
	if (!range_has(start, nr, P_ALL))
		return false;
	fd = uffd_open(page_at(start), nr * laf_page, UFFDIO_REGISTER_MODE_MISSING);
	if (fd < 0)
		return false;
	drop(start, nr, MADV_DONTNEED);
	for (i = start; i < start + nr; i++) {
		struct uffdio_copy copy = {
			.dst = (uintptr_t)page_at(i),
			.src = (uintptr_t)a->buffer,
			.len = laf_page,
		};
		uint64_t base = new_base(i);

		/* Locked, and so not dropped */
		if (me->page[i].flags & P_CHANGES)
			continue;
		fill(a->buffer, base);
		change_begin(i, base);
		ok = !ioctl(fd, UFFDIO_COPY, &copy);
		if (ok)
			change_end(i);
		else
			change_cancel(i);
	}
	uffd_close(fd, page_at(start), nr * laf_page);
	return ok;
}

/* Pages are write-protected, and written with another thread's consent */
static bool op_uffd_wp(struct actor *a)
{
	struct uffdio_writeprotect wp = { .mode = UFFDIO_WRITEPROTECT_MODE_WP };
	struct uffd_server server;
	int start, nr, i;
	bool ok;

	pick(a, &start, &nr, rnd(a, 2) ? 16 : MAX_PAGES);
	if (!range_has(start, nr, P_ALL) ||
	    !uffd_start(&server, page_at(start), nr * laf_page, laf_page,
			UFFDIO_REGISTER_MODE_WP))
		return false;
	wp.range.start = (uintptr_t)page_at(start);
	wp.range.len = nr * laf_page;
	ok = !ioctl(server.fd, UFFDIO_WRITEPROTECT, &wp);
	check_range(a, start, nr);
	for (i = start; i < start + nr; i += 1 + rnd(a, nr > 16 ? nr : 3))
		write_page(a, i, new_base(i));
	uffd_stop(&server);
	return ok;
}

/* Another thread answers for pages that are missing, to reads and to writes */
static bool op_uffd_missing(struct actor *a)
{
	struct uffd_server server;
	int start, nr, i;

	pick(a, &start, &nr, MAX_PAGES);
	if (!range_has(start, nr, P_ALL) ||
	    !uffd_start(&server, page_at(start), nr * laf_page, laf_page,
			UFFDIO_REGISTER_MODE_MISSING))
		return false;
	drop(start, nr, MADV_DONTNEED);
	for (i = start; i < start + nr; i += 1 + rnd(a, nr > 16 ? nr / 4 : 3))
		if (rnd(a, 2))
			write_page(a, i, new_base(i));
		else
			check_page(a, i);
	uffd_stop(&server);
	return true;
}

/* -------------------------------------------------------------- processes */

/* This process's threads */
static struct thread {
	struct actor actor;
	pthread_t thread;
} threads[MAX_THREADS];

static void actor_init(struct actor *a, int nr, uint64_t seed, int turns)
{
	memset(a, 0, sizeof(*a));
	a->nr = nr;
	a->state = seed * 0x9e3779b97f4a7c15 + nr;
	a->turns = turns;
	/* Allocations may fail: once more, then */
	do
		a->buffer = mmap(NULL, DIRECT_PAGES * laf_page, PROT_READ | PROT_WRITE,
				 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	while (a->buffer == MAP_FAILED);
	a->disk = open(torture->disk, O_RDWR | O_DIRECT | O_CLOEXEC);
	a->slot = (off_t)(__atomic_fetch_add(&torture->slots, 1, __ATOMIC_RELAXED) % DIRECT_SLOTS) *
		  DIRECT_PAGES * laf_page;
}

static void actor_exit(struct actor *a)
{
	drop_held(&a->pipe);
	drop_held(&a->pin);
	ring_drop(a);
	if (a->disk >= 0)
		close(a->disk);
	munmap(a->buffer, DIRECT_PAGES * laf_page);
}

/* Who was waited for is gone */
void reap(pid_t pid)
{
	int i;

	__atomic_fetch_sub(&me->family->alive, 1, __ATOMIC_SEQ_CST);
	for (i = 0; i < MAX_PROCS; i++)
		if (torture->procs[i].pid == pid)
			torture->procs[i].pid = 0;
}

/* How many mms got no rmap ID, as there was no memory; -1 if that can't be told */
static long count_unnamed(void)
{
	static const char key[] = "\nrmap_id_shared ";
	char text[16384], *at = NULL;
	size_t used = 0;
	ssize_t n;
	int fd = open("/proc/vmstat", O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return -1;
	while ((n = read(fd, text + used, sizeof(text) - 1 - used)) > 0)
		used += n;
	close(fd);
	text[used] = 0;
	if (!n)
		at = strstr(text, key);
	return at ? strtol(at + strlen(key), NULL, 10) : -1;
}

/* What that was before a thread forked, for its child: other threads fork, too */
static __thread long unnamed;

void before_fork(void)
{
	unnamed = count_unnamed();
}

/* Let others find this process, see torture_env.c */
void process_enter(void)
{
	int i;

	me->named = unnamed >= 0 && count_unnamed() == unnamed;
	me->id = 1 + __atomic_fetch_add(&torture->ids, 1, __ATOMIC_RELAXED) % 0xfff0;
	for (i = 0; i < MAX_PROCS; i++) {
		pid_t none = 0;

		if (!__atomic_compare_exchange_n(&torture->procs[i].pid, &none, getpid(), false,
						 __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
			continue;
		torture->procs[i].mem = me->mem;
		torture->procs[i].pages = me->pages;
		break;
	}
}

/* Whoever wants to be alone gets it, though others never rest */
void init_locks(void)
{
	pthread_rwlockattr_t attr;

	pthread_rwlockattr_init(&attr);
	pthread_rwlockattr_setkind_np(&attr, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
	pthread_rwlock_init(&me->whole, &attr);
	pthread_rwlock_init(&me->direct, &attr);
}

/* A fork that the family knows of: whoever reaps the child takes it off */
pid_t child_begin(void)
{
	pid_t pid;

	__atomic_fetch_add(&me->family->alive, 1, __ATOMIC_SEQ_CST);
	before_fork();
	pid = fork();
	if (pid < 0)
		__atomic_fetch_sub(&me->family->alive, 1, __ATOMIC_SEQ_CST);
	return pid;
}

/* Wait for a child, if it was made */
void child_end(pid_t pid)
{
	if (pid > 0 && waitpid(pid, NULL, 0) == pid)
		reap(pid);
}

/* As child_begin(), and the child can tell what has changed meanwhile */
static pid_t note_and_fork(struct actor *a)
{
	memcpy(a->before, me->page, me->pages * sizeof(*a->before));
	return child_begin();
}

/* What a fork does to each page, as advised, and by the threads that are not here */
static void inherit_page(const struct actor *a, int i)
{
	struct page *p = &me->page[i];

	if (p->flags & P_REMAPS) {
		map_fresh(i, 1);
	} else if (p->flags & P_NOFORK) {
		remap_end(i, 1, 0);
	} else if (p->flags & P_WIPE) {
		p->base = 0;
		p->next = 0;
		p->flags &= ~(P_CHANGES | P_LAZY | P_ANY);
	} else if (memcmp(p, &a->before[i], sizeof(*p))) {
		/*
		 * A page that is pinned is copied at once, and its owner writes on and
		 * may say so before what stands here is copied.
		 */
		p->flags |= P_CHANGES | P_ANY;
	}
}

static void become_child(struct actor *a, uint64_t seed)
{
	int i;

	/* What the threads hold is not the child's, and it must not keep it */
	for (i = 0; i < me->nr_threads; i++)
		actor_exit(&threads[i].actor);
	memcpy(me->others, me->doing, sizeof(me->others));
	me->depth++;
	me->nr_threads = rnd(a, 4) || me->nr_pieces < 2 ? 1 : 2;
	init_locks();
	process_enter();
	for (i = 0; i < me->pages; i++)
		inherit_page(a, i);
	if (rnd(a, 2))
		check_range(a, 0, me->pages);
	run_threads(seed, 1 + seed % CHILD_TURNS);
}

/* The end comes in several ways */
static __attribute__((noreturn)) void leave(uint32_t how)
{
	switch (how % 4) {
	case 0:
		munmap(me->mem, me->pages * laf_page);
		break;
	case 1:
		kill(getpid(), SIGKILL);
	}
	_exit(0);
}

static pid_t new_child(struct actor *a)
{
	uint64_t seed = (uint64_t)rnd(a, 1 << 30) << 20 | rnd(a, 1 << 20);
	pid_t pid;

	if (me->depth >= MAX_DEPTH)
		return -1;
	if (__atomic_load_n(&me->family->alive, __ATOMIC_SEQ_CST) >= MAX_FAMILY)
		return -1;
	pid = note_and_fork(a);
	if (!pid) {
		become_child(a, seed);
		leave(seed);
	}
	return pid;
}

/* How much of what is about to be shared is in large folios */
static void count_large(struct actor *a)
{
	uint64_t *maps = (uint64_t *)a->buffer, flags;
	int i;

	if (rnd(a, 8) ||
	    !read_words("/proc/self/pagemap", (uintptr_t)me->mem / laf_page, me->pages, maps))
		return;
	for (i = 0; i < me->pages; i++) {
		if (!(maps[i] & PM_PRESENT) || !(maps[i] & PM_PFN) ||
		    !read_words("/proc/kpageflags", maps[i] & PM_PFN, 1, &flags))
			continue;
		__atomic_fetch_add(&torture->seen, 1, __ATOMIC_RELAXED);
		if (flags & KPF_BIT_THP)
			__atomic_fetch_add(&torture->seen_large, 1, __ATOMIC_RELAXED);
	}
}

static bool op_fork(struct actor *a)
{
	pid_t pid;

	count_large(a);

	pthread_rwlock_wrlock(&me->direct);
	pid = new_child(a);
	pthread_rwlock_unlock(&me->direct);
	return pid > 0;
}

static bool op_fork_alone(struct actor *a)
{
	return new_child(a) > 0;
}

static bool op_wait(struct actor *a)
{
	pid_t pid = waitpid(-1, NULL, rnd(a, 8) ? WNOHANG : 0);

	if (pid > 0)
		reap(pid);
	return pid > 0;
}

/* The page that a tracer writes to while its child is stopped */
static bool trace_write(struct actor *a, pid_t pid, int i, uint64_t base)
{
	struct iovec from = { a->buffer, laf_page }, to = { page_at(i), laf_page };
	char path[32];
	ssize_t n;
	int fd;

	fill(a->buffer, base);
	if (rnd(a, 2)) {
		n = process_vm_writev(pid, &from, 1, &to, 1, 0);
	} else {
		snprintf(path, sizeof(path), "/proc/%d/mem", pid);
		fd = open(path, O_RDWR | O_CLOEXEC);
		if (fd < 0)
			return false;
		n = pwrite(fd, a->buffer, laf_page, (off_t)(uintptr_t)page_at(i));
		close(fd);
	}
	return n == (ssize_t)laf_page &&
	       !ptrace(PTRACE_POKEDATA, pid, page_at(i), (void *)(uintptr_t)base);
}

static __attribute__((noreturn)) void traced(struct actor *a, int i, uint64_t base, pid_t tracer)
{
	int j;

	/* Who gets it when its tracer is gone would let it stand for ever */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != tracer || ptrace(PTRACE_TRACEME, 0, NULL, NULL))
		_exit(0);
	for (j = 0; j < me->pages; j++)
		inherit_page(a, j);
	me->page[i].next = base;
	me->page[i].flags |= P_CHANGES;
	raise(SIGSTOP);
	/* The page is now the new one, or, if that failed, anything of both */
	check_range(a, 0, me->pages);
	_exit(0);
}

/* Write into a child; what is here stays as it is */
static bool op_trace(struct actor *a)
{
	uint64_t base;
	pid_t pid, tracer = getpid();
	int i, nr, status;
	bool ok = false;

	pick(a, &i, &nr, 1);
	if (!range_has(i, 1, P_ALL) || me->page[i].flags & (P_NOFORK | P_WIPE | P_CHANGES))
		return false;
	base = new_base(i);
	pid = note_and_fork(a);
	if (!pid)
		traced(a, i, base, tracer);
	if (pid < 0)
		return false;
	if (waitpid(pid, &status, 0) == pid && WIFSTOPPED(status)) {
		ok = trace_write(a, pid, i, base);
		ptrace(PTRACE_CONT, pid, NULL, NULL);
		/* A page that is lost stops it once more, by a signal */
		while (waitpid(pid, &status, 0) == pid && WIFSTOPPED(status))
			ptrace(PTRACE_CONT, pid, NULL, (void *)(long)WSTOPSIG(status));
	}
	reap(pid);
	check_page(a, i);
	return ok;
}

/* ------------------------------------------------------------------ a turn */

const struct op torture_ops[] = {
	{ "write", op_write, 24 },
	{ "read", op_read, 12 },
	{ "memwrite", op_mem_write, 3 },
	{ "memread", op_mem_read, 2 },
	{ "vmwrite", op_vm_write, 3 },
	{ "vmread", op_vm_read, 2 },
	{ "pipecopy", op_pipe_copy, 2 },
	{ "unmap", op_unmap, 3 },
	{ "map", op_map, 4 },
	{ "renew", op_renew, 10 },
	{ "move", op_move, 8 },
	{ "protect", op_protect, 8 },
	{ "forkadvice", op_fork_advice, 2 },
	{ "dontneed", op_dontneed, 4 },
	{ "holes", op_holes, 3 },
	{ "free", op_free, 6 },
	{ "advise", op_advise, 8 },
	{ "pageout", op_pageout, 5 },
	{ "merge", op_merge, 3 },
	{ "lock", op_lock, 4 },
	{ "bind", op_bind, 3 },
	{ "movepages", op_move_pages, 4 },
	{ "migrate", op_migrate_pages, 2 },
	{ "split", op_split, 1 },
	{ "poison", op_poison, 1 },
	{ "pipehold", op_pipe_hold, 8 },
	{ "pin", op_pin, 8 },
	{ "gup", op_gup, 2 },
	{ "ask", op_ask, 3, true },
	{ "ring", op_ring, 8 },
	{ "directout", op_direct_out, 4 },
	{ "directin", op_direct_in, 4 },
	{ "uffdcopy", op_uffd_copy, 2 },
	{ "uffdwp", op_uffd_wp, 2 },
	{ "uffdmissing", op_uffd_missing, 2 },
	{ "fork", op_fork, 8 },
	{ "forkalone", op_fork_alone, 4, true },
	{ "wait", op_wait, 6 },
	{ "trace", op_trace, 2, true },
	{ "file", op_file, 3, true },
	{ "hugetlb", op_hugetlb, 2, true },
};

const int torture_nr_ops = ARRAY_SIZE(torture_ops);

static int choose(struct actor *a)
{
	int sum = 0, i;

	for (i = 0; i < torture_nr_ops; i++)
		sum += torture_ops[i].weight;
	sum = rnd(a, sum);
	for (i = 0; sum >= torture_ops[i].weight; i++)
		sum -= torture_ops[i].weight;
	return i;
}

static void do_turns(struct actor *a)
{
	while (a->turns-- > 0 && !torture->stop && !laf_failed()) {
		int nr = choose(a);
		const struct op *op = &torture_ops[nr];

		if (op->whole)
			pthread_rwlock_wrlock(&me->whole);
		else
			pthread_rwlock_rdlock(&me->whole);
		a->done[a->nr_done++ % NR_DONE] = op->name;
		me->doing[a->nr] = op->name;
		__atomic_fetch_add(&torture->ran[nr], 1, __ATOMIC_RELAXED);
		if (op->run(a))
			__atomic_fetch_add(&torture->worked[nr], 1, __ATOMIC_RELAXED);
		pthread_rwlock_unlock(&me->whole);
		__atomic_fetch_add(&torture->turns, 1, __ATOMIC_RELAXED);
	}
}

static void *thread(void *arg)
{
	struct actor *a = arg;

	do_turns(a);
	return NULL;
}

/* Have the process's threads do their turns, and check all of it in the end */
void run_threads(uint64_t seed, int turns)
{
	int i, nr = 1;

	for (i = 0; i < me->nr_threads; i++)
		actor_init(&threads[i].actor, i, seed, turns);
	for (i = 1; i < me->nr_threads; i++, nr++)
		if (pthread_create(&threads[i].thread, NULL, thread, &threads[i].actor))
			break;
	do_turns(&threads[0].actor);
	for (i = 1; i < nr; i++)
		pthread_join(threads[i].thread, NULL);
	for (i = 0; i < me->nr_threads; i++) {
		if (threads[i].actor.pipe.active)
			op_pipe_release(&threads[i].actor);
		if (threads[i].actor.pin.active)
			op_unpin(&threads[i].actor);
		if (threads[i].actor.ringed.active)
			ring_write(&threads[i].actor);
	}
	check_range(&threads[0].actor, 0, me->pages);
	for (i = 0; i < me->nr_threads; i++)
		actor_exit(&threads[i].actor);
}
