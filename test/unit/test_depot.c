/*
 * depot: magazines traded one for one, bounds, decay of what is not needed.
 */
#include "depot_kit.h"

#include <stdatomic.h>

#include "central_lists.h"
#include "lock.h"
#include "pagemap.h"
#include "storm.h"

/* docs/DESIGN.md: the larger of 512 KiB and one magazine a class. */
#define BOUND_BYTES ((size_t)512 << 10)
#define BOUND_MAGAZINES 1

static unsigned int class_of_size(size_t n)
{
	return pcm_size_class_of(n);
}

static size_t bound(unsigned int class)
{
	size_t magazine = (size_t)nslots(class) * pcm_size_class[class].size;
	size_t n = BOUND_BYTES / magazine;

	return (n > BOUND_MAGAZINES ? n : BOUND_MAGAZINES) * nslots(class);
}

static size_t nout(unsigned int class)
{
	struct pcm_central_stats stats;

	pcm_central_stats_get(class, &stats);
	return stats.nout;
}

/* A size that the test programs and libcheck have no use for. */
#define SIZE 1000

static unsigned int class;
static size_t nout_before, mags_before;

/* First of all in a test: libcheck itself allocates before. */
static void start(void)
{
	unsigned int c;

	pcm_size_class_use_all(); /* of few, libcheck would share ours */
	class = class_of_size(SIZE);
	for (c = 1; c < PCM_NCLASSES; c++)
		while (pcm_capacity(c) == 0)
			pcm_capacity_miss(c, 0);
	pcm_depot_drain();
	nout_before = nout(class);
	mags_before = pcm_mag_bytes();
}

static void **others(unsigned int home, bool all)
{
	return pcm_depot_get_others(class, home, PCM_MAG_NONE, all);
}

START_TEST(empty_at_first)
{
	void **mag;

	start();
	mag = magazine(class, 0);
	must(pcm_depot_nobjs(class) == 0);
	must(pcm_depot_get_full(class, 0, PCM_MAG_NONE) == PCM_MAG_NONE);
	/* What is offered in return is not taken. */
	must(pcm_depot_get_full(class, 0, mag) == PCM_MAG_NONE);
	must(pcm_mag_count(mag) == 0);
	pcm_mag_delete(mag);
	must(pcm_mag_bytes() == mags_before);
}
END_TEST

START_TEST(full_and_back)
{
	void **mag, **got;

	start();
	mag = magazine(class, nslots(class));
	pcm_depot_put(class, 0, mag);
	must(pcm_depot_nobjs(class) == nslots(class));
	got = pcm_depot_get_full(class, 0, PCM_MAG_NONE);
	must(got == mag);
	must(pcm_depot_nobjs(class) == 0);
	got = pcm_depot_flush(class, got);
	must(pcm_mag_empty(got) && pcm_mag_count(got) == 0);
	pcm_mag_delete(got);
	must(nout(class) == nout_before);
	must(pcm_mag_bytes() == mags_before);
}
END_TEST

/* A magazine with some objects counts as one with objects. */
START_TEST(partly_filled)
{
	void **mag;

	start();
	mag = magazine(class, 1);
	pcm_depot_put(class, 0, mag);
	must(pcm_depot_nobjs(class) == 1);
	must(pcm_depot_get_full(class, 0, PCM_MAG_NONE) == mag);
	must(pcm_mag_count(mag) == 1);
}
END_TEST

/*
 * A home is given what it has put there; from others what is left, unless they take it
 * again themselves, and even that if need be.
 */
START_TEST(homes)
{
	void **mag[2];
	unsigned int i;

	start();
	for (i = 0; i < 2; i++)
		mag[i] = magazine(class, nslots(class));
	pcm_depot_put(class, 1, mag[0]);
	must(pcm_depot_get_full(class, 2, PCM_MAG_NONE) == PCM_MAG_NONE);
	must(others(2, false) == mag[0]);
	for (i = 0; i < 1000; i++) { /* home 1 uses what it puts there */
		pcm_depot_put(class, 1, mag[0]);
		pcm_depot_put(class, 2, mag[1]);
		must(pcm_depot_get_full(class, 1, PCM_MAG_NONE) == mag[0]);
		must(others(1, false) == mag[1]);
	}
	pcm_depot_put(class, 1, mag[0]);
	must(pcm_depot_nobjs(class) == nslots(class));
	must(others(2, false) == PCM_MAG_NONE);
	must(others(2, true) == mag[0]);
	for (i = 0; i < 1000; i++) { /* no more */
		pcm_depot_put(class, 1, mag[0]);
		must(others(2, true) == mag[0]);
	}
	pcm_depot_put(class, 1, mag[0]);
	must(others(1, false) == PCM_MAG_NONE); /* its own are not among them */
	must(others(2, false) == mag[0]);
	pcm_depot_put(class, 1, mag[0]);
	must(others(1, true) == mag[0]);
	must(pcm_depot_nobjs(class) == 0);
}
END_TEST

