/*
 * Spans of a class that has much: how long they are, that a short one does where there
 * is no room for a long one, and that a long one can become mixed.
 */
#include "mixed_kit.h"

#include "capacity.h"
#include "limit.h"
#include "page_heap.h"
#include "record.h"

static const size_t sizes[] = { 8, 20480, 16, 48, 256, 1024, 4096, 5120, 14336 };
#define NSIZES ((int)(sizeof(sizes) / sizeof(sizes[0])))
#define NSHORT 2 /* the first ones have no longer spans */

#define SPANS_MAX 4096

/*
 * The smallest class from that size on that this process does not use, whose spans get
 * `longer`, or do not.
 */
static unsigned int class_from(size_t size, bool longer)
{
	unsigned int c = pcm_size_class_within(size);

	while (stats_of(c).nspans > 0 || (pcm_size_class[c].longest > 1) != longer)
		must(++c < PCM_NCLASSES);
	return c;
}

/* One block each of the spans that there are, all of whose blocks are taken. */
static void *spans[SPANS_MAX];
static unsigned int nspans;

/* Of how many blocks a new one should be when the class has nall. */
static size_t expected(unsigned int class, size_t nall, unsigned int part)
{
	const struct pcm_size_class *sc = &pcm_size_class[class];
	size_t times, best = 1;

	for (times = 1; times <= sc->longest; times *= 2)
		if (times * sc->nobjs * part <= nall)
			best = times;
	return (best * sc->npages << PCM_PAGE_SHIFT) / sc->size;
}

/* Until the class has so many blocks; each span is of the length that it should be. */
static void grow_to(unsigned int class, size_t nblocks, unsigned int part)
{
	while (stats_of(class).nout < nblocks) {
		size_t nall = stats_of(class).nout;
		void *first = pcm_central_take_aligned(class, 0);
		struct pcm_span *span = pcm_pagemap_span(first);

		must(first != NULL && nspans < SPANS_MAX);
		must(span->nobjs == expected(class, nall, part));
		must(span->nfree == span->nobjs - 1);
		get_objects(class, objs, span->nobjs - 1u);
		must(pcm_pagemap_span(objs[span->nobjs - 2]) == span ||
		     span->nobjs == 1);
		must(span->nfree == 0);
		spans[nspans++] = first;
	}
}

/* All blocks but the first one of each of the last n spans. */
static void empty_last(unsigned int class, unsigned int n)
{
	unsigned int i, k;

	for (i = nspans - n; i < nspans; i++) {
		unsigned int nobjs = pcm_pagemap_span(spans[i])->nobjs;

		for (k = 1; k < nobjs; k++)
			objs[k] = (char *)spans[i] +
				  k * pcm_size_class[class].size;
		pcm_central_flush(class, objs + 1, nobjs - 1);
	}
}

static void give_all_back(unsigned int class)
{
	empty_last(class, nspans);
	pcm_central_flush(class, spans, nspans);
	must(stats_of(class).nspans == 0 && stats_of(class).nout == 0);
	must(stats_of(class).nbytes == 0);
	nspans = 0;
}

/* First few sizes are used, and then all. */
START_TEST(lengths)
{
	unsigned int class = class_from(sizes[_i], _i >= NSHORT);
	const struct pcm_size_class *sc = &pcm_size_class[class];
	size_t nblocks = (size_t)sc->nobjs * 32 * (sc->longest + 2);
	struct pcm_page_heap_stats before, after;

	if (nblocks * sc->size > (size_t)64 << 20)
		nblocks = ((size_t)64 << 20) / sc->size;
	must(!atomic_load(&pcm_size_class_all));
	pcm_page_heap_stats_get(&before);
	if (nblocks * sc->size <= (size_t)7 << 20) {
		grow_to(class, nblocks, 32);
		give_all_back(class);
	}
	pcm_size_class_use_all();
	grow_to(class, nblocks, 16);
	must(sc->longest == 1 ||
	     2 * pcm_pagemap_span(spans[nspans - 1])->nobjs > sc->nobjs * sc->longest);
	give_all_back(class);
	/* Where CPUs are busy with visits they are longer sooner, if the heap does not grow. */
	atomic_store(&pcm_capacity_busy_homes, 1);
	set_record_to_used();
	grow_to(class, nblocks, 16);
	give_all_back(class);
	set_record(SIZE_MAX / 2);
	grow_to(class, nblocks, 4);
	give_all_back(class);
	set_record_to_used();
	pcm_page_heap_stats_get(&after);
	must(after.used == before.used);
}
END_TEST

