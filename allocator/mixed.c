/*
 * mixed.c - blocks of any class, out of the holes of mixed spans and back.
 *
 * A block comes out of the first span on the first list that has a hole for it: long
 * holes are kept for large blocks. From that span all that is wanted is taken.
 */
#include "mixed.h"

#include "bits.h"
#include "central_lists.h"
#include "meta.h"
#include "mixed_home.h"
#include "pagemap.h"

#define UNIT PCM_MIXED_UNIT

/* Blocks of mixed spans. Larger ones leave hardly a hole in their own spans. */
#define SMALLEST 16u
#define LARGEST 16384u

struct pcm_mixed_home pcm_mixed_homes[PCM_NHOMES];

bool
pcm_mixed_suits(unsigned class)
{
	return pcm_size_class[class].size >= SMALLEST &&
		pcm_size_class[class].size <= LARGEST;
}

static size_t
bytes_of(unsigned class)
{
	size_t nbytes = (size_t)pcm_size_class[class].npages << PCM_PAGE_SHIFT;

	return pcm_holes_bytes((unsigned)(nbytes / UNIT));
}

struct pcm_mixed *
pcm_mixed_new(unsigned class)
{
	return bytes_of(class) > PCM_META_MAX ? NULL :
						pcm_meta_alloc(bytes_of(class));
}

void
pcm_mixed_delete(struct pcm_mixed *mixed, unsigned class)
{
	pcm_meta_free(mixed, bytes_of(class));
}

/* ---- lists ---- */

static void
set_nonempty(struct pcm_mixed_home *home, unsigned list, bool value)
{
	pcm_bits_put(home->nonempty, 1, list, value);
}

static void
unlink_locked(struct pcm_mixed_home *home, struct pcm_mixed *mixed)
{
	if (mixed->list == 0)
		return;
	if (mixed->prev != NULL)
		mixed->prev->next = mixed->next;
	else
		home->list[mixed->list] = mixed->next;
	if (mixed->next != NULL)
		mixed->next->prev = mixed->prev;
	if (home->list[mixed->list] == NULL)
		set_nonempty(home, mixed->list, false);
	mixed->list = 0;
}

/* The largest class of at most so many units; 0: none. */
static unsigned
class_within(unsigned nunits)
{
	return pcm_size_class_within((size_t)nunits * UNIT);
}

void
pcm_mixed_relink_locked(struct pcm_mixed_home *home, struct pcm_mixed *mixed)
{
	unsigned list = class_within(mixed->longest);

	if (list == mixed->list)
		return;
	unlink_locked(home, mixed);
	if (list == 0)
		return;
	mixed->list = (uint8_t)list;
	mixed->prev = NULL;
	mixed->next = home->list[list];
	if (mixed->next != NULL)
		mixed->next->prev = mixed;
	home->list[list] = mixed;
	set_nonempty(home, list, true);
}

static void
leave_order_locked(struct pcm_mixed_home *home, struct pcm_mixed *mixed)
{
	if (mixed->older != NULL)
		mixed->older->newer = mixed->newer;
	else
		home->oldest = mixed->newer;
	if (mixed->newer != NULL)
		mixed->newer->older = mixed->older;
	else
		home->newest = mixed->older;
}

static void
enter_order_locked(struct pcm_mixed_home *home, struct pcm_mixed *mixed)
{
	mixed->newer = NULL;
	mixed->older = home->newest;
	if (mixed->older != NULL)
		mixed->older->newer = mixed;
	else
		home->oldest = mixed;
	home->newest = mixed;
}

void
pcm_mixed_settle_locked(struct pcm_mixed_home *home, struct pcm_mixed *mixed)
{
	if (!mixed->settled)
		leave_order_locked(home, mixed);
	mixed->settled = true;
}

static void
touch_locked(struct pcm_mixed_home *home, struct pcm_mixed *mixed)
{
	uint8_t now = __atomic_load_n(&pcm_span_tick, __ATOMIC_RELAXED);

	if (!mixed->settled) {
		if (mixed->tick == now)
			return;
		leave_order_locked(home, mixed);
	}
	mixed->settled = false;
	mixed->tick = now;
	enter_order_locked(home, mixed);
}

/* ---- out ---- */

/* The first list from `class` on that is not empty; 0: none. */
static unsigned
list_for(const struct pcm_mixed_home *home, unsigned class)
{
	unsigned list = pcm_bits_next(home->nonempty, 1, class, PCM_NCLASSES, true);

	return list < PCM_NCLASSES ? list : 0;
}

