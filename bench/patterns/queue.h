/*
 * A bounded queue of batches of blocks, between threads that allocate and
 * threads that free. Whoever finds it empty or full sleeps, so that a machine
 * with few CPUs does not measure how long threads look before they yield; a
 * batch is long enough for the queue not to matter.
 */
#ifndef PCM_BENCH_QUEUE_H
#define PCM_BENCH_QUEUE_H

#include "harness.h"

#include <pthread.h>

#define QUEUE_BATCH 128
#define QUEUE_LENGTH 16

struct queue_block {
	void *block;
	uint32_t nbytes;
	uint32_t tag;
};

struct queue_batch {
	int count;
	struct queue_block blocks[QUEUE_BATCH];
};

struct queue {
	pthread_mutex_t lock;
	pthread_cond_t not_empty, not_full;
	unsigned long nput, ntaken;	/* batches so far */
	int nwriters;			/* that may still put something */
	struct queue_batch batches[QUEUE_LENGTH];
};

void queue_init(struct queue *queue, int nwriters);
/* Waits for room. */
void queue_put(struct queue *queue, const struct queue_batch *batch);
/* One writer less; with the last one the queue ends. */
void queue_end(struct queue *queue);
/* Waits for a batch; false at the end. */
bool queue_take(struct queue *queue, struct queue_batch *batch);

#endif
