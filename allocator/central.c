/*
 * central.c - blocks out of spans and back.
 */
#include "central.h"

#include "capacity.h"
#include "central_lists.h"
#include "home.h"
#include "limit.h"
#include "misuse.h"
#include "mixed.h"
#include "page_heap.h"
#include "pagemap.h"
#include "single_thread.h"
#include "sys.h"

/* ---- out ---- */

/*
 * A heap that has got so large has all sizes: what rounding up costs grows with it, and
 * what sizes cost does not.
 */
#define ALL_SIZES_AT ((size_t)8 << 20)

/* The page heap had nothing, a while ago; cleared by the next tick. Relaxed, a hint. */
static atomic_bool exhausted;

static bool
spares_memory(void)
{
	return atomic_load_explicit(&pcm_limit_near, memory_order_relaxed) ||
		atomic_load_explicit(&exhausted, memory_order_relaxed) ||
		pcm_sys_limited();
}

void
pcm_central_tick(void)
{
	atomic_store_explicit(&exhausted, false, memory_order_relaxed);
}

/*
 * What is free at another home is taken before there is new memory, unless that home will
 * soon need it itself: it is busy with visits, or mostly takes again what it frees, and uses
 * more than a fourth of what it has of the class. Taken by turns, the same blocks
 * and spans would go to and fro between the CPUs, and each write to them would wait for the
 * other one's cache.
 */
#define KEPT_DIVISOR 4u

static bool
keeps(const struct pcm_central *other, unsigned class, unsigned home)
{
	size_t nall;

	if (!pcm_size_class_has_all() || spares_memory() || pcm_single_threaded())
		return false;
	if (pcm_capacity_busy(home))
		return true;
	if (!pcm_home_reuses(home, class))
		return false;
	nall = pcm_central_nall(other);
	return pcm_central_nfree(other) < nall - nall / KEPT_DIVISOR;
}

/*
 * Does it not keep it, and has something? In this order: who keeps everything need not be
 * looked at, which would fetch a line that it writes to.
 */
static bool
gives(const struct pcm_central *other, unsigned class, unsigned home)
{
	return !keeps(other, class, home) && !pcm_central_seems_full(other);
}

/*
 * The other homes of the class, a bit for each: bit i is the i-th after `home`, so that
 * not all begin with the same one.
 */
static unsigned
others(unsigned class, unsigned home)
{
	unsigned homes = pcm_central_homes(class);

	return (homes | homes << PCM_NHOMES) >> home & ((1u << PCM_NHOMES) - 2);
}

/* The first one of `others`. */
static unsigned
first_other(unsigned home, unsigned others)
{
	return (home + (unsigned)__builtin_ctz(others)) % PCM_NHOMES;
}

/*
 * Another home's span becomes this home's, the emptiest: it has the fewest blocks
 * that others use. Homes whose lock is taken are passed over.
 */
static struct pcm_span *
take_over_locked(unsigned class, unsigned home)
{
	struct pcm_span *span = NULL;
	unsigned left = others(class, home);

	for (; left != 0 && span == NULL; left &= left - 1) {
		unsigned from = first_other(home, left);
		struct pcm_central *other = &pcm_centrals[from][class];

		if (!gives(other, class, from) || !pcm_trylock(&other->lock))
			continue;
		span = pcm_central_emptiest_locked(other);
		if (span != NULL)
			pcm_central_move_locked(span, home);
		pcm_unlock(&other->lock);
	}
	return span;
}

/* Of spans that the central has. */
static unsigned
take_locked(struct pcm_central *central, void **objs, unsigned n)
{
	struct pcm_span *span;
	unsigned taken = 0;

	while (taken < n &&
	       (span = pcm_central_fullest_locked(central)) != NULL) {
		taken += pcm_span_take(span, objs + taken, n - taken);
		pcm_central_relink_locked(span);
	}
	pcm_central_count_locked(central, taken);
	return taken;
}

