// SPDX-License-Identifier: GPL-2.0
/*
 * Who gets large folios: the files, and what they mean.
 */
#include <ctype.h>
#include <errno.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "../kselftest.h"
#include "laf_util.h"

static const char * const values[] = { "always", "inherit", "madvise", "never" };
static const char * const globals[] = { "never", "madvise", "always" };
static const char * const policies[] = { "strict", "unhinted", "independent", "small" };
static const char * const hints[] = { "no hint", "MADV_HUGEPAGE", "MADV_NOHUGEPAGE" };

enum { ALWAYS, INHERIT, MADVISE, NEVER };
enum { NO_HINT, HUGE, NOHUGE };

/*
 * The tables of the documentation, for sizes at "inherit": by policy, global
 * file and hint. S single pages, L large folios below PMD size, l the same up
 * to 64 KiB, T the PMD size as well.
 */
static const char tables[4][3][4] = {
	/* never, madvise, always */
	{ "SSS", "STS", "TTS" },	/* strict */
	{ "SSS", "lTS", "TTS" },	/* unhinted */
	{ "llS", "lTS", "TTS" },	/* independent */
	{ "SSS", "SLS", "LLS" },	/* small */
};

/* ----------------------------------------------------------------- files */

/* "a [b] c\n" for the values of a file with one in force */
static void bracketed(char *buf, const char * const *all, int nr, int now)
{
	int i;

	*buf = '\0';
	for (i = 0; i < nr; i++) {
		strcat(buf, i ? " " : "");
		strcat(buf, i == now ? "[" : "");
		strcat(buf, all[i]);
		strcat(buf, i == now ? "]" : "");
	}
	strcat(buf, "\n");
}

static void check_file(const char *path, const char * const *all, int nr)
{
	static const char * const wrong[] = {
		"", " ", "foo", "alway", "alwayss", "ALWAYS", "always never",
		"[always]", "0", "1", "strictly", "never\n\n",
	};
	char saw[128], want[128], line[32];
	unsigned int i;
	int value, err;

	for (value = 0; value < nr; value++) {
		laf_set(path, all[value]);
		bracketed(want, all, nr, value);
		laf_read(path, saw, sizeof(saw));
		laf_expect(!strcmp(saw, want), "%s: saw '%s', want '%s'", path,
			   saw, want);
	}
	/* As echo writes it */
	for (value = 0; value < nr; value++) {
		snprintf(line, sizeof(line), "%s\n", all[value]);
		err = laf_write(path, line);
		laf_expect(!err, "%s: '%s': saw error %d, want none", path, line, err);
		bracketed(want, all, nr, value);
		laf_read(path, saw, sizeof(saw));
		laf_expect(!strcmp(saw, want), "%s: saw '%s', want '%s'", path,
			   saw, want);
	}
	for (i = 0; i < ARRAY_SIZE(wrong); i++) {
		/* An empty write does not reach a sysfs file */
		if (!*wrong[i])
			continue;
		err = laf_write(path, wrong[i]);
		laf_expect(err == -EINVAL, "%s: '%s': saw %d, want -EINVAL (%d)",
			   path, wrong[i], err, -EINVAL);
	}
	laf_read(path, saw, sizeof(saw));
	laf_expect(!strcmp(saw, want), "%s after errors: saw '%s', want '%s'", path,
		   saw, want);
}

static void test_enabled_file(int order)
{
	check_file(laf_size_file(order, "enabled"), values, 4);
}

/* There is no size below order 2, and none is missing from there to the PMD's */
static void test_directories(int order)
{
	char path[256];

	for (order = 0; order <= laf_pmd_order + 1; order++) {
		bool want = order >= LAF_MIN_ORDER && order <= laf_pmd_order;

		strcpy(path, laf_size_file(order, "enabled"));
		laf_expect(laf_exists(path) == want, "%s: saw it %sthere", path,
			   want ? "not " : "");
	}
}

static void test_stat_files(int order)
{
	static const char * const names[] = {
		"anon_fault_alloc", "anon_fault_fallback",
		"anon_fault_fallback_charge", "swpout", "swpout_fallback",
		"split", "split_failed", "split_deferred", "nr_anon",
		"nr_anon_partially_mapped",
	};
	char path[256], file[64], buf[64], *end;
	unsigned int i;
	int err;

	for (i = 0; i < ARRAY_SIZE(names); i++) {
		snprintf(file, sizeof(file), "stats/%s", names[i]);
		strcpy(path, laf_size_file(order, file));
		err = laf_read(path, buf, sizeof(buf));
		laf_expect(!err, "%s: saw %s", path, strerror(-err));
		if (err)
			continue;
		strtoul(buf, &end, 10);
		laf_expect(isdigit(*buf) && !strcmp(end, "\n"),
			   "%s: saw '%s', want a number", path, buf);
		/* A counter of folios that exist can't be below none */
		laf_expect(strlen(buf) < 19, "%s: saw %s: negative", path, buf);
		err = laf_write(path, "0");
		laf_expect(err, "%s: saw it written", path);
	}
}

