/*
 * Mixed spans where something is missing: no memory but holes, a home that a class does
 * not have, a class that is looked at while its span becomes mixed.
 */
#include "mixed_kit.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

#include "capacity.h"
#include "depot.h"
#include "limit.h"
#include "magazine.h"
#include "page_heap.h"

/* ---- no memory but holes ---- */

/* All that the class can get out of the page heap, and what the caches had of it. */
static void use_up(unsigned int class)
{
	pcm_limit_init(SIZE_MAX, pcm_limit_held());
	while (pcm_central_take_aligned(class, 0) != NULL)
		;
}

/* What may be taken from holes without need until the next tick, which comes not. */
static void use_up_turn(unsigned int class)
{
	void *p;

	while (pcm_central_take_mixed(class, 0, 1, &p, 1) == 1)
		put(class, &p, 1);
}

/* A record that nothing here comes near. */
static void set_record(void)
{
	char *p[8];
	int i;

	for (i = 0; i < 8; i++)
		must((p[i] = pcm_page_heap_alloc(128, NULL)) != NULL);
	for (i = 0; i < 8; i++)
		pcm_page_heap_free(p[i], 128);
	pcm_page_heap_release(SIZE_MAX);
}

static unsigned int fill_one(unsigned int class, void **p)
{
	return pcm_central_fill(class, 0, p, 1);
}

static unsigned int take_one(unsigned int class, void **p)
{
	bool zeroed = true;

	*p = pcm_central_take(class, 0, &zeroed);
	return *p != NULL;
}

/*
 * The heap is not tight, and the system has no memory: what lies in holes is handed out,
 * by both functions, to the last one.
 */
START_TEST(no_memory_but_holes)
{
	unsigned int (*const one)(unsigned int, void **) = _i ? take_one : fill_one;
	unsigned int from = class_of(1024), c = class_of(640), i, n, nholes;
	struct pcm_span *span;
	void *p, *got[64];

	set_record();
	span = make_mixed(from, 4); /* holes of 3072 */
	nholes = pcm_size_class[from].nobjs / 4;
	n = nholes * (3072 / 640);
	must(n >= 8 && n <= 64 && mixed_stats().nspans == 1);
	use_up(c);
	use_up(class_of(512));
	must(!pcm_page_heap_tight(pcm_size_class[c].npages, 0));
	use_up_turn(c);
	must(pcm_central_take_mixed(c, 0, 1, &p, 1) == 0);

	must(pcm_central_fill(c, 0, got, 5) == 5);
	for (i = 5; i < n; i++)
		must(one(c, &got[i]) == 1);
	for (i = 0; i < n; i++) {
		must(pcm_pagemap_span(got[i]) == span);
		must(pcm_mixed_class(got[i]) == c);
	}
	must(one(c, &p) == 0);
	must(pcm_central_fill(c, 0, &p, 1) == 0);
	must(!pcm_page_heap_tight(pcm_size_class[c].npages, 0));
	verify();
	/* A hole that does not fit is none; one that does serves again. */
	must(one(class_of(512), &p) == 1 && pcm_pagemap_span(p) == span);
	put(class_of(512), &p, 1);
	must(one(c, &p) == 0);
	put(c, &got[n / 2], 1);
	must(one(c, &p) == 1 && p == got[n / 2]);
	must(one(c, &p) == 0);

	/* The same for a program. */
	put(c, got, n);
	for (i = 0; (p = malloc(640)) != NULL; i++)
		must(malloc_usable_size(p) == 640);
	must(errno == ENOMEM && i >= n);
	pcm_limit_init(SIZE_MAX, SIZE_MAX);
	must(malloc(640) != NULL);
	verify();
}
END_TEST

/* ---- a home that a class does not have ---- */

#define HOME 3

static size_t units_free(void)
{
	return mixed_stats().nfree / PCM_MIXED_UNIT;
}

