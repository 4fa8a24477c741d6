/*
 * Pattern stress: every size from 1 byte to 300 KiB, a ladder of MiB sizes,
 * every alignment, realloc up and down, first in one thread; then a random mix
 * of all that in several threads, which free each other's blocks.
 */
#include "stress_blocks.h"

#include <stdlib.h>

#define WINDOW 64
#define LADDER_TOP ((size_t)24 << 20)
#define ALIGN_TOP ((size_t)4 << 20)
#define LOCAL_BLOCKS 48
#define SHARED_BLOCKS 256

static size_t gcd(size_t a, size_t b)
{
	return b == 0 ? a : gcd(b, a % b);
}

/* Keeps the last WINDOW blocks alive, verifies and frees the oldest. */
static struct block *oldest(struct block *window, size_t turn)
{
	struct block *b = &window[turn % WINDOW];

	if (b->p != NULL)
		block_put(b);
	return b;
}

static void close_window(struct block *window)
{
	for (size_t i = 0; i < WINDOW; i++)
		oldest(window, i);
}

/* Each size once, in an order that the seed gives. */
static uint64_t sweep_sizes(struct rng *r)
{
	struct block window[WINDOW] = { { .p = NULL } };
	size_t step = 1 + rng_below(r, SWEEP_MAX);
	size_t n = rng_below(r, SWEEP_MAX);

	while (gcd(step, SWEEP_MAX) != 1)
		step++;
	for (size_t turn = 0; turn < SWEEP_MAX; turn++) {
		n = (n + step) % SWEEP_MAX;
		block_get(oldest(window, turn), r, n + 1);
	}
	close_window(window);
	return SWEEP_MAX;
}

/* Each size up to some KiB in ascending order: neighbours of one class. */
static uint64_t sweep_neighbours(struct rng *r)
{
	struct block window[WINDOW] = { { .p = NULL } };
	size_t turn = 0;

	for (size_t n = 0; n <= 4096; n++)
		for (int twice = 0; twice < 4; twice++)
			block_get(oldest(window, turn++), r, n);
	close_window(window);
	return turn;
}

static uint64_t sweep_alignments(struct rng *r)
{
	struct block window[WINDOW] = { { .p = NULL } };
	size_t align = sizeof(void *);
	size_t turn = 0;

	for (; align <= ALIGN_TOP; align *= 2)
		for (int i = 0; i < 24; i++)
			block_get_aligned(oldest(window, turn++), r, align,
					  size_pick(r));
	close_window(window);
	return turn;
}

/* Sizes around every power of two, up to LADDER_TOP. */
static uint64_t sweep_large(struct rng *r)
{
	struct block window[8] = { { .p = NULL } };
	size_t turn = 0;

	for (size_t n = SWEEP_MAX; n < LADDER_TOP; n += n / 5) {
		struct block *b = &window[turn++ % 8];

		if (b->p != NULL)
			block_put(b);
		block_get(b, r, n + rng_below(r, 4096));
	}
	for (size_t i = 0; i < 8; i++)
		if (window[i].p != NULL)
			block_put(&window[i]);
	return turn;
}

/* One block grown from a byte to LADDER_TOP and shrunk back. */
static uint64_t sweep_realloc(struct rng *r)
{
	struct block b, neighbour;
	uint64_t turns = 0;
	size_t n;

	block_get(&b, r, 1);
	for (n = 1; n < LADDER_TOP; n += 1 + n / 4, turns++) {
		block_get(&neighbour, r, n);
		block_resize(&b, r, n + rng_below(r, 64));
		block_put(&neighbour);
	}
	for (; n > 0; n -= 1 + n / 4, turns++)
		block_resize(&b, r, n);
	block_put(&b);
	return turns;
}

static void run(struct worker *w)
{
	struct slot *shared = w->arg;
	struct block local[LOCAL_BLOCKS] = { { .p = NULL } };
	struct mix mix = { w->rng, local, LOCAL_BLOCKS, shared, SHARED_BLOCKS };

	while (stress_running()) {
		mix_step(&mix);
		if (rng_once_in(&mix.rng, 64))
			mix_burst(&mix.rng, 400);
		w->nops++;
	}
	mix_put_all(&mix);
}

static uint64_t sweep_all(struct rng *r)
{
	return sweep_sizes(r) + sweep_neighbours(r) + sweep_alignments(r) +
	       sweep_large(r) + sweep_realloc(r);
}

int main(void)
{
	struct rng rng;
	struct slot *shared;
	struct worker *workers;
	unsigned n;
	uint64_t nops;

	stress_start("stress_pattern");
	rng.state = stress_seed();
	n = 2 * stress_ncpus() + 1;
	shared = stress_memory(SHARED_BLOCKS * sizeof(*shared));
	workers = stress_memory(n * sizeof(*workers));
	nops = sweep_all(&rng);
	nops += stress_run(workers, n, stress_seconds(), run, shared);
	mix_drain(shared, SHARED_BLOCKS);
	return stress_finish(nops);
}
