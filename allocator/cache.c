/*
 * cache.c - loaded <-> spare <-> depot <-> central list.
 *
 * Loaded and spare together give the hysteresis: after a visit here at least a
 * magazine's worth of operations passes, or what the spans gave, before the depot is
 * needed again.
 */
#include "cache.h"

#include "cache_mixed.h"
#include "capacity.h"
#include "central.h"
#include "depot.h"
#include "percpu.h"
#include "size_class.h"

/*
 * Blocks that lie in one cache line come out of the magazine far from each other: two
 * threads that were on this CPU one after the other, and then go to different ones,
 * keep what they got here for as long as they free and allocate in turns, and each
 * write to it would take the line away from the other. (One line, not the pair of
 * PCM_CACHE_LINE: that would be twice as many lanes.)
 */
#define LINE 64u

static void **
put_apart(void **top, void *const *objs, unsigned n, unsigned nlanes)
{
	unsigned lane, i;

	for (lane = nlanes < n ? nlanes : n; lane-- > 0;)
		for (i = lane + (n - 1 - lane) / nlanes * nlanes + nlanes;
		     i > lane; i -= nlanes)
			pcm_mag_push(&top, objs[i - nlanes]);
	return top;
}

static void **
put_backwards(void **top, void *const *objs, unsigned n)
{
	for (; n >= 4; n -= 4, top += 4) {
		top[0] = objs[n - 1];
		top[1] = objs[n - 2];
		top[2] = objs[n - 3];
		top[3] = objs[n - 4];
	}
	while (n > 0)
		pcm_mag_push(&top, objs[--n]);
	return top;
}

static void **
put_in_order(void **top, void *const *objs, unsigned n, unsigned size)
{
	return size < LINE ? put_apart(top, objs, n, (LINE + size - 1) / size) :
			     put_backwards(top, objs, n);
}

/*
 * Blocks that a visit to the spans brings at most, of which a large magazine holds more:
 * they lie on the stack meanwhile, which may be a signal handler's.
 */
#define FILL_MAX PCM_MAG_NSLOTS_SMALL

/*
 * An empty magazine gets blocks from the spans; low addresses on top, so that pages are
 * touched in order. Deleted if there is no memory.
 */
static void **
fill(unsigned class, unsigned home, void **mag, bool aligned)
{
	unsigned n, nslots = pcm_mag_nslots(mag);
	void *objs[FILL_MAX];

	n = nslots < FILL_MAX ? nslots : FILL_MAX;
	n = aligned ? pcm_central_fill_aligned(class, home, objs, n) :
		      pcm_central_fill(class, home, objs, n);
	if (n == 0) {
		pcm_mag_delete(mag);
		return PCM_MAG_NONE;
	}
	return put_in_order(mag, objs, n, pcm_size_class[class].size);
}

/* A magazine that came out of a loaded word becomes the spare one. */
static void
stash(unsigned class, void **mag)
{
	void **old;

	if (mag == PCM_MAG_NONE)
		return;
	old = pcm_percpu_exchange(PCM_SPARE, class, mag);
	if (old != PCM_MAG_NONE)
		pcm_depot_put(class, pcm_percpu_home(), old);
}

/*
 * A magazine with at least one object; PCM_MAG_NONE: no memory for it. Who only
 * allocates needs no second one: the loaded one, which is empty, is filled.
 */
static void **
get_objects(unsigned class, bool aligned)
{
	void **spare = pcm_percpu_exchange(PCM_SPARE, class, PCM_MAG_NONE);
	unsigned home;
	void **full;

	if (!pcm_mag_empty(spare))
		return spare;
	home = pcm_percpu_home();
	pcm_capacity_miss(class, home);
	full = pcm_depot_get_full(class, home, spare);
	if (full == PCM_MAG_NONE)
		full = pcm_depot_get_others(class, home, spare, false);
	if (full != PCM_MAG_NONE)
		return full;
	if (spare == PCM_MAG_NONE)
		spare = pcm_percpu_exchange(PCM_LOADED, class, PCM_MAG_NONE);
	if (!pcm_mag_empty(spare))
		return spare; /* of another CPU, or somebody has freed since */
	if (spare == PCM_MAG_NONE)
		spare = pcm_depot_get_empty(class, home, PCM_MAG_NONE);
	if (spare != PCM_MAG_NONE)
		full = fill(class, home,
			    pcm_mag_resize(spare, pcm_capacity(class)), aligned);
	if (PCM_LIKELY(full != PCM_MAG_NONE))
		return full;
	/* There is no memory: what others would rather keep. */
	return pcm_depot_get_others(class, home, PCM_MAG_NONE, true);
}

