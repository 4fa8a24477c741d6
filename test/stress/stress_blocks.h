/*
 * Blocks that carry a pattern derived from seed, address and size, so that
 * any write by another owner, any overlap and any lost copy is noticed. And
 * the mix: a random working set of such blocks, with a table through which
 * threads hand them to each other.
 */
#ifndef PCM_TEST_STRESS_BLOCKS_H
#define PCM_TEST_STRESS_BLOCKS_H

#include "stress.h"

#define SWEEP_MAX ((size_t)300 << 10)

struct block {
	unsigned char *p;	/* NULL = no block */
	size_t n;
	uint64_t key;
	const char *how;	/* the function that gave it */
	int by;			/* the thread that filled it */
	bool full;		/* every byte is checked, not just samples */
};

/*
 * Allocates n bytes by a function chosen at random and fills them. Checks
 * alignment, usable size, and that calloc's memory is zero.
 */
void block_get(struct block *b, struct rng *r, size_t n);
/* The same, at an alignment: a power of two, at least sizeof(void *). */
void block_get_aligned(struct block *b, struct rng *r, size_t align, size_t n);
/* Verifies, resizes by realloc or reallocarray, verifies the copy, fills. */
void block_resize(struct block *b, struct rng *r, size_t n);
void block_verify(const struct block *b);
/* Verifies and frees. */
void block_put(struct block *b);

/* A size as programs ask for: mostly small, now and then some MiB. */
size_t size_pick(struct rng *r);

/*
 * A table of blocks shared by threads. A slot is only ever tried, never
 * waited for: what a forked child finds busy stays so, and signal handlers
 * may use it.
 */
struct slot {
	_Atomic(bool) busy;
	struct block block;
};

struct mix {
	struct rng rng;
	struct block *local;
	unsigned nlocal;
	struct slot *shared;
	unsigned nshared;
};

/* False if the slot was busy; else *mine and the slot's block are swapped. */
bool slot_swap(struct slot *s, struct block *mine);
/* One random operation on one block. */
void mix_step(struct mix *m);
/* A burst of small blocks, tagged, checked, freed in LIFO or FIFO order. */
void mix_burst(struct rng *r, unsigned most);
void mix_put_all(struct mix *m);
/* Verifies and frees all that is in the table and not busy. */
void mix_drain(struct slot *shared, unsigned nshared);

#endif
