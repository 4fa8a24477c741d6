/*
 * Runs of blocks of mixed sizes up to 168 KiB by four threads, each run freed
 * by another thread than the one that allocated it: a thread leaves its runs
 * with its neighbour and frees those that it finds left with itself.
 */
#include "harness.h"

#include <pthread.h>
#include <stdatomic.h>

#define RUN 400
#define RUNS 16000
#define PLACES 4		/* for runs, with each thread */
#define SMALL_LOW 4		/* 2^4 ... 2^10 bytes: most blocks */
#define SMALL_HIGH 10
#define LONG_LOW 1024
#define LONG_HIGH (168 << 10)
#define LONG_ONE_IN 50

struct run {
	struct run *next;
	void *blocks[RUN];
	uint32_t nbytes[RUN];
	uint32_t tag;
};

static _Atomic(struct run *) places[HARNESS_MAX_THREADS][PLACES];

/* Runs not in use: taken once per run, so that a lock will do. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct run *unused;

static struct run *take_unused(void)
{
	struct run *run;

	pthread_mutex_lock(&lock);
	run = unused;
	if (run != NULL)
		unused = run->next;
	pthread_mutex_unlock(&lock);
	return run;
}

static void put_unused(struct run *run)
{
	pthread_mutex_lock(&lock);
	run->next = unused;
	unused = run;
	pthread_mutex_unlock(&lock);
}

static size_t pick(uint64_t *random)
{
	if (measure_random(random) % LONG_ONE_IN == 0)
		return harness_between(random, LONG_LOW, LONG_HIGH);
	return harness_log_between(random, SMALL_LOW, SMALL_HIGH);
}

static struct run *allocate(uint64_t *random)
{
	struct run *run = take_unused();

	if (run == NULL)
		measure_die("runs_mixed: too few runs");
	run->tag = (uint32_t)measure_random(random);
	for (uint32_t i = 0; i < RUN; i++) {
		run->nbytes[i] = (uint32_t)pick(random);
		run->blocks[i] = harness_get(run->nbytes[i], run->tag + i);
	}
	return run;
}

static void release(struct run *run)
{
	if (run == NULL)
		return;
	for (uint32_t i = 0; i < RUN; i++)
		harness_put(run->blocks[i], run->nbytes[i], run->tag + i);
	put_unused(run);
}

static struct run *exchange(int index, long place, struct run *run)
{
	return atomic_exchange(&places[index][place % PLACES], run);
}

static void work(int index)
{
	uint64_t random = harness_stream(index);
	int neighbour = (index + 1) % harness.nthreads;
	long n = harness_scaled(RUNS);

	for (long i = 0; i < n; i++) {
		/* What the neighbour did not come to free, its owner does. */
		release(exchange(neighbour, i, allocate(&random)));
		release(exchange(index, i, NULL));
	}
}

static void release_all(void)
{
	for (int i = 0; i < harness.nthreads; i++)
		for (int place = 0; place < PLACES; place++)
			release(exchange(i, place, NULL));
}

int main(int argc, char **argv)
{
	struct run *all;
	int n;

	harness_options(argc, argv, 4, NULL);
	n = harness.nthreads * (PLACES + 2);
	all = harness_map((size_t)n * sizeof(*all));
	for (int i = 0; i < n; i++)
		put_unused(&all[i]);
	harness_start();
	harness_threads(work);
	release_all();
	harness_stop();
	return harness_report();
}
