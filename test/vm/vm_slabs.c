/*
 * How many CPUs' slabs does a process populate?
 *
 *	vm_slabs THREADS LEAST MOST [bound|moving]
 *
 * Fails unless they are LEAST to MOST. The threads stay where they are put by
 * the scheduler, or each on a CPU of its own, or move about.
 */
#include "cpu_lab.h"
#include "rseq_raw.h"

#define STIR_SECONDS 2.0

static void bind_each(int nthreads, const struct cpus *cpus)
{
	int i;

	for (i = 0; i < nthreads; i++)
		crowd_bind_one((unsigned int)i, &cpus->id[i % cpus->n], 1);
	crowd_wait(5);
}

int main(int argc, char **argv)
{
	struct cpus cpus;
	size_t nslabs, least, most;
	int nthreads;

	must(argc >= 4);
	nthreads = atoi(argv[1]);
	least = (size_t)atoi(argv[2]);
	most = (size_t)atoi(argv[3]);
	testing_start(200);
	raw_prepare();
	claims_start();
	cpus_allowed(&cpus);
	crowd_start(nthreads);
	crowd_wait(10);
	if (argc > 4 && strcmp(argv[4], "bound") == 0)
		bind_each(nthreads, &cpus);
	else if (argc > 4)
		crowd_stir(&cpus, STIR_SECONDS);
	crowd_stop(&cpus);
	nslabs = raw_stats().nslabs;
	printf("%d threads, %d CPUs allowed: %zu slabs, %zu shards\n", nthreads,
	       cpus.n, nslabs, raw_stats().nshards);
	return nslabs < least || nslabs > most;
}
