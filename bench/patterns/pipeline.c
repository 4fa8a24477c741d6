/*
 * A pipeline: producers allocate messages and write them, consumers read and
 * free them, in order. mode= 1:1, 1:N (one producer, all other threads
 * consume) or N:1. Most messages have 24 to 512 bytes, one in 64 up to 16 KiB.
 */
#include "queue.h"

#define LOW 24
#define HIGH 512
#define LONG_HIGH (16 << 10)
#define LONG_ONE_IN 64
#define MESSAGES 12000000
#define MANY_THREADS 4

static const char *const modes[] = { "1:1", "1:N", "N:1", NULL };
enum mode { ONE_TO_ONE, ONE_TO_MANY, MANY_TO_ONE };

static struct queue queue;
static int nproducers;
static long nbatches;

static size_t message_size(uint64_t *random)
{
	if (measure_random(random) % LONG_ONE_IN == 0)
		return harness_between(random, LOW, LONG_HIGH);
	return harness_between(random, LOW, HIGH);
}

static void produce(int index)
{
	uint64_t random = harness_stream(index);
	struct queue_batch batch = { .count = QUEUE_BATCH };

	for (long n = index; n < nbatches; n += nproducers) {
		for (uint32_t i = 0; i < QUEUE_BATCH; i++) {
			struct queue_block *b = &batch.blocks[i];

			b->nbytes = (uint32_t)message_size(&random);
			b->tag = (uint32_t)n * QUEUE_BATCH + i;
			b->block = harness_get(b->nbytes, b->tag);
		}
		queue_put(&queue, &batch);
		harness_tick();
	}
	queue_end(&queue);
}

static void consume(void)
{
	struct queue_batch batch;

	while (queue_take(&queue, &batch))
		for (int i = 0; i < batch.count; i++) {
			struct queue_block *b = &batch.blocks[i];

			harness_put(b->block, b->nbytes, b->tag);
		}
}

static void work(int index)
{
	if (index < nproducers)
		produce(index);
	else
		consume();
}

/* How many threads there are by default depends on the mode. */
static void set_threads(void)
{
	if (harness.nthreads == 0)
		harness.nthreads = harness.mode == ONE_TO_ONE ? 2 :
							MANY_THREADS;
	if (harness.nthreads < 2 ||
	    (harness.mode == ONE_TO_ONE && harness.nthreads != 2))
		measure_die("pipeline: not so many threads in this mode");
	nproducers = harness.mode == MANY_TO_ONE ? harness.nthreads - 1 : 1;
}

int main(int argc, char **argv)
{
	harness_options(argc, argv, 0, modes);
	set_threads();
	nbatches = harness_scaled(MESSAGES / QUEUE_BATCH);
	queue_init(&queue, nproducers);
	harness_start();
	harness_threads(work);
	harness_stop();
	return harness_report();
}