/* Who forks holds the locks of the homes that there are: it gets no other one. */
START_TEST(no_new_home_in_fork)
{
	void **mag;

	start();
	mag = magazine(class, nslots(class));
	pcm_depot_fork_lock();
	pcm_lock_fork_begin();
	pcm_depot_put(class, 6, mag);
	must(pcm_depot_get_full(class, 0, PCM_MAG_NONE) == mag);
	pcm_lock_fork_end();
	pcm_depot_fork_unlock();
	pcm_depot_put(class, 6, mag);
	must(pcm_depot_get_full(class, 0, PCM_MAG_NONE) == PCM_MAG_NONE);
	must(pcm_depot_get_full(class, 6, PCM_MAG_NONE) == mag);
}
END_TEST

START_TEST(one_for_one)
{
	void **full, **empty;
	size_t mags;

	start();
	full = magazine(class, nslots(class));
	empty = magazine(class, 0);
	mags = pcm_mag_bytes();
	must(pcm_depot_get_empty(class, 0, full) != PCM_MAG_NONE);
	must(pcm_depot_nobjs(class) == nslots(class));
	must(pcm_mag_bytes() == mags + PCM_MAG_SMALL_BYTES); /* a new one */
	must(pcm_depot_get_full(class, 0, empty) == full);
	must(pcm_depot_get_empty(class, 0, full) == empty); /* the one kept */
	must(pcm_mag_bytes() == mags + PCM_MAG_SMALL_BYTES);
}
END_TEST

/* Spans of which one block stays, and as many that stay full. */
#define NSPARSE 64

static void *left[NSPARSE];

static void make_sparse_spans(void)
{
	unsigned int n = pcm_size_class[class].nobjs, i, k;
	void *objs[64];

	must(n <= 64);
	for (i = 0; i < 2 * NSPARSE; i++) {
		for (k = 0; k < n; k++)
			must(pcm_central_fill(class, 0, &objs[k], 1) == 1);
		if (i < NSPARSE)
			left[i] = objs[0];
	}
	for (i = 0; i < NSPARSE; i++) {
		char *first = left[i];

		for (k = 1; k < n; k++)
			objs[k] = first + k * pcm_size_class[class].size;
		pcm_central_flush(class, objs + 1, n - 1);
	}
}

static void **sparse_magazine(unsigned int from)
{
	void **mag = magazine(class, 0);

	while (!pcm_mag_full(mag))
		pcm_mag_push(&mag, left[from++]);
	return mag;
}

/* Blocks of sparse spans do not stay in the depot, whichever way they come. */
START_TEST(sifted)
{
	size_t out;
	void **mag;

	start();
	make_sparse_spans();
	out = nout(class);
	mag = sparse_magazine(0);
	must(pcm_depot_get_empty(class, 0, mag) == mag - nslots(class));
	pcm_depot_put(class, 0, sparse_magazine(nslots(class)));
	must(pcm_depot_nobjs(class) == 0);
	must(nout(class) == out - 2 * nslots(class));
}
END_TEST

/* A small size of which there are spans in several homes. */
static unsigned int crowded_class(void)
{
	static void *all[64 * 1024];
	unsigned int c = class_of_size(48), n, taken;

	for (n = 0; n < PCM_ARRAY_LEN(all); n += taken)
		taken = pcm_central_fill(c, 0, all + n,
					 (unsigned int)PCM_ARRAY_LEN(all) - n);
	return c;
}

/* A magazine with blocks of whole spans of so many homes, in turns. */
static void **magazine_of(unsigned int c, unsigned int homes)
{
	static void *span[2][8192];
	unsigned int n, h, i;
	void **mag = pcm_mag_new(nslots(c));

	for (h = 0; h < homes; h++) {
		must(pcm_central_fill(c, 1 + h, span[h], 1) == 1);
		n = 1u + pcm_pagemap_span(span[h][0])->nfree;
		for (i = 1; i < n;)
			i += pcm_central_fill(c, 1 + h, span[h] + i, n - i);
	}
	for (i = 0; !pcm_mag_full(mag); i++)
		pcm_mag_push(&mag, span[i % homes][i / homes]);
	return mag;
}

