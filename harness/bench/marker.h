/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Instructions that do nothing and that no compiler emits: by them the program
 * in the guest tells the plugin in QEMU where a measurement begins and ends.
 */
#ifndef BENCH_MARKER_H
#define BENCH_MARKER_H

#define MARK_START	0x6c01
#define MARK_STOP	0x6c02

#if defined(__x86_64__)
/* nopl with a displacement that says it; the jump ends QEMU's block of code */
#define MARK(code)	asm volatile(".byte 0x0f, 0x1f, 0x80; .long %c0; jmp 9f; 9:" : : "i"(code) : "memory")
#elif defined(__aarch64__)
/* movz xzr, #code, lsl #48 */
#define MARK(code)	asm volatile(".inst 0xd2e0001f | (%c0 << 5); b 9f; 9:" : : "i"(code) : "memory")
#endif

#endif
