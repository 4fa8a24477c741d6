/*
 * percpu: populating, exchanging, stopping, draining, in each of the modes.
 */
#include "percpu_lab.h"
#include "single_step.h"

#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#define STACK 3
#define NSLOTS 7

static void *number(uintptr_t n)
{
	return (void *)n;
}

/* A magazine with the objects 1 to n. */
static void **magazine(unsigned int n)
{
	void **mag = pcm_mag_new(NSLOTS);
	unsigned int i;

	must(mag != PCM_MAG_NONE);
	for (i = 1; i <= n; i++)
		pcm_mag_push(&mag, number(i));
	return mag;
}

START_TEST(empty_and_full_at_first)
{
	unsigned int stack;
	void *obj;

	lab_start(_i);
	for (stack = 0; stack < PCM_NSTACKS; stack++) {
		must(!pcm_percpu_pop_fast(stack, &obj));
		must(!pcm_percpu_push_fast(stack, number(1)));
		must(!pcm_percpu_pop(stack, &obj));
		must(!pcm_percpu_push(stack, number(1)));
		must(!pcm_percpu_pop_fast(stack, &obj));
		must(!pcm_percpu_push_fast(stack, number(1)));
		must(pcm_percpu_exchange(PCM_LOADED, stack, PCM_MAG_NONE) ==
		     PCM_MAG_NONE);
	}
}
END_TEST

START_TEST(loaded_is_a_stack)
{
	void **mag, *obj;
	unsigned int i;

	lab_start(_i);
	mag = magazine(2);
	must(pcm_percpu_exchange(PCM_LOADED, STACK, mag) == PCM_MAG_NONE);
	for (i = 3; i <= NSLOTS; i++)
		must(pcm_percpu_push(STACK, number(i)));
	must(!pcm_percpu_push(STACK, number(99)));
	for (i = NSLOTS; i >= 1; i--) {
		must(pcm_percpu_pop(STACK, &obj));
		must(obj == number(i));
	}
	must(!pcm_percpu_pop(STACK, &obj));
	must(pcm_percpu_push(STACK, number(5)));
	mag = pcm_percpu_exchange(PCM_LOADED, STACK, PCM_MAG_NONE);
	must(pcm_mag_count(mag) == 1);
	must(pcm_mag_pop(&mag) == number(5));
	must(!pcm_percpu_pop(STACK, &obj));
}
END_TEST

/* The fast functions and the others see the same stack. */
START_TEST(fast_is_the_same_stack)
{
	void *obj;

	lab_start(_i);
	if (!lab_armed())
		return;
	must(pcm_percpu_exchange(PCM_LOADED, STACK, magazine(3)) ==
	     PCM_MAG_NONE);
	must(pcm_percpu_pop_fast(STACK, &obj) && obj == number(3));
	must(pcm_percpu_push_fast(STACK, number(4)));
	must(pcm_percpu_pop(STACK, &obj) && obj == number(4));
	must(pcm_percpu_push(STACK, number(5)));
	must(pcm_percpu_pop_fast(STACK, &obj) && obj == number(5));
}
END_TEST

/* Pop and push leave the spare word and other stacks alone. */
START_TEST(words_are_separate)
{
	void **spare, *obj;

	lab_start(_i);
	spare = magazine(4);
	must(pcm_percpu_exchange(PCM_SPARE, STACK, spare) == PCM_MAG_NONE);
	must(!pcm_percpu_pop(STACK, &obj));
	must(!pcm_percpu_push(STACK, number(1)));
	must(pcm_percpu_exchange(PCM_LOADED, STACK, magazine(2)) ==
	     PCM_MAG_NONE);
	must(pcm_percpu_pop(STACK, &obj) && obj == number(2));
	must(!pcm_percpu_pop(STACK - 1, &obj));
	must(!pcm_percpu_pop(STACK + 1, &obj));
	must(pcm_percpu_exchange(PCM_SPARE, STACK, PCM_MAG_NONE) == spare);
	must(pcm_mag_count(spare) == 4);
}
END_TEST

