/*
 * Scenario 13, thread cancellation: malloc and free are no cancellation
 * points, in no slow path; threads cancelled elsewhere leave an allocator that
 * works.
 */
#include "load.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

#define NTURNS 150

static atomic_int came_through, ncleaned;

/* Everything that allocates, with a cancellation pending all the time. */
static void *allocate_while_pending(void *arg)
{
	uint64_t state = 3;

	must(!pthread_cancel(pthread_self()));
	load_steps(3000, &state);
	malloc_trim(0);
	load_steps(100, &state);
	free(realloc(malloc(20 * MIB), 90 * MIB));
	(void)mallinfo2();
	atomic_store(&came_through, 1);
	pthread_testcancel();
	return arg;
}

static void pending_cancellation(void)
{
	pthread_t thread;
	void *result;

	must(!pthread_create(&thread, NULL, allocate_while_pending, NULL));
	must(!pthread_join(thread, &result));
	must(atomic_load(&came_through));
	must(result == PTHREAD_CANCELED);
}

static void clean(void *p)
{
	must(filled(p, 900, 4));
	free(p);
	atomic_fetch_add(&ncleaned, 1);
}

/* Allocates until it is cancelled, at one of its own points. */
static void *allocate_until_cancelled(void *arg)
{
	uint64_t state = (uint64_t)(uintptr_t)arg;
	unsigned char *p = malloc(900);

	fill(p, 900, 4);
	pthread_cleanup_push(clean, p);
	for (;;) {
		load_steps(20, &state);
		pthread_testcancel();
	}
	pthread_cleanup_pop(1);
	return NULL;
}

static void cancel_often(void)
{
	int i;

	for (i = 0; i < NTURNS; i++) {
		pthread_t thread[2];
		void *result;
		size_t k;

		for (k = 0; k < 2; k++)
			must(!pthread_create(&thread[k], NULL,
					     allocate_until_cancelled,
					     (void *)(k + 1)));
		sched_yield();
		for (k = 0; k < 2; k++)
			must(!pthread_cancel(thread[k]));
		for (k = 0; k < 2; k++) {
			must(!pthread_join(thread[k], &result));
			must(result == PTHREAD_CANCELED);
		}
	}
}

int main(void)
{
	testing_start(60);
	pending_cancellation();
	cancel_often();
	load_clear();
	printf("%d threads cleaned up\n", atomic_load(&ncleaned));
	return 0;
}
