/*
 * mapping.h - large blocks that are mappings of their own.
 *
 * What freed ones leave is kept for a while (extents.h), so that blocks that come
 * and go need neither be mapped nor faulted in again. Lock: PCM_RANK_MAPPING; no system call is made
 * under it.
 */
#ifndef PCM_MAPPING_H
#define PCM_MAPPING_H

#include <stdbool.h>
#include <stddef.h>

struct pcm_span;

/* Blocks larger than this have mappings of their own. */
#define PCM_MAPPING_MIN ((size_t)1 << 20)

/*
 * pcm_mapping_alloc() - a block of at least nbytes, aligned to `align` (a power
 * of two, at least 16).
 *
 * zeroed	if not NULL: set to whether every byte reads as 0
 *
 * Returns the block, entered in the pagemap; NULL: no memory.
 */
void *pcm_mapping_alloc(size_t nbytes, size_t align, bool *zeroed);

/* Frees the block of a span of kind MAPPING. */
void pcm_mapping_free(struct pcm_span *span);

/*
 * pcm_mapping_resize() - grow or shrink a block, moving its pages if need be.
 *
 * Returns its address; NULL: nothing has changed.
 */
void *pcm_mapping_resize(struct pcm_span *span, size_t nbytes);

/*
 * pcm_mapping_cache_release() - unmap what is kept, the longest unused first, until
 * nbytes are given back or nothing is left. Returns bytes.
 */
size_t pcm_mapping_cache_release(size_t nbytes);

/* At every tick: unmaps what was kept and not needed for a second. Returns bytes. */
size_t pcm_mapping_decay(void);

/* Bytes that are kept. */
size_t pcm_mapping_cached(void);

/*
 * Does p lie in a block that is in use? For diagnostics: looks at all, and does
 * not wait: false if the lock is not free.
 */
bool pcm_mapping_contains(const void *p);

/* Does p lie in what freed blocks left? For diagnostics, like the above. */
bool pcm_mapping_was_freed(const void *p);

struct pcm_mapping_stats {
	size_t nlive, live;	/* blocks in use, their bytes */
	size_t ncached, cached; /* kept ranges, their bytes */
};

void pcm_mapping_stats_get(struct pcm_mapping_stats *stats);

void pcm_mapping_fork_lock(void);
void pcm_mapping_fork_unlock(void);
void pcm_mapping_fork_child(void);

#endif
