/*
 * mixed_holes.h - the blocks and the holes of one mixed span.
 *
 * Two bitmaps of units. `used`: the unit belongs to a block. `begin`: a block begins
 * at the unit, or the hole behind a block. So, for a block of units b ... e - 1:
 *
 *	used[b ... e - 1] = 1,	begin[b] = 1,	begin[b + 1 ... e - 1] = 0,
 *	begin[e] = 1 unless e is the span's end
 *
 * and nobody changes those bits of `begin` while the block is in use: whoever has it
 * reads its length without a lock. No other bit of `begin` is set.
 *
 * A hole is *of a class* if that is the largest of which it can hold a block. The pages are
 * taken as up to PCM_HOLES_NGROUPS groups of one or of two, and of each is known what its
 * best hole is of: who looks for a hole reads the bits of a group that has one, and no others.
 *
 *	most[g] = the greatest class of a hole that begins in group g; 0: none does
 *
 * The caller holds the lock of the span's home, unless it says otherwise.
 */
#ifndef PCM_MIXED_HOLES_H
#define PCM_MIXED_HOLES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bits.h"
#include "mixed.h"
#include "pagemap.h"
#include "size_class.h"
#include "span.h"

#define PCM_HOLES_NGROUPS 8u

/* A longer span cannot be mixed. */
#define PCM_HOLES_BYTES_MAX (2 * PCM_HOLES_NGROUPS * PCM_PAGE)

/* The header of the lines that the pages' entries in the pagemap lead to: their bits. */
struct pcm_mixed {
	struct pcm_span *span;		 /* first: see pagemap.h */
	struct pcm_mixed *prev, *next;	 /* of its list */
	struct pcm_mixed *older, *newer; /* by the last take or put; if not settled */
	uint8_t most[PCM_HOLES_NGROUPS];
	/* The number of its first page: its descriptor is not in the CPU's caches, mostly. */
	uint32_t page_low;
	uint16_t page_high;
	uint16_t nfree;	     /* units in holes */
	uint32_t cold;	     /* OS pages in holes that were given back, or just are (held) */
	uint8_t npages;	     /* logical ones */
	uint8_t home;	     /* the span's */
	uint8_t tick;	     /* of the last take or put */
	uint8_t settled : 1; /* nothing taken or put since its pages went back */
	uint8_t list : 7;    /* the greatest of most[]; 0: none */
	uint64_t bits[];     /* words of begin and of used in turns */
} __attribute__((aligned(PCM_PAGEMAP_LINE)));

#define PCM_MIXED_UNITS_PER_PAGE (PCM_PAGE / PCM_MIXED_UNIT)

/* Of a page: a bit of each kind for each unit. */
_Static_assert(PCM_MIXED_UNITS_PER_PAGE / 8 * 2 == PCM_PAGEMAP_LINE,
	       "the bits of a page fill a line");
_Static_assert(sizeof(struct pcm_mixed) == PCM_PAGEMAP_LINE, "the header fills a line");
_Static_assert(PCM_NCLASSES <= 1 << 7, "a list for each class");

static inline unsigned
pcm_holes_nunits(const struct pcm_mixed *mixed)
{
	return mixed->npages * (unsigned)PCM_MIXED_UNITS_PER_PAGE;
}

/* Bytes of the structure for a span of so many bytes. */
size_t pcm_holes_bytes(size_t nbytes);

/* Before the first one; again does no harm. */
void pcm_holes_prepare(void);

/* Of up to so many units: what pcm_holes_class() says; [0] is 0. */
#define PCM_HOLES_NUNITS (PCM_MIXABLE_MAX / PCM_MIXED_UNIT)
extern PCM_HIDDEN uint8_t pcm_holes_classes[PCM_HOLES_NUNITS + 1];

/* The class of the blocks of so many units, or of a hole. After pcm_holes_prepare(). */
static inline unsigned
pcm_holes_class(unsigned nunits)
{
	return PCM_LIKELY(nunits <= PCM_HOLES_NUNITS) ?
		       __atomic_load_n(&pcm_holes_classes[nunits], __ATOMIC_RELAXED) :
		       pcm_size_class_within((size_t)nunits * PCM_MIXED_UNIT);
}

/* Everything of a span of kind SMALL, blocks and cold pages; on no list. No lock. */
void pcm_holes_init(struct pcm_mixed *mixed, struct pcm_span *span);

/* Up to n blocks of the class, lowest addresses first. Returns how many. */
unsigned pcm_holes_take(struct pcm_mixed *mixed, unsigned class, void **objs,
			unsigned n);

/* Of what class is the best hole? 0: there is none. */
unsigned pcm_holes_best(const struct pcm_mixed *mixed);

/* Fetches the bits that pcm_holes_take() will look at first. */
void pcm_holes_fetch(const struct pcm_mixed *mixed, unsigned class);

/*
 * pcm_holes_put() - those of the n blocks of the class become a part of the hole around
 * them that come before the first one outside of the span, which begins at `start`.
 *
 * Returns how many; *fault tells whether the next one is none to be freed, and
 * nothing has changed for it.
 */
unsigned pcm_holes_put(struct pcm_mixed *mixed, const char *start, unsigned class,
		       void *const *objs, unsigned n, enum pcm_span_fault *fault);

/* Is there a block at p, which lies in the span? No lock. */
enum pcm_span_fault pcm_holes_check(const struct pcm_span *span,
				    const struct pcm_mixed *mixed, const void *p);

/*
 * pcm_holes_length() - of how many units is the block that begins at that one? 0: none
 * begins there. No lock. What is read is one word of each bitmap, of one cache line, and
 * the next one's where a block goes on.
 */
PCM_ALWAYS_INLINE unsigned
pcm_holes_length(const struct pcm_mixed *mixed, unsigned unit)
{
	unsigned w = unit / PCM_WORD_BITS, shift = unit % PCM_WORD_BITS;
	const uint64_t *bits = mixed->bits;
	uint64_t begin = pcm_bits_word(bits, 2, w) >> shift;
	uint64_t used = pcm_bits_word(bits + 1, 2, w) >> shift;

	if (PCM_UNLIKELY(!(begin & used & 1)))
		return 0;
	begin >>= 1;
	if (PCM_LIKELY(begin != 0))
		return (unsigned)__builtin_ctzll(begin) + 1;
	return pcm_bits_next(bits, 2, (w + 1) * PCM_WORD_BITS,
			     pcm_holes_nunits(mixed), true) - unit;
}

/* OS pages first ... end - 1 of the span. */
struct pcm_holes_pages {
	unsigned first, end;
};

/*
 * pcm_holes_next_warm() - the next OS pages, from page `from` on, that lie in holes and
 * are not cold. False: none.
 */
bool pcm_holes_next_warm(const struct pcm_mixed *mixed, unsigned from,
			 struct pcm_holes_pages *pages);

/* They are a block, until they are a hole again, cold or not. */
void pcm_holes_hold(struct pcm_mixed *mixed, const struct pcm_holes_pages *pages);
void pcm_holes_unhold(struct pcm_mixed *mixed, const struct pcm_holes_pages *pages,
		      bool cold);

/* Where the span begins. */
static inline char *
pcm_holes_start(const struct pcm_mixed *mixed)
{
	uintptr_t page = (uintptr_t)mixed->page_high << 32 | mixed->page_low;

	return (char *)(page << PCM_PAGE_SHIFT);
}

static inline bool
pcm_holes_empty(const struct pcm_mixed *mixed)
{
	return mixed->nfree == pcm_holes_nunits(mixed);
}

#endif
