/*
 * page_heap.h - runs of logical pages, cut from 2 MiB hugepages.
 *
 * Runs are cut from the hugepage whose longest free run is the shortest that
 * serves, so full hugepages get fuller and others can become whole, which are
 * kept for a while and then released first. What has memory behind it goes before what
 * has none, in whichever hugepage in use it lies. A hugepage in use is broken, a part
 * of it released, only when memory is asked for; from then on it is the first
 * choice for small runs. Free pages keep their memory until they are released:
 * by decay, on request, or when the system has none. Lock: PCM_RANK_PAGE_HEAP;
 * no system call is made under it.
 */
#ifndef PCM_PAGE_HEAP_H
#define PCM_PAGE_HEAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * pcm_page_heap_alloc() - npages contiguous pages, 1 to 256.
 *
 * zeroed	if not NULL: set to whether every byte reads as 0
 *
 * Returns their address, entered in no span; NULL: the system has no memory.
 */
char *pcm_page_heap_alloc(size_t npages, bool *zeroed);

/* The same, aligned to `align` pages, a power of two up to 256. */
char *pcm_page_heap_alloc_aligned(size_t npages, size_t align, bool *zeroed);

/* Gives back npages pages at p: all of an allocation, or a part of it. */
void pcm_page_heap_free(char *p, size_t npages);

/*
 * pcm_page_heap_extend() - grow the allocation of npages at p in place by
 * `more` pages. False: they are not free.
 */
bool pcm_page_heap_extend(char *p, size_t npages, size_t more);

/*
 * pcm_page_heap_release() - give memory behind free pages back to the system,
 * until at least nbytes are given back or nothing is left: whole free hugepages
 * first, then what broken ones have, then others are broken, those on small
 * pages first. Returns the number of bytes.
 */
size_t pcm_page_heap_release(size_t nbytes);

/*
 * pcm_page_heap_unmap() - unmap free hugepages, all but `keep`: address space
 * is short. Returns bytes.
 */
size_t pcm_page_heap_unmap(size_t keep);

/*
 * At every tick: releases part of what was not needed lately; breaks hugepages
 * only while more than a 64th of what is used is free. Returns bytes.
 */
size_t pcm_page_heap_decay(void);

/*
 * pcm_page_heap_tight() - would npages more be more in use than ever before? What was
 * long ago is forgotten: a 512th of it at each decay, half of it in 18 seconds.
 *
 * least	not tight with fewer pages in use
 */
bool pcm_page_heap_tight(size_t npages, size_t least);

/* Would a span or two be a record? No lock; a guess. */
bool pcm_page_heap_near_record(void);

struct pcm_page_heap_stats {
	size_t mapped;	  /* bytes of hugepages */
	size_t used;	  /* handed out */
	size_t free_warm; /* free, memory behind it */
	size_t free_cold; /* free, none behind it */
	size_t free_idle; /* least free_warm since the decay before the last */
	size_t nhuge;	  /* = nhuge_free + nhuge_partial + nhuge_broken */
	size_t nhuge_free;    /* whole: all pages free */
	size_t nhuge_partial; /* in use, never released in part */
	size_t nhuge_broken;  /* in use, and a part was released */
	size_t nhuge_backed;  /* one huge page is behind them */
	size_t longest_free;  /* bytes of the longest free run */
};

void pcm_page_heap_stats_get(struct pcm_page_heap_stats *stats);

void pcm_page_heap_fork_lock(void);
void pcm_page_heap_fork_unlock(void);
void pcm_page_heap_fork_child(void);

#endif