/* Loaded and spare change places when the one has nothing to give, and the other has. */
START_TEST(spare_serves)
{
	void **first, **second, *obj;
	unsigned int i;

	lab_start(_i);
	first = magazine(0);
	second = magazine(NSLOTS);
	if (!lab_armed()) {
		must(!pcm_percpu_pop_spare(STACK, &obj));
		must(!pcm_percpu_push_spare(STACK, number(9)));
		return;
	}
	(void)pcm_percpu_exchange(PCM_LOADED, STACK, first);
	(void)pcm_percpu_exchange(PCM_SPARE, STACK, second);
	must(!pcm_percpu_push_spare(STACK, number(9)));
	must(pcm_percpu_pop_spare(STACK, &obj) && obj == number(NSLOTS));
	must(!pcm_percpu_pop_spare(STACK, &obj));
	must(pcm_percpu_push_fast(STACK, number(NSLOTS)));
	must(pcm_percpu_push_spare(STACK, number(9)));
	must(pcm_percpu_pop_fast(STACK, &obj) && obj == number(9));
	must(pcm_percpu_pop_spare(STACK, &obj) && obj == number(NSLOTS));
	for (i = NSLOTS - 1; i > 0; i--)
		must(pcm_percpu_pop_fast(STACK, &obj) && obj == number(i));
	must(!pcm_percpu_pop_spare(STACK, &obj)); /* both are empty */
	must(pcm_percpu_exchange(PCM_SPARE, STACK, PCM_MAG_NONE) == first);
	must(pcm_percpu_exchange(PCM_LOADED, STACK, PCM_MAG_NONE) ==
	     second - NSLOTS);
}
END_TEST

START_TEST(populates_once)
{
	struct pcm_percpu_stats stats;
	unsigned long before = atomic_load(&lab_allocations);
	unsigned int i;
	void *obj;

	lab_start(_i);
	pcm_percpu_stats_get(&stats);
	must(stats.nslabs == 0 && stats.nshards == 0);
	for (i = 0; i < 100; i++) {
		must(!pcm_percpu_pop(STACK, &obj));
		(void)pcm_percpu_exchange(PCM_SPARE, STACK, PCM_MAG_NONE);
	}
	pcm_percpu_stats_get(&stats);
	must(stats.nslabs == (lab_armed() ? 1 : 0));
	must(stats.nshards == (lab_armed() ? 0 : 1));
	must(atomic_load(&lab_allocations) - before == (lab_armed() ? 1 : 0));
}
END_TEST

START_TEST(stats_count_objects)
{
	struct pcm_percpu_stats stats;
	unsigned int s;

	lab_start(_i);
	(void)pcm_percpu_exchange(PCM_LOADED, STACK, magazine(3));
	(void)pcm_percpu_exchange(PCM_SPARE, STACK, magazine(NSLOTS));
	pcm_percpu_stats_get(&stats);
	for (s = 0; s < PCM_NSTACKS; s++)
		must(stats.nobjs[s] == (s == STACK ? 3 + NSLOTS : 0));
}
END_TEST

/* No memory for a slab: a shard serves. Later there is some: a slab does. */
START_TEST(no_memory_for_a_slab)
{
	struct pcm_percpu_stats stats;
	void **mag, *obj;

	lab_start(_i);
	if (!lab_armed())
		return;
	mag = magazine(2);
	atomic_store(&lab_no_memory, true);
	must(!pcm_percpu_pop(STACK, &obj));
	must(pcm_percpu_exchange(PCM_LOADED, STACK, mag) == PCM_MAG_NONE);
	must(pcm_percpu_pop(STACK, &obj) && obj == number(2));
	must(pcm_percpu_push(STACK, number(2)));
	pcm_percpu_stats_get(&stats);
	must(stats.nslabs == 0 && stats.nshards == 1 &&
	     stats.nobjs[STACK] == 2);
	atomic_store(&lab_no_memory, false);
	must(!pcm_percpu_pop(STACK, &obj)); /* the slab, which is empty */
	pcm_percpu_stats_get(&stats);
	must(stats.nslabs == 1 && stats.nobjs[STACK] == 2);
}
END_TEST

/* ---- stop, drain ---- */

