/*
 * capacity: slow start, growth by misses, decay without them, and the bound by the
 * heap's size.
 */
#include "unit.h"

#include "capacity.h"
#include "held.h"
#include "limit.h"
#include "lock.h"
#include "page_heap_lists.h"
#include "percpu.h"
#include "size_class.h"
#include "slow.h"

/* More than any number of misses between two ticks that is let pass. */
#define MANY 20000

#define GROW_MISSES 64
#define START_BYTES 8192u
#define ROOM_FROM ((size_t)1 << 20)
#define ROOM_LEAST ((size_t)192 << 10)
#define ROOM_MOST ((size_t)1 << 20)
#define ROOM_CROWDED ((size_t)2 << 20)
#define CROWDED_SLEEPS 8
#define BUSY_MISSES 8192u

static unsigned int class;

static unsigned int most(unsigned int c)
{
	return pcm_size_class[c].nslots;
}

/* A class that nobody here uses. */
static unsigned int unused_class(size_t n)
{
	unsigned int c = pcm_size_class_of(n);

	while (pcm_capacity(c) != 0)
		must(++c < PCM_NCLASSES);
	return c;
}

static void setup(void)
{
	must(pcm_slow_enter());
	pcm_slow_leave();
}

static void miss(unsigned int c, unsigned int n)
{
	while (n-- > 0)
		pcm_capacity_miss(c, 0);
}

static void ticks(unsigned int n)
{
	while (n-- > 0)
		pcm_capacity_tick();
}

/* What all magazines may hold, as the caches' own numbers say. */
static size_t all(void)
{
	size_t sum = 0;
	unsigned int c;

	for (c = 1; c < PCM_NCLASSES; c++)
		sum += (size_t)PCM_NWORDS * pcm_capacity(c) *
			pcm_size_class[c].size;
	return sum * pcm_percpu_nsets();
}

START_TEST(small_ones_start_at_once)
{
	class = unused_class(100);
	miss(class, 1);
	must(pcm_capacity(class) == START_BYTES / pcm_size_class[class].size);
}
END_TEST

/* When they miss often enough between two ticks, the larger the oftener. */
START_TEST(large_ones_start_late)
{
	unsigned int n, often;

	class = unused_class(5000);
	often = pcm_size_class[class].size / 32;
	for (n = 0; n < 10; n++) {
		miss(class, often - 1);
		must(pcm_capacity(class) == 0);
		ticks(1);
	}
	miss(class, often);
	must(pcm_capacity(class) == 1);
}
END_TEST

/* Twice as large at a time, not in one leap, and never above the class's most. */
START_TEST(grows_by_misses)
{
	unsigned int before, i;

	hold(8 << 20); /* there is room */
	class = unused_class(700);
	miss(class, 1);
	before = pcm_capacity(class);
	miss(class, 10);
	must(pcm_capacity(class) == before);
	for (i = 0; i < 10; i++) {
		unsigned int now;

		miss(class, GROW_MISSES);
		now = pcm_capacity(class);
		must(now == 2 * before || now == most(class));
		before = now;
	}
	must(before == most(class));
}
END_TEST

/* Small blocks begin in small magazines, too, and get large ones. */
START_TEST(small_blocks_get_large_magazines)
{
	class = pcm_size_class_of(16);
	must(most(class) == PCM_MAG_NSLOTS_MAX);
	miss(class, 1);
	ticks(200); /* whoever has used it before */
	must(pcm_capacity(class) == PCM_MAG_NSLOTS_SMALL);
	miss(class, GROW_MISSES);
	must(pcm_capacity(class) == 2 * PCM_MAG_NSLOTS_SMALL);
	miss(class, 10 * GROW_MISSES);
	must(pcm_capacity(class) == PCM_MAG_NSLOTS_MAX);
	ticks(200);
	must(pcm_capacity(class) == PCM_MAG_NSLOTS_SMALL);
}
END_TEST

/* A few misses in each tick are not worth more memory. */
START_TEST(seldom_is_not_enough)
{
	unsigned int before, i;

	class = unused_class(700);
	miss(class, 1);
	before = pcm_capacity(class);
	for (i = 0; i < 100; i++) {
		miss(class, GROW_MISSES / 2);
		ticks(1);
		must(pcm_capacity(class) == before);
	}
}
END_TEST