/* Something was taken out of the span or put into it; its longest hole was `longest`. */
static void
changed_locked(struct pcm_mixed_home *home, struct pcm_mixed *mixed,
	       unsigned longest)
{
	touch_locked(home, mixed);
	if (mixed->longest != longest)
		pcm_mixed_relink_locked(home, mixed);
}

static unsigned
take_locked(struct pcm_mixed_home *home, unsigned class, void **objs, unsigned n)
{
	unsigned nunits = pcm_size_class[class].size / UNIT;
	unsigned list, taken = 0;

	while (taken < n && (list = list_for(home, class)) != 0) {
		struct pcm_mixed *mixed = home->list[list];
		unsigned longest = mixed->longest;

		taken += pcm_holes_take(mixed, nunits, objs + taken, n - taken);
		changed_locked(home, mixed, longest);
	}
	home->nfree -= (size_t)taken * nunits;
	home->nout[class] += taken;
	return taken;
}

unsigned
pcm_mixed_take(unsigned class, unsigned home, void **objs, unsigned n)
{
	unsigned i, taken = 0;

	for (i = 0; i < PCM_NHOMES && taken == 0; i++) {
		struct pcm_mixed_home *h =
			&pcm_mixed_homes[(home + i) % PCM_NHOMES];

		if (list_for(h, class) == 0)
			continue;
		pcm_lock(&h->lock);
		taken = take_locked(h, class, objs, n);
		pcm_unlock(&h->lock);
	}
	return taken;
}

/* ---- back ---- */

/* NULL: it is none, or none any more. Acquire: with the release in pcm_mixed_adopt(). */
static struct pcm_mixed *
mixed_of(const struct pcm_span *span)
{
	if (span == NULL ||
	    __atomic_load_n(&span->kind, __ATOMIC_ACQUIRE) != PCM_SPAN_MIXED)
		return NULL;
	return span->mixed;
}

/*
 * The same of p, after its page's class was read: if that was 0 because the span has
 * become mixed, then it is seen to be mixed. The fence is with pcm_mixed_adopt()'s.
 */
static struct pcm_mixed *
mixed_at(const void *p, struct pcm_span **span)
{
	__atomic_thread_fence(__ATOMIC_ACQUIRE);
	*span = pcm_pagemap_span(p);
	return mixed_of(*span);
}

static bool
lies_in(const struct pcm_mixed *mixed, const void *p)
{
	return (size_t)((const char *)p - mixed->span->start) <
		mixed->span->nbytes;
}

void
pcm_mixed_leave_locked(struct pcm_mixed_home *home, struct pcm_mixed *mixed,
		       struct pcm_span **empty)
{
	struct pcm_span *span = mixed->span;

	unlink_locked(home, mixed);
	pcm_mixed_settle_locked(home, mixed);
	home->nspans--;
	home->nunits -= mixed->nunits;
	home->nfree -= mixed->nunits;
	span->mixed = NULL;
	pcm_meta_free(mixed, pcm_holes_bytes(mixed->nunits));
	span->next = *empty;
	*empty = span;
}

/* Those of the n blocks that lie in the span, as far as one after the other does. */
static unsigned
put_locked(struct pcm_mixed_home *home, struct pcm_mixed *mixed, unsigned class,
	   void *const *objs, unsigned n, struct pcm_span **empty,
	   enum pcm_span_fault *fault)
{
	unsigned done = 0, longest = mixed->longest;

	while (done < n && lies_in(mixed, objs[done])) {
		*fault = pcm_holes_put(mixed, class, objs[done]);
		if (PCM_UNLIKELY(*fault != PCM_SPAN_OK))
			break;
		done++;
	}
	home->nfree += (size_t)done * pcm_size_class[class].size / UNIT;
	home->nout[class] -= done;
	if (pcm_holes_empty(mixed)) {
		pcm_mixed_leave_locked(home, mixed, empty);
		return done;
	}
	changed_locked(home, mixed, longest);
	return done;
}

unsigned
pcm_mixed_put(unsigned class, void *const *objs, unsigned n,
	      struct pcm_span **empty, enum pcm_span_fault *fault)
{
	struct pcm_span *span;
	struct pcm_mixed *mixed = mixed_at(objs[0], &span);
	struct pcm_mixed_home *home;
	unsigned done = 0;

