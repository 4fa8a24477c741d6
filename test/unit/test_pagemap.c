/*
 * pagemap: whatever the pointer, an answer; entries that do not disturb their
 * neighbours; the short cut for a heap within one GiB.
 *
 * Entries are made for addresses around 1 TiB, where nothing is mapped: the
 * pagemap never touches what it maps.
 */
#include "unit.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "pagemap.h"
#include "sys.h"

#define GIB_SHIFT PCM_LEAF_SHIFT
#define FAR ((uintptr_t)1 << 40) /* 1 TiB */
#define LIMIT ((uintptr_t)1 << PCM_ADDRESS_BITS)

static const void *at(uintptr_t address)
{
	return (const void *)address;
}

static struct pcm_span *span_number(uintptr_t n)
{
	return (struct pcm_span *)(n * 64);
}

static void must_be_nothing(uintptr_t address)
{
	must(pcm_pagemap_class(at(address)) == 0);
	must(pcm_pagemap_span(at(address)) == NULL);
	must(pcm_pagemap_hugepage(at(address)) == NULL);
}

/* NULL, small numbers, kernel addresses, tags in the upper bits. */
START_TEST(wild_pointers)
{
	static const uintptr_t wild[] = {
		0, 1, 8, 4095, 65536, (uintptr_t)1 << 30,
		LIMIT - 1, LIMIT, LIMIT + 1, LIMIT + 4096, LIMIT << 1,
		(uintptr_t)1 << 48, (uintptr_t)1 << 56, (uintptr_t)1 << 63,
		0xffff800000000000u, 0xffffffff80000000u, UINTPTR_MAX,
		UINTPTR_MAX - 8191, 0xdeadbeefdeadbeefu, 0x00007fffffffffffu,
	};
	size_t i;

	for (i = 0; i < sizeof(wild) / sizeof(wild[0]); i++)
		must_be_nothing(wild[i]);
}
END_TEST

/* A pointer with a tag is not the pointer. */
START_TEST(tagged_pointers)
{
	char *p = malloc(100);
	unsigned int bit;

	must(pcm_pagemap_class(p) != 0 && pcm_pagemap_span(p) != NULL);
	for (bit = PCM_ADDRESS_BITS; bit < 64; bit++)
		must_be_nothing((uintptr_t)p ^ (uintptr_t)1 << bit);
	free(p);
}
END_TEST

START_TEST(random_pointers)
{
	uint64_t state = testing_seed();
	unsigned int i;

	for (i = 0; i < 5000000; i++) {
		uintptr_t a = rnd(&state) >> (i % 20);

		(void)pcm_pagemap_class(at(a));
		(void)pcm_pagemap_span(at(a));
		(void)pcm_pagemap_hugepage(at(a));
	}
}
END_TEST

START_TEST(memory_that_is_not_ours)
{
	static char in_bss;
	char on_stack;

	must_be_nothing((uintptr_t)&in_bss);
	must_be_nothing((uintptr_t)&on_stack);
	must_be_nothing((uintptr_t)must_be_nothing);
}
END_TEST

START_TEST(prepare_in_range)
{
	must(pcm_pagemap_prepare(at(FAR), 1));
	must(pcm_pagemap_prepare(at(FAR), 1)); /* again */
	must_be_nothing(FAR);
	must(pcm_pagemap_prepare(at(LIMIT - PCM_PAGE), PCM_PAGE));
	must_be_nothing(LIMIT - 1);
}
END_TEST

START_TEST(prepare_out_of_range)
{
	must(!pcm_pagemap_prepare(at(LIMIT), 1));
	must(!pcm_pagemap_prepare(at(LIMIT - PCM_PAGE), 2 * PCM_PAGE));
	must(!pcm_pagemap_prepare(at((uintptr_t)1 << 60), 1));
	must(!pcm_pagemap_prepare(at(UINTPTR_MAX - 8191), 4096));
}
END_TEST

/* Prepared in one call over several GiB: each of them is there. */
START_TEST(prepare_many_leaves)
{
	uintptr_t first = FAR + ((uintptr_t)20 << GIB_SHIFT), i;

	must(pcm_pagemap_prepare(at(first + PCM_PAGE),
				 (size_t)4 << GIB_SHIFT));
	for (i = 0; i <= 4; i++) {
		const void *p = at(first + (i << GIB_SHIFT));

		pcm_pagemap_set_span(p, 1, span_number(i + 1));
		must(pcm_pagemap_span(p) == span_number(i + 1));
	}
}
END_TEST

