// SPDX-License-Identifier: GPL-2.0
/*
 * The first process of a guest: does what /list says, writes what happens to
 * the virtio port, and ends the guest.
 *
 * Lines of /list:
 *	set FILE VALUE		write VALUE to FILE (of /proc, /sys ...), or to each
 *				file that the pattern FILE names
 *	swap DEVICE		make DEVICE swap space and use it
 *	run NAME SECONDS PROGRAM [ARG ...]
 *
 * Lines on the port: what a program prints has a blank in front; what this
 * program says begins with '@', so that no output can pass for a result:
 *	@boot KERNEL
 *	@fail TEXT		a line of /list could not be done
 *	@start NAME
 *	@end NAME exit N | signal N | timeout
 *	@done			the end of /list; without it the run is void
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/swap.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <linux/fs.h>

static int port = -1, kmsg = -1;
static char text[65536];	/* what waits to be written to the port */
static size_t used;

static void flush(void)
{
	size_t done = 0;

	while (done < used) {
		ssize_t n = write(port, text + done, used - done);

		if (n < 0 && errno != EINTR && errno != EAGAIN)
			break;
		if (n > 0)
			done += n;
	}
	used = 0;
}

static void put(char c)
{
	if (used == sizeof(text))
		flush();
	text[used++] = c;
}

/*
 * A line for the console. Not with dprintf(), which asks where in the file it
 * is, and for /dev/kmsg that is an error.
 */
static void log_line(int level, const char *text)
{
	char line[600];
	int n = snprintf(line, sizeof(line), "<%d>laf: %s\n", level, text);

	if (write(kmsg, line, n) < 0)
		return;		/* nobody to tell */
}

