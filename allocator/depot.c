/*
 * depot.c - stacks of magazines, bounded, with decay.
 *
 * The working set is what an interval needed: the least number of full magazines
 * seen since the last decay was not part of it, and goes to the spans.
 */
#include "depot.h"

#include <stdatomic.h>

#include "capacity.h"
#include "central.h"
#include "limit.h"
#include "lock.h"
#include "percpu.h"
#include "pulse.h"
#include "size_class.h"

/*
 * A class may keep this many bytes, or MIN_FULL magazines if that is more. What is
 * over goes to the spans, where its pages can serve other sizes while they are still
 * in the CPU's caches.
 */
#define MAX_BYTES ((size_t)512 << 10)
#define MIN_FULL 1u
#define MAX_EMPTY 4u

/*
 * Full ones by the home of the objects in them, as far as one object tells it. Stacks
 * end with NULL, so that a class nobody uses needs no memory touched.
 */
static struct depot {
	struct pcm_lock lock;
	uint32_t nempty, nfull; /* nfull: of all homes */
	void **empty;
	void **full[PCM_NHOMES];
	uint16_t n[PCM_NHOMES];	  /* full ones of a home */
	uint16_t low[PCM_NHOMES]; /* least n since the last decay */
	size_t nobjs;		  /* in the full ones */
} PCM_LINE_ALIGNED depots[PCM_NCLASSES];

_Static_assert(sizeof(struct depot) == PCM_CACHE_LINE, "one line");

static size_t max_bytes = MAX_BYTES; /* of a class */
static unsigned min_full = MIN_FULL;

void
pcm_depot_budget(size_t nbytes)
{
	if (nbytes / PCM_NCLASSES >= MAX_BYTES)
		return;
	max_bytes = nbytes / PCM_NCLASSES;
	min_full = 0;
}

void
pcm_depot_init(void)
{
	unsigned c;

	for (c = 1; c < PCM_NCLASSES; c++)
		pcm_lock_set_rank(&depots[c].lock, PCM_RANK_DEPOT);
}

static void
push(void ***stack, void **mag)
{
	*pcm_mag_link(mag) = *stack;
	*stack = mag;
}

static void **
pop(void ***stack)
{
	void **mag = *stack;

	if (mag == NULL)
		return PCM_MAG_NONE;
	*stack = *pcm_mag_link(mag);
	return mag;
}

/* False: there are enough of them. */
static bool
push_empty_locked(struct depot *depot, void **mag)
{
	if (depot->nempty >= MAX_EMPTY)
		return false;
	push(&depot->empty, mag);
	depot->nempty++;
	return true;
}

static void **
pop_empty_locked(struct depot *depot)
{
	void **mag = pop(&depot->empty);

	depot->nempty -= mag != PCM_MAG_NONE;
	return mag;
}

/*
 * What all depots hold. Objects in depots keep their spans alive, so many classes
 * that are full of objects from an earlier phase would cost a multiple of that:
 * bounded by a part of the heap. Relaxed; a sum in passing will do.
 */
#define ALL_MIN ((size_t)512 << 10)
#define ALL_DIVISOR 512u

static atomic_size_t in_all;

static void
add_to_all(unsigned class, ptrdiff_t n)
{
	atomic_fetch_add_explicit(&in_all,
				  (size_t)n * pcm_size_class[class].size,
				  memory_order_relaxed);
}

static bool
enough_in_all(void)
{
	size_t now = atomic_load_explicit(&in_all, memory_order_relaxed);

	return now > ALL_MIN && now - ALL_MIN > pcm_limit_held() / ALL_DIVISOR;
}

static void **
pop_of_home_locked(struct depot *depot, unsigned class, unsigned home)
{
	void **mag = pop(&depot->full[home]);

	if (mag == PCM_MAG_NONE)
		return mag;
	depot->nfull--;
	depot->n[home]--;
	if (depot->n[home] < depot->low[home])
		depot->low[home] = depot->n[home];
	depot->nobjs -= pcm_mag_count(mag);
	add_to_all(class, -(ptrdiff_t)pcm_mag_count(mag));
	return mag;
}

/* One of that home; if it has none, of any other. */
static void **
pop_full_locked(struct depot *depot, unsigned class, unsigned home)
{
	void **mag = pop_of_home_locked(depot, class, home);
	unsigned h;

	for (h = 0; h < PCM_NHOMES && mag == PCM_MAG_NONE &&
	     depot->nfull > 0; h++)
		mag = pop_of_home_locked(depot, class, h);
	return mag;
}

static bool
has_room(const struct depot *depot, unsigned class, unsigned home,
	 void **mag)
{
	size_t nobjs = depot->nobjs + pcm_mag_count(mag);

	if (atomic_load_explicit(&pcm_limit_near, memory_order_relaxed))
		return false;
	return depot->nfull < min_full ||
		(depot->n[home] < UINT16_MAX &&
		 nobjs * pcm_size_class[class].size <= max_bytes &&
		 !enough_in_all());
}

/* Returns false if there are enough of them. */
static bool
push_full_locked(struct depot *depot, unsigned class, unsigned home,
		 void **mag)
{
	if (!has_room(depot, class, home, mag))
		return false;
	push(&depot->full[home], mag);
	depot->nfull++;
	depot->n[home]++;
	depot->nobjs += pcm_mag_count(mag);
	add_to_all(class, (ptrdiff_t)pcm_mag_count(mag));
	return true;
}

