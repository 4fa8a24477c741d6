/*
 * page_heap.c - taking runs, giving them back, growing. What there is stands in
 * page_heap_lists.h; giving memory back is page_heap_release.c's.
 */
#include "page_heap.h"

#include <string.h>

#include "compiler.h"
#include "limit.h"
#include "meta.h"
#include "page_heap_lists.h"
#include "pagemap.h"
#include "percpu.h"
#include "pulse.h"
#include "reclaim.h"
#include "thp.h"

/* The heap grows by a quarter of itself, one to this many hugepages. */
#define GROW_DIVISOR 4
#define GROW_MAX 16

/* Free hugepages that stay mapped where the address space is limited. */
#define LIMITED_KEEP 2

#define heap pcm_page_heap

static char *
map_region(size_t *nhuge)
{
	char *region;

	for (;;) {
		region = pcm_sys_map(*nhuge * PCM_HUGEPAGE, PCM_HUGEPAGE);
		if (region != NULL || (*nhuge == 1 && !pcm_reclaim()))
			return region;
		*nhuge = 1;
	}
}

/* Maps hugepages and adds them, all cold. False: no memory. */
static PCM_COLD bool
grow(void)
{
	enum pcm_huge_advice advice;
	size_t i, before, nhuge;
	char *region;

	pcm_lock(&heap.lock);
	before = heap.nhuge;
	pcm_unlock(&heap.lock);
	nhuge = before / GROW_DIVISOR;
	if (nhuge < 1)
		nhuge = 1;
	if (nhuge > GROW_MAX)
		nhuge = GROW_MAX;
	if (pcm_sys_limited())
		nhuge = 1;
	region = map_region(&nhuge);
	if (region == NULL)
		return false;
	if (!pcm_pagemap_prepare(region, nhuge * PCM_HUGEPAGE)) {
		pcm_sys_unmap(region, nhuge * PCM_HUGEPAGE);
		return false;
	}
	advice = pcm_thp_new_region(region, nhuge * PCM_HUGEPAGE, before);
	for (i = 0; i < nhuge; i++) {
		struct pcm_hugepage *huge = pcm_meta_alloc(sizeof(*huge));

		if (huge == NULL)
			break;
		pcm_hugepage_init(huge, region + i * PCM_HUGEPAGE);
		huge->advice = (uint8_t)advice;
		pcm_lock(&heap.lock);
		pcm_pagemap_set_hugepage(huge->base, huge);
		pcm_page_heap_enter_locked(huge);
		pcm_unlock(&heap.lock);
	}
	if (i < nhuge)
		pcm_sys_unmap(region + i * PCM_HUGEPAGE,
			      (nhuge - i) * PCM_HUGEPAGE);
	return i > 0;
}

/*
 * The limit forbids what was taken: it goes back as it was, the pages without
 * memory apart. `cold` is the hugepage's from before.
 */
static PCM_COLD void
give_up(struct pcm_hugepage *huge, struct pcm_run run, const uint64_t *cold)
{
	struct pcm_run one = { .first = run.first, .npages = 1 };

	pcm_lock(&heap.lock);
	for (; one.first < run.first + run.npages; one.first++)
		pcm_page_heap_give_locked(huge, one,
					  cold[one.first / 64] >>
							  (one.first % 64) & 1);
	pcm_unlock(&heap.lock);
}

/* A record with pages that had no memory: what is free and has some could not serve. */
static void
note_taken_locked(unsigned ncold)
{
	if (pcm_page_heap_used_locked() <= heap.record)
		return;
	heap.record = pcm_page_heap_used_locked(); /* still near it */
	if (ncold > 0)
		pcm_page_heap_shed_locked();
}

/* Free -> used, by a CPU of that home. Returns how many of the pages were cold. */
static unsigned
take_locked(struct pcm_hugepage *huge, struct pcm_run run, unsigned home)
{
	unsigned ncold;

	pcm_hugepage_own(huge, run, home);
	ncold = pcm_page_heap_take_locked(huge, run);
	note_taken_locked(ncold);
	return ncold;
}

char *
pcm_page_heap_alloc_aligned(size_t npages, size_t align, bool *zeroed)
{
	struct pcm_wanted wanted = {
		.npages = (unsigned)npages,
		.align = (unsigned)align,
		.home = pcm_percpu_home(),
	};
	struct pcm_hugepage *huge;
	struct pcm_run run;
	uint64_t cold[PCM_HUGE_NWORDS];
	enum pcm_thp_choice choice;
	unsigned ncold;
	char *p;

	pcm_lock(&heap.lock);
	while (!pcm_page_heap_find_locked(&wanted)) {
		pcm_unlock(&heap.lock);
		if (!grow())
			return NULL;
		pcm_lock(&heap.lock);
	}
	huge = wanted.huge;
	run = (struct pcm_run){ wanted.first, wanted.npages };
	if (zeroed != NULL)
		*zeroed = pcm_hugepage_is_zero(huge, run);
	choice = pcm_thp_choose_locked(huge, run.npages);
	memcpy(cold, huge->cold, sizeof(cold));
	ncold = take_locked(huge, run, wanted.home);
	pcm_unlock(&heap.lock);
	if (ncold > 0 && !pcm_limit_take((size_t)ncold << PCM_PAGE_SHIFT)) {
		give_up(huge, run, cold);
		return NULL;
	}
	if (PCM_UNLIKELY(choice != PCM_THP_AS_IT_IS))
		pcm_thp_first_use(huge, run.npages, choice);
	p = huge->base + ((size_t)run.first << PCM_PAGE_SHIFT);
	return p;
}

