/*
 * Homes of central lists: each has spans of its own, takes what others do not keep before
 * there are new ones, and gets none while the process forks.
 */
#include "central_kit.h"

#include <pthread.h>
#include <stdatomic.h>

#include "capacity.h"
#include "depot.h"
#include "limit.h"
#include "lock.h"
#include "magazine.h"
#include "pagemap.h"
#include "percpu.h"
#include "single_thread.h"
#include "span.h"

#define NOBJS_MAX 8192

static void *objs[2 * NOBJS_MAX];

/* Few spans are the first home's, whoever takes from them. */
START_TEST(not_crowded)
{
	unsigned int c = unused_class(8), n = pcm_size_class[c].nobjs, i;

	for (i = 1; i < PCM_CENTRAL_CROWDED; i++) {
		must(pcm_central_fill(c, i % PCM_NHOMES, objs + (i - 1) * n,
				      n) == n);
		must(home_of(objs[(i - 1) * n]) == 0);
	}
	must(pcm_central_fill(c, 1, objs + (i - 1) * n, n) == n);
	must(home_of(objs[(i - 1) * n]) == 0);
	must(pcm_central_fill(c, 1, objs + i * n, n) == n);
	must(home_of(objs[i * n]) == 1);
}
END_TEST

/* Each home has spans of its own, and keeps them when blocks come back. */
START_TEST(homes)
{
	unsigned int c = unused_class(8), n = pcm_size_class[c].nobjs, h, i;
	void *got[8];

	crowd(c);
	for (h = 0; h < PCM_NHOMES; h++) {
		must(pcm_central_fill(c, h, objs + h * n, n) == n);
		must(home_of(objs[h * n]) == h);
	}
	must(stats_of(c).nspans == PCM_NHOMES);
	for (i = 0; i < n - 1; i++)
		for (h = 0; h < PCM_NHOMES; h++)
			pcm_central_flush(c, objs + h * n + i, 1);
	for (h = 0; h < PCM_NHOMES; h++) {
		must(pcm_central_fill(c, h, got, n - 1 < 8 ? n - 1 : 8) >= 1);
		must(pcm_pagemap_span(got[0]) ==
		     pcm_pagemap_span(objs[h * n + n - 1]));
	}
}
END_TEST

/* Who has no span left takes another home's before a new one: the emptiest. */
START_TEST(home_without_spans)
{
	unsigned int c = unused_class(8), n = pcm_size_class[c].nobjs;
	struct pcm_span *full, *sparse;
	void *p;

	crowd(c);
	must(pcm_central_fill(c, 1, objs, n) == n);
	must(pcm_central_fill(c, 1, objs + n, n) == n);
	full = pcm_pagemap_span(objs[0]);
	sparse = pcm_pagemap_span(objs[n]);
	pcm_central_flush(c, objs, 1);
	pcm_central_flush(c, objs + n, n - 1);
	must(pcm_central_fill(c, 3, &p, 1) == 1);
	must(pcm_pagemap_span(p) == sparse && sparse->home == 3);
	must(full->home == 1);
	/* What comes back goes to the new home. */
	pcm_central_flush(c, &p, 1);
	must(pcm_central_fill(c, 3, &p, 1) == 1);
	must(pcm_pagemap_span(p) == sparse);
	must(pcm_central_fill(c, 3, objs + n, n - 2) == n - 2);
	must(stats_of(c).nspans == 2 && stats_of(c).nout == 2 * n - 1);
	must(pcm_central_fill(c, 3, &p, 1) == 1);
	must(p == objs[0] && full->home == 3);
	must(pcm_central_fill(c, 3, &p, 1) == 1);
	must(stats_of(c).nspans == 3 && stats_of(c).nout == 2 * n + 1);
}
END_TEST

#define KEPT_SPANS 12

/* A home that asks its depot so often reuses what it frees, if it puts little there. */
#define ASKS 64

/* Of a class that has magazines, or nobody would ask. */
static void ask(unsigned int class, unsigned int home, unsigned int n)
{
	while (pcm_capacity(class) == 0)
		pcm_capacity_miss(class, home);
	while (n-- > 0)
		must(pcm_depot_get_full(class, home, PCM_MAG_NONE) == PCM_MAG_NONE);
}

/* From home 2, out of spans alone. */
static void *fill_one(unsigned int class)
{
	void *p = NULL;

	pcm_central_fill_aligned(class, 2, &p, 1);
	return p;
}

static void *take_one(unsigned int class)
{
	return pcm_central_take_aligned(class, 2);
}

static void *take_any(unsigned int class)
{
	bool zeroed;

	return pcm_central_take(class, 2, &zeroed);
}

static void *(*const ways[])(unsigned int class) = { fill_one, take_one, take_any };

/*
 * A class that home 1 reuses, and of which it has KEPT_SPANS spans, all in use but for one
 * block of each of the first `nfree`; in a heap that is not small, of a process with threads.
 */
