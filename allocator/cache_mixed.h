/*
 * cache_mixed.h - blocks of mixed spans on their way into the caches. Within the slow path,
 * no locks held, as for cache.h.
 */
#ifndef PCM_CACHE_MIXED_H
#define PCM_CACHE_MIXED_H

/* pcm_cache_free_mixed() - p, which lies in a mixed span, is free. */
void pcm_cache_free_mixed(void *p);

/* The class of such a block; what is none, or is free, aborts with a diagnostic. */
unsigned pcm_cache_mixed_class(const void *p);

/* A magazine of such blocks: they go to their spans, and it to the pool. */
void pcm_cache_flush_mixed(void **mag);

#endif
