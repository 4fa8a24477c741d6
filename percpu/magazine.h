/*
 * magazine.h - a magazine: 1 KiB of object pointers, used as a stack.
 *
 * After Bonwick & Adams, "Magazines and Vmem" (USENIX 2001). One machine word,
 * the *top*, tells everything about a magazine: where it is, and how full.
 *
 *	base, aligned to 1024				  base + 1024
 *	| link | n | ... unused ... | 0 | slot 0 | ... | slot n-1 |
 *	  w[0]  w[1]		 w[127-n] w[128-n]	   w[127]
 *
 *	top	= address of the word above the topmost object
 *	empty	: top = &w[128 - n], and top[-1] = 0, the sentinel
 *	full	: top = base + 1024, so top % 1024 = 0
 *	count	= top - &w[128 - n]
 *	base	= (top - 1 byte) rounded down to 1024
 *
 * n, the number of slots, is the magazine's own, 1 <= n <= PCM_MAG_NSLOTS_MAX: it
 * is chosen when the pool hands the magazine out and may be chosen anew whenever it
 * is empty; the sentinel is written then. Magazines of any n can follow each other
 * in a stack. Magazine memory is never unmapped.
 *
 * PCM_MAG_NONE is the top of no magazine: at once empty and full.
 *
 * Whoever holds a top outside a slab owns the magazine; no lock is needed for
 * the functions here that take one.
 */
#ifndef PCM_MAGAZINE_H
#define PCM_MAGAZINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lock.h"
#include "rseq_section.h"

#define PCM_MAG_BYTES PCM_STACK_ALIGN
#define PCM_MAG_WORDS (PCM_MAG_BYTES / sizeof(void *))
#define PCM_MAG_NSLOTS_MAX (PCM_MAG_WORDS - 3) /* link, n, sentinel */

_Static_assert(PCM_MAG_WORDS == 128, "drawn above");

/* A zero word below an aligned address: what an empty and full word points to. */
extern PCM_HIDDEN void *const pcm_mag_dummy[PCM_MAG_WORDS];

#define PCM_MAG_NONE ((void **)(uintptr_t)&pcm_mag_dummy[PCM_MAG_WORDS])

static inline bool
pcm_mag_full(void **top)
{
	return ((uintptr_t)top & (PCM_MAG_BYTES - 1)) == 0;
}

static inline bool
pcm_mag_empty(void **top)
{
	return top[-1] == NULL;
}

static inline void **
pcm_mag_base(void **top)
{
	return (void **)(((uintptr_t)top - 1) & ~(uintptr_t)(PCM_MAG_BYTES - 1));
}

/*
 * Slots of a magazine; not for PCM_MAG_NONE. Relaxed, because statistics ask about
 * magazines that belong to others.
 */
static inline unsigned
pcm_mag_nslots(void **top)
{
	return (unsigned)(uintptr_t)__atomic_load_n(&pcm_mag_base(top)[1],
						    __ATOMIC_RELAXED);
}

/* Objects in the magazine of `top`; 0 for PCM_MAG_NONE. */
static inline unsigned
pcm_mag_count(void **top)
{
	if (top == PCM_MAG_NONE)
		return 0;
	return pcm_mag_nslots(top) -
		(unsigned)(pcm_mag_base(top) + PCM_MAG_WORDS - top);
}

/* Gives an empty magazine another number of slots. Returns its top. */
static inline void **
pcm_mag_resize(void **top, unsigned nslots)
{
	void **base = pcm_mag_base(top);

	__atomic_store_n(&base[1], (void *)(uintptr_t)nslots, __ATOMIC_RELAXED);
	top = base + PCM_MAG_WORDS - nslots;
	top[-1] = NULL;
	return top;
}

/* Requires !pcm_mag_empty(*top). */
static inline void *
pcm_mag_pop(void ***top)
{
	return *--*top;
}

/* Requires !pcm_mag_full(*top). */
static inline void
pcm_mag_push(void ***top, void *obj)
{
	*(*top)++ = obj;
}

/* Lists of magazines are linked through w[0], which holds the next top. */
static inline void ***
pcm_mag_link(void **top)
{
	return (void ***)pcm_mag_base(top);
}

/*
 * pcm_mag_new() - an empty magazine of nslots slots.
 *
 * Returns its top, or PCM_MAG_NONE if there is no memory. Takes the magazine
 * pool's lock.
 */
void **pcm_mag_new(unsigned nslots);

/* pcm_mag_delete() - give an empty magazine back to the pool. */
void pcm_mag_delete(void **top);

/* Bytes of magazines handed out at the moment. */
size_t pcm_mag_bytes(void);

extern struct pcm_lock pcm_mag_lock; /* for fork */

#endif
