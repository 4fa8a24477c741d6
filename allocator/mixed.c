/*
 * mixed.c - blocks of any class, out of the holes of mixed spans and back.
 *
 * A block comes out of the first span on the first list that has a hole for it: long
 * holes are kept for large blocks. From that span all that is wanted is taken.
 */
#include "mixed.h"

#include "bits.h"
#include "central_lists.h"
#include "limit.h"
#include "meta.h"
#include "mixed_home.h"
#include "pagemap.h"
#include "single_thread.h"

#define UNIT PCM_MIXED_UNIT

/* Blocks of mixed spans. Larger ones leave hardly a hole in their own spans. */
#define SMALLEST PCM_MIXABLE_MIN
#define LARGEST PCM_MIXABLE_MAX

_Static_assert(2 * PCM_HOLES_NGROUPS <= PCM_PAGEMAP_NLINES &&
	       (2 * PCM_HOLES_NGROUPS + 1) * PCM_PAGEMAP_LINE <= PCM_META_MAX,
	       "what has so many lines has a number for each");

struct pcm_mixed_home pcm_mixed_homes[PCM_NHOMES] PCM_TABLE("6");

bool
pcm_mixed_suits(unsigned class)
{
	return pcm_size_class[class].size >= SMALLEST &&
		pcm_size_class[class].size <= LARGEST;
}

bool
pcm_mixed_shares(unsigned class)
{
	return pcm_size_class[class].size >= PCM_MIXED_SHARED_MIN ||
		pcm_single_threaded() ||
		atomic_load_explicit(&pcm_limit_near, memory_order_relaxed);
}

struct pcm_mixed *
pcm_mixed_new(size_t nbytes)
{
	pcm_holes_prepare();
	return nbytes > PCM_HOLES_BYTES_MAX ? NULL : pcm_meta_alloc(pcm_holes_bytes(nbytes));
}

