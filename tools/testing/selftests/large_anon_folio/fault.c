// SPDX-License-Identifier: GPL-2.0
/*
 * Faults give the wanted folio, and all counters say so.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "../kselftest.h"
#include "laf_util.h"

#define NR	4

/* One touch anywhere in an aligned block gives the whole folio, zeroed */
static void test_folio(int order)
{
	size_t size = laf_size(order), at[NR] = {
		0, size / 2, size - laf_page, laf_page
	};
	long allocs = laf_stat(order, "anon_fault_alloc");
	long folios = laf_stat(order, "nr_anon");
	long failed = laf_stat(order, "anon_fault_fallback");
	long saw;
	char *p;
	int i;

	laf_only(order);
	p = laf_map(NR * size, size);
	for (i = 0; i < NR; i++)
		laf_at(char, p + i * size + at[i]) = i + 1;
	for (i = 0; i < NR; i++) {
		laf_expect_folio(p + i * size, order);
		laf_expect(p[i * size + at[i]] == i + 1, "saw %d, want %d",
			   p[i * size + at[i]], i + 1);
		p[i * size + at[i]] = 0;
	}
	laf_expect(laf_zero(p, NR * size), "new memory is not zero");

	saw = laf_stat(order, "anon_fault_alloc") - allocs;
	laf_expect(saw == NR, "anon_fault_alloc: saw %+ld, want %+d", saw, NR);
	saw = laf_stat(order, "nr_anon") - folios;
	laf_expect(saw == NR, "nr_anon: saw %+ld, want %+d", saw, NR);
	saw = laf_stat(order, "anon_fault_fallback") - failed;
	laf_expect(!saw, "anon_fault_fallback: saw %+ld, want 0", saw);

	laf_unmap(p, NR * size);
	saw = laf_stat(order, "nr_anon") - folios;
	laf_expect(!saw, "nr_anon after munmap: saw %+ld, want 0", saw);
	saw = laf_stat(order, "anon_fault_alloc") - allocs;
	laf_expect(saw == NR, "anon_fault_alloc after munmap: saw %+ld, want %+d",
		   saw, NR);
}

/* Memory that held other data before comes back as zeroes */
static void test_zeroed(int order)
{
	size_t len = 8 * laf_size(order);
	int round;
	char *p;

	laf_only(order);
	for (round = 0; round < 3; round++) {
		p = laf_map(len, laf_size(order));
		laf_touch(p + laf_page * (round + 1));
		laf_expect_folio(p, order);
		laf_expect(laf_zero(p, len), "round %d: not zero", round);
		laf_fill(p, len, 0xdead);
		laf_unmap(p, len);
	}
}

/* A process's exit gives the folios back, as munmap does */
static void test_exit(int order)
{
	long folios = laf_stat(order, "nr_anon"), saw;
	pid_t pid;

	laf_only(order);
	pid = laf_fork();
	if (!pid) {
		laf_folios(order, NR, 1);
		_exit(0);
	}
	laf_join(pid);
	saw = laf_stat(order, "nr_anon") - folios;
	laf_expect(!saw, "nr_anon: saw %+ld, want 0", saw);
}

/* Reading gives the zero page, and writing then a single page, as 6.12 does */
static void test_read_first(int order)
{
	size_t i, size = laf_size(order);
	struct laf_folio folio;
	char *p;

	laf_only(order);
	p = laf_map(2 * size, size);
	for (i = 0; i < size; i += laf_page) {
		laf_expect(!laf_at(char, p + i), "saw %d, want 0", p[i]);
		laf_require(laf_folio_at(p + i, &folio), "no page after reading");
		laf_expect(folio.flags & KPF_BIT_ZERO_PAGE,
			   "flags after reading: saw %#llx, want the zero page",
			   (unsigned long long)folio.flags);
	}
	laf_touch(p + laf_page);
	laf_require(laf_folio_at(p + laf_page, &folio), "no page after writing");
	laf_expect(!folio.order && !(folio.flags & KPF_BIT_ZERO_PAGE),
		   "after writing: saw order %d, flags %#llx, want a single page",
		   folio.order, (unsigned long long)folio.flags);
	laf_require(laf_folio_at(p, &folio), "the neighbour is gone");
	laf_expect(folio.flags & KPF_BIT_ZERO_PAGE,
		   "neighbour: saw flags %#llx, want the zero page",
		   (unsigned long long)folio.flags);
	laf_expect(laf_zero(p, size), "not zero");
	/* The other block was not read */
	laf_touch(p + size);
	laf_expect_folio(p + size, order);
}

