/*
 * 34 KiB and 168 KiB blocks, in turns: one thread allocates one of each,
 * touches every page and hands them over; the other frees them, allocates the
 * next two and hands those back. Prints seconds and nanoseconds a block.
 *
 * inturns [TURNS]
 */
#include "measure.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>

#define NBLOCKS 2
#define PAGE_NBYTES 4096
/* Then the other thread may need this CPU. */
#define SPINS_BEFORE_YIELD 2000

static const size_t nbytes[NBLOCKS] = { 34 << 10, 168 << 10 };
static char *block[NBLOCKS];
static _Atomic(long) turn;
static long nturns = 200000;

static void wait_for(long mine)
{
	long spins = 0;

	while (atomic_load_explicit(&turn, memory_order_acquire) != mine)
		if (++spins % SPINS_BEFORE_YIELD == 0)
			sched_yield();
}

static void take_turn(void)
{
	for (int i = 0; i < NBLOCKS; i++) {
		free(block[i]);
		block[i] = malloc(nbytes[i]);
		if (block[i] == NULL)
			measure_die("malloc gave NULL");
		for (size_t at = 0; at < nbytes[i]; at += PAGE_NBYTES)
			block[i][at] = (char)i;
	}
}

static void *run(void *arg)
{
	for (long mine = (long)(intptr_t)arg; mine < nturns; mine += 2) {
		wait_for(mine);
		take_turn();
		atomic_store_explicit(&turn, mine + 1, memory_order_release);
	}
	return NULL;
}

int main(int argc, char **argv)
{
	pthread_t threads[2];
	double start, seconds;

	if (argc > 1)
		nturns = atol(argv[1]);
	start = measure_now();
	for (intptr_t i = 0; i < 2; i++)
		if (pthread_create(&threads[i], NULL, run, (void *)i) != 0)
			measure_die("pthread_create failed");
	for (int i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
	seconds = measure_now() - start;
	measure_print("seconds", seconds);
	measure_print("ns_per_block",
		      seconds * 1e9 / (double)(nturns * NBLOCKS));
	return 0;
}
