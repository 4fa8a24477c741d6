/*
 * Blocks of 64 bytes, freed by another thread: one half of the threads
 * allocates batches of them, the other half frees.
 */
#include "queue.h"

#define NBYTES 64
#define BLOCKS 20000000

static struct queue queue;
static int nallocating;
static long nbatches;

static void allocate(int index)
{
	struct queue_batch batch = { .count = QUEUE_BATCH };

	for (long n = index; n < nbatches; n += nallocating) {
		for (uint32_t i = 0; i < QUEUE_BATCH; i++) {
			struct queue_block *b = &batch.blocks[i];

			b->tag = (uint32_t)n * QUEUE_BATCH + i;
			b->block = harness_get(NBYTES, b->tag);
		}
		queue_put(&queue, &batch);
	}
	queue_end(&queue);
}

static void release(void)
{
	struct queue_batch batch;

	while (queue_take(&queue, &batch))
		for (int i = 0; i < batch.count; i++)
			harness_put(batch.blocks[i].block, NBYTES,
				    batch.blocks[i].tag);
}

static void work(int index)
{
	if (index < nallocating)
		allocate(index);
	else
		release();
}

int main(int argc, char **argv)
{
	harness_options(argc, argv, 4, NULL);
	if (harness.nthreads < 2)
		measure_die("cross_free: at least two threads");
	nallocating = harness.nthreads / 2;
	nbatches = harness_scaled(BLOCKS / QUEUE_BATCH);
	queue_init(&queue, nallocating);
	harness_start();
	harness_threads(work);
	harness_stop();
	return harness_report();
}
