/*
 * cache.h - small blocks when the loaded magazine does not serve: the way from
 * a CPU's slab over spare, depot and central list to the page heap, and back.
 *
 * A slow path is a sequence of exchanges: whoever holds a magazine outside a
 * slab owns it, so the thread may migrate between any two of them.
 */
#ifndef PCM_CACHE_H
#define PCM_CACHE_H

#include <stdbool.h>
#include <stddef.h>

/*
 * pcm_cache_alloc() - a block of the class, or NULL: the system has no memory.
 * If zeroed is not NULL, *zeroed is set to true where the block is known to read
 * as 0, and left alone elsewhere.
 *
 * pcm_cache_alloc_aligned() - the same of a class whose blocks are aligned to `align`, a
 * power of two, where they do not lie in mixed spans; and so is this one.
 *
 * pcm_cache_free() - p, a block of the class, is free; PCM_CLASS_MIXED: of the one that
 * it turns out to have.
 *
 * pcm_cache_send_home() - the same, past the caches: it goes to its span.
 *
 * No locks held by the caller; not reentrant (slow.h sees to that).
 */
void *pcm_cache_alloc(unsigned class, bool *zeroed);
void *pcm_cache_alloc_aligned(unsigned class, size_t align);
void pcm_cache_free(unsigned class, void *p);
void pcm_cache_send_home(unsigned class, void *p);

/* Sends everything that the caches hold to its spans, and free spans back. */
void pcm_cache_drain(void);

/* The same for magazines that were not used since the last call. */
void pcm_cache_drain_idle(void);

#endif
