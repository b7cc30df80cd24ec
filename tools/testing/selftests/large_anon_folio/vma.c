// SPDX-License-Identifier: GPL-2.0
/*
 * Folios stay in their VMA and beside pages that are there already, and on the memory
 * node that its policy names.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/mempolicy.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../kselftest.h"
#include "laf_util.h"

#define MAX_PAGES	4096

/* The kernel's rule, told again: what a fault at @page would get */
struct model {
	char *base;		/* address that all else counts from */
	size_t start, end;	/* the VMA, in pages from base */
	int max_order;
	bool there[MAX_PAGES];
};

static int model_order(const struct model *m, size_t page)
{
	int order;

	for (order = m->max_order; order >= LAF_MIN_ORDER; order--) {
		size_t nr = 1UL << order, i;
		size_t first = ((uintptr_t)m->base / laf_page + page) & ~(nr - 1);
		bool fits;

		first -= (uintptr_t)m->base / laf_page;
		fits = first >= m->start && first < m->end && first + nr <= m->end;
		for (i = first; fits && i < first + nr; i++)
			fits = !m->there[i];
		if (fits)
			return order;
	}
	return 0;
}

static void model_populate(struct model *m, size_t page, int order)
{
	size_t first = ((uintptr_t)m->base / laf_page + page) & ~((1UL << order) - 1);

	first -= (uintptr_t)m->base / laf_page;
	memset(m->there + first, true, 1UL << order);
}

/* Fault at @page, and compare with the model: the folio, and nothing but it */
static void fault_at(struct model *m, size_t page, const char *what)
{
	size_t i, nr = 0;
	int want, saw;

	want = m->there[page] ? -1 : model_order(m, page);
	laf_touch(m->base + page * laf_page);
	if (want < 0)
		return;
	saw = laf_order_at(m->base + page * laf_page);
	laf_expect(saw == want && laf_is_folio(m->base + page * laf_page, want),
		   "%s: VMA of pages [%zu, %zu) from %p, page %zu: saw order %d, want %d",
		   what, m->start, m->end, m->base, page, saw, want);
	model_populate(m, page, want);
	for (i = m->start; i < m->end; i++)
		nr += m->there[i];
	i = laf_count(m->base + m->start * laf_page, (m->end - m->start) * laf_page,
		      PM_PRESENT);
	laf_expect(i == nr, "%s: saw %zu pages after the fault at page %zu, want %zu",
		   what, i, page, nr);
}

static struct model *new_model(int order, size_t start, size_t end)
{
	struct model *m = calloc(1, sizeof(*m));

	m->max_order = order;
	m->start = start;
	m->end = end;
	m->base = laf_map_at((end - start) * laf_page, laf_size(order),
			     start * laf_page) - start * laf_page;
	return m;
}

static void free_model(struct model *m)
{
	laf_unmap(m->base + m->start * laf_page, (m->end - m->start) * laf_page);
	free(m);
}

/* A VMA that is smaller than the folio, or not aligned to it, gets none */
static void test_too_small(int order)
{
	size_t size = laf_size(order);
	char *p;

	laf_only(order);
	p = laf_map(size - laf_page, size);
	laf_touch(p);
	laf_expect_folio(p, 0);
	p = laf_map_at(size, size, laf_page);
	laf_touch(p);
	laf_touch(p + size - laf_page);
	laf_expect_folio(p, 0);
	laf_expect_folio(p + size - laf_page, 0);
	p = laf_map_at(2 * size - laf_page, size, laf_page);
	laf_touch(p);
	laf_touch(p + size);
	laf_expect_folio(p, 0);
	laf_expect_folio(p + size, order);
	/* Not one page more than that */
	laf_expect(laf_count(p, 2 * size - laf_page, PM_PRESENT) == (1UL << order) + 1,
		   "saw %zu pages, want %lu", laf_count(p, 2 * size - laf_page, PM_PRESENT),
		   (1UL << order) + 1);
}