/* Of a magazine that comes to home 1's depot: blocks of its spans, and what is kept. */
static void put_of(unsigned int c, unsigned int homes, size_t *own, size_t *kept)
{
	void **mag = magazine_of(c, homes), **obj;

	*own = 0;
	for (obj = mag - nslots(c); obj < mag; obj++)
		*own += pcm_central_home_of(pcm_pagemap_span(*obj)) == 1;
	*kept = pcm_depot_nobjs(c);
	pcm_depot_put(c, 1, mag);
	*kept = pcm_depot_nobjs(c) - *kept;
}

/* A CPU that takes again what it has put keeps its own blocks, and no others'. */
START_TEST(strangers_leave)
{
	unsigned int c, i;
	size_t own, kept, n;
	void **mag;

	start();
	c = crowded_class();
	n = nslots(c);
	put_of(c, 2, &own, &kept);
	must(own > 0 && own < n && kept == n); /* it has only put until now */
	for (i = 0; i < 300; i++) {
		mag = pcm_depot_get_full(c, 1, PCM_MAG_NONE);
		must(mag != PCM_MAG_NONE);
		pcm_depot_put(c, 1, mag);
	}
	put_of(c, 2, &own, &kept);
	must(own > 0 && own < n && kept == own);
	/* Of larger ones each has cache lines of its own. */
	c = class_of_size(SIZE);
	put_of(c, 2, &own, &kept);
	must(kept == nslots(c));
}
END_TEST

START_TEST(empty_ones_from_the_pool)
{
	void **mag;

	start();
	mag = pcm_depot_get_empty(class, 0, PCM_MAG_NONE);
	must(mag != PCM_MAG_NONE && pcm_mag_empty(mag));
	must(pcm_mag_count(mag) == 0);
	pcm_depot_put(class, 0, mag);
	must(pcm_depot_nobjs(class) == 0);
	must(pcm_depot_get_empty(class, 0, PCM_MAG_NONE) == mag);
}
END_TEST

/* Empty magazines do not pile up in one class, and fewer of them stay. */
START_TEST(few_empty_ones)
{
	unsigned int i;
	void **mag[100];

	start();
	for (i = 0; i < 100; i++)
		mag[i] = magazine(class, 0);
	for (i = 0; i < 100; i++)
		pcm_depot_put(class, 0, mag[i]);
	must(pcm_mag_bytes() - mags_before <= 32 * PCM_MAG_SMALL_BYTES);
	pcm_depot_decay();
	must(pcm_mag_bytes() - mags_before <= PCM_MAG_SMALL_BYTES);
}
END_TEST

static const size_t sizes[] = { 64, 1000, 14000, 65536, 200000, 262144 };

/* What is over the bound goes to the spans, whichever way it comes. */
START_TEST(bounded)
{
	unsigned int c = class_of_size(sizes[_i]), i;
	size_t before, out, put = 0;

	start();
	hold(ALL_MOST * 16);
	before = pcm_depot_nobjs(c);
	out = nout(c);
	for (i = 0; i < 3 * bound(c) / nslots(c); i++) {
		void **mag = magazine(c, nslots(c));

		put += nslots(c);
		if (i % 2)
			pcm_depot_put(c, 0, mag);
		else
			pcm_depot_put(c, 0, pcm_depot_get_empty(c, 0, mag));
		must(pcm_depot_nobjs(c) <= bound(c));
		must(pcm_depot_nobjs(c) - before <= put);
		must(nout(c) - out == pcm_depot_nobjs(c) - before);
	}
	must(pcm_depot_nobjs(c) == bound(c));
}
END_TEST

/* Bytes in the depots of classes first, first + 1, ... */
static size_t fill_depots(unsigned int first, unsigned int n)
{
	unsigned int c, i;
	size_t nbytes = 0;

	for (c = first; c < first + n; c++) {
		for (i = 0; i < 40; i++)
			pcm_depot_put(c, 0, magazine(c, nslots(c)));
		nbytes += pcm_depot_nobjs(c) * pcm_size_class[c].size;
	}
	return nbytes;
}

/* All together have a sixteenth of a small heap, and 1/512. */
START_TEST(bounded_by_the_heap)
{
	static const size_t mib[] = { 2, 6, 16, 256 };
	unsigned int first = class_of_size(512), n = 6;
	size_t all, least;

	start();
	hold(mib[_i] << 20);
	least = bound_for_all();
	all = fill_depots(first, n);
	must(all <= bound_for_all());
	must(all >= least - least / 4);
}
END_TEST