static void test_populate(int order)
{
	long allocs = laf_stat(order, "anon_fault_alloc"), saw;
	size_t size = laf_size(order);
	char *p, *q;
	int i;

	laf_only(order);
	p = laf_map(NR * size, size);
	laf_require(!madvise(p, NR * size, MADV_POPULATE_WRITE),
		    "MADV_POPULATE_WRITE: %s", strerror(errno));
	for (i = 0; i < NR; i++)
		laf_expect_folio(p + i * size, order);
	saw = laf_stat(order, "anon_fault_alloc") - allocs;
	laf_expect(saw == NR, "anon_fault_alloc: saw %+ld, want %+d", saw, NR);

	q = laf_map(size, size);
	laf_require(!madvise(q, size, MADV_POPULATE_READ),
		    "MADV_POPULATE_READ: %s", strerror(errno));
	laf_expect(laf_count(q, size, PM_PRESENT) == size / laf_page,
		   "MADV_POPULATE_READ: saw %zu pages, want %zu",
		   laf_count(q, size, PM_PRESENT), size / laf_page);
	if (order < laf_pmd_order) {
		saw = laf_stat(order, "anon_fault_alloc") - allocs;
		laf_expect(saw == NR, "anon_fault_alloc: saw %+ld, want %+d after reading",
			   saw, NR);
	}
}

/* With several sizes the largest that fits is taken, not the first or last */
static void test_largest_wins(int order)
{
	size_t size = laf_size(order);
	char *p;
	int o;

	laf_set_sizes(LAF_MIN_ORDER, order, "madvise");
	p = laf_map(2 * size, size);
	laf_touch(p + laf_page);
	laf_expect_folio(p, order);

	/* And without it the next: no size is tried that is not enabled */
	for (o = order; o > LAF_MIN_ORDER; o--) {
		laf_set_size(o, "never");
		laf_require(!madvise(p, 2 * size, MADV_DONTNEED), "MADV_DONTNEED: %s",
			    strerror(errno));
		laf_touch(p + size);
		laf_expect_folio(p + size, o - 1);
		laf_expect(laf_count(p, 2 * size, PM_PRESENT) == 1UL << (o - 1),
			   "saw %zu pages, want %lu",
			   laf_count(p, 2 * size, PM_PRESENT), 1UL << (o - 1));
	}
}

/* What /proc says of this process: whole folios, PMD-mapped or not */
static void test_rss(int order)
{
	size_t size = laf_size(order), nr = 1, len, i;
	long statm[2], rss, anon, huge, want;
	char *p;
	int t;

	while (nr * size < 2048 * laf_page)
		nr *= 2;
	len = nr * size;
	laf_only(order);
	p = laf_map(len, size);
	for (t = 0; t < 2; t++) {
		char buf[128];
		long total;

		laf_read("/proc/self/statm", buf, sizeof(buf));
		laf_require(sscanf(buf, "%ld %ld", &total, &statm[t]) == 2,
			    "statm: saw '%s'", buf);
		for (i = 0; !t && i < len; i += size)
			laf_touch(p + i);
	}
	rss = laf_smaps(p, "Rss");
	anon = laf_smaps(p, "Anonymous");
	huge = laf_smaps(p, "AnonHugePages");
	laf_expect(rss == (long)len, "Rss: saw %ld, want %zu", rss, len);
	laf_expect(anon == (long)len, "Anonymous: saw %ld, want %zu", anon, len);
	want = order == laf_pmd_order ? len : 0;
	laf_expect(huge == want, "AnonHugePages: saw %ld, want %ld", huge, want);

	/* The kernel batches up to 64 pages for each thread or CPU here */
	rss = (statm[1] - statm[0]) * (long)laf_page;
	laf_expect(labs(rss - (long)len) <= 512 * (long)laf_page,
		   "statm: saw %+ld, want %+ld", rss, (long)len);
	laf_unmap(p, len);
}

