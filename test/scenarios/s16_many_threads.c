/*
 * Scenario 16: mm_cid with hundreds of threads on few CPUs, and affinity shrunk
 * and grown under load. The caches follow the CPUs, not the threads: as many
 * slabs as concurrency ids can be in use, memory within the caches' bounds, and
 * no block handed out twice.
 *
 * The kernel keeps the ids below the number of CPUs on which the process was
 * ever allowed, but not below those on which it is allowed now: a CPU that it
 * has left may hold its id for a while (Linux 6.4 to 6.18).
 */
#include "cpu_lab.h"
#include "rseq_raw.h"

#include <pthread.h>
#include <sys/utsname.h>

#define NTHREADS 300
#define STIR_SECONDS 1.2
/* 57 MiB in all. */
#define TIDE_BLOCKS 200
#define TIDE_BYTES 1000
/* Of a thread that is alone. */
#define NMOVES 50

/*
 * Bounds (docs/DESIGN.md) for the sizes that are used here, and as many again:
 * two magazines of 64 KiB each in a slab, 4 MiB in the depots.
 */
#define SLAB_BYTES_MAX (16 * 2 * 64 * KIB)
#define DEPOT_BYTES_MAX (8 * MIB)

static void must_have_slabs(size_t most, const char *when)
{
	size_t nslabs = raw_stats().nslabs;

	if (nslabs >= 1 && nslabs <= most)
		return;
	printf("%s: %zu slabs, not 1 to %zu\n", when, nslabs, most);
	exit(1);
}

/* From Linux 6.13 on ids stay below the number of threads. */
static bool ids_are_compact(void)
{
	struct utsname name;
	int major, minor;

	must(uname(&name) == 0);
	must(sscanf(name.release, "%d.%d", &major, &minor) == 2);
	return major > 6 || (major == 6 && minor >= 13);
}

/* One thread on all CPUs, one after the other: it needs one slab. */
static void alone(void)
{
	struct cpus cpus;
	uint64_t state = testing_seed();
	int i;

	cpus_allowed(&cpus);
	for (i = 0; i < NMOVES; i++) {
		must(cpus_bind(0, &cpus.id[i % cpus.n], 1));
		claims_steps(2, &state);
	}
	must(cpus_bind(0, cpus.id, cpus.n));
	claims_end();
	must_have_slabs(ids_are_compact() ? 1 : (size_t)cpus.n, "alone");
	printf("one thread on %d CPUs: %zu slabs\n", cpus.n,
	       raw_stats().nslabs);
}

/* Every thread has its blocks at the same time, and then none has any. */
static void *tide_member(void *arg)
{
	static __thread void *p[TIDE_BLOCKS];
	int i;

	for (i = 0; i < TIDE_BLOCKS; i++)
		must((p[i] = malloc(TIDE_BYTES)));
	pthread_barrier_wait(arg);
	for (i = 0; i < TIDE_BLOCKS; i++)
		free(p[i]);
	return NULL;
}

static void tide(void)
{
	pthread_barrier_t barrier;
	pthread_t thread[NTHREADS];
	int i;

	must(!pthread_barrier_init(&barrier, NULL, NTHREADS));
	for (i = 0; i < NTHREADS; i++)
		must(!pthread_create(&thread[i], NULL, tide_member, &barrier));
	for (i = 0; i < NTHREADS; i++)
		must(!pthread_join(thread[i], NULL));
	must(!pthread_barrier_destroy(&barrier));
}

static void must_be_bounded(void)
{
	struct pcm_stats stats = raw_stats();
	size_t most = (stats.nslabs + stats.nshards) * SLAB_BYTES_MAX +
		DEPOT_BYTES_MAX;

	printf("%zu slabs, %zu shards, %zu KiB cached, %zu KiB mapped\n",
	       stats.nslabs, stats.nshards, stats.cached / KIB,
	       stats.mapped / KIB);
	must(stats.cached <= most);
}

int main(int argc, char **argv)
{
	static struct cpus cpus;
	unsigned long nchanges;

	testing_start(100);
	raw_prepare();
	if (!by_mm_cid())
		testing_skip("no mm_cid in this kernel");
	claims_start();
	if (argc == 1)
		alone();
	cpus_start_bound(&cpus, argc, argv);
	crowd_start(NTHREADS);
	crowd_wait(2);
	must_have_slabs(1, "hundreds of threads on one CPU");
	crowd_bind(cpus.id, cpus.n);
	crowd_wait(2);
	must_have_slabs((size_t)cpus.n, "on all CPUs");
	nchanges = crowd_stir(&cpus, STIR_SECONDS);
	must_have_slabs((size_t)cpus.n, "shrunk and grown");
	crowd_bind(cpus.id, 1);
	crowd_wait(2);
	crowd_stop(&cpus);
	tide();
	must_be_bounded();
	printf("%s: %d threads, %d CPUs, %lu changes of affinity, "
	       "%lu blocks\n", raw_mode(), NTHREADS, cpus.n, nchanges,
	       claims_count());
	return 0;
}
