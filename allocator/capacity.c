/*
 * capacity.c - misses count, ticks forget.
 *
 *	total = sum of 2 * capacity * size over all classes: what the magazines of
 *		one CPU hold at most, once they have been in the slow path since the
 *		last change
 *	growing needs total * CPUs in use to stay within a part of the heap: of a small
 *		one a larger part, up to ROOM_MOST, or a multiple of that while threads
 *		sleep for locks
 *
 * A miss costs some 150 ns, and 1 us where a magazine goes to the spans, or comes from
 * there: GROW_MISSES in one tick of 50 ms are up to a thousandth of a CPU's time. Below
 * that, larger magazines would save nothing that can be seen.
 */
#include "capacity.h"

#include <stdbool.h>
#include <stddef.h>

#include "home.h"
#include "limit.h"
#include "lock.h"
#include "page_heap.h"
#include "percpu.h"

/* What a class begins with, if that is at least one block. */
#define START_BYTES 8192u

/*
 * Slow start: a class of larger blocks gets magazines when it misses this often between
 * two ticks, once for each so many bytes of a block: then they save what they cost.
 * Before, a freed block goes straight to its span, so that few pages serve many sizes: some
 * 600 KiB of a Python interpreter's.
 */
#define SLOW_START_SIZE 1024u
#define SLOW_START_DIVISOR 32u

/* Misses of one home between two ticks that double a capacity. */
#define GROW_MISSES 64u

/* Ticks without a miss that halve it; fewer if there is no room. */
#define IDLE_TICKS 16u
#define IDLE_TICKS_NO_ROOM 2u

/* What all magazines may hold: of a small heap, beyond the first mebibyte, and of a large one. */
#define ROOM_FROM ((size_t)1 << 20)
#define ROOM_LEAST ((size_t)192 << 10)
#define ROOM_MOST ((size_t)1 << 20)
#define ROOM_SMALL_DIVISOR 4u
#define ROOM_DIVISOR 64u

/*
 * Who sleeps for a lock has found the caches too small for all that run. It takes a
 * thread out of the middle of what it does, and what it holds out of use: with many more
 * threads than CPUs, one that is preempted while it holds a lock makes all others
 * that come by wait for it. So many sleeps in a tick, for each CPU, double ROOM_MOST, up
 * to ROOM_CROWDED for each; CALM_TICKS without any halve it. Not near a limit of memory.
 */
#define CROWDED_SLEEPS 8u
#define ROOM_CROWDED ((size_t)2 << 20)
#define CALM_TICKS 16u

/*
 * So many misses of all classes within a tick, for each CPU of a home: a tenth of their time
 * or more goes to the slow path.
 */
#define BUSY_MISSES 8192u

/*
 * Meanwhile magazines of blocks of up to SLOW_START_SIZE may have so many times ROOM_MOST, in
 * a heap that has been larger before.
 */
#define BUSY_TIMES 2u

atomic_ushort pcm_capacity_now[PCM_NCLASSES];
atomic_uint pcm_capacity_busy_homes;

static atomic_uchar idle[PCM_NCLASSES];
static atomic_size_t total;

/* ROOM_MOST has been doubled this often; ticks without a sleep since the last change. */
static atomic_uint doubled, calm;
static atomic_uint sleeps_seen;

#define LOAD(x) atomic_load_explicit(&(x), memory_order_relaxed)
#define STORE(x, value) atomic_store_explicit(&(x), value, memory_order_relaxed)

static bool
has_room(size_t more, unsigned times)
{
	size_t all = (LOAD(total) + more) * pcm_percpu_nsets();
	size_t held = pcm_limit_held();
	size_t beyond = held > ROOM_FROM ? held - ROOM_FROM : 0;

	return all <= pcm_limit_part(beyond, ROOM_SMALL_DIVISOR, ROOM_LEAST,
				     (ROOM_MOST << LOAD(doubled)) * times) ||
		all <= held / ROOM_DIVISOR;
}

bool
pcm_capacity_spends(unsigned homes)
{
	return (LOAD(pcm_capacity_busy_homes) & homes) != 0 &&
		!pcm_page_heap_near_record() && !LOAD(pcm_limit_near);
}

/* How many times ROOM_MOST there is just now for small blocks. */
static unsigned
times_room(void)
{
	return pcm_capacity_spends(~0u) ? BUSY_TIMES : 1;
}

static size_t
bytes(unsigned class, unsigned nslots)
{
	return (size_t)PCM_NWORDS * nslots * pcm_size_class[class].size;
}

/* Unless somebody else has changed it. */
static void
change(unsigned class, unsigned from, unsigned to)
{
	unsigned short expected = (unsigned short)from;

	if (atomic_compare_exchange_strong_explicit(
		    &pcm_capacity_now[class], &expected, (unsigned short)to,
		    memory_order_relaxed, memory_order_relaxed))
		atomic_fetch_add_explicit(&total,
					  bytes(class, to) - bytes(class, from),
					  memory_order_relaxed);
}

