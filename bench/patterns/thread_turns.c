/*
 * Threads that come and go: each lives for one job, in which it allocates
 * blocks of 16 to 8000 bytes, frees most of them, leaves the rest to whoever
 * comes later, and frees what others left. Two jobs run at a time.
 */
#include "harness.h"

#include <pthread.h>

#define JOBS 12000
#define LANES 2
#define BLOCKS 600
#define LEFT 100		/* blocks a job leaves */
#define GENERATIONS 16		/* jobs after which they are freed */
#define LOW 4			/* 2^4 ... 2^12 bytes, up to 8191 */
#define HIGH 12
#define STACK_NBYTES (128 << 10)

struct slot {
	void *block;
	uint32_t nbytes;
};

static struct lane {
	struct slot blocks[BLOCKS];
	struct slot left[GENERATIONS][LEFT];
	uint64_t random;
	long job;
	pthread_t thread;
} lanes[HARNESS_MAX_THREADS];

static void fill(struct slot *slot, uint32_t tag, uint64_t *random)
{
	slot->nbytes = (uint32_t)harness_log_between(random, LOW, HIGH);
	slot->block = harness_get(slot->nbytes, tag);
}

static void drop(struct slot *slot, uint32_t tag)
{
	if (slot->block != NULL)
		harness_put(slot->block, slot->nbytes, tag);
	slot->block = NULL;
}

/* Every sixth block is left; what was left so long ago is freed. */
static void *job(void *arg)
{
	struct lane *lane = arg;
	struct slot *left = lane->left[lane->job % GENERATIONS];

	for (uint32_t i = 0; i < BLOCKS; i++)
		fill(&lane->blocks[i], i, &lane->random);
	for (uint32_t i = 0; i < LEFT; i++) {
		uint32_t from = i * (BLOCKS / LEFT);

		drop(&left[i], from);
		left[i] = lane->blocks[from];
		lane->blocks[from].block = NULL;
	}
	for (uint32_t i = 0; i < BLOCKS; i++)
		drop(&lane->blocks[i], i);
	harness_publish();
	return NULL;
}

static void start(struct lane *lane, const pthread_attr_t *attr)
{
	if (pthread_create(&lane->thread, attr, job, lane) != 0)
		measure_die("pthread_create failed");
}

static void run_jobs(long n)
{
	pthread_attr_t attr;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK_NBYTES);
	for (long i = 0; i < n; i++) {
		struct lane *lane = &lanes[i % harness.nthreads];

		if (i >= harness.nthreads)
			pthread_join(lane->thread, NULL);
		lane->job = i / harness.nthreads;
		start(lane, &attr);
		harness_sample();
	}
	for (long i = 0; i < harness.nthreads && i < n; i++)
		pthread_join(lanes[i].thread, NULL);
}

static void drop_left(struct lane *lane)
{
	for (int i = 0; i < GENERATIONS; i++)
		for (uint32_t j = 0; j < LEFT; j++)
			drop(&lane->left[i][j], j * (BLOCKS / LEFT));
}

int main(int argc, char **argv)
{
	harness_options(argc, argv, LANES, NULL);
	for (int i = 0; i < harness.nthreads; i++)
		lanes[i].random = harness_stream(i);
	harness_start();
	run_jobs(harness_scaled(JOBS));
	for (int i = 0; i < harness.nthreads; i++)
		drop_left(&lanes[i]);
	harness_stop();
	return harness_report();
}
