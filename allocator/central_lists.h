/*
 * central_lists.h - what the files of central.h share: the spans of a class
 * and a home, by fullness.
 *
 * A span with 0 < nfree < nobjs, or one just made, is on list
 *	2 * ceil(nfree * NBUCKETS / nobjs) + settled
 * It is settled if its free pages have gone back, and nothing has happened to it
 * since. A full one (nfree = 0) is on none; an empty one (nfree = nobjs) leaves for
 * the page heap when the last block comes back.
 *
 * A span's home changes only while the locks of both homes are held, so whoever
 * holds the one of span->home has the span.
 */
#ifndef PCM_CENTRAL_LISTS_H
#define PCM_CENTRAL_LISTS_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "central.h"
#include "lock.h"
#include "pagemap.h"
#include "percpu.h"
#include "size_class.h"
#include "span.h"

#define PCM_CENTRAL_NBUCKETS 8u
#define PCM_CENTRAL_FIRST 2u /* list; odd ones are the settled ones' */
#define PCM_CENTRAL_END (2u * PCM_CENTRAL_NBUCKETS + 2u)

/*
 * Other homes are not worth spans of their own before the first one has had blocks for so
 * many, of the shortest: one for each. Then the class is crowded, and stays so.
 */
#define PCM_CENTRAL_CROWDED PCM_NHOMES

/* Blocks that are put back, or sifted, under one lock, lest others wait long for it. */
#define PCM_CENTRAL_AT_ONCE PCM_MAG_NSLOTS_SMALL

struct pcm_central {
	struct pcm_lock lock;
	uint32_t nonempty; /* bit b: list b is not empty; stores are relaxed */
	struct pcm_span *list[PCM_CENTRAL_END - PCM_CENTRAL_FIRST];
	union {
		size_t nspans;
		_Atomic size_t nsingle; /* instead, if the class is single */
	};
	size_t nbytes;
	size_t nall; /* their blocks */
	size_t nout; /* those of them that are in use or cached */
} __attribute__((aligned(64)));

/* By home first: most processes use few. */
extern PCM_HIDDEN struct pcm_central pcm_centrals[PCM_NHOMES][PCM_NCLASSES];

/*
 * pcm_central_use_home() - a home that may be locked: `home`, which has its bit from
 * now on, or 0 if the class is not crowded, or in a fork. No central's lock held.
 */
unsigned pcm_central_use_home(unsigned class, unsigned home);

/* A new span, whose home is set, is one of the central's. */
void pcm_central_enter_locked(struct pcm_central *central,
			      struct pcm_span *span);

/* An empty span is none any more: it goes to the front of the chain *empty. */
void pcm_central_leave_locked(struct pcm_central *central,
			      struct pcm_span *span, struct pcm_span **empty);

/*
 * Takes back the blocks that lie in `span`, the first one's, as neighbours in a
 * magazine mostly do; returns how many. An empty span is put on *empty, to be given
 * back when the lock is not held. *fault: of the first one that was not taken, if it
 * lies in the span.
 */
unsigned pcm_central_put_locked(struct pcm_central *central,
				struct pcm_span *span, void *const *objs,
				unsigned n, struct pcm_span **empty,
				enum pcm_span_fault *fault);

/* What free() says of p, which is no block or is free already. No locks. */
_Noreturn void pcm_central_report(const void *p, enum pcm_span_fault fault);

void pcm_central_change_list_locked(struct pcm_span *span);

/*
 * Puts the span on the list that its number of free blocks asks for. That is mostly the
 * one that it is on: (n - 1) * nobjs < nfree * NBUCKETS <= n * nobjs.
 */
static inline void
pcm_central_relink_locked(struct pcm_span *span)
{
	unsigned part = span->nfree * PCM_CENTRAL_NBUCKETS, nobjs = span->nobjs;
	unsigned end = span->bucket / 2 * nobjs;

	if (part > end || part + nobjs <= end ||
	    span->bucket % 2 != span->settled)
		pcm_central_change_list_locked(span);
}

/* The span becomes `home`'s, whose lock is held as well as its own home's. */
void pcm_central_move_locked(struct pcm_span *span, unsigned home);