static void tell(const char *fmt, ...)
{
	char line[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(line, sizeof(line) - 1, fmt, ap);
	va_end(ap);
	/* the console shows it too, so that a splat has a place */
	log_line(6, line);
	for (char *c = line; *c; c++)
		put(*c);
	put('\n');
	flush();
}

static void finish(void)
{
	flush();
	if (port >= 0)
		close(port);
	sync();
	reboot(RB_AUTOBOOT);	/* QEMU has -no-reboot: this ends it */
	for (;;)
		pause();
}

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

/* What a program prints, with a blank in front of each line. */
static void output(const char *buf, ssize_t len, int *at_start)
{
	for (ssize_t i = 0; i < len; i++) {
		if (*at_start)
			put(' ');
		put(buf[i]);
		*at_start = buf[i] == '\n';
	}
	flush();
}

static void run(const char *name, double limit, char **argv)
{
	int pipefd[2], status = 0, at_start = 1, ended = 0, late = 0;
	double end = now() + limit;
	char buf[4096];
	ssize_t n;
	pid_t pid;

	tell("@start %s", name);
	if (pipe2(pipefd, O_CLOEXEC) || (pid = fork()) < 0) {
		tell("@fail can't start %s: %s", name, strerror(errno));
		return;
	}
	if (!pid) {
		char *slash = strrchr(argv[0], '/');

		setsid();
		dup2(pipefd[1], 1);
		dup2(pipefd[1], 2);
		if (slash) {
			/* programs look for their files where they are */
			*slash = 0;
			if (chdir(*argv[0] ? argv[0] : "/"))
				_exit(126);
			*slash = '/';
		}
		execv(argv[0], argv);
		dprintf(2, "can't run %s: %s\n", argv[0], strerror(errno));
		_exit(127);
	}
	close(pipefd[1]);
	fcntl(pipefd[0], F_SETFL, O_NONBLOCK);

	while (!ended && !late) {
		struct pollfd p = { pipefd[0], POLLIN, 0 };

		poll(&p, 1, 50);
		while ((n = read(pipefd[0], buf, sizeof(buf))) > 0)
			output(buf, n, &at_start);
		if (!n)		/* closed its output: don't spin on it */
			usleep(10000);
		late = now() > end;
		/* orphans become ours: reap all, wait for one */
		for (;;) {
			int st;
			pid_t got = waitpid(-1, &st, WNOHANG);

			if (got <= 0)
				break;
			if (got == pid) {
				status = st;
				ended = 1;
			}
		}
	}
	kill(-1, SIGKILL);
	while (waitpid(-1, NULL, 0) > 0 || errno == EINTR)
		;
	while ((n = read(pipefd[0], buf, sizeof(buf))) > 0)
		output(buf, n, &at_start);
	close(pipefd[0]);
	if (!at_start)
		put('\n');
	if (!ended)
		tell("@end %s timeout", name);
	else if (WIFSIGNALED(status))
		tell("@end %s signal %d", name, WTERMSIG(status));
	else
		tell("@end %s exit %d", name, WEXITSTATUS(status));
}

static void set_files(const char *pattern, const char *value)
{
	glob_t g;

	if (glob(pattern, 0, NULL, &g)) {
		tell("@fail there is no %s", pattern);
		return;
	}
	for (size_t i = 0; i < g.gl_pathc; i++) {
		const char *file = g.gl_pathv[i];
		int fd = open(file, O_WRONLY | O_CLOEXEC);

		if (fd < 0 || write(fd, value, strlen(value)) < 0)
			tell("@fail can't write '%s' to %s: %s", value, file, strerror(errno));
		if (fd >= 0)
			close(fd);
	}
	globfree(&g);
}

static void use_swap(const char *device)
{
	long size = sysconf(_SC_PAGESIZE);
	char *page = calloc(1, size);
	uint64_t bytes = 0;
	uint32_t word;
	int fd = open(device, O_RDWR | O_CLOEXEC);

	if (fd < 0 || ioctl(fd, BLKGETSIZE64, &bytes) || bytes < 10 * (uint64_t)size)
		goto fail;
	/* struct swap_info: version and last page after the boot sector */
	word = 1;
	memcpy(page + 1024, &word, sizeof(word));
	word = bytes / size - 1;
	memcpy(page + 1028, &word, sizeof(word));
	memcpy(page + size - 10, "SWAPSPACE2", 10);
	if (write(fd, page, size) != size || fsync(fd))
		goto fail;
	close(fd);
	free(page);
	if (!swapon(device, 0))
		return;
fail:
	tell("@fail can't swap to %s: %s", device, strerror(errno));
}

static char *word(char **p)
{
	return strsep(p, " \t");
}

static void do_line(char *line)
{
	char *p = line, *what = word(&p), *argv[64];
	int argc = 0;

	if (!strcmp(what, "set") && p) {
		char *file = word(&p);

		set_files(file, p ? p : "");
	} else if (!strcmp(what, "swap") && p) {
		use_swap(p);
	} else if (!strcmp(what, "run") && p) {
		char *name = word(&p), *limit = word(&p);

		while (p && argc < 63)
			argv[argc++] = word(&p);
		argv[argc] = NULL;
		if (argc)
			run(name, atof(limit), argv);
		else
			tell("@fail not a line for init: run %s", name);
	} else {
		tell("@fail not a line for init: %s", what);
	}
}

static void mount_at(const char *type, const char *dir, const char *options)
{
	mkdir(dir, 0755);
	if (mount(type, dir, type, 0, options)) {
		char line[200];

		snprintf(line, sizeof(line), "no %s on %s: %s", type, dir, strerror(errno));
		log_line(4, line);
	}
}

int main(int argc, char **argv)
{
	struct rlimit stack = { 8 << 20, RLIM_INFINITY };
	struct rlimit locked = { 8 << 20, 8 << 20 };
	struct utsname u;
	char *line = NULL;
	size_t size = 0;
	ssize_t n;
	FILE *list;

	if (getpid() != 1) {	/* as a program: shows that one runs */
		puts(argc > 1 ? argv[1] : "hello");
		return 0;
	}
	mkdir("/dev", 0755);
	mount("dev", "/dev", "devtmpfs", 0, NULL);
	kmsg = open("/dev/kmsg", O_WRONLY | O_CLOEXEC);
	mount_at("proc", "/proc", NULL);
	mount_at("sysfs", "/sys", NULL);
	mount_at("debugfs", "/sys/kernel/debug", NULL);
	mount_at("cgroup2", "/sys/fs/cgroup", NULL);
	mount_at("tmpfs", "/dev/shm", NULL);
	mount_at("tmpfs", "/tmp", NULL);
	mount_at("hugetlbfs", "/dev/hugepages", NULL);
	mkdir("/dev/pts", 0755);
	mount("devpts", "/dev/pts", "devpts", 0, NULL);
	setrlimit(RLIMIT_STACK, &stack);
	setrlimit(RLIMIT_MEMLOCK, &locked);
	setenv("PATH", "/usr/bin:/bin:/usr/sbin:/sbin", 1);
	setenv("HOME", "/tmp", 1);
	setenv("LC_ALL", "C", 1);

	/* the other side of the port is ready a moment after the device */
	for (int i = 0; port < 0 && i < 100; i++) {
		glob_t g;

		/* the device's number depends on the machine */
		if (!glob("/dev/vport*p1", 0, NULL, &g))
			port = open(g.gl_pathv[0], O_WRONLY | O_CLOEXEC);
		globfree(&g);
		if (port < 0)
			usleep(50000);
	}
	if (port < 0) {
		log_line(0, "there is no port for results");
		finish();
	}
	uname(&u);
	tell("@boot %s %s", u.release, u.machine);
	list = fopen("/list", "re");
	if (!list) {
		tell("@fail no /list");
		finish();
	}
	while ((n = getline(&line, &size, list)) > 0) {
		if (line[n - 1] == '\n')
			line[n - 1] = 0;
		if (*line && *line != '#')
			do_line(line);
	}
	tell("@done");
	finish();
}
