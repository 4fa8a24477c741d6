/*
 * extents.h - the memory that large blocks left behind, kept for the next ones.
 *
 * A set of disjoint address ranges, each one or more whole mappings or parts of
 * some. Neighbours are merged, so a large block finds room where small ones were;
 * a block takes the smallest range that serves and leaves the rest.
 *
 *	no two ranges touch
 *	low = least list.nbytes since the last pcm_extents_window()
 *
 * Plain lists, no system calls; the caller (mapping.c) holds the lock. Ranges are
 * described by spans of kind CACHED, which come from and go to the caller: nothing
 * is allocated here.
 */
#ifndef PCM_EXTENTS_H
#define PCM_EXTENTS_H

#include <stdbool.h>
#include <stddef.h>

#include "span_list.h"

struct pcm_extents {
	struct pcm_span_list list;
	size_t low;
};

/*
 * pcm_extents_add() - takes a range in. Returns a list, linked by next, of the
 * descriptors that merging has made superfluous.
 */
struct pcm_span *pcm_extents_add(struct pcm_extents *set,
				 struct pcm_span *span);

/*
 * pcm_extents_take() - a range of at least nbytes that begins at a multiple of
 * align, cut out of the smallest one that serves.
 *
 * spare	two descriptors, for what is left before and behind it; those used
 *		are set to NULL. Where one is missing the range keeps the rest, or
 *		none is found.
 *
 * Returns its descriptor, no longer in the set, or NULL.
 */
struct pcm_span *pcm_extents_take(struct pcm_extents *set, size_t nbytes,
				  size_t align, struct pcm_span *spare[2]);

/*
 * pcm_extents_take_at() - exactly nbytes from the address `start` on, where a range
 * begins.
 *
 * superfluous	set to a descriptor that is not needed any more, or NULL
 *
 * False, and nothing has changed: they are not all here.
 */
bool pcm_extents_take_at(struct pcm_extents *set, const char *start,
			 size_t nbytes, struct pcm_span **superfluous);

/* The largest range, no longer in the set; NULL: it is empty. */
struct pcm_span *pcm_extents_take_largest(struct pcm_extents *set);

/*
 * pcm_extents_take_oldest() - the range that was added before all others, or, of a
 * larger one, its last `most` bytes (a multiple of the OS page). NULL: the set is
 * empty.
 *
 * spare	a descriptor; set to NULL if it is used. If it is NULL, or little
 *		would be left, the range is taken as a whole.
 */
struct pcm_span *pcm_extents_take_oldest(struct pcm_extents *set, size_t most,
					 struct pcm_span **spare);

/* Does p lie in one of them? */
bool pcm_extents_contain(const struct pcm_extents *set, const void *p);

/* Ends an interval. Returns how many bytes nobody asked for all along. */
size_t pcm_extents_window(struct pcm_extents *set);

#endif