static void *
alloc_direct(unsigned class, bool *zeroed)
{
	bool is_zero = false;
	void *obj = pcm_central_take(class, pcm_percpu_home(), &is_zero);

	if (zeroed != NULL && is_zero)
		*zeroed = true;
	return obj;
}

/* False: magazines do not serve it. */
static bool
alloc_cached(unsigned class, bool aligned, void **obj)
{
	void **mag;

	if (PCM_UNLIKELY(pcm_capacity(class) == 0)) {
		pcm_capacity_miss(class, pcm_percpu_home());
		if (pcm_capacity(class) == 0)
			return false;
	}
	if (pcm_percpu_pop(class, obj))
		return true;
	mag = get_objects(class, aligned);
	if (mag == PCM_MAG_NONE)
		return false;
	*obj = pcm_mag_pop(&mag);
	stash(class, pcm_percpu_exchange(PCM_LOADED, class, mag));
	return true;
}

void *
pcm_cache_alloc(unsigned class, bool *zeroed)
{
	void *obj;

	return alloc_cached(class, false, &obj) ? obj :
						  alloc_direct(class, zeroed);
}

/* Blocks of mixed spans come into magazines when they are freed. */
void *
pcm_cache_alloc_aligned(unsigned class, size_t align)
{
	void *obj;

	if (alloc_cached(class, true, &obj)) {
		if (PCM_LIKELY(((uintptr_t)obj & (align - 1)) == 0))
			return obj;
		pcm_central_flush(class, &obj, 1);
	}
	return pcm_central_take_aligned(class, pcm_percpu_home());
}

/* A magazine with room; PCM_MAG_NONE: no memory for it. */
static void **
get_room(unsigned class)
{
	void **spare = pcm_percpu_exchange(PCM_SPARE, class, PCM_MAG_NONE);
	unsigned home;

	if (spare != PCM_MAG_NONE && pcm_mag_empty(spare))
		return pcm_mag_resize(spare, pcm_capacity(class));
	if (!pcm_mag_full(spare))
		return spare;
	home = pcm_percpu_home();
	pcm_capacity_miss(class, home);
	return pcm_depot_get_empty(class, home, spare);
}

void
pcm_cache_free(unsigned class, void *p)
{
	void **mag;

	if (class == PCM_CLASS_MIXED) {
		pcm_cache_free_mixed(p);
		return;
	}
	if (PCM_LIKELY(pcm_capacity(class) != 0)) {
		if (pcm_percpu_push(class, p))
			return;
		mag = get_room(class);
	} else {
		mag = PCM_MAG_NONE;
	}
	if (mag == PCM_MAG_NONE) {
		pcm_central_flush(class, &p, 1);
		return;
	}
	pcm_mag_push(&mag, p);
	stash(class, pcm_percpu_exchange(PCM_LOADED, class, mag));
}

void
pcm_cache_send_home(unsigned class, void *p)
{
	if (class == PCM_CLASS_MIXED)
		class = pcm_cache_mixed_class(p);
	pcm_central_flush(class, &p, 1);
}

static void
drain_one(unsigned class, void **mag)
{
	if (class == PCM_CLASS_MIXED)
		pcm_cache_flush_mixed(mag);
	else
		pcm_mag_delete(pcm_depot_flush(class, mag));
}

void
pcm_cache_drain_idle(void)
{
	pcm_percpu_drain_idle(drain_one);
}

void
pcm_cache_drain(void)
{
	pcm_percpu_drain(drain_one);
	pcm_depot_drain();
}
