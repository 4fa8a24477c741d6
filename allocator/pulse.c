/*
 * pulse.c - ticks, and seeing to it that there are some.
 *
 * Times are those of the coarse clock, in ms. All is relaxed and may be lost or
 * counted twice in races: only the time of decay follows from it. Only the ticks that
 * are left may not, nor what is cut off (pcm_pulse_cut()): whether memory goes back at all
 * follows from them.
 */
#include "pulse.h"

#include <stdint.h>

#include "background.h"
#include "cache.h"
#include "capacity.h"
#include "central.h"
#include "conf.h"
#include "depot.h"
#include "descriptors.h"
#include "emergency.h"
#include "home.h"
#include "leftover.h"
#include "limit.h"
#include "mapping.h"
#include "meta.h"
#include "mixed.h"
#include "page_heap.h"
#include "page_heap_check.h"
#include "sys.h"
#include "thp.h"

/*
 * Much is idle: more than this and this part of what is used. What comes and goes
 * within two ticks is not idle, unless it is so much that nobody may come by again.
 */
#define IDLE_MIN ((size_t)4 << 20)
#define IDLE_DIVISOR 8u
#define SUDDEN_MIN ((size_t)16 << 20)
#define SUDDEN_DIVISOR 4u

/* Ticks after the last one that found much: caches empty in two, pages in two. */
#define MORE_TICKS 6

/*
 * Ticks in a row that found much idle and gave nothing back: the program has
 * locked its memory. Then nothing is tried for so many ms.
 */
#define FUTILE_TICKS 10
#define FUTILE_MS 10000u

/*
 * Ticks between two looks for idle magazines, while nothing much is idle: what is
 * drained too early comes back by page faults.
 */
#define IDLE_TICKS 4u

/* Pages of metadata that wait for the next spans. */
#define KEEP_META 16u

atomic_int pcm_pulse_ticks_left;
atomic_size_t pcm_pulse_fine_end = PCM_PULSE_UNCUT;

/*
 * When the next tick is due. Whoever advances it does the work; whoever finds 0 only
 * winds it up: a process that has just started has nothing idle.
 */
static _Atomic uint64_t next_tick;

/*
 * Bytes that have left the CPUs' caches since any came back. A home adds its own when
 * they are so many, COUNT_MIN, lest all CPUs write to one line all the time.
 */
#define COUNT_MIN ((size_t)256 << 10)

static atomic_size_t in_a_row;

static atomic_int futile;
static atomic_uint nticks;
static _Atomic uint64_t not_before;

#define LOAD(x) atomic_load_explicit(&(x), memory_order_relaxed)
#define FETCH_ADD(x, n) atomic_fetch_add_explicit(&(x), n, memory_order_relaxed)
#define STORE(x, value) atomic_store_explicit(&(x), value, memory_order_relaxed)

static bool
much(size_t idle, size_t used)
{
	return idle > IDLE_MIN && idle - IDLE_MIN > used / IDLE_DIVISOR;
}

/*
 * Neither loses the other's: a tick that ends the pulse, and memory that prolongs it.
 * If it fails, *left is what there is.
 */
static bool
change_ticks(int *left, int to)
{
	return atomic_compare_exchange_strong_explicit(
		&pcm_pulse_ticks_left, left, to, memory_order_relaxed,
		memory_order_relaxed);
}

/* The fence is with pcm_pulse_cut()'s: who leaves the slow path looks next whether it cuts. */
static void
start_ticks(void)
{
	if (atomic_exchange_explicit(&pcm_pulse_ticks_left, MORE_TICKS,
				     memory_order_relaxed) > 0)
		return;
	atomic_thread_fence(memory_order_seq_cst);
	if (pcm_conf.background != 0)
		STORE(pcm_background_due, true);
}

/*
 * What is freed while the pulse is active starts its ticks anew: it may be the last that
 * the program does, and the ticks that are left too few to find it idle.
 */
static void
become_active(void)
{
	int left = LOAD(pcm_pulse_ticks_left);

	while (left > 0)
		if (left == MORE_TICKS || change_ticks(&left, MORE_TICKS))
			return;
	if (pcm_sys_now() < LOAD(not_before))
		return;
	STORE(futile, 0);
	start_ticks();
}

