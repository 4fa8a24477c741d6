/*
 * Scenario 15: affinity changed in mid-run. A process that has never run on any
 * CPU but the last, so that all ids below are absent; then only on the first,
 * then on one after the other, then all over the place, under load. The slabs
 * are those of the CPUs that were used and no others, no block is handed out
 * twice, and every thread stays on per-CPU caches.
 */
#include "cpu_lab.h"
#include "rseq_raw.h"

/* CPUs that are visited one by one. */
#define VISITS_MAX 5
#define STIR_SECONDS 1.5

static void must_have_slabs(size_t least, size_t most)
{
	size_t nslabs = raw_stats().nslabs;

	if (!on_per_cpu())
		least = most = 0;
	else if (by_mm_cid())
		least = 1; /* the kernel may give the same ids again */
	if (nslabs >= least && nslabs <= most)
		return;
	printf("%zu slabs, not %zu to %zu\n", nslabs, least, most);
	exit(1);
}

int main(int argc, char **argv)
{
	static struct cpus cpus;
	unsigned long nchanges;
	int visit, last;

	cpus_start_bound(&cpus, argc, argv);
	testing_start(100);
	raw_prepare();
	claims_start();
	last = cpus.n < VISITS_MAX ? cpus.n - 1 : VISITS_MAX;
	crowd_start(4 * (cpus.n < 8 ? cpus.n : 8) + 4);
	crowd_wait(3);
	must_have_slabs(1, 1);
	for (visit = 0; visit < last; visit++) {
		crowd_bind(&cpus.id[visit], 1);
		crowd_wait(2);
		must_have_slabs((size_t)visit + 2, (size_t)visit + 2);
	}
	crowd_bind(cpus.id, cpus.n);
	crowd_wait(2);
	nchanges = crowd_stir(&cpus, STIR_SECONDS);
	crowd_stop(&cpus);
	must_have_slabs((size_t)last + 1, (size_t)cpus.n);
	if (on_per_cpu())
		raw_must_be_registered();
	printf("%s: %d CPUs, %zu slabs, %lu changes of affinity, %lu blocks\n",
	       raw_mode(), cpus.n, raw_stats().nslabs, nchanges,
	       claims_count());
	return 0;
}