START_TEST(idle_ones_shrink)
{
	unsigned int least;

	hold(8 << 20);
	class = unused_class(700);
	miss(class, 1);
	least = pcm_capacity(class);
	miss(class, 10 * MANY);
	must(pcm_capacity(class) == most(class));
	ticks(10);
	must(pcm_capacity(class) == most(class));
	ticks(100);
	must(pcm_capacity(class) >= least && pcm_capacity(class) < 2 * least);
	ticks(100);
	must(pcm_capacity(class) >= least);
}
END_TEST

/* In a small heap not all classes can be large; an idle one makes room. */
START_TEST(bounded_by_the_heap)
{
	unsigned int c, last = 0, i;

	for (c = 1; c < PCM_NCLASSES; c++)
		miss(c, MANY);
	must(pcm_limit_held() <= ROOM_FROM + 4 * ROOM_LEAST);
	/* Beginning is free; growth is not. */
	for (c = 1; c < PCM_NCLASSES; c++)
		if (pcm_capacity(c) < most(c))
			last = c;
	must(last != 0);
	c = pcm_capacity(last);
	for (i = 0; i < 40; i++) {
		ticks(2);
		miss(last, MANY);
	}
	must(pcm_capacity(last) > c || all() > ROOM_LEAST);
	must(pcm_capacity(last) >= c);
}
END_TEST

START_TEST(never_more_than_room)
{
	unsigned int c, begun = 0;
	size_t floor;

	for (c = 1; c < PCM_NCLASSES; c++)
		miss(c, MANY);
	floor = all();
	for (c = 1; c < PCM_NCLASSES; c++) {
		miss(c, 10 * MANY);
		begun += pcm_capacity(c) != 0;
	}
	must(begun == PCM_NCLASSES - 1);
	must(all() <= (floor > ROOM_LEAST ? floor : ROOM_LEAST));
}
END_TEST

static size_t after_misses(unsigned int n)
{
	unsigned int c, last = pcm_size_class_of(1024);

	for (c = 1; c <= last; c++)
		miss(c, n);
	return all();
}

/* What all magazines come to hold if those of up to 1 KiB miss as often as it takes. */
static size_t most_room(void)
{
	return after_misses(10 * MANY);
}

/* A quarter of what the heap has beyond 1 MiB, up to ROOM_MOST, or a 64th of all. */
static size_t room_of(size_t nbytes)
{
	size_t room = (nbytes - ROOM_FROM) / 4;

	if (room > ROOM_MOST)
		room = ROOM_MOST;
	return room < nbytes / 64 ? nbytes / 64 : room;
}

START_TEST(room_grows_with_the_heap)
{
	size_t room, nbytes, floor = after_misses(1), before = floor;

	for (nbytes = 2 * ROOM_MOST; nbytes <= 256 * ROOM_MOST; nbytes *= 2) {
		hold(nbytes);
		room = room_of(nbytes);
		must(most_room() <= (room > floor ? room : floor));
		must(all() > before || room <= before + before / 4);
		before = all();
	}
}
END_TEST

static void sleeps(unsigned int n)
{
	atomic_fetch_add_explicit(&pcm_lock_nsleeps, n, memory_order_relaxed);
}

static void ten_times(unsigned int nsleeps, unsigned int nticks)
{
	unsigned int i;

	for (i = 0; i < 10; i++) {
		sleeps(nsleeps);
		ticks(nticks);
	}
}

/* Threads that sleep for locks give the magazines room; without them it goes again. */
START_TEST(sleeping_threads_make_room)
{
	unsigned int many = CROWDED_SLEEPS * pcm_percpu_nsets();
	size_t most = ROOM_CROWDED * pcm_percpu_nsets(), before, now;

	hold(64 << 20);
	before = most_room();
	ten_times(many - 1, 1);
	must(most_room() <= before); /* a few are not too many */
	sleeps(many);
	ticks(1);
	now = most_room();
	must(before > 2 * ROOM_MOST || now > before);
	ten_times(many, 1);
	now = most_room();
	must(now > before);
	must(now <= (before > most ? before : most));
	ten_times(1, 10);
	must(most_room() >= now); /* not calm yet */
	ticks(1000);
	must(most_room() <= before);
}
END_TEST