/* Every start, end and place of a fault around blocks of 64 KiB, all sizes on */
static void test_offsets(int order)
{
	size_t nr = 1UL << order, start, end, page;

	laf_set_sizes(LAF_MIN_ORDER, order, "madvise");
	for (start = 0; start <= nr; start += nr > 16 ? 3 : 1) {
		for (end = nr; end <= 3 * nr; end += 1 + laf_random() % (nr / 2)) {
			if (end <= start)
				continue;
			for (page = start; page < end; page += 1 + laf_random() % 3) {
				struct model *m = new_model(order, start, end);

				fault_at(m, page, "offsets");
				free_model(m);
				if (laf_failed())
					return;
			}
		}
	}
}

/* Faults at random until the VMA is full, some pages single from before */
static void test_neighbours(int order)
{
	size_t nr = 2UL << order, i;
	int round;

	if (nr > MAX_PAGES / 2)
		laf_skip("the model is too small for this size");
	for (round = 0; round < 12; round++) {
		size_t start = laf_random() % nr, end = nr + laf_random() % nr;
		struct model *m;

		if (end - start < 8)
			continue;
		m = new_model(order, start, end);
		laf_set_sizes(LAF_MIN_ORDER, order, "never");
		m->max_order = 0;
		for (i = 0; i < (size_t)round; i++)
			fault_at(m, start + laf_random() % (end - start), "single pages");
		laf_set_sizes(LAF_MIN_ORDER, order, "madvise");
		m->max_order = order;
		for (i = 0; i < 40; i++)
			fault_at(m, start + laf_random() % (end - start), "neighbours");
		laf_fill(m->base + start * laf_page, (end - start) * laf_page, round);
		laf_expect_data(m->base + start * laf_page, (end - start) * laf_page,
				round, 0, "full VMA");
		free_model(m);
		if (laf_failed())
			return;
	}
}

/* A folio next to a swapped-out or PROT_NONE page, too, must not cover it */
static void test_prot_none_neighbour(int order)
{
	size_t size = laf_size(order);
	char *p;

	laf_only(order);
	p = laf_map(2 * size, size);
	laf_set_size(order, "never");
	laf_touch(p + laf_page);
	laf_fill(p + laf_page, laf_page, 5);
	laf_require(!mprotect(p, 2 * size, PROT_NONE), "mprotect: %s", strerror(errno));
	laf_only(order);
	laf_require(!mprotect(p, 2 * size, PROT_READ | PROT_WRITE), "mprotect: %s",
		    strerror(errno));
	laf_touch(p);
	laf_expect_folio(p, 0);
	laf_expect_data(p + laf_page, laf_page, 5, 0, "neighbour");
	laf_touch(p + size);
	laf_expect_folio(p + size, order);
}

/* Memory without write permission reads zero, and gets no folio by that */
static void test_read_only(int order)
{
	size_t size = laf_size(order);
	char *p;

	laf_only(order);
	p = laf_map(size, size);
	laf_require(!mprotect(p, size, PROT_READ), "mprotect: %s", strerror(errno));
	laf_expect(laf_signal_write(p) == 11, "write to PROT_READ memory: no SIGSEGV");
	laf_expect(laf_zero(p, laf_page), "not zero");
	laf_require(!mprotect(p, size, PROT_NONE), "mprotect: %s", strerror(errno));
	laf_expect(laf_signal_read(p) == 11, "read of PROT_NONE memory: no SIGSEGV");
}

static void test_brk(int order)
{
	size_t size = laf_size(order), i;
	char *old, *heap;

	laf_set_sizes(LAF_MIN_ORDER, order, "always");
	old = sbrk(8 * size);
	laf_require(old != (void *)-1, "sbrk: %s", strerror(errno));
	heap = (char *)ALIGN_UP((uintptr_t)old, size);
	for (i = 0; i < 4; i++) {
		laf_touch(heap + i * size + laf_page);
		/* The C library may have used the first block already */
		if (i)
			laf_expect_folio(heap + i * size, order);
	}
	heap += size;
	laf_fill(heap, 3 * size, 7);
	/* The heap ends in the middle of the last folio, and grows again */
	laf_require(!brk(heap + 2 * size + size / 2), "brk: %s", strerror(errno));
	laf_expect_data(heap, 2 * size + size / 2, 7, 0, "heap");
	laf_require(!brk(heap + 5 * size), "brk: %s", strerror(errno));
	laf_expect_data(heap, 2 * size + size / 2, 7, 0, "heap that has grown");
	laf_expect(laf_zero(heap + 2 * size + size / 2, 2 * size + size / 2),
		   "new heap is not zero");
	laf_touch(heap + 4 * size);
	laf_expect_folio(heap + 4 * size, 0);	/* it was read: the zero page */
}

