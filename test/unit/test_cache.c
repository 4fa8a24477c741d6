/*
 * cache: the way from a slab to the spans and back. Slow start, hysteresis,
 * the order of blocks, and that draining returns everything.
 */
#include "unit.h"

#include "cache.h"
#include "capacity.h"
#include "central.h"
#include "depot.h"
#include "pagemap.h"
#include "percpu.h"
#include "size_class.h"
#include "slow.h"
#include "span.h"
#include "storm.h"

#define MANY 20000

static void *objs[MANY];
static unsigned int class;

static size_t nout(unsigned int c)
{
	struct pcm_central_stats stats;

	pcm_central_stats_get(c, &stats);
	return stats.nout;
}

static size_t nspans(unsigned int c)
{
	struct pcm_central_stats stats;

	pcm_central_stats_get(c, &stats);
	return stats.nspans;
}

/* A class of blocks of at least n bytes that nobody here uses. */
static unsigned int unused_class(size_t n)
{
	unsigned int c = pcm_size_class_of(n);

	while (nspans(c) != 0)
		must(++c < PCM_NCLASSES);
	return c;
}

/* Such a class as `class`, warm, its caches empty. */
static void warm_up(size_t n)
{
	unsigned int i;

	class = unused_class(n);
	for (i = 0; i < 1000; i++)
		objs[i] = pcm_cache_alloc(class, NULL);
	for (i = 0; i < 1000; i++)
		pcm_cache_free(class, objs[i]);
	pcm_cache_drain();
	must(nspans(class) == 0);
}

/* Signal-safety is block.c's business: here nobody interrupts anybody. */
static void setup(void)
{
	storm_pin();
	must(pcm_slow_enter());
	pcm_slow_leave();
	pcm_size_class_use_all();
	class = unused_class(14000);
}

START_TEST(alloc_and_free)
{
	unsigned int i;

	for (i = 0; i < MANY; i++) {
		objs[i] = pcm_cache_alloc(class, NULL);
		must(objs[i] != NULL);
		must(pcm_pagemap_class(objs[i]) == class);
		*(unsigned int *)objs[i] = i;
	}
	for (i = 0; i < MANY; i++) {
		must(*(unsigned int *)objs[i] == i);
		pcm_cache_free(class, objs[i]);
	}
	pcm_cache_drain();
	must(nspans(class) == 0 && nout(class) == 0);
	must(pcm_depot_nobjs(class) == 0);
}
END_TEST

/* The first blocks of a class of large blocks come one by one. */
START_TEST(slow_start)
{
	void *p = pcm_cache_alloc(class, NULL);

	must(nout(class) == 1);
	pcm_cache_free(class, p);
	must(nout(class) == 0 && nspans(class) == 0);
}
END_TEST

START_TEST(then_in_magazines)
{
	void *p;

	warm_up(14000);
	p = pcm_cache_alloc(class, NULL);
	must(nout(class) > 1);
	pcm_cache_free(class, p);
	must(nout(class) > 1); /* it stays in the cache */
}
END_TEST

/* A fill hands out ascending addresses, a span's blocks one after the other. */
START_TEST(ascending)
{
	unsigned int i;

	warm_up(100);
	for (i = 0; i < pcm_capacity(class); i++)
		objs[i] = pcm_cache_alloc(class, NULL);
	for (i = 1; i < pcm_capacity(class); i++)
		must((char *)objs[i] - (char *)objs[i - 1] ==
			     (ptrdiff_t)pcm_size_class[class].size ||
		     objs[i] == pcm_pagemap_span(objs[i])->start);
}
END_TEST

static int by_address(const void *a, const void *b)
{
	char *x = *(char *const *)a, *y = *(char *const *)b;

	return x < y ? -1 : x > y;
}

/* All of a fill, each once, and no two in a row of one cache line. */
START_TEST(tiny_ones_apart)
{
	unsigned int i, n, size;

	class = pcm_size_class_of(8 << _i);
	size = pcm_size_class[class].size;
	pcm_cache_drain();
	pcm_cache_free(class, pcm_cache_alloc(class, NULL));
	pcm_cache_drain();
	n = pcm_capacity(class);
	for (i = 0; i < n; i++)
		objs[i] = pcm_cache_alloc(class, NULL);
	for (i = 1; i < n / 2; i++)
		must((uintptr_t)objs[i] / 64 != (uintptr_t)objs[i - 1] / 64);
	qsort(objs, n, sizeof(objs[0]), by_address);
	for (i = 1; i < n; i++)
		must((size_t)((char *)objs[i] - (char *)objs[i - 1]) >= size);
	for (i = 0; i < n; i++)
		pcm_cache_free(class, objs[i]);
}
END_TEST

/*
 * After a visit to the depot or the spans, whatever the order of operations, at
 * least a magazine's worth of them passes before the next, of the size that they
 * began with; less only where the spans had less to give.
 */
