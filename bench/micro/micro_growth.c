/*
 * Buffers that grow with realloc, in steps of one size or to the double, up to
 * 64 MiB; of each step the last byte is written.
 */
#include "micro.h"

#include <stdlib.h>

#define TOP (64 * MICRO_MIB)
#define FIRST 16

static char *grow(char *p, size_t n)
{
	p = realloc(p, n);
	p[n - 1] = 1;
	bench_use(p);
	return p;
}

/* Argument: where it ends. */
static void doubling(struct bench_state *st)
{
	size_t top = (size_t)bench_arg_of(st, 0);

	while (bench_next(st)) {
		char *p = NULL;

		for (size_t n = FIRST; n <= top; n *= 2)
			p = grow(p, n);
		free(p);
	}
}

/* Arguments: step, end. One item is one realloc. */
static void steps(struct bench_state *st)
{
	size_t step = (size_t)bench_arg_of(st, 0);
	size_t top = (size_t)bench_arg_of(st, 1);

	while (bench_next(st)) {
		char *p = NULL;

		for (size_t n = step; n <= top; n += step)
			p = grow(p, n);
		free(p);
	}
	bench_set_items(st, bench_iterations(st) * (int64_t)(top / step));
}

/* Two buffers grow in turns, so that neither has room behind it. */
static void two_at_a_time(struct bench_state *st)
{
	size_t top = (size_t)bench_arg_of(st, 0);

	while (bench_next(st)) {
		char *p = NULL, *q = NULL;

		for (size_t n = FIRST; n <= top; n += n / 2) {
			p = grow(p, n);
			q = grow(q, n);
		}
		free(p);
		free(q);
	}
}

void add_growth(void)
{
	struct bench_case *c;

	bench_range(bench_add("realloc_doubling", doubling), 4 * MICRO_KIB, TOP,
		    16);
	c = bench_add("realloc_steps", steps);
	bench_args(c, 64, 4 * MICRO_KIB);
	bench_args(c, 64, 64 * MICRO_KIB);
	bench_args(c, 64, MICRO_MIB);
	bench_args(c, 4 * MICRO_KIB, MICRO_MIB);
	bench_args(c, 64 * MICRO_KIB, 16 * MICRO_MIB);
	bench_args(c, MICRO_MIB, TOP);
	c = bench_add("realloc_two", two_at_a_time);
	bench_arg(c, 64 * MICRO_KIB);
	bench_arg(c, MICRO_MIB);
}
