/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The part of QEMU's plugin interface, version 1, that bench counts with.
 * Debian's QEMU takes plugins but has no package with their header; QEMU
 * refuses a plugin whose version it does not speak.
 */
#ifndef QEMU_PLUGIN_H
#define QEMU_PLUGIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef uint64_t plugin_id;

struct plugin_tb;	/* a translation block: straight-line guest code */
struct plugin_insn;

struct plugin_info {
	const char *target;
	struct {
		int min;
		int cur;
	} version;
	bool system;
	int smp_vcpus;
	int max_vcpus;
};

enum plugin_regs { PLUGIN_NO_REGS, PLUGIN_R_REGS, PLUGIN_RW_REGS };

typedef void (*plugin_udata_fn)(plugin_id id, void *data);
typedef void (*plugin_tb_fn)(plugin_id id, struct plugin_tb *tb);
typedef void (*plugin_exec_fn)(unsigned int vcpu, void *data);

/* What QEMU calls in the plugin */
extern int qemu_plugin_version;
int qemu_plugin_install(plugin_id id, const struct plugin_info *info, int argc, char **argv);

/* What the plugin calls in QEMU */
void qemu_plugin_register_vcpu_tb_trans_cb(plugin_id id, plugin_tb_fn fn);
void qemu_plugin_register_vcpu_tb_exec_cb(struct plugin_tb *tb, plugin_exec_fn fn,
					  enum plugin_regs regs, void *data);
void qemu_plugin_register_vcpu_insn_exec_cb(struct plugin_insn *insn, plugin_exec_fn fn,
					    enum plugin_regs regs, void *data);
void qemu_plugin_register_atexit_cb(plugin_id id, plugin_udata_fn fn, void *data);
size_t qemu_plugin_tb_n_insns(const struct plugin_tb *tb);
uint64_t qemu_plugin_tb_vaddr(const struct plugin_tb *tb);
struct plugin_insn *qemu_plugin_tb_get_insn(const struct plugin_tb *tb, size_t i);
const void *qemu_plugin_insn_data(const struct plugin_insn *insn);
size_t qemu_plugin_insn_size(const struct plugin_insn *insn);

#endif
