/*
 * Scenario 8: the registration is taken away by signal handlers and between any
 * two operations, on all threads, while all allocate and hand blocks to each
 * other. No block is handed out twice; at the end every thread is registered
 * again, and sched_getcpu() is right.
 */
#include "claims.h"
#include "rseq_raw.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/syscall.h>
#include <time.h>

#define NTHREADS 8
/* Between two signals of a thread. */
#define PERIOD_NS 50000
/* Registrations taken by handlers before the run ends, and its limit. */
#define NTAKEN 20000
#define SECONDS_MAX 60
/* Threads that are made while their creator is not registered. */
#define NCREATIONS 100

static atomic_bool stopping;
static atomic_ulong by_handlers, in_between, norphans;

static bool take_away(void)
{
	return raw_unregister(raw_used_area(), raw_used_size(), RAW_SIG) == 0;
}

/* libc's, before any constructor: the first thread starts without. */
static bool taken_early;

static void take_first_thread(void)
{
	taken_early = raw_libc_area() && take_away();
}

__attribute__((section(".preinit_array"), used)) static void (*preinit)(void) =
	take_first_thread;

static void on_signal(int signo)
{
	(void)signo;
	if (take_away())
		atomic_fetch_add(&by_handlers, 1);
}

static void must_recover(void)
{
	raw_visits_to_recover();
	raw_visit_slow_path();
	raw_must_be_registered();
}

/* From now on the calling thread gets a signal every so often. */
static timer_t start_signals(void)
{
	struct itimerspec every = { { 0, PERIOD_NS }, { 0, PERIOD_NS } };
	struct sigevent event = { .sigev_notify = SIGEV_THREAD_ID,
				  .sigev_signo = SIGUSR1 };
	timer_t timer;

	event._sigev_un._tid = (int)syscall(SYS_gettid);
	must(timer_create(CLOCK_MONOTONIC, &event, &timer) == 0);
	must(timer_settime(timer, 0, &every, NULL) == 0);
	return timer;
}

static void *in_thread(void *arg)
{
	uint64_t state = testing_seed() + (uintptr_t)arg;
	timer_t timer = start_signals();

	while (!atomic_load(&stopping)) {
		claims_step(&state);
		if (rnd(&state) % 16 == 0 && take_away())
			atomic_fetch_add(&in_between, 1);
	}
	must(timer_delete(timer) == 0);
	take_away();
	must_recover();
	claims_steps(5, &state);
	must_recover();
	return NULL;
}

static void storm(void)
{
	double end = testing_seconds() + SECONDS_MAX;
	pthread_t thread[NTHREADS];
	uintptr_t i;

	for (i = 0; i < NTHREADS; i++)
		must(!pthread_create(&thread[i], NULL, in_thread, (void *)i));
	while (atomic_load(&by_handlers) < NTAKEN && testing_seconds() < end)
		usleep(10000);
	atomic_store(&stopping, true);
	for (i = 0; i < NTHREADS; i++)
		must(!pthread_join(thread[i], NULL));
}

/*
 * glibc registers a new thread only if its creator is registered. (It is again
 * if pthread_create() has had to allocate: for the first threads.)
 */
static void *orphan(void *arg)
{
	uint64_t state = (uintptr_t)arg;
	pthread_t thread;

	if (!raw_is_registered(raw_used_area(), raw_used_size()))
		atomic_fetch_add(&norphans, 1);
	claims_steps(2, &state);
	must_recover();
	must(take_away());
	if (arg) {
		must(!pthread_create(&thread, NULL, orphan,
				     (void *)((uintptr_t)arg - 1)));
		must(!pthread_join(thread, NULL));
	}
	return NULL;
}

static void unregistered_creator(void)
{
	pthread_t thread;
	int i;

	for (i = 0; i < NCREATIONS; i++) {
		take_away();
		must(raw_used_area()->cpu_id < 0);
		must(!pthread_create(&thread, NULL, orphan, (void *)1));
		/* The creator may recover meanwhile. */
		must_recover();
		must(!pthread_join(thread, NULL));
	}
	must(atomic_load(&norphans) > NCREATIONS);
}

int main(void)
{
	struct pcm_stats stats;

	testing_start(100);
	raw_prepare();
	claims_start();
	must(signal(SIGUSR1, on_signal) != SIG_ERR);
	must(taken_early == (raw_libc_area() != NULL));
	must_recover();
	storm();
	must(atomic_load(&by_handlers) >= NTAKEN);
	unregistered_creator();
	must_recover();
	claims_end();
	stats = raw_stats();
	/* Nobody else's area, and nothing refused. */
	must(stats.nrefused == 0);
	must(stats.nrearmed > NTHREADS);
	printf("%s: unregistered %lu times by handlers, %lu times between "
	       "operations, from the start in %lu threads; armed %zu, again "
	       "%zu; %lu blocks\n", raw_mode(), atomic_load(&by_handlers),
	       atomic_load(&in_between), atomic_load(&norphans), stats.narmed,
	       stats.nrearmed, claims_count());
	return 0;
}
