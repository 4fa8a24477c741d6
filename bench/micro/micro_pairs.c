/*
 * One block at a time: malloc, calloc or an aligned allocation, and free.
 * empty_pair is the floor, the same whatever allocator is preloaded.
 */
#include "floor_pair.h"
#include "micro.h"

#include <stdlib.h>

#define SIZE_LOW 8
#define SIZE_TOP (4 * MICRO_MIB)
#define PAGE_NBYTES 4096
#define CACHE_LINE 64

static void empty_pair(struct bench_state *st)
{
	while (bench_next_batch(st, MICRO_INNER))
		for (int i = 0; i < MICRO_INNER; i++) {
			void *p = floor_malloc(32);

			bench_use(p);
			floor_free(p);
		}
	bench_set_items(st, bench_iterations(st));
}

/* malloc + free of one size, the block untouched. */
static void pair(struct bench_state *st)
{
	size_t n = (size_t)bench_arg_of(st, 0);

	while (bench_next_batch(st, MICRO_INNER))
		for (int i = 0; i < MICRO_INNER; i++) {
			void *p = malloc(n);

			bench_use(p);
			free(p);
		}
	bench_set_items(st, bench_iterations(st));
}

/* The same with a write to every page, as a program would. */
static void touched_pair(struct bench_state *st)
{
	size_t n = (size_t)bench_arg_of(st, 0);

	while (bench_next(st)) {
		char *p = malloc(n);

		for (size_t at = 0; at < n; at += PAGE_NBYTES)
			p[at] = 1;
		bench_use(p);
		free(p);
	}
	bench_set_items(st, bench_iterations(st));
}

/* malloc + free of sizes that differ from call to call. */
static void mixed_pair(struct bench_state *st)
{
	static const size_t sizes[8] = { 24, 160, 48, 1000, 16, 320, 64, 4000 };

	while (bench_next_batch(st, MICRO_INNER))
		for (int i = 0; i < MICRO_INNER; i++) {
			void *p = malloc(sizes[i % 8]);

			bench_use(p);
			free(p);
		}
	bench_set_items(st, bench_iterations(st));
}

static void calloc_pair(struct bench_state *st)
{
	size_t n = (size_t)bench_arg_of(st, 0);

	while (bench_next(st)) {
		void *p = calloc(1, n);

		bench_use(p);
		free(p);
	}
	bench_set_bytes(st, bench_iterations(st) * (int64_t)n);
}

/* Arguments: alignment, size. */
static void aligned_pair(struct bench_state *st)
{
	size_t align = (size_t)bench_arg_of(st, 0);
	size_t n = (size_t)bench_arg_of(st, 1);

	while (bench_next_batch(st, MICRO_INNER))
		for (int i = 0; i < MICRO_INNER; i++) {
			void *p = aligned_alloc(align, n);

			bench_use(p);
			free(p);
		}
	bench_set_items(st, bench_iterations(st));
}

void add_pairs(void)
{
	struct bench_case *c;

	bench_add("empty_pair", empty_pair);
	bench_range(bench_add("pair", pair), SIZE_LOW, SIZE_TOP, 4);
	bench_add("mixed_pair", mixed_pair);
	bench_range(bench_add("touched_pair", touched_pair), 4 * MICRO_KIB,
		    SIZE_TOP, 4);
	bench_range(bench_add("calloc", calloc_pair), 32, SIZE_TOP, 8);
	c = bench_add("aligned", aligned_pair);
	bench_args(c, CACHE_LINE, CACHE_LINE);
	bench_args(c, CACHE_LINE, 320);
	bench_args(c, PAGE_NBYTES, PAGE_NBYTES);
	bench_args(c, PAGE_NBYTES, 16 * PAGE_NBYTES);
	bench_args(c, MICRO_MIB, MICRO_MIB);
}
