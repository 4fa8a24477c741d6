/*
 * page_heap_release.c - memory goes back: on request, by decay, or with the
 * address space.
 */
#include "limit.h"
#include "meta.h"
#include "page_heap.h"
#include "page_heap_lists.h"
#include "pagemap.h"
#include "thp.h"

#define heap pcm_page_heap

/* Only whole OS pages can be given back; they may be larger than ours. */
static bool
whole_os_pages(struct pcm_run *run)
{
	size_t start = (size_t)run->first << PCM_PAGE_SHIFT;
	size_t end = start + ((size_t)run->npages << PCM_PAGE_SHIFT);

	start = pcm_round_up(start, pcm_sys_page);
	end &= ~(pcm_sys_page - 1);
	if (start >= end)
		return false;
	run->first = (unsigned)(start >> PCM_PAGE_SHIFT);
	run->npages = (unsigned)((end - start) >> PCM_PAGE_SHIFT);
	return true;
}

static const struct pcm_run all_pages = { .npages = PCM_HUGE_NPAGES };

/*
 * With small OS pages a hugepage's spans fill one of the pagemap. When all its pages
 * are free and cold, that one is all 0 and can go too. The hugepage is out of the heap
 * meanwhile, so that nobody makes a span there.
 */
static void
release_pagemap_locked(struct pcm_hugepage *huge)
{
	if (PCM_PAGEMAP_GRAIN(pcm_sys_page) != PCM_HUGEPAGE ||
	    huge->ncold != PCM_HUGE_NPAGES || huge == heap.pinned)
		return;
	pcm_page_heap_take_locked(huge, all_pages);
	pcm_unlock(&heap.lock);
	pcm_pagemap_release(huge->base);
	pcm_lock(&heap.lock);
	pcm_page_heap_give_locked(huge, all_pages, true);
}

/*
 * Takes the run out of the heap, so that nobody uses it while the lock is not
 * held, and puts it back cold. Returns bytes given back. Pages that the program
 * has locked in memory stay; their hugepage is passed over from then on.
 */
static size_t
release_run_locked(struct pcm_hugepage *huge, struct pcm_run run)
{
	char *p = huge->base + ((size_t)run.first << PCM_PAGE_SHIFT);
	size_t nbytes = (size_t)run.npages << PCM_PAGE_SHIFT;
	bool keep_small = pcm_thp_breaks_locked(huge);
	bool cold;

	pcm_limit_release_begin();
	pcm_page_heap_take_locked(huge, run);
	pcm_unlock(&heap.lock);
	if (keep_small)
		pcm_thp_keep_small(huge);
	cold = pcm_sys_release(p, nbytes);
	pcm_lock(&heap.lock);
	pcm_page_heap_give_locked(huge, run, cold);
	if (cold)
		pcm_limit_give(nbytes);
	pcm_limit_release_end();
	if (!cold) {
		huge->refused = heap.releases;
		return 0;
	}
	release_pagemap_locked(huge);
	return nbytes;
}

/* What is released, in this order. */
enum stage {
	WHOLE,	/* whole hugepages */
	BROKEN, /* what is left in broken ones */
	SMALL,	/* intact ones that have small pages anyway */
	BACKED, /* all others */
};

static bool
belongs(enum stage stage, const struct pcm_hugepage *huge)
{
	if (huge->refused == heap.releases || huge == heap.pinned)
		return false;
	return stage != SMALL || !huge->backed;
}

static bool
find_run(const struct pcm_hugepage *huge, struct pcm_run *run)
{
	unsigned from;

	for (from = 0; pcm_hugepage_next_warm(huge, from, run);
	     from = run->first + run->npages) {
		struct pcm_run found = *run;

		if (whole_os_pages(&found)) {
			*run = found;
			return true;
		}
	}
	return false;
}

/* A run that can be given back, of the hugepages with most room first. */
static bool
find_warm_locked(enum stage stage, struct pcm_hugepage **found,
		 struct pcm_run *run)
{
	const struct pcm_huge_set *set =
		&heap.set[stage == BROKEN ? PCM_SET_BROKEN : PCM_SET_INTACT];
	unsigned most = stage == WHOLE ? PCM_HUGE_NPAGES : PCM_HUGE_NPAGES - 1;
	unsigned last = stage == WHOLE ? PCM_HUGE_NPAGES : 1;
	struct pcm_hugepage *huge;
	unsigned k;

	for (k = pcm_page_heap_longest_locked(set, most); k >= last;
	     k = pcm_page_heap_longest_locked(set, k - 1)) {
		for (huge = set->list[k].first;
		     huge != NULL && !pcm_hugepage_all_cold(huge);
		     huge = huge->next) {
			*found = huge;
			if (belongs(stage, huge) && find_run(huge, run))
				return true;
		}
	}
	return false;
}

/*
 * From the beginning each time: a hugepage that has just been broken has more.
 */
static bool
find_up_to_locked(enum stage last, struct pcm_hugepage **huge,
		  struct pcm_run *run)
{
	enum stage stage;

