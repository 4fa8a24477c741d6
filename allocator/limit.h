/*
 * limit.h - how much memory the process should, and may, hold.
 *
 * `held` is the memory that blocks and caches have behind them, as far as this
 * library knows: pages of the page heap that are not cold, and mappings. A
 * mapping counts in full, touched or not.
 *
 *	hard limit	held never exceeds it: allocations fail instead
 *	soft limit	when the process's resident memory comes near it, whatever
 *			is cached goes back, and nothing is kept until it has
 *			fallen again; allocations never fail for it
 *
 * The soft limit is PCMALLOC_CONF's, or else what the control group allows, which
 * is looked up when the heap is no longer small.
 */
#ifndef PCM_LIMIT_H
#define PCM_LIMIT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#include "compiler.h"

/* Set before use; SIZE_MAX: none. soft 0: ask the control group. */
void pcm_limit_init(size_t soft, size_t hard);

/*
 * pcm_limit_take() - nbytes more are about to get memory. Returns false if the
 * hard limit forbids it, though everything cached has been given back. May give
 * caches back: no locks held by the caller.
 */
bool pcm_limit_take(size_t nbytes);

/* nbytes have memory, whatever the limit says. Any context. */
void pcm_limit_hold(size_t nbytes);

/* nbytes have lost their memory, or what was taken was not needed. Any context. */
void pcm_limit_give(size_t nbytes);

/*
 * Around giving back what was cached: from when nobody else finds it until it no longer
 * counts. Who is short of room under the hard limit waits for it. Any context.
 */
void pcm_limit_release_begin(void);
void pcm_limit_release_end(void);

/* The soft limit is near: keep nothing. Relaxed. */
extern PCM_HIDDEN atomic_bool pcm_limit_near;

/* At every tick: is the soft limit near? No locks held by the caller. */
void pcm_limit_tick(void);

/* For statistics: held now; the limits, SIZE_MAX: none, or not looked up yet. */
size_t pcm_limit_held(void);
size_t pcm_limit_soft(void);
size_t pcm_limit_hard(void);

/* A part of what is held, but not less than `least`, nor more than `most`. */
static inline size_t
pcm_limit_part(size_t held, size_t divisor, size_t least, size_t most)
{
	size_t part = held / divisor;

	if (part > most)
		part = most;
	return part > least ? part : least;
}

/* In the child of a fork nobody is looking. */
void pcm_limit_fork_child(void);

/*
 * In the child of a fork of several threads: nbytes are held. What others had taken and
 * not yet used is not in the child.
 */
void pcm_limit_fork_count(size_t nbytes);

#endif
