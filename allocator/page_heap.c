/*
 * page_heap.c - hugepages by their longest free run; growing and releasing.
 *
 *	list[k] = the hugepages with longest = k, 1 <= k <= 256; those whose free
 *		  pages are all cold behind the others
 *	nonempty: bit k set iff list[k] is not empty
 *	npages_free = sum of nfree, npages_cold = sum of ncold, over all hugepages
 *	hugepages with longest = 0 are on no list
 */
#include "page_heap.h"

#include <string.h>

#include "compiler.h"
#include "hugepage.h"
#include "limit.h"
#include "lock.h"
#include "meta.h"
#include "pagemap.h"
#include "pulse.h"
#include "reclaim.h"

#define NLISTS (PCM_HUGE_NPAGES + 1)

/* The heap grows by a quarter of itself, one to this many hugepages. */
#define GROW_DIVISOR 4
#define GROW_MAX 16

/*
 * thp:auto: until the heap has this many hugepages a hugepage may stay mostly
 * empty for ever, and huge backing would cost memory that a small process never
 * uses; above, the system's own setting decides.
 */
#define SMALL_HEAP_NHUGE 16

/* Free hugepages that stay mapped where the address space is limited. */
#define LIMITED_KEEP 2

static struct {
	struct pcm_lock lock;
	struct pcm_hugepage *list[NLISTS], *tail[NLISTS];
	uint64_t nonempty[(NLISTS + 63) / 64];
	size_t nhuge;
	size_t nwhole; /* length of list[256] */
	size_t npages_free, npages_cold;
	uint32_t releases; /* calls of pcm_page_heap_release() */
	size_t low_warm; /* least free warm pages since the last decay */
} heap = { .lock = PCM_LOCK_INIT(PCM_RANK_PAGE_HEAP) };

static size_t
warm_locked(void)
{
	return heap.npages_free - heap.npages_cold;
}

static size_t
used_locked(void)
{
	return heap.nhuge * PCM_HUGE_NPAGES - heap.npages_free;
}

static void
list_remove(struct pcm_hugepage *huge)
{
	unsigned k = huge->longest;

	if (k == 0)
		return;
	heap.nwhole -= k == PCM_HUGE_NPAGES;
	if (huge->prev != NULL)
		huge->prev->next = huge->next;
	else
		heap.list[k] = huge->next;
	if (huge->next != NULL)
		huge->next->prev = huge->prev;
	else
		heap.tail[k] = huge->prev;
	if (heap.list[k] == NULL)
		heap.nonempty[k / 64] &= ~((uint64_t)1 << (k % 64));
}

static bool
all_cold(const struct pcm_hugepage *huge)
{
	return huge->nfree == huge->ncold;
}

/* Warm ones first: what has memory is used, and found to be released. */
static void
list_add(struct pcm_hugepage *huge)
{
	unsigned k = huge->longest;

	if (k == 0)
		return;
	heap.nwhole += k == PCM_HUGE_NPAGES;
	huge->prev = all_cold(huge) ? heap.tail[k] : NULL;
	huge->next = all_cold(huge) ? NULL : heap.list[k];
	if (huge->prev != NULL)
		huge->prev->next = huge;
	else
		heap.list[k] = huge;
	if (huge->next != NULL)
		huge->next->prev = huge;
	else
		heap.tail[k] = huge;
	heap.nonempty[k / 64] |= (uint64_t)1 << (k % 64);
}

/* Smallest k >= from with a hugepage on list[k]; NLISTS: none. */
static unsigned
next_list(unsigned from)
{
	while (from < NLISTS) {
		uint64_t word = heap.nonempty[from / 64] &
			(~(uint64_t)0 << (from % 64));

		if (word != 0)
			return from / 64 * 64 +
				(unsigned)__builtin_ctzll(word);
		from = (from / 64 + 1) * 64;
	}
	return NLISTS;
}

