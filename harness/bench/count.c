// SPDX-License-Identifier: GPL-2.0
/*
 * A QEMU plugin that counts what a guest executes between two markers
 * (marker.h): instructions and locked instructions, of the kernel and of user
 * space, on the CPU that met the markers and on all CPUs.
 *
 *	-plugin count.so,out=FILE,irq=ADDRESS,irq=ADDRESS...[,profile=N]
 *
 * FILE gets a line for each pair of markers:
 *	N  KERNEL LOCKED  USER LOCKED  ALL-KERNEL LOCKED
 * where N counts the pairs from 1, and "end N IRQS" when QEMU ends. Without
 * that line the file is not whole.
 *
 * Interrupts are left out, from one of the addresses where they enter the
 * kernel to their return: how many come depends on how fast this machine is.
 * IRQS is how many were left out.
 *
 * With profile=N, the N-th line is followed by one "block ADDRESS INSNS TIMES"
 * for each block of the kernel that ran on the CPU that met its markers.
 *
 * A block of code is counted when it is entered. An interrupt comes between
 * blocks; a fault inside one counts it as a whole, which only code of the
 * kernel that copies from or to user space meets.
 *
 * "Locked" is what makes a cache line exclusive: on x86 an instruction with a
 * LOCK prefix or an exchange with memory, on arm64 an atomic of LSE or the
 * store of a load-store pair.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "marker.h"
#include "qemu_plugin.h"

#define MAX_VCPUS	64
#define MAX_ENTRIES	64

enum { KERNEL, USER };

struct count {
	uint64_t insns;
	uint64_t locked;
};

/* Written by its own virtual CPU only */
static struct vcpu {
	struct count now[2];
	struct count start[2];
	uint64_t irqs;
	unsigned int depth;	/* of interrupts: softirqs let others in */
} __attribute__((aligned(128))) vcpus[MAX_VCPUS];

/*
 * What a block adds. Blocks are translated anew when QEMU throws its cache
 * away, and old ones may still run then, so these live as long as QEMU.
 */
struct block {
	int mode;
	bool enters_irq;
	bool returns;
	struct count count;
	uint64_t address;
	uint64_t times;
	struct block *next;
};

static struct block *blocks;	/* all, while a profile is wanted */
static unsigned long profile;

int qemu_plugin_version = 1;

static FILE *out;
static unsigned long pairs;
static int started_on = -1;
static struct count all_start;
static uint64_t entries[MAX_ENTRIES];
static int nr_entries;
static bool (*is_locked)(const uint8_t *insn, size_t size);
static bool (*is_return)(const uint8_t *insn, size_t size);
static uint32_t (*marker)(const uint8_t *insn, size_t size);

static uint32_t le32(const uint8_t *p)
{
	return p[0] | p[1] << 8 | p[2] << 16 | (uint32_t)p[3] << 24;
}

static bool x86_is_locked(const uint8_t *insn, size_t size)
{
	size_t i = 0;

	for (; i < size && memchr("\x66\x67\xf2\xf3\x2e\x36\x3e\x26\x64\x65\xf0", insn[i], 11); i++)
		if (insn[i] == 0xf0)
			return true;
	if (i < size && (insn[i] & 0xf0) == 0x40)	/* REX */
		i++;
	/* xchg locks when it has a memory operand, with or without the prefix */
	return i + 1 < size && (insn[i] & 0xfe) == 0x86 && insn[i + 1] >> 6 != 3;
}

static bool x86_is_return(const uint8_t *insn, size_t size)
{
	return size == 2 && !memcmp(insn, "\x48\xcf", 2);	/* iretq */
}

static uint32_t x86_marker(const uint8_t *insn, size_t size)
{
	return size == 7 && !memcmp(insn, "\x0f\x1f\x80", 3) ? le32(insn + 3) : 0;
}

static bool arm64_is_locked(const uint8_t *p, size_t size)
{
	uint32_t insn = le32(p);
	bool load = insn >> 22 & 1, o1 = insn >> 21 & 1, o2 = insn >> 23 & 1, o3 = insn >> 15 & 1;

	(void)size;
	if ((insn & 0x3f000000) == 0x08000000) {
		if (o2)
			return o1;			/* CAS, not LDAR and STLR */
		if (o1 && !(insn >> 31))
			return true;			/* CASP */
		return !load;				/* STXR, STXP */
	}
	if ((insn & 0x3f200c00) == 0x38200000)		/* LDADD ..., SWP */
		return !o3 || !(insn >> 12 & 7);
	return false;
}

static bool arm64_is_return(const uint8_t *insn, size_t size)
{
	(void)size;
	return le32(insn) == 0xd69f03e0;		/* eret */
}

static uint32_t arm64_marker(const uint8_t *p, size_t size)
{
	uint32_t insn = le32(p);

	(void)size;
	return (insn & 0xffe0001f) == 0xd2e0001f ? insn >> 5 & 0xffff : 0;
}

static struct count all_kernel(void)
{
	struct count sum = { 0, 0 };

	for (int i = 0; i < MAX_VCPUS; i++) {
		sum.insns += vcpus[i].now[KERNEL].insns;
		sum.locked += vcpus[i].now[KERNEL].locked;
	}
	return sum;
}

static void on_start(unsigned int cpu, void *data)
{
	(void)data;
	started_on = cpu;
	memcpy(vcpus[cpu].start, vcpus[cpu].now, sizeof(vcpus[cpu].now));
	all_start = all_kernel();
}