START_TEST(classes_and_neighbours)
{
	uintptr_t base = FAR + ((uintptr_t)40 << GIB_SHIFT);
	unsigned int class;

	must(pcm_pagemap_prepare(at(base), 1));
	for (class = 255; class > 0; class--) {
		uintptr_t p = base + class * 16 * PCM_PAGE;

		pcm_pagemap_set_class(at(p), 8, class);
		must(pcm_pagemap_class(at(p - 1)) == 0);
		must(pcm_pagemap_class(at(p)) == class);
		must(pcm_pagemap_class(at(p + 8 * PCM_PAGE - 1)) == class);
		must(pcm_pagemap_class(at(p + 8 * PCM_PAGE)) == 0);
	}
	pcm_pagemap_set_class(at(base + 16 * PCM_PAGE), 8, 0);
	must(pcm_pagemap_class(at(base + 16 * PCM_PAGE)) == 0);
	must(pcm_pagemap_class(at(base + 32 * PCM_PAGE)) == 2);
	/* The same page in another GiB. */
	must(pcm_pagemap_class(at(base + ((uintptr_t)1 << GIB_SHIFT) +
				  32 * PCM_PAGE)) == 0);
}
END_TEST

START_TEST(hugepages)
{
	uintptr_t base = FAR + ((uintptr_t)60 << GIB_SHIFT), i;

	must(pcm_pagemap_prepare(at(base), (size_t)1 << GIB_SHIFT));
	for (i = 0; i < PCM_LEAF_NHUGE; i += 3)
		pcm_pagemap_set_hugepage(at(base + i * PCM_HUGEPAGE),
					 (struct pcm_hugepage *)(i * 64 + 64));
	for (i = 0; i < PCM_LEAF_NHUGE; i++) {
		struct pcm_hugepage *huge = i % 3 ? NULL :
			(struct pcm_hugepage *)(i * 64 + 64);

		must(pcm_pagemap_hugepage(at(base + i * PCM_HUGEPAGE)) == huge);
		must(pcm_pagemap_hugepage(
			     at(base + (i + 1) * PCM_HUGEPAGE - 1)) == huge);
	}
	pcm_pagemap_set_hugepage(at(base), NULL);
	must(pcm_pagemap_hugepage(at(base)) == NULL);
}
END_TEST

/* The pages of a run have lines of their own; the span is found through their header. */
START_TEST(lines)
{
	static _Alignas(PCM_PAGEMAP_LINE) char lines[PCM_PAGEMAP_NLINES + 1]
						    [PCM_PAGEMAP_LINE];
	uintptr_t base = FAR + ((uintptr_t)60 << GIB_SHIFT), entry;
	struct pcm_span *span = span_number(7);
	unsigned int i;

	memcpy(lines[0], &span, sizeof(span));
	must(pcm_pagemap_prepare(at(base), (size_t)1 << GIB_SHIFT));
	pcm_pagemap_set_span(at(base), PCM_PAGEMAP_NLINES + 1, span_number(1));
	must(!pcm_pagemap_has_line(pcm_pagemap_entry(at(base))));
	must(pcm_pagemap_fetched(pcm_pagemap_entry(at(base))) == span_number(1));
	pcm_pagemap_set_lines(at(base), PCM_PAGEMAP_NLINES, lines);
	for (i = 0; i < PCM_PAGEMAP_NLINES; i++) {
		entry = pcm_pagemap_entry(at(base + i * PCM_PAGE + 100));
		must(pcm_pagemap_has_line(entry));
		must(pcm_pagemap_line(entry) == i);
		must(pcm_pagemap_fetched(entry) == lines[i + 1]);
		must(pcm_pagemap_header(entry) == lines);
		must(pcm_pagemap_span(at(base + i * PCM_PAGE)) == span);
	}
	must(pcm_pagemap_span(at(base + i * PCM_PAGE)) == span_number(1));
	must(pcm_pagemap_entry(at(base - 1)) == 0);
	pcm_pagemap_set_span(at(base), PCM_PAGEMAP_NLINES, span_number(2));
	must(pcm_pagemap_entry(at(base)) == (uintptr_t)span_number(2));
}
END_TEST