START_TEST(hysteresis)
{
	uint64_t state = testing_seed();
	unsigned int i, n = 0, last = 0, nvisits = 0, early = 0, gap = 0;
	unsigned int least;

	warm_up(100);
	least = pcm_capacity(class);
	for (i = 1; i < 200000; i++) {
		size_t out = nout(class), kept = pcm_depot_nobjs(class);
		unsigned int bias = 4 + i / 2000 % 2;

		if (n < MANY && (n == 0 || rnd(&state) % 9 < bias))
			objs[n++] = pcm_cache_alloc(class, NULL);
		else
			pcm_cache_free(class, objs[--n]);
		if (nout(class) == out && pcm_depot_nobjs(class) == kept)
			continue;
		early += i - last < gap;
		gap = least - 1u;
		if (nout(class) > out && nout(class) - out < gap)
			gap = (unsigned int)(nout(class) - out) - 1;
		last = i;
		nvisits++;
	}
	must(nvisits > 10);
	/* A section that was aborted looks like an empty magazine. */
	must(early <= 1 + nvisits / 8);
}
END_TEST

/* A class that misses often gets large magazines: fewer visits, and no block is lost. */
START_TEST(large_magazines)
{
	unsigned int i, round, misses;
	size_t small;

	class = pcm_size_class_of(48);
	for (i = 0; i < MANY; i++)
		objs[i] = pcm_cache_alloc(class, NULL);
	small = pcm_mag_bytes();
	for (misses = 0; misses < 10 * 256; misses++)
		pcm_capacity_miss(class, 0);
	must(pcm_capacity(class) > PCM_MAG_NSLOTS_SMALL);
	for (round = 0; round < 3; round++) {
		for (i = 0; i < MANY; i++)
			*(unsigned int *)objs[i] = i;
		for (i = 0; i < MANY; i++) {
			must(*(unsigned int *)objs[i] == i);
			pcm_cache_free(class, objs[i]);
		}
		must(pcm_mag_bytes() >= small + PCM_MAG_LARGE_BYTES);
		for (i = 0; i < MANY; i++)
			objs[i] = pcm_cache_alloc(class, NULL);
	}
	for (i = 0; i < MANY; i++)
		pcm_cache_free(class, objs[i]);
	pcm_cache_drain();
	must(nout(class) < 50); /* libcheck's */
}
END_TEST

static void free_in_thread(unsigned int self)
{
	static atomic_uint next;
	unsigned int i;

	(void)self;
	for (i = atomic_fetch_add(&next, 1); i < MANY;
	     i = atomic_fetch_add(&next, 1))
		pcm_cache_free(class, objs[i]);
	usleep(1000);
}

/* Freed by other threads than the one that allocated. */
START_TEST(freed_elsewhere)
{
	struct storm storm = { .nthreads = storm_threads(),
			       .seconds = 0.5,
			       .work = free_in_thread };
	unsigned int i;

	warm_up(100);
	for (i = 0; i < MANY; i++)
		objs[i] = pcm_cache_alloc(class, NULL);
	storm_run(&storm);
	free_in_thread(0); /* what is left */
	pcm_cache_drain();
	/* libcheck and the threads may have a few blocks of this class. */
	must(nout(class) < 50);
}
END_TEST

#define HELD 400

static void *held[STORM_THREADS_MAX][HELD];

static void churn(unsigned int self)
{
	static __thread uint64_t state;
	void **slot;

	if (state == 0)
		state = testing_seed() + self;
	slot = &held[self][rnd(&state) % HELD];
	if (*slot != NULL) {
		must(*(volatile unsigned int *)*slot == self);
		pcm_cache_free(class, *slot);
		*slot = NULL;
	} else {
		*slot = pcm_cache_alloc(class, NULL);
		must(*slot != NULL);
		*(volatile unsigned int *)*slot = self;
	}
}

static void drain_now_and_then(void)
{
	static unsigned int n;

	if (++n % 256 == 0)
		pcm_cache_drain();
}

START_TEST(threads)
{
	struct storm storm = { .nthreads = storm_threads(),
			       .seconds = 1,
			       .work = churn,
			       .meanwhile = drain_now_and_then };
	unsigned int t, i;

	warm_up(2000);
	storm_run(&storm);
	for (t = 0; t < storm.nthreads; t++)
		for (i = 0; i < HELD; i++)
			if (held[t][i] != NULL)
				pcm_cache_free(class, held[t][i]);
	pcm_cache_drain();
	must(nout(class) < 50);
}
END_TEST

int main(void)
{
	TCase *tests = unit_begin("cache");

	tcase_add_checked_fixture(tests, setup, NULL);
	tcase_add_test(tests, alloc_and_free);
	tcase_add_test(tests, slow_start);
	tcase_add_test(tests, then_in_magazines);
	tcase_add_test(tests, ascending);
	tcase_add_loop_test(tests, tiny_ones_apart, 0, 3);
	tcase_add_test(tests, hysteresis);
	tcase_add_test(tests, large_magazines);
	tcase_add_test(tests, freed_elsewhere);
	tcase_add_test(tests, threads);
	return unit_end();
}