/* What it begins with, in a small magazine, and is not halved below. */
static unsigned
start(unsigned class)
{
	const struct pcm_size_class *sc = &pcm_size_class[class];
	unsigned n = START_BYTES / sc->size;

	if (n < 1)
		n = 1;
	if (n > PCM_MAG_NSLOTS_SMALL)
		n = PCM_MAG_NSLOTS_SMALL;
	return n < sc->nslots ? n : sc->nslots;
}

static bool
starts(unsigned class, unsigned nmisses)
{
	unsigned size = pcm_size_class[class].size;

	return size <= SLOW_START_SIZE || nmisses >= size / SLOW_START_DIVISOR;
}

static void
grow(unsigned class, unsigned now)
{
	unsigned most = pcm_size_class[class].nslots;
	unsigned next = 2 * now < most ? 2 * now : most;

	if (next > now &&
	    has_room(bytes(class, next - now),
		     pcm_size_class[class].size <= SLOW_START_SIZE ? times_room() : 1))
		change(class, now, next);
}

/* Of which homes have more than one, if there are more sets than homes. */
static unsigned
sets_of_a_home(void)
{
	return (pcm_percpu_nsets() + PCM_NHOMES - 1) / PCM_NHOMES;
}

static bool
is_much(unsigned nmisses)
{
	return nmisses >= BUSY_MISSES * sets_of_a_home();
}

/* As soon as it is: what a tick would find may be over by then. */
static PCM_COLD void
become_busy(unsigned home, unsigned nmisses)
{
	if (is_much(nmisses))
		atomic_fetch_or_explicit(&pcm_capacity_busy_homes, 1u << home,
					 memory_order_relaxed);
}

static void
count_miss(struct pcm_home *home)
{
	unsigned now = LOAD(home->all_misses) + 1, n = now - LOAD(home->misses_seen);

	STORE(home->all_misses, now);
	if (PCM_UNLIKELY(n % BUSY_MISSES == 0))
		become_busy((unsigned)(home - pcm_homes), n);
}

void
pcm_capacity_miss(unsigned class, unsigned home)
{
	unsigned now = pcm_capacity(class), n;

	count_miss(&pcm_homes[home]);
	if (PCM_UNLIKELY(now == 0))
		home = 0; /* those of all count */
	n = LOAD(pcm_homes[home].misses[class]) + 1;
	STORE(pcm_homes[home].misses[class], n);
	if (PCM_UNLIKELY(now == 0)) {
		if (starts(class, n))
			change(class, 0, start(class));
	} else if (PCM_UNLIKELY(n >= GROW_MISSES)) {
		STORE(pcm_homes[home].misses[class], 0);
		STORE(idle[class], 0);
		grow(class, now);
	}
}

/* True: there were some. */
static bool
forget_misses(unsigned class)
{
	unsigned home;
	bool missed = false;

	for (home = 0; home < PCM_NHOMES; home++)
		if (LOAD(pcm_homes[home].misses[class]) != 0) {
			STORE(pcm_homes[home].misses[class], 0);
			missed = true;
		}
	return missed;
}

static void
shrink_if_idle(unsigned class, unsigned now, unsigned ticks)
{
	unsigned n = LOAD(idle[class]) + 1u, to;

	if (n < ticks) {
		STORE(idle[class], (unsigned char)n);
		return;
	}
	STORE(idle[class], 0);
	to = now / 2 > start(class) ? now / 2 : start(class);
	if (to < now)
		change(class, now, to);
}

static void
look_at_misses(void)
{
	unsigned home, busy = 0;

	for (home = 0; home < PCM_NHOMES; home++) {
		unsigned now = LOAD(pcm_homes[home].all_misses);
		unsigned n = now - LOAD(pcm_homes[home].misses_seen);

		if (n == 0)
			continue;
		STORE(pcm_homes[home].misses_seen, now);
		if (is_much(n))
			busy |= 1u << home;
	}
	STORE(pcm_capacity_busy_homes, busy);
}

static void
look_at_sleeps(void)
{
	unsigned now = LOAD(pcm_lock_nsleeps), n = now - LOAD(sleeps_seen);
	unsigned times = LOAD(doubled), nsets = pcm_percpu_nsets();

	STORE(sleeps_seen, now);
	STORE(calm, n == 0 ? LOAD(calm) + 1 : 0);
	if (LOAD(pcm_limit_near)) {
		STORE(doubled, 0);
	} else if (n >= CROWDED_SLEEPS * nsets) {
		if (ROOM_MOST << times < ROOM_CROWDED * nsets)
			STORE(doubled, times + 1);
	} else if (times > 0 && LOAD(calm) >= CALM_TICKS) {
		STORE(doubled, times - 1);
		STORE(calm, 0);
	}
}

void
pcm_capacity_tick(void)
{
	unsigned ticks, c;

	look_at_misses();
	look_at_sleeps();
	ticks = has_room(0, times_room()) ? IDLE_TICKS : IDLE_TICKS_NO_ROOM;
	for (c = 1; c < PCM_NCLASSES; c++) {
		bool missed = forget_misses(c);
		unsigned now = pcm_capacity(c);

		if (now == 0)
			continue;
		if (missed)
			STORE(idle[c], 0);
		else
			shrink_if_idle(c, now, ticks);
	}
}
