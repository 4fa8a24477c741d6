/*
 * depot.h - magazines between the CPUs, per size class.
 *
 * A class has a depot for each home, a group of CPUs: full magazines (any that are not
 * empty) that these CPUs have put there, and empty ones, under a lock, PCM_RANK_DEPOT.
 * So what a CPU has freed comes back to it, or to its neighbours: it is in their cache,
 * and blocks that share a line stay together. Bounded; what is over the bound goes to the
 * spans.
 *
 * "Magazine" is the top of one, see magazine.h; whoever passes one gives it
 * away, whoever gets one owns it.
 */
#ifndef PCM_DEPOT_H
#define PCM_DEPOT_H

#include <stdbool.h>
#include <stddef.h>

void pcm_depot_init(void);

/* Bytes that all depots together may keep; before pcm_depot_init(). */
void pcm_depot_budget(size_t nbytes);

/*
 * pcm_depot_get_full() - a magazine that is not empty, or PCM_MAG_NONE.
 *
 * home		the caller's, pcm_percpu_home()
 * empty	an empty magazine given in return, or PCM_MAG_NONE; it is taken
 *		only if the result is not PCM_MAG_NONE
 *
 * pcm_depot_get_others() - the same from the other homes' depots, if these do not
 * themselves reuse what they free; from whatever depot, if `all`.
 */
void **pcm_depot_get_full(unsigned class, unsigned home, void **empty);
void **pcm_depot_get_others(unsigned class, unsigned home, void **empty,
			    bool all);

/*
 * pcm_depot_get_empty() - an empty magazine; PCM_MAG_NONE: no memory.
 *
 * full		a magazine with objects given in return, or PCM_MAG_NONE
 */
void **pcm_depot_get_empty(unsigned class, unsigned home, void **full);

/* Takes a magazine, whatever is in it. */
void pcm_depot_put(unsigned class, unsigned home, void **mag);

/* Flushes the magazines that were not needed since the last call. */
void pcm_depot_decay(void);

/* Flushes everything. */
void pcm_depot_drain(void);

/* Takes the objects out of a magazine and to their spans; it is empty then. */
void **pcm_depot_flush(unsigned class, void **mag);

/* Objects of the class that are in the depot. */
size_t pcm_depot_nobjs(unsigned class);

void pcm_depot_fork_lock(void);
void pcm_depot_fork_unlock(void);
void pcm_depot_fork_child(void);

#endif