char *
pcm_page_heap_alloc(size_t npages, bool *zeroed)
{
	return pcm_page_heap_alloc_aligned(npages, 1, zeroed);
}

static struct pcm_run
run_of(const struct pcm_hugepage *huge, const char *p, size_t npages)
{
	return (struct pcm_run){
		.first = (unsigned)((size_t)(p - huge->base) >> PCM_PAGE_SHIFT),
		.npages = (unsigned)npages,
	};
}

void
pcm_page_heap_free(char *p, size_t npages)
{
	struct pcm_hugepage *huge = pcm_pagemap_hugepage(p);
	size_t warm, idle, used;
	bool too_many;

	pcm_lock(&heap.lock);
	pcm_page_heap_give_locked(huge, run_of(huge, p, npages), false);
	too_many = heap.nkind[PCM_HUGE_WHOLE] > LIMITED_KEEP;
	warm = pcm_page_heap_warm_locked();
	idle = pcm_page_heap_idle_locked();
	used = pcm_page_heap_used_locked();
	pcm_unlock(&heap.lock);
	pcm_pulse_freed(warm << PCM_PAGE_SHIFT, idle << PCM_PAGE_SHIFT,
			used << PCM_PAGE_SHIFT);
	if (PCM_UNLIKELY(atomic_load_explicit(&pcm_limit_near,
					      memory_order_relaxed)))
		pcm_page_heap_release(npages << PCM_PAGE_SHIFT);
	if (PCM_UNLIKELY(too_many) && pcm_sys_limited())
		pcm_page_heap_unmap(LIMITED_KEEP);
}

bool
pcm_page_heap_extend(char *p, size_t npages, size_t more)
{
	struct pcm_hugepage *huge = pcm_pagemap_hugepage(p);
	struct pcm_run run = run_of(huge, p, npages);
	uint64_t cold[PCM_HUGE_NWORDS];
	unsigned ncold = 0;
	bool done;

	run.first += run.npages;
	run.npages = (unsigned)more;
	pcm_lock(&heap.lock);
	done = pcm_hugepage_is_free(huge, run);
	if (done) {
		memcpy(cold, huge->cold, sizeof(cold));
		ncold = take_locked(huge, run, pcm_percpu_home());
	}
	pcm_unlock(&heap.lock);
	if (ncold > 0 && !pcm_limit_take((size_t)ncold << PCM_PAGE_SHIFT)) {
		give_up(huge, run, cold);
		return false;
	}
	return done;
}

bool
pcm_page_heap_near_record(void)
{
	return atomic_load_explicit(&heap.near_record, memory_order_relaxed);
}

bool
pcm_page_heap_tight(size_t npages, size_t least)
{
	size_t used;
	bool tight;

	if (npages <= PCM_NEAR_RECORD_NPAGES && !pcm_page_heap_near_record())
		return false;
	pcm_lock(&heap.lock);
	used = pcm_page_heap_used_locked();
	tight = used >= least && used + npages > heap.record;
	pcm_unlock(&heap.lock);
	return tight;
}

static size_t
longest_locked(void)
{
	size_t a = pcm_page_heap_longest_locked(&heap.set[PCM_SET_INTACT],
						PCM_HUGE_NPAGES);
	size_t b = pcm_page_heap_longest_locked(&heap.set[PCM_SET_BROKEN],
						PCM_HUGE_NPAGES);

	return a > b ? a : b;
}

void
pcm_page_heap_stats_get(struct pcm_page_heap_stats *stats)
{
	pcm_lock(&heap.lock);
	stats->nhuge = heap.nhuge;
	stats->mapped = heap.nhuge * PCM_HUGEPAGE;
	stats->used = pcm_page_heap_used_locked() << PCM_PAGE_SHIFT;
	stats->free_warm = pcm_page_heap_warm_locked() << PCM_PAGE_SHIFT;
	stats->free_cold = heap.npages_cold << PCM_PAGE_SHIFT;
	stats->free_idle = pcm_page_heap_idle_locked() << PCM_PAGE_SHIFT;
	stats->nhuge_free = heap.nkind[PCM_HUGE_WHOLE];
	stats->nhuge_partial = heap.nkind[PCM_HUGE_PARTIAL];
	stats->nhuge_broken = heap.nkind[PCM_HUGE_BROKEN];
	stats->nhuge_backed = heap.nbacked;
	stats->longest_free = longest_locked() << PCM_PAGE_SHIFT;
	pcm_unlock(&heap.lock);
}

void
pcm_page_heap_fork_lock(void)
{
	pcm_lock_unchecked(&heap.lock);
}

void
pcm_page_heap_fork_unlock(void)
{
	pcm_unlock_unchecked(&heap.lock);
}

void
pcm_page_heap_fork_child(void)
{
	heap.pinned = NULL;
	pcm_lock_reset(&heap.lock);
}