/* Another home's span is taken over for the first block only, not to have all n. */
static unsigned
take(unsigned class, unsigned home, void **objs, unsigned n)
{
	struct pcm_central *central = &pcm_centrals[home][class];
	unsigned taken;

	pcm_lock(&central->lock);
	taken = take_locked(central, objs, n);
	if (taken == 0 && take_over_locked(class, home) != NULL)
		taken = take_locked(central, objs, n);
	pcm_unlock(&central->lock);
	return taken;
}

/*
 * A new span has at most one in so many of the blocks that the class has at its home: what
 * lies free in it is little then. Less in a small heap; more where CPUs are busy with visits,
 * as in long runs of blocks, which come and go by the span, and not for a heap that grows.
 */
#define PART 16u
#define PART_WHILE_BUSY 4u
#define PART_OF_FEW_SIZES 32u

static unsigned
part_for_one(unsigned home)
{
	if (!pcm_size_class_has_all())
		return PART_OF_FEW_SIZES;
	return pcm_capacity_spends(1u << home) ? PART_WHILE_BUSY : PART;
}

/*
 * Logical pages of the next span: a power of two times as many as the shortest has, lest
 * descriptors have all sizes.
 */
static size_t
next_length(unsigned class, unsigned home)
{
	const struct pcm_central *central = &pcm_centrals[home][class];
	const struct pcm_size_class *sc = &pcm_size_class[class];
	size_t most = pcm_central_nall(central) / (part_for_one(home) * sc->nobjs);
	size_t times = 1;

	if (most > sc->longest)
		most = sc->longest;
	while (2 * times <= most)
		times *= 2;
	return times == 1 || spares_memory() ? sc->npages : times * sc->npages;
}

struct pcm_span *
pcm_central_new_span(unsigned class, size_t npages)
{
	struct pcm_span *span;
	bool zeroed;
	char *start = pcm_page_heap_alloc(npages, &zeroed);

	if (start == NULL)
		return NULL;
	if (!pcm_size_class_has_all() && pcm_limit_held() >= ALL_SIZES_AT)
		pcm_size_class_use_all();
	span = pcm_span_new_small(start, npages, class, zeroed);
	if (span == NULL)
		pcm_page_heap_free(start, npages);
	return span;
}

/* One more span, of which nobody knows yet; NULL: no memory. */
static struct pcm_span *
new_span_for(unsigned class, unsigned home, size_t npages)
{
	size_t shortest = pcm_size_class[class].npages;
	struct pcm_span *span = pcm_central_new_span(class, npages);

	if (span == NULL && npages > shortest)
		span = pcm_central_new_span(class, shortest);
	if (span != NULL)
		span->home = (uint8_t)home;
	return span;
}

/* What is left of it is the home's. */
static void
enter(struct pcm_span *span)
{
	struct pcm_central *central = &pcm_centrals[span->home][span->class];

	pcm_lock(&central->lock);
	pcm_central_enter_locked(central, span);
	pcm_unlock(&central->lock);
}

/*
 * What others have, waiting for their locks; `all`: also what they would keep, because there
 * is no memory.
 */
static unsigned
take_elsewhere(unsigned class, unsigned home, void **objs, unsigned n, bool all)
{
	unsigned left = others(class, home), taken = 0;

	for (; left != 0 && taken == 0; left &= left - 1) {
		unsigned from = first_other(home, left);
		struct pcm_central *other = &pcm_centrals[from][class];

		if (all ? pcm_central_seems_full(other) :
			  !gives(other, class, from))
			continue;
		pcm_lock(&other->lock);
		taken = take_locked(other, objs, n);
		pcm_unlock(&other->lock);
	}
	return taken;
}