/* Every change of a hugepage: off its list, changed, counted, on again. */
static unsigned
take_locked(struct pcm_hugepage *huge, struct pcm_run run)
{
	unsigned ncold;

	list_remove(huge);
	ncold = pcm_hugepage_take(huge, run);
	list_add(huge);
	heap.npages_free -= run.npages;
	heap.npages_cold -= ncold;
	if (warm_locked() < heap.low_warm)
		heap.low_warm = warm_locked();
	return ncold;
}

static void
give_locked(struct pcm_hugepage *huge, struct pcm_run run, bool cold)
{
	list_remove(huge);
	pcm_hugepage_give(huge, run, cold);
	list_add(huge);
	heap.npages_free += run.npages;
	if (cold)
		heap.npages_cold += run.npages;
}

static bool
find_locked(unsigned npages, unsigned align, struct pcm_hugepage **huge,
	    unsigned *first)
{
	unsigned k;

	for (k = next_list(npages); k < NLISTS; k = next_list(k + 1))
		for (*huge = heap.list[k]; *huge != NULL;
		     *huge = (*huge)->next)
			if (pcm_hugepage_find(*huge, npages, align, first))
				return true;
	return false;
}

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
	pcm_sys_advise(region, nhuge * PCM_HUGEPAGE,
		       before < SMALL_HEAP_NHUGE);
	for (i = 0; i < nhuge; i++) {
		struct pcm_hugepage *huge = pcm_meta_alloc(sizeof(*huge));

		if (huge == NULL)
			break;
		pcm_hugepage_init(huge, region + i * PCM_HUGEPAGE);
		pcm_lock(&heap.lock);
		pcm_pagemap_set_hugepage(huge->base, huge);
		heap.nhuge++;
		heap.npages_free += PCM_HUGE_NPAGES;
		heap.npages_cold += PCM_HUGE_NPAGES;
		list_add(huge);
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
		give_locked(huge, one,
			    cold[one.first / 64] >> (one.first % 64) & 1);
	pcm_unlock(&heap.lock);
}

char *
pcm_page_heap_alloc_aligned(size_t npages, size_t align, bool *zeroed)
{
	struct pcm_hugepage *huge;
	struct pcm_run run = { .npages = (unsigned)npages };
	uint64_t cold[PCM_HUGE_NWORDS];
	unsigned ncold;
	char *p;

	pcm_lock(&heap.lock);
	while (!find_locked(run.npages, (unsigned)align, &huge, &run.first)) {
		pcm_unlock(&heap.lock);
		if (!grow())
			return NULL;
		pcm_lock(&heap.lock);
	}
	memcpy(cold, huge->cold, sizeof(cold));
	ncold = take_locked(huge, run);
	pcm_unlock(&heap.lock);
	if (ncold > 0 && !pcm_limit_take((size_t)ncold << PCM_PAGE_SHIFT)) {
		give_up(huge, run, cold);
		return NULL;
	}
	p = huge->base + ((size_t)run.first << PCM_PAGE_SHIFT);
	if (zeroed != NULL)
		*zeroed = ncold == npages;
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

	size_t warm, lately, used;
	bool too_many;

	pcm_lock(&heap.lock);
	give_locked(huge, run_of(huge, p, npages), false);
	too_many = heap.nwhole > LIMITED_KEEP;
	warm = warm_locked();
	lately = heap.low_warm;
	used = used_locked();
	pcm_unlock(&heap.lock);
	pcm_pulse_freed(warm << PCM_PAGE_SHIFT, lately << PCM_PAGE_SHIFT,
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
		ncold = take_locked(huge, run);
	}
	pcm_unlock(&heap.lock);
	if (ncold > 0 && !pcm_limit_take((size_t)ncold << PCM_PAGE_SHIFT)) {
		give_up(huge, run, cold);
		return false;
	}
	return done;
}

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
	bool cold;

	take_locked(huge, run);
	pcm_unlock(&heap.lock);
	cold = pcm_sys_release(p, nbytes);
	pcm_lock(&heap.lock);
	give_locked(huge, run, cold);
	if (!cold) {
		huge->refused = heap.releases;
		return 0;
	}
	pcm_limit_give(nbytes);
	return nbytes;
}

