/*
 * Batches: count blocks are allocated, then all of them freed, in reverse
 * (LIFO), in order (FIFO) or at random. Small batches stay in an allocator's
 * cache, large ones go all the way down. edge has batches that are just longer
 * than what caches of usual lengths hold: each goes through refill and flush.
 */
#include "micro.h"

#include <stdlib.h>

#define BATCH_LOW 10
#define BATCH_TOP 100000

enum order { LIFO, FIFO, SHUFFLED };

struct batch {
	size_t nbytes;
	uint32_t count;
	void **blocks;
	uint32_t *at;		/* the order in which they are freed */
};

static void set_order(uint32_t *at, uint32_t count, enum order order)
{
	uint64_t random = 88172645463325252ull;

	for (uint32_t i = 0; i < count; i++)
		at[i] = order == LIFO ? count - 1 - i : i;
	for (uint32_t i = count - 1; i > 0 && order == SHUFFLED; i--) {
		uint32_t j = (uint32_t)(micro_random(&random) % (i + 1));
		uint32_t swap = at[i];

		at[i] = at[j];
		at[j] = swap;
	}
}

static void run(struct bench_state *st, const struct batch *batch)
{
	while (bench_next(st)) {
		for (uint32_t i = 0; i < batch->count; i++) {
			batch->blocks[i] = malloc(batch->nbytes);
			*(char *)batch->blocks[i] = 1;
		}
		for (uint32_t i = 0; i < batch->count; i++)
			free(batch->blocks[batch->at[i]]);
	}
	bench_set_items(st, bench_iterations(st) * batch->count);
}

/* Arguments: block size, blocks in a batch. One item = one malloc + free. */
static void batch_in(struct bench_state *st, enum order order)
{
	struct batch batch = {
		.nbytes = (size_t)bench_arg_of(st, 0),
		.count = (uint32_t)bench_arg_of(st, 1),
	};
	size_t table = batch.count * (sizeof(void *) + sizeof(uint32_t));

	batch.blocks = micro_map(st, table);
	if (batch.blocks == NULL)
		return;
	batch.at = (uint32_t *)(batch.blocks + batch.count);
	set_order(batch.at, batch.count, order);
	run(st, &batch);
	micro_unmap(batch.blocks, table);
}

static void batch_lifo(struct bench_state *st)
{
	batch_in(st, LIFO);
}

static void batch_fifo(struct bench_state *st)
{
	batch_in(st, FIFO);
}

static void batch_random(struct bench_state *st)
{
	batch_in(st, SHUFFLED);
}

static void add(const char *name, bench_fn *fn)
{
	struct bench_case *c = bench_add(name, fn);

	for (int64_t count = BATCH_LOW; count <= BATCH_TOP; count *= 10)
		bench_args(c, 32, count);
	bench_args(c, 400, 1000);
	bench_args(c, 400, 10000);
	bench_args(c, 4096, 200);
	bench_args(c, 65536, 50);
}

/* Just over 64, 128 and 256 blocks, and twice the longest. */
static void add_edge(int64_t nbytes)
{
	struct bench_case *c = bench_add("edge", batch_lifo);

	bench_args(c, nbytes, 66);
	bench_args(c, nbytes, 130);
	bench_args(c, nbytes, 260);
	bench_args(c, nbytes, 520);
}

void add_batches(void)
{
	struct bench_case *c;

	add("batch_lifo", batch_lifo);
	add("batch_fifo", batch_fifo);
	add("batch_random", batch_random);
	add_edge(32);
	add_edge(512);
	c = bench_add("edge", batch_lifo);
	bench_args(c, 4096, 18);
	bench_args(c, 4096, 34);
	bench_args(c, 16384, 6);
	bench_args(c, 16384, 10);
	c = bench_add("batch_threads", batch_fifo);
	bench_args(c, 64, 1000);
	micro_threads(c);
}