/* The system's counters: a folio counts its pages, and is not a huge page */
static void test_vmstat(int order)
{
	static const char * const names[] = {
		"nr_anon_pages", "nr_anon_transparent_hugepages"
	};
	size_t size = laf_size(order), nr = 1, i;
	long before[2], with[2], after[2], want[2];
	char *p;

	while (nr * size < 1024 * laf_page)
		nr *= 2;
	laf_only(order);
	for (i = 0; i < 2; i++)
		before[i] = laf_vmstat(names[i]);
	p = laf_folios(order, nr, 3);
	for (i = 0; i < 2; i++)
		with[i] = laf_vmstat(names[i]);
	laf_unmap(p, nr * size);
	for (i = 0; i < 2; i++)
		after[i] = laf_vmstat(names[i]);

	want[0] = nr * size / laf_page;
	want[1] = order == laf_pmd_order ? nr : 0;
	for (i = 0; i < 2; i++) {
		/* Other processes have pages, too, but no huge ones */
		long noise = i ? 0 : 64;

		laf_expect(labs(with[i] - before[i] - want[i]) <= noise,
			   "%s: saw %+ld, want %+ld", names[i],
			   with[i] - before[i], want[i]);
		laf_expect(labs(after[i] - before[i]) <= noise,
			   "%s after munmap: saw %+ld, want 0", names[i],
			   after[i] - before[i]);
	}
}

/* memory.stat is up to two seconds late */
static bool stat_becomes(const char *cg, const char *key, long want, long slack)
{
	long saw = 0;
	int i;

	for (i = 0; i < 60; i++) {
		saw = laf_cg_key(cg, "memory.stat", key);
		if (labs(saw - want) <= slack)
			return true;
		usleep(100000);
	}
	laf_note("memory.stat %s: saw %ld, want %ld", key, saw, want);
	return false;
}

static void test_memcg_stat(int order)
{
	size_t size = laf_size(order), nr = 1, len, i;
	const char *cg = laf_cg_new();
	long charged, saw;
	char *p;

	while (nr * size < 1024 * laf_page)
		nr *= 2;
	len = nr * size;
	laf_only(order);
	/* What the process has by now stays where it is charged */
	laf_cg_join(cg);
	p = laf_map(len + size, size);
	/* Page tables and the like are there after this */
	laf_touch(p + len);
	charged = laf_cg_get(cg, "memory.current");
	for (i = 0; i < nr; i++)
		laf_touch(p + i * size);
	laf_expect(stat_becomes(cg, "anon", len + size, 16 * laf_page),
		   "anon (above)");
	laf_expect(stat_becomes(cg, "anon_thp",
				order == laf_pmd_order ? len + size : 0, 0),
		   "anon_thp (above)");
	/* Each CPU may have a batch of 64 pages at hand */
	saw = laf_cg_get(cg, "memory.current") - charged;
	laf_expect(labs(saw - (long)len) <= 160 * (long)laf_page,
		   "memory.current: saw %+ld, want %+ld", saw, (long)len);
	laf_unmap(p, len + size);
	laf_expect(stat_becomes(cg, "anon", 0, 16 * laf_page),
		   "anon after munmap (above)");
}

static const struct laf_test tests[] = {
	{ "folio of the wanted order, aligned", test_folio, LAF_ALL },
	{ "memory is zeroed", test_zeroed, LAF_ALL },
	{ "exit frees", test_exit, LAF_ALL },
	{ "read, then write", test_read_first, LAF_PTE },
	{ "MADV_POPULATE", test_populate, LAF_ALL },
	{ "the largest size wins", test_largest_wins, LAF_ALL },
	{ "RSS", test_rss, LAF_ALL },
	{ "system counters", test_vmstat, LAF_ALL },
	{ "memcg statistics", test_memcg_stat, LAF_SOME },
};

int main(void)
{
	return laf_main(tests, ARRAY_SIZE(tests));
}
