/*
 * large: which blocks come from the page heap and which have mappings of their
 * own; growing and shrinking without copying.
 */
#include "unit.h"

#include "large.h"
#include "mapping.h"
#include "page.h"
#include "page_heap.h"
#include "pagemap.h"
#include "size_class.h"
#include "span.h"

static struct pcm_large_stats before;

static struct pcm_large_stats stats(void)
{
	struct pcm_large_stats now;

	pcm_large_stats_get(&now);
	return now;
}

static void start(void)
{
	before = stats();
}

static struct pcm_span *span_of(void *p)
{
	struct pcm_span *span = pcm_pagemap_span(p);

	must(span != NULL && span->start == p);
	return span;
}

static void *allocate(size_t nbytes, size_t align)
{
	bool zeroed = false;
	void *p = pcm_large_alloc(nbytes, align, &zeroed);

	must(p != NULL);
	must((uintptr_t)p % align == 0);
	must(span_of(p)->nbytes >= nbytes);
	must(pcm_pagemap_class(p) == 0);
	must(!zeroed || all_bytes(p, span_of(p)->nbytes, 0));
	memset(p, 0x5a, nbytes);
	return p;
}

static const struct {
	size_t nbytes, align;
	enum pcm_span_kind kind;
} blocks[] = {
	{ 0, 16, PCM_SPAN_LARGE },
	{ 1, 16, PCM_SPAN_LARGE },
	{ 1, 65536, PCM_SPAN_LARGE },
	{ PCM_SMALL_MAX + 1, 16, PCM_SPAN_LARGE },
	{ 300000, 16, PCM_SPAN_LARGE },
	{ 300000, 1 << 20, PCM_SPAN_LARGE },
	{ 1, PCM_HUGEPAGE, PCM_SPAN_LARGE },
	{ 1, 2 * PCM_HUGEPAGE, PCM_SPAN_MAPPING },
	{ PCM_MAPPING_MIN, 16, PCM_SPAN_LARGE },
	{ PCM_MAPPING_MIN + 1, 16, PCM_SPAN_MAPPING },
	{ PCM_MAPPING_MIN + 1, PCM_HUGEPAGE, PCM_SPAN_MAPPING },
	{ 3000000, (size_t)1 << 30, PCM_SPAN_MAPPING },
};

START_TEST(kinds)
{
	struct pcm_span *span;
	void *p;

	start();
	p = allocate(blocks[_i].nbytes, blocks[_i].align);
	span = span_of(p);
	must(span->kind == blocks[_i].kind);
	if (span->kind == PCM_SPAN_LARGE) {
		must(stats().nlive == before.nlive + 1);
		must(stats().live == before.live + span->nbytes);
		must(pcm_pagemap_span((char *)p + span->nbytes - 1) == span);
	} else {
		must(stats().nlive == before.nlive);
	}
	pcm_large_free(span);
	must(stats().nlive == before.nlive && stats().live == before.live);
	must(pcm_pagemap_span(p) == NULL);
}
END_TEST

START_TEST(too_large)
{
	must(pcm_large_alloc(PTRDIFF_MAX, 16, NULL) == NULL);
	must(pcm_large_alloc(SIZE_MAX, 16, NULL) == NULL);
	must(pcm_large_alloc(1, (size_t)1 << 62, NULL) == NULL);
}
END_TEST

/* Grows into free pages behind it, shrinks by giving pages back. */
START_TEST(resized_in_page_heap)
{
	size_t n = 300000, small = 280000, grown = 900000;
	struct pcm_span *span;
	char *p;

	start();
	p = allocate(1000000, 16); /* so that there is room behind it */
	span = span_of(p);
	must(pcm_large_resize(span, n) == p);
	must(span->nbytes == pcm_pages_of(n) * PCM_PAGE);
	must(pcm_pagemap_span(p + 1000000 - 1) == NULL);
	must(stats().live == before.live + span->nbytes);
	must(all_bytes(p, n, 0x5a));
	must(pcm_large_resize(span, grown) == p);
	must(span->nbytes == pcm_pages_of(grown) * PCM_PAGE);
	must(pcm_pagemap_span(p + grown - 1) == span);
	must(stats().live == before.live + span->nbytes);
	must(all_bytes(p, n, 0x5a));
	memset(p, 0x5b, grown);
	must(pcm_large_resize(span, small) == p);
	must(all_bytes(p, small, 0x5b));
	must(pcm_large_resize(span, small) == p); /* the same again */
	pcm_large_free(span);
	must(stats().nlive == before.nlive && stats().live == before.live);
}
END_TEST

