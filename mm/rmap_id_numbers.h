/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The numbers behind rmap IDs: for mm/rmap_id.c and its tests. No state, no lock.
 *
 * A digit d is as far from the centre 7.5 as (2 * d - 15)^2 says, which is
 * 8 * t + 1 with one of the triangular numbers t = j * (j + 1) / 2, j from 0 to
 * 7: for d = 8 + j and for d = 7 - j. An ID is on the sphere if its eight t sum to
 * RMAP_ID_RADIUS, which most do.
 */
#ifndef _MM_RMAP_ID_NUMBERS_H
#define _MM_RMAP_ID_NUMBERS_H

#include <linux/limits.h>
#include <linux/minmax.h>
#include <linux/types.h>

#define RMAP_ID_DIGITS		8
#define RMAP_ID_DIGIT_MAX	15
#define RMAP_ID_STEPS		8	/* values of j */
#define RMAP_ID_RADIUS		80
#define RMAP_ID_MAX_ORDER	15	/* of a folio */
/* How many IDs are on that sphere; rmap_id_init() counts them */
#define RMAP_ID_NR		63738112U

/* The highest number that an mm may get; tests lower it for a moment */
extern u32 rmap_id_last;

/**
 * struct rmap_id_tables - How many choices are left.
 * @ways: By the number of digits that are left, and by what is left of the sum of
 *	their t: in how many ways their t can be chosen.
 * @per_word: By order: rmap_id_digits_per_word().
 */
struct rmap_id_tables {
	u32 ways[RMAP_ID_DIGITS + 1][RMAP_ID_RADIUS + 1];
	u8 per_word[RMAP_ID_MAX_ORDER + 1];
};

/**
 * rmap_id_base - The base of the sums for an order.
 * @order: Order of a folio.
 *
 * Return: One more than a digit of a sum can be.
 */
static inline u64 rmap_id_base(unsigned int order)
{
	return ((u64)RMAP_ID_DIGIT_MAX << order) + 1;
}

/**
 * rmap_id_digits_per_word - How many digits of a sum 64 bits hold.
 * @order: Order of a folio.
 *
 * Return: The largest D with base^D <= 2^64, at most RMAP_ID_DIGITS.
 */
static inline unsigned int rmap_id_digits_per_word(unsigned int order)
{
	const u64 base = rmap_id_base(order);
	unsigned int nr = 0;
	u64 power = 1;

	/* The base is odd: no power of it is 2^64 */
	while (nr < RMAP_ID_DIGITS && power <= U64_MAX / base) {
		power *= base;
		nr++;
	}

	return nr;
}

static inline unsigned int rmap_id_triangle(unsigned int j)
{
	return j * (j + 1) / 2;
}

/**
 * rmap_id_count - Fill the tables.
 * @tables: The tables.
 */
static inline void rmap_id_count(struct rmap_id_tables *tables)
{
	unsigned int left, sum, j;

	for (sum = 0; sum <= RMAP_ID_RADIUS; sum++)
		tables->ways[0][sum] = !sum;
	for (left = 1; left <= RMAP_ID_DIGITS; left++)
		for (sum = 0; sum <= RMAP_ID_RADIUS; sum++) {
			u32 ways = 0;

			for (j = 0; j < RMAP_ID_STEPS && rmap_id_triangle(j) <= sum; j++)
				ways += tables->ways[left - 1][sum - rmap_id_triangle(j)];
			tables->ways[left][sum] = ways;
		}
	for (j = 0; j <= RMAP_ID_MAX_ORDER; j++)
		tables->per_word[j] = rmap_id_digits_per_word(j);
}

/**
 * rmap_id_total - Number of IDs.
 * @tables: The tables, filled.
 *
 * Return: Ways to choose the t, times the sides of the centre for each digit.
 */
static inline u32 rmap_id_total(const struct rmap_id_tables *tables)
{
	return tables->ways[RMAP_ID_DIGITS][RMAP_ID_RADIUS] << RMAP_ID_DIGITS;
}

/**
 * rmap_id_unrank - The digits of the n-th ID.
 * @tables: The tables, filled.
 * @number: Which ID, below RMAP_ID_NR.
 * @digits: RMAP_ID_DIGITS digits, from 0 to RMAP_ID_DIGIT_MAX.
 *
 * The low bits choose the sides. Of what is above them, as much as the first t
 * leaves in ways for the rest belongs to it, then to the next t, and so on.
 */
static inline void rmap_id_unrank(const struct rmap_id_tables *tables,
				  u32 number, u8 *digits)
{
	unsigned int i, j, sum = RMAP_ID_RADIUS;
	u32 rest = number >> RMAP_ID_DIGITS;

	for (i = 0; i < RMAP_ID_DIGITS; i++) {
		for (j = 0; j < RMAP_ID_STEPS - 1; j++) {
			u32 ways = 0;

			if (rmap_id_triangle(j) <= sum)
				ways = tables->ways[RMAP_ID_DIGITS - 1 - i]
						   [sum - rmap_id_triangle(j)];
			if (rest < ways)
				break;
			rest -= ways;
		}
		sum -= rmap_id_triangle(j);
		digits[i] = number >> i & 1 ? 8 + j : 7 - j;
	}
}

/**
 * rmap_id_word - What one mapping adds to a word of a folio's sum.
 * @tables: The tables, filled.
 * @digits: The ID's digits.
 * @order: Order of the folio.
 * @word: Which word.
 *
 * Return: Digits of that word as digits of the order's base, 0 if it has none.
 */
static inline u64 rmap_id_word(const struct rmap_id_tables *tables,
			       const u8 *digits, unsigned int order,
			       unsigned int word)
{
	const unsigned int nr = tables->per_word[order];
	const u64 base = rmap_id_base(order);
	const unsigned int first = word * nr;
	unsigned int i = min_t(unsigned int, first + nr, RMAP_ID_DIGITS);
	u64 sum = 0;

	while (i-- > first)
		sum = sum * base + digits[i];

	return sum;
}

#endif /* _MM_RMAP_ID_NUMBERS_H */
