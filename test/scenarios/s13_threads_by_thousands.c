/*
 * Scenario 13, threads created and destroyed by the thousand: joined,
 * detached, ended by pthread_exit and by cancellation, with key destructors
 * that free. Memory does not grow with their number.
 */
#include "testing.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

#define NTHREADS 4000
#define NTOGETHER 8
#define NBLOCKS 50

/* Between the first quarter and the end. */
#define GROWTH_MAX (8 * MIB)

static pthread_key_t key;
static atomic_int nended, ndestroyed;
static _Atomic(void *) left[64];

static void destroy(void *p)
{
	must(filled(p, 300, 9));
	free(p);
	free(malloc(100));
	atomic_fetch_add(&ndestroyed, 1);
}

static void use_blocks(size_t number)
{
	void *p[NBLOCKS];
	size_t i;

	for (i = 0; i < NBLOCKS; i++) {
		size_t n = 1 + (i * 131 + number * 17) % 5000;

		p[i] = malloc(n);
		must(p[i]);
		fill(p[i], n, number + i);
	}
	for (i = 0; i < NBLOCKS; i++) {
		size_t n = 1 + (i * 131 + number * 17) % 5000;

		must(filled(p[i], n, number + i));
		free(p[i]);
	}
}

static void *run(void *arg)
{
	size_t number = (size_t)(uintptr_t)arg;
	void *p = malloc(300);

	fill(p, 300, 9);
	must(!pthread_setspecific(key, p));
	use_blocks(number);
	free(atomic_exchange(&left[number % 64], malloc(200)));
	atomic_fetch_add(&nended, 1);
	if (number % 4 == 1)
		pthread_exit(NULL);
	if (number % 4 == 2) {
		pthread_cancel(pthread_self());
		pthread_testcancel();
	}
	return NULL;
}

/* Starts a few threads; all but the detached ones are joined. */
static void run_together(size_t first)
{
	pthread_t thread[NTOGETHER];
	size_t i;

	for (i = 0; i < NTOGETHER; i++) {
		must(!pthread_create(&thread[i], NULL, run,
				     (void *)(first + i)));
		if ((first + i) % 8 >= 4)
			must(!pthread_detach(thread[i]));
	}
	for (i = 0; i < NTOGETHER; i++)
		if ((first + i) % 8 < 4)
			must(!pthread_join(thread[i], NULL));
}

static void wait_for(atomic_int *counter, int value)
{
	while (atomic_load(counter) < value)
		sched_yield();
}

int main(void)
{
	size_t i, quarter = 0;

	testing_start(60);
	must(!pthread_key_create(&key, destroy));
	for (i = 0; i < NTHREADS; i += NTOGETHER) {
		run_together(i);
		wait_for(&ndestroyed, (int)(i + NTOGETHER));
		if (i == NTHREADS / 4)
			quarter = testing_memory("VmRSS");
	}
	must(atomic_load(&nended) == NTHREADS);
	printf("VmRSS: %zu KiB after a quarter, %zu KiB at the end\n",
	       quarter / KIB, testing_memory("VmRSS") / KIB);
	must(testing_memory("VmRSS") < quarter + GROWTH_MAX);
	return 0;
}