#define STACK	(768UL << 10)

static __attribute__((noinline)) void use_stack(int order)
{
	volatile char area[STACK];
	size_t i, large = 0;
	char *p = (char *)area;

	/* From the lowest address up: the VMA grows at once, to there */
	p[0] = 1;
	for (i = 0; i < STACK; i += laf_page)
		p[i] = 1;
	for (i = 0; i < STACK; i += laf_page) {
		int o = laf_order_at(p + i);

		if (o > 0) {
			laf_expect_folio(p + i, o);
			laf_expect(o <= order, "saw order %d, want %d at most", o, order);
			large++;
		}
	}
	laf_expect(large >= STACK / laf_page / 2,
		   "saw %zu pages of the stack in large folios, want at least %zu",
		   large, STACK / laf_page / 2);
	p = (char *)ALIGN_UP((uintptr_t)p, laf_page);
	laf_fill(p, STACK - 2 * laf_page, 11);
	laf_expect_data(p, STACK - 2 * laf_page, 11, 0, "stack");
}

/* The stack is memory like any other, below what the program was started with */
static void test_stack(int order)
{
	struct rlimit limit;

	if (laf_size(order) > STACK / 8)
		order = LAF_MIN_ORDER;
	getrlimit(RLIMIT_STACK, &limit);
	if (limit.rlim_cur != RLIM_INFINITY && limit.rlim_cur < 2 * STACK)
		laf_skip("the stack is limited to %lu", (unsigned long)limit.rlim_cur);
	laf_set_sizes(LAF_MIN_ORDER, order, "always");
	use_stack(order);
}

/* Moved by what is no multiple of the folio's size, and filled where it had holes */
static void test_mremap_all(int order)
{
	size_t size = laf_size(order), len = 4 * size, i;
	char *p, *q;

	laf_only(order);
	p = laf_map(len, size);
	laf_touch(p);
	laf_touch(p + 2 * size);
	laf_fill(p, size, 1);
	laf_fill(p + 2 * size, size, 2);
	q = laf_map_at(len + 2 * size, size, laf_page);
	q = mremap(p, len, len, MREMAP_MAYMOVE | MREMAP_FIXED, q);
	laf_require(q != MAP_FAILED, "mremap: %s", strerror(errno));
	laf_expect_data(q, size, 1, 0, "moved");
	laf_expect_data(q + 2 * size, size, 2, 0, "moved");
	/* No block is both aligned and empty now */
	for (i = size; i < 2 * size; i += laf_page) {
		laf_touch(q + i);
		laf_expect(laf_order_at(q + i) == 0, "hole: saw order %d, want 0",
			   laf_order_at(q + i));
	}
	laf_expect_data(q, size, 1, 0, "before the hole");
	laf_expect_data(q + 2 * size, size, 2, 0, "behind the hole");

	/* Grow in place: what is new is large again */
	laf_require(!munmap(q + len, 2 * size), "munmap: %s", strerror(errno));
	laf_require(mremap(q, len, len + 2 * size, 0) == q, "mremap: %s", strerror(errno));
	i = ALIGN_UP((uintptr_t)q + len, size) - (uintptr_t)q;
	laf_touch(q + i);
	laf_expect_folio(q + i, order);
	laf_expect_data(q + 2 * size, size, 2, 0, "after growing");

	/* Shrink to the middle of a folio, and grow again */
	laf_require(mremap(q, len + 2 * size, 2 * size + size / 2, 0) == q, "mremap: %s",
		    strerror(errno));
	laf_expect_data(q + 2 * size, size / 2, 2, 0, "after shrinking");
}

