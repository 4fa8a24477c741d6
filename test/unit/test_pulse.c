/*
 * pulse: how long it stays active, told in ticks; that allocations are visits meanwhile,
 * and that nobody puts the fast path back too early.
 */
#include "unit.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "pulse.h"
#include "slow.h"

/* allocator/pulse.c: MORE_TICKS, and what is much at once. */
#define TICKS 6
#define MUCH ((size_t)64 << 20)
#define ENOUGH ((size_t)4 << 20) /* not more than that */
#define COUNTED ((size_t)256 << 10)

/* So often that magazines serve what is larger, too. */
#define WARM_UP 5000

static void tick(int n)
{
	while (n-- > 0)
		pcm_pulse_tick();
}

/* All of them are still to come. */
static void use_up_ticks(void)
{
	tick(TICKS - 1);
	must(pcm_pulse_active());
	tick(1);
	must(!pcm_pulse_active());
}

START_TEST(inactive_at_first)
{
	must(!pcm_pulse_active());
	pcm_pulse_freed(0, 0, MUCH);
	must(!pcm_pulse_active());
}
END_TEST

START_TEST(active_for_some_ticks)
{
	pcm_pulse_freed(MUCH, 0, 0);
	use_up_ticks();
}
END_TEST

/* Whenever more is freed: it has to be idle for two ticks to be found. */
START_TEST(freed_while_active)
{
	int before;

	for (before = 0; before < TICKS; before++) {
		pcm_pulse_freed(MUCH, 0, 0);
		tick(before);
		pcm_pulse_freed(MUCH, 0, 0);
		use_up_ticks();
	}
}
END_TEST

/* The same for what leaves the CPUs' caches and not yet its spans. */
START_TEST(cached_while_active)
{
	pcm_pulse_left(1, COUNTED - 1);
	pcm_pulse_left(0, ENOUGH);
	must(!pcm_pulse_active());
	pcm_pulse_left(1, 1);
	must(pcm_pulse_active());
	tick(TICKS - 1);
	pcm_pulse_left(0, COUNTED);
	tick(TICKS - 1);
	must(pcm_pulse_active());
	pcm_pulse_came(0);
	pcm_pulse_left(0, COUNTED);
	tick(1);
	must(!pcm_pulse_active());
}
END_TEST

/* What comes back to a home undoes what has left that one, and no other. */
START_TEST(by_home)
{
	pcm_pulse_left(1, COUNTED - 1);
	pcm_pulse_came(0);
	pcm_pulse_left(0, ENOUGH);
	pcm_pulse_left(1, 1);
	must(pcm_pulse_active());
	tick(TICKS);
	must(!pcm_pulse_active());
	pcm_pulse_left(1, COUNTED - 1);
	pcm_pulse_came(1);
	pcm_pulse_left(0, ENOUGH);
	pcm_pulse_left(1, 1);
	must(!pcm_pulse_active());
}
END_TEST

/* How many of n allocations were visits, after which the count begins anew. */
static unsigned int visits_of(unsigned int n)
{
	static const size_t sizes[] = { 1, 64, 2048, 2049, 5000 };
	unsigned int i, visits = 0;

	for (i = 0; i < n; i++) {
		void *volatile block =
			malloc(sizes[i % (sizeof(sizes) / sizeof(sizes[0]))]);

		must(block != NULL);
		must(pcm_slow_thread.ops < PCM_PULSE_OPS);
		visits += pcm_slow_thread.ops == 0;
		free(block);
	}
	return visits;
}

/*
 * While it is active every PCM_PULSE_OPS-th allocation of a thread is a visit, whatever
 * its size, and few others are: preemptions, and ticks that empty magazines.
 */
START_TEST(visits_while_active)
{
	unsigned int visits, tries = 0;

	visits_of(WARM_UP);
	must(!pcm_pulse_cuts());
	do {
		must(++tries <= 10);
		pcm_pulse_freed(MUCH, 0, 0);
		pcm_pulse_cut();
		must(pcm_pulse_cuts());
		visits = visits_of(10 * PCM_PULSE_OPS);
		must(visits >= 9);
	} while (visits > 12);
	tick(TICKS);
	must(pcm_pulse_cuts());
	free(malloc(1 << 20)); /* who leaves the slow path puts it back */
	must(!pcm_pulse_cuts());
}
END_TEST

#define NROUNDS 100000

/* Rounds that the other thread may begin, and has ended. */
static atomic_uint begun, ended;

static void *leave_once_a_round(void *unused)
{
	unsigned int round;

	for (round = 1; round <= NROUNDS; round++) {
		while (atomic_load(&begun) < round)
			sched_yield();
		pcm_pulse_leave();
		atomic_store(&ended, round);
	}
	return unused;
}

/*
 * One thread makes the pulse active while another one, which has found it inactive,
 * puts the fast path back: when both have left, it is cut off.
 */
START_TEST(left_by_others_meanwhile)
{
	unsigned int round;
	pthread_t other;

	must(pthread_create(&other, NULL, leave_once_a_round, NULL) == 0);
	for (round = 1; round <= NROUNDS; round++) {
		pcm_pulse_freed(MUCH, 0, 0);
		pcm_pulse_cut();
		atomic_store(&pcm_pulse_ticks_left, 0);
		atomic_store(&begun, round);
		pcm_pulse_freed(MUCH, 0, 0);
		pcm_pulse_leave();
		while (atomic_load(&ended) < round)
			sched_yield();
		must(pcm_pulse_cuts());
	}
	must(pthread_join(other, NULL) == 0);
}
END_TEST

int main(void)
{
	TCase *tests = unit_begin("pulse");

	tcase_add_test(tests, inactive_at_first);
	tcase_add_test(tests, active_for_some_ticks);
	tcase_add_test(tests, freed_while_active);
	tcase_add_test(tests, cached_while_active);
	tcase_add_test(tests, by_home);
	tcase_add_test(tests, visits_while_active);
	tcase_add_test(tests, left_by_others_meanwhile);
	return unit_end();
}
