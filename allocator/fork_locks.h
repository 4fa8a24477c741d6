/*
 * fork_locks.h - every lock there is, in the order of ranks: for fork.c, and for tests that
 * want to see what goes without any.
 */
#ifndef PCM_FORK_LOCKS_H
#define PCM_FORK_LOCKS_H

#include <stdbool.h>

#include "central.h"
#include "depot.h"
#include "descriptors.h"
#include "lock.h"
#include "magazine.h"
#include "mapping.h"
#include "meta.h"
#include "mixed.h"
#include "page_heap.h"
#include "percpu.h"

/* *quiet: what pcm_percpu_fork_child() wants to know. Not for who holds any of them. */
static inline void
pcm_fork_lock_all(bool *quiet)
{
	*quiet = pcm_percpu_fork_lock();
	pcm_depot_fork_lock();
	pcm_central_fork_lock();
	pcm_mixed_fork_lock();
	pcm_mapping_fork_lock();
	pcm_page_heap_fork_lock();
	pcm_lock_unchecked(&pcm_mag_lock);
	pcm_descriptor_fork_lock();
	pcm_lock_unchecked(&pcm_meta_lock);
}

static inline void
pcm_fork_unlock_all(void)
{
	pcm_unlock_unchecked(&pcm_meta_lock);
	pcm_descriptor_fork_unlock();
	pcm_unlock_unchecked(&pcm_mag_lock);
	pcm_page_heap_fork_unlock();
	pcm_mapping_fork_unlock();
	pcm_mixed_fork_unlock();
	pcm_central_fork_unlock();
	pcm_depot_fork_unlock();
	pcm_percpu_fork_unlock();
}

#endif
