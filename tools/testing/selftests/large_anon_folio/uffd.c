// SPDX-License-Identifier: GPL-2.0
/*
 * userfaultfd promises one event for each page: armed memory gets single pages.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <pthread.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../kselftest.h"
#include "laf_util.h"

static int uffd;
static char *area;
static size_t area_len;
static volatile int events;
static volatile bool stop, zeropage;
static volatile unsigned long wp_events, missing_events;

static void open_uffd(uint64_t features)
{
	uffd = laf_uffd(features, O_NONBLOCK);
	if (uffd < 0)
		laf_skip("userfaultfd with features %#llx: %s", (unsigned long long)features,
			 strerror(errno));
}

static void write_protect(char *p, size_t len, bool on)
{
	struct uffdio_writeprotect wp = {
		.range = { .start = (uintptr_t)p, .len = len },
		.mode = on ? UFFDIO_WRITEPROTECT_MODE_WP : 0,
	};

	laf_require(!ioctl(uffd, UFFDIO_WRITEPROTECT, &wp), "UFFDIO_WRITEPROTECT: %s",
		    strerror(errno));
}

/* Serve missing pages with their own pattern, and lift write protection */
static void *server(void *arg)
{
	char *src = aligned_alloc(laf_page, laf_page);
	struct pollfd pfd = { .fd = uffd, .events = POLLIN };
	struct uffd_msg msg;

	(void)arg;
	while (!stop) {
		char *addr;

		if (poll(&pfd, 1, 10) <= 0 || read(uffd, &msg, sizeof(msg)) != sizeof(msg))
			continue;
		addr = PTR_DOWN(msg.arg.pagefault.address, laf_page);
		events++;
		if (msg.arg.pagefault.flags & UFFD_PAGEFAULT_FLAG_WP) {
			wp_events++;
			write_protect(addr, laf_page, false);
		} else if (zeropage) {
			struct uffdio_zeropage zero = {
				.range = { .start = (uintptr_t)addr, .len = laf_page },
			};

			missing_events++;
			laf_expect(!ioctl(uffd, UFFDIO_ZEROPAGE, &zero),
				   "UFFDIO_ZEROPAGE: %s", strerror(errno));
		} else {
			struct uffdio_copy copy = {
				.dst = (uintptr_t)addr, .src = (uintptr_t)src,
				.len = laf_page,
			};

			missing_events++;
			laf_fill(src, laf_page, (addr - area) / laf_page);
			laf_expect(!ioctl(uffd, UFFDIO_COPY, &copy), "UFFDIO_COPY: %s",
				   strerror(errno));
		}
	}
	return NULL;
}

static void start_server(pthread_t *thread)
{
	stop = false;
	laf_require(!pthread_create(thread, NULL, server, NULL), "no thread");
}

static void stop_server(pthread_t thread)
{
	stop = true;
	pthread_join(thread, NULL);
}

static void test_missing(int order)
{
	size_t size = laf_size(order), nr = 2UL << order, i;
	pthread_t thread;

	laf_only(order);
	open_uffd(0);
	area = laf_map(4 * size, size);
	/* Armed are the two blocks in the middle */
	area += size;
	area_len = 2 * size;
	laf_require(laf_uffd_arm(uffd, area, area_len, UFFDIO_REGISTER_MODE_MISSING),
		    "register: %s", strerror(errno));
	start_server(&thread);
	for (i = 0; i < nr; i++) {
		char *p = area + i * laf_page;

		laf_expect(laf_same(p, laf_page, i, 0), "page %zu: not what was sent", i);
		laf_expect(laf_order_at(p) == 0, "page %zu: saw order %d, want 0", i,
			   laf_order_at(p));
		laf_expect(laf_count(area, area_len, PM_PRESENT) == i + 1,
			   "saw %zu pages after %zu events",
			   laf_count(area, area_len, PM_PRESENT), i + 1);
	}
	laf_expect(missing_events == nr, "saw %lu events, want %zu", missing_events, nr);
	/* Beside it nothing is armed */
	laf_touch(area - size);
	laf_expect_folio(area - size, order);
	laf_touch(area + area_len);
	laf_expect_folio(area + area_len, order);
	stop_server(thread);
}

static void test_zeropage(int order)
{
	size_t size = laf_size(order), nr = 1UL << order, i;
	pthread_t thread;

	laf_only(order);
	open_uffd(0);
	area = laf_map(size, size);
	area_len = size;
	zeropage = true;
	laf_require(laf_uffd_arm(uffd, area, area_len, UFFDIO_REGISTER_MODE_MISSING),
		    "register: %s", strerror(errno));
	start_server(&thread);
	for (i = 0; i < nr; i += 2) {
		char *p = area + i * laf_page;

		laf_at(char, p) = 3;
		laf_expect(laf_order_at(p) == 0, "page %zu: saw order %d, want 0", i,
			   laf_order_at(p));
		p[0] = 0;
		laf_expect(laf_zero(p, laf_page), "page %zu is not zero", i);
	}
	laf_expect(missing_events == nr / 2, "saw %lu events, want %zu", missing_events,
		   nr / 2);
	stop_server(thread);
}

/* Disarmed memory gets large folios again */
static void test_disarm(int order)
{
	size_t size = laf_size(order);
	struct uffdio_range range;
	pthread_t thread;

	laf_only(order);
	open_uffd(0);
	area = laf_map(2 * size, size);
	area_len = 2 * size;
	laf_require(laf_uffd_arm(uffd, area, area_len, UFFDIO_REGISTER_MODE_MISSING),
		    "register: %s", strerror(errno));
	start_server(&thread);
	laf_touch(area);
	laf_expect_folio(area, 0);
	stop_server(thread);
	range.start = (uintptr_t)area;
	range.len = area_len;
	laf_require(!ioctl(uffd, UFFDIO_UNREGISTER, &range), "unregister: %s",
		    strerror(errno));
	laf_touch(area + size);
	laf_expect_folio(area + size, order);
	laf_touch(area + laf_page);
	laf_expect_folio(area + laf_page, 0);
}