/* Released entries read as none, are usable again, and are no others. */
START_TEST(released)
{
	size_t grain = PCM_PAGEMAP_GRAIN(pcm_sys_page);
	uintptr_t base = FAR + 8 * grain;

	must(pcm_pagemap_prepare(at(base - PCM_PAGE), 2 * grain));
	pcm_pagemap_set_span(at(base - PCM_PAGE), 1, span_number(1));
	pcm_pagemap_set_span(at(base), 1, span_number(2));
	pcm_pagemap_set_span(at(base + grain), 1, span_number(3));
	pcm_pagemap_release(at(base + grain - 1));
	must(pcm_pagemap_span(at(base)) == NULL);
	must(pcm_pagemap_span(at(base - PCM_PAGE)) == span_number(1));
	must(pcm_pagemap_span(at(base + grain)) == span_number(3));
	pcm_pagemap_set_span(at(base), 1, span_number(4));
	must(pcm_pagemap_span(at(base)) == span_number(4));
}
END_TEST

/*
 * A block in a second GiB, after the short cut was made for the first: both are
 * found, in either order.
 */
START_TEST(second_gib)
{
	uintptr_t other = FAR + ((uintptr_t)80 << GIB_SHIFT);
	char *p = malloc(100);
	unsigned int class = pcm_pagemap_class(p);

	must(class != 0);
	must(pcm_pagemap_prepare(at(other), 1));
	pcm_pagemap_set_class(at(other), 8, 17);
	pcm_pagemap_set_hugepage(at(other), (struct pcm_hugepage *)64);
	must(pcm_pagemap_class(at(other + 7 * PCM_PAGE)) == 17);
	must(pcm_pagemap_class(p) == class);
	must(pcm_pagemap_class(at(other + 8 * PCM_PAGE)) == 0);
	/* The page of the other GiB that has p's number within its GiB. */
	must(pcm_pagemap_class(at(other + (uintptr_t)p %
					  ((uintptr_t)1 << GIB_SHIFT))) == 0);
	free(p);
}
END_TEST

START_TEST(spare_leaf)
{
	uintptr_t gib = FAR + ((uintptr_t)90 << GIB_SHIFT);
	struct pcm_pagemap_leaf *leaf = pcm_pagemap_leaf_new();

	must(leaf != NULL);
	must_be_nothing(gib + PCM_PAGE);
	pcm_pagemap_use_leaf(at(gib + PCM_PAGE), leaf);
	pcm_pagemap_set_span(at(gib), 1, span_number(5));
	must(leaf->entry[0] == (uintptr_t)span_number(5));
	/* There is one: the second is given back, the first stays. */
	leaf = pcm_pagemap_leaf_new();
	must(leaf != NULL);
	pcm_pagemap_use_leaf(at(gib), leaf);
	must(pcm_pagemap_span(at(gib)) == span_number(5));
}
END_TEST

#define NTHREADS 4
#define NLEAVES 200

static pthread_barrier_t barrier;

static void *prepare_leaves(void *arg)
{
	uintptr_t self = (uintptr_t)arg, i;

	for (i = 0; i < NLEAVES; i++) {
		uintptr_t gib = FAR + ((200 + i) << GIB_SHIFT);
		const void *p = at(gib + self * PCM_PAGE);

		pthread_barrier_wait(&barrier);
		must(pcm_pagemap_prepare(p, 1));
		pcm_pagemap_set_span(p, 1, span_number(self + 1));
	}
	return NULL;
}

/* Threads that need the same leaf at the same time get the same one. */
START_TEST(leaf_race)
{
	pthread_t thread[NTHREADS];
	uintptr_t t, i;

	must(pthread_barrier_init(&barrier, NULL, NTHREADS) == 0);
	for (t = 0; t < NTHREADS; t++)
		must(pthread_create(&thread[t], NULL, prepare_leaves,
				    (void *)t) == 0);
	for (t = 0; t < NTHREADS; t++)
		must(pthread_join(thread[t], NULL) == 0);
	for (i = 0; i < NLEAVES; i++)
		for (t = 0; t < NTHREADS; t++)
			must(pcm_pagemap_span(
				     at(FAR + ((200 + i) << GIB_SHIFT) +
					t * PCM_PAGE)) == span_number(t + 1));
}
END_TEST

int main(void)
{
	TCase *tests = unit_begin("pagemap");

	tcase_add_test(tests, wild_pointers);
	tcase_add_test(tests, tagged_pointers);
	tcase_add_test(tests, random_pointers);
	tcase_add_test(tests, memory_that_is_not_ours);
	tcase_add_test(tests, prepare_in_range);
	tcase_add_test(tests, prepare_out_of_range);
	tcase_add_test(tests, prepare_many_leaves);
	tcase_add_test(tests, classes_and_neighbours);
	tcase_add_test(tests, hugepages);
	tcase_add_test(tests, lines);
	tcase_add_test(tests, released);
	tcase_add_test(tests, second_gib);
	tcase_add_test(tests, spare_leaf);
	tcase_add_test(tests, leaf_race);
	return unit_end();
}