static void test_debugfs(int order)
{
	char buf[128];

	(void)order;
	if (!laf_exists(POLICY))
		laf_skip("no " POLICY);
	check_file(POLICY, policies, 4);
	memset(buf, 'x', sizeof(buf) - 1);
	buf[sizeof(buf) - 1] = '\0';
	laf_expect(laf_write(POLICY, buf) == -EINVAL, "a long value: want -EINVAL");
}

/*
 * What the boot parameter said. It is checked where the machine that runs this
 * was booted with it; nothing else changes settings before.
 */
static void test_boot(int order)
{
	char cmdline[4096], *arg, *part, *state = NULL;
	int want[32];

	if (laf_read("/proc/cmdline", cmdline, sizeof(cmdline)))
		laf_skip("no /proc/cmdline");
	arg = strstr(cmdline, "thp_anon=");
	if (!arg)
		laf_skip("booted without thp_anon=");
	arg += strlen("thp_anon=");
	arg[strcspn(arg, "\n ")] = '\0';

	for (order = LAF_MIN_ORDER; order <= laf_pmd_order; order++)
		want[order] = NEVER;
	for (part = strtok_r(arg, ";", &state); part; part = strtok_r(NULL, ";", &state)) {
		char *sizes = part, *value = strchr(part, ':'), *next;
		unsigned int v;

		laf_require(value, "%s: cannot parse", part);
		*value++ = '\0';
		for (v = 0; v < 4; v++)
			if (!strcmp(value, values[v]))
				break;
		laf_require(v < 4, "%s: no such value", value);
		while (sizes && *sizes) {
			size_t from, to;

			from = strtoul(sizes, &next, 10);
			from <<= *next == 'M' ? 20 : *next == 'K' ? 10 : 0;
			next += *next == 'M' || *next == 'K';
			to = from;
			if (*next == '-') {
				to = strtoul(next + 1, &next, 10);
				to <<= *next == 'M' ? 20 : *next == 'K' ? 10 : 0;
				next += *next == 'M' || *next == 'K';
			}
			for (order = LAF_MIN_ORDER; order <= laf_pmd_order; order++)
				if (laf_size(order) >= from && laf_size(order) <= to)
					want[order] = v;
			sizes = *next == ',' ? next + 1 : NULL;
		}
	}
	for (order = LAF_MIN_ORDER; order <= laf_pmd_order; order++) {
		char saw[64], text[64];

		/* The runner's baseline came after boot: ask what it replaced */
		if (!laf_original(laf_size_file(order, "enabled"), saw, sizeof(saw)))
			strcpy(saw, "never");
		snprintf(text, sizeof(text), "%s", values[want[order]]);
		laf_expect(!strcmp(saw, text), "%zu kB after boot: saw %s, want %s",
			   laf_size(order) / 1024, saw, text);
	}
}

/* ---------------------------------------------------------------- tables */

struct cell {
	int policy;
	int global;
	int hint;
	bool disabled;		/* by prctl() */
	int value[32];		/* of each order */
};

/* Orders above this one are left at "never": they take too much memory */
static int top_order(void)
{
	int largest = laf_largest();

	return largest == laf_pmd_order - 1 ? laf_pmd_order : largest;
}

/* May memory in this cell have folios of this order? */
static bool allowed(const struct cell *c, int order)
{
	char got = tables[c->policy][c->global][c->hint];

	if (c->disabled || c->hint == NOHUGE)
		return false;
	switch (c->value[order]) {
	case ALWAYS:
		return true;
	case MADVISE:
		return c->hint == HUGE;
	case NEVER:
		return false;
	}
	switch (got) {
	case 'T':
		return true;
	case 'L':
		return order < laf_pmd_order;
	case 'l':
		return order < laf_pmd_order && laf_size(order) <= 65536;
	}
	return false;
}

static void apply(const struct cell *c)
{
	int order;

	if (c->policy || laf_exists(POLICY))
		laf_set(POLICY, policies[c->policy]);
	laf_set(THP "enabled", globals[c->global]);
	for (order = LAF_MIN_ORDER; order <= top_order(); order++)
		laf_set_size(order, values[c->value[order]]);
	prctl(PR_SET_THP_DISABLE, c->disabled, 0, 0, 0);
}

