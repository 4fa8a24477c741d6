/*
 * limit.c - counting, and what happens when a limit is near.
 *
 * The process's resident memory is looked up (/proc/self/statm) at every tick, and
 * whenever `held` has grown by so much that it may have come near the limit: by
 * what was missing at the last look, but at least by a part of the limit.
 */
#include "limit.h"

#include <limits.h>
#include <stdint.h>
#include <time.h>

#include "cache.h"
#include "central.h"
#include "cgroup.h"
#include "descriptors.h"
#include "emergency.h"
#include "leftover.h"
#include "mapping.h"
#include "meta.h"
#include "page_heap.h"
#include "percpu.h"
#include "raw_syscall.h"
#include "sys.h"

/* A heap that is smaller need not know its control group. */
#define SMALL_HEAP ((size_t)32 << 20)
#define LOOK_MIN ((size_t)1 << 20)
#define LOOK_DIVISOR 64u

/* Near is the last sixteenth, and ends when two of them are free again. */
#define NEAR_DIVISOR 16u

/* Tries to make room under the hard limit, while others do or undo the same. */
#define ROOM_TRIES 2u

/* What others are giving back is waited for, so often at most. */
#define NAPS 2000u
#define NAP_NS 50000L

atomic_bool pcm_limit_near;

static atomic_size_t held, next_look = SIZE_MAX;
static atomic_size_t held_when_near;

/* How many are giving back. Relaxed: it follows the locks of what they take out. */
static atomic_uint nreleasing;
static atomic_size_t soft = SIZE_MAX;
static size_t hard = SIZE_MAX;

/* One thread at a time looks; the others go on. */
static atomic_flag looking = ATOMIC_FLAG_INIT;

#define LOAD(x) atomic_load_explicit(&(x), memory_order_relaxed)
#define STORE(x, value) atomic_store_explicit(&(x), value, memory_order_relaxed)

void
pcm_limit_init(size_t soft_limit, size_t hard_limit)
{
	hard = hard_limit;
	if (soft_limit == SIZE_MAX)
		return;
	STORE(soft, soft_limit);
	STORE(next_look, soft_limit == 0 ? SMALL_HEAP : soft_limit / 2);
}

static void
ask_control_group(void)
{
	struct pcm_cgroup group;

	pcm_cgroup_read(&group, "/proc/self/cgroup", "/sys/fs/cgroup");
	STORE(soft, group.memory);
}

static void
give_back_all(void)
{
	pcm_cache_drain();
	pcm_central_trim();
	pcm_mapping_cache_release(SIZE_MAX);
	pcm_page_heap_release(SIZE_MAX);
	pcm_descriptor_drain();
	pcm_meta_release(0);
	pcm_emergency_release();
	pcm_leftover_retry();
}

static size_t
resident(void)
{
	size_t nbytes = pcm_sys_resident();

	return nbytes == 0 ? LOAD(held) : nbytes;
}

static void
look(void)
{
	size_t limit, near, now, step;

	if (LOAD(soft) == 0)
		ask_control_group();
	limit = LOAD(soft);
	if (limit == SIZE_MAX) {
		STORE(next_look, SIZE_MAX);
		return;
	}
	near = limit - limit / NEAR_DIVISOR;
	now = resident();
	if (now >= near) {
		STORE(held_when_near, LOAD(held));
		STORE(pcm_limit_near, true);
		give_back_all();
		now = resident();
	} else if (now < near - limit / NEAR_DIVISOR) {
		STORE(pcm_limit_near, false);
	}
	/* What is held and not resident may become so without our doing. */
	if (now < LOAD(held))
		now = LOAD(held);
	step = near > now ? near - now : 0;
	if (step < limit / LOOK_DIVISOR + LOOK_MIN)
		step = limit / LOOK_DIVISOR + LOOK_MIN;
	STORE(next_look, LOAD(held) + step);
}

static void
look_alone(void)
{
	if (atomic_flag_test_and_set_explicit(&looking, memory_order_acquire))
		return;
	look();
	atomic_flag_clear_explicit(&looking, memory_order_release);
}

void
pcm_limit_tick(void)
{
	if (LOAD(next_look) != SIZE_MAX && LOAD(soft) != 0)
		look_alone();
}

/* Adds them if the limit allows it. */
static bool
take(size_t nbytes)
{
	size_t now = LOAD(held);

	do
		if (hard != SIZE_MAX && (now > hard || nbytes > hard - now))
			return false;
	while (!atomic_compare_exchange_weak_explicit(
		&held, &now, now + nbytes, memory_order_relaxed,
		memory_order_relaxed));
	return true;
}

static void
nap(void)
{
	const struct timespec length = { 0, NAP_NS };

	pcm_syscall2(SYS_nanosleep, &length, NULL);
}

/*
 * What others are unmapping still counts, and is in no cache any more. Who can never have
 * so much does not take anybody's caches.
 */
static bool
take_from_caches(size_t nbytes)
{
	unsigned tries = 0, naps = 0;

	if (nbytes > hard)
		return false;
	for (;;) {
		give_back_all();
		if (take(nbytes))
			return true;
		if (LOAD(nreleasing) == 0 && ++tries >= ROOM_TRIES)
			return false;
		if (++naps > NAPS)
			return false;
		nap();
	}
}

bool
pcm_limit_take(size_t nbytes)
{
	if (PCM_UNLIKELY(!take(nbytes)) && !take_from_caches(nbytes))
		return false;
	if (PCM_UNLIKELY(LOAD(held) > LOAD(next_look)))
		look_alone();
	return true;
}

void
pcm_limit_release_begin(void)
{
	atomic_fetch_add_explicit(&nreleasing, 1, memory_order_relaxed);
}

void
pcm_limit_release_end(void)
{
	atomic_fetch_sub_explicit(&nreleasing, 1, memory_order_relaxed);
}

void
pcm_limit_hold(size_t nbytes)
{
	atomic_fetch_add_explicit(&held, nbytes, memory_order_relaxed);
}

/*
 * Nearness ends without a look when little is held, and a quarter of the limit has been
 * given back: if little was held before, other memory of the process is near it.
 */
void
pcm_limit_give(size_t nbytes)
{
	size_t now = atomic_fetch_sub_explicit(&held, nbytes,
					       memory_order_relaxed) - nbytes;
	size_t limit = LOAD(soft);

	if (PCM_UNLIKELY(LOAD(pcm_limit_near)) && now < limit / 4 * 3 &&
	    now + limit / 4 < LOAD(held_when_near)) {
		STORE(pcm_limit_near, false);
		STORE(next_look, limit / 8 * 7);
	}
}

size_t
pcm_limit_held(void)
{
	return LOAD(held);
}

size_t
pcm_limit_soft(void)
{
	size_t limit = LOAD(soft);

	return limit == 0 ? SIZE_MAX : limit;
}

size_t
pcm_limit_hard(void)
{
	return hard;
}

void
pcm_limit_fork_count(size_t nbytes)
{
	STORE(held, nbytes);
}

void
pcm_limit_fork_child(void)
{
	STORE(nreleasing, 0);
	atomic_flag_clear_explicit(&looking, memory_order_relaxed);
}