/* A VMA that mprotect() splits inside a folio, and joins again */
static void test_mprotect_split(int order)
{
	size_t size = laf_size(order), half = size / 2;
	char *p;

	laf_only(order);
	p = laf_map(3 * size, size);
	laf_touch(p);
	laf_fill(p, size, 9);
	laf_require(!mprotect(p + half, size, PROT_READ), "mprotect: %s", strerror(errno));
	laf_expect_data(p, size, 9, 0, "after mprotect");
	laf_expect(laf_signal_write(p + half) == 11, "write to PROT_READ memory: no SIGSEGV");
	laf_expect(laf_signal_write(p + size - 1) == 11,
		   "write to PROT_READ memory: no SIGSEGV");
	laf_expect(!laf_signal_write(p), "write to the other half: a signal");
	laf_expect_folio(p, order);
	/* The second block is in two VMAs, the third in one */
	laf_touch(p + size + half);
	laf_expect_folio(p + size + half, 0);
	laf_touch(p + 2 * size);
	laf_expect_folio(p + 2 * size, order);
	laf_require(!mprotect(p + half, size, PROT_READ | PROT_WRITE), "mprotect: %s",
		    strerror(errno));
	laf_fill(p, 3 * size, 10);
	laf_expect_data(p, 3 * size, 10, 0, "joined again");
}

/* A hint for a part of a VMA */
static void test_hint_part(int order)
{
	size_t size = laf_size(order);
	char *p;

	laf_only(order);
	p = laf_map(4 * size, size);
	laf_require(!madvise(p + size, size + size / 2, MADV_NOHUGEPAGE), "madvise: %s",
		    strerror(errno));
	laf_touch(p);
	laf_touch(p + size);
	laf_touch(p + 2 * size + size / 2);
	laf_touch(p + 3 * size);
	laf_expect_folio(p, order);
	laf_expect_folio(p + size, 0);
	laf_expect_folio(p + 2 * size + size / 2, 0);
	laf_expect_folio(p + 3 * size, order);
}

