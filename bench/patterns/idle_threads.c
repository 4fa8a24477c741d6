/*
 * Many threads, most of them idle: each does a burst of work once in a while,
 * keeps a little, and waits. Two are awake at a time, always the same pairs
 * in the same order. What an allocator leaves with threads that do nothing is
 * what this program shows.
 *
 * Prints also active_kib, resident memory after the last round of bursts, and
 * idle_live_kib, what all threads together keep then.
 */
#include "harness.h"

#include <pthread.h>
#include <semaphore.h>

#define NTHREADS 200
#define LANES 2
#define ROUNDS 25
#define BLOCKS 3000
#define KEPT 50
#define LOW 16
#define HIGH 600
#define STACK_NBYTES (256 << 10)
#define KIB 1024

struct slot {
	void *block;
	uint32_t nbytes;
};

static struct sleeper {
	pthread_t thread;
	sem_t wake;
	uint64_t random;
	struct slot kept[KEPT];
} sleepers[HARNESS_MAX_THREADS];

/* A lane's table for the burst that is under way: small next to the blocks. */
static struct slot lanes[LANES][BLOCKS];
static sem_t lane_done;
static long nrounds;

static void drop(struct slot *slots, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++)
		if (slots[i].block != NULL)
			harness_put(slots[i].block, slots[i].nbytes, i);
	memset(slots, 0, count * sizeof(slots[0]));
}

static void burst(struct sleeper *me, struct slot *slots)
{
	for (uint32_t i = 0; i < BLOCKS; i++) {
		slots[i].nbytes = (uint32_t)harness_between(&me->random, LOW,
							    HIGH);
		slots[i].block = harness_get(slots[i].nbytes, i);
	}
	drop(me->kept, KEPT);
	memcpy(me->kept, slots, sizeof(me->kept));
	memset(slots, 0, sizeof(me->kept));
	drop(slots, BLOCKS);
	harness_publish();
}

static void wait_for(sem_t *sem)
{
	while (sem_wait(sem) != 0)
		;
}

/* The next thread of the lane, or whoever waits for the lane. */
static void wake_next(int index)
{
	if (index + LANES < harness.nthreads)
		sem_post(&sleepers[index + LANES].wake);
	else
		sem_post(&lane_done);
}

static void *sleeper(void *arg)
{
	struct sleeper *me = arg;
	int index = (int)(me - sleepers);

	for (long i = 0; i < nrounds; i++) {
		wait_for(&me->wake);
		burst(me, lanes[index % LANES]);
		wake_next(index);
	}
	wait_for(&me->wake);
	drop(me->kept, KEPT);
	harness_publish();
	wake_next(index);
	return NULL;
}

static void start_all(void)
{
	pthread_attr_t attr;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK_NBYTES);
	for (int i = 0; i < harness.nthreads; i++)
		if (pthread_create(&sleepers[i].thread, &attr, sleeper,
				   &sleepers[i]) != 0)
			measure_die("pthread_create failed");
}

static void run_round(void)
{
	int nlanes = harness.nthreads < LANES ? harness.nthreads : LANES;

	for (int i = 0; i < nlanes; i++)
		sem_post(&sleepers[i].wake);
	for (int i = 0; i < nlanes; i++)
		wait_for(&lane_done);
	harness_sample();
}

static double kept_kib(void)
{
	uint64_t sum = 0;

	for (int i = 0; i < harness.nthreads; i++)
		for (int j = 0; j < KEPT; j++)
			sum += sleepers[i].kept[j].nbytes;
	return (double)(sum / KIB);
}

static void prepare(void)
{
	sem_init(&lane_done, 0, 0);
	for (int i = 0; i < harness.nthreads; i++) {
		sem_init(&sleepers[i].wake, 0, 0);
		sleepers[i].random = harness_stream(i);
	}
}

int main(int argc, char **argv)
{
	harness_options(argc, argv, NTHREADS, NULL);
	nrounds = harness_scaled(ROUNDS);
	prepare();
	harness_start();
	start_all();
	for (long i = 0; i < nrounds; i++)
		run_round();
	harness_stop();
	harness_print("active_kib", measure_rss_kib());
	harness_print("idle_live_kib", kept_kib());
	harness_start();
	run_round();
	for (int i = 0; i < harness.nthreads; i++)
		pthread_join(sleepers[i].thread, NULL);
	harness_stop();
	return harness_report();
}