void **
pcm_depot_flush(unsigned class, void **mag)
{
	unsigned n = pcm_mag_count(mag);
	void **objs = mag - n;

	pcm_central_flush(class, objs, n);
	return objs;
}

/*
 * See pcm_central_sift(). The magazine may be empty, before and afterwards; if it is
 * not, *home is where its objects come from, as far as the top one tells.
 */
static void **
sift(unsigned class, void **mag, unsigned *home)
{
	unsigned n = pcm_mag_count(mag);
	void **objs = mag - n;

	if (n > 0)
		mag = objs + pcm_central_sift(class, objs, n);
	if (mag != objs)
		*home = pcm_central_home(class, mag[-1]);
	return mag;
}

void **
pcm_depot_get_full(unsigned class, unsigned home, void **empty)
{
	struct depot *depot = &depots[class];
	void **mag;

	pcm_lock(&depot->lock);
	mag = pop_full_locked(depot, class, home);
	if (mag != PCM_MAG_NONE && empty != PCM_MAG_NONE &&
	    push_empty_locked(depot, empty))
		empty = PCM_MAG_NONE;
	pcm_unlock(&depot->lock);
	pcm_pulse_cached(0, false);
	if (mag != PCM_MAG_NONE && empty != PCM_MAG_NONE)
		pcm_mag_delete(empty);
	return mag;
}

void **
pcm_depot_get_empty(unsigned class, void **full)
{
	struct depot *depot = &depots[class];
	void **mag = PCM_MAG_NONE;
	unsigned home = 0;

	if (full != PCM_MAG_NONE) {
		pcm_pulse_cached(pcm_mag_count(full) *
				 (size_t)pcm_size_class[class].size, true);
		full = sift(class, full, &home);
		if (pcm_mag_empty(full))
			return pcm_mag_resize(full, pcm_capacity(class));
	}
	pcm_lock(&depot->lock);
	if (full == PCM_MAG_NONE || push_full_locked(depot, class, home, full)) {
		full = PCM_MAG_NONE;
		mag = pop_empty_locked(depot);
	}
	pcm_unlock(&depot->lock);
	if (full != PCM_MAG_NONE)
		mag = pcm_depot_flush(class, full);
	if (mag == PCM_MAG_NONE)
		return pcm_mag_new(pcm_capacity(class));
	return pcm_mag_resize(mag, pcm_capacity(class));
}

void
pcm_depot_put(unsigned class, void **mag)
{
	struct depot *depot = &depots[class];
	bool kept = true;
	unsigned home = 0;

	mag = sift(class, mag, &home);
	pcm_lock(&depot->lock);
	if (!pcm_mag_empty(mag))
		kept = push_full_locked(depot, class, home, mag);
	else
		kept = push_empty_locked(depot, mag);
	pcm_unlock(&depot->lock);
	if (kept)
		return;
	if (!pcm_mag_empty(mag))
		mag = pcm_depot_flush(class, mag);
	pcm_mag_delete(mag);
}

/* Flushes up to n full magazines of a home, one at a time. */
static void
flush_full(unsigned class, unsigned home, unsigned n)
{
	struct depot *depot = &depots[class];
	void **mag;

	while (n-- > 0) {
		pcm_lock(&depot->lock);
		mag = pop_of_home_locked(depot, class, home);
		pcm_unlock(&depot->lock);
		if (mag == PCM_MAG_NONE)
			return;
		pcm_mag_delete(pcm_depot_flush(class, mag));
	}
}

static void
decay_home(unsigned class, unsigned home)
{
	struct depot *depot = &depots[class];
	unsigned idle;

	pcm_lock(&depot->lock);
	idle = depot->low[home];
	depot->low[home] = depot->n[home];
	pcm_unlock(&depot->lock);
	flush_full(class, home, (idle + 1) / 2);
}

void
pcm_depot_decay(void)
{
	unsigned c, left;

	for (c = 1; c < PCM_NCLASSES; c++) {
		if (pcm_capacity(c) == 0)
			continue; /* there never was a magazine */
		for (left = pcm_central_homes(c); left != 0; left &= left - 1)
			decay_home(c, (unsigned)__builtin_ctz(left));
	}
}

void
pcm_depot_drain(void)
{
	unsigned c, h;
	void **mag;

	for (c = 1; c < PCM_NCLASSES; c++) {
		for (h = 0; h < PCM_NHOMES; h++)
			flush_full(c, h, (unsigned)-1);
		do {
			pcm_lock(&depots[c].lock);
			mag = pop_empty_locked(&depots[c]);
			pcm_unlock(&depots[c].lock);
			if (mag != PCM_MAG_NONE)
				pcm_mag_delete(mag);
		} while (mag != PCM_MAG_NONE);
	}
}

size_t
pcm_depot_nobjs(unsigned class)
{
	size_t n;

	pcm_lock(&depots[class].lock);
	n = depots[class].nobjs;
	pcm_unlock(&depots[class].lock);
	return n;
}

void
pcm_depot_fork_lock(void)
{
	unsigned c;

	for (c = 1; c < PCM_NCLASSES; c++)
		pcm_lock_unchecked(&depots[c].lock);
}

void
pcm_depot_fork_unlock(void)
{
	unsigned c;

	for (c = PCM_NCLASSES; c-- > 1;)
		pcm_unlock_unchecked(&depots[c].lock);
}

void
pcm_depot_fork_child(void)
{
	unsigned c;

	for (c = 1; c < PCM_NCLASSES; c++)
		pcm_lock_reset(&depots[c].lock);
}
