// SPDX-License-Identifier: GPL-2.0
/*
 * Memory so fragmented that large folios can't be had: faults take what there
 * is, and nobody is killed.
 */
#include <errno.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../kselftest.h"
#include "laf_util.h"

#define LIMIT	(6L << 30)	/* more than that takes too long to fill */

static char *hog;
static size_t hog_len;

/* The pagemap, read in large pieces */
#define CHUNK	4096

static uint64_t chunk[CHUNK];

static void chunk_load(size_t at)
{
	size_t page = at / laf_page, left = (hog_len - at) / laf_page;

	if (page % CHUNK == 0 && left)
		laf_pagemaps(hog + at, left < CHUNK ? left : CHUNK, chunk);
}

static uint64_t chunk_entry(size_t at)
{
	return chunk[at / laf_page % CHUNK];
}

/*
 * Fill most of the memory with single pages, and give all back but one in each
 * aligned block of 2^@hole pages. The ones that stay are locked, and compaction
 * is told to leave locked pages alone: no block of that order can be made.
 */
static void fragment(int hole)
{
	size_t nr = 1UL << hole, i, kept = 0, run = 0;
	long available = laf_meminfo("MemAvailable");

	if (available > LIMIT)
		laf_skip("more than %ld GiB of memory would have to be filled", LIMIT >> 30);
	laf_swap_off_all();
	if (!laf_exists("/proc/sys/vm/compact_unevictable_allowed"))
		laf_skip("no compact_unevictable_allowed");
	laf_set("/proc/sys/vm/compact_unevictable_allowed", "0");
	laf_write("/proc/sys/vm/drop_caches", "3");

	/* Some is left for page tables and whoever else runs */
	available = laf_meminfo("MemFree");
	hog_len = ALIGN_DOWN((size_t)(available - available / 12 - (48L << 20)), laf_page);
	hog = mmap(NULL, hog_len, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	laf_require(hog != MAP_FAILED, "mmap of %zu: %s", hog_len, strerror(errno));
	madvise(hog, hog_len, MADV_NOHUGEPAGE);
	for (i = 0; i < hog_len; i += laf_page)
		laf_at(uint64_t, hog + i) = i + 1;

	/* One in each block stays */
	for (i = 0; i <= hog_len; i += laf_page) {
		bool keep;

		chunk_load(i);
		keep = i < hog_len && !(chunk_entry(i) & PM_PFN & (nr - 1));
		if (i < hog_len && !keep) {
			run += laf_page;
			continue;
		}
		if (run)
			madvise(hog + i - run, run, MADV_DONTNEED);
		run = 0;
		kept += keep;
	}
	laf_require(kept >= hog_len / laf_page / nr / 2, "kept only %zu pages", kept);
	laf_require(!syscall(SYS_mlock2, hog, hog_len, 1), "mlock2: %s", strerror(errno));
}

static void check_hog(void)
{
	size_t i, wrong = 0;

	for (i = 0; i < hog_len; i += laf_page) {
		chunk_load(i);
		if (chunk_entry(i) & PM_PRESENT)
			wrong += laf_at(uint64_t, hog + i) != i + 1;
	}
	laf_expect(!wrong, "%zu of the pages in between have other data", wrong);
}

/* One word in each page of new memory, and all of them read back */
static char *use(size_t len, size_t align)
{
	char *p = laf_map(len, align);
	size_t i;

	for (i = 0; i < len; i += laf_page)
		laf_at(uint64_t, p + i) = ~i;
	for (i = 0; i < len; i += laf_page) {
		if (laf_at(uint64_t, p + i) == ~i)
			continue;
		laf_expect(false, "page %zu has other data", i / laf_page);
		break;
	}
	return p;
}

/*
 * Take what is left of larger blocks, then fault on: at that time there is
 * nothing but orders below @hole.
 */
static void use_rest(int max_order, int hole, const char *defrag)
{
	size_t block = laf_size(max_order), rest, len, i, small = 0, large = 0;
	long before[32], kills = laf_vmstat("oom_kill"), saw;
	bool never = !strcmp(defrag, "never");
	int order, nr = 0, most = never ? 1 : 16;
	char *p, *q[16];

	laf_set_sizes(LAF_MIN_ORDER, max_order, "madvise");
	laf_set(THP "defrag", "never");
	rest = ALIGN_DOWN((size_t)laf_meminfo("MemAvailable") / 2, block);
	p = use(rest, block);

	/* Each of these faults may make room, until there is no more to be made */
	laf_set(THP "defrag", defrag);
	len = ALIGN_UP(4UL << 20, block);
	for (order = LAF_MIN_ORDER; order <= max_order; order++)
		before[order] = laf_stat(order, "anon_fault_fallback");
	do {
		q[nr] = use(len, block);
		for (i = 0; i < len; i += laf_page) {
			if (laf_order_at(q[nr] + i) >= hole)
				large++;
			else
				small++;
		}
	} while (++nr < most && !small);
	laf_expect(small > (never ? large : 0),
		   "saw %zu pages in small folios and %zu in large ones", small, large);
	for (order = hole; order <= max_order; order++) {
		saw = laf_stat(order, "anon_fault_fallback") - before[order];
		laf_expect(saw > 0, "order %d: anon_fault_fallback: saw %+ld, want more than 0",
			   order, saw);
	}
	saw = laf_vmstat("oom_kill") - kills;
	laf_expect(!saw, "oom_kill: saw %+ld, want 0", saw);
	check_hog();
	laf_unmap(p, rest);
	while (nr--)
		laf_unmap(q[nr], len);
}

/* Nothing but single pages */
static void test_single(int order)
{
	fragment(LAF_MIN_ORDER);
	use_rest(order, LAF_MIN_ORDER, "never");
	use_rest(order, LAF_MIN_ORDER, "always");
}

/* Small folios are left, the large ones step down to them */
static void test_steps(int order)
{
	size_t len, i, found = 0;
	char *p;

	order += 2;
	fragment(order);
	use_rest(laf_largest() < order + 1 ? laf_largest() : order + 1, order, "madvise");

	/* There is enough of the next size */
	laf_set_sizes(LAF_MIN_ORDER, laf_pmd_order, "never");
	laf_set_sizes(LAF_MIN_ORDER, order - 1, "madvise");
	len = 64 * laf_size(order - 1);
	p = laf_map(len, laf_size(order - 1));
	for (i = 0; i < len; i += laf_size(order - 1)) {
		laf_touch(p + i);
		found += laf_order_at(p + i) == order - 1;
	}
	laf_expect(found > 32, "saw %zu of 64 folios of order %d, want most", found, order - 1);
}

static const struct laf_test tests[] = {
	{ "single pages only", test_single, LAF_ONCE, 200 },
	{ "small folios only", test_steps, LAF_ONCE, 200 },
};

int main(void)
{
	return laf_main(tests, ARRAY_SIZE(tests));
}
