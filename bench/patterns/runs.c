/*
 * Many small blocks, allocated in long runs and freed in long runs, by four
 * threads. A run is some thousand blocks of one size of 16 to 512 bytes; a few
 * runs are live at a time, and the oldest is freed as a whole before the next:
 * forwards, backwards, or first every other block and then the rest.
 */
#include "harness.h"

#define LIVE_RUNS 6
#define RUN_LOW 1000
#define RUN_HIGH 5000
#define BLOCKS 9000000
#define SIZE_LOW 4		/* 2^4 ... 2^9 bytes */
#define SIZE_HIGH 9

enum order { FORWARDS, BACKWARDS, EVERY_OTHER, NORDERS };

struct run {
	uint32_t count;
	uint32_t nbytes;
	uint32_t tag;
	void *blocks[RUN_HIGH];
};

static struct run *runs[HARNESS_MAX_THREADS];

static void allocate(struct run *run, uint64_t *random)
{
	run->count = (uint32_t)harness_between(random, RUN_LOW, RUN_HIGH);
	run->nbytes = (uint32_t)harness_log_between(random, SIZE_LOW,
						    SIZE_HIGH);
	run->tag = (uint32_t)measure_random(random);
	for (uint32_t i = 0; i < run->count; i++)
		run->blocks[i] = harness_get(run->nbytes, run->tag + i);
}

static void put(struct run *run, uint32_t i)
{
	harness_put(run->blocks[i], run->nbytes, run->tag + i);
}

static void release(struct run *run, enum order order)
{
	uint32_t n = run->count;

	run->count = 0;
	if (order == FORWARDS)
		for (uint32_t i = 0; i < n; i++)
			put(run, i);
	else if (order == BACKWARDS)
		for (uint32_t i = n; i > 0; i--)
			put(run, i - 1);
	for (uint32_t start = 0; order == EVERY_OTHER && start < 2; start++)
		for (uint32_t i = start; i < n; i += 2)
			put(run, i);
}

static void work(int index)
{
	struct run *mine = runs[index];
	uint64_t random = harness_stream(index);
	long left = harness_scaled(BLOCKS);

	for (long i = 0; left > 0; i++) {
		struct run *run = &mine[i % LIVE_RUNS];

		release(run, (enum order)(i % NORDERS));
		allocate(run, &random);
		left -= run->count;
	}
	for (int i = 0; i < LIVE_RUNS; i++)
		release(&mine[i], FORWARDS);
}

int main(int argc, char **argv)
{
	harness_options(argc, argv, 4, NULL);
	for (int i = 0; i < harness.nthreads; i++)
		runs[i] = harness_map(LIVE_RUNS * sizeof(struct run));
	harness_start();
	harness_threads(work);
	harness_stop();
	return harness_report();
}