/* What is not anonymous gets nothing of this */
static void test_other_mappings(int order)
{
	size_t size = laf_size(order);
	char *shared, *file;
	int fd;

	laf_set_sizes(LAF_MIN_ORDER, order, "always");
	shared = mmap(NULL, 4 * size, PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	laf_require(shared != MAP_FAILED, "mmap: %s", strerror(errno));
	shared = (char *)ALIGN_UP((uintptr_t)shared, size);
	laf_touch(shared);
	laf_expect(laf_order_at(shared) == 0, "MAP_SHARED: saw order %d, want 0",
		   laf_order_at(shared));

	fd = open("/proc/self/exe", O_RDONLY);
	file = mmap(NULL, 2 * size, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	laf_require(file != MAP_FAILED, "mmap: %s", strerror(errno));
	laf_touch(file);
	laf_expect(laf_order_at(file) == 0, "a private file page: saw order %d, want 0",
		   laf_order_at(file));

	/* This is anonymous memory by another name */
	fd = open("/dev/zero", O_RDWR);
	if (fd < 0)
		return;
	file = mmap(NULL, 4 * size, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	laf_require(file != MAP_FAILED, "mmap: %s", strerror(errno));
	file = (char *)ALIGN_UP((uintptr_t)file, size);
	laf_touch(file);
	laf_expect_folio(file, order);
}

/* ---------------------------------------------------------------- hugetlbfs */

/*
 * Who maps as much of a file as a table of huge pages takes shares the table with others
 * who do, until his mapping is split.
 */
static void test_hugetlb_split(int order)
{
	const size_t huge = laf_size(laf_pmd_order), len = laf_page / sizeof(uint64_t) * huge;
	char *area = mmap(NULL, 2 * len, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char *low = (char *)ALIGN_UP((uintptr_t)area, len), *high = low + len / 2;
	int fd = memfd_create("vma", MFD_CLOEXEC | MFD_HUGETLB);
	struct laf_sync sync;
	pid_t pid;

	(void)order;
	if (fd < 0 || area == MAP_FAILED)
		laf_skip("no hugetlbfs: %s", strerror(errno));
	laf_hugetlb_need(2);
	laf_require(!ftruncate(fd, len), "ftruncate: %s", strerror(errno));
	laf_require(mmap(low, len, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED | MAP_NORESERVE,
			 fd, 0) == low, "mmap: %s", strerror(errno));
	laf_at(uint64_t, low) = 1;
	laf_at(uint64_t, high) = 2;
	laf_sync_init(&sync);
	pid = laf_fork();
	if (!pid) {
		laf_expect(laf_at(uint64_t, low) == 1 && laf_at(uint64_t, high) == 2,
			   "the child does not see what was written");
		laf_sync_post(&sync, 0);
		laf_sync_wait(&sync, 1);
		laf_expect(laf_at(uint64_t, high) == 2,
			   "the child sees what is not the file's: %#llx",
			   (unsigned long long)laf_at(uint64_t, high));
		laf_at(uint64_t, low) = 4;
		_exit(0);
	}
	laf_sync_wait(&sync, 0);
	laf_require(mmap(high, len / 2, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE, -1, 0) == high,
		    "mmap over the half: %s", strerror(errno));
	laf_at(uint64_t, high) = 3;
	laf_sync_post(&sync, 1);
	laf_join(pid);
	laf_expect(laf_at(uint64_t, high) == 3, "own memory has changed");
	laf_expect(laf_at(uint64_t, low) == 4, "what the child wrote to the file is not seen");
}

/* --------------------------------------------------------- memory policies */

#define NR	4

/* Two nodes, or none of this */
static void need_nodes(void)
{
	char nodes[64];

	if (laf_read("/sys/devices/system/node/has_memory", nodes, sizeof(nodes)) ||
	    strncmp(nodes, "0-", 2))
		laf_skip("only one memory node");
}

static int try_mbind(char *p, size_t length, int mode, unsigned long nodes, unsigned int flags)
{
	return syscall(__NR_mbind, p, length, mode, &nodes, 8 * sizeof(nodes), flags) ?
	       -errno : 0;
}

static void bind_to(char *p, size_t length, int node, unsigned int flags)
{
	int err = try_mbind(p, length, MPOL_BIND, 1UL << node, flags);

	laf_require(!err, "mbind to node %d, flags %#x: saw %s", node, flags, strerror(-err));
}

/* Where the kernel says that a page is: two calls, which have to agree */
static int node_of(char *p)
{
	int by_policy = -1, status = -1;
	void *addr = p;

	laf_require(!syscall(__NR_get_mempolicy, &by_policy, NULL, 0, p,
			     MPOL_F_NODE | MPOL_F_ADDR), "get_mempolicy: %s", strerror(errno));
	laf_require(!syscall(__NR_move_pages, 0, 1, &addr, NULL, &status, 0),
		    "move_pages: %s", strerror(errno));
	laf_expect(by_policy == status, "get_mempolicy says node %d, move_pages %d", by_policy,
		   status);
	return status;
}

static void expect_node(char *p, size_t length, int node, const char *what)
{
	size_t i, nr = length / laf_page, other = 0;

	for (i = 0; i < nr; i++)
		other += node_of(p + i * laf_page) != node;
	laf_expect(!other, "%s: saw %zu of %zu pages on another node than %d", what, other, nr,
		   node);
}

static void expect_folios(char *p, int order)
{
	int i;

	for (i = 0; i < NR; i++)
		laf_expect_folio(p + i * laf_size(order), order);
}

/* Whole folios that were touched on @node */
static char *folios_on(int order, int node, uint64_t seed)
{
	size_t size = laf_size(order), len = NR * size, i;
	char *p = laf_map(len, size);

	bind_to(p, len, node, 0);
	for (i = 0; i < len; i += size)
		laf_touch(p + i);
	expect_folios(p, order);
	laf_fill(p, len, seed);
	return p;
}

/* The policy that is there before the first touch decides where folios are */
static void test_policy(int order)
{
	size_t size = laf_size(order), len = NR * size, on[2] = { 0 }, i;
	unsigned long mask;
	int node;
	char *p;

	need_nodes();
	laf_only(order);
	for (node = 0; node < 2; node++) {
		p = folios_on(order, node, 90);
		expect_node(p, len, node, "mbind before the fault");
		laf_unmap(p, len);
	}
	for (node = 0; node < 2; node++) {
		mask = 1UL << node;
		laf_require(!syscall(__NR_set_mempolicy, MPOL_BIND, &mask, 8 * sizeof(mask)),
			    "set_mempolicy: %s", strerror(errno));
		p = laf_folios(order, NR, 91);
		expect_node(p, len, node, "set_mempolicy before the fault");
		laf_unmap(p, len);
	}
	laf_require(!syscall(__NR_set_mempolicy, MPOL_DEFAULT, NULL, 0), "set_mempolicy: %s",
		    strerror(errno));

	/* One folio here, one there, and none in two places */
	p = laf_map(len, size);
	node = try_mbind(p, len, MPOL_INTERLEAVE, 3, 0);
	laf_require(!node, "mbind: %s", strerror(-node));
	for (i = 0; i < len; i += size) {
		laf_touch(p + i);
		laf_expect_folio(p + i, order);
		node = node_of(p + i);
		laf_require(node == 0 || node == 1, "node: saw %d", node);
		on[node]++;
		expect_node(p + i, size, node, "a folio of interleaved memory");
	}
	laf_expect(on[0] == on[1], "interleaved: saw %zu folios on node 0, %zu on 1", on[0], on[1]);
}

/* Each folio is moved as it is, and none is said not to be movable */
static void test_mbind(int order)
{
	size_t len = NR * laf_size(order);
	int node = 0, round;
	char *p;

	need_nodes();
	laf_only(order);
	p = folios_on(order, 0, 92);
	for (round = 0; round < 4; round++) {
		node = !node;
		bind_to(p, len, node, MPOL_MF_MOVE | MPOL_MF_STRICT);
		expect_node(p, len, node, "mbind, MPOL_MF_MOVE");
		expect_folios(p, order);
		laf_expect_data(p, len, 92 + round, 0, "moved");
		laf_fill(p, len, 93 + round);
	}
	/* All there: only asks */
	bind_to(p, len, node, MPOL_MF_STRICT);
	round = try_mbind(p, len, MPOL_BIND, 1UL << !node, MPOL_MF_STRICT);
	laf_expect(round == -EIO, "mbind elsewhere without MPOL_MF_MOVE: saw %d, want %d", round,
		   -EIO);
	expect_node(p, len, node, "mbind without MPOL_MF_MOVE");
}

/* Only one half of a folio is to be there: it is, and the data of both is right */
static void test_mbind_part(int order)
{
	size_t size = laf_size(order), len = NR * size, from;
	char *p;

	need_nodes();
	laf_only(order);
	for (from = 0; from < size; from += size / 2) {
		p = folios_on(order, 0, 97);
		bind_to(p + from, size / 2, 1, MPOL_MF_MOVE | MPOL_MF_STRICT);
		expect_node(p + from, size / 2, 1, from ? "upper half" : "lower half");
		expect_node(p + size, len - size, 0, "what is behind it");
		laf_expect_data(p, len, 97, 0, "half of it moved");
		laf_unmap(p, len);
	}
}

/* What a child maps as well stays, unless all are meant */
static void test_mbind_shared(int order)
{
	size_t len = NR * laf_size(order);
	struct laf_sync sync;
	pid_t pid;
	char *p;
	int err;

	need_nodes();
	laf_only(order);
	laf_sync_init(&sync);
	p = folios_on(order, 0, 98);
	pid = laf_fork();
	if (!pid) {
		laf_sync_wait(&sync, 1);
		expect_node(p, len, 1, "child");
		laf_expect_data(p, len, 98, 0, "child");
		_exit(0);
	}
	bind_to(p, len, 1, MPOL_MF_MOVE);
	expect_node(p, len, 0, "shared with a child");
	err = try_mbind(p, len, MPOL_BIND, 2, MPOL_MF_MOVE | MPOL_MF_STRICT);
	/* 6.1 is silent about what it leaves there because it is shared; later kernels tell */
	laf_expect(!err || err == -EIO, "mbind of shared memory, strict: saw %d, want 0 or %d",
		   err, -EIO);
	expect_node(p, len, 0, "shared with a child, strict");
	bind_to(p, len, 1, MPOL_MF_MOVE_ALL | MPOL_MF_STRICT);
	expect_node(p, len, 1, "shared with a child, MPOL_MF_MOVE_ALL");
	expect_folios(p, order);
	laf_sync_post(&sync, 1);
	laf_join(pid);
	bind_to(p, len, 0, MPOL_MF_MOVE | MPOL_MF_STRICT);
	expect_node(p, len, 0, "the child is gone");
	expect_folios(p, order);
	laf_expect_data(p, len, 98, 0, "parent");
}

/* The child has but the last page of each folio left: shared all the same */
static void test_mbind_shared_part(int order)
{
	size_t size = laf_size(order), len = NR * size, i;
	struct laf_sync sync;
	pid_t pid;
	char *p;

	need_nodes();
	laf_only(order);
	if (!laf_exists("/sys/module/atomic_seqcount/parameters/sole"))
		laf_skip("this kernel does not know who maps a folio (RMAP_ID)");
	laf_sync_init(&sync);
	p = folios_on(order, 0, 99);
	pid = laf_fork();
	if (!pid) {
		for (i = 0; i < NR; i++)
			munmap(p + i * size, size - laf_page);
		laf_sync_post(&sync, 0);
		laf_sync_wait(&sync, 1);
		for (i = 0; i < NR; i++)
			laf_expect_data(p + (i + 1) * size - laf_page, laf_page, 99,
					(i + 1) * (size / laf_page) - 1, "child");
		_exit(0);
	}
	laf_sync_wait(&sync, 0);
	bind_to(p, len, 1, MPOL_MF_MOVE);
	expect_node(p, len, 0, "the child maps the last page");
	expect_folios(p, order);
	laf_sync_post(&sync, 1);
	laf_join(pid);
	bind_to(p, len, 1, MPOL_MF_MOVE | MPOL_MF_STRICT);
	expect_node(p, len, 1, "the child is gone");
	expect_folios(p, order);
	laf_expect_data(p, len, 99, 0, "parent");
}

/* All pages of a folio are named, or one: the folio moves, each page says where to */
static void test_move_pages(int order)
{
	size_t size = laf_size(order), len = NR * size, pages = len / laf_page, i, wrong, step;
	int *nodes, *status, node;
	void **addrs;
	char *p;
	long ret;

	need_nodes();
	laf_only(order);
	p = folios_on(order, 0, 100);
	addrs = calloc(pages, sizeof(*addrs));
	nodes = calloc(pages, sizeof(*nodes));
	status = calloc(pages, sizeof(*status));
	laf_require(addrs && nodes && status, "no memory");
	for (node = 1, step = 1; step <= size / laf_page; node = !node, step *= 2) {
		size_t nr = pages / step;

		/* From the first page of each folio to the last one */
		for (i = 0; i < nr; i++) {
			addrs[i] = p + (i * step + (node ? 0 : step - 1)) * laf_page;
			nodes[i] = node;
			status[i] = -1;
		}
		ret = syscall(__NR_move_pages, 0, nr, addrs, nodes, status, MPOL_MF_MOVE);
		laf_expect(!ret, "move_pages of %zu pages: saw %ld, %s", nr, ret, strerror(errno));
		for (i = wrong = 0; i < nr; i++)
			wrong += status[i] != node;
		laf_expect(!wrong, "saw %zu of %zu statuses that are not %d", wrong, nr, node);
		expect_node(p, len, node, "move_pages");
		expect_folios(p, order);
		laf_expect_data(p, len, 100, 0, "move_pages");
	}
	free(addrs);
	free(nodes);
	free(status);
}

static const struct laf_test tests[] = {
	{ "VMA smaller than the folio", test_too_small, LAF_ALL },
	{ "start, end and place of a fault", test_offsets, LAF_ONCE, 180 },
	{ "populated neighbours", test_neighbours, LAF_PTE },
	{ "neighbour that is not accessible", test_prot_none_neighbour, LAF_ALL },
	{ "read only", test_read_only, LAF_SOME },
	{ "heap", test_brk, LAF_SOME },
	{ "stack", test_stack, LAF_ONCE },
	{ "mremap of all", test_mremap_all, LAF_PTE },
	{ "mprotect splits the VMA", test_mprotect_split, LAF_ALL },
	{ "hint for a part", test_hint_part, LAF_PTE },
	{ "other mappings", test_other_mappings, LAF_SOME },
	{ "hugetlbfs is split", test_hugetlb_split, LAF_ONCE },
	{ "memory policy before the fault", test_policy, LAF_ALL },
	{ "mbind", test_mbind, LAF_ALL },
	{ "mbind of a half", test_mbind_part, LAF_PTE },
	{ "mbind of shared memory", test_mbind_shared, LAF_ALL },
	{ "mbind of what is shared in part", test_mbind_shared_part, LAF_PTE },
	{ "move_pages", test_move_pages, LAF_ALL },
};

int main(void)
{
	return laf_main(tests, ARRAY_SIZE(tests));
}
