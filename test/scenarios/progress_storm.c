/*
 * Progress under a storm of signals: every thread gets 10,000 a second, whose
 * handlers allocate and free, and goes on all the same. A section that is
 * aborted is not tried for ever: the slow path gives up on it, and serves.
 *
 * Work is counted per second of CPU time, so that it does not matter how busy
 * the machine is.
 */
#include "rseq_raw.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/syscall.h>

#define NTHREADS 4
#define NBLOCKS 200
#define NHANDLED 4
#define SECONDS 0.7
#define TIMER_NS 100000
/* Of what a thread does without the storm. */
#define SHARE_MIN 0.05
#define SIGNALS_MIN 100ul

#ifndef sigev_notify_thread_id
#define sigev_notify_thread_id _sigev_un._tid
#endif

struct count {
	unsigned long done;
	double seconds; /* of CPU time */
};

static __thread volatile sig_atomic_t nhandled;
static __thread volatile size_t size_now; /* what the thread allocates */
static atomic_ulong nsignals;

/* Needs the same magazines, and the same locks, as what it interrupted. */
static void handle(int sig)
{
	void *p[NHANDLED];
	int error = errno;
	size_t i;

	(void)sig;
	for (i = 0; i < NHANDLED; i++) {
		p[i] = malloc(size_now);
		must(p[i]);
	}
	for (i = 0; i < NHANDLED; i++)
		free(p[i]);
	nhandled++;
	errno = error;
}

/* Bursts: fast paths mostly, and magazines that are exchanged. */
static unsigned long burst(size_t n)
{
	void *p[NBLOCKS];
	size_t i;

	size_now = n;
	for (i = 0; i < NBLOCKS; i++) {
		p[i] = malloc(n);
		must(p[i]);
		memset(p[i], (int)i, 16);
	}
	for (i = 0; i < NBLOCKS; i++) {
		must(all_bytes(p[i], 16, (unsigned char)i));
		free(p[i]);
	}
	return NBLOCKS;
}

static struct count work(void)
{
	double start = testing_cpu_seconds(), end = testing_seconds() + SECONDS;
	struct count count = { 0, 0 };

	while (testing_seconds() < end || count.done == 0)
		count.done += burst(16 + count.done % 2000);
	count.seconds = testing_cpu_seconds() - start;
	return count;
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

static void *run(void *arg)
{
	struct count calm, storm;
	double rate[2];
	timer_t timer;

	(void)arg;
	calm = work();
	timer = start_timer();
	storm = work();
	must(!timer_delete(timer));
	rate[0] = (double)calm.done / calm.seconds;
	rate[1] = (double)storm.done / storm.seconds;
	printf("%.0f pairs per ms of CPU time, under %ld signals %.0f\n",
	       rate[0] / 1e3, (long)nhandled, rate[1] / 1e3);
	atomic_fetch_add(&nsignals, (unsigned long)nhandled);
	must(rate[1] > SHARE_MIN * rate[0]);
	raw_visit_slow_path();
	must(raw_per_cpu());
	return NULL;
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
		must(!pthread_create(&thread[i], NULL, run, NULL));
	for (i = 0; i < NTHREADS; i++)
		must(!pthread_join(thread[i], NULL));
	must(atomic_load(&nsignals) > SIGNALS_MIN * NTHREADS);
	return 0;
}
