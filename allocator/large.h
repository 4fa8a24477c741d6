/*
 * large.h - blocks over 256 KiB, and blocks aligned to more than a page.
 *
 * To PCM_MAPPING_MIN from the page heap, above with a mapping of their own.
 */
#ifndef PCM_LARGE_H
#define PCM_LARGE_H

#include <stdbool.h>
#include <stddef.h>

struct pcm_span;

/*
 * pcm_large_alloc() - at least nbytes, aligned to `align` (a power of two).
 *
 * zeroed	if not NULL: set to whether every byte reads as 0
 *
 * Returns NULL if the system has no memory.
 */
void *pcm_large_alloc(size_t nbytes, size_t align, bool *zeroed);

/* Frees the block of a span of kind LARGE or MAPPING. */
void pcm_large_free(struct pcm_span *span);

/*
 * pcm_large_resize() - make the block nbytes large without copying it.
 *
 * Returns its address, which may have changed; NULL: not possible without
 * copying. A block that is to be copied to a small one may have lost its tail
 * by then, beyond nbytes.
 */
void *pcm_large_resize(struct pcm_span *span, size_t nbytes);

struct pcm_large_stats {
	size_t nlive, live; /* blocks from the page heap, their bytes */
};

void pcm_large_stats_get(struct pcm_large_stats *stats);

#endif