/*
 * pcm_central_nall() - blocks of the central's spans; pcm_central_nfree() - those of them
 * that are free. Exact under its lock, a guess without.
 */
static inline size_t
pcm_central_nall(const struct pcm_central *central)
{
	return __atomic_load_n(&central->nall, __ATOMIC_RELAXED);
}

static inline size_t
pcm_central_nfree(const struct pcm_central *central)
{
	size_t all = pcm_central_nall(central);
	size_t out = __atomic_load_n(&central->nout, __ATOMIC_RELAXED);

	return all > out ? all - out : 0;
}

/* n more blocks are out of their spans, or fewer. */
static inline void
pcm_central_count_locked(struct pcm_central *central, ptrdiff_t n)
{
	__atomic_store_n(&central->nout, central->nout + (size_t)n,
			 __ATOMIC_RELAXED);
}

/* Without the lock: a guess. */
static inline bool
pcm_central_seems_full(const struct pcm_central *central)
{
	return __atomic_load_n(&central->nonempty, __ATOMIC_RELAXED) == 0;
}

/* NULL: none has a free block. */
struct pcm_span *pcm_central_fullest_locked(struct pcm_central *central);
struct pcm_span *pcm_central_emptiest_locked(struct pcm_central *central);

static inline struct pcm_span **
pcm_central_list(struct pcm_central *central, unsigned bucket)
{
	return &central->list[bucket - PCM_CENTRAL_FIRST];
}

/* A home, whatever the span has become meanwhile. */
static inline unsigned
pcm_central_home_of(const struct pcm_span *span)
{
	return __atomic_load_n(&span->home, __ATOMIC_RELAXED) % PCM_NHOMES;
}

/* Is the span the central's? Exact, and stays so, for who holds the central's lock. */
static inline bool
pcm_central_has(const struct pcm_central *central, const struct pcm_span *span)
{
	return central == &pcm_centrals[pcm_central_home_of(span)][span->class];
}

/*
 * The span of the class that p lies in; NULL: none, or one of another class: p was freed,
 * its span left, and it came back.
 */
static inline struct pcm_span *
pcm_central_span_of(unsigned class, const void *p)
{
	uintptr_t entry = pcm_pagemap_entry(p);
	struct pcm_span *span = (struct pcm_span *)entry;

	if (span == NULL || pcm_pagemap_has_line(entry) ||
	    span->kind != PCM_SPAN_SMALL || span->class != class)
		return NULL;
	return span;
}

/*
 * pcm_central_lock_span() - the same, with the lock of the central that it belongs
 * to. *central: that one; NULL if no span was found.
 */
struct pcm_span *pcm_central_lock_span(unsigned class, const void *p,
				       struct pcm_central **central);

/*
 * pcm_central_take_mixed() - the class has no block free: up to n of them from mixed
 * spans, if that is better than a new span, of npages logical pages. Returns how many. No
 * locks held.
 */
unsigned pcm_central_take_mixed(unsigned class, unsigned home, size_t npages,
				void **objs, unsigned n);

/* Takes a span off the lists: it is none of the central's any more. */
void pcm_central_drop_locked(struct pcm_central *central, struct pcm_span *span);

/* A new span, all of it free, which nobody knows yet; NULL: no memory. */
struct pcm_span *pcm_central_new_span(unsigned class, size_t npages);

/*
 * Single: a class of which each block is a span of its own, however much it has
 * (central_single.c). No locks.
 *
 * pcm_central_take_single() - pcm_central_take() of such a class.
 * pcm_central_put_singles() - pcm_central_flush() of such a class.
 * pcm_central_nsingles() - its spans.
 */
static inline bool
pcm_central_is_single(unsigned class)
{
	return pcm_size_class[class].nobjs == 1 &&
		pcm_size_class[class].longest == 1;
}

void *pcm_central_take_single(unsigned class, bool *zeroed);
void pcm_central_put_singles(unsigned class, void *const *objs, unsigned n);
size_t pcm_central_nsingles(unsigned class);

/* Spans that have become empty: a chain by `next`, for the page heap. No locks. */
void pcm_central_give_back(struct pcm_span *empty);

#endif
