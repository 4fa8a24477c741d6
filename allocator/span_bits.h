/*
 * span_bits.h - what span.c and span_put.c share: a word of the bitmap, the mark of the tick,
 * which block begins where.
 */
#ifndef PCM_SPAN_BITS_H
#define PCM_SPAN_BITS_H

#include "bits.h"
#include "size_class.h"
#include "span.h"

/* pcm_span_check() reads without the lock. */
static inline void
pcm_span_set_word(struct pcm_span *span, size_t i, uint64_t word)
{
	__atomic_store_n(&span->free[i], word, __ATOMIC_RELAXED);
}

static inline void
pcm_span_touch(struct pcm_span *span)
{
	span->tick = pcm_span_now();
	span->settled = false;
}

/* Of nobjs blocks of the class the one that begins at `offset` in its span; false: none. */
PCM_ALWAYS_INLINE bool
pcm_span_index(const struct pcm_size_class *class, uint32_t nobjs,
	       size_t offset, uint32_t *index)
{
	*index = pcm_size_class_index(class, (uint32_t)offset);
	return *index < nobjs && *index * class->size == offset;
}

#endif