void
pcm_mixed_delete(struct pcm_mixed *mixed, size_t nbytes)
{
	pcm_meta_free(mixed, pcm_holes_bytes(nbytes));
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

void
pcm_mixed_relink_locked(struct pcm_mixed_home *home, struct pcm_mixed *mixed)
{
	unsigned list = pcm_holes_best(mixed);

	if (list == mixed->list)
		return;
	unlink_locked(home, mixed);
	if (list == 0)
		return;
	mixed->list = list & 0x7f;
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
	uint8_t now = pcm_span_now();

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

/* Something was taken out of the span or put into it. */
static void
changed_locked(struct pcm_mixed_home *home, struct pcm_mixed *mixed)
{
	touch_locked(home, mixed);
	pcm_mixed_relink_locked(home, mixed);
}

/*
 * The next ones of a list may be the next that are taken from: of the next one but one the
 * header is fetched meanwhile, of the next one, whose header was, the bits.
 */
static void
fetch(const struct pcm_mixed *next, unsigned class)
{
	if (next == NULL)
		return;
	__builtin_prefetch(next->next, 1);
	pcm_holes_fetch(next, class);
}

static unsigned
take_locked(struct pcm_mixed_home *home, unsigned class, void **objs, unsigned n)
{
	unsigned list, taken = 0;

	while (taken < n && (list = list_for(home, class)) != 0) {
		struct pcm_mixed *mixed = home->list[list];

		fetch(mixed->next, class);
		taken += pcm_holes_take(mixed, class, objs + taken, n - taken);
		changed_locked(home, mixed);
	}
	home->nfree -= (size_t)taken * (pcm_size_class[class].size / UNIT);
	home->nout[class] += taken;
	return taken;
}

unsigned
pcm_mixed_take(unsigned class, unsigned home, void **objs, unsigned n, bool all)
{
	unsigned nhomes = all || pcm_mixed_shares(class) ? PCM_NHOMES : 1;
	unsigned i, taken = 0;

	for (i = 0; i < nhomes && taken == 0; i++) {
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

/*
 * The mixed span that p lies in, and which of its units; NULL: in none, or in none any
 * more. To be called after the class of p's page was read: if that was PCM_CLASS_MIXED, then
 * this sees it. The fence is with pcm_mixed_adopt()'s.
 */
PCM_ALWAYS_INLINE struct pcm_mixed *
mixed_at(const void *p, unsigned *unit)
{
	uintptr_t entry;

	__atomic_thread_fence(__ATOMIC_ACQUIRE);
	entry = pcm_pagemap_entry(p);
	if (!pcm_pagemap_has_line(entry))
		return NULL;
	*unit = pcm_pagemap_line(entry) * (unsigned)PCM_MIXED_UNITS_PER_PAGE +
		(unsigned)((uintptr_t)p % PCM_PAGE / UNIT);
	return pcm_pagemap_header(entry);
}

void
pcm_mixed_leave_locked(struct pcm_mixed_home *home, struct pcm_mixed *mixed,
		       struct pcm_span **empty)
{
	struct pcm_span *span = mixed->span;

	unlink_locked(home, mixed);
	pcm_mixed_settle_locked(home, mixed);
	home->nspans--;
	home->nunits -= pcm_holes_nunits(mixed);
	home->nfree -= pcm_holes_nunits(mixed);
	span->mixed = NULL;
	pcm_pagemap_set_span(span->start, span->nbytes >> PCM_PAGE_SHIFT, span);
	pcm_meta_free(mixed, pcm_holes_bytes(span->nbytes));
	span->next = *empty;
	*empty = span;
}

/* pcm_holes_put(), the first one at that unit; the span finds its place, or leaves. */
static unsigned
put_locked(struct pcm_mixed_home *home, struct pcm_mixed *mixed, unsigned unit,
	   unsigned class, void *const *objs, unsigned n, struct pcm_span **empty,
	   enum pcm_span_fault *fault)
{
	const char *start = (const char *)((uintptr_t)objs[0] / UNIT * UNIT) -
		(size_t)unit * UNIT;
	unsigned done = pcm_holes_put(mixed, start, class, objs, n, fault);

	home->nfree += (size_t)done * (pcm_size_class[class].size / UNIT);
	home->nout[class] -= done;
	if (pcm_holes_empty(mixed))
		pcm_mixed_leave_locked(home, mixed, empty);
	else
		changed_locked(home, mixed);
	return done;
}

/* If a block was freed twice, its span may have left, and `home` be anything. */
static struct pcm_mixed_home *
home_of(const struct pcm_mixed *mixed)
{
	return &pcm_mixed_homes[mixed->home % PCM_NHOMES];
}

unsigned
pcm_mixed_put(unsigned class, void *const *objs, unsigned n,
	      struct pcm_span **empty, enum pcm_span_fault *fault)
{
	unsigned unit, done = 0;
	struct pcm_mixed *mixed = mixed_at(objs[0], &unit);
	struct pcm_mixed_home *home;

	*fault = mixed == NULL ? PCM_SPAN_FREE_ALREADY : PCM_SPAN_OK;
	if (mixed == NULL)
		return 0;
	home = home_of(mixed);
	pcm_lock(&home->lock);
	/* What was looked up without the lock is looked up again. */
	while (done < n && *fault == PCM_SPAN_OK &&
	       (mixed = mixed_at(objs[done], &unit)) != NULL &&
	       home_of(mixed) == home)
		done += put_locked(home, mixed, unit, class, objs + done, n - done,
				   empty, fault);
	pcm_unlock(&home->lock);
	return done;
}

bool
pcm_mixed_has(const void *p)
{
	unsigned unit;

	return mixed_at(p, &unit) != NULL;
}

/* Longer than any block is what is held while it is given back. */
unsigned
pcm_mixed_class(const void *p)
{
	unsigned unit, length;
	struct pcm_mixed *mixed = mixed_at(p, &unit);

	if (mixed == NULL || PCM_UNLIKELY((uintptr_t)p % UNIT != 0))
		return 0;
	length = pcm_holes_length(mixed, unit);
	return PCM_LIKELY(length <= LARGEST / UNIT) ? pcm_holes_class(length) : 0;
}

/* Acquire: with the release in pcm_mixed_adopt(). */
enum pcm_span_fault
pcm_mixed_check(const struct pcm_span *span, const void *p)
{
	struct pcm_mixed *mixed = NULL;

	if (__atomic_load_n(&span->kind, __ATOMIC_ACQUIRE) == PCM_SPAN_MIXED)
		mixed = span->mixed;
	return mixed == NULL ? PCM_SPAN_FREE_ALREADY : pcm_holes_check(span, mixed, p);
}

/* ---- becoming mixed ---- */

/*
 * Others may be freeing blocks of the span meanwhile. Who finds the class that its pages
 * had frees a block of it, as it is. Who finds PCM_CLASS_MIXED finds a mixed span (by the fences here
 * and in mixed_at()), and waits for the lock if it has to change it: by then the span is
 * one of the home's.
 */
void
pcm_mixed_adopt(struct pcm_mixed *mixed, struct pcm_span *span)
{
	struct pcm_mixed_home *home = &pcm_mixed_homes[span->home];
	size_t npages = span->nbytes >> PCM_PAGE_SHIFT;

	pcm_holes_init(mixed, span);
	pcm_lock_set_rank(&home->lock, PCM_RANK_MIXED);
	pcm_lock(&home->lock);
	/* Not before: who forks passes a lock that it has not taken. */
	__atomic_store_n(&home->in_use, true, __ATOMIC_RELAXED);
	home->nspans++;
	home->nunits += pcm_holes_nunits(mixed);
	home->nfree += mixed->nfree;
	home->nout[span->class] += span->nobjs - span->nfree;
	enter_order_locked(home, mixed);
	pcm_mixed_relink_locked(home, mixed);
	span->mixed = mixed;
	pcm_pagemap_set_lines(span->start, npages, mixed);
	__atomic_store_n(&span->kind, PCM_SPAN_MIXED, __ATOMIC_RELEASE);
	__atomic_thread_fence(__ATOMIC_RELEASE);
	pcm_pagemap_set_class(span->start, npages, PCM_CLASS_MIXED);
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
