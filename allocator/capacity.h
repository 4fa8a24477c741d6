/*
 * capacity.h - how many blocks of a class a magazine holds: as many as are used.
 *
 * A class begins small and doubles when its magazines do not serve often enough;
 * what idles is halved again. All caches together stay below a part of the heap,
 * so a class that misses grows at the cost of those that idle.
 *
 *	0 <= pcm_capacity(c) <= pcm_size_class[c].nslots
 *
 * All atomics here are relaxed: only the size of caches follows from them.
 */
#ifndef PCM_CAPACITY_H
#define PCM_CAPACITY_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "compiler.h"
#include "size_class.h"

extern PCM_HIDDEN atomic_ushort pcm_capacity_now[PCM_NCLASSES];

/* Slots for the class's next magazine; 0: it has none, or not yet. */
static inline unsigned
pcm_capacity(unsigned class)
{
	return atomic_load_explicit(&pcm_capacity_now[class],
				    memory_order_relaxed);
}

/* Bit h: home h is busy. */
extern PCM_HIDDEN atomic_uint pcm_capacity_busy_homes;

/* Do the home's CPUs spend much of their time in the slow path, in this tick or the last one? */
static inline bool
pcm_capacity_busy(unsigned home)
{
	return atomic_load_explicit(&pcm_capacity_busy_homes, memory_order_relaxed) >>
		home & 1;
}

/*
 * pcm_capacity_spends() - is one of these homes, a bit for each, busy, in a heap that has been
 * larger before, and not near a limit? Then memory may be spent to save time.
 */
bool pcm_capacity_spends(unsigned homes);

/*
 * pcm_capacity_miss() - the class's magazines on a CPU did not serve an operation.
 * Any context; no lock.
 *
 * home		the caller's, pcm_percpu_home()
 */
void pcm_capacity_miss(unsigned class, unsigned home);

/* At every tick. Any context; no lock. */
void pcm_capacity_tick(void);

#endif
