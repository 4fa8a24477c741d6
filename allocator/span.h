/*
 * span.h - a run of logical pages, and what lies in it.
 */
#ifndef PCM_SPAN_H
#define PCM_SPAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "compiler.h"
#include "page.h"

enum pcm_span_kind {
	PCM_SPAN_SMALL,	    /* blocks of one class */
	PCM_SPAN_MIXED,	    /* blocks of several: mixed.h; once SMALL */
	PCM_SPAN_LARGE,	    /* one block, from the page heap */
	PCM_SPAN_MAPPING,   /* one block, a mapping of its own */
	PCM_SPAN_CACHED,    /* none: a range kept for the next mapping */
	PCM_SPAN_EMERGENCY, /* one block, made in a signal handler */
};

struct pcm_span {
	char *start;	/* the block's or the first block's address */
	size_t nbytes;	/* of the run or mapping: the block's usable size */
	uint8_t kind;	/* enum pcm_span_kind */
	uint8_t class;	/* SMALL: of the blocks */
	uint8_t bucket; /* SMALL: list of its central, 0: none */
	uint8_t tick;	/* SMALL: of the last take or put */
	uint8_t home;	/* SMALL, MIXED: pcm_percpu_home() of who takes from it */
	uint8_t settled : 1;   /* SMALL: nothing taken or put since its pages went back */
	uint8_t nreleasing : 7; /* SMALL: who hold blocks of it while their pages go back */
	uint16_t nobjs; /* SMALL: blocks in all */
	uint16_t nfree; /* SMALL: = number of bits set in free */
	uint16_t first; /* SMALL: no word of free below this one has a bit */
	uint16_t fresh; /* SMALL: this block and those above it read as zero */
	uint16_t cold;	/* SMALL: OS pages with free blocks only, given back */
	union {
		struct pcm_span *prev; /* of the list that it is on */
		struct pcm_mixed *mixed; /* MIXED; NULL: it is empty, and leaves */
	};
	struct pcm_span *next;
	uint64_t free[]; /* SMALL: bit k set: block k is free */
};

/* Bytes from its start to p; not fewer than it has if p lies outside. */
static inline size_t
pcm_span_offset(const struct pcm_span *span, const void *p)
{
	return (size_t)((const char *)p - span->start);
}

static inline bool
pcm_span_covers(const struct pcm_span *span, const void *p)
{
	return pcm_span_offset(span, p) < span->nbytes;
}

/*
 * pcm_span_new_small() - the descriptor of a span of `class` at `start`, of npages
 * logical pages, every block free; entered in the pagemap. NULL: no memory.
 *
 * zeroed	whether every byte of the run reads as 0
 */
struct pcm_span *pcm_span_new_small(char *start, size_t npages, unsigned class,
				    bool zeroed);

/* The descriptor of a single block; the caller enters it in the pagemap. */
struct pcm_span *pcm_span_new_block(enum pcm_span_kind kind, char *start,
				    size_t nbytes);

/*
 * The same, empty, of kind CACHED, without making room for it if there is no memory: for
 * who is making room.
 */
struct pcm_span *pcm_span_new_spare(void);

/* Takes it out of the pagemap (SMALL and LARGE) and frees the descriptor. */
void pcm_span_delete(struct pcm_span *span);

/*
 * pcm_span_take() - take up to n free blocks, lowest addresses first.
 *
 * Returns how many were written to objs. The caller holds the central's lock.
 */
unsigned pcm_span_take(struct pcm_span *span, void **objs, unsigned n);

/* The same for one block; *zeroed: whether it is known to read as 0. */
void *pcm_span_take_one(struct pcm_span *span, bool *zeroed);

enum pcm_span_fault {
	PCM_SPAN_OK,
	PCM_SPAN_NOT_A_BLOCK,
	PCM_SPAN_FREE_ALREADY,
};

/*
 * pcm_span_put() - those of the n blocks, of which the first lies in the span, are free
 * again that come before the first one outside of it. The caller holds the central's lock.
 *
 * Returns how many; *fault tells whether the next one is none to be freed, and
 * nothing has changed for it.
 */
unsigned pcm_span_put(struct pcm_span *span, void *const *objs, unsigned n,
		      enum pcm_span_fault *fault);

/*
 * pcm_span_put_single() - the only block of a span of one is free, if the caller is the first
 * to say so: false otherwise. No lock needed.
 */
bool pcm_span_put_single(struct pcm_span *span);

/*
 * Whole OS pages of a span whose blocks are all free can go back to the system while
 * the span lives. Nobody may take those blocks meanwhile: they are held.
 */
struct pcm_span_run {
	unsigned first, npages;	/* OS pages of the span */
	unsigned block, nblocks; /* all that lie in them, or partly */
};

/*
 * pcm_span_next_warm() - the next run of free pages that are not cold, from page
 * `from` on. False: none. The caller holds the central's lock, as for the others.
 */
bool pcm_span_next_warm(const struct pcm_span *span, unsigned from,
			struct pcm_span_run *run);

/* The run's blocks are not free, until they are free again, their pages cold or not. */
void pcm_span_hold(struct pcm_span *span, const struct pcm_span_run *run);
void pcm_span_unhold(struct pcm_span *span, const struct pcm_span_run *run,
		     bool cold);

/* The tick that spans are stamped with; relaxed: only decay follows from it. */
extern PCM_HIDDEN uint8_t pcm_span_tick;

static inline uint8_t
pcm_span_now(void)
{
	return __atomic_load_n(&pcm_span_tick, __ATOMIC_RELAXED);
}

/*
 * pcm_span_check() - does a block begin at p, which lies in the span, and is it in
 * use? A block in a cache counts as in use. No lock needed: a block in use keeps its
 * bit clear.
 */
enum pcm_span_fault pcm_span_check(const struct pcm_span *span, const void *p);

/* Bytes of the block in use at p, which lies in the span. No lock needed. */
size_t pcm_span_block_size(const struct pcm_span *span, const void *p);

#endif
