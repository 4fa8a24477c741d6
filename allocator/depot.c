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
#include "home.h"
#include "limit.h"
#include "lock.h"
#include "percpu.h"
#include "pulse.h"
#include "size_class.h"

/*
 * A class may keep this many bytes in a home. What is over goes to the spans, where its
 * pages can serve other sizes while they are still in the CPU's caches.
 */
#define MAX_BYTES ((size_t)512 << 10)

/*
 * Empty magazines that wait for objects; only so many of them, MANY_EMPTY, survive a
 * tick. Who builds and frees large trees in turns needs as many as the trees fill.
 */
#define MAX_EMPTY 32u
#define MANY_EMPTY 1u

struct pcm_home pcm_homes[PCM_NHOMES] PCM_TABLE("1");
atomic_uchar pcm_home_reusing[PCM_NCLASSES];

/*
 * Bit h: home h has been used. Bits are only ever added, under the lock, so that fork()
 * knows which locks there are.
 */
static struct pcm_lock used_lock = PCM_LOCK_INIT(PCM_RANK_DEPOTS);
static atomic_uint used = 1;

static size_t budget = SIZE_MAX; /* for all */

void
pcm_depot_budget(size_t nbytes)
{
	budget = nbytes;
}

static void
set_ranks(unsigned home)
{
	unsigned c;

	for (c = 1; c < PCM_NCLASSES; c++)
		pcm_lock_set_rank(&pcm_homes[home].depot[c].lock, PCM_RANK_DEPOT);
}

/* What is written before it is read takes one page fault instead of two. */
void
pcm_depot_init(void)
{
	atomic_store_explicit(&pcm_homes[0].depot_bytes, 0, memory_order_relaxed);
	set_ranks(0);
}

static unsigned
homes_used(void)
{
	return atomic_load_explicit(&used, memory_order_acquire);
}

static PCM_COLD unsigned
use_home(unsigned home)
{
	/* Who forks holds the locks of all homes that there were. */
	if (pcm_lock_passes)
		return 0;
	pcm_lock(&used_lock);
	if (!(homes_used() >> home & 1))
		set_ranks(home);
	atomic_fetch_or_explicit(&used, 1u << home, memory_order_release);
	pcm_unlock(&used_lock);
	return home;
}