static void miss_at(unsigned int home, unsigned int n)
{
	while (n-- > 0)
		pcm_capacity_miss(class, home);
}

/* Busy is the home that misses often within a tick: at once, and until a tick finds it calm. */
START_TEST(busy_by_misses)
{
	unsigned int sets_of_a_home = (pcm_percpu_nsets() + PCM_NHOMES - 1) / PCM_NHOMES;
	unsigned int many = BUSY_MISSES * sets_of_a_home, i, home;

	class = unused_class(100);
	ticks(1);
	for (i = 0; i < 10; i++) {
		for (home = 1; home < PCM_NHOMES; home++)
			miss_at(home, many - 1);
		ticks(1);
		for (home = 1; home < PCM_NHOMES; home++)
			must(!pcm_capacity_busy(home));
	}
	miss_at(2, many - 1);
	must(!pcm_capacity_busy(2));
	miss_at(2, 1);
	for (i = 0; i < 3; i++) {
		for (home = 1; home < PCM_NHOMES; home++)
			must(pcm_capacity_busy(home) == (home == 2));
		ticks(1);
		miss_at(2, i == 0 ? 2 * many : many - 1);
	}
	must(!pcm_capacity_busy(2));
}
END_TEST

/* Is as much in use as never before? */
static void grows(bool now)
{
	atomic_store(&pcm_page_heap.near_record, now);
}

/* A busy home's small blocks have twice as much, unless the heap grows; and not for long. */
START_TEST(more_room_while_busy)
{
	unsigned int large = pcm_size_class_of(2048), before;

	hold(32 << 20);
	after_misses(1);
	grows(true);
	must(most_room() <= ROOM_MOST);
	must(pcm_capacity_busy(0));
	grows(false);
	atomic_store(&pcm_limit_near, true);
	must(most_room() <= ROOM_MOST);
	atomic_store(&pcm_limit_near, false);
	miss(large, MANY);
	before = pcm_capacity(large);
	must(most_room() > ROOM_MOST + ROOM_MOST / 2);
	must(all() <= 2 * ROOM_MOST);
	miss(large, 10 * MANY);
	must(pcm_capacity(large) == before);
	ticks(1); /* still busy */
	must(all() > ROOM_MOST);
	ticks(20);
	must(!pcm_capacity_busy(0));
	must(all() <= ROOM_MOST);
}
END_TEST

/* What a small heap gives to caches is a part of it, whoever sleeps. */
START_TEST(sleeping_threads_in_a_small_heap)
{
	size_t floor = after_misses(1), room = room_of(4 * ROOM_MOST);

	hold(4 * ROOM_MOST);
	ten_times(1000 * pcm_percpu_nsets(), 1);
	must(most_room() <= (floor > room ? floor : room));
}
END_TEST

/* Who is near a limit of memory does not give it to caches, and takes back what it gave. */
START_TEST(no_more_room_near_the_limit)
{
	size_t before, crowded;
	unsigned int many = 1000 * pcm_percpu_nsets();

	hold(64 << 20);
	before = most_room();
	ten_times(many, 1);
	crowded = most_room();
	must(crowded > before);
	atomic_store(&pcm_limit_near, true);
	sleeps(many);
	ticks(1);
	atomic_store(&pcm_limit_near, false);
	ten_times(1, 10);
	must(most_room() <= before);
}
END_TEST

int main(void)
{
	TCase *tests = unit_begin("capacity");

	tcase_add_checked_fixture(tests, setup, NULL);
	tcase_add_test(tests, small_ones_start_at_once);
	tcase_add_test(tests, large_ones_start_late);
	tcase_add_test(tests, grows_by_misses);
	tcase_add_test(tests, small_blocks_get_large_magazines);
	tcase_add_test(tests, seldom_is_not_enough);
	tcase_add_test(tests, busy_by_misses);
	tcase_add_test(tests, more_room_while_busy);
	tcase_add_test(tests, idle_ones_shrink);
	tcase_add_test(tests, bounded_by_the_heap);
	tcase_add_test(tests, never_more_than_room);
	tcase_add_test(tests, room_grows_with_the_heap);
	tcase_add_test(tests, sleeping_threads_make_room);
	tcase_add_test(tests, sleeping_threads_in_a_small_heap);
	tcase_add_test(tests, no_more_room_near_the_limit);
	return unit_end();
}