static unsigned int keeping(unsigned int nfree)
{
	unsigned int c = unused_class_of(8, 1), n = pcm_size_class[c].nobjs, i;

	crowd(c);
	for (i = 0; i < KEPT_SPANS; i++)
		must(pcm_central_fill_aligned(c, 1, objs + i * n, n) == n);
	for (i = 0; i < nfree; i++)
		pcm_central_flush(c, objs + i * n, 1);
	pcm_size_class_use_all();
	atomic_store(&pcm_clone_used, true);
	ask(c, 1, ASKS);
	must(stats_of(c).nspans == KEPT_SPANS);
	return c;
}

/* Home 2 is given what home 1 has, whose span becomes its own; or has to make a new one. */
static void must_give(unsigned int c, bool gives)
{
	size_t nspans = stats_of(c).nspans;
	void *p = fill_one(c);

	must(p != NULL && home_of(p) == 2);
	must(stats_of(c).nspans == (gives ? nspans : nspans + 1));
}

/* A home that mostly takes again what it frees keeps what is free. */
START_TEST(home_keeps)
{
	must_give(keeping(2), false);
}
END_TEST

static void small_heap(unsigned int c)
{
	(void)c;
	atomic_store(&pcm_size_class_all, false);
}

static void single_thread(unsigned int c)
{
	(void)c;
	atomic_store(&pcm_clone_used, false);
	must(pcm_single_threaded());
}

static void near_limit(unsigned int c)
{
	(void)c;
	atomic_store(&pcm_limit_near, true);
}

static void a_tick(unsigned int c)
{
	(void)c;
	pcm_depot_decay();
}

/* More than three quarters. */
static void most_is_free(unsigned int c)
{
	unsigned int n = pcm_size_class[c].nobjs, i;

	for (i = 2; i < KEPT_SPANS; i++)
		pcm_central_flush(c, objs + i * n, n - 1);
}

/* A magazine with one block is put, and it has asked a little less often than that allows. */
static void puts_more(unsigned int c)
{
	void **mag = pcm_mag_new(8);

	must(mag != PCM_MAG_NONE);
	pcm_mag_push(&mag, objs[3 * pcm_size_class[c].nobjs]);
	pcm_depot_put(c, 1, mag);
	must(pcm_depot_nobjs(c) == 1);
}

static void (*const reasons[])(unsigned int c) = {
	small_heap, single_thread, near_limit, a_tick, most_is_free, puts_more,
};

/* But not whatever happens. */
START_TEST(home_gives)
{
	unsigned int c = keeping(2);

	reasons[_i](c);
	must_give(c, true);
}
END_TEST

/* Home 2 takes the n blocks that its own spans have. */
static void take_own(unsigned int c, unsigned int n)
{
	static void *own[NOBJS_MAX];

	must(pcm_central_fill_aligned(c, 2, own, n) == n);
}

/* If it is busy with visits, whatever it visits for; but not where memory is scarce. */
START_TEST(busy_home_keeps)
{
	unsigned int c = keeping(2), n = pcm_size_class[c].nobjs;

	a_tick(c);
	most_is_free(c);
	atomic_store(&pcm_capacity_busy_homes, 1u << 2);
	must_give(c, true);
	take_own(c, n - 2);
	atomic_store(&pcm_capacity_busy_homes, 1u << 1);
	must_give(c, false);
	take_own(c, n - 1);
	near_limit(c);
	must_give(c, true);
}
END_TEST

/* If half of its blocks are free, too. */
START_TEST(home_keeps_half)
{
	unsigned int c = keeping(2), n = pcm_size_class[c].nobjs, i;

	for (i = 2; i < KEPT_SPANS; i++)
		pcm_central_flush(c, objs + i * n, n / 2);
	must_give(c, false);
}
END_TEST

/* As long as it asks. */
START_TEST(home_keeps_for_a_while)
{
	unsigned int c = keeping(2);

	pcm_depot_decay();
	ask(c, 1, ASKS / 2);
	must_give(c, false);
	pcm_depot_decay();
	pcm_depot_decay();
	must(pcm_central_fill_aligned(c, 2, objs, pcm_size_class[c].nobjs - 1) > 0);
	must_give(c, true);
}
END_TEST

static size_t nfree_of(unsigned int class, unsigned int home)
{
	return pcm_central_nfree(&pcm_centrals[home][class]);
}

/*
 * There is no memory: all that others have is taken, by all functions; and without asking
 * for memory each time, until the next tick.
 */
