/*
 * Threads, a signal and affinity masks; see storm.h. SIGUSR2 is the signal.
 */
#include "storm.h"

#include "testing.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>

/* However slow the machine is at the moment. */
#define ROUNDS_MIN 200

static const struct storm *current;
static pthread_t threads[STORM_THREADS_MAX];
static atomic_bool stop;
static __thread unsigned int thread_self;
static __thread bool thread_works;

static void interrupted(int sig)
{
	int saved = errno;

	(void)sig;
	if (thread_works && current->interrupt)
		current->interrupt(thread_self);
	errno = saved;
}

static void *thread_main(void *arg)
{
	thread_self = (unsigned int)(uintptr_t)arg;
	thread_works = true;
	while (!atomic_load_explicit(&stop, memory_order_relaxed))
		current->work(thread_self);
	thread_works = false;
	return NULL;
}

static void move_thread(pthread_t thread, const cpu_set_t *allowed,
			uint64_t *state)
{
	size_t n = (size_t)CPU_COUNT(allowed), k = rnd_between(state, 0, n);
	cpu_set_t one;
	int cpu;

	if (k == n) { /* anywhere, now and then */
		pthread_setaffinity_np(thread, sizeof(*allowed), allowed);
		return;
	}
	for (cpu = 0; cpu < CPU_SETSIZE; cpu++)
		if (CPU_ISSET(cpu, allowed) && k-- == 0)
			break;
	CPU_ZERO(&one);
	CPU_SET(cpu, &one);
	pthread_setaffinity_np(thread, sizeof(one), &one);
}

static void blow(const cpu_set_t *allowed)
{
	double end = testing_seconds() + current->seconds;
	uint64_t state = testing_seed();
	unsigned int rounds;

	for (rounds = 0; rounds < ROUNDS_MIN || testing_seconds() < end;
	     rounds++) {
		pthread_t thread = threads[rnd(&state) % current->nthreads];

		must(pthread_kill(thread, SIGUSR2) == 0);
		if (rnd(&state) % 8 == 0)
			move_thread(thread, allowed, &state);
		if (current->meanwhile)
			current->meanwhile();
		if (rnd(&state) % 4 == 0)
			sched_yield();
	}
}

void storm_run(const struct storm *storm)
{
	struct sigaction action = { .sa_handler = interrupted,
				    .sa_flags = SA_RESTART };
	cpu_set_t allowed;
	uintptr_t i;

	must(storm->nthreads <= STORM_THREADS_MAX);
	must(sched_getaffinity(0, sizeof(allowed), &allowed) == 0);
	must(sigaction(SIGUSR2, &action, NULL) == 0);
	current = storm;
	atomic_store(&stop, false);
	for (i = 0; i < storm->nthreads; i++)
		must(pthread_create(&threads[i], NULL, thread_main,
				    (void *)i) == 0);
	blow(&allowed);
	atomic_store(&stop, true);
	for (i = 0; i < storm->nthreads; i++)
		must(pthread_join(threads[i], NULL) == 0);
}

unsigned int storm_threads(void)
{
	cpu_set_t allowed;
	unsigned int n;

	must(sched_getaffinity(0, sizeof(allowed), &allowed) == 0);
	n = 4 * (unsigned int)CPU_COUNT(&allowed);
	return n < 4 ? 4 : n > STORM_THREADS_MAX ? STORM_THREADS_MAX : n;
}

void storm_pin(void)
{
	cpu_set_t one;

	CPU_ZERO(&one);
	CPU_SET(sched_getcpu(), &one);
	must(sched_setaffinity(0, sizeof(one), &one) == 0);
}
