/*
 * hugepage.h - one hugepage of the page heap: which of its 256 pages are in
 * use, and which of the free ones have memory behind them.
 *
 *	used	bit i: page i is handed out
 *	cold	bit i: page i is free and reads as zero, nothing behind it
 *
 *	cold & used = 0
 *	nfree = 256 - popcount(used)	ncold = popcount(cold)
 *	longest = length of the longest run of zeros in used
 *
 * Plain bit arithmetic; the caller (page_heap.c) holds the lock.
 */
#ifndef PCM_HUGEPAGE_H
#define PCM_HUGEPAGE_H

#include <stdbool.h>
#include <stdint.h>

#include "page.h"

#define PCM_HUGE_NWORDS (PCM_HUGE_NPAGES / 64)

struct pcm_hugepage {
	char *base;
	uint64_t used[PCM_HUGE_NWORDS];
	uint64_t cold[PCM_HUGE_NWORDS];
	uint16_t nfree;
	uint16_t ncold;
	uint16_t longest;
	uint32_t refused; /* last release in which the system kept pages */
	struct pcm_hugepage *prev, *next; /* of the list for `longest` */
};

struct pcm_run {
	unsigned first, npages;
};

/* All pages free and cold. */
void pcm_hugepage_init(struct pcm_hugepage *huge, char *base);

/* First free run of at least npages <= longest, aligned to `align` pages. */
bool pcm_hugepage_find(const struct pcm_hugepage *huge, unsigned npages,
		       unsigned align, unsigned *first);

/* Free -> used. Returns how many of the pages were cold. */
unsigned pcm_hugepage_take(struct pcm_hugepage *huge, struct pcm_run run);

/* Used -> free; cold or not. */
void pcm_hugepage_give(struct pcm_hugepage *huge, struct pcm_run run,
		       bool cold);

/* True if the npages pages from `first` on are all free. */
bool pcm_hugepage_is_free(const struct pcm_hugepage *huge, struct pcm_run run);

/*
 * pcm_hugepage_next_warm() - next run of free pages that are not cold, at or
 * after page `from`. False: none.
 */
bool pcm_hugepage_next_warm(const struct pcm_hugepage *huge, unsigned from,
			    struct pcm_run *run);

#endif
