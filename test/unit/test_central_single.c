/*
 * Classes of which each block is a span of its own: without lists and locks, counted by all
 * homes together, and freed once.
 */
#include "mixed_kit.h"

#include "limit.h"
#include "page_heap.h"
#include "page_heap_check.h"
#include "span.h"
#include "storm.h"

#define SIZE ((size_t)40960)

static unsigned int single(void)
{
	unsigned int c;

	pcm_size_class_use_all();
	c = pcm_size_class_of(SIZE);
	must(pcm_size_class[c].size == SIZE && pcm_central_is_single(c));
	return c;
}

static void *take_single(unsigned int class)
{
	bool zeroed = false;
	void *p = pcm_central_take(class, 0, &zeroed);

	must(p != NULL);
	return p;
}

/* Those of which a block fills its pages, and none of those that have longer spans. */
START_TEST(which)
{
	unsigned int c;

	pcm_size_class_use_all();
	for (c = 1; c < PCM_NCLASSES; c++) {
		size_t size = pcm_size_class[c].size;

		if (size > 32768)
			must(pcm_central_is_single(c));
		if (size <= 16384)
			must(!pcm_central_is_single(c));
		if (pcm_central_is_single(c))
			must(size % PCM_PAGE == 0 &&
			     pcm_size_class[c].npages == size / PCM_PAGE);
	}
}
END_TEST

/* Taken in each way, and put back together; the page heap has all of it again. */
START_TEST(out_and_back)
{
	unsigned int c = single(), i;
	struct pcm_page_heap_stats before, after;
	void *all[12], *got[4];
	bool zeroed = false;

	pcm_page_heap_stats_get(&before);
	for (i = 0; i < 4; i++) {
		must(pcm_central_fill(c, i, got, 4) == 1);
		all[3 * i] = got[0];
		must(pcm_central_fill_aligned(c, i, got, 4) == 1);
		all[3 * i + 1] = got[0];
		all[3 * i + 2] = pcm_central_take(c, i, &zeroed);
		must(all[3 * i + 2] != NULL);
	}
	for (i = 0; i < 12; i++) {
		const struct pcm_span *span = pcm_pagemap_span(all[i]);

		must(span->start == all[i] && span->nbytes == SIZE);
		must(pcm_pagemap_class((char *)all[i] + SIZE - 1) == c);
		must(pcm_span_check(span, all[i]) == PCM_SPAN_OK);
	}
	must(stats_of(c).nspans == 12 && stats_of(c).nout == 12);
	must(stats_of(c).nbytes == 12 * SIZE);
	must(pcm_page_heap_check_spans() == NULL);
	must(pcm_central_try_take(c) == NULL);
	pcm_central_flush(c, all, 12);
	must(stats_of(c).nspans == 0 && stats_of(c).nbytes == 0);
	must(pcm_pagemap_class(all[0]) == 0 && pcm_pagemap_span(all[0]) == NULL);
	pcm_page_heap_stats_get(&after);
	must(after.used == before.used);
	must(pcm_page_heap_check_spans() == NULL);
}
END_TEST

/* New memory reads as 0, and is told to. */
START_TEST(zeroed)
{
	unsigned int c = single();
	size_t i;
	bool zero;
	char *p;

	do {
		zero = false;
		p = pcm_central_take(c, 0, &zero);
		must(p != NULL);
	} while (!zero);
	for (i = 0; i < SIZE; i++)
		must(p[i] == 0);
	memset(p, 1, SIZE);
	pcm_central_flush(c, (void **)&p, 1);
	p = pcm_central_take(c, 0, &zero);
	must(p != NULL && (p[0] == 0 || !zero));
}
END_TEST

/* A home's count may be below 0, and the sum as it is seen in passing, too. */
START_TEST(sum_in_passing)
{
	unsigned int c = single();

	pcm_centrals[3][c].nsingle--;
	must(stats_of(c).nspans == 0 && stats_of(c).nbytes == 0);
	pcm_centrals[5][c].nsingle += 3;
	must(stats_of(c).nspans == 2 && stats_of(c).nbytes == 2 * SIZE);
}
END_TEST

