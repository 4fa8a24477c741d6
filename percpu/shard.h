/*
 * shard.h - slabs behind locks, for threads without rseq.
 *
 * A thread sticks to a shard until it finds it locked. Locks: PCM_RANK_SHARD.
 */
#ifndef PCM_SHARD_H
#define PCM_SHARD_H

#include "percpu.h"

void pcm_shard_init(unsigned nshards);

/*
 * Same contracts as pcm_percpu_pop() and so on. For a handler that interrupted
 * a shard operation of its own thread: pop and push fail rather than block.
 */
bool pcm_shard_pop(unsigned stack, void **obj);
bool pcm_shard_push(unsigned stack, void *obj);
void **pcm_shard_exchange(enum pcm_slab_word which, unsigned stack,
			  void **top);

bool pcm_shard_inside(void);

void pcm_shard_drain(void (*take)(unsigned stack, void **top));

/* Adds to *stats. */
void pcm_shard_stats_add(struct pcm_percpu_stats *stats);

void pcm_shard_fork_lock(void);
void pcm_shard_fork_unlock(void);
void pcm_shard_fork_child(void);

#endif
