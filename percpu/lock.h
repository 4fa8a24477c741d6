/*
 * lock.h - the lock: a private futex with bounded spinning, and a rank.
 *
 * Ranks are in docs/LOCKING.md. A thread takes locks in ascending rank only;
 * builds with PCM_DEBUG=1 check it and abort. There is no recursion. While a
 * thread forks it owns every lock, and its own lock and unlock calls pass.
 */
#ifndef PCM_LOCK_H
#define PCM_LOCK_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "compiler.h"

#ifndef PCM_DEBUG
#define PCM_DEBUG 0
#endif

enum pcm_lock_rank {
	PCM_RANK_STOP = 1,  /* who may stop CPUs: trim, fork */
	PCM_RANK_SHARD,	    /* a fallback shard; never two */
	PCM_RANK_DEPOTS,    /* which homes have depots */
	PCM_RANK_DEPOT,	    /* a class's depot in a home; never two */
	PCM_RANK_HOMES,	    /* which homes a class has */
	PCM_RANK_CENTRAL,   /* spans of a class and a home; two by a try-lock */
	PCM_RANK_MIXED,	    /* mixed spans of a home */
	PCM_RANK_MAPPING,   /* large objects with mappings of their own */
	PCM_RANK_PAGE_HEAP, /* hugepages */
	PCM_RANK_MAGAZINE,  /* the pool of empty magazines */
	PCM_RANK_DESCRIPTORS, /* descriptors of spans that wait at a home; never two */
	PCM_RANK_META,	    /* metadata allocator: the last one */
	PCM_NRANKS,
};

enum {
	PCM_LOCK_FREE = 0,
	PCM_LOCK_HELD = 1,
	PCM_LOCK_CONTENDED = 2, /* held, and somebody may sleep */
};

struct pcm_lock {
	_Atomic uint32_t state;
	uint32_t rank;
};

/* Only debug builds read ranks: without them a free lock is zero. */
#if PCM_DEBUG
#define PCM_LOCK_INIT(r) { PCM_LOCK_FREE, (r) }
#else
#define PCM_LOCK_INIT(r) { PCM_LOCK_FREE, 0 }
#endif

/*
 * pcm_lock_set_rank() - the rank of a lock in zeroed memory, before its first use.
 * Only debug builds read ranks: others leave the memory untouched, whole pages of
 * locks that a small process never takes.
 */
static inline void
pcm_lock_set_rank(struct pcm_lock *lock, enum pcm_lock_rank rank)
{
#if PCM_DEBUG
	lock->rank = rank;
#else
	(void)lock;
	(void)rank;
#endif
}

/*
 * How often threads have gone to sleep for a lock so far; wraps. Relaxed: whoever reads
 * it wants to know whether they are many.
 */
extern PCM_HIDDEN atomic_uint pcm_lock_nsleeps;

void pcm_lock_slow(struct pcm_lock *lock);
void pcm_unlock_slow(struct pcm_lock *lock);

/* True if the caller is the thread that forks just now, or its child. */
extern PCM_HIDDEN PCM_TLS bool pcm_lock_passes;

/*
 * pcm_lock_fork_begin() - from here on the calling thread passes every lock.
 * It must hold them all. pcm_lock_fork_end() takes that back. In the child the
 * calling thread's copy passes, too, until it has called it.
 */
void pcm_lock_fork_begin(void);
void pcm_lock_fork_end(void);


#if PCM_DEBUG
void pcm_lock_check_acquire(const struct pcm_lock *lock);
void pcm_lock_note_acquire(const struct pcm_lock *lock);
void pcm_lock_note_release(const struct pcm_lock *lock);
#else
static inline void
pcm_lock_check_acquire(const struct pcm_lock *lock)
{
	(void)lock;
}

static inline void
pcm_lock_note_acquire(const struct pcm_lock *lock)
{
	(void)lock;
}

static inline void
pcm_lock_note_release(const struct pcm_lock *lock)
{
	(void)lock;
}
#endif

/* pcm_lock() without the rank check: fork takes every lock there is. */
static inline void
pcm_lock_unchecked(struct pcm_lock *lock)
{
	uint32_t expected = PCM_LOCK_FREE;

	if (PCM_UNLIKELY(!atomic_compare_exchange_strong_explicit(
		    &lock->state, &expected, PCM_LOCK_HELD,
		    memory_order_acquire, memory_order_relaxed)))
		pcm_lock_slow(lock);
}

/* Acquire; pairs with the release in pcm_unlock(). Blocks. */
static inline void
pcm_lock(struct pcm_lock *lock)
{
	pcm_lock_check_acquire(lock);
	pcm_lock_unchecked(lock);
}

/*
 * Acquire if free. Returns true if the caller holds the lock now. In any order:
 * who does not wait cannot be part of a deadlock. Looked at first: an exchange, even
 * in vain, would take the line away from whoever holds the lock.
 */
static inline bool
pcm_trylock(struct pcm_lock *lock)
{
	uint32_t expected = PCM_LOCK_FREE;

	if (atomic_load_explicit(&lock->state, memory_order_relaxed) !=
		    PCM_LOCK_FREE ||
	    !atomic_compare_exchange_strong_explicit(
		    &lock->state, &expected, PCM_LOCK_HELD,
		    memory_order_acquire, memory_order_relaxed))
		return false;
	pcm_lock_note_acquire(lock);
	return true;
}

/* The release of pcm_lock_unchecked(). */
static inline void
pcm_unlock_unchecked(struct pcm_lock *lock)
{
	if (PCM_UNLIKELY(atomic_exchange_explicit(&lock->state, PCM_LOCK_FREE,
						  memory_order_release) ==
			 PCM_LOCK_CONTENDED))
		pcm_unlock_slow(lock);
}

/* Release; pairs with the acquire in pcm_lock() and pcm_trylock(). */
static inline void
pcm_unlock(struct pcm_lock *lock)
{
	if (PCM_UNLIKELY(pcm_lock_passes))
		return;
	pcm_lock_note_release(lock);
	pcm_unlock_unchecked(lock);
}

/* In a fork's child: free, whatever it was. Nobody else runs there. */
static inline void
pcm_lock_reset(struct pcm_lock *lock)
{
	atomic_store_explicit(&lock->state, PCM_LOCK_FREE,
			      memory_order_relaxed);
}

#endif
