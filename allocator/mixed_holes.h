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
 * The caller holds the lock of the span's home, unless it says otherwise.
 */
#ifndef PCM_MIXED_HOLES_H
#define PCM_MIXED_HOLES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "mixed.h"
#include "span.h"

struct pcm_mixed {
	struct pcm_span *span;
	struct pcm_mixed *prev, *next;	 /* of its list */
	struct pcm_mixed *older, *newer; /* by the last take or put; if not settled */
	uint64_t cold;	  /* OS pages in holes that were given back, or just are (held) */
	uint16_t nunits;
	uint16_t nfree;	  /* units in holes */
	uint16_t longest; /* hole, in units */
	uint8_t list;	  /* 0: none */
	uint8_t tick;	  /* of the last take or put */
	bool settled;	  /* nothing taken or put since its pages went back */
	uint64_t bits[];  /* words of begin and of used in turns */
};

/* Bytes of the structure for a span of so many units. */
size_t pcm_holes_bytes(unsigned nunits);

/* Everything of a span of kind SMALL, blocks and cold pages; on no list. No lock. */
void pcm_holes_init(struct pcm_mixed *mixed, struct pcm_span *span);

/* Up to n blocks of so many units, lowest addresses first. Returns how many. */
unsigned pcm_holes_take(struct pcm_mixed *mixed, unsigned nunits, void **objs,
			unsigned n);

/* The block of the class at p becomes a part of the hole around it, if it is one. */
enum pcm_span_fault pcm_holes_put(struct pcm_mixed *mixed, unsigned class,
				  const void *p);

/*
 * Is there a block at p, which lies in the span? And of how many units; 0 if there is none.
 * No lock. What is read of *mixed is one word of each bitmap, of one cache line, and for
 * the length of a block that goes on in the next word, that one's.
 */
enum pcm_span_fault pcm_holes_check(const struct pcm_span *span,
				    const struct pcm_mixed *mixed, const void *p);
unsigned pcm_holes_length(const struct pcm_span *span,
			  const struct pcm_mixed *mixed, const void *p);

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

static inline bool
pcm_holes_empty(const struct pcm_mixed *mixed)
{
	return mixed->nfree == mixed->nunits;
}

#endif
