/*
 * False sharing: threads write again and again to small blocks of their own,
 * and are slow if an allocator gives two of them blocks of one cache line.
 * mode= active (each thread allocates its blocks) or passive (the main thread
 * allocated the first ones, next to each other, and the threads free them).
 */
#include "harness.h"

#define NBYTES 16
#define ROUNDS 300000
#define WRITES 2000

static const char *const modes[] = { "active", "passive", NULL };

static void *given[HARNESS_MAX_THREADS];

static void write_often(volatile uint32_t *p)
{
	uint32_t start = p[1];

	for (uint32_t i = 0; i < WRITES; i++)
		p[1]++;
	if (p[1] - start != WRITES)
		measure_die("a block was written to by somebody else");
}

static void work(int index)
{
	uint32_t tag = (uint32_t)index;
	long n = harness_scaled(ROUNDS);

	if (given[index] != NULL) {
		write_often(given[index]);
		harness_put(given[index], NBYTES, tag);
	}
	for (long i = 0; i < n; i++) {
		void *p = harness_get(NBYTES, tag);

		((uint32_t *)p)[1] = 0;
		write_often(p);
		harness_put(p, NBYTES, tag);
	}
}

int main(int argc, char **argv)
{
	harness_options(argc, argv, 2, modes);
	harness_start();
	for (int i = 0; i < harness.nthreads && harness.mode == 1; i++) {
		given[i] = harness_get(NBYTES, (uint32_t)i);
		((uint32_t *)given[i])[1] = 0;
	}
	harness_threads(work);
	harness_stop();
	return harness_report();
}
