/*
 * What the tests of central lists share: classes that nobody else uses, and blocks of
 * them.
 */
#ifndef PCM_TEST_CENTRAL_KIT_H
#define PCM_TEST_CENTRAL_KIT_H

#include "unit.h"

#include <stdlib.h>
#include <sys/mman.h>

#include "central.h"
#include "central_lists.h"
#include "meta.h"
#include "mixed.h"
#include "pagemap.h"
#include "size_class.h"
#include "sys.h"

static inline struct pcm_central_stats stats_of(unsigned int class)
{
	struct pcm_central_stats stats;

	pcm_central_stats_get(class, &stats);
	return stats;
}

static inline unsigned int home_of(const void *p)
{
	return pcm_pagemap_span(p)->home;
}

/*
 * A class that this process does not use, with at least `nobjs` to a span, which never
 * gets more than `longest` times as long.
 */
static inline unsigned int unused_class_of(unsigned int nobjs, unsigned int longest)
{
	const struct pcm_size_class *sc;
	unsigned int c;

	for (c = PCM_NCLASSES; c-- > 1;) {
		sc = &pcm_size_class[c];
		if (stats_of(c).nspans == 0 && sc->nobjs >= nobjs &&
		    sc->longest <= longest)
			return c;
	}
	must(!"a class that is not used");
	return 0;
}

static inline unsigned int unused_class(unsigned int nobjs)
{
	return unused_class_of(nobjs, UINT8_MAX);
}

/* Takes n objects of the class's own spans, however many fills it needs. */
static inline void get_objects(unsigned int class, void **to, unsigned int n)
{
	unsigned int got;

	for (; n > 0; n -= got, to += got) {
		got = pcm_central_fill_aligned(class, 0, to, n);
		must(got >= 1 && got <= n);
	}
}

/* The list that a span with free blocks belongs on. */
static inline unsigned int list_of(const struct pcm_span *span)
{
	unsigned int part = span->nfree * PCM_CENTRAL_NBUCKETS;

	return (part + span->nobjs - 1) / span->nobjs * 2 + span->settled;
}

/* One home's: every span on its list, and nothing free in a span that is on none. */
static inline void check_home(struct pcm_central *central)
{
	size_t nfree = 0, nspans = 0, nall = 0, nbytes = 0;
	const struct pcm_span *span;
	unsigned int b;

	pcm_lock(&central->lock);
	for (b = PCM_CENTRAL_FIRST; b < PCM_CENTRAL_END; b++) {
		span = *pcm_central_list(central, b);
		must((span != NULL) == (central->nonempty >> b & 1));
		for (; span != NULL; span = span->next) {
			must(span->nfree > 0 && list_of(span) == b);
			must(span->bucket == b && pcm_central_has(central, span));
			nfree += span->nfree;
			nspans++;
			nall += span->nobjs;
			nbytes += span->nbytes;
		}
	}
	must(central->nall - central->nout == nfree);
	must(nspans <= central->nspans && nall <= central->nall);
	must((nspans == central->nspans) == (nall == central->nall));
	must((nspans == central->nspans) == (nbytes == central->nbytes));
	pcm_unlock(&central->lock);
}

static inline void check_lists(unsigned int class)
{
	unsigned int left;

	for (left = pcm_central_homes(class); left != 0; left &= left - 1)
		check_home(&pcm_centrals[__builtin_ctz(left)][class]);
}

/* From here on the class has other homes than the first; others may be using it. */
static inline void crowd_used(unsigned int class)
{
	unsigned int n = PCM_CENTRAL_CROWDED * pcm_size_class[class].nobjs;
	void **all = malloc(n * sizeof(*all));

	get_objects(class, all, n);
	pcm_central_flush(class, all, n);
	free(all);
}

/* The same for a class that nobody uses. */
static inline void crowd(unsigned int class)
{
	crowd_used(class);
	must(stats_of(class).nspans == 0);
}

/* A span of the class and home, the emptiest, becomes mixed. False: none on its lists. */
static inline bool mix_of_home(unsigned int class, unsigned int home)
{
	struct pcm_central *central = &pcm_centrals[home][class];
	struct pcm_mixed *mixed;
	struct pcm_span *span;
	size_t nbytes;

	pcm_lock(&central->lock);
	span = pcm_central_emptiest_locked(central);
	nbytes = span == NULL ? PCM_PAGE : span->nbytes;
	pcm_unlock(&central->lock);
	mixed = pcm_mixed_new(nbytes);
	must(mixed != NULL);
	pcm_lock(&central->lock);
	span = pcm_central_emptiest_locked(central);
	if (span != NULL && span->nbytes != nbytes)
		span = NULL;
	if (span != NULL && span->nreleasing > 0)
		span = NULL;
	if (span != NULL) {
		pcm_central_drop_locked(central, span);
		pcm_mixed_adopt(mixed, span);
	}
	pcm_unlock(&central->lock);
	if (span == NULL)
		pcm_mixed_delete(mixed, nbytes);
	return span != NULL;
}

static inline bool mix(unsigned int class)
{
	return mix_of_home(class, 0);
}

/* Resident bytes of it. */
static inline size_t resident(const char *start, size_t nbytes)
{
	unsigned char pages[1024];
	size_t i, n = nbytes / pcm_sys_page, sum = 0;

	must(n <= sizeof(pages) && mincore((void *)start, nbytes, pages) == 0);
	for (i = 0; i < n; i++)
		sum += pages[i] & 1;
	return sum * pcm_sys_page;
}

/* Enough of them for a span to be old. */
static inline size_t ticks(void)
{
	size_t done = 0;
	int i;

	for (i = 0; i < 10; i++)
		done += pcm_central_decay();
	return done;
}

#endif
