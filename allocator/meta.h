/*
 * meta.h - memory for the allocator's own structures.
 *
 * Cut from mappings that are never unmapped. A page holds structures of one size;
 * when all of them are free it serves any size, or gives its memory back. Lock:
 * PCM_RANK_META, the last one.
 */
#ifndef PCM_META_H
#define PCM_META_H

#include <stddef.h>

#include "lock.h"

/* Largest size for pcm_meta_alloc(). */
#define PCM_META_MAX 2048

/*
 * pcm_meta_alloc() - nbytes <= PCM_META_MAX, aligned to 64, contents undefined.
 * Returns NULL if the system has no memory.
 */
void *pcm_meta_alloc(size_t nbytes);

/* Gives back what pcm_meta_alloc(nbytes) returned. */
void pcm_meta_free(void *p, size_t nbytes);

/*
 * pcm_meta_alloc_forever() - zeroed, any size, any power-of-two alignment up to
 * the OS page; never given back. Returns NULL if the system has no memory.
 */
void *pcm_meta_alloc_forever(size_t nbytes, size_t align);

/*
 * pcm_meta_release() - pages without structures give their memory back, all but
 * `keep` of them. Returns bytes. No locks held by the caller.
 */
size_t pcm_meta_release(size_t keep);

/* Bytes cut so far that were not given back; and those that were. */
size_t pcm_meta_bytes(void);
size_t pcm_meta_cold_bytes(void);

extern struct pcm_lock pcm_meta_lock; /* for fork */

#endif
