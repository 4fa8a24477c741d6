/*
 * central.c - spans by fullness.
 *
 * A span with 0 < nfree < nobjs, or one just made, is on list
 *	bucket = ceil(nfree * NBUCKETS / nobjs)
 * of its class; a full one (nfree = 0) on none; an empty one (nfree = nobjs)
 * leaves for the page heap when the last block comes back.
 */
#include "central.h"

#include "lock.h"
#include "misuse.h"
#include "page_heap.h"
#include "pagemap.h"
#include "size_class.h"
#include "span.h"

#define NBUCKETS 8u

static struct central {
	struct pcm_lock lock;
	struct pcm_span *list[NBUCKETS + 1]; /* [0] is never used */
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

	for (b = 1; b <= NBUCKETS; b++)
		if (central->list[b] != NULL)
			return central->list[b];
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
 * Takes back the blocks that lie in the first one's span, as neighbours in a
 * magazine mostly do; returns how many. An empty span is put on *empty, to be given
 * back when the lock is not held.
 */
static unsigned
put_locked(struct central *central, unsigned class, void *const *objs,
	   unsigned n, struct pcm_span **empty, enum pcm_span_fault *fault)
{
	struct pcm_span *span = span_of(class, objs[0]);
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
		done += put_locked(central, class, objs + done, n - done,
				   &empty, &fault);
	pcm_unlock(&central->lock);
	if (PCM_UNLIKELY(fault != PCM_SPAN_OK))
		report(objs[done], fault);
	give_back(empty);
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