static void on_stop(unsigned int cpu, void *data)
{
	struct vcpu *v = &vcpus[cpu];
	struct count all = all_kernel();

	(void)data;
	if (started_on != (int)cpu) {
		fprintf(out, "bad: a measurement ended on CPU %u and began on %d\n", cpu, started_on);
		return;
	}
	started_on = -1;
	fprintf(out, "%lu", ++pairs);
	for (int mode = 0; mode < 2; mode++)
		fprintf(out, " %" PRIu64 " %" PRIu64, v->now[mode].insns - v->start[mode].insns,
			v->now[mode].locked - v->start[mode].locked);
	fprintf(out, " %" PRIu64 " %" PRIu64 "\n", all.insns - all_start.insns,
		all.locked - all_start.locked);
	if (pairs == profile)
		for (struct block *b = blocks; b; b = b->next)
			if (b->times)
				fprintf(out, "block %" PRIx64 " %" PRIu64 " %" PRIu64 "\n",
					b->address, b->count.insns, b->times);
}

static void on_block(unsigned int cpu, void *data)
{
	struct block *b = data;
	struct vcpu *v = &vcpus[cpu];
	struct count *c = &v->now[b->mode];

	if (b->enters_irq) {
		v->depth++;
		v->irqs++;
	} else if (b->mode == USER) {
		/* whatever the interrupt ended in, it is over */
		v->depth = 0;
	}
	if (!v->depth) {
		c->insns += b->count.insns;
		c->locked += b->count.locked;
		if (profile && pairs + 1 == profile && started_on == (int)cpu && b->mode == KERNEL)
			b->times++;
	}
	if (b->returns && v->depth)
		v->depth--;
}

static struct block *new_block(uint64_t address)
{
	struct block *b = calloc(1, sizeof(*b));

	if (!b)
		abort();
	/* both architectures keep the upper half for the kernel */
	b->mode = address >> 63 ? KERNEL : USER;
	b->address = address;
	if (profile) {
		b->next = blocks;
		blocks = b;
	}
	return b;
}

static void on_translate(plugin_id id, struct plugin_tb *tb)
{
	size_t n = qemu_plugin_tb_n_insns(tb);
	uint64_t address = qemu_plugin_tb_vaddr(tb);
	struct block *b = new_block(address);

	(void)id;
	for (int i = 0; i < nr_entries; i++)
		b->enters_irq |= address == entries[i];
	qemu_plugin_register_vcpu_tb_exec_cb(tb, on_block, PLUGIN_NO_REGS, b);
	for (size_t i = 0; i < n; i++) {
		struct plugin_insn *insn = qemu_plugin_tb_get_insn(tb, i);
		const uint8_t *bytes = qemu_plugin_insn_data(insn);
		size_t size = qemu_plugin_insn_size(insn);

		/*
		 * QEMU shows the first bytes of an instruction that goes on in
		 * the next page, then leaves it to a block of its own. One that
		 * seems to end with the page counts if it is executed.
		 */
		if (i && i == n - 1 && (address + size) % 4096 == 0) {
			b = new_block(address);
			qemu_plugin_register_vcpu_insn_exec_cb(insn, on_block,
							       PLUGIN_NO_REGS, b);
		}
		address += size;
		b->count.insns++;
		b->count.locked += is_locked(bytes, size);
		b->returns |= is_return(bytes, size);
		if (b->mode == KERNEL)
			continue;
		switch (marker(bytes, size)) {
		case MARK_START:
			qemu_plugin_register_vcpu_insn_exec_cb(insn, on_start, PLUGIN_NO_REGS, NULL);
			break;
		case MARK_STOP:
			qemu_plugin_register_vcpu_insn_exec_cb(insn, on_stop, PLUGIN_NO_REGS, NULL);
			break;
		}
	}
}

static void on_exit_of_qemu(plugin_id id, void *data)
{
	uint64_t irqs = 0;

	(void)id;
	(void)data;
	for (int i = 0; i < MAX_VCPUS; i++)
		irqs += vcpus[i].irqs;
	fprintf(out, "end %lu %" PRIu64 "\n", pairs, irqs);
	fclose(out);
}

int qemu_plugin_install(plugin_id id, const struct plugin_info *info, int argc, char **argv)
{
	if (!strcmp(info->target, "x86_64")) {
		is_locked = x86_is_locked;
		is_return = x86_is_return;
		marker = x86_marker;
	} else if (!strcmp(info->target, "aarch64")) {
		is_locked = arm64_is_locked;
		is_return = arm64_is_return;
		marker = arm64_marker;
	} else {
		fprintf(stderr, "count.so: does not know the instructions of %s\n", info->target);
		return -1;
	}
	for (int i = 0; i < argc; i++) {
		if (!strncmp(argv[i], "out=", 4))
			out = fopen(argv[i] + 4, "w");
		else if (!strncmp(argv[i], "irq=", 4) && nr_entries < MAX_ENTRIES)
			entries[nr_entries++] = strtoull(argv[i] + 4, NULL, 16);
		else if (!strncmp(argv[i], "profile=", 8))
			profile = strtoul(argv[i] + 8, NULL, 10);
	}
	if (!out || !nr_entries) {
		fprintf(stderr, "count.so: needs out=FILE, a file that it can write, and irq=ADDRESS\n");
		return -1;
	}
	if (info->max_vcpus > MAX_VCPUS) {
		fprintf(stderr, "count.so: counts at most %d CPUs\n", MAX_VCPUS);
		return -1;
	}
	qemu_plugin_register_vcpu_tb_trans_cb(id, on_translate);
	qemu_plugin_register_atexit_cb(id, on_exit_of_qemu, NULL);
	return 0;
}
