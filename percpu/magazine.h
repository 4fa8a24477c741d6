/*
 * magazine.h - a magazine: an array of object pointers, used as a stack.
 *
 * After Bonwick & Adams, "Magazines and Vmem" (USENIX 2001). One machine word,
 * the *top*, tells everything about a magazine: where it is, and how full.
 *
 *	base, aligned to its size			  base + size
 *	| mask | link | n | .. unused .. | 0 | slot 0 | ... | slot n-1 | GUARD |
 *	  w[0]   w[1]  w[2]					  w[last]
 *
 *	top	= address of the word above the topmost object
 *	empty	: top = &slot 0, and top[-1] = 0, the sentinel
 *	full	: top = &w[last], and top[0] = PCM_STACK_GUARD
 *	count	= top - &slot 0
 *	base	= top rounded down to the magazine's size
 *
 * There are two sizes: small magazines, 1 KiB, four in a page, and large ones, a page
 * each. A page has magazines of one size; what is to be cleared of a top to get
 * the base, `mask`, stands at the page's beginning, and never changes.
 *
 * n, the number of slots, is the magazine's own, 1 <= n <= PCM_MAG_SLOTS(size): it is
 * chosen when the pool hands the magazine out and may be chosen anew whenever it is
 * empty; the sentinel is written then. Magazines of any n can follow each other in a
 * stack. Magazine memory is never unmapped.
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

#define PCM_MAG_PAGE ((uintptr_t)4096)
#define PCM_MAG_SMALL_BYTES ((size_t)1024)
#define PCM_MAG_LARGE_BYTES ((size_t)PCM_MAG_PAGE)

/* Mask, link, n, sentinel, guard are no slots. */
#define PCM_MAG_SLOTS(nbytes) ((unsigned)((nbytes) / sizeof(void *)) - 5)
#define PCM_MAG_NSLOTS_SMALL PCM_MAG_SLOTS(PCM_MAG_SMALL_BYTES)
#define PCM_MAG_NSLOTS_MAX PCM_MAG_SLOTS(PCM_MAG_LARGE_BYTES)

/* A zero and a guard: between them lies what an empty and full word points to. */
extern PCM_HIDDEN const uintptr_t pcm_mag_dummy[2];

#define PCM_MAG_NONE ((void **)(uintptr_t)&pcm_mag_dummy[1])

static inline bool
pcm_mag_full(void **top)
{
	return (uintptr_t)*top == PCM_STACK_GUARD;
}

static inline bool
pcm_mag_empty(void **top)
{
	return top[-1] == NULL;
}

/* The functions down to pcm_mag_nslots() are not for PCM_MAG_NONE. */

static inline uintptr_t
pcm_mag_mask(void **top)
{
	return *(const uintptr_t *)((uintptr_t)top & ~(PCM_MAG_PAGE - 1));
}

static inline void **
pcm_mag_base(void **top)
{
	return (void **)((uintptr_t)top & ~pcm_mag_mask(top));
}

/* The guard's place, which is the top when it is full. */
static inline void **
pcm_mag_end(void **top)
{
	return (void **)(((uintptr_t)top | pcm_mag_mask(top)) + 1) - 1;
}

/*
 * Slots of a magazine. Relaxed, because statistics ask about magazines that belong to
 * others.
 */
static inline unsigned
pcm_mag_nslots(void **top)
{
	return (unsigned)(uintptr_t)__atomic_load_n(&pcm_mag_base(top)[2],
						    __ATOMIC_RELAXED);
}

/* Objects in the magazine of `top`; 0 for PCM_MAG_NONE. */
static inline unsigned
pcm_mag_count(void **top)
{
	if (top == PCM_MAG_NONE)
		return 0;
	return pcm_mag_nslots(top) - (unsigned)(pcm_mag_end(top) - top);
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

/* Lists of magazines are linked through w[1], which holds the next top. */
static inline void ***
pcm_mag_link(void **top)
{
	return (void ***)&pcm_mag_base(top)[1];
}

/*
 * pcm_mag_new() - an empty magazine of nslots slots, small if they fit.
 *
 * Returns its top, or PCM_MAG_NONE if there is no memory. Takes the magazine
 * pool's lock.
 */
void **pcm_mag_new(unsigned nslots);

/*
 * pcm_mag_resize() - an empty magazine gets another number of slots, or is given back
 * for one of the other size.
 *
 * Returns its top; if there is no memory for a larger one, it has as many slots as it
 * can have. May take the magazine pool's lock.
 */
void **pcm_mag_resize(void **top, unsigned nslots);

/* pcm_mag_delete() - give an empty magazine back to the pool. */
void pcm_mag_delete(void **top);

/* Bytes of magazines handed out at the moment. */
size_t pcm_mag_bytes(void);

extern struct pcm_lock pcm_mag_lock; /* for fork */

#endif
