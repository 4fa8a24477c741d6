/*
 * size_class.h - from a size to its class, and what a class is.
 *
 * 97 classes: 8, multiples of 16 to 128, then eight a doubling, to 256 KiB. Above 128
 * bytes at most a ninth of a block is not asked for, where all classes are used. Class 0 is
 * "not a small object".
 *
 * Each class that is used costs: spans of which half is free, magazines. In a small heap
 * that is more than rounding up does. So few are used at first, two a doubling, and each of
 * them serves the sizes of the finer ones right below it, until the heap is large, or
 * only one of these is asked for.
 */
#ifndef PCM_SIZE_CLASS_H
#define PCM_SIZE_CLASS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "compiler.h"

#define PCM_NCLASSES 98 /* class 0 included */

/*
 * What the pagemap has instead of a class for pages of mixed spans, whose blocks are of several.
 * They have a stack, but no size.
 */
#define PCM_CLASS_MIXED PCM_NCLASSES

#define PCM_SMALL_MAX ((size_t)262144)

/* What lies free in spans of blocks of such sizes serves others, too: mixed.h. */
#define PCM_MIXABLE_MIN 16u
#define PCM_MIXABLE_MAX 16384u

/*
 * Two lookup tables: to 2 KiB in steps of 8 bytes, above in steps of 128. They
 * change, to smaller classes, while other threads read them: a byte is read as a
 * whole, and either class will do, even one after the other. (An atomic read would
 * cost malloc an instruction.)
 */
#define PCM_FINE_MAX ((size_t)2048)
#define PCM_FINE_SHIFT 3
#define PCM_COARSE_SHIFT 7

struct pcm_size_class {
	uint32_t size;	     /* bytes of a block */
	uint32_t reciprocal; /* pcm_size_class_index() */
	uint16_t npages;     /* logical pages of a span, of the shortest */
	uint16_t nobjs;	     /* blocks in such a span */
	uint16_t nslots;     /* of a magazine, at most; 0: the class has none */
	uint8_t nfiner;	     /* classes right below, whose sizes it serves; relaxed */
	uint8_t longest;     /* a span has up to so many times npages */
};

/* Of 0 and PCM_CLASS_MIXED the size is 0. */
extern PCM_HIDDEN struct pcm_size_class pcm_size_class[PCM_NCLASSES + 1];
/* Whole cache lines, which nothing that is written to shares. */
#define PCM_FINE_LEN                                                           \
	(((PCM_FINE_MAX >> PCM_FINE_SHIFT) / PCM_CACHE_LINE + 1) * PCM_CACHE_LINE)

extern PCM_HIDDEN uint8_t pcm_size_class_fine[PCM_FINE_LEN];
extern PCM_HIDDEN uint8_t pcm_size_class_coarse[(PCM_SMALL_MAX >> PCM_COARSE_SHIFT) + 1];

/*
 * Fills the tables, with few classes; before that every lookup gives class 0.
 *
 * magazine_bytes	what a magazine may hold at most; if that is less than what
 *			it would be anyway, larger classes get none
 */
void pcm_size_class_init(size_t magazine_bytes);

/* Finer classes that are not used because this one serves their sizes. Relaxed. */
static inline unsigned
pcm_size_class_nfiner(unsigned class)
{
	return __atomic_load_n(&pcm_size_class[class].nfiner, __ATOMIC_RELAXED);
}

/*
 * pcm_size_class_asked() - nbytes were asked for, of a class that serves finer ones'
 * sizes, too. What comes by the slow path is told: a sample. If all of it is of one of
 * the finer classes, these serve their sizes themselves from now on.
 *
 * pcm_size_class_use_all() - all classes do. Any thread, after pcm_size_class_init().
 */
void pcm_size_class_asked(unsigned class, size_t nbytes);
void pcm_size_class_use_all(void);

/* Release in use_all(); who reads it with acquire finds the new tables. */
extern PCM_HIDDEN atomic_bool pcm_size_class_all;

/* The same for who does not read the tables: the heap is not small. */
static inline bool
pcm_size_class_has_all(void)
{
	return PCM_LIKELY(atomic_load_explicit(&pcm_size_class_all,
					       memory_order_relaxed));
}

/* Class of n <= PCM_SMALL_MAX bytes. */
PCM_ALWAYS_INLINE unsigned
pcm_size_class_of(size_t n)
{
	if (PCM_LIKELY(n <= PCM_FINE_MAX))
		return pcm_size_class_fine[(n + 7) >> PCM_FINE_SHIFT];
	return pcm_size_class_coarse[(n + 127) >> PCM_COARSE_SHIFT];
}

/* The largest class, used or not, of at most n <= PCM_SMALL_MAX bytes; 0: none. */
unsigned pcm_size_class_within(size_t n);

/*
 * pcm_size_class_of_aligned() - smallest used class of n bytes whose every block is
 * aligned, or 0 if there is none (align greater than a logical page, or n too
 * large).
 *
 * align	a power of two
 */
unsigned pcm_size_class_of_aligned(size_t n, size_t align);

/*
 * pcm_size_class_index() - which block of a span begins at `offset`.
 *
 * Division by multiplication: with r = ceil(2^32 / size) and offset < 2^32,
 *	offset * r / 2^32 = offset / size + e,	0 <= e < offset / 2^32 < 1
 * so for an offset k * size the result is k. For any other offset the result j
 * may be off by one, but j * size != offset either way: that is the test for a
 * pointer into the middle of a block.
 */
static inline uint32_t
pcm_size_class_index(const struct pcm_size_class *class, uint32_t offset)
{
	return (uint32_t)(((uint64_t)offset * class->reciprocal) >> 32);
}

#endif