START_TEST(stopped)
{
	unsigned int i;
	void *obj;

	lab_start(_i);
	must(pcm_percpu_exchange(PCM_LOADED, STACK, magazine(5)) ==
	     PCM_MAG_NONE);
	if (!lab_can_stop()) {
		must(!pcm_percpu_stop());
		must(pcm_percpu_pop(STACK, &obj) && obj == number(5));
		return;
	}
	must(pcm_percpu_stop());
	for (i = 0; i < PCM_NINDEXES; i++)
		must(pcm_slab_distance[i] == 0);
	must(!pcm_percpu_pop_fast(STACK, &obj));
	must(!pcm_percpu_push_fast(STACK, number(9)));
	must(!pcm_percpu_pop(STACK, &obj)); /* a shard's, and empty */
	must(pcm_percpu_exchange(PCM_LOADED, STACK, PCM_MAG_NONE) ==
	     PCM_MAG_NONE);
	pcm_percpu_resume();
	must(pcm_percpu_pop(STACK, &obj) && obj == number(5));
	must(pcm_percpu_stop());
	pcm_percpu_resume();
	must(pcm_percpu_pop_fast(STACK, &obj) && obj == number(4));
}
END_TEST

static void *use_while_stopped(void *arg)
{
	void *obj;

	(void)arg;
	must(pcm_percpu_exchange(PCM_LOADED, STACK, magazine(1)) ==
	     PCM_MAG_NONE);
	must(pcm_percpu_pop(STACK, &obj) && obj == number(1));
	return NULL;
}

/* Others go on, on shards; a CPU that is new joins those that are stopped. */
START_TEST(others_go_on_while_stopped)
{
	struct pcm_percpu_stats stats;
	pthread_t thread;

	lab_start(_i);
	if (!lab_can_stop())
		return;
	must(pcm_percpu_stop());
	must(pthread_create(&thread, NULL, use_while_stopped, NULL) == 0);
	must(pthread_join(thread, NULL) == 0);
	pcm_percpu_stats_get(&stats);
	must(stats.nslabs == 0 && stats.nshards == 1);
	pcm_percpu_resume();
}
END_TEST

static unsigned int ntaken[PCM_NSTACKS], nobjs_taken[PCM_NSTACKS];

static void take(unsigned int stack, void **mag)
{
	must(stack > 0 && stack < PCM_NSTACKS && mag != PCM_MAG_NONE);
	ntaken[stack]++;
	nobjs_taken[stack] += pcm_mag_count(mag);
}

START_TEST(drained)
{
	struct pcm_percpu_stats stats;
	unsigned int s;
	void *obj;

	lab_start(_i);
	(void)pcm_percpu_exchange(PCM_LOADED, STACK, magazine(3));
	(void)pcm_percpu_exchange(PCM_SPARE, STACK, magazine(0));
	pcm_percpu_drain(take);
	for (s = 0; s < PCM_NSTACKS; s++) {
		must(ntaken[s] == (s == STACK ? 2 : 0));
		must(nobjs_taken[s] == (s == STACK ? 3 : 0));
	}
	pcm_percpu_stats_get(&stats);
	must(stats.nobjs[STACK] == 0);
	must(!pcm_percpu_pop(STACK, &obj));
	must(!pcm_percpu_push(STACK, number(1)));
	pcm_percpu_drain(take);
	must(ntaken[STACK] == 2);
	must(pcm_percpu_exchange(PCM_LOADED, STACK, magazine(1)) ==
	     PCM_MAG_NONE);
	must(pcm_percpu_pop(STACK, &obj) && obj == number(1));
}
END_TEST

/* ---- a debugger steps through ---- */

#if HAVE_SINGLE_STEP

static volatile unsigned long nsteps;

static void count_step(int sig)
{
	(void)sig;
	nsteps++;
}

/* Every section aborts: a bounded number of tries, then a shard serves. */
START_TEST(stepped_through)
{
	void **mag, **old, *obj = NULL;
	bool popped, pushed;

	lab_start(_i);
	mag = magazine(2);
	(void)pcm_percpu_exchange(PCM_SPARE, STACK, PCM_MAG_NONE);
	must(signal(SIGTRAP, count_step) != SIG_ERR);
	single_step(true);
	old = pcm_percpu_exchange(PCM_LOADED, STACK, mag);
	popped = pcm_percpu_pop(STACK, &obj);
	pushed = pcm_percpu_push(STACK, number(7));
	single_step(false);
	must(nsteps > 50 && nsteps < 100000);
	must(old == PCM_MAG_NONE);
	if (!lab_armed()) {
		must(popped && obj == number(2) && pushed);
		return;
	}
	must(!popped && !pushed);
	pcm_percpu_drain(take);
	must(ntaken[STACK] == 1 && nobjs_taken[STACK] == 2);
}
END_TEST

