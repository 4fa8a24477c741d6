/*
 * central.c - spans by fullness.
 *
 * A span with 0 < nfree < nobjs, or one just made, is on list
 *	bucket = ceil(nfree * NBUCKETS / nobjs)
 * of its class, or on list NBUCKETS + bucket if it is settled: its free pages have
 * gone back, and nothing has happened to it since. A full one (nfree = 0) is on none;
 * an empty one (nfree = nobjs) leaves for the page heap when the last block comes
 * back.
 */
#include "central.h"

#include <limits.h>

#include "lock.h"
#include "misuse.h"
#include "page_heap.h"
#include "pagemap.h"
#include "size_class.h"
#include "span.h"

#define NBUCKETS 8u

static struct central {
	struct pcm_lock lock;
	struct pcm_span *list[2 * NBUCKETS + 1]; /* [0] is never used */
	size_t nspans;
	size_t nout;
} PCM_LINE_ALIGNED centrals[PCM_NCLASSES];

void
pcm_central_init(void)
{
	unsigned c;

	for (c = 0; c < PCM_NCLASSES; c++)
		centrals[c].lock.rank = PCM_RANK_CENTRAL;
}

static void
unlink_locked(struct central *central, struct pcm_span *span)
{
	if (span->bucket == 0)
		return;
	if (span->prev != NULL)
		span->prev->next = span->next;
	else
		central->list[span->bucket] = span->next;
	if (span->next != NULL)
		span->next->prev = span->prev;
	span->bucket = 0;
}

/* Puts the span on the list that its number of free blocks asks for. */
static void
relink_locked(struct central *central, struct pcm_span *span)
{
	unsigned bucket = (span->nfree * NBUCKETS + span->nobjs - 1u) /
		span->nobjs;

	if (bucket != 0 && span->settled)
		bucket += NBUCKETS;
	if (bucket == span->bucket)
		return;
	unlink_locked(central, span);
	if (bucket == 0)
		return;
	span->bucket = (uint8_t)bucket;
	span->prev = NULL;
	span->next = central->list[bucket];
	if (span->next != NULL)
		span->next->prev = span;
	central->list[bucket] = span;
}

static struct pcm_span *
fullest_locked(struct central *central)
{
	unsigned b;

	for (b = 1; b <= NBUCKETS; b++) {
		if (central->list[b] != NULL)
			return central->list[b];
		if (central->list[NBUCKETS + b] != NULL)
			return central->list[NBUCKETS + b];
	}
	return NULL;
}

static unsigned
take_locked(struct central *central, void **objs, unsigned n)
{
	unsigned taken = 0;

	while (taken < n) {
		struct pcm_span *span = fullest_locked(central);

		if (span == NULL)
			break;
		taken += pcm_span_take(span, objs + taken, n - taken);
		relink_locked(central, span);
	}
	central->nout += taken;
	return taken;
}

static struct pcm_span *
new_span(unsigned class)
{
	size_t npages = pcm_size_class[class].npages;
	struct pcm_span *span;
	bool zeroed;
	char *start = pcm_page_heap_alloc(npages, &zeroed);

	if (start == NULL)
		return NULL;
	span = pcm_span_new_small(start, class, zeroed);
	if (span == NULL)
		pcm_page_heap_free(start, npages);
	return span;
}

/* One more span on the class's lists, made without the lock. */
static bool
grow(struct central *central, unsigned class)
{
	struct pcm_span *span = new_span(class);

	if (span == NULL)
		return false;
	pcm_lock(&central->lock);
	central->nspans++;
	relink_locked(central, span);
	pcm_unlock(&central->lock);
	return true;
}

unsigned
pcm_central_fill(unsigned class, void **objs, unsigned n)
{
	struct central *central = &centrals[class];
	unsigned taken;

	do {
		pcm_lock(&central->lock);
		taken = take_locked(central, objs, n);
		pcm_unlock(&central->lock);
	} while (taken == 0 && grow(central, class));
	return taken;
}

static void *
take_one_locked(struct central *central, bool *zeroed)
{
	struct pcm_span *span = fullest_locked(central);
	void *obj;

	if (span == NULL)
		return NULL;
	obj = pcm_span_take_one(span, zeroed);
	relink_locked(central, span);
	central->nout++;
	return obj;
}

void *
pcm_central_take(unsigned class, bool *zeroed)
{
	struct central *central = &centrals[class];
	void *obj;

	do {
		pcm_lock(&central->lock);
		obj = take_one_locked(central, zeroed);
		pcm_unlock(&central->lock);
	} while (obj == NULL && grow(central, class));
	return obj;
}

