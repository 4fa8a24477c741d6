/*
 * thp.h - which hugepages of the page heap get a huge page behind them.
 *
 * With thp:auto, and as the system is set:
 *
 *	never	nothing is asked for
 *	madvise, always
 *		the first PCM_THP_SMALL_HEAP hugepages of a process start on
 *		small pages; so do later ones, but for those that will be dense
 *		soon: the heap is large, and grows by small runs, which fill one
 *		hugepage after the other. What has become dense is collapsed by
 *		ticks.
 *
 * Memory that only huge pages cost is bounded: see room_locked() in thp.c.
 * Functions named _locked are under the page heap's lock and make no system
 * call; the others take it.
 */
#ifndef PCM_THP_H
#define PCM_THP_H

#include <stdbool.h>
#include <stddef.h>

#include "compiler.h"
#include "hugepage.h"

/* Up to this many hugepages a heap is small. */
#define PCM_THP_SMALL_HEAP 16u

/* /sys/kernel/mm/transparent_hugepage/enabled */
enum pcm_thp_system {
	PCM_THP_SYSTEM_UNKNOWN, /* not looked up yet */
	PCM_THP_SYSTEM_ALWAYS,
	PCM_THP_SYSTEM_MADVISE, /* also if it cannot be read */
	PCM_THP_SYSTEM_NEVER,
};

/* As it was when first asked for; reads the file then. */
enum pcm_thp_system pcm_thp_system(void);

/*
 * pcm_thp_new_region() - advises the system on a new region that nobody has
 * touched, when the heap has nhuge hugepages without it.
 */
enum pcm_huge_advice pcm_thp_new_region(void *p, size_t nbytes, size_t nhuge);

/*
 * The same for a block that is a mapping of its own, which the limit has been
 * told of: new, and nobody has touched it; or grown.
 */
void pcm_thp_new_mapping(void *p, size_t nbytes);
void pcm_thp_grown_mapping(void *p, size_t nbytes);

/* What is to be done with a hugepage at its first use. */
enum pcm_thp_choice {
	PCM_THP_AS_IT_IS,
	PCM_THP_TO_SMALL,   /* it was advised to be huge; no more */
	PCM_THP_TO_HUGE,    /* is to be advised, and becomes huge */
	PCM_THP_HUGE_AS_IT_IS, /* was advised, and becomes huge */
};

/*
 * pcm_thp_choose_locked() - npages are about to be taken from a hugepage; if
 * that is its first use, pcm_thp_first_use() is to follow, after they were
 * taken and before anybody touches them, unless the choice is AS_IT_IS.
 */
enum pcm_thp_choice pcm_thp_choose_cold_locked(const struct pcm_hugepage *huge,
					       unsigned npages);

static inline enum pcm_thp_choice
pcm_thp_choose_locked(const struct pcm_hugepage *huge, unsigned npages)
{
	if (PCM_LIKELY(huge->ncold != PCM_HUGE_NPAGES))
		return PCM_THP_AS_IT_IS;
	return pcm_thp_choose_cold_locked(huge, npages);
}

PCM_COLD void pcm_thp_first_use(struct pcm_hugepage *huge, unsigned npages,
				enum pcm_thp_choice choice);

/*
 * pcm_thp_breaks_locked() - a part of the hugepage is about to be released.
 * True: the caller calls pcm_thp_keep_small() before, when it does not hold the
 * lock, so that the system does not put a huge page there again by itself.
 */
bool pcm_thp_breaks_locked(struct pcm_hugepage *huge);
void pcm_thp_keep_small(const struct pcm_hugepage *huge);

/* At every tick: collapses what has become dense, for a fiftieth of the time. */
void pcm_thp_tick(void);

#endif
