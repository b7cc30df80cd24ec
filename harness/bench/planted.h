/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A regression for bench to find: included before mm/large_anon_folio.c, it
 * puts 16000 instructions and two atomics into the mapping of each new folio:
 * for 64 kB, 1000 a page, which a figure's 0.5 % cannot hide.
 */
#include <linux/atomic.h>
#include <linux/swap.h>

static inline void bench_plant(void)
{
	static atomic_t planted;
	unsigned long n = 8000;

	asm volatile("1: dec %0\n\tjnz 1b" : "+r"(n) : : "cc");
	atomic_inc(&planted);
	atomic_dec(&planted);
}

#define folio_add_lru_vma(folio, vma)		\
	do {					\
		bench_plant();			\
		folio_add_lru_vma(folio, vma);	\
	} while (0)