/* There is no memory: what there is anywhere; `mixed`: also in holes, however few they are. */
static unsigned
take_anywhere(unsigned class, unsigned home, void **objs, unsigned n, bool mixed)
{
	unsigned taken;

	atomic_store_explicit(&exhausted, true, memory_order_relaxed);
	taken = take_elsewhere(class, home, objs, n, true);
	if (taken == 0 && mixed && pcm_mixed_suits(class))
		taken = pcm_mixed_take(class, home, objs, n, true);
	return taken;
}

/* Others have nothing of such a class. */
static void *
take_single(unsigned class, bool *zeroed)
{
	void *obj = pcm_central_take_single(class, zeroed);

	if (PCM_UNLIKELY(obj == NULL))
		atomic_store_explicit(&exhausted, true, memory_order_relaxed);
	return obj;
}

static unsigned
fill_single(unsigned class, void **objs)
{
	bool zeroed;

	objs[0] = take_single(class, &zeroed);
	return objs[0] != NULL;
}

static unsigned
fill(unsigned class, unsigned home, void **objs, unsigned n, bool mixed)
{
	struct pcm_span *span;
	size_t npages;
	unsigned taken;

	if (pcm_central_is_single(class))
		return fill_single(class, objs);
	home = pcm_central_use_home(class, home);
	taken = take(class, home, objs, n);
	if (taken == 0)
		taken = take_elsewhere(class, home, objs, n, false);
	if (taken > 0)
		return taken;
	npages = next_length(class, home);
	if (mixed)
		taken = pcm_central_take_mixed(class, home, npages, objs, n);
	if (taken > 0)
		return taken;
	span = new_span_for(class, home, npages);
	if (span == NULL)
		return take_anywhere(class, home, objs, n, mixed);
	taken = pcm_span_take(span, objs, n);
	enter(span);
	return taken;
}

unsigned
pcm_central_fill(unsigned class, unsigned home, void **objs, unsigned n)
{
	return fill(class, home, objs, n, true);
}

unsigned
pcm_central_fill_aligned(unsigned class, unsigned home, void **objs, unsigned n)
{
	return fill(class, home, objs, n, false);
}

static void *
take_one(unsigned class, unsigned home, bool *zeroed)
{
	struct pcm_central *central = &pcm_centrals[home][class];
	struct pcm_span *span;
	void *obj = NULL;

	pcm_lock(&central->lock);
	span = pcm_central_fullest_locked(central);
	if (span == NULL)
		span = take_over_locked(class, home);
	if (span != NULL) {
		obj = pcm_span_take_one(span, zeroed);
		pcm_central_relink_locked(span);
		pcm_central_count_locked(central, 1);
	}
	pcm_unlock(&central->lock);
	if (obj == NULL)
		take_elsewhere(class, home, &obj, 1, false);
	return obj;
}

void *
pcm_central_take(unsigned class, unsigned home, bool *zeroed)
{
	struct pcm_span *span;
	size_t npages;
	void *obj;

	if (pcm_central_is_single(class))
		return take_single(class, zeroed);
	home = pcm_central_use_home(class, home);
	obj = take_one(class, home, zeroed);
	if (obj != NULL)
		return obj;
	npages = next_length(class, home);
	if (pcm_central_take_mixed(class, home, npages, &obj, 1) > 0)
		return obj;
	span = new_span_for(class, home, npages);
	if (span != NULL) {
		obj = pcm_span_take_one(span, zeroed);
		enter(span);
	} else {
		take_anywhere(class, home, &obj, 1, true);
	}
	return obj;
}

void *
pcm_central_take_aligned(unsigned class, unsigned home)
{
	void *obj = NULL;

	pcm_central_fill_aligned(class, home, &obj, 1);
	return obj;
}

void *
pcm_central_try_take(unsigned class)
{
	unsigned left = pcm_central_homes(class);
	void *obj = NULL;

	for (; left != 0 && obj == NULL; left &= left - 1) {
		struct pcm_central *central =
			&pcm_centrals[__builtin_ctz(left)][class];

		if (!pcm_trylock(&central->lock))
			continue;
		take_locked(central, &obj, 1);
		pcm_unlock(&central->lock);
	}
	return obj;
}

