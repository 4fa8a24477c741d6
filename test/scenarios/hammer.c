/*
 * The hammer of hammer.h.
 */
#include "hammer.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <sys/syscall.h>

#define NTHREADS_MAX 16
#define NBLOCKS 8
#define NWORDS 4

/* Turns on one CPU before the next one. */
#define TURNS_A_CPU 40

static cpu_set_t allowed;
static int cpus[CPU_SETSIZE], ncpus;
static pthread_t threads[NTHREADS_MAX];
static int nthreads_now;
static bool bound_now;
static atomic_bool stopping;

void hammer(int turns, uint64_t seed)
{
	uint64_t *p[NBLOCKS];
	size_t i, k;

	while (turns-- > 0) {
		for (i = 0; i < NBLOCKS; i++) {
			p[i] = malloc(NWORDS * sizeof(uint64_t));
			must(p[i]);
			for (k = 0; k < NWORDS; k++)
				p[i][k] = seed + i;
		}
		for (i = 0; i < NBLOCKS; i++) {
			for (k = 0; k < NWORDS; k++)
				must(p[i][k] == seed + i);
			free(p[i]);
		}
	}
}

int hammer_ncpus(void)
{
	int cpu;

	if (ncpus)
		return ncpus;
	must(sched_getaffinity(0, sizeof(allowed), &allowed) == 0);
	for (cpu = 0; cpu < CPU_SETSIZE; cpu++)
		if (CPU_ISSET(cpu, &allowed))
			cpus[ncpus++] = cpu;
	return ncpus;
}

void hammer_bind(int number)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpus[number % ncpus], &set);
	must(syscall(SYS_sched_setaffinity, 0, sizeof(set), &set) == 0);
}

void hammer_moving(int turns, uint64_t seed)
{
	int number = (int)(seed % 7);

	for (; turns > 0; turns -= TURNS_A_CPU) {
		hammer_bind(number++);
		hammer(TURNS_A_CPU, seed);
	}
	must(syscall(SYS_sched_setaffinity, 0, sizeof(allowed), &allowed) == 0);
}

static void *run(void *arg)
{
	int number = (int)(intptr_t)arg;

	if (bound_now)
		hammer_bind(number);
	while (!atomic_load(&stopping))
		hammer(1000, (uint64_t)(number + 1) << 32);
	return NULL;
}

void hammer_start(int nthreads, bool bound)
{
	int i;

	must(nthreads <= NTHREADS_MAX && hammer_ncpus() > 0);
	bound_now = bound;
	nthreads_now = nthreads;
	atomic_store(&stopping, false);
	for (i = 0; i < nthreads; i++)
		must(!pthread_create(&threads[i], NULL, run,
				     (void *)(intptr_t)i));
}

void hammer_stop(void)
{
	int i;

	atomic_store(&stopping, true);
	for (i = 0; i < nthreads_now; i++)
		must(!pthread_join(threads[i], NULL));
	nthreads_now = 0;
}
