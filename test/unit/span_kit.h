/*
 * What the tests of spans share: a model of the bitmap, for every class. The spans lie at 1 TiB,
 * where nothing is mapped: a span never touches its blocks.
 */
#ifndef PCM_TEST_SPAN_KIT_H
#define PCM_TEST_SPAN_KIT_H

#include "unit.h"

#include "pagemap.h"
#include "size_class.h"
#include "span.h"

#define BASE ((char *)((uintptr_t)1 << 40))
#define NOBJS_MAX 8192

/* The model: is block k free? */
static bool is_free[NOBJS_MAX];
static unsigned int nfree;

static bool longest; /* spans are as long as they get, not as short */

static inline void setup(void)
{
	must(pcm_pagemap_prepare(BASE, (size_t)1 << 30));
}

static inline size_t size_of(unsigned int class)
{
	return pcm_size_class[class].size;
}

static inline unsigned int npages_of(unsigned int class)
{
	unsigned int npages = pcm_size_class[class].npages, times = 1;

	while (longest && 2 * times <= pcm_size_class[class].longest)
		times *= 2;
	return times * npages;
}

static inline struct pcm_span *new_span(unsigned int class)
{
	size_t npages = npages_of(class);
	struct pcm_span *span = pcm_span_new_small(BASE, npages, class, true);
	unsigned int k;

	must(span != NULL);
	must(span->nobjs == (npages << PCM_PAGE_SHIFT) / size_of(class));
	must(span->nobjs <= NOBJS_MAX);
	for (k = 0; k < NOBJS_MAX; k++)
		is_free[k] = k < span->nobjs;
	nfree = span->nobjs;
	return span;
}

static inline void must_agree(const struct pcm_span *span)
{
	unsigned int k, bits = 0, words = (span->nobjs + 63u) / 64;

	must(span->nfree == nfree);
	for (k = 0; k < words * 64; k++)
		must((span->free[k / 64] >> (k % 64) & 1) == is_free[k]);
	for (k = 0; k < words; k++) {
		bits += (unsigned int)__builtin_popcountll(span->free[k]);
		must(k >= span->first || span->free[k] == 0);
	}
	must(bits == nfree);
}

/* Leaves its mark: the span is not settled any more, and was touched in this tick. */
static inline unsigned int put_some(struct pcm_span *span, void **objs,
				    unsigned int n, enum pcm_span_fault *fault)
{
	unsigned int done;

	span->settled = true;
	span->tick = (uint8_t)(pcm_span_tick + 3);
	done = pcm_span_put(span, objs, n, fault);
	must(!span->settled && span->tick == pcm_span_tick);
	return done;
}

#endif
