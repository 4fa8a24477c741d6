/*
 * Scenario 7: pcmalloc's area is registered with another signature. The kernel
 * kills whoever is aborted in a section then, so none may be entered: the
 * thread works on the fallback until the signature is right again.
 *
 * That is found out where pcmalloc arms a thread:
 *	the first one of the process;
 *	one whose registration it has seen missing before;
 *	with its own area, every one.
 * It cannot be where a thread of libc's is believed, or an armed one is
 * registered anew between two visits of the slow path: nothing can be seen
 * then.
 */
#include "claims.h"
#include "owner_lab.h"
#include "rseq_raw.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/syscall.h>
#include <time.h>

#define NTHREADS 6
#define NTURNS 15
/* What would abort a section: a signal every so often. */
#define PERIOD_NS 50000

static struct foreign foreign;
static int early = -1;
static atomic_ulong nsignals, nturns;

static int register_other(struct raw_area *area)
{
	return raw_register(area, raw_used_size(), RAW_OTHER_SIG);
}

static int unregister_other(struct raw_area *area)
{
	return raw_unregister(area, raw_used_size(), RAW_OTHER_SIG);
}

/* Before any constructor, and before pcmalloc has looked. */
static void take_first_thread(void)
{
	struct raw_area *area = raw_used_area();

	if (raw_libc_area() &&
	    raw_unregister(area, raw_used_size(), RAW_SIG) != 0)
		return;
	early = register_other(area);
}

__attribute__((section(".preinit_array"), used)) static void (*preinit)(void) =
	take_first_thread;

static void on_signal(int signo)
{
	(void)signo;
	atomic_fetch_add(&nsignals, 1);
}

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

/* No section is entered, whatever the thread does. */
static void must_stay_out(uint64_t *state)
{
	struct raw_area *area = raw_used_area();
	volatile uint64_t *rseq_cs = &area->rseq_cs;
	int i;

	/* It is the kernel's answer: the same area, another signature. */
	must(raw_register(area, raw_used_size(), RAW_SIG) == EPERM);
	*rseq_cs = 0;
	for (i = 0; i < 2 * RAW_VISITS_MAX; i++) {
		raw_visit_once();
		must(raw_state() == PCM_RSEQ_FOREIGN);
		claims_step(state);
		sched_yield();
		must(*rseq_cs == 0);
	}
	must(raw_state() == PCM_RSEQ_FOREIGN);
}

static void must_recover(uint64_t *state)
{
	must(unregister_other(raw_used_area()) == 0);
	must(raw_visits_to_recover() > 0);
	claims_step(state);
	raw_must_be_registered();
}

static void first_thread(void)
{
	uint64_t state = 1;
	timer_t timer = start_signals();

	must(early == 0);
	must_stay_out(&state);
	must_recover(&state);
	must(timer_delete(timer) == 0);
}

/*
 * Libc's is taken for granted in a new thread, as it has just been made; an
 * area of pcmalloc's own is not.
 */
static void own_in_new_thread(uint64_t *state)
{
	if (raw_libc_area())
		return;
	must(raw_state() == PCM_RSEQ_UNARMED);
	must(register_other(raw_own_area()) == 0);
	must_stay_out(state);
	must_recover(state);
}

/* Lost, seen to be lost, and back with another signature. */
static void turn(uint64_t *state)
{
	struct raw_area *area = raw_used_area();

	must(raw_unregister(area, raw_used_size(), RAW_SIG) == 0);
	must(foreign.take() == 0);
	raw_visit_once();
	must(raw_state() == PCM_RSEQ_FOREIGN);
	must(foreign.let_go() == 0);
	must(register_other(area) == 0);
	must_stay_out(state);
	must_recover(state);
	atomic_fetch_add(&nturns, 1);
}

static void *in_thread(void *arg)
{
	uint64_t state = testing_seed() + (uintptr_t)arg;
	timer_t timer = start_signals();
	int i;

	own_in_new_thread(&state);
	claims_step(&state);
	for (i = 0; i < NTURNS; i++)
		turn(&state);
	must(timer_delete(timer) == 0);
	return NULL;
}

int main(void)
{
	pthread_t thread[NTHREADS];
	struct pcm_stats stats;
	uintptr_t i;

	raw_prepare();
	claims_start();
	must(signal(SIGUSR1, on_signal) != SIG_ERR);
	first_thread();
	testing_start(60);
	foreign_open(&foreign);
	for (i = 0; i < NTHREADS; i++)
		must(!pthread_create(&thread[i], NULL, in_thread, (void *)i));
	for (i = 0; i < NTHREADS; i++)
		must(!pthread_join(thread[i], NULL));
	claims_end();
	stats = raw_stats();
	must(stats.narmed == NTHREADS + 1);
	printf("%s: first thread and %lu turns kept out; %lu signals; "
	       "armed %zu, again %zu, refused %zu; %lu blocks\n", raw_mode(),
	       atomic_load(&nturns), atomic_load(&nsignals), stats.narmed,
	       stats.nrearmed, stats.nrefused, claims_count());
	return 0;
}
