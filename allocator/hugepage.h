/*
 * hugepage.h - one hugepage of the page heap: which of its 512 pages are in
 * use, and which of the free ones have memory behind them.
 *
 *	used	bit i: page i is handed out
 *	cold	bit i: page i is free, nothing behind it
 *	zero	bit i: page i is free and reads as zero
 *
 *	zero & used = 0		cold & ~zero = 0
 *	nfree = 512 - popcount(used)	ncold = popcount(cold)
 *	longest = length of the longest run of zeros in used
 *	warm_bound >= length of the longest run of zeros in used | cold
 *
 * A hugepage is *whole* while all its pages are free. It is *broken* once part
 * of it has been given back to the system while another part was in use: until
 * then the kernel may have one huge page behind it, from then on it has small
 * ones. That ends when nothing is behind it any more, or with a collapse
 * (thp.c).
 *
 * A *sector* is the 64 pages of one word. It is owned by the home that takes the first of
 * them while all are free; what is free in it is mostly in the caches of that home's CPUs.
 *
 *	broken => not backed		broken => ncold < 512
 *
 * Plain bit arithmetic; the caller (page_heap.c) holds the lock.
 */
#ifndef PCM_HUGEPAGE_H
#define PCM_HUGEPAGE_H

#include <stdbool.h>
#include <stdint.h>

#include "page.h"

#define PCM_HUGE_NWORDS (PCM_HUGE_NPAGES / 64)
#define PCM_HUGE_NSECTORS PCM_HUGE_NWORDS

/* What the system has been told about a hugepage. */
enum pcm_huge_advice {
	PCM_ADVICE_NONE,
	PCM_ADVICE_HUGE,  /* MADV_HUGEPAGE */
	PCM_ADVICE_SMALL, /* MADV_NOHUGEPAGE */
};

struct pcm_hugepage {
	char *base;
	uint64_t used[PCM_HUGE_NWORDS];
	uint64_t cold[PCM_HUGE_NWORDS];
	uint64_t zero[PCM_HUGE_NWORDS];
	uint8_t owner[PCM_HUGE_NSECTORS]; /* homes (percpu.h) */
	uint16_t nfree;
	uint16_t ncold;
	uint16_t longest;
	uint16_t warm_bound; /* no run of free pages with memory is longer */
	uint16_t nextra; /* pages that have memory by a collapse alone */
	uint8_t advice;	 /* enum pcm_huge_advice */
	bool broken;
	bool backed;	  /* one huge page is behind it, as far as we know */
	uint32_t refused; /* last release in which the system kept pages */
	uint32_t dense;	  /* tick at which it was first seen dense; 0: is not */
	uint32_t not_yet; /* tick before which it is not to be collapsed */
	struct pcm_hugepage *prev, *next; /* of the list for `longest` */
	struct pcm_hugepage *all_prev, *all_next;
};

struct pcm_run {
	unsigned first, npages;
};

/* All pages free and cold. */
void pcm_hugepage_init(struct pcm_hugepage *huge, char *base);

static inline bool
pcm_hugepage_is_whole(const struct pcm_hugepage *huge)
{
	return huge->nfree == PCM_HUGE_NPAGES;
}

/* Is there nothing behind the free pages? */
static inline bool
pcm_hugepage_all_cold(const struct pcm_hugepage *huge)
{
	return huge->nfree == huge->ncold;
}

/*
 * pcm_hugepage_find() - the first free run of npages pages, aligned to `align` pages.
 * pcm_hugepage_find_warm() - the same, with memory behind all of it. False: none.
 */
bool pcm_hugepage_find(const struct pcm_hugepage *huge, unsigned npages,
		       unsigned align, unsigned *first);
bool pcm_hugepage_find_warm(struct pcm_hugepage *huge, unsigned npages,
			    unsigned align, unsigned *first);

/* Whose pages a free run has, as a home sees it; the greater the better. */
enum pcm_whose {
	PCM_WHOSE_NONE, /* there is no run */
	PCM_WHOSE_ANY,	/* of sectors that another home uses, too */
	PCM_WHOSE_FREE, /* of those that nobody uses, or the home owns */
	PCM_WHOSE_OWN,	/* of those that the home owns */
};

/*
 * pcm_hugepage_find_for() - the first one of the best free runs for that home, own or free.
 * pcm_hugepage_find_warm_for() - of any with memory behind all of it.
 *
 * least	what is less is not looked for
 */
enum pcm_whose pcm_hugepage_find_for(const struct pcm_hugepage *huge,
				     unsigned npages, unsigned align,
				     unsigned home, enum pcm_whose least,
				     unsigned *first);
enum pcm_whose pcm_hugepage_find_warm_for(struct pcm_hugepage *huge,
					  unsigned npages, unsigned align,
					  unsigned home, enum pcm_whose least,
					  unsigned *first);

/* Before the run is taken: sectors of which all is free are the home's from now on. */
void pcm_hugepage_own(struct pcm_hugepage *huge, struct pcm_run run, unsigned home);

/* Do all pages of the run, which are free, read as zero? */
bool pcm_hugepage_is_zero(const struct pcm_hugepage *huge, struct pcm_run run);

/* Free -> used. Returns how many of the pages were cold. */
unsigned pcm_hugepage_take(struct pcm_hugepage *huge, struct pcm_run run);

/* Used -> free; cold or not. */
void pcm_hugepage_give(struct pcm_hugepage *huge, struct pcm_run run,
		       bool cold);

/* Cold -> warm, for all of them: the system has filled in the rest. */
void pcm_hugepage_warm_up(struct pcm_hugepage *huge);

/* True if the npages pages from `first` on are all free. */
bool pcm_hugepage_is_free(const struct pcm_hugepage *huge, struct pcm_run run);

/*
 * pcm_hugepage_next_warm() - next run of free pages that are not cold, at or
 * after page `from`. False: none.
 */
bool pcm_hugepage_next_warm(const struct pcm_hugepage *huge, unsigned from,
			    struct pcm_run *run);

/*
 * pcm_hugepage_check() - the equations above. Returns the one that does not
 * hold, as text; NULL: all do.
 */
const char *pcm_hugepage_check(const struct pcm_hugepage *huge);

#endif