	for (stage = WHOLE; stage <= last; stage++)
		if (find_warm_locked(stage, huge, run))
			return true;
	return false;
}

static size_t
release_locked(size_t nbytes, enum stage last)
{
	struct pcm_hugepage *huge;
	struct pcm_run run;
	size_t done = 0;

	while (done < nbytes && pcm_page_heap_warm_locked() > 0 &&
	       find_up_to_locked(last, &huge, &run))
		done += release_run_locked(huge, run);
	return done;
}

size_t
pcm_page_heap_release(size_t nbytes)
{
	size_t done;

	pcm_lock(&heap.lock);
	heap.releases++;
	done = release_locked(nbytes, BACKED);
	pcm_unlock(&heap.lock);
	return done;
}

static struct pcm_hugepage *
take_whole_locked(size_t keep)
{
	struct pcm_hugepage *huge = NULL;

	if (heap.nkind[PCM_HUGE_WHOLE] > keep)
		huge = heap.set[PCM_SET_INTACT].list[PCM_HUGE_NPAGES].first;
	if (huge != NULL && huge == heap.pinned)
		huge = huge->next;
	if (huge != NULL) {
		pcm_page_heap_remove_locked(huge);
		pcm_pagemap_set_hugepage(huge->base, NULL);
	}
	return huge;
}

size_t
pcm_page_heap_unmap(size_t keep)
{
	struct pcm_hugepage *huge;
	size_t done = 0;

	for (;;) {
		pcm_limit_release_begin();
		pcm_lock(&heap.lock);
		huge = take_whole_locked(keep);
		pcm_unlock(&heap.lock);
		if (huge != NULL)
			pcm_limit_give((size_t)(PCM_HUGE_NPAGES - huge->ncold)
				       << PCM_PAGE_SHIFT);
		pcm_limit_release_end();
		if (huge == NULL)
			return done;
		if (pcm_sys_unmap(huge->base, PCM_HUGEPAGE))
			done += PCM_HUGEPAGE;
		pcm_meta_free(huge, sizeof(*huge));
	}
}

/*
 * What was free and warm all the time since the last call but one was not needed (one
 * interval is not enough: what a program is about to ask for again would go, and come
 * back by page faults): half of it goes, and the rest with later calls. Not less than
 * DECAY_MIN, not more than DECAY_MAX: the thread that makes the tick waits some 0.1 ms
 * a MiB.
 */
#define DECAY_MIN ((size_t)4 << 20)
#define DECAY_MAX ((size_t)128 << 20)

/*
 * Pressure: as long as free pages are no more than this part of the used ones,
 * decay breaks no hugepage for them. Less than what keeps the pulse active.
 */
#define BREAK_DIVISOR 64u

static size_t
decay_bytes(size_t idle)
{
	size_t nbytes = idle / 2 < DECAY_MAX ? idle / 2 : DECAY_MAX;

	if (nbytes < DECAY_MIN)
		nbytes = idle < DECAY_MIN ? idle : DECAY_MIN;
	return nbytes;
}

static size_t
breakable_locked(void)
{
	size_t warm = pcm_page_heap_warm_locked();
	size_t spared = pcm_page_heap_used_locked() / BREAK_DIVISOR;

	return warm > spared ? (warm - spared) << PCM_PAGE_SHIFT : 0;
}

/*
 * Shedding: as soon as there are so many pages more than what is spared, so many at most,
 * and no whole hugepages, which will serve anything.
 */
#define SHED_MIN 64u
#define SHED_MAX 256u

void
pcm_page_heap_shed_locked(void)
{
	size_t left = breakable_locked() >> PCM_PAGE_SHIFT;
	struct pcm_hugepage *huge;
	struct pcm_run run;

	if (left < SHED_MIN || heap.shed_in_vain)
		return;
	if (left > SHED_MAX)
		left = SHED_MAX;
	while (find_warm_locked(BROKEN, &huge, &run)) {
		size_t done = release_run_locked(huge, run) >> PCM_PAGE_SHIFT;

		heap.shed_in_vain = done == 0;
		if (done == 0 || done >= left)
			return;
		left -= done;
	}
	heap.shed_in_vain = true;
}

/* What is forgotten of the record at each decay. */
#define FORGET_DIVISOR 512u

size_t
pcm_page_heap_decay(void)
{
	size_t nbytes, done = 0, left, more;

	pcm_lock(&heap.lock);
	heap.record -= heap.record / FORGET_DIVISOR;
	pcm_page_heap_note_record_locked();
	heap.shed_in_vain = false;
	nbytes = decay_bytes(pcm_page_heap_idle_locked() << PCM_PAGE_SHIFT);
	heap.low_before = heap.low_warm;
	heap.low_warm = pcm_page_heap_warm_locked();
	if (nbytes > 0) {
		heap.releases++;
		done = release_locked(nbytes, BROKEN);
		left = nbytes > done ? nbytes - done : 0;
		more = breakable_locked();
		done += release_locked(more < left ? more : left, BACKED);
	}
	pcm_unlock(&heap.lock);
	return done;
}
