/*
 * The kernel's fence for restartable sequences: is it there, as Linux 5.10 and
 * later have it, and does pcmalloc use it? malloc_trim() can empty the caches
 * of CPUs on which other threads sleep only if the fence works.
 */
#include "cpu_lab.h"
#include "rseq_raw.h"

#include <pthread.h>
#include <semaphore.h>
#include <sys/syscall.h>

/* uapi/linux/membarrier.h */
#define QUERY 0
#define FENCE_RSEQ (1 << 7)

#define NBLOCKS 400
#define BLOCK_BYTES 1000
#define NSLEEPERS_MAX 8

static sem_t ready, done;

/* Leaves blocks in the caches of its CPU. */
static void *sleeper(void *arg)
{
	static __thread void *p[NBLOCKS];
	int i;

	must(cpus_bind(0, arg, 1));
	for (i = 0; i < NBLOCKS; i++)
		must((p[i] = malloc(BLOCK_BYTES)));
	for (i = 0; i < NBLOCKS; i++)
		free(p[i]);
	must(raw_per_cpu());
	must(!sem_post(&ready));
	while (sem_wait(&done))
		;
	return NULL;
}

int main(void)
{
	pthread_t thread[NSLEEPERS_MAX];
	struct cpus cpus;
	size_t before, after;
	long commands;
	int i, n;

	testing_start(100);
	raw_prepare();
	commands = syscall(SYS_membarrier, QUERY, 0, 0);
	must(commands > 0 && (commands & FENCE_RSEQ));
	must(syscall(SYS_membarrier, FENCE_RSEQ, 0, 0) == 0);
	cpus_allowed(&cpus);
	n = cpus.n < NSLEEPERS_MAX ? cpus.n : NSLEEPERS_MAX;
	must(!sem_init(&ready, 0, 0) && !sem_init(&done, 0, 0));
	for (i = 0; i < n; i++)
		must(!pthread_create(&thread[i], NULL, sleeper,
				     &cpus.id[cpus.n - 1 - i]));
	for (i = 0; i < n; i++)
		while (sem_wait(&ready))
			;
	before = raw_stats().cached;
	malloc_trim(0);
	after = raw_stats().cached;
	printf("membarrier commands %#lx; %d CPUs: %zu bytes cached, %zu after "
	       "malloc_trim\n", (unsigned long)commands, n, before, after);
	must(before > BLOCK_BYTES * 32 && after < before / 8);
	for (i = 0; i < n; i++)
		must(!sem_post(&done));
	for (i = 0; i < n; i++)
		must(!pthread_join(thread[i], NULL));
	return 0;
}