#endif

static unsigned int nidle;

static void take_one(unsigned int stack, void **top)
{
	must(stack == STACK || stack == STACK + 1);
	for (; !pcm_mag_empty(top); nidle++)
		(void)pcm_mag_pop(&top);
	pcm_mag_delete(top);
}

/* Magazines of two and of three objects, and the first look for idle ones. */
static void look_at_two(void)
{
	must(pcm_percpu_exchange(PCM_LOADED, STACK, magazine(2)) ==
	     PCM_MAG_NONE);
	must(pcm_percpu_exchange(PCM_SPARE, STACK + 1, magazine(3)) ==
	     PCM_MAG_NONE);
	nidle = 0;
	pcm_percpu_drain_idle(take_one);
	must(nidle == 0);
}

/* What was touched between two looks stays. */
START_TEST(idle_ones_are_drained)
{
	void *obj;

	lab_start(_i);
	look_at_two();
	must(pcm_percpu_push(STACK, number(3)));
	pcm_percpu_drain_idle(take_one);
	must(nidle == (lab_can_stop() || !lab_armed() ? 3 : 0));
	must(pcm_percpu_pop(STACK, &obj) && obj == number(3));
	pcm_percpu_drain_idle(take_one);
	pcm_percpu_drain_idle(take_one);
	must(nidle == (lab_can_stop() || !lab_armed() ? 5 : 0));
}
END_TEST

/* The child, which finds the rest. */
static void must_find(unsigned int n)
{
	pid_t pid = fork();
	int status;

	must(pid >= 0);
	if (pid == 0) {
		nidle = 0;
		pcm_percpu_drain_idle(take_one);
		_exit(nidle != n);
	}
	must(waitpid(pid, &status, 0) == pid);
	must(status == 0);
}

static void fork_and_take(unsigned int stack, void **top)
{
	static const unsigned int left[] = { 3, 0 };
	static unsigned int n;

	must(n < 2);
	must_find(left[n++]);
	take_one(stack, top);
}

/* Who forks while they are on their way to the spans has all but the one in hand. */
START_TEST(idle_ones_survive_a_fork)
{
	lab_start(_i);
	if (lab_armed() && !lab_can_stop())
		return;
	look_at_two();
	pcm_percpu_drain_idle(fork_and_take);
	must(nidle == 5);
}
END_TEST

int main(void)
{
	TCase *tests = unit_begin("percpu");

	tcase_add_loop_test(tests, empty_and_full_at_first, 0, LAB_NMODES);
	tcase_add_loop_test(tests, loaded_is_a_stack, 0, LAB_NMODES);
	tcase_add_loop_test(tests, fast_is_the_same_stack, 0, LAB_NMODES);
	tcase_add_loop_test(tests, words_are_separate, 0, LAB_NMODES);
	tcase_add_loop_test(tests, spare_serves, 0, LAB_NMODES);
	tcase_add_loop_test(tests, populates_once, 0, LAB_NMODES);
	tcase_add_loop_test(tests, stats_count_objects, 0, LAB_NMODES);
	tcase_add_loop_test(tests, no_memory_for_a_slab, 0, LAB_NMODES);
	tcase_add_loop_test(tests, stopped, 0, LAB_NMODES);
	tcase_add_loop_test(tests, others_go_on_while_stopped, 0, LAB_NMODES);
	tcase_add_loop_test(tests, drained, 0, LAB_NMODES);
	tcase_add_loop_test(tests, idle_ones_survive_a_fork, 0, LAB_NMODES);
#if HAVE_SINGLE_STEP
	tcase_add_loop_test(tests, stepped_through, 0, LAB_NMODES);
#endif
	tcase_add_loop_test(tests, idle_ones_are_drained, 0, LAB_NMODES);
	return unit_end();
}
