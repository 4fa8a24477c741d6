/*
 * 256 threads on 2 CPUs: each does 40 rounds of 2,000 blocks, filled and then
 * freed. Sizes are 16 to 512 bytes, one block in 16 up to 8 KiB. All threads
 * start together and live until the last one is done, as a server's do.
 * Prints seconds and the resident memory after the threads have ended.
 *
 * threads256 [THREADS [ROUNDS]]
 */
#include "measure.h"

#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#define BLOCKS 2000
#define SMALL_MIN 16
#define SMALL_MAX 512
#define LARGE_MAX 8192
#define LARGE_ONE_IN 16
#define CPUS_USED 2
#define STACK_NBYTES (128 << 10)

static int nrounds = 40;
static pthread_barrier_t barrier;

static size_t pick(uint64_t *state)
{
	uint64_t x = measure_random(state);

	if (x % LARGE_ONE_IN == 0)
		return SMALL_MIN + (x >> 8) % (LARGE_MAX - SMALL_MIN + 1);
	return SMALL_MIN + (x >> 8) % (SMALL_MAX - SMALL_MIN + 1);
}

static void round_of_blocks(void **block, uint64_t *state)
{
	for (int i = 0; i < BLOCKS; i++) {
		size_t n = pick(state);

		block[i] = malloc(n);
		if (block[i] == NULL)
			measure_die("malloc gave NULL");
		memset(block[i], i, n);
	}
	for (int i = 0; i < BLOCKS; i++)
		free(block[i]);
}

static void *run(void *arg)
{
	void *block[BLOCKS];
	uint64_t state = (uint64_t)(uintptr_t)arg;

	pthread_barrier_wait(&barrier);
	for (int i = 0; i < nrounds; i++)
		round_of_blocks(block, &state);
	pthread_barrier_wait(&barrier);
	return NULL;
}

static void use_two_cpus(void)
{
	cpu_set_t may, use;

	CPU_ZERO(&use);
	sched_getaffinity(0, sizeof(may), &may);
	for (int cpu = 0; cpu < CPU_SETSIZE; cpu++)
		if (CPU_ISSET(cpu, &may) && CPU_COUNT(&use) < CPUS_USED)
			CPU_SET(cpu, &use);
	sched_setaffinity(0, sizeof(use), &use);
}

int main(int argc, char **argv)
{
	int nthreads = argc > 1 ? atoi(argv[1]) : 256;
	pthread_t *threads;
	pthread_attr_t attr;
	double start;

	if (argc > 2)
		nrounds = atoi(argv[2]);
	use_two_cpus();
	threads = calloc((size_t)nthreads, sizeof(*threads));
	pthread_barrier_init(&barrier, NULL, (unsigned)nthreads);
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK_NBYTES);
	start = measure_now();
	for (int i = 0; i < nthreads; i++)
		if (pthread_create(&threads[i], &attr, run,
				   (void *)(uintptr_t)(i + 1)) != 0)
			measure_die("pthread_create failed");
	for (int i = 0; i < nthreads; i++)
		pthread_join(threads[i], NULL);
	measure_print("seconds", measure_now() - start);
	measure_print("settled_kib", measure_rss_kib());
	return 0;
}