/* A magazine of them is found in the depot, and leaves it in time. */
START_TEST(home_of_another_class)
{
	unsigned int a = class_of(1024), b = class_of(208), i;
	struct pcm_span *span;
	void *p, *got[20], **mag;
	size_t before;

	crowd_used(a);
	before = stats_of(a).nspans;
	do /* what others have left free is taken first */
		must(pcm_central_fill(a, HOME, &p, 1) == 1);
	while (stats_of(a).nspans == before);
	span = pcm_pagemap_span(p);
	must(span->home == HOME && mix_of_home(a, HOME));
	must(span->kind == PCM_SPAN_MIXED && span->home == HOME);
	must(pcm_central_homes(a) >> HOME & 1);
	must(pcm_central_homes(b) == 1);
	pcm_capacity_miss(b, 0); /* it has magazines from here on */
	pcm_depot_drain();
	must(pcm_depot_nobjs(b) == 0);
	before = units_free();

	for (i = 0; i < 3; i++) {
		must(pcm_mixed_take(b, i == 0 ? 0 : HOME, got, 20, false) == 20);
		must(pcm_pagemap_span(got[0]) == span);
		must(pcm_pagemap_span(got[19]) == span);
		mag = pcm_mag_new(20);
		must(mag != PCM_MAG_NONE);
		memcpy(mag, got, sizeof(got));
		pcm_depot_put(b, 0, mag + 20);
		must(pcm_depot_nobjs(b) == 20);
		must(units_free() == before - 20 * 208 / PCM_MIXED_UNIT);
		if (i == 0) {
			must(pcm_depot_get_full(b, 0, PCM_MAG_NONE) == mag + 20);
			pcm_mag_delete(pcm_depot_flush(b, mag + 20));
		} else if (i == 1) {
			pcm_depot_drain();
		} else {
			pcm_depot_decay();
			pcm_depot_decay();
		}
		must(pcm_depot_nobjs(b) == 0);
		must(units_free() == before);
		must(pcm_central_homes(b) == 1);
		verify();
	}
	put(a, &p, 1);
	must(mixed_stats().nspans == 0);
}
END_TEST

/* ---- looked at while its span becomes mixed ---- */

#define LOOKED_AT 1024

static void *_Atomic target; /* NULL: none */
static atomic_uint nlooks;   /* each began after the one before had ended */
static atomic_bool stop;

/* Free the way that free() goes, size as malloc_usable_size() tells it. */
static void *look(void *arg)
{
	unsigned int c = class_of(LOOKED_AT), found;
	void *p;

	while (!atomic_load_explicit(&stop, memory_order_relaxed)) {
		p = atomic_load_explicit(&target, memory_order_acquire);
		if (p != NULL) {
			must(malloc_usable_size(p) == LOOKED_AT);
			found = pcm_pagemap_class(p);
			must(found == c || found == PCM_CLASS_MIXED);
			if (found == PCM_CLASS_MIXED) {
				must(pcm_mixed_has(p));
				must(pcm_mixed_class(p) == c);
			}
			must(malloc_usable_size(p) == LOOKED_AT);
		}
		atomic_fetch_add_explicit(&nlooks, 1, memory_order_release);
	}
	return arg;
}

/* What was stored is seen by a look that has ended. */
static void wait_for_look(void)
{
	unsigned int now = atomic_load_explicit(&nlooks, memory_order_relaxed);

	while (atomic_load_explicit(&nlooks, memory_order_acquire) - now < 2)
		sched_yield();
}

static void look_at(void *p)
{
	atomic_store_explicit(&target, p, memory_order_release);
	wait_for_look();
}

/*
 * A block has its size and its class before, after, and at every moment between. Whole
 * spans come and go.
 */
START_TEST(looked_at_meanwhile)
{
	double end = testing_seconds() + 1;
	unsigned int c = class_of(LOOKED_AT), n = pcm_size_class[c].nobjs;
	unsigned int step = 8, kept = (n + 7) / 8, rounds;
	struct pcm_span *span;
	pthread_t thread;

	must(pthread_create(&thread, NULL, look, NULL) == 0);
	for (rounds = 0; rounds < 200 || testing_seconds() < end; rounds++) {
		span = get_span(c);
		look_at(objs[rounds * step % n / step * step]);
		must(leave_every(c, step) == kept);
		must(mix(c));
		must(span->kind == PCM_SPAN_MIXED);
		wait_for_look();
		look_at(objs[(rounds + 1) % kept]);
		look_at(NULL);
		put(c, objs, kept);
		must(mixed_stats().nspans == 0);
	}
	atomic_store(&stop, true);
	must(pthread_join(thread, NULL) == 0);
	verify();
}
END_TEST

int main(void)
{
	TCase *tests = unit_begin("mixed_lack");

	tcase_add_loop_test(tests, no_memory_but_holes, 0, 2);
	tcase_add_test(tests, home_of_another_class);
	tcase_add_test(tests, looked_at_meanwhile);
	return unit_end();
}