void *
pcm_central_try_take(unsigned class)
{
	struct central *central = &centrals[class];
	void *obj = NULL;

	if (!pcm_trylock(&central->lock))
		return NULL;
	take_locked(central, &obj, 1);
	pcm_unlock(&central->lock);
	return obj;
}

static _Noreturn void
report(const void *p, enum pcm_span_fault fault)
{
	pcm_misuse("free", p,
		   fault == PCM_SPAN_FREE_ALREADY ? PCM_MISUSE_ALREADY_FREE :
						    PCM_MISUSE_INTERIOR);
}

/* A span of another class: p was freed, its span left, and it came back. */
static struct pcm_span *
span_of(unsigned class, const void *p)
{
	struct pcm_span *span = pcm_pagemap_span(p);

	if (span == NULL || span->kind != PCM_SPAN_SMALL ||
	    span->class != class)
		return NULL;
	return span;
}

/*
 * Takes back the blocks that lie in `span`, the first one's (NULL: it has none), as
 * neighbours in a magazine mostly do; returns how many. An empty span is put on
 * *empty, to be given back when the lock is not held.
 */
static unsigned
put_locked(struct central *central, struct pcm_span *span, void *const *objs,
	   unsigned n, struct pcm_span **empty, enum pcm_span_fault *fault)
{
	unsigned done;

	if (PCM_UNLIKELY(span == NULL)) {
		*fault = PCM_SPAN_FREE_ALREADY;
		return 0;
	}
	done = pcm_span_put(span, objs, n, fault);
	central->nout -= done;
	if (span->nfree < span->nobjs) {
		relink_locked(central, span);
		return done;
	}
	unlink_locked(central, span);
	central->nspans--;
	span->next = *empty;
	*empty = span;
	return done;
}

static void
give_back(struct pcm_span *span)
{
	while (span != NULL) {
		struct pcm_span *next = span->next;
		char *start = span->start;
		size_t npages = span->nbytes >> PCM_PAGE_SHIFT;

		pcm_span_delete(span);
		pcm_page_heap_free(start, npages);
		span = next;
	}
}

void
pcm_central_flush(unsigned class, void **objs, unsigned n)
{
	struct central *central = &centrals[class];
	enum pcm_span_fault fault = PCM_SPAN_OK;
	struct pcm_span *empty = NULL;
	unsigned done = 0;

	pcm_lock(&central->lock);
	while (done < n && fault == PCM_SPAN_OK)
		done += put_locked(central, span_of(class, objs[done]),
				   objs + done, n - done, &empty, &fault);
	pcm_unlock(&central->lock);
	if (PCM_UNLIKELY(fault != PCM_SPAN_OK))
		report(objs[done], fault);
	give_back(empty);
}

/* ---- sifting ---- */

/* Much is free in a class's spans: this many bytes, and this part of all blocks. */
#define SIFT_BYTES ((size_t)512 << 10)
#define SIFT_DIVISOR 4u

/* nfree of nall blocks are free in the mean; without a span, p was freed before. */
static bool
is_sparse(const struct pcm_span *span, size_t nfree, size_t nall)
{
	return span == NULL || span->nfree * nall > nfree * span->nobjs;
}

static unsigned
sift_locked(struct central *central, unsigned class, void **objs, unsigned n,
	    struct pcm_span **empty, enum pcm_span_fault *fault)
{
	const struct pcm_size_class *sc = &pcm_size_class[class];
	size_t nall = central->nspans * sc->nobjs;
	size_t nfree = nall - central->nout;
	unsigned i, kept = 0;

	if (nfree * sc->size < SIFT_BYTES || nfree < nall / SIFT_DIVISOR)
		return n;
	for (i = 0; i < n; i++) {
		struct pcm_span *span = span_of(class, objs[i]);

		if (!is_sparse(span, nfree, nall))
			objs[kept++] = objs[i];
		else if (put_locked(central, span, objs + i, 1, empty,
				    fault) == 0)
			return i; /* the one at fault */
	}
	return kept;
}

unsigned
pcm_central_sift(unsigned class, void **objs, unsigned n)
{
	struct central *central = &centrals[class];
	enum pcm_span_fault fault = PCM_SPAN_OK;
	struct pcm_span *empty = NULL;
	unsigned kept;

	pcm_lock(&central->lock);
	kept = sift_locked(central, class, objs, n, &empty, &fault);
	pcm_unlock(&central->lock);
	if (PCM_UNLIKELY(fault != PCM_SPAN_OK))
		report(objs[kept], fault);
	give_back(empty);
	return kept;
}

/* ---- decay ---- */

/* Ticks that a span was left alone before its free pages go. */
#define OLD 6u

