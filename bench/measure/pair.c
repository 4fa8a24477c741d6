/*
 * A malloc/free pair of 32 bytes, both called through the dynamic linker.
 * Under libempty.so the same program measures the floor: the same calls of
 * functions that do nothing. Prints the nanoseconds of a pair: the median and
 * the least of many short samples.
 *
 * pair [MILLIONS_OF_PAIRS]
 */
#include "measure.h"

#include <sched.h>
#include <stdlib.h>

#define NBYTES 32
#define NSAMPLES 45
#define WARM_UP 200000

static void pairs(long n)
{
	for (long i = 0; i < n; i++) {
		void *p = malloc(NBYTES);

		measure_use(p);
		free(p);
	}
}

/* One CPU, so that no sample contains a migration. */
static void stay_here(void)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(sched_getcpu(), &set);
	sched_setaffinity(0, sizeof(set), &set);
}

static void sort(double *x, int n)
{
	for (int i = 1; i < n; i++)
		for (int j = i; j > 0 && x[j] < x[j - 1]; j--) {
			double swap = x[j];

			x[j] = x[j - 1];
			x[j - 1] = swap;
		}
}

int main(int argc, char **argv)
{
	double millions = argc > 1 ? atof(argv[1]) : 18;
	long n = (long)(millions * 1e6 / NSAMPLES);
	double ns[NSAMPLES];

	stay_here();
	pairs(WARM_UP);
	for (int i = 0; i < NSAMPLES; i++) {
		double start = measure_cpu_now();

		pairs(n);
		ns[i] = (measure_cpu_now() - start) * 1e9 / (double)n;
	}
	sort(ns, NSAMPLES);
	measure_print("ns_per_pair", ns[NSAMPLES / 2]);
	measure_print("ns_least", ns[0]);
	return 0;
}
