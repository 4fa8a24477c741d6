/*
 * central_lists.c - spans by home and fullness.
 */
#include "central_lists.h"

#include <stdatomic.h>

#include "mixed.h"
#include "page_heap.h"

struct pcm_central pcm_centrals[PCM_NHOMES][PCM_NCLASSES] PCM_TABLE("5");

/*
 * Homes besides the first, which every class has. Relaxed: what a bit leads to is
 * guarded by that home's lock.
 */
static _Atomic uint8_t homes[PCM_NCLASSES];

_Static_assert(PCM_NHOMES <= 8, "a bit each");

/* Relaxed: only which home serves follows from it. */
static atomic_bool crowded[PCM_NCLASSES];

/* Bits are added under it, so that fork() knows which locks there are. */
static struct pcm_lock homes_lock = PCM_LOCK_INIT(PCM_RANK_HOMES);

void
pcm_central_init(void)
{
	unsigned c;

	for (c = 1; c < PCM_NCLASSES; c++)
		pcm_lock_set_rank(&pcm_centrals[0][c].lock, PCM_RANK_CENTRAL);
}

unsigned
pcm_central_homes(unsigned class)
{
	return 1u | atomic_load_explicit(&homes[class], memory_order_relaxed);
}

/* Who forks holds the locks of all homes that there were: no more of them then. */
unsigned
pcm_central_use_home(unsigned class, unsigned home)
{
	if (PCM_LIKELY(pcm_central_homes(class) >> home & 1))
		return home;
	if (!atomic_load_explicit(&crowded[class], memory_order_relaxed) ||
	    pcm_lock_passes)
		return 0;
	pcm_lock(&homes_lock);
	pcm_lock_set_rank(&pcm_centrals[home][class].lock, PCM_RANK_CENTRAL);
	atomic_fetch_or_explicit(&homes[class], (uint8_t)(1u << home),
				 memory_order_relaxed);
	pcm_unlock(&homes_lock);
	return home;
}

static struct pcm_central *
central_of(const struct pcm_span *span)
{
	return &pcm_centrals[span->home][span->class];
}

static void
set_nonempty(struct pcm_central *central, uint32_t lists)
{
	__atomic_store_n(&central->nonempty, lists, __ATOMIC_RELAXED);
}

static void
unlink_locked(struct pcm_span *span)
{
	struct pcm_central *central = central_of(span);
	struct pcm_span **list;

	if (span->bucket == 0)
		return;
	list = pcm_central_list(central, span->bucket);
	if (span->prev != NULL)
		span->prev->next = span->next;
	else
		*list = span->next;
	if (span->next != NULL)
		span->next->prev = span->prev;
	if (*list == NULL)
		set_nonempty(central, central->nonempty &
			     ~((uint32_t)1 << span->bucket));
	span->bucket = 0;
}

/* The list that it belongs on; 0: none. It is mostly next to the one that it is on. */
static unsigned
bucket_of(const struct pcm_span *span)
{
	unsigned part = span->nfree * PCM_CENTRAL_NBUCKETS, nobjs = span->nobjs;
	unsigned n = span->bucket / 2; /* to be ceil(part / nobjs) */

	if (span->nfree == 0)
		return 0;
	if (span->nfree == nobjs)
		n = PCM_CENTRAL_NBUCKETS;
	while (part > n * nobjs)
		n++;
	while (part <= (n - 1) * nobjs)
		n--;
	return 2 * n + span->settled;
}

void
pcm_central_change_list_locked(struct pcm_span *span)
{
	struct pcm_central *central = central_of(span);
	unsigned bucket = bucket_of(span);
	struct pcm_span **list;

	if (bucket == span->bucket)
		return;
	unlink_locked(span);
	if (bucket == 0)
		return;
	list = pcm_central_list(central, bucket);
	span->bucket = (uint8_t)bucket;
	span->prev = NULL;
	span->next = *list;
	if (span->next != NULL)
		span->next->prev = span;
	*list = span;
	set_nonempty(central, central->nonempty | (uint32_t)1 << bucket);
}

static void
add_locked(struct pcm_central *central, const struct pcm_span *span)
{
	central->nspans++;
	central->nbytes += span->nbytes;
	__atomic_store_n(&central->nall, central->nall + span->nobjs,
			 __ATOMIC_RELAXED);
	pcm_central_count_locked(central, span->nobjs - span->nfree);
}

void
pcm_central_enter_locked(struct pcm_central *central, struct pcm_span *span)
{
	size_t crowd = PCM_CENTRAL_CROWDED * pcm_size_class[span->class].nobjs;

	add_locked(central, span);
	if (central->nall >= crowd && central->nall - span->nobjs < crowd)
		atomic_store_explicit(&crowded[span->class], true,
				      memory_order_relaxed);
	pcm_central_relink_locked(span);
}