/* Write protection of single pages of a folio that was there before */
static void test_wp(int order)
{
	size_t size = laf_size(order), nr = 1UL << order, i;
	unsigned long want = 0;
	pthread_t thread;

	laf_only(order);
	open_uffd(UFFD_FEATURE_PAGEFAULT_FLAG_WP);
	area = laf_folios(order, 2, 77);
	area_len = 2 * size;
	if (!laf_uffd_arm(uffd, area, area_len, UFFDIO_REGISTER_MODE_WP))
		laf_skip("userfaultfd without write protection");
	start_server(&thread);
	for (i = 0; i < nr; i += 3) {
		write_protect(area + i * laf_page, laf_page, true);
		want++;
	}
	laf_expect_data(area, area_len, 77, 0, "protected");
	laf_expect(!wp_events, "saw %lu events for reads, want 0", wp_events);
	for (i = 0; i < nr; i++)
		laf_fill(area + i * laf_page, laf_page, i);
	laf_expect(wp_events == want, "saw %lu events, want %lu", wp_events, want);
	for (i = 0; i < nr; i++)
		laf_expect_data(area + i * laf_page, laf_page, i, 0, "written");
	laf_expect_data(area + size, size, 77, nr, "the other folio");
	laf_expect(!missing_events, "saw %lu events of missing pages, want 0",
		   missing_events);

	/* What comes new to armed memory comes by single pages */
	laf_require(!madvise(area, area_len, MADV_DONTNEED), "MADV_DONTNEED: %s",
		    strerror(errno));
	laf_touch(area);
	laf_expect_folio(area, 0);
	laf_expect(laf_count(area, area_len, PM_PRESENT) == 1, "saw %zu pages, want 1",
		   laf_count(area, area_len, PM_PRESENT));
	stop_server(thread);
}

/* Protection of a part survives fork's and mprotect's passes over the folio */
static void test_wp_mprotect(int order)
{
	size_t size = laf_size(order);
	pthread_t thread;
	pid_t pid;

	laf_only(order);
	open_uffd(UFFD_FEATURE_PAGEFAULT_FLAG_WP);
	area = laf_folios(order, 1, 78);
	area_len = size;
	if (!laf_uffd_arm(uffd, area, area_len, UFFDIO_REGISTER_MODE_WP))
		laf_skip("userfaultfd without write protection");
	write_protect(area + laf_page, laf_page, true);
	laf_require(!mprotect(area, size, PROT_READ), "mprotect: %s", strerror(errno));
	laf_require(!mprotect(area, size, PROT_READ | PROT_WRITE), "mprotect: %s",
		    strerror(errno));
	pid = laf_fork();
	if (!pid)
		_exit(!laf_same(area, size, 78, 0));
	laf_join(pid);
	start_server(&thread);
	laf_fill(area, size, 79);
	laf_expect(wp_events == 1, "saw %lu events, want 1", wp_events);
	laf_expect_data(area, size, 79, 0, "written");
	stop_server(thread);
}

/*
 * A child was there and is gone: who writes beside a protected page gets his page back
 * without a copy, and the protected one stays protected.
 */
static void test_wp_reuse(int order)
{
	size_t size = laf_size(order), nr = 1UL << order, at = nr / 2, i, copied = 0;
	uint64_t *before = calloc(nr, sizeof(*before));
	pthread_t thread;
	pid_t pid;

	laf_only(order);
	open_uffd(UFFD_FEATURE_PAGEFAULT_FLAG_WP);
	area = laf_folios(order, 1, 80);
	area_len = size;
	if (!laf_uffd_arm(uffd, area, area_len, UFFDIO_REGISTER_MODE_WP))
		laf_skip("userfaultfd without write protection");
	write_protect(area + at * laf_page, laf_page, true);
	laf_pagemaps(area, nr, before);
	pid = laf_fork();
	if (!pid)
		_exit(!laf_same(area, size, 80, 0));
	laf_join(pid);

	/* Nobody serves yet: an event here would be waited for until the test is killed */
	for (i = 0; i < nr; i++)
		if (i != at)
			laf_fill(area + i * laf_page, laf_page, i);
	laf_expect(laf_pagemap(area + at * laf_page) & PM_UFFD_WP, "the page lost its protection");
	laf_expect_data(area + at * laf_page, laf_page, 80, at, "protected page");
	start_server(&thread);
	laf_fill(area + at * laf_page, laf_page, at);
	stop_server(thread);
	laf_expect(wp_events == 1, "saw %lu events, want 1", wp_events);
	for (i = 0; i < nr; i++) {
		laf_expect_data(area + i * laf_page, laf_page, i, 0, "written");
		copied += (laf_pagemap(area + i * laf_page) ^ before[i]) & PM_PFN ? 1 : 0;
	}
	if (laf_exists("/sys/module/atomic_seqcount/parameters/sole"))
		laf_expect(!copied, "saw %zu of %zu pages copied, want 0", copied, nr);
	free(before);
}

static const struct laf_test tests[] = {
	{ "missing pages", test_missing, LAF_ALL },
	{ "zero pages", test_zeropage, LAF_SOME },
	{ "disarmed", test_disarm, LAF_ALL },
	{ "write protection", test_wp, LAF_ALL },
	{ "write protection, mprotect and fork", test_wp_mprotect, LAF_ALL },
	{ "write protection, child gone", test_wp_reuse, LAF_ALL },
};

int main(void)
{
	return laf_main(tests, ARRAY_SIZE(tests));
}