/* A run that can be given back, of the hugepages with most room first. */
static bool
find_warm_locked(struct pcm_hugepage **found, struct pcm_run *run)
{
	struct pcm_hugepage *huge;
	unsigned k, from;

	for (k = PCM_HUGE_NPAGES; k >= 1; k--) {
		for (huge = heap.list[k]; huge != NULL && !all_cold(huge);
		     huge = huge->next) {
			if (huge->refused == heap.releases)
				continue;
			for (from = 0;
			     pcm_hugepage_next_warm(huge, from, run);
			     from = run->first + run->npages) {
				*found = huge;
				if (whole_os_pages(run))
					return true;
			}
		}
	}
	return false;
}

size_t
pcm_page_heap_release(size_t nbytes)
{
	struct pcm_hugepage *huge;
	struct pcm_run run;
	size_t done = 0;

	pcm_lock(&heap.lock);
	heap.releases++;
	while (done < nbytes && warm_locked() > 0 &&
	       find_warm_locked(&huge, &run))
		done += release_run_locked(huge, run);
	pcm_unlock(&heap.lock);
	return done;
}

size_t
pcm_page_heap_unmap(size_t keep)
{
	struct pcm_hugepage *huge;
	size_t done = 0;

	for (;;) {
		pcm_lock(&heap.lock);
		huge = heap.nwhole > keep ? heap.list[PCM_HUGE_NPAGES] : NULL;
		if (huge != NULL) {
			list_remove(huge);
			heap.nhuge--;
			heap.npages_free -= PCM_HUGE_NPAGES;
			heap.npages_cold -= huge->ncold;
		}
		pcm_unlock(&heap.lock);
		if (huge == NULL)
			return done;
		pcm_pagemap_set_hugepage(huge->base, NULL);
		pcm_limit_give((size_t)(PCM_HUGE_NPAGES - huge->ncold)
			       << PCM_PAGE_SHIFT);
		if (pcm_sys_unmap(huge->base, PCM_HUGEPAGE))
			done += PCM_HUGEPAGE;
		pcm_meta_free(huge, sizeof(*huge));
	}
}

/*
 * What was free and warm all the time since the last call was not needed: half
 * of it goes, and the rest with later calls. Not less than DECAY_MIN, not more
 * than DECAY_MAX: the thread that makes the tick waits some 0.1 ms a MiB.
 */
#define DECAY_MIN ((size_t)4 << 20)
#define DECAY_MAX ((size_t)128 << 20)

size_t
pcm_page_heap_decay(void)
{
	size_t idle, nbytes;

	pcm_lock(&heap.lock);
	idle = heap.low_warm << PCM_PAGE_SHIFT;
	heap.low_warm = warm_locked();
	pcm_unlock(&heap.lock);
	nbytes = idle / 2 < DECAY_MAX ? idle / 2 : DECAY_MAX;
	if (nbytes < DECAY_MIN)
		nbytes = idle < DECAY_MIN ? idle : DECAY_MIN;
	return nbytes == 0 ? 0 : pcm_page_heap_release(nbytes);
}

void
pcm_page_heap_stats_get(struct pcm_page_heap_stats *stats)
{
	pcm_lock(&heap.lock);
	stats->nhuge = heap.nhuge;
	stats->mapped = heap.nhuge * PCM_HUGEPAGE;
	stats->used = used_locked() << PCM_PAGE_SHIFT;
	stats->free_warm = warm_locked() << PCM_PAGE_SHIFT;
	stats->free_cold = heap.npages_cold << PCM_PAGE_SHIFT;
	stats->nhuge_free = heap.nwhole;
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
	pcm_lock_reset(&heap.lock);
}