/* Blocks go and come one by one, and by many, by way of three homes; spans move. */
START_TEST(lists)
{
	unsigned int class = class_from(sizes[_i], true), i, k, n, home;
	uint64_t state = testing_seed();
	static void *out[32768];
	size_t size = pcm_size_class[class].size;

	pcm_size_class_use_all();
	grow_to(class, 16 * 8 * (65536 / size), 16);
	give_all_back(class);
	must(pcm_central_homes(class) == 1);
	for (n = 0, i = 0; i < 6000; i++) {
		home = (unsigned int)rnd(&state) % 3;
		k = (unsigned int)rnd_between(&state, 1, 100);
		if (rnd(&state) % 5 < 2 && n + k <= PCM_ARRAY_LEN(out)) {
			n += pcm_central_fill_aligned(class, home, out + n, k);
		} else if (n > 0) {
			k = k > n ? n : rnd(&state) % 2 == 0 ? 1 : k;
			pcm_central_flush(class, out + (n -= k), k);
		}
		if (n > 1) {
			unsigned int at = (unsigned int)rnd_between(&state, 0, n - 1);
			void *swap = out[at];

			out[at] = out[n - 1];
			out[n - 1] = swap;
		}
		if (i % 500 == 499)
			pcm_central_trim(); /* what is left is settled */
		if (i % 50 == 0) {
			check_lists(class);
			must(pcm_page_heap_check_spans() == NULL);
		}
	}
	must(pcm_central_homes(class) == 7);
	pcm_central_flush(class, out, n);
	must(stats_of(class).nspans == 0 && stats_of(class).nbytes == 0);
}
END_TEST

/* Where memory is short. */
START_TEST(short_ones_near_the_limit)
{
	unsigned int class = class_from(256, true);

	pcm_size_class_use_all();
	grow_to(class, (size_t)pcm_size_class[class].nobjs * 16 * 4, 16);
	must(expected(class, stats_of(class).nout, 16) >
	     pcm_size_class[class].nobjs);
	atomic_store(&pcm_limit_near, true);
	must((objs[0] = pcm_central_take_aligned(class, 0)) != NULL);
	must(pcm_pagemap_span(objs[0])->nobjs == pcm_size_class[class].nobjs);
	atomic_store(&pcm_limit_near, false);
	pcm_central_flush(class, objs, 1);
	give_all_back(class);
}
END_TEST

/* To the last page. */
START_TEST(short_where_no_long_one_fits)
{
	unsigned int class = class_from(3072, true);
	const struct pcm_size_class *sc = &pcm_size_class[class];
	void *p, *first = NULL;
	char *hole;

	pcm_size_class_use_all();
	grow_to(class, (size_t)sc->nobjs * 16 * 4, 16);
	must(expected(class, stats_of(class).nout, 16) == 4u * sc->nobjs);
	/* A hole for the shortest, among what is in use. */
	must((hole = pcm_page_heap_alloc(sc->npages, NULL)) != NULL);
	pcm_limit_init(SIZE_MAX, pcm_limit_held());
	while ((p = pcm_page_heap_alloc(1, NULL)) != NULL) {
		*(void **)p = first;
		first = p;
	}
	pcm_page_heap_free(hole, sc->npages);
	get_objects(class, objs, sc->nobjs);
	must(objs[0] == hole && pcm_pagemap_span(hole)->nobjs == sc->nobjs);
	must(pcm_central_take_aligned(class, 0) == NULL);
	pcm_central_flush(class, objs, sc->nobjs);
	pcm_limit_init(SIZE_MAX, SIZE_MAX);
	for (p = first; p != NULL; p = first) {
		first = *(void **)p;
		pcm_page_heap_free(p, 1);
	}
	give_all_back(class);
}
END_TEST

/* What is left is one block; the rest is a hole of almost 64 KiB. */
START_TEST(long_one_becomes_mixed)
{
	unsigned int large = class_of(16384), class = class_from(sizes[_i], true), n;
	size_t size = pcm_size_class[class].size;
	struct pcm_span *span;
	void *holes[4];

	grow_to(class, 16 * 20 * (65536 / size), 16);
	span = pcm_pagemap_span(spans[nspans - 1]);
	must(span->nbytes > 32768);
	empty_last(class, 1);
	must(mix(class) && span->kind == PCM_SPAN_MIXED);
	verify();
	n = take(large, holes, 4);
	must(n == (span->nbytes - size) / 16384);
	must(take(large, holes + n, 1) == 0);
	verify();
	put(class, &spans[nspans - 1], 1);
	nspans--;
	put(large, holes, n);
	must(mixed_stats().nspans == 0);
	verify();
	give_all_back(class);
}
END_TEST

int main(void)
{
	TCase *tests = unit_begin("central_long");

	tcase_add_loop_test(tests, lengths, 0, NSIZES);
	tcase_add_loop_test(tests, lists, NSHORT, NSIZES - 2);
	tcase_add_test(tests, short_ones_near_the_limit);
	tcase_add_test(tests, short_where_no_long_one_fits);
	tcase_add_loop_test(tests, long_one_becomes_mixed, NSHORT, NSIZES - 1);
	return unit_end();
}