/* The thread that makes the tick waits: spans looked at and released in one. */
#define MOST_LOOKS 4096u
#define MOST_RELEASES 256u

/* What one call may do yet, and to spans of which age, in ticks. */
struct budget {
	unsigned age, nlooks, nreleases;
};

/* An old span that is not settled; NULL: none, or enough looked at. */
static struct pcm_span *
old_locked(struct central *central, struct budget *budget)
{
	uint8_t now = __atomic_load_n(&pcm_span_tick, __ATOMIC_RELAXED);
	struct pcm_span *span;
	unsigned b;

	for (b = 1; b <= NBUCKETS; b++) {
		for (span = central->list[b]; span != NULL; span = span->next) {
			if ((uint8_t)(now - span->tick) >= budget->age)
				return span;
			if (budget->nlooks-- == 0)
				return NULL;
		}
	}
	return NULL;
}

/*
 * Its blocks are held, so that the span stays while the lock is not held. True if
 * all others are free by then: the span is off the lists, and the caller's. (What is
 * held at a fork stays so in the child.)
 */
static bool
release_run_locked(struct central *central, struct pcm_span *span,
		   const struct pcm_span_run *run)
{
	bool cold;

	pcm_span_hold(span, run);
	relink_locked(central, span);
	pcm_unlock(&central->lock);
	cold = pcm_sys_release(span->start + run->first * pcm_sys_page,
			       run->npages * pcm_sys_page);
	pcm_lock(&central->lock);
	pcm_span_unhold(span, run, cold);
	if (span->nfree < span->nobjs) {
		relink_locked(central, span);
		return false;
	}
	unlink_locked(central, span);
	central->nspans--;
	return true;
}

/* Settles the span. Returns bytes given back; *empty: as in put_locked(). */
static size_t
settle_locked(struct central *central, struct pcm_span *span,
	      struct pcm_span **empty)
{
	struct pcm_span_run run = { 0 };
	size_t done = 0;

	span->settled = true;
	while (pcm_span_next_warm(span, run.first + run.npages, &run)) {
		done += run.npages * pcm_sys_page;
		if (release_run_locked(central, span, &run)) {
			span->next = *empty;
			*empty = span;
			return done;
		}
	}
	relink_locked(central, span);
	return done;
}

static size_t
decay_class(unsigned class, struct budget *budget)
{
	struct central *central = &centrals[class];
	struct pcm_span *span, *empty = NULL;
	size_t done = 0;

	pcm_lock(&central->lock);
	while (budget->nreleases > 0 &&
	       (span = old_locked(central, budget)) != NULL) {
		done += settle_locked(central, span, &empty);
		budget->nreleases--;
	}
	pcm_unlock(&central->lock);
	give_back(empty);
	return done;
}

/* The class that comes first is another one each time, so that all have a turn. */
size_t
pcm_central_decay(void)
{
	uint8_t now = __atomic_add_fetch(&pcm_span_tick, 1, __ATOMIC_RELAXED);
	struct budget budget = { OLD, MOST_LOOKS, MOST_RELEASES };
	size_t done = 0;
	unsigned i;

	for (i = 0; i < PCM_NCLASSES - 1 && budget.nreleases > 0; i++)
		done += decay_class(1 + (now + i) % (PCM_NCLASSES - 1),
				    &budget);
	return done;
}

/* Others may go on touching spans: no more are settled than there were. */
size_t
pcm_central_trim(void)
{
	struct pcm_central_stats stats;
	size_t done = 0;
	unsigned c;

	for (c = 1; c < PCM_NCLASSES; c++) {
		struct budget budget = { 0, UINT_MAX, 0 };

		pcm_central_stats_get(c, &stats);
		budget.nreleases = (unsigned)stats.nspans;
		done += decay_class(c, &budget);
	}
	return done;
}

void
pcm_central_stats_get(unsigned class, struct pcm_central_stats *stats)
{
	struct central *central = &centrals[class];

	pcm_lock(&central->lock);
	stats->nspans = central->nspans;
	stats->nout = central->nout;
	pcm_unlock(&central->lock);
}

void
pcm_central_fork_lock(void)
{
	unsigned c;

	for (c = 1; c < PCM_NCLASSES; c++)
		pcm_lock_unchecked(&centrals[c].lock);
}

void
pcm_central_fork_unlock(void)
{
	unsigned c;

	for (c = PCM_NCLASSES; c-- > 1;)
		pcm_unlock_unchecked(&centrals[c].lock);
}

void
pcm_central_fork_child(void)
{
	unsigned c;

	for (c = 1; c < PCM_NCLASSES; c++)
		pcm_lock_reset(&centrals[c].lock);
}