/* ---- back ---- */

_Noreturn void
pcm_central_report(const void *p, enum pcm_span_fault fault)
{
	pcm_misuse("free", p,
		   fault == PCM_SPAN_FREE_ALREADY ? PCM_MISUSE_ALREADY_FREE :
						    PCM_MISUSE_INTERIOR);
}

unsigned
pcm_central_put_locked(struct pcm_central *central, struct pcm_span *span,
		       void *const *objs, unsigned n, struct pcm_span **empty,
		       enum pcm_span_fault *fault)
{
	unsigned done = pcm_span_put(span, objs, n, fault);

	pcm_central_count_locked(central, -(ptrdiff_t)done);
	if (span->nfree < span->nobjs) {
		pcm_central_relink_locked(span);
		return done;
	}
	/* A block that was freed twice finds its span here, and off the lists. */
	if (done == 0)
		return 0;
	pcm_central_leave_locked(central, span, empty);
	return done;
}

/* The span of p; *central, locked or NULL before, is its central, locked. NULL: none. */
static struct pcm_span *
span_locked(unsigned class, const void *p, struct pcm_central **central)
{
	struct pcm_span *span;

	if (*central != NULL) {
		span = pcm_central_span_of(class, p);
		if (span == NULL || pcm_central_has(*central, span))
			return span;
		pcm_unlock(&(*central)->lock);
	}
	return pcm_central_lock_span(class, p, central);
}

/*
 * What has gone cold in a magazine lies in as many spans: their descriptors are fetched
 * together, rather than one cache miss after the other under the lock. Not where they lie near
 * each other, as what was allocated and freed in a run does, or a sample in one or two pages.
 */
#define FETCH_SAMPLE 8u
#define NEAR ((uintptr_t)64 << 10)

static bool
is_near(const void *p, const void *q)
{
	return (uintptr_t)p - (uintptr_t)q + NEAR < 2 * NEAR;
}

static void
fetch_spans(void *const *objs, unsigned n)
{
	uintptr_t page, before = 0;
	unsigned i, npages = 0;

	if (is_near(objs[n / 2], objs[0]) && is_near(objs[n - 1], objs[0]))
		return;
	for (i = 0; i < n && (i < FETCH_SAMPLE || npages > 2); i++) {
		page = (uintptr_t)objs[i] >> PCM_PAGE_SHIFT;
		if (page == before)
			continue;
		pcm_pagemap_fetch(objs[i]);
		before = page;
		npages++;
	}
}

static void
flush(unsigned class, void **objs, unsigned n)
{
	enum pcm_span_fault fault = PCM_SPAN_OK;
	struct pcm_span *span, *empty = NULL;
	struct pcm_central *central = NULL;
	unsigned done = 0;

	fetch_spans(objs, n);
	while (done < n && fault == PCM_SPAN_OK) {
		span = span_locked(class, objs[done], &central);
		if (PCM_LIKELY(span != NULL)) {
			done += pcm_central_put_locked(central, span,
						       objs + done, n - done,
						       &empty, &fault);
			continue;
		}
		if (central != NULL)
			pcm_unlock(&central->lock);
		central = NULL;
		done += pcm_mixed_put(class, objs + done, n - done, &empty,
				      &fault);
	}
	if (central != NULL)
		pcm_unlock(&central->lock);
	if (PCM_UNLIKELY(fault != PCM_SPAN_OK))
		pcm_central_report(objs[done], fault);
	pcm_central_give_back(empty);
}

void
pcm_central_flush(unsigned class, void **objs, unsigned n)
{
	unsigned part;

	if (pcm_central_is_single(class)) {
		pcm_central_put_singles(class, objs, n);
		return;
	}
	for (; n > 0; n -= part, objs += part) {
		part = n < PCM_CENTRAL_AT_ONCE ? n : PCM_CENTRAL_AT_ONCE;
		flush(class, objs, part);
	}
}
