/*
 * Micro-benchmarks of malloc and free through google-benchmark: what one
 * operation costs by size, order and thread. The program is linked against no
 * allocator; preload one.
 */
#include "shim.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#define INNER 1000
#define SIZE_LOW 8
#define SIZE_TOP ((int64_t)4 << 20)
#define MAX_BATCH 4096
#define PAGE_NBYTES 4096
#define GROWTH_TOP ((size_t)1 << 20)
#define RING 1024

enum order { LIFO, FIFO, SHUFFLED };

/* malloc + free of one size, the block untouched. */
static void pair(struct bench_state *st)
{
	size_t n = (size_t)bench_arg_of(st, 0);

	while (bench_next_batch(st, INNER))
		for (int i = 0; i < INNER; i++) {
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

	while (bench_next_batch(st, INNER))
		for (int i = 0; i < INNER; i++) {
			void *p = malloc(sizes[i % 8]);

			bench_use(p);
			free(p);
		}
	bench_set_items(st, bench_iterations(st));
}

/* The order in which a batch is freed, as indices. */
static void set_order(int *at, int count, enum order order)
{
	uint64_t x = 88172645463325252ull;

	for (int i = 0; i < count; i++)
		at[i] = order == LIFO ? count - 1 - i : i;
	for (int i = count - 1; i > 0 && order == SHUFFLED; i--) {
		int j, swap = at[i];

		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		j = (int)(x % (uint64_t)(i + 1));
		at[i] = at[j];
		at[j] = swap;
	}
}

/* Arguments: block size, blocks in a batch. One item = one malloc + free. */
static void batch(struct bench_state *st, enum order order)
{
	size_t n = (size_t)bench_arg_of(st, 0);
	int count = (int)bench_arg_of(st, 1);
	static __thread void *block[MAX_BATCH];
	static __thread int at[MAX_BATCH];

	set_order(at, count, order);
	while (bench_next(st)) {
		for (int i = 0; i < count; i++) {
			block[i] = malloc(n);
			*(char *)block[i] = 1;
		}
		for (int i = 0; i < count; i++)
			free(block[at[i]]);
	}
	bench_set_items(st, bench_iterations(st) * count);
}

static void batch_lifo(struct bench_state *st)
{
	batch(st, LIFO);
}

static void batch_fifo(struct bench_state *st)
{
	batch(st, FIFO);
}

static void batch_shuffled(struct bench_state *st)
{
	batch(st, SHUFFLED);
}

/*
 * A ring: thread 0 allocates, thread 1 frees. Both count an iteration a
 * block, so that they do equally many.
 */
static _Atomic(void *) ring[RING];

static void put(_Atomic(void *) *place, size_t n)
{
	void *p = malloc(n);

	bench_use(p);
	while (atomic_load_explicit(place, memory_order_acquire) != NULL)
		sched_yield();
	atomic_store_explicit(place, p, memory_order_release);
}

static void take(_Atomic(void *) *place)
{
	void *p = atomic_load_explicit(place, memory_order_acquire);

	while (p == NULL) {
		sched_yield();
		p = atomic_load_explicit(place, memory_order_acquire);
	}
	atomic_store_explicit(place, NULL, memory_order_release);
	free(p);
}

static void cross_thread(struct bench_state *st)
{
	size_t n = (size_t)bench_arg_of(st, 0);
	int64_t i = 0;

	while (bench_next(st)) {
		_Atomic(void *) *place = &ring[i++ % RING];

		if (bench_thread_index(st) == 0)
			put(place, n);
		else
			take(place);
	}
	if (bench_thread_index(st) == 0)
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

/* A buffer grown from 16 bytes to GROWTH_TOP by the factor 1.5. */
static void realloc_growth(struct bench_state *st)
{
	while (bench_next(st)) {
		char *p = NULL;

		for (size_t n = 16; n < GROWTH_TOP; n += n / 2) {
			p = realloc(p, n);
			p[n - 1] = 1;
			bench_use(p);
		}
		free(p);
	}
}

/* A buffer extended by 64 bytes at a time, as a growing string is. */
static void realloc_append(struct bench_state *st)
{
	size_t top = (size_t)bench_arg_of(st, 0);

	while (bench_next(st)) {
		char *p = NULL;

		for (size_t n = 64; n <= top; n += 64) {
			p = realloc(p, n);
			p[n - 1] = 1;
		}
		free(p);
	}
	bench_set_items(st, bench_iterations(st) * (int64_t)(top / 64));
}

static void *one_pair(void *arg)
{
	void *p = malloc(100);

	bench_use(p);
	free(p);
	return arg;
}

/* A thread that allocates once: what an allocator does to start and end it. */
static void thread_start(struct bench_state *st)
{
	while (bench_next(st)) {
		pthread_t thread;

		if (pthread_create(&thread, NULL, one_pair, NULL) != 0) {
			bench_skip(st, "pthread_create failed");
			break;
		}
		pthread_join(thread, NULL);
	}
}

static void add_batches(const char *name, bench_fn *fn)
{
	struct bench_case *c = bench_add(name, fn);

	bench_args(c, 32, 100);
	bench_args(c, 32, 4000);
	bench_args(c, 400, 1000);
	bench_args(c, 4096, 200);
	bench_args(c, 65536, 50);
}

static void add_threads(const char *name, bench_fn *fn, int64_t n)
{
	struct bench_case *c = bench_add(name, fn);

	bench_arg(c, n);
	for (int threads = 2; threads <= 8; threads *= 2)
		bench_threads(c, threads);
}

static void add_cross_thread(void)
{
	struct bench_case *c = bench_add("cross_thread", cross_thread);

	bench_range(c, 64, 65536, 32);
	bench_threads(c, 2);
}

int main(int argc, char **argv)
{
	struct bench_case *c;

	bench_range(bench_add("pair", pair), SIZE_LOW, SIZE_TOP, 8);
	bench_add("mixed_pair", mixed_pair);
	add_threads("pair_threads", pair, 32);
	bench_range(bench_add("touched_pair", touched_pair), 4096, SIZE_TOP,
		    32);
	add_batches("batch_lifo", batch_lifo);
	add_batches("batch_fifo", batch_fifo);
	add_batches("batch_shuffled", batch_shuffled);
	add_cross_thread();
	bench_range(bench_add("calloc", calloc_pair), 32, SIZE_TOP, 16);
	bench_add("realloc_growth", realloc_growth);
	bench_range(bench_add("realloc_append", realloc_append), 4096, 1 << 20,
		    16);
	c = bench_add("thread_start", thread_start);
	bench_wall_time(c);
	return bench_main(argc, argv);
}