static bool
suddenly_much(size_t free, size_t used)
{
	return free > SUDDEN_MIN && free - SUDDEN_MIN > used / SUDDEN_DIVISOR;
}

void
pcm_pulse_freed(size_t free, size_t idle, size_t used)
{
	if (PCM_UNLIKELY(suddenly_much(free, used) || much(idle, used)))
		become_active();
}

void
pcm_pulse_left(unsigned home, size_t nbytes)
{
	size_t sum;

	nbytes += LOAD(pcm_homes[home].went_back);
	if (nbytes < COUNT_MIN) {
		STORE(pcm_homes[home].went_back, nbytes);
		return;
	}
	STORE(pcm_homes[home].went_back, 0);
	sum = LOAD(in_a_row) + nbytes;
	STORE(in_a_row, sum);
	if (PCM_UNLIKELY(sum > IDLE_MIN))
		become_active();
}

void
pcm_pulse_came(unsigned home)
{
	if (LOAD(pcm_homes[home].went_back) != 0)
		STORE(pcm_homes[home].went_back, 0);
	if (LOAD(in_a_row) != 0)
		STORE(in_a_row, 0);
}

static void
count_down(bool found_much, bool gave_back)
{
	int left = LOAD(pcm_pulse_ticks_left);

	if (!found_much) {
		STORE(futile, 0);
		if (left > 0)
			change_ticks(&left, left - 1);
		return;
	}
	start_ticks(); /* others' may have ended while this one gave back */
	STORE(futile, gave_back ? 0 : LOAD(futile) + 1);
	if (LOAD(futile) < FUTILE_TICKS)
		return;
	STORE(pcm_pulse_ticks_left, 0);
	STORE(not_before, pcm_sys_now() + FUTILE_MS);
}

#if PCM_DEBUG

/* Every so many ticks. */
#define CHECK_TICKS 16u

static void
check(void)
{
	static atomic_uint ticks;

	if (atomic_fetch_add_explicit(&ticks, 1, memory_order_relaxed) %
		    CHECK_TICKS == 0 &&
	    (pcm_page_heap_check() != NULL || pcm_mixed_verify() != NULL))
		__builtin_trap();
}

#else

static void
check(void)
{
}

#endif

/*
 * Who has seen an inactive pulse may be the last to store, although it has become active:
 * nothing would ever make a tick then. So whoever stores looks again. By the fences here and
 * in start_ticks() either this one sees the ticks, or the other one what this one has stored.
 */
void
pcm_pulse_cut(void)
{
	bool cut;

	do {
		cut = pcm_pulse_should_cut();
		STORE(pcm_pulse_fine_end, cut ? 0 : PCM_PULSE_UNCUT);
		atomic_thread_fence(memory_order_seq_cst);
	} while (cut != pcm_pulse_should_cut());
}

void
pcm_pulse_tick(void)
{
	bool active = pcm_pulse_active();
	struct pcm_page_heap_stats before;
	size_t given;

	pcm_limit_tick();
	pcm_leftover_retry();
	pcm_emergency_decay();
	if (active || FETCH_ADD(nticks, 1) % IDLE_TICKS == 0)
		pcm_cache_drain_idle();
	pcm_depot_decay();
	pcm_capacity_tick();
	pcm_page_heap_stats_get(&before);
	pcm_central_tick();
	pcm_central_mix_tick(before.used);
	given = pcm_central_decay();
	given += pcm_mapping_decay();
	given += pcm_page_heap_decay();
	pcm_descriptor_drain();
	pcm_meta_release(KEEP_META);
	pcm_thp_tick();
	check();
	/* Kept mappings are due after a second, and can be given back locked, too. */
	if (active)
		count_down(much(before.free_idle + pcm_mapping_cached(),
				before.used),
			   given > 0 || !much(before.free_idle, before.used));
}

void
pcm_pulse_look(void)
{
	uint64_t now = pcm_sys_now();
	uint64_t due = LOAD(next_tick);

	if (now >= due &&
	    atomic_compare_exchange_strong_explicit(
		    &next_tick, &due, now + PCM_TICK_MS, memory_order_relaxed,
		    memory_order_relaxed) &&
	    due != 0)
		pcm_pulse_tick();
}
