/*
 * shard.h - slabs behind locks, for threads without rseq.
 *
 * A thread sticks to a shard until it finds it locked. Locks: PCM_RANK_SHARD.
 */
#ifndef PCM_SHARD_H
#define PCM_SHARD_H

#include <stdatomic.h>

#include "single_thread.h"
#include "lock.h"
#include "percpu.h"

struct pcm_shard {
	struct pcm_lock lock;
	bool ready; /* words initialised; under the lock */
	struct pcm_slab slab;
} PCM_LINE_ALIGNED;

struct pcm_shard_thread {
	/*
	 * The thread's shard, once it is known never to have rseq and the shard
	 * is ready; else NULL.
	 */
	struct pcm_shard *mine;
	volatile bool inside; /* within a shard's lock, or about to be */
	uint8_t chosen;	      /* 0: not yet, else number of the shard + 1 */
};

extern PCM_HIDDEN PCM_TLS struct pcm_shard_thread pcm_shard_thread;

/*
 * pcm_shard_try_enter() - take a shard's lock if it is free.
 *
 * In a process that has one thread the lock is a plain flag: two atomic
 * exchanges would be most of a malloc/free pair. `inside` goes up before the
 * lock is taken, for a signal handler in between.
 */
static inline bool
pcm_shard_try_enter(struct pcm_shard *shard)
{
	pcm_shard_thread.inside = true;
	atomic_signal_fence(memory_order_seq_cst);
	if (!pcm_single_threaded())
		return pcm_trylock(&shard->lock);
	if (atomic_load_explicit(&shard->lock.state, memory_order_relaxed) !=
	    PCM_LOCK_FREE)
		return false; /* a handler, or the thread that forks */
	atomic_store_explicit(&shard->lock.state, PCM_LOCK_HELD,
			      memory_order_relaxed);
	atomic_signal_fence(memory_order_seq_cst);
	return true;
}

static inline void
pcm_shard_leave(struct pcm_shard *shard, bool was_inside)
{
	atomic_signal_fence(memory_order_seq_cst);
	if (pcm_single_threaded() && !pcm_lock_passes)
		atomic_store_explicit(&shard->lock.state, PCM_LOCK_FREE,
				      memory_order_release);
	else
		pcm_unlock(&shard->lock);
	atomic_signal_fence(memory_order_seq_cst);
	pcm_shard_thread.inside = was_inside;
}

/* One operation on a shard that the caller has entered; leaves it. */
static inline bool
pcm_shard_pop_and_leave(struct pcm_shard *shard, bool was_inside,
			unsigned stack, void **obj)
{
	void ***word = &shard->slab.word[stack][PCM_LOADED];
	bool done = !pcm_mag_empty(*word);

	if (PCM_LIKELY(done))
		*obj = pcm_mag_pop(word);
	pcm_shard_leave(shard, was_inside);
	return done;
}

static inline bool
pcm_shard_push_and_leave(struct pcm_shard *shard, bool was_inside,
			 unsigned stack, void *obj)
{
	void ***word = &shard->slab.word[stack][PCM_LOADED];
	bool done = !pcm_mag_full(*word);

	if (PCM_LIKELY(done))
		pcm_mag_push(word, obj);
	pcm_shard_leave(shard, was_inside);
	return done;
}

/* The thread's own shard, entered; NULL: it has none, or it is busy. */
static inline struct pcm_shard *
pcm_shard_enter_mine(void)
{
	struct pcm_shard *shard = pcm_shard_thread.mine;

	if (shard == NULL || pcm_shard_thread.inside)
		return NULL;
	if (PCM_LIKELY(pcm_shard_try_enter(shard)))
		return shard;
	pcm_shard_thread.inside = false;
	return NULL;
}

/*
 * pcm_shard_pop_fast(), pcm_shard_push_fast() - for threads that will never
 * have rseq: their own shard, if it is free. False: take the slow path.
 */
static inline bool
pcm_shard_pop_fast(unsigned stack, void **obj)
{
	struct pcm_shard *shard = pcm_shard_enter_mine();

	return shard != NULL &&
		pcm_shard_pop_and_leave(shard, false, stack, obj);
}

static inline bool
pcm_shard_push_fast(unsigned stack, void *obj)
{
	struct pcm_shard *shard = pcm_shard_enter_mine();

	return shard != NULL &&
		pcm_shard_push_and_leave(shard, false, stack, obj);
}

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

/* Shards that have been used. */
unsigned pcm_shard_nready(void);

/* What the shards hold, or only their idle magazines, becomes outgoing. */
void pcm_shard_drain(void);
void pcm_shard_drain_idle(void);

/* Adds to *stats. */
void pcm_shard_stats_add(struct pcm_percpu_stats *stats);

void pcm_shard_fork_lock(void);
void pcm_shard_fork_unlock(void);
void pcm_shard_fork_child(void);

#endif
