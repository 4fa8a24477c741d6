/*
 * The two halves of numbers.c, and the arithmetic modulo a prime which checks
 * their results. Blocks carry no marks: a wrong block makes a wrong result.
 */
#ifndef PCM_BENCH_CRUNCH_H
#define PCM_BENCH_CRUNCH_H

#include "harness.h"

#define CRUNCH_PRIME 2147483647u

void crunch_rationals(int index);
void crunch_symbols(int index);

static inline uint32_t crunch_add(uint32_t a, uint32_t b)
{
	return (uint32_t)(((uint64_t)a + b) % CRUNCH_PRIME);
}

static inline uint32_t crunch_mul(uint32_t a, uint32_t b)
{
	return (uint32_t)((uint64_t)a * b % CRUNCH_PRIME);
}

#endif