	*fault = mixed == NULL ? PCM_SPAN_FREE_ALREADY : PCM_SPAN_OK;
	if (mixed == NULL)
		return 0;
	home = &pcm_mixed_homes[pcm_central_home_of(span)];
	pcm_lock(&home->lock);
	/* The first one's span, too, may have left meanwhile, if a block was freed twice. */
	while (done < n && *fault == PCM_SPAN_OK &&
	       (mixed = mixed_at(objs[done], &span)) != NULL &&
	       &pcm_mixed_homes[pcm_central_home_of(span)] == home)
		done += put_locked(home, mixed, class, objs + done, n - done,
				   empty, fault);
	pcm_unlock(&home->lock);
	return done;
}

bool
pcm_mixed_has(const void *p)
{
	struct pcm_span *span;

	return mixed_at(p, &span) != NULL;
}

unsigned
pcm_mixed_class(const void *p)
{
	struct pcm_span *span;
	struct pcm_mixed *mixed = mixed_at(p, &span);

	return mixed == NULL ? 0 :
			       class_within(pcm_holes_length(span, mixed, p));
}

enum pcm_span_fault
pcm_mixed_check(const struct pcm_span *span, const void *p)
{
	struct pcm_mixed *mixed = mixed_of(span);

	return mixed == NULL ? PCM_SPAN_FREE_ALREADY : pcm_holes_check(span, mixed, p);
}

/* ---- becoming mixed ---- */

/*
 * Others may be freeing blocks of the span meanwhile. Who finds the class that its pages
 * had frees a block of it, as it is. Who finds none finds a mixed span (by the fences here
 * and in mixed_at()), and waits for the lock if it has to change it: by then the span is
 * one of the home's.
 */
void
pcm_mixed_adopt(struct pcm_mixed *mixed, struct pcm_span *span)
{
	struct pcm_mixed_home *home = &pcm_mixed_homes[span->home];

	pcm_holes_init(mixed, span);
	pcm_lock_set_rank(&home->lock, PCM_RANK_MIXED);
	pcm_lock(&home->lock);
	/* Not before: who forks passes a lock that it has not taken. */
	__atomic_store_n(&home->in_use, true, __ATOMIC_RELAXED);
	home->nspans++;
	home->nunits += mixed->nunits;
	home->nfree += mixed->nfree;
	home->nout[span->class] += span->nobjs - span->nfree;
	enter_order_locked(home, mixed);
	pcm_mixed_relink_locked(home, mixed);
	span->mixed = mixed;
	__atomic_store_n(&span->kind, PCM_SPAN_MIXED, __ATOMIC_RELEASE);
	__atomic_thread_fence(__ATOMIC_RELEASE);
	pcm_pagemap_set_class(span->start, span->nbytes >> PCM_PAGE_SHIFT, 0);
	pcm_unlock(&home->lock);
}

/* ---- all homes ---- */

void
pcm_mixed_stats_get(struct pcm_mixed_stats *stats)
{
	unsigned h;

	*stats = (struct pcm_mixed_stats){ 0 };
	for (h = 0; h < PCM_NHOMES; h++) {
		struct pcm_mixed_home *home = &pcm_mixed_homes[h];

		if (!pcm_mixed_in_use(home))
			continue;
		pcm_lock(&home->lock);
		stats->nspans += home->nspans;
		stats->nbytes += home->nunits * UNIT;
		stats->nfree += home->nfree * UNIT;
		pcm_unlock(&home->lock);
	}
}

size_t
pcm_mixed_nout(unsigned class)
{
	size_t n = 0;
	unsigned h;

	for (h = 0; h < PCM_NHOMES; h++) {
		struct pcm_mixed_home *home = &pcm_mixed_homes[h];

		if (!pcm_mixed_in_use(home))
			continue;
		pcm_lock(&home->lock);
		n += home->nout[class];
		pcm_unlock(&home->lock);
	}
	return n;
}

static void
for_each_lock(void (*f)(struct pcm_lock *lock))
{
	unsigned h;

	for (h = 0; h < PCM_NHOMES; h++)
		if (pcm_mixed_in_use(&pcm_mixed_homes[h]))
			f(&pcm_mixed_homes[h].lock);
}

void
pcm_mixed_fork_lock(void)
{
	for_each_lock(pcm_lock_unchecked);
}

void
pcm_mixed_fork_unlock(void)
{
	for_each_lock(pcm_unlock_unchecked);
}

void
pcm_mixed_fork_child(void)
{
	for_each_lock(pcm_lock_reset);
}
