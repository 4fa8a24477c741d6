/*
 * central_sift.c - what should not stay in a magazine that is cached for longer: blocks
 * that keep a sparse span alive, and blocks of other CPUs' cache lines.
 */
#include "central.h"

#include <string.h>

#include "central_lists.h"
#include "mixed.h"
#include "pagemap.h"

/* ---- sifting ---- */

/*
 * Much is free in a class's spans: this many bytes, and this part of all blocks. One
 * home is looked at, and stands for the others.
 */
#define SIFT_BYTES ((size_t)512 << 10)
#define SIFT_DIVISOR 4u

static bool
much_is_free(const struct pcm_central *central, unsigned class)
{
	unsigned nhomes = (unsigned)__builtin_popcount(pcm_central_homes(class));
	size_t nfree = pcm_central_nfree(central);

	return nfree * pcm_size_class[class].size * nhomes >= SIFT_BYTES &&
		nfree >= pcm_central_nall(central) / SIFT_DIVISOR;
}

/* nfree of nall blocks are free in the mean. */
static bool
is_sparse(const struct pcm_span *span, size_t nfree, size_t nall)
{
	return span->nfree * nall > nfree * span->nobjs;
}

/* The same of the home of p's span: a guess, without a lock. */
static bool
much_is_free_around(unsigned class, const void *p)
{
	const struct pcm_span *span = pcm_pagemap_span(p);
	unsigned home = span == NULL ? 0 : pcm_central_home_of(span);

	/* A mixed span may have a home that the class has not. */
	if (!(pcm_central_homes(class) >> home & 1))
		home = 0;
	return much_is_free(&pcm_centrals[home][class], class);
}

/* `span` is the first one's. Blocks of other homes are kept. */
static unsigned
sift_locked(struct pcm_central *central, struct pcm_span *span, void **objs,
	    unsigned n, struct pcm_span **empty, enum pcm_span_fault *fault)
{
	unsigned i, kept = 0, class = span->class;
	size_t nall = pcm_central_nall(central);
	size_t nfree = pcm_central_nfree(central);

	if (!much_is_free(central, class))
		return n;
	for (i = 0; i < n; i++) {
		if (span == NULL || !pcm_span_covers(span, objs[i]))
			span = pcm_central_span_of(class, objs[i]);
		if (PCM_UNLIKELY(span == NULL) && !pcm_mixed_has(objs[i])) {
			*fault = PCM_SPAN_FREE_ALREADY;
			return i;
		}
		if (span == NULL || !pcm_central_has(central, span) ||
		    !is_sparse(span, nfree, nall))
			objs[kept++] = objs[i];
		else if (pcm_central_put_locked(central, span, objs + i, 1,
						empty, fault) == 0)
			return i; /* the one at fault */
	}
	return kept;
}

static unsigned
sift(unsigned class, void **objs, unsigned n)
{
	enum pcm_span_fault fault = PCM_SPAN_OK;
	struct pcm_span *span, *empty = NULL;
	struct pcm_central *central;
	unsigned i, kept;

	if (!much_is_free_around(class, objs[0]))
		return n;
	for (i = 0; i < n; i++) {
		span = pcm_central_lock_span(class, objs[i], &central);
		if (PCM_LIKELY(span != NULL))
			break;
		if (PCM_UNLIKELY(!pcm_mixed_has(objs[i])))
			pcm_central_report(objs[i], PCM_SPAN_FREE_ALREADY);
	}
	if (i == n)
		return n;
	kept = sift_locked(central, span, objs, n, &empty, &fault);
	pcm_unlock(&central->lock);
	if (PCM_UNLIKELY(fault != PCM_SPAN_OK))
		pcm_central_report(objs[kept], fault);
	pcm_central_give_back(empty);
	return kept;
}

unsigned
pcm_central_sift(unsigned class, void **objs, unsigned n)
{
	unsigned i, part, left, kept = 0;

	for (i = 0; i < n; i += part) {
		part = n - i < PCM_CENTRAL_AT_ONCE ? n - i : PCM_CENTRAL_AT_ONCE;
		left = sift(class, objs + i, part);
		if (kept != i)
			memmove(objs + kept, objs + i, left * sizeof(*objs));
		kept += left;
	}
	return kept;
}

/* ---- strangers ---- */

/*
 * Of a magazine so many blocks are looked at, spread over it. If none is a stranger,
 * there are few.
 */
#define STRANGERS_SAMPLE 8u

/* A block of a span that another home takes from; in a mixed span it is none. */
static bool
is_stranger(unsigned class, unsigned home, const void *p)
{
	const struct pcm_span *span = pcm_central_span_of(class, p);

	return span != NULL && pcm_central_home_of(span) != home;
}

static bool
has_strangers(unsigned class, unsigned home, void *const *objs, unsigned n)
{
	unsigned i, step = n / STRANGERS_SAMPLE + 1;

	for (i = n % step; i < n; i += step)
		if (is_stranger(class, home, objs[i]))
			return true;
	return false;
}

unsigned
pcm_central_send_strangers(unsigned class, unsigned home, void **objs,
			   unsigned n)
{
	unsigned i, kept = 0;

	home = pcm_central_use_home(class, home);
	if (!has_strangers(class, home, objs, n))
		return n;
	for (i = 0; i < n; i++) {
		void *p = objs[i];

		if (is_stranger(class, home, p))
			continue;
		objs[i] = objs[kept];
		objs[kept++] = p;
	}
	pcm_central_flush(class, objs + kept, n - kept);
	return kept;
}
