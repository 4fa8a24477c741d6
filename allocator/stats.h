/*
 * stats.h - numbers for people and for mallinfo.
 */
#ifndef PCM_STATS_H
#define PCM_STATS_H

#include <stdbool.h>
#include <stddef.h>

#include "pcmalloc/pcmalloc.h"
#include "size_class.h"

/* Blocks of one size class. */
struct pcm_stats_class {
	size_t size;
	size_t nspans, span_bytes;
	size_t allocated; /* blocks in use by the program */
	size_t cached;	  /* blocks in slabs, shards and depots */
};

struct pcm_stats_all {
	struct pcm_stats sum;
	size_t nlarge, large;	  /* blocks from the page heap, bytes */
	size_t nmappings, mappings; /* blocks with mappings of their own */
	size_t cached_mappings;	  /* bytes of mappings kept for reuse */
	struct pcm_stats_class class[PCM_NCLASSES];
};

/* Is there anything of it? Blocks of it may all lie in mixed spans. */
static inline bool
pcm_stats_class_used(const struct pcm_stats_class *class)
{
	return class->nspans + class->allocated + class->cached > 0;
}

/* Collects everything. Takes most locks, one at a time. */
void pcm_stats_collect(struct pcm_stats_all *all);

/*
 * pcm_stats_at_exit() - have the statistics written to fd 2 when the process
 * exits, also if the program closes fd 2 before (coreutils do).
 */
void pcm_stats_at_exit(void);

/* Writes the statistics as text to fd. */
void pcm_stats_write(int fd);

#endif