void
pcm_central_drop_locked(struct pcm_central *central, struct pcm_span *span)
{
	unlink_locked(span);
	central->nspans--;
	central->nbytes -= span->nbytes;
	__atomic_store_n(&central->nall, central->nall - span->nobjs,
			 __ATOMIC_RELAXED);
	pcm_central_count_locked(central, span->nfree - span->nobjs);
}

void
pcm_central_leave_locked(struct pcm_central *central, struct pcm_span *span,
			 struct pcm_span **empty)
{
	pcm_central_drop_locked(central, span);
	span->next = *empty;
	*empty = span;
}

void
pcm_central_move_locked(struct pcm_span *span, unsigned home)
{
	struct pcm_central *from = central_of(span);
	struct pcm_central *to = &pcm_centrals[home][span->class];

	pcm_central_drop_locked(from, span);
	add_locked(to, span);
	__atomic_store_n(&span->home, (uint8_t)home, __ATOMIC_RELAXED);
	pcm_central_relink_locked(span);
}

struct pcm_span *
pcm_central_fullest_locked(struct pcm_central *central)
{
	uint32_t lists = central->nonempty;

	if (lists == 0)
		return NULL;
	return *pcm_central_list(central, (unsigned)__builtin_ctz(lists));
}

struct pcm_span *
pcm_central_emptiest_locked(struct pcm_central *central)
{
	uint32_t lists = central->nonempty;
	unsigned bucket;

	if (lists == 0)
		return NULL;
	bucket = 31 - (unsigned)__builtin_clz(lists);
	/* As empty, and its pages have memory. */
	if (bucket % 2 != 0 && lists >> (bucket - 1) & 1)
		bucket--;
	return *pcm_central_list(central, bucket);
}

/*
 * What was looked up without the lock is looked up again under it: the span may have
 * another home by then, or not be there any more if p was freed before.
 */
struct pcm_span *
pcm_central_lock_span(unsigned class, const void *p,
		      struct pcm_central **central)
{
	struct pcm_span *span;

	while ((span = pcm_central_span_of(class, p)) != NULL) {
		*central = &pcm_centrals[pcm_central_home_of(span)][class];
		pcm_lock(&(*central)->lock);
		if (pcm_central_span_of(class, p) == span &&
		    pcm_central_has(*central, span))
			return span;
		pcm_unlock(&(*central)->lock);
	}
	*central = NULL;
	return NULL;
}

void
pcm_central_give_back(struct pcm_span *empty)
{
	while (empty != NULL) {
		struct pcm_span *next = empty->next;
		char *start = empty->start;
		size_t npages = empty->nbytes >> PCM_PAGE_SHIFT;

		pcm_span_delete(empty);
		pcm_page_heap_free(start, npages);
		empty = next;
	}
}

void
pcm_central_stats_get(unsigned class, struct pcm_central_stats *stats)
{
	unsigned left;

	*stats = (struct pcm_central_stats){ 0 };
	if (pcm_central_is_single(class)) {
		stats->nspans = stats->nout = pcm_central_nsingles(class);
		stats->nbytes = stats->nspans * pcm_size_class[class].size;
		return;
	}
	for (left = pcm_central_homes(class); left != 0; left &= left - 1) {
		struct pcm_central *central =
			&pcm_centrals[__builtin_ctz(left)][class];

		pcm_lock(&central->lock);
		stats->nspans += central->nspans;
		stats->nbytes += central->nbytes;
		stats->nout += central->nout;
		pcm_unlock(&central->lock);
	}
	stats->nout += pcm_mixed_nout(class);
}

/* Calls f for every lock that may be in use. */
static void
for_each_lock(void (*f)(struct pcm_lock *lock))
{
	unsigned c, left;

	for (c = 1; c < PCM_NCLASSES; c++)
		for (left = pcm_central_homes(c); left != 0; left &= left - 1)
			f(&pcm_centrals[__builtin_ctz(left)][c].lock);
}

void
pcm_central_fork_lock(void)
{
	pcm_lock_unchecked(&homes_lock);
	for_each_lock(pcm_lock_unchecked);
}

void
pcm_central_fork_unlock(void)
{
	for_each_lock(pcm_unlock_unchecked);
	pcm_unlock_unchecked(&homes_lock);
}

void
pcm_central_fork_child(void)
{
	for_each_lock(pcm_lock_reset);
	pcm_lock_reset(&homes_lock);
}
