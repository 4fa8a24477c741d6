/*
 * Producer and consumer: one thread allocates 64-byte blocks and writes to
 * them, another reads and frees them. Blocks travel in batches through a
 * bounded queue. Prints millions of blocks a second.
 *
 * xmalloc [MILLIONS_OF_BLOCKS]
 */
#include "measure.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>

#define NBYTES 64
#define BATCH 256
#define QUEUE 64
#define SPINS_BEFORE_YIELD 2000
#define CACHE_LINE 64

static long *queue[QUEUE][BATCH];
/* Batches put in and taken out so far, each written by one thread. */
static _Alignas(CACHE_LINE) _Atomic(long) nput;
static _Alignas(CACHE_LINE) _Atomic(long) ntaken;
static long nbatches;

/* Waits until other > than. */
static void wait_past(_Atomic(long) *other, long than)
{
	long spins = 0;

	while (atomic_load_explicit(other, memory_order_acquire) <= than)
		if (++spins % SPINS_BEFORE_YIELD == 0)
			sched_yield();
}

static void *produce(void *arg)
{
	for (long n = 0; n < nbatches; n++) {
		long **batch = queue[n % QUEUE];

		wait_past(&ntaken, n - QUEUE);
		for (int i = 0; i < BATCH; i++) {
			batch[i] = malloc(NBYTES);
			if (batch[i] == NULL)
				measure_die("malloc gave NULL");
			*batch[i] = n + i;
		}
		atomic_store_explicit(&nput, n + 1, memory_order_release);
	}
	return arg;
}

static void *consume(void *arg)
{
	for (long n = 0; n < nbatches; n++) {
		long **batch = queue[n % QUEUE];

		wait_past(&nput, n);
		for (int i = 0; i < BATCH; i++) {
			if (*batch[i] != n + i)
				measure_die("a block has lost its content");
			free(batch[i]);
		}
		atomic_store_explicit(&ntaken, n + 1, memory_order_release);
	}
	return arg;
}

int main(int argc, char **argv)
{
	double millions = argc > 1 ? atof(argv[1]) : 20;
	pthread_t producer, consumer;
	double start, seconds;

	nbatches = (long)(millions * 1e6 / BATCH);
	start = measure_now();
	if (pthread_create(&producer, NULL, produce, NULL) != 0 ||
	    pthread_create(&consumer, NULL, consume, NULL) != 0)
		measure_die("pthread_create failed");
	pthread_join(producer, NULL);
	pthread_join(consumer, NULL);
	seconds = measure_now() - start;
	measure_print("seconds", seconds);
	measure_print("mblocks_per_s",
		      (double)(nbatches * BATCH) / seconds / 1e6);
	return 0;
}