/* A home that may be locked: mostly the one asked for. */
static unsigned
usable(unsigned home)
{
	return PCM_LIKELY(homes_used() >> home & 1) ? home : use_home(home);
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

/* Numbers that are looked at without the lock, too. */
static void
set_n(uint16_t *n, unsigned value)
{
	__atomic_store_n(n, (uint16_t)value, __ATOMIC_RELAXED);
}

static unsigned
get_n(const uint16_t *n)
{
	return __atomic_load_n(n, __ATOMIC_RELAXED);
}

static void
add_objs(struct pcm_depot *depot, int n)
{
	__atomic_store_n(&depot->nobjs, depot->nobjs + (unsigned)n,
			 __ATOMIC_RELAXED);
}

static unsigned
get_objs(const struct pcm_depot *depot)
{
	return __atomic_load_n(&depot->nobjs, __ATOMIC_RELAXED);
}

/* False: there are enough of them. */
static bool
push_empty_locked(struct pcm_depot *depot, void **mag)
{
	if (depot->nempty >= MAX_EMPTY)
		return false;
	push(&depot->empty, mag);
	set_n(&depot->nempty, depot->nempty + 1u);
	return true;
}

static void **
pop_empty_locked(struct pcm_depot *depot)
{
	void **mag = pop(&depot->empty);

	if (mag != PCM_MAG_NONE)
		set_n(&depot->nempty, depot->nempty - 1u);
	return mag;
}

/* Relaxed; a sum in passing will do. */
static void
add_to_home(struct pcm_home *home, unsigned class, ptrdiff_t n)
{
	atomic_fetch_add_explicit(&home->depot_bytes,
				  (size_t)n * pcm_size_class[class].size,
				  memory_order_relaxed);
}

static void **
pop_full_locked(struct pcm_home *home, unsigned class)
{
	struct pcm_depot *depot = &home->depot[class];
	void **mag = pop(&depot->full);

	if (mag == PCM_MAG_NONE)
		return mag;
	set_n(&depot->nfull, depot->nfull - 1u);
	if (depot->nfull < depot->low)
		depot->low = depot->nfull;
	add_objs(depot, -(int)pcm_mag_count(mag));
	add_to_home(home, class, -(ptrdiff_t)pcm_mag_count(mag));
	return mag;
}

/* See pcm_home_reuses(). */
static int
get_reuse(unsigned home, unsigned class)
{
	return __atomic_load_n(&pcm_homes[home].depot[class].reuse,
			       __ATOMIC_RELAXED);
}

static void
set_reuse(unsigned home, unsigned class, int reuse)
{
	atomic_uchar *reusing = &pcm_home_reusing[class];
	unsigned char bit = (unsigned char)(1u << home);

	if (reuse > PCM_REUSE_MAX)
		reuse = PCM_REUSE_MAX;
	if (reuse >= 0 && reuse != get_reuse(home, class))
		__atomic_store_n(&pcm_homes[home].depot[class].reuse,
				 (uint8_t)reuse, __ATOMIC_RELAXED);
	if (PCM_LIKELY(pcm_home_reuses(home, class) == (reuse >= PCM_REUSE_MUCH)))
		return;
	if (reuse >= PCM_REUSE_MUCH)
		atomic_fetch_or_explicit(reusing, bit, memory_order_relaxed);
	else
		atomic_fetch_and_explicit(reusing, (unsigned char)~bit,
					  memory_order_relaxed);
}

/*
 * What all depots hold. Objects in depots keep their spans alive, so many classes
 * that are full of objects from an earlier phase would cost a multiple of that:
 * bounded by a part of the heap, a larger one of a small heap. A home within its share
 * need not look at the others, so that all together may have up to twice as much.
 */
#define ALL_LEAST ((size_t)256 << 10)
#define ALL_MOST ((size_t)512 << 10)
#define ALL_SMALL_DIVISOR 16u
#define ALL_DIVISOR 512u

static size_t
in_all_homes(void)
{
	unsigned left;
	size_t n = 0;

	for (left = homes_used(); left != 0; left &= left - 1)
		n += atomic_load_explicit(&pcm_homes[__builtin_ctz(left)].depot_bytes,
					  memory_order_relaxed);
	return n;
}

/* What all may have is exceeded: so many looks later it mostly still is. */
#define SKIP 8u

/*
 * A home that has its share looks at what the others have, which is on lines that they write to
 * all the time. Where it takes again what it frees, and others do as much, that is mostly in vain;
 * what it frees for others may be gone the next moment.
 */
static bool
little_with_others(struct pcm_home *home, unsigned class, size_t nbytes, size_t most)
{
	unsigned skip = atomic_load_explicit(&home->skip, memory_order_relaxed);
	bool little = false;

	if (skip == 0 || !pcm_home_reuses((unsigned)(home - pcm_homes), class)) {
		little = in_all_homes() + nbytes <= most;
		skip = little ? 0 : SKIP + 1;
	}
	if (skip > 0)
		atomic_store_explicit(&home->skip, (unsigned char)(skip - 1),
				      memory_order_relaxed);
	return little;
}

/* With nbytes more. */
static bool
little_in_all(struct pcm_home *home, unsigned class, size_t nbytes)
{
	size_t held = pcm_limit_held();
	size_t in_home = atomic_load_explicit(&home->depot_bytes, memory_order_relaxed);
	size_t most = pcm_limit_part(held, ALL_SMALL_DIVISOR, ALL_LEAST,
				     ALL_MOST) + held / ALL_DIVISOR;

	if (most > budget / 2)
		most = budget / 2;
	return in_home + nbytes <= pcm_percpu_home_share(most) ||
		little_with_others(home, class, nbytes, most);
}

/* Without the lock it is a guess. */
static bool
has_room(struct pcm_home *home, unsigned class, void **mag)
{
	const struct pcm_depot *depot = &home->depot[class];
	size_t size = pcm_size_class[class].size;
	size_t nbytes = pcm_mag_count(mag) * size;

	if (atomic_load_explicit(&pcm_limit_near, memory_order_relaxed))
		return false;
	return get_objs(depot) * size + nbytes <= MAX_BYTES &&
		get_n(&depot->nfull) < UINT16_MAX && little_in_all(home, class, nbytes);
}

/* Returns false if there are enough of them. */
static bool
push_full_locked(struct pcm_home *home, unsigned class, void **mag)
{
	struct pcm_depot *depot = &home->depot[class];

	if (!has_room(home, class, mag))
		return false;
	push(&depot->full, mag);
	set_n(&depot->nfull, depot->nfull + 1u);
	add_objs(depot, (int)pcm_mag_count(mag));
	add_to_home(home, class, (ptrdiff_t)pcm_mag_count(mag));
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
 * Whose blocks share a cache line of 64 bytes. Not worth it where a CPU frees what another one
 * allocates, and seldom takes again what it has put here.
 */
static bool
minds_strangers(unsigned class, unsigned home)
{
	return pcm_size_class[class].size < PCM_CACHE_LINE / 2 &&
		pcm_home_reuses(home, class);
}

/*
 * What stays of a magazine that is to be put: nothing where there is no room for it. See
 * central.h for what leaves otherwise. It may be empty, before and afterwards.
 */
static void **
sift(unsigned class, unsigned which, void **mag)
{
	struct pcm_home *home = &pcm_homes[which];
	unsigned n = pcm_mag_count(mag);
	void **objs = mag - n;

	if (n == 0)
		return mag;
	set_reuse(which, class, get_reuse(which, class) - 1);
	if (!has_room(home, class, mag))
		return pcm_depot_flush(class, mag);
	n = pcm_central_sift(class, objs, n);
	if (n > 0 && minds_strangers(class, which))
		n = pcm_central_send_strangers(class, which, objs, n);
	return objs + n;
}

/* From that home, to which the empty one goes. */
static void **
get_full_of(unsigned which, unsigned class, void **empty)
{
	struct pcm_home *home = &pcm_homes[which];
	struct pcm_depot *depot = &home->depot[class];
	void **mag;

	if (get_n(&depot->nfull) == 0)
		return PCM_MAG_NONE; /* mostly so for who only allocates */
	pcm_lock(&depot->lock);
	mag = pop_full_locked(home, class);
	if (mag == PCM_MAG_NONE) {
		pcm_unlock(&depot->lock);
		return mag;
	}
	if (empty != PCM_MAG_NONE && push_empty_locked(depot, empty))
		empty = PCM_MAG_NONE;
	pcm_unlock(&depot->lock);
	if (empty != PCM_MAG_NONE)
		pcm_mag_delete(empty);
	return mag;
}

void **
pcm_depot_get_full(unsigned class, unsigned home, void **empty)
{
	pcm_pulse_came(home);
	home = usable(home);
	set_reuse(home, class, get_reuse(home, class) + PCM_REUSE_ASKED);
	return get_full_of(home, class, empty);
}

void **
pcm_depot_get_others(unsigned class, unsigned home, void **empty, bool all)
{
	unsigned left = homes_used();
	void **mag = PCM_MAG_NONE;

	if (!all)
		left &= ~(1u << home);
	for (; left != 0 && mag == PCM_MAG_NONE; left &= left - 1) {
		unsigned other = (unsigned)__builtin_ctz(left);

		if (all || !pcm_home_reuses(other, class))
			mag = get_full_of(other, class, empty);
	}
	return mag;
}

void **
pcm_depot_get_empty(unsigned class, unsigned which, void **full)
{
	struct pcm_home *home;
	void **mag = PCM_MAG_NONE;

	which = usable(which);
	home = &pcm_homes[which];
	if (full != PCM_MAG_NONE) {
		pcm_pulse_left(which, pcm_mag_count(full) *
				       (size_t)pcm_size_class[class].size);
		full = sift(class, which, full);
		if (pcm_mag_empty(full))
			return pcm_mag_resize(full, pcm_capacity(class));
	}
	pcm_lock(&home->depot[class].lock);
	if (full == PCM_MAG_NONE || push_full_locked(home, class, full)) {
		full = PCM_MAG_NONE;
		mag = pop_empty_locked(&home->depot[class]);
	}
	pcm_unlock(&home->depot[class].lock);
	if (full != PCM_MAG_NONE)
		mag = pcm_depot_flush(class, full);
	if (mag == PCM_MAG_NONE)
		return pcm_mag_new(pcm_capacity(class));
	return pcm_mag_resize(mag, pcm_capacity(class));
}

void
pcm_depot_put(unsigned class, unsigned which, void **mag)
{
	struct pcm_home *home;
	bool kept;

	which = usable(which);
	home = &pcm_homes[which];
	mag = sift(class, which, mag);
	pcm_lock(&home->depot[class].lock);
	if (!pcm_mag_empty(mag))
		kept = push_full_locked(home, class, mag);
	else
		kept = push_empty_locked(&home->depot[class], mag);
	pcm_unlock(&home->depot[class].lock);
	if (kept)
		return;
	if (!pcm_mag_empty(mag))
		mag = pcm_depot_flush(class, mag);
	pcm_mag_delete(mag);
}

/* Flushes up to n full magazines, one at a time. */
static void
flush_full(struct pcm_home *home, unsigned class, unsigned n)
{
	void **mag;

	while (n-- > 0) {
		pcm_lock(&home->depot[class].lock);
		mag = pop_full_locked(home, class);
		pcm_unlock(&home->depot[class].lock);
		if (mag == PCM_MAG_NONE)
			return;
		pcm_mag_delete(pcm_depot_flush(class, mag));
	}
}

/* Deletes empty magazines until there are n. */
static void
delete_empty(struct pcm_depot *depot, unsigned n)
{
	void **mag;

	do {
		mag = PCM_MAG_NONE;
		pcm_lock(&depot->lock);
		if (depot->nempty > n)
			mag = pop_empty_locked(depot);
		pcm_unlock(&depot->lock);
		if (mag != PCM_MAG_NONE)
			pcm_mag_delete(mag);
	} while (mag != PCM_MAG_NONE);
}

static void
decay(unsigned which, unsigned class)
{
	struct pcm_home *home = &pcm_homes[which];
	struct pcm_depot *depot = &home->depot[class];
	unsigned idle;

	set_reuse(which, class, get_reuse(which, class) / 2);
	if (get_n(&depot->nfull) == 0 && get_n(&depot->nempty) <= MANY_EMPTY)
		return; /* as most are */
	pcm_lock(&depot->lock);
	idle = depot->low;
	depot->low = depot->nfull;
	pcm_unlock(&depot->lock);
	flush_full(home, class, (idle + 1) / 2);
	delete_empty(depot, MANY_EMPTY);
}

void
pcm_depot_decay(void)
{
	unsigned c, left;

	for (left = homes_used(); left != 0; left &= left - 1)
		for (c = 1; c < PCM_NCLASSES; c++)
			if (pcm_capacity(c) != 0) /* there may be magazines */
				decay((unsigned)__builtin_ctz(left), c);
}

void
pcm_depot_drain(void)
{
	unsigned c, left;

	for (left = homes_used(); left != 0; left &= left - 1) {
		struct pcm_home *home = &pcm_homes[__builtin_ctz(left)];

		for (c = 1; c < PCM_NCLASSES; c++) {
			flush_full(home, c, (unsigned)-1);
			delete_empty(&home->depot[c], 0);
		}
	}
}

size_t
pcm_depot_nobjs(unsigned class)
{
	unsigned left;
	size_t n = 0;

	for (left = homes_used(); left != 0; left &= left - 1) {
		struct pcm_depot *depot = &pcm_homes[__builtin_ctz(left)].depot[class];

		pcm_lock(&depot->lock);
		n += depot->nobjs;
		pcm_unlock(&depot->lock);
	}
	return n;
}

/* ---- fork ---- */

static void
each_lock(void (*f)(struct pcm_lock *lock))
{
	unsigned c, left;

	for (left = homes_used(); left != 0; left &= left - 1)
		for (c = 1; c < PCM_NCLASSES; c++)
			f(&pcm_homes[__builtin_ctz(left)].depot[c].lock);
}

void
pcm_depot_fork_lock(void)
{
	pcm_lock_unchecked(&used_lock);
	each_lock(pcm_lock_unchecked);
}

void
pcm_depot_fork_unlock(void)
{
	each_lock(pcm_unlock_unchecked);
	pcm_unlock_unchecked(&used_lock);
}

void
pcm_depot_fork_child(void)
{
	each_lock(pcm_lock_reset);
	pcm_lock_reset(&used_lock);
}