START_TEST(kept_if_there_is_memory)
{
	unsigned int c = keeping(4);
	size_t left;

	pcm_limit_init(SIZE_MAX, pcm_limit_held());
	for (left = 4; left > 0; left--)
		while (nfree_of(c, 1) == left)
			must(ways[_i](c) != NULL);
	must(nfree_of(c, 1) == 0);
	must(ways[_i](c) == NULL);
	pcm_limit_init(SIZE_MAX, SIZE_MAX);
	pcm_central_flush(c, objs + pcm_size_class[c].nobjs * 6, 1);
	pcm_central_flush(c, objs + pcm_size_class[c].nobjs * 7, 1);
	must_give(c, true);
	pcm_central_tick();
	must_give(c, false);
}
END_TEST

/* Blocks of another home's spans go there; the others stay, in their order. */
START_TEST(strangers)
{
	unsigned int c = unused_class(8), n = pcm_size_class[c].nobjs, i;
	void *both[2 * NOBJS_MAX];

	crowd(c);
	must(pcm_central_fill(c, 1, objs, n) == n);
	must(pcm_central_fill(c, 2, objs + n, n) == n);
	must(pcm_central_send_strangers(c, 1, objs, n) == n);
	must(stats_of(c).nout == 2 * n);
	for (i = 0; i < n; i++) {
		both[2 * i] = objs[n + i];
		both[2 * i + 1] = objs[i];
	}
	must(pcm_central_send_strangers(c, 1, both, 2 * n) == n);
	must(memcmp(both, objs, n * sizeof(objs[0])) == 0);
	must(stats_of(c).nout == n && stats_of(c).nspans == 1);
	must(pcm_central_send_strangers(c, 5, objs, n) == 0);
	must(stats_of(c).nout == 0 && stats_of(c).nspans == 0);
}
END_TEST

/* All spans are the first home's: nobody is a stranger. */
START_TEST(no_strangers)
{
	unsigned int c = unused_class(8), n = pcm_size_class[c].nobjs;

	must(pcm_central_fill(c, 3, objs, n) == n);
	must(pcm_central_send_strangers(c, 3, objs, n) == n);
	must(pcm_central_send_strangers(c, 0, objs, n) == n);
	must(stats_of(c).nout == n);
}
END_TEST

static atomic_bool busy;

/* Holds the lock of the first home most of the time. */
static void *keep_busy(void *arg)
{
	unsigned int c = *(unsigned int *)arg, n;
	void *mine[64];

	while (atomic_load(&busy)) {
		n = pcm_central_fill(c, 0, mine, 64);
		pcm_central_flush(c, mine, n);
	}
	return NULL;
}

/* What is free in another home is found although its lock is taken. */
START_TEST(busy_home)
{
	unsigned int c = unused_class(32), n = pcm_size_class[c].nobjs, i;
	unsigned int nspans = 8 * PCM_CENTRAL_CROWDED;
	pthread_t threads[3];
	size_t before;
	void *p;

	get_objects(c, objs, nspans * n);
	for (i = 0; i < nspans; i++)
		pcm_central_flush(c, objs + i * n, n / 2);
	before = stats_of(c).nspans;
	atomic_store(&busy, true);
	for (i = 0; i < 3; i++)
		must(pthread_create(&threads[i], NULL, keep_busy, &c) == 0);
	for (i = 0; i < nspans * (n / 2) / 2; i++)
		must(pcm_central_fill(c, 1, &p, 1) == 1);
	atomic_store(&busy, false);
	for (i = 0; i < 3; i++)
		must(pthread_join(threads[i], NULL) == 0);
	/* Not one more. (One may have become mixed, for what threads need.) */
	must(stats_of(c).nspans <= before);
	check_lists(c);
}
END_TEST

/* Who forks holds the locks of the homes that there are: it gets no other one. */
START_TEST(no_new_home_in_fork)
{
	unsigned int c = unused_class(8);
	void *p;

	crowd(c);
	pcm_central_fork_lock();
	pcm_lock_fork_begin();
	must(pcm_central_fill(c, 6, &p, 1) == 1);
	must(home_of(p) == 0);
	pcm_lock_fork_end();
	pcm_central_fork_unlock();
	must(pcm_central_fill(c, 6, &p, 1) == 1);
	must(home_of(p) == 6);
}
END_TEST

int main(void)
{
	TCase *tests = unit_begin("central_homes");

	tcase_add_test(tests, not_crowded);
	tcase_add_test(tests, homes);
	tcase_add_test(tests, home_without_spans);
	tcase_add_test(tests, home_keeps);
	tcase_add_loop_test(tests, home_gives, 0, PCM_ARRAY_LEN(reasons));
	tcase_add_test(tests, busy_home_keeps);
	tcase_add_test(tests, home_keeps_half);
	tcase_add_test(tests, home_keeps_for_a_while);
	tcase_add_loop_test(tests, kept_if_there_is_memory, 0, PCM_ARRAY_LEN(ways));
	tcase_add_test(tests, strangers);
	tcase_add_test(tests, no_strangers);
	tcase_add_test(tests, busy_home);
	tcase_add_test(tests, no_new_home_in_fork);
	return unit_end();
}
