/*
 * work_threads: four threads allocate at the same time, and free what another
 * one has allocated.
 */
#include <malloc.h>
#include <pthread.h>

#include "faults.h"

#define NTHREADS 4

static pthread_barrier_t everybody;

static void some(struct bank *bank)
{
	unsigned i;

	for (i = 0; i < 250; i++)
		bank_malloc(bank, rnd_between(&bank->state, 1, 6000));
	for (i = 0; i < 3; i++)
		bank_malloc(bank, rnd_between(&bank->state, 1, 2 * MIB));
	bank_calloc(bank, 500 * KIB);
}

static void *run(void *arg)
{
	unsigned self = (unsigned)(uintptr_t)arg;
	struct bank *mine = &banks[self];

	some(mine);
	pthread_barrier_wait(&everybody);
	bank_thin(&banks[(self + 1) % NTHREADS]);
	pthread_barrier_wait(&everybody);
	some(mine);
	if (self == 0)
		malloc_trim(0);
	pthread_barrier_wait(&everybody);
	bank_free_all(&banks[(self + 2) % NTHREADS]);
	pthread_barrier_wait(&everybody);
	if (self == 0)
		malloc_trim(0); /* there are ranges to unmap now */
	some(mine);
	return NULL;
}

static void start_and_join(void *(*fn)(void *))
{
	pthread_t thread[NTHREADS];
	uintptr_t i;

	for (i = 0; i < NTHREADS; i++)
		must(pthread_create(&thread[i], NULL, fn, (void *)i) == 0);
	for (i = 0; i < NTHREADS; i++)
		pthread_join(thread[i], NULL);
}

static void *wait_for_all(void *arg)
{
	pthread_barrier_wait(&everybody);
	return arg;
}

/* libc keeps what it allocates for a thread. */
static void prepare(void)
{
	pthread_barrier_init(&everybody, NULL, NTHREADS);
	start_and_join(wait_for_all);
}

static void work(void)
{
	start_and_join(run);
}

int main(int argc, char **argv)
{
	static const struct fault_work threads = {
		.name = "threads",
		.prepare = prepare,
		.work = work,
		.kinds = 1u << FAULT_MMAP | 1u << FAULT_MUNMAP |
			1u << FAULT_MADVISE | 1u << FAULT_MEMBARRIER,
		.threads = NTHREADS,
		.most = 30,
	};

	return faults_main(argc, argv, &threads);
}
