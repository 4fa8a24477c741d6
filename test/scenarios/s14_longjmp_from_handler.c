/*
 * Scenario 14, siglongjmp out of a signal handler that has allocated, from
 * anywhere in the program but inside malloc, a few thousand times, with a
 * storm of other signals whose handlers return. Afterwards malloc is whole.
 */
#include "load.h"

#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/time.h>
#include <time.h>

#define NTHREADS 3
#define NJUMPS 3000

static const uint64_t block_seed = 77;
static atomic_int nended;

static __thread sigjmp_buf back;
static __thread volatile sig_atomic_t may_jump;
static __thread volatile unsigned long njumps;
static __thread uint64_t handler_state;

static void allocate_a_little(void)
{
	size_t n = rnd_between(&handler_state, 1, 3000);
	unsigned char *p = malloc(n);

	must(p);
	fill(p, n, n);
	must(filled(p, n, n));
	free(p);
}

static void jump(int sig)
{
	(void)sig;
	allocate_a_little();
	if (may_jump) {
		may_jump = 0;
		siglongjmp(back, 1);
	}
}

static void come_back(int sig)
{
	int error = errno;

	(void)sig;
	allocate_a_little();
	errno = error;
}

static void set_handler(int sig, void (*fn)(int))
{
	struct sigaction action = { .sa_handler = fn, .sa_flags = SA_RESTART };

	sigaddset(&action.sa_mask, SIGPROF);
	sigaddset(&action.sa_mask, SIGUSR1);
	must(!sigaction(sig, &action, NULL));
}

/*
 * Works on a block, not in malloc, until a handler jumps back out of there;
 * then allocates again.
 */
static void *run(void *arg)
{
	uint64_t state = testing_seed() + (uint64_t)(uintptr_t)arg;
	unsigned char *p = malloc(5000);

	handler_state = state;
	fill(p, 5000, block_seed);
	while (njumps < NJUMPS / NTHREADS) {
		if (sigsetjmp(back, 1) == 0) {
			may_jump = 1;
			for (;;)
				fill(p, 5000, block_seed);
		}
		njumps++;
		load_steps(5, &state);
		must(filled(p, 5000, block_seed));
	}
	free(p);
	atomic_fetch_add(&nended, 1);
	return NULL;
}

/* Threads that have ended are still there to be shot at until joined. */
static void shoot(pthread_t *thread)
{
	struct timespec pause = { 0, 50000 };
	size_t i;

	while (atomic_load(&nended) < NTHREADS) {
		for (i = 0; i < NTHREADS; i++)
			pthread_kill(thread[i], SIGUSR1);
		nanosleep(&pause, NULL);
	}
}

int main(void)
{
	struct itimerval every = { { 0, 1000 }, { 0, 1000 } };
	pthread_t thread[NTHREADS];
	size_t i;

	testing_start(60);
	set_handler(SIGUSR1, jump);
	set_handler(SIGPROF, come_back);
	must(!setitimer(ITIMER_PROF, &every, NULL));
	for (i = 0; i < NTHREADS; i++)
		must(!pthread_create(&thread[i], NULL, run, (void *)i));
	shoot(thread);
	for (i = 0; i < NTHREADS; i++)
		must(!pthread_join(thread[i], NULL));
	load_clear();
	return 0;
}
