/*
 * What the tests of central lists share: classes that nobody else uses, and blocks of
 * them.
 */
#ifndef PCM_TEST_CENTRAL_KIT_H
#define PCM_TEST_CENTRAL_KIT_H

#include "unit.h"

#include <stdlib.h>

#include "central.h"
#include "central_lists.h"
#include "size_class.h"

static inline struct pcm_central_stats stats_of(unsigned int class)
{
	struct pcm_central_stats stats;

	pcm_central_stats_get(class, &stats);
	return stats;
}

/* A class that this process does not use, with at least `nobjs` to a span. */
static inline unsigned int unused_class(unsigned int nobjs)
{
	unsigned int c;

	for (c = PCM_NCLASSES; c-- > 1;)
		if (stats_of(c).nspans == 0 && pcm_size_class[c].nobjs >= nobjs)
			return c;
	must(!"a class that is not used");
	return 0;
}

/* Takes n objects, however many fills it needs. */
static inline void get_objects(unsigned int class, void **to, unsigned int n)
{
	unsigned int got;

	for (; n > 0; n -= got, to += got) {
		got = pcm_central_fill(class, 0, to, n);
		must(got >= 1 && got <= n);
	}
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

#endif
