/*
 * Threads: the same pair in several, blocks that another thread frees, and
 * what an allocator does when a thread starts and ends.
 */
#include "micro.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>

#define RING 1024
#define MAX_RINGS 8
#define BURST 100

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

/*
 * A ring for each two threads: the even one allocates, the odd one frees. Both
 * count an iteration a block, so that they do equally many. Who has to wait
 * yields: there may be more threads than CPUs.
 */
static _Alignas(64) _Atomic(void *) rings[MAX_RINGS][RING];

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
	int thread = bench_thread_index(st);
	_Atomic(void *) *ring = rings[thread / 2];
	int64_t i = 0;

	while (bench_next(st)) {
		if (thread % 2 == 0)
			put(&ring[i++ % RING], n);
		else
			take(&ring[i++ % RING]);
	}
	if (thread % 2 == 0)
		bench_set_items(st, bench_iterations(st));
}

static void *one_pair(void *arg)
{
	void *p = malloc(100);

	bench_use(p);
	free(p);
	return arg;
}

static void *burst(void *arg)
{
	void *blocks[BURST];

	for (int i = 0; i < BURST; i++) {
		blocks[i] = malloc((size_t)(16 * (i + 1)));
		bench_use(blocks[i]);
	}
	for (int i = 0; i < BURST; i++)
		free(blocks[i]);
	return arg;
}

static void start_and_end(struct bench_state *st, void *(*fn)(void *))
{
	while (bench_next(st)) {
		pthread_t thread;

		if (pthread_create(&thread, NULL, fn, NULL) != 0) {
			bench_skip(st, "pthread_create failed");
			break;
		}
		pthread_join(thread, NULL);
	}
}

static void thread_one_pair(struct bench_state *st)
{
	start_and_end(st, one_pair);
}

static void thread_burst(struct bench_state *st)
{
	start_and_end(st, burst);
}

static void add_cross_thread(int64_t n)
{
	struct bench_case *c = bench_add("cross_thread", cross_thread);

	bench_arg(c, n);
	bench_threads(c, 2);
	bench_threads(c, 4);
	bench_threads(c, 2 * MAX_RINGS);
}

void add_threads(void)
{
	struct bench_case *c = bench_add("pair_threads", pair);

	bench_arg(c, 32);
	bench_arg(c, 1024);
	micro_threads(c);
	add_cross_thread(64);
	add_cross_thread(4096);
	add_cross_thread(65536);
	bench_wall_time(bench_add("thread_one_pair", thread_one_pair));
	c = bench_add("thread_burst", thread_burst);
	bench_threads(c, 1);
	bench_threads(c, 2);
}
