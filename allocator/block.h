/*
 * block.h - allocate and free any block: what every entry point comes down to.
 *
 * The functions named _fast are one table look-up and one section. The others
 * are correct in any context: before set-up, in signal handlers, in vfork
 * children. None touches errno.
 */
#ifndef PCM_BLOCK_H
#define PCM_BLOCK_H

#include <stdbool.h>
#include <stddef.h>

#include "compiler.h"
#include "pagemap.h"
#include "percpu.h"
#include "shard.h"
#include "size_class.h"
#include "slow.h"

/*
 * What nobody needs to ask for: blocks of at most 8 bytes are aligned to 8, all
 * others to 16.
 */
#define PCM_ANY_ALIGN ((size_t)8)

/* Frees a small block, past the caches. Async-signal-safe. */
void pcm_block_send_home(unsigned class, void *p);

/* While the fast path is cut off (pulse.h) whoever comes by is counted here. */
PCM_ALWAYS_INLINE bool
pcm_block_alloc_fast(size_t nbytes, void **p)
{
	unsigned class;

	if (PCM_LIKELY(nbytes < pcm_pulse_fine()))
		class = pcm_size_class_fine[(nbytes + 7) >> PCM_FINE_SHIFT];
	else if (nbytes <= PCM_SMALL_MAX && !pcm_slow_due_next())
		class = pcm_size_class_of(nbytes);
	else
		return false;
	return PCM_LIKELY(pcm_percpu_pop_fast(class, p));
}

/* The same, from a class that is aligned; `align` is a power of two. */
PCM_ALWAYS_INLINE bool
pcm_block_alloc_aligned_fast(size_t nbytes, size_t align, void **p)
{
	unsigned class = pcm_size_class_of_aligned(nbytes == 0 ? 1 : nbytes, align);

	if (class == 0 || pcm_slow_due_next() || !pcm_percpu_pop_fast(class, p))
		return false;
	if (PCM_LIKELY(((uintptr_t)*p & (align - 1)) == 0))
		return true;
	/* Of a mixed span. In the cache it would be the next one again. */
	pcm_block_send_home(class, *p);
	return false;
}

/*
 * Class 0 (p is NULL, large, or not ours) has a stack that is always full; the test is cheaper
 * than a section that fails. Blocks of mixed spans have a stack of their own: cache_mixed.c.
 */
PCM_ALWAYS_INLINE bool
pcm_block_free_fast(void *p)
{
	unsigned class = pcm_pagemap_class(p);

	return PCM_LIKELY(class != 0) &&
		PCM_LIKELY(pcm_percpu_push_fast(class, p));
}

/*
 * pcm_block_alloc_next(), pcm_block_free_next() - what is tried next when the
 * above have failed: the fast path of threads that will never have rseq; for all the
 * others the CPU's spare magazine.
 */
static inline bool
pcm_block_alloc_next(size_t nbytes, void **p)
{
	unsigned class;

	if (nbytes > PCM_SMALL_MAX || pcm_slow_due())
		return false;
	class = pcm_size_class_of(nbytes);
	if (pcm_rseq_armed == NULL)
		return pcm_shard_pop_fast(class, p);
	return pcm_percpu_pop_spare(class, p);
}

static inline bool
pcm_block_push_next(unsigned class, void *p)
{
	if (pcm_rseq_armed == NULL)
		return pcm_shard_push_fast(class, p);
	return pcm_percpu_push_spare(class, p);
}

/* What the pagemap has no class for is nothing, or is left to pcm_block_release(). */
static inline bool
pcm_block_free_next(void *p)
{
	unsigned class = pcm_pagemap_class(p);

	return class != 0 ? pcm_block_push_next(class, p) : p == NULL;
}

/*
 * pcm_block_alloc() - a block of at least nbytes.
 *
 * align	a power of two
 * zeroed	if not NULL: set to true if every byte is known to read as 0
 *
 * Returns NULL if nbytes > PTRDIFF_MAX or the system has no memory.
 */
void *pcm_block_alloc(size_t nbytes, size_t align, bool *zeroed);

/*
 * pcm_block_release() - free a block, for free(), when the two above have failed; what is
 * no block aborts with a diagnostic.
 */
void pcm_block_release(void *p);

/*
 * Frees a block, but not one of kind EMERGENCY; called within the slow path
 * (pcm_slow_enter()).
 */
void pcm_block_free(void *p);

/*
 * pcm_block_size() - usable bytes of p, a block; what is none aborts.
 *
 * function	the interface function that asks, for the diagnostic
 */
size_t pcm_block_size(const char *function, const void *p);

/*
 * pcm_block_resize() - make a large block nbytes large without copying.
 * Returns its address; NULL: not possible, the first nbytes are as they were.
 */
void *pcm_block_resize(void *p, size_t nbytes);

#endif