static void flush_it(void *p)
{
	pcm_central_flush(single(), &p, 1);
}

static void flush_twice(void *p)
{
	flush_it(p);
	flush_it(p);
}

/* Somebody else is freeing it, and its span is still there. */
static void flush_too(void *p)
{
	must(pcm_span_put_single(pcm_pagemap_span(p)));
	flush_it(p);
}

static void flush_both(void *p)
{
	void *both[] = { p, p };

	pcm_central_flush(single(), both, 2);
}

START_TEST(faults)
{
	unsigned int c = single();
	char *p = take_single(c);

	must_abort(flush_twice, "free", p, "block is already free");
	must_abort(flush_too, "free", p, "block is already free");
	must_abort(flush_both, "free", p, "block is already free");
	must_abort(flush_it, "free", p + 16, "pointer into the middle of a block");
	must_abort(flush_it, "free", p + PCM_PAGE,
		   "pointer into the middle of a block");
	must(stats_of(c).nspans == 1);
	pcm_central_flush(c, (void **)&p, 1);
}
END_TEST

/* Without memory there is none, and as soon as there is, there is. */
START_TEST(no_memory)
{
	unsigned int c = single(), n = 0;
	void *all[4096], *p;
	bool zero = false;

	pcm_limit_init(SIZE_MAX, pcm_limit_held());
	while (n < 4096 && (all[n] = pcm_central_take(c, 0, &zero)) != NULL)
		n++;
	must(n < 4096);
	must(pcm_central_fill(c, 0, &p, 1) == 0);
	must(pcm_central_take_aligned(c, 0) == NULL);
	must(stats_of(c).nspans == n);
	pcm_limit_init(SIZE_MAX, SIZE_MAX);
	p = take_single(c);
	pcm_central_flush(c, all, n);
	pcm_central_flush(c, &p, 1);
	must(stats_of(c).nspans == 0);
}
END_TEST

#define PLACES 64
#define LAST (SIZE / sizeof(unsigned int) - 1)

static _Atomic(void *) places[PLACES];

/* Blocks that one thread takes and another one frees, on whatever CPU. */
static void pass_on(unsigned int self)
{
	static __thread unsigned int round;
	unsigned int c = pcm_size_class_of(SIZE), *p = take_single(c), *old;
	void *other;

	p[0] = p[LAST] = self;
	must(((volatile unsigned int *)p)[0] == self &&
	     ((volatile unsigned int *)p)[LAST] == self);
	other = atomic_exchange(&places[(round++ * 7 + self) % PLACES], p);
	if (other == NULL)
		return;
	old = other;
	must(old[0] == old[LAST]);
	pcm_central_flush(c, &other, 1);
}

START_TEST(threads)
{
	struct storm storm = { .nthreads = storm_threads(),
			       .seconds = 1,
			       .work = pass_on };
	unsigned int c = single(), i, n = 0;

	storm_run(&storm);
	for (i = 0; i < PLACES; i++)
		n += atomic_load(&places[i]) != NULL;
	must(stats_of(c).nspans == n);
	must(pcm_page_heap_check_spans() == NULL);
	for (i = 0; i < PLACES; i++) {
		void *p = atomic_load(&places[i]);

		if (p != NULL)
			pcm_central_flush(c, &p, 1);
	}
	must(stats_of(c).nspans == 0);
}
END_TEST

int main(void)
{
	TCase *tests = unit_begin("central_single");

	tcase_add_test(tests, which);
	tcase_add_test(tests, out_and_back);
	tcase_add_test(tests, zeroed);
	tcase_add_test(tests, sum_in_passing);
	tcase_add_test(tests, faults);
	tcase_add_test(tests, no_memory);
	tcase_add_test(tests, threads);
	return unit_end();
}
