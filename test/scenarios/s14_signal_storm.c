/*
 * Scenario 14, signal handlers that allocate and free, at a high rate and at
 * any instant, also while their thread is inside malloc: timers per thread and
 * pthread_kill from a thread that does nothing else. Both sides check their
 * blocks.
 */
#include "load.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/syscall.h>
#include <time.h>

#define NTHREADS 3
#define SECONDS 2.0
#define TIMER_NS 60000 /* between two signals of a thread's timer */
#define NSTASH 16

#define NSIGNALS 1000

/* stdio's buffers, thread stacks' descriptors and the like. */
#define LEFT_MAX (128 * KIB)

#ifndef sigev_notify_thread_id
#define sigev_notify_thread_id _sigev_un._tid
#endif

/* Blocks that a thread's handlers leave to later ones. */
struct stash {
	unsigned char *p[NSTASH];
	size_t n[NSTASH];
	uint64_t state;
};

static __thread struct stash stash;
static __thread int nesting;
static atomic_ulong nsignals;
static atomic_int running;
static pthread_t threads[NTHREADS];

static size_t size_for_handler(uint64_t *state)
{
	switch (rnd(state) % 64) {
	case 0:
		return rnd_between(state, 256 * KIB, 2 * MIB);
	case 1:
	case 2:
		return rnd_between(state, 8 * KIB, 256 * KIB);
	default:
		return rnd_between(state, 1, 2000);
	}
}

/* Only ever runs once at a time in a thread: its signals are all masked. */
static void handle(int sig)
{
	int error = errno;
	size_t i = rnd(&stash.state) % NSTASH, ends;

	(void)sig;
	must(nesting == 0);
	nesting++;
	if (stash.p[i]) {
		ends = stash.n[i] < 4096 ? stash.n[i] : 4096;
		must(filled(stash.p[i], ends, stash.n[i]));
		if (rnd(&stash.state) % 4 == 0) {
			stash.p[i] = realloc(stash.p[i], stash.n[i] + 50);
			must(stash.p[i]);
			must(filled(stash.p[i], ends, stash.n[i]));
		}
		free(stash.p[i]);
	}
	stash.n[i] = size_for_handler(&stash.state);
	stash.p[i] = malloc(stash.n[i]);
	must(stash.p[i]);
	ends = stash.n[i] < 4096 ? stash.n[i] : 4096;
	fill(stash.p[i], ends, stash.n[i]);
	atomic_fetch_add(&nsignals, 1);
	nesting--;
	errno = error;
}

static void empty_stash(void)
{
	size_t i;

	for (i = 0; i < NSTASH; i++) {
		size_t ends = stash.n[i] < 4096 ? stash.n[i] : 4096;

		if (stash.p[i])
			must(filled(stash.p[i], ends, stash.n[i]));
		free(stash.p[i]);
		stash.p[i] = NULL;
	}
}

static timer_t start_timer(void)
{
	struct itimerspec every = { { 0, TIMER_NS }, { 0, TIMER_NS } };
	struct sigevent event = { .sigev_notify = SIGEV_THREAD_ID,
				  .sigev_signo = SIGUSR1 };
	timer_t timer;

	event.sigev_notify_thread_id = (pid_t)syscall(SYS_gettid);
	must(!timer_create(CLOCK_MONOTONIC, &event, &timer));
	must(!timer_settime(timer, 0, &every, NULL));
	return timer;
}

static void block_signals(int how)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigaddset(&set, SIGUSR2);
	must(!pthread_sigmask(how, &set, NULL));
}

/* Bursts that empty and fill caches, so that most signals meet a slow path. */
static void burst(uint64_t *state)
{
	static __thread unsigned char *p[600];
	size_t i, n = (size_t)16 << rnd(state) % 9;

	for (i = 0; i < 600; i++) {
		p[i] = malloc(n);
		must(p[i]);
		fill(p[i], n < 64 ? n : 64, i);
	}
	for (i = 0; i < 600; i++) {
		must(filled(p[i], n < 64 ? n : 64, i));
		free(p[i]);
	}
}

static void *run(void *arg)
{
	uint64_t state = testing_seed() + (uint64_t)(uintptr_t)arg;
	timer_t timer;
	int turn;

	stash.state = state + 100;
	timer = start_timer();
	atomic_fetch_add(&running, 1);
	for (turn = 0; atomic_load(&running) <= NTHREADS; turn++) {
		burst(&state);
		load_steps(20, &state);
		if (turn % 50 == 0)
			malloc_trim(0);
	}
	block_signals(SIG_BLOCK);
	must(!timer_delete(timer));
	empty_stash();
	return NULL;
}

/* Shoots at the threads until the time is over, and they were hit often. */
static void storm(void)
{
	double end = testing_seconds() + SECONDS;
	struct timespec pause = { 0, 30000 };
	size_t i = 0;

	while (testing_seconds() < end ||
	       atomic_load(&nsignals) < NSIGNALS) {
		must(!pthread_kill(threads[i++ % NTHREADS], SIGUSR2));
		nanosleep(&pause, NULL);
	}
}

static void install_handler(void)
{
	struct sigaction action = { .sa_handler = handle,
				    .sa_flags = SA_RESTART };

	sigaddset(&action.sa_mask, SIGUSR1);
	sigaddset(&action.sa_mask, SIGUSR2);
	must(!sigaction(SIGUSR1, &action, NULL));
	must(!sigaction(SIGUSR2, &action, NULL));
}

/* What handlers freed in the middle of malloc is not lost. */
static void nothing_is_left(void)
{
	struct mallinfo2 info;

	malloc_trim(0);
	info = mallinfo2();
	printf("%zu KiB in use at the end\n",
	       (info.uordblks + info.hblkhd) / KIB);
	must(info.uordblks + info.hblkhd < LEFT_MAX);
}

int main(void)
{
	size_t i;

	testing_start(60);
	install_handler();
	for (i = 0; i < NTHREADS; i++)
		must(!pthread_create(&threads[i], NULL, run, (void *)i));
	block_signals(SIG_BLOCK);
	while (atomic_load(&running) < NTHREADS)
		sched_yield();
	storm();
	atomic_fetch_add(&running, 1);
	for (i = 0; i < NTHREADS; i++)
		must(!pthread_join(threads[i], NULL));
	load_clear();
	nothing_is_left();
	printf("%lu signals\n", atomic_load(&nsignals));
	return 0;
}