/* Unused magazines go, half of them at a time, until none is left. */
START_TEST(decays)
{
	unsigned int i;
	size_t n, before;

	start();
	put_magazines(class, 8);
	n = pcm_depot_nobjs(class);
	must(n == 8 * nslots(class));
	pcm_depot_decay(); /* an interval in which they came */
	must(pcm_depot_nobjs(class) == n);
	pcm_depot_decay();
	must(pcm_depot_nobjs(class) == n / 2);
	for (i = 0; i < 20 && pcm_depot_nobjs(class) > 0; i++) {
		before = pcm_depot_nobjs(class);
		pcm_depot_decay();
		must(pcm_depot_nobjs(class) <= before);
	}
	must(pcm_depot_nobjs(class) == 0);
	must(nout(class) == nout_before);
	must(pcm_mag_bytes() == mags_before);
}
END_TEST

/* What was needed in the interval stays. */
START_TEST(working_set_stays)
{
	void **mag[8];
	unsigned int i, k;

	start();
	put_magazines(class, 8);
	pcm_depot_decay();
	for (i = 0; i < 10; i++) {
		for (k = 0; k < 8; k++) {
			mag[k] = pcm_depot_get_full(class, 0, PCM_MAG_NONE);
			must(mag[k] != PCM_MAG_NONE);
		}
		for (k = 0; k < 8; k++)
			pcm_depot_put(class, 0, mag[k]);
		pcm_depot_decay();
		must(pcm_depot_nobjs(class) == 8 * nslots(class));
	}
}
END_TEST

START_TEST(drained)
{
	start();
	put_magazines(class, 5);
	pcm_depot_put(class, 0, magazine(class, 1));
	pcm_depot_put(class, 0, magazine(class, 0));
	pcm_depot_drain();
	must(pcm_depot_nobjs(class) == 0);
	must(nout(class) == nout_before);
	must(pcm_mag_bytes() == mags_before);
}
END_TEST

/* ---- threads: an object is in one magazine only ---- */

static void storm_work(unsigned int self)
{
	void **full = pcm_depot_get_full(class, 0, PCM_MAG_NONE);
	unsigned int n, i;
	void **objs;

	if (full == PCM_MAG_NONE)
		full = magazine(class, nslots(class));
	n = pcm_mag_count(full);
	must(n > 0);
	objs = full - n;
	for (i = 0; i < n; i++)
		*(volatile unsigned int *)objs[i] = self;
	for (i = 0; i < n; i++)
		must(*(volatile unsigned int *)objs[i] == self);
	if (self % 2)
		pcm_depot_put(class, 0, full);
	else
		pcm_depot_put(class, 0, pcm_depot_get_empty(class, 0, full));
}

static void storm_meanwhile(void)
{
	static unsigned int n;

	if (++n % 64 == 0)
		pcm_depot_decay();
	if (n % 500 == 0)
		pcm_depot_drain();
}

START_TEST(threads)
{
	struct storm storm = { .nthreads = storm_threads(),
			       .seconds = 1,
			       .work = storm_work,
			       .meanwhile = storm_meanwhile };

	start();
	storm_run(&storm);
	must(nout(class) - nout_before == pcm_depot_nobjs(class));
	pcm_depot_drain();
	must(nout(class) == nout_before);
	must(pcm_depot_nobjs(class) == 0);
}
END_TEST

int main(void)
{
	TCase *tests = unit_begin("depot");

	tcase_add_test(tests, empty_at_first);
	tcase_add_test(tests, full_and_back);
	tcase_add_test(tests, partly_filled);
	tcase_add_test(tests, homes);
	tcase_add_test(tests, no_new_home_in_fork);
	tcase_add_test(tests, one_for_one);
	tcase_add_test(tests, sifted);
	tcase_add_test(tests, strangers_leave);
	tcase_add_test(tests, empty_ones_from_the_pool);
	tcase_add_test(tests, few_empty_ones);
	tcase_add_loop_test(tests, bounded, 0,
			    sizeof(sizes) / sizeof(sizes[0]));
	tcase_add_loop_test(tests, bounded_by_the_heap, 0, 4);
	tcase_add_test(tests, decays);
	tcase_add_test(tests, working_set_stays);
	tcase_add_test(tests, drained);
	tcase_add_test(tests, threads);
	return unit_end();
}
