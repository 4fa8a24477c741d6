/*
 * Scenario 14 with children of scenario 12: signal handlers that vfork, at any
 * instant, also while their thread is inside malloc with its locks. The child,
 * and a vfork child of that child, allocate and free with the TLS of a thread
 * that will go on where it was interrupted.
 */
#include "hammer.h"
#include "load.h"
#include "rseq_raw.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <time.h>

#define NTHREADS 2
#define NSIGNALS 200
#define NBLOCKS 60

static atomic_int nhandled;
static atomic_bool stopping;

/* Many sizes, so that the child needs slow paths, too. */
static void allocate(uint64_t seed)
{
	unsigned char *p[NBLOCKS];
	size_t i, n;

	for (i = 0; i < NBLOCKS; i++) {
		n = i % 20 == 19 ? i * 6000 : 1 + i * i;
		p[i] = malloc(n);
		must(p[i]);
		fill(p[i], n < 3000 ? n : 3000, seed + i);
	}
	for (i = 0; i < NBLOCKS; i++) {
		n = i % 20 == 19 ? i * 6000 : 1 + i * i;
		must(filled(p[i], n < 3000 ? n : 3000, seed + i));
		free(p[i]);
	}
}

__attribute__((noinline)) static void grandchild(void)
{
	pid_t pid = vfork();

	if (pid == 0) {
		allocate(2);
		_exit(0);
	}
	testing_wait_for(pid);
}

__attribute__((noinline)) static void child(void)
{
	pid_t pid = vfork();

	if (pid == 0) {
		allocate(1);
		hammer(20, 1);
		grandchild();
		allocate(3);
		_exit(0);
	}
	testing_wait_for(pid);
}

static void handle(int sig)
{
	int error = errno;

	(void)sig;
	child();
	atomic_fetch_add(&nhandled, 1);
	errno = error;
}

/* In slow paths most of the time. */
static void *work(void *arg)
{
	uint64_t state = (uint64_t)(uintptr_t)arg;

	while (!atomic_load(&stopping)) {
		load_steps(20, &state);
		allocate(state);
		hammer(10, state << 32);
	}
	return NULL;
}

/* One signal after the other has been handled, to one thread after the other. */
static void shoot(pthread_t thread[NTHREADS])
{
	const struct timespec moment = { 0, 20000 };
	int i;

	for (i = 0; i < NSIGNALS; i++) {
		must(!pthread_kill(thread[i % NTHREADS], SIGUSR1));
		do
			nanosleep(&moment, NULL);
		while (atomic_load(&nhandled) <= i);
	}
}

int main(void)
{
	struct sigaction action = { .sa_handler = handle,
				    .sa_flags = SA_RESTART };
	pthread_t thread[NTHREADS];
	size_t i;

	testing_start(60);
	must(!sigaction(SIGUSR1, &action, NULL));
	for (i = 0; i < NTHREADS; i++)
		must(!pthread_create(&thread[i], NULL, work, (void *)(i + 1)));
	shoot(thread);
	atomic_store(&stopping, true);
	for (i = 0; i < NTHREADS; i++)
		must(!pthread_join(thread[i], NULL));
	load_clear();
	raw_visit_slow_path();
	return 0;
}