/* Somebody lies behind it: no, and nothing has changed. */
START_TEST(not_resized)
{
	struct pcm_span *span;
	char *p, *q;
	size_t n;

	start();
	p = allocate(PCM_MAPPING_MIN, 16);
	span = span_of(p);
	must(pcm_large_resize(span, 300000) == p);
	n = span->nbytes;
	q = pcm_page_heap_alloc(1, NULL);
	while (q != p + n) /* the pages right behind it, sooner or later */
		q = pcm_page_heap_alloc(1, NULL);
	must(pcm_large_resize(span, n + 1) == NULL);
	must(span->nbytes == n && all_bytes(p, 300000, 0x5a));
	must(pcm_pagemap_span(p + n) != span);
	must(pcm_large_resize(span, PCM_MAPPING_MIN + 1) == NULL);
	must(pcm_large_resize(span, 1000) == NULL);
	must(span->nbytes == n && span->kind == PCM_SPAN_LARGE);
}
END_TEST

START_TEST(resized_mapping)
{
	struct pcm_span *span;
	char *p, *q;

	start();
	p = allocate(2000000, 16);
	span = span_of(p);
	fill(p, 2000000, 4);
	q = pcm_large_resize(span, 50000000);
	must(q != NULL && span_of(q) == span);
	must(filled(q, 2000000, 4));
	p = pcm_large_resize(span, 1100000);
	must(p != NULL && filled(p, 1100000, 4));
	must(span->nbytes < 1200000);
}
END_TEST

/* ---- random operations ---- */

#define NBLOCKS 40

static struct block {
	char *p;
	size_t nbytes;
	uint64_t seed;
} live[NBLOCKS];

static size_t random_size(uint64_t *state)
{
	return rnd(state) % 4 == 0 ?
		       rnd_between(state, PCM_SMALL_MAX, 4 << 20) :
		       rnd_between(state, PCM_SMALL_MAX, PCM_MAPPING_MIN);
}

static void random_step(uint64_t *state)
{
	struct block *b = &live[rnd(state) % NBLOCKS];
	size_t n = random_size(state);
	char *q;

	if (b->p == NULL) {
		b->p = allocate(n, (size_t)16 << rnd(state) % 10);
	} else if (rnd(state) % 2) {
		must(filled(b->p, b->nbytes, b->seed));
		pcm_large_free(span_of(b->p));
		b->p = NULL;
		return;
	} else {
		q = pcm_large_resize(span_of(b->p), n);
		if (q == NULL) {
			must(n <= PCM_SMALL_MAX ||
			     filled(b->p, b->nbytes, b->seed));
			return;
		}
		b->p = q;
		must(filled(b->p, n < b->nbytes ? n : b->nbytes, b->seed));
	}
	b->nbytes = n;
	b->seed = rnd(state);
	fill(b->p, n, b->seed);
}

START_TEST(random_operations)
{
	uint64_t state = testing_seed();
	unsigned int i, n = 0;
	size_t nbytes = 0;

	start();
	for (i = 0; i < 1500; i++)
		random_step(&state);
	for (i = 0; i < NBLOCKS; i++) {
		if (live[i].p == NULL)
			continue;
		must(filled(live[i].p, live[i].nbytes, live[i].seed));
		if (span_of(live[i].p)->kind != PCM_SPAN_LARGE)
			continue;
		n++;
		nbytes += span_of(live[i].p)->nbytes;
	}
	must(stats().nlive - before.nlive == n);
	must(stats().live - before.live == nbytes);
}
END_TEST

int main(void)
{
	TCase *tests = unit_begin("large");

	tcase_add_loop_test(tests, kinds, 0,
			    sizeof(blocks) / sizeof(blocks[0]));
	tcase_add_test(tests, too_large);
	tcase_add_test(tests, resized_in_page_heap);
	tcase_add_test(tests, not_resized);
	tcase_add_test(tests, resized_mapping);
	tcase_add_test(tests, random_operations);
	return unit_end();
}
