/*
 * page_heap_lists.h - what the files of the page heap share: all hugepages, by
 * state and by longest free run, and their sums.
 *
 *	kind of a hugepage	WHOLE	all pages free
 *				BROKEN	not whole, and broken (hugepage.h)
 *				PARTIAL	the others, full ones too
 *
 *	set[INTACT].list[k] = PARTIAL ones with longest = k, 1 <= k < 512
 *	set[INTACT].list[512] = WHOLE ones
 *	set[BROKEN].list[k] = BROKEN ones with longest = k, 1 <= k < 512
 *	nonempty of a set: bit k set iff its list[k] is not empty
 *	on each list those whose free pages are all cold stand behind the others
 *	hugepages with longest = 0 are on no list; `all` has every one
 *
 *	nhuge = nkind[WHOLE] + nkind[PARTIAL] + nkind[BROKEN] = length of `all`
 *	npages_free, npages_cold, npages_extra, nbacked, nadvised
 *		= sums over `all` of nfree, ncold, nextra, backed, (advice = HUGE)
 *	low_warm <= npages_free - npages_cold
 *	pinned is NULL or one of `all`
 *
 * Everything here is under the lock, PCM_RANK_PAGE_HEAP.
 */
#ifndef PCM_PAGE_HEAP_LISTS_H
#define PCM_PAGE_HEAP_LISTS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "compiler.h"
#include "hugepage.h"
#include "lock.h"

#define PCM_HUGE_NLISTS (PCM_HUGE_NPAGES + 1)

enum pcm_huge_kind { PCM_HUGE_WHOLE, PCM_HUGE_PARTIAL, PCM_HUGE_BROKEN,
		     PCM_HUGE_NKINDS };

enum { PCM_SET_BROKEN, PCM_SET_INTACT, PCM_NSETS };

struct pcm_huge_list {
	struct pcm_hugepage *first, *last;
};

struct pcm_huge_set {
	struct pcm_huge_list list[PCM_HUGE_NLISTS];
	uint64_t nonempty[(PCM_HUGE_NLISTS + 63) / 64];
};

/*
 * What a small process uses stands together: the lists of intact ones with long free runs, and
 * what follows them. What every run that is taken or given back writes to is one cache line.
 */
struct pcm_page_heap {
	struct pcm_huge_set set[PCM_NSETS];
	struct {
		struct pcm_lock lock;
		size_t nhuge, npages_free, npages_cold;
		size_t low_warm;   /* least free warm pages since the last decay */
		size_t low_before; /* and between the last two */
		size_t record; /* most pages in use, lately: pcm_page_heap_tight() */
		uint16_t vain; /* pages of the last run with memory looked for in vain */
		uint16_t skip; /* searches for as many that are left out from now on */
	} PCM_LINE_ALIGNED;
	/* What changes seldom: others read it without having to wait for the line above. */
	atomic_bool near_record; /* relaxed, a hint */
	size_t nkind[PCM_HUGE_NKINDS], npages_extra;
	size_t nbacked, nadvised;
	struct pcm_hugepage *all;
	struct pcm_hugepage *cursor; /* the next one that thp.c looks at */
	struct pcm_hugepage *pinned; /* is being collapsed; keeps its memory */
	bool shed_in_vain; /* since the last decay */
	uint32_t releases; /* calls of pcm_page_heap_release() */
	uint32_t ticks;
};

extern PCM_HIDDEN struct pcm_page_heap pcm_page_heap;

static inline size_t
pcm_page_heap_warm_locked(void)
{
	return pcm_page_heap.npages_free - pcm_page_heap.npages_cold;
}

/* Warm pages that nobody has needed since the decay before the last one, at least. */
static inline size_t
pcm_page_heap_idle_locked(void)
{
	const struct pcm_page_heap *heap = &pcm_page_heap;

	return heap->low_warm < heap->low_before ? heap->low_warm :
						   heap->low_before;
}

static inline size_t
pcm_page_heap_used_locked(void)
{
	return pcm_page_heap.nhuge * PCM_HUGE_NPAGES -
		pcm_page_heap.npages_free;
}

/*
 * near_record: with so many pages more, more than any span of several blocks has, there would
 * be a record. To be called after each change of the pages in use, or of the record.
 */
#define PCM_NEAR_RECORD_NPAGES 32u

static inline void
pcm_page_heap_note_record_locked(void)
{
	bool now = pcm_page_heap_used_locked() + PCM_NEAR_RECORD_NPAGES >
		pcm_page_heap.record;

	if (now != atomic_load_explicit(&pcm_page_heap.near_record,
					memory_order_relaxed))
		atomic_store_explicit(&pcm_page_heap.near_record, now,
				      memory_order_relaxed);
}

enum pcm_huge_kind pcm_page_heap_kind(const struct pcm_hugepage *huge);

/* A new hugepage joins, a whole one leaves. */
void pcm_page_heap_enter_locked(struct pcm_hugepage *huge);
void pcm_page_heap_remove_locked(struct pcm_hugepage *huge);

/*
 * Every change of a hugepage: off its list and out of the sums, changed, on its
 * list and into the sums again.
 */
void pcm_page_heap_unlist_locked(struct pcm_hugepage *huge);
void pcm_page_heap_list_locked(struct pcm_hugepage *huge);

/* Free -> used. Returns how many of the pages were cold. */
unsigned pcm_page_heap_take_locked(struct pcm_hugepage *huge,
				   struct pcm_run run);

/* Used -> free; cold: the system has taken the memory behind them. */
void pcm_page_heap_give_locked(struct pcm_hugepage *huge, struct pcm_run run,
			       bool cold);

/* A run that is asked for, and where it is to be cut from. */
struct pcm_wanted {
	unsigned npages, align; /* pages */
	unsigned home;		/* the caller's, pcm_percpu_home() */
	struct pcm_hugepage *huge;
	unsigned first;
	enum pcm_whose whose; /* the pages */
};

/*
 * pcm_page_heap_find_locked() - where the run is to be cut from. False: nowhere.
 *
 * Small runs: from broken hugepages, else from others in use, else from a whole
 * one. Larger ones leave the broken to the small as long as others in use
 * serve. But first of all from any in use where the run has memory already. Among
 * equals the hugepage with the shortest longest free run; but if the heap is not small, of
 * the next few one where the pages are the home's own, or nobody's (page_heap_find.c).
 */
bool pcm_page_heap_find_locked(struct pcm_wanted *wanted);

/* Greatest k <= most with a hugepage on list[k] of a set; 0: none. */
unsigned pcm_page_heap_longest_locked(const struct pcm_huge_set *set,
				      unsigned most);

/* Searches for a run with memory that are left out after one in vain. */
#define PCM_WARM_SKIP 4u

/* The memory of small spans and a good deal more: runs up to this are small. */
#define PCM_SMALL_RUN_BYTES ((size_t)256 << 10)
#define PCM_SMALL_RUN_NPAGES ((unsigned)(PCM_SMALL_RUN_BYTES >> PCM_PAGE_SHIFT))

/*
 * pcm_page_heap_shed_locked() - pages have been taken that had no memory, though as many
 * as that are free that have some, in runs that are too short: a part of these goes back,
 * if there are many. Releases the lock meanwhile.
 */
void pcm_page_heap_shed_locked(void);

#endif
