/*
 * rseq_section, rseq_fence: a CPU is stopped and drained by another thread
 * while a section waits at one of its instructions.
 *
 * The victim's section has a jump to itself in place of the instruction. The
 * stopper leads every index to the dummy, and fences; from then on the stacks
 * are its own: it compares them with the record, empties them, and lets the
 * victim go if that did not stand inside of its section. What the victim does
 * then must change nothing.
 */
#include "section_paths.h"

#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>

#include "rseq_fence.h"
#include "rseq_thread.h"
#include "single_step.h"

#if HAVE_SINGLE_STEP

#define ROUNDS 4
/* Seconds: until the victim is where it should be; until a fence has worked. */
#define ARRIVAL_LIMIT 0.05
#define LEAVE_LIMIT 5.0
#define MOMENT 2000 /* turns of an empty loop */

static enum section section;
static enum model_fill state;
static unsigned int instruction;
static const struct trap_path *path;

static struct {
	pthread_t thread;
	struct pcm_rseq_area *area;
	sem_t go, again, ready;
	void *in, *out;
	bool done, quit;
} victim;

/* Written by the victim: it is about to run the section; it has left it. */
static atomic_bool running, outside;
/* Written by the stopper: the table is about to change. */
static atomic_bool stopping;

static unsigned long caught; /* stood inside when the fence came */

static void let_go(int sig)
{
	(void)sig;
	trap_clear();
}

static void wait_for(sem_t *sem)
{
	while (sem_wait(sem) != 0)
		must(errno == EINTR);
}

/* Into the trap, again and again if preempted, until the CPUs are stopped. */
static void victim_runs(void)
{
	trap_set(TRAP_LOOP, path, instruction, NULL);
	atomic_store(&running, true);
	do
		victim.done = section_run(section, victim.area, victim.in,
					  &victim.out);
	while (!victim.done && !atomic_load(&stopping));
	trap_clear();
	atomic_store(&outside, true);
}

static void *victim_main(void *arg)
{
	(void)arg;
	must(pcm_rseq_arm());
	victim.area = pcm_rseq_armed;
	sem_post(&victim.ready);
	for (;;) {
		wait_for(&victim.go);
		if (victim.quit)
			return NULL;
		victim_runs();
		sem_post(&victim.ready);
		wait_for(&victim.again);
		model_run(section, victim.area,
			  victim.done ? NULL : victim.in);
		sem_post(&victim.ready);
	}
}

static bool in_section(void)
{
	return *(const volatile uint64_t *)&victim.area->rseq_cs ==
		(uintptr_t)path->descriptor;
}

static bool has_arrived(void)
{
	if (trap_inside(path, instruction))
		return in_section();
	if (path->committed <= instruction)
		return model_changed();
	return true;
}

static void wait_for_arrival(void)
{
	double end;
	int i;

	while (!atomic_load(&running))
		sched_yield();
	end = testing_seconds() + ARRIVAL_LIMIT;
	while (!has_arrived() && testing_seconds() < end)
		sched_yield();
	for (i = 0; i < MOMENT; i++)
		__asm__ volatile("" : : : "memory");
}

static void stop(void)
{
	atomic_store(&stopping, true);
	model_table(false);
	if (trap_inside(path, instruction) && in_section())
		caught++;
	must(pcm_rseq_fence());
}

/*
 * Inside of the section nobody waits any more: had the fence not aborted it, it
 * would go on now, and commit to a stack that is not its own.
 */
static void let_victim_out(void)
{
	double end = testing_seconds() + LEAVE_LIMIT;

	if (trap_inside(path, instruction))
		trap_clear();
	while (!atomic_load(&outside)) {
		if (!trap_inside(path, instruction))
			pthread_kill(victim.thread, SIGUSR1);
		sched_yield();
		must(testing_seconds() < end); /* the fence aborts */
	}
	wait_for(&victim.ready);
}

static void combine(void)
{
	bool committed;
	void *expected = NULL;

	model_init(state);
	victim.in = model_input(section);
	atomic_store(&running, false);
	atomic_store(&outside, false);
	atomic_store(&stopping, false);
	sem_post(&victim.go);
	wait_for_arrival();
	stop();
	committed = model_changed();
	if (committed)
		model_observe(section, victim.in, &expected);
	model_check(victim.in);
	model_drain();
	let_victim_out();
	must(victim.done == committed);
	must(!committed || instruction >= path->committed);
	if (committed && !model_pushes(section))
		must(victim.out == expected);
	model_check(victim.in);
	model_table(true);
	sem_post(&victim.again);
	wait_for(&victim.ready);
	model_check(victim.in);
}

static void each_instruction(void)
{
	/* The last one, ret, is shorter than a jump. */
	for (instruction = 0; instruction + 1 < path->n; instruction++) {
		snprintf(paths_now->text, sizeof(paths_now->text),
			 "%s, %s, instruction %u of %u%s",
			 section_names[section], model_fill_names[state],
			 instruction, path->n,
			 trap_inside(path, instruction) ? " (inside)" : "");
		combine();
		paths_now->done++;
		if (trap_inside(path, instruction))
			paths_now->inside++;
	}
}

/* Binds the two threads to different CPUs, if there are two. */
static void spread(void)
{
	cpu_set_t allowed, one;
	int cpu, n = 0;

	must(sched_getaffinity(0, sizeof(allowed), &allowed) == 0);
	for (cpu = 0; cpu < CPU_SETSIZE && n < 2; cpu++) {
		if (!CPU_ISSET(cpu, &allowed))
			continue;
		CPU_ZERO(&one);
		CPU_SET(cpu, &one);
		pthread_setaffinity_np(n++ == 0 ? pthread_self() :
						  victim.thread,
				       sizeof(one), &one);
	}
}

static void start_victim(void)
{
	struct sigaction action = { .sa_handler = let_go };

	must(sigaction(SIGUSR1, &action, NULL) == 0);
	must(sem_init(&victim.go, 0, 0) == 0);
	must(sem_init(&victim.again, 0, 0) == 0);
	must(sem_init(&victim.ready, 0, 0) == 0);
	must(pthread_create(&victim.thread, NULL, victim_main, NULL) == 0);
	wait_for(&victim.ready);
	spread();
}

/* Loop test: a section and an index field. */
START_TEST(stopped_at_each_instruction)
{
	unsigned int round, fill;

	if (!paths_init(_i >= NSECTIONS))
		return;
	pcm_rseq_fence_init(true);
	section = (enum section)(_i % NSECTIONS);
	start_victim();
	for (round = 0; round < ROUNDS; round++) {
		for (fill = EMPTY; fill < ABSENT; fill++) {
			state = (enum model_fill)fill;
			path = &paths_of[section][state];
			each_instruction();
		}
	}
	victim.quit = true;
	sem_post(&victim.go);
	must(pthread_join(victim.thread, NULL) == 0);
	printf("%s: stood inside when the fence came: %lu times\n",
	       section_names[section], caught);
}
END_TEST

int main(void)
{
	TCase *tests;
	int status;

	pcm_rseq_fence_init(true);
	if (!pcm_rseq_fence_available())
		testing_skip("no membarrier with RSEQ here");
	tests = unit_begin("rseq_stopped");
	paths_begin();
	tcase_add_loop_test(tests, stopped_at_each_instruction, 0,
			    2 * NSECTIONS);
	status = unit_end();
	paths_report("stopped", status != EXIT_SUCCESS);
	return status;
}

#else

int main(void)
{
	testing_skip("no sections for this architecture");
}

#endif