/* Fault once in a fresh VMA of @size, and see what comes */
static void check_cell(const struct cell *c, int vma_order)
{
	static const int advice[] = { 0, MADV_HUGEPAGE, MADV_NOHUGEPAGE };
	size_t size = laf_size(vma_order);
	int order, saw, want = 0;
	char sizes[64] = "";
	char *p, *q;

	for (order = LAF_MIN_ORDER; order <= vma_order; order++)
		if (allowed(c, order))
			want = order;

	/* laf_map() gives a hint, so take other memory in its place */
	p = laf_map(size, size);
	q = mmap(p, size, PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	laf_require(q == p, "mmap: %s", strerror(errno));
	if (c->hint)
		laf_require(!madvise(p, size, advice[c->hint]), "madvise: %s",
			    strerror(errno));
	laf_touch(p + size / 2);
	saw = laf_order_at(p + size / 2);
	for (order = LAF_MIN_ORDER; order <= top_order(); order++)
		snprintf(sizes + strlen(sizes), sizeof(sizes) - strlen(sizes),
			 "%c", values[c->value[order]][0]);
	laf_expect(saw == want && laf_is_folio(p + size / 2, want),
		   "policy %s, global %s, %s, sizes %s%s, VMA of order %d: saw order %d, want %d",
		   policies[c->policy], globals[c->global], hints[c->hint], sizes,
		   c->disabled ? ", disabled by prctl" : "", vma_order, saw, want);
	laf_unmap(p, size);
}

/* Every combination, with all sizes set alike */
static void check_policy(int policy)
{
	struct cell c = { .policy = policy };
	int top = top_order(), disabled, order, v;

	if (policy && !laf_exists(POLICY))
		laf_skip("no " POLICY);
	for (c.global = 0; c.global < 3; c.global++)
		for (v = 0; v < 4; v++)
			for (disabled = 0; disabled < 2; disabled++) {
				c.disabled = disabled;
				for (order = LAF_MIN_ORDER; order <= top; order++)
					c.value[order] = v;
				apply(&c);
				for (c.hint = 0; c.hint < 3; c.hint++) {
					check_cell(&c, top);
					/* Where the largest can't be, what is the next? */
					check_cell(&c, top - 1);
				}
			}
}

static void test_strict(int order)
{
	(void)order;
	check_policy(0);
}

static void test_unhinted(int order)
{
	(void)order;
	check_policy(1);
}

static void test_independent(int order)
{
	(void)order;
	check_policy(2);
}

static void test_small(int order)
{
	(void)order;
	check_policy(3);
}

/* Each size is set by itself: settings at random, always the same ones */
static void test_mixed(int order)
{
	int nr_policies = laf_exists(POLICY) ? 4 : 1, top = top_order(), i;

	for (i = 0; i < 150; i++) {
		struct cell c = {
			.policy = laf_random() % nr_policies,
			.global = laf_random() % 3,
		};

		for (order = LAF_MIN_ORDER; order <= top; order++)
			c.value[order] = laf_random() % 4;
		apply(&c);
		for (c.hint = 0; c.hint < 3; c.hint++)
			check_cell(&c, top - laf_random() % 3);
	}
}

/* A setting holds from the next fault on, and takes nothing away */
static void test_changes(int order)
{
	size_t size = laf_size(order);
	char *p = laf_map(6 * size, size);

	laf_set_size(order, "madvise");
	laf_touch(p);
	laf_set_size(order, "never");
	laf_touch(p + size);
	laf_set_size(order, "always");
	laf_require(!madvise(p, 6 * size, MADV_NOHUGEPAGE), "MADV_NOHUGEPAGE: %s",
		    strerror(errno));
	laf_touch(p + 2 * size);
	laf_require(!madvise(p, 6 * size, MADV_HUGEPAGE), "MADV_HUGEPAGE: %s",
		    strerror(errno));
	laf_touch(p + 3 * size);
	prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0);
	laf_touch(p + 4 * size);
	prctl(PR_SET_THP_DISABLE, 0, 0, 0, 0);
	laf_touch(p + 5 * size);

	laf_expect_folio(p, order);
	laf_expect_folio(p + size, 0);
	laf_expect_folio(p + 2 * size, 0);
	laf_expect_folio(p + 3 * size, order);
	laf_expect_folio(p + 4 * size, 0);
	laf_expect_folio(p + 5 * size, order);
}

/* prctl() is inherited by children, and its effect with it */
static void test_prctl_child(int order)
{
	size_t size = laf_size(order);
	pid_t pid;

	laf_only(order);
	prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0);
	pid = laf_fork();
	if (!pid) {
		char *p = laf_map(size, size);

		laf_touch(p);
		laf_expect_folio(p, 0);
		prctl(PR_SET_THP_DISABLE, 0, 0, 0, 0);
		laf_unmap(p, size);
		p = laf_map(size, size);
		laf_touch(p);
		laf_expect_folio(p, order);
		_exit(0);
	}
	laf_join(pid);
}

static const struct laf_test tests[] = {
	{ "sizes in sysfs", test_directories, LAF_ONCE },
	{ "thp_anon=", test_boot, LAF_ONCE },
	{ "enabled", test_enabled_file, LAF_ALL },
	{ "stats", test_stat_files, LAF_ALL },
	{ "debugfs policy", test_debugfs, LAF_ONCE },
	{ "table of strict", test_strict, LAF_ONCE },
	{ "table of unhinted", test_unhinted, LAF_ONCE },
	{ "table of independent", test_independent, LAF_ONCE },
	{ "table of small", test_small, LAF_ONCE },
	{ "each size by itself", test_mixed, LAF_ONCE },
	{ "changes", test_changes, LAF_ALL },
	{ "prctl and children", test_prctl_child, LAF_SOME },
};

int main(void)
{
	return laf_main(tests, ARRAY_SIZE(tests));
}
