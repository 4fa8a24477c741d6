/*
 * Mixed spans: what lies in them, what is taken from and put into them, when spans
 * become mixed, and what a program sees of it.
 */
#include "mixed_kit.h"

#include <malloc.h>
#include <stdatomic.h>

#include "page_heap.h"
#include "storm.h"

static size_t pages_used(void)
{
	struct pcm_page_heap_stats stats;

	pcm_page_heap_stats_get(&stats);
	return stats.used >> PCM_PAGE_SHIFT;
}

/* ---- one span ---- */

START_TEST(adopted)
{
	unsigned int c = class_of(144), n = pcm_size_class[c].nobjs, i;
	size_t before = stats_of(c).nspans;
	struct pcm_span *span = make_mixed(c, 8);
	unsigned int kept = (n + 7) / 8;

	must(stats_of(c).nspans == before && stats_of(c).nout >= kept);
	must(mixed_stats().nspans == 1 && mixed_stats().nbytes == span->nbytes);
	must(mixed_stats().nfree == span->nbytes - kept * 144);
	for (i = 0; i < span->nbytes / PCM_PAGE; i++) {
		must(pcm_pagemap_class(span->start + i * PCM_PAGE) ==
		     PCM_CLASS_MIXED);
		must(pcm_pagemap_span(span->start + i * PCM_PAGE) == span);
	}
	for (i = 0; i < kept; i++) {
		must(pcm_mixed_has(objs[i]));
		must(pcm_mixed_class(objs[i]) == c);
		must(pcm_span_check(span, objs[i]) == PCM_SPAN_OK);
		must(pcm_span_check(span, (char *)objs[i] + 16) ==
		     PCM_SPAN_NOT_A_BLOCK);
		must(pcm_span_check(span, (char *)objs[i] + 8) ==
		     PCM_SPAN_NOT_A_BLOCK);
		must(pcm_span_check(span, (char *)objs[i] + 288) ==
		     PCM_SPAN_FREE_ALREADY);
		must(malloc_usable_size(objs[i]) == 144);
	}
	verify();
	put(c, objs, kept);
	must(mixed_stats().nspans == 0 && mixed_stats().nbytes == 0);
	verify();
	must(mixed_stats().nfree == 0);
	must(pcm_pagemap_span(objs[0]) == NULL && !pcm_mixed_has(objs[0]));
}
END_TEST

/* What is free together is one hole, whatever it was before. */
START_TEST(neighbours_join)
{
	unsigned int small = class_of(144), large = class_of(288), i, n;
	struct pcm_span *span = make_mixed(small, 3); /* holes of 288 */
	void *got[NOBJS_MAX / 4], *p;

	n = take(large, got, NOBJS_MAX / 4);
	must(n == pcm_size_class[small].nobjs / 3); /* not behind the last one */
	must(take(large, &p, 1) == 0);
	for (i = 0; i < n; i++)
		must(got[i] == (char *)objs[i] + 144);
	/* A hole behind it; one before it; one on either side. */
	put(large, &got[1], 1);
	put(small, &objs[1], 1);
	put(large, &got[3], 1);
	put(small, &objs[4], 1);
	put(large, &got[6], 1);
	put(large, &got[7], 1);
	put(small, &objs[7], 1);
	must(take(class_of(704), &p, 1) == 1 && p == got[6]);
	must(pcm_mixed_class(p) == class_of(704));
	must(pcm_pagemap_span(p) == span);
	must(take(class_of(416), &p, 1) == 1 && p == objs[1]);
	must(take(class_of(416), &p, 1) == 1 && p == got[3]);
	must(take(class_of(416), &p, 1) == 0);
	verify();
}
END_TEST

/* The span whose longest hole is the shortest that will do comes first. */
START_TEST(long_holes_are_kept)
{
	unsigned int a = class_of(256), b = class_of(320), c = class_of(96);
	struct pcm_span *longer = make_mixed(a, 32); /* all but one are free */
	struct pcm_span *shorter = make_mixed(b, 2);
	void *p;
	int i;

	for (i = 0; i < 20; i++) {
		must(take(c, &p, 1) == 1);
		must(pcm_pagemap_span(p) == shorter);
	}
	must(take(class_of(512), &p, 1) == 1);
	must(pcm_pagemap_span(p) == longer);
}
END_TEST

/* ---- against a model ---- */

#define NMODEL 1500
#define UNITS ((size_t)1 << 22)

static struct {
	unsigned char *p;
	unsigned int class;
	uint64_t seed;
} live[NMODEL];
static unsigned char owned[UNITS];

static void own(size_t i, bool value)
{
	size_t first = (uintptr_t)live[i].p / 16, k;

	for (k = 0; k < pcm_size_class[live[i].class].size / 16; k++) {
		must(owned[(first + k) % UNITS] == !value);
		owned[(first + k) % UNITS] = value;
	}
}

static void model_take(size_t i, unsigned int class, uint64_t *state)
{
	void *p;

	if (take(class, &p, 1) == 0)
		return;
	live[i].p = p;
	live[i].class = class;
	live[i].seed = rnd(state);
	must((uintptr_t)p % 16 == 0);
	own(i, true);
	fill(p, pcm_size_class[class].size, live[i].seed);
	must(pcm_mixed_class(p) == class);
}

static void model_put(size_t i)
{
	void *p = live[i].p;

	must(filled(p, pcm_size_class[live[i].class].size, live[i].seed));
	must(pcm_mixed_class(p) == live[i].class);
	own(i, false);
	live[i].p = NULL;
	put(live[i].class, &p, 1);
}

/*
 * Blocks of any class come and go, in spans of several: no two of them overlap, each
 * keeps its class and its contents, also while pages go back, and what is free adds up.
 */
START_TEST(random_operations)
{
	static const size_t from[] = { 16, 48, 80, 144, 416, 1024, 1408, 3584 };
	uint64_t state = testing_seed();
	size_t i, used = 0, sum = 0;
	unsigned int k, n, kept[8];
	void *first[8][200];

	for (k = 0; k < 8; k++) {
		make_mixed(class_of(from[k]), 40);
		kept[k] = (pcm_size_class[class_of(from[k])].nobjs + 39) / 40;
		must(kept[k] <= 200);
		memcpy(first[k], objs, kept[k] * sizeof(void *));
		sum += kept[k] * from[k];
	}
	must(mixed_stats().nspans == 8);
	must(mixed_stats().nfree == mixed_stats().nbytes - sum);
	for (n = 0; n < 300000; n++) {
		i = rnd_between(&state, 0, NMODEL - 1);
		if (live[i].p != NULL)
			model_put(i);
		else
			model_take(i, (unsigned int)rnd_between(
				   &state, class_of(16), class_of(4096)), &state);
		if (n % 5000 == 0)
			malloc_trim(0);
		if (n % 1000 == 0)
			verify();
	}
	for (i = 0; i < NMODEL; i++)
		if (live[i].p != NULL)
			used += pcm_size_class[live[i].class].size;
	must(used > 16384);
	must(mixed_stats().nfree == mixed_stats().nbytes - sum - used);
	for (i = 0; i < NMODEL; i++)
		if (live[i].p != NULL)
			model_put(i);
	for (k = 0; k < 8; k++)
		put(class_of(from[k]), first[k], kept[k]);
	must(mixed_stats().nspans == 0 && mixed_stats().nbytes == 0);
}
END_TEST

/* ---- faults ---- */

static void flush_twice(void *arg)
{
	(void)arg;
	put(class_of(208), objs, 1);
	put(class_of(208), objs, 1);
}

static void flush_interior(void *arg)
{
	void *p = (char *)objs[0] + 16;

	(void)arg;
	put(class_of(208), &p, 1);
}

/* Its place has become a part of a larger block. */
static void flush_reused(void *arg)
{
	void *p;

	(void)arg;
	put(class_of(208), objs, 1);
	must(take(class_of(416), &p, 1) == 1 && p == objs[0]);
	put(class_of(208), objs, 1);
}

/* Blocks of 8 bytes are in no mixed span, whatever lies at the place now. */
static void flush_tiny(void *p)
{
	put(class_of(8), &p, 1);
}

static void free_interior(void *arg)
{
	(void)arg;
	free((char *)objs[0] + 16);
	malloc_trim(0);
}

static void realloc_free_one(void *arg)
{
	(void)arg;
	put(class_of(208), &objs[1], 1);
	must(realloc(objs[1], 1000) == NULL);
}

static const struct {
	void (*act)(void *);
	const char *function;
	unsigned int object;
	size_t offset;
	const char *text;
} faults[] = {
	{ flush_twice, "free", 0, 0, "block is already free" },
	{ flush_interior, "free", 0, 16, "pointer into the middle of a block" },
	{ flush_reused, "free", 0, 0, "block is already free" },
	{ flush_tiny, "free", 0, 0, "block is already free" },
	{ flush_tiny, "free", 0, 208, "block is already free" }, /* a hole */
	{ flush_tiny, "free", 0, 224, "block is already free" },
	{ flush_tiny, "free", 0, 8, "pointer into the middle of a block" },
	{ flush_tiny, "free", 0, 16, "pointer into the middle of a block" },
	{ free_interior, "free", 0, 16, "pointer into the middle of a block" },
	{ realloc_free_one, "realloc", 1, 0, "block is already free" },
};

START_TEST(fault)
{
	make_mixed(class_of(208), 3);
	must_abort(faults[_i].act, faults[_i].function,
		   (char *)objs[faults[_i].object] + faults[_i].offset,
		   faults[_i].text);
}
END_TEST

/* ---- giving back ---- */

/* Pages in holes go back once, after a while; what is left keeps its contents. */
START_TEST(pages_go_back)
{
	unsigned int c = class_of(256), n = pcm_size_class[c].nobjs, i;
	void *got[64];
	struct pcm_span *span;

	if (pcm_sys_page > PCM_PAGE)
		return; /* its spans are smaller than a page */
	get(c, objs, n);
	for (i = 0; i < n; i++)
		memset(objs[i], (int)i + 1, 256);
	put(c, objs, n);
	span = make_mixed(c, n);
	memset(span->start, 7, span->nbytes - 256);
	memset(objs[0], 9, 256);
	must(resident(span->start, span->nbytes) == span->nbytes);
	must(ticks() >= span->nbytes - pcm_sys_page);
	must(resident(span->start, span->nbytes) == pcm_sys_page);
	must(ticks() == 0);
	for (i = 0; i < 256; i++)
		must(((unsigned char *)objs[0])[i] == 9);
	/* Taken again, they have memory again, and go once more. */
	i = take(class_of(1024), got, 64);
	must(i == (span->nbytes - 256) / 1024);
	while (i-- > 0)
		memset(got[i], 1, 1024);
	must(resident(span->start, span->nbytes) == span->nbytes);
	put(class_of(1024), got, (unsigned int)((span->nbytes - 256) / 1024));
	must(ticks() >= span->nbytes - pcm_sys_page);
	put(c, objs, 1);
	must(mixed_stats().nspans == 0);
}
END_TEST

/* ---- when ---- */

#define MANY 40000

static void *many[MANY];

/* Blocks of `size`, of which every eighth is left. */
static void leave_an_eighth(size_t size)
{
	int i;

	for (i = 0; i < MANY; i++)
		many[i] = memset(malloc(size), 1, size);
	for (i = 0; i < MANY; i++)
		if (i % 8 != 0) {
			free(many[i]);
			many[i] = NULL;
		}
	must(malloc_trim(0) == 0 || malloc_trim(0) == 0);
}

/*
 * A program that frees most of what it has of a size, here and there, and asks for
 * another size: it has that out of the holes, and no more pages.
 */
START_TEST(another_size)
{
	size_t before, i, n = MANY * 512 / 2 / 3072;
	void **others = malloc(n * sizeof(*others));

	leave_an_eighth(512);
	before = pages_used();
	for (i = 0; i < n; i++)
		others[i] = memset(malloc(3000), 2, 3000);
	must(mixed_stats().nspans > 0);
	/* Those that have no hole are few. */
	must(pages_used() - before < n * 3000 / PCM_PAGE / 4);
	for (i = 0; i < n; i++) {
		must(malloc_usable_size(others[i]) == 3072);
		must(((char *)others[i])[2999] == 2);
		free(others[i]);
	}
	for (i = 0; i < MANY; i += 8)
		free(many[i]);
	must(malloc_trim(0) == 0 || malloc_trim(0) == 0);
	must(mixed_stats().nspans == 0);
}
END_TEST

/* In a small heap nothing becomes mixed. */
START_TEST(not_in_a_small_heap)
{
	int i;

	leave_an_eighth(64);
	for (i = 0; i < 1000; i++)
		must(malloc(300) != NULL);
	must(mixed_stats().nspans == 0);
}
END_TEST

/* What every function says of blocks in mixed spans, and does with them. */
START_TEST(functions)
{
	size_t i, n = 2000;
	char **others = malloc(n * sizeof(*others));
	unsigned int nmixed = 0;

	leave_an_eighth(512);
	for (i = 0; i < n; i++) {
		others[i] = calloc(1, 200);
		must(others[i][0] == 0 && !memcmp(others[i], others[i] + 1, 199));
		nmixed += pcm_mixed_has(others[i]);
		fill(others[i], 200, i);
	}
	must(nmixed > n / 4);
	for (i = 0; i < n; i++) {
		must(filled(others[i], 200, i));
		must(realloc(others[i], 190) == others[i]);
		others[i] = realloc(others[i], 500);
		must(filled(others[i], 190, i));
	}
	for (i = 0; i < n; i++)
		free(others[i]);
	for (i = 16; i <= 4096; i *= 2) {
		void *p[100];
		int k;

		for (k = 0; k < 100; k++) {
			p[k] = k % 2 ? aligned_alloc(i, i) : memalign(i, i + 1);
			must((uintptr_t)p[k] % i == 0);
		}
		for (k = 0; k < 100; k++)
			free(p[k]);
	}
	free(others);
}
END_TEST

/* What no hole is long enough for does not make spans mixed. */
START_TEST(not_without_a_hole)
{
	int i;

	leave_an_eighth(512); /* holes of 3584 bytes */
	for (i = 0; i < 1000; i++)
		must(malloc(4000) != NULL);
	must(mixed_stats().nspans <= 4); /* the last ones, which were never full */
}
END_TEST

static bool is_room(unsigned int npages)
{
	return !pcm_page_heap_tight(npages, 0) && pcm_page_heap_tight(npages + 1, 0);
}

/* Takes and gives pages until so many are left until the record. */
static void make_room(unsigned int npages)
{
	static char *taken[4096];
	static unsigned int n;

	for (; n < 64 || !pcm_page_heap_tight(npages + 1, 0); n++) {
		must(n < PCM_ARRAY_LEN(taken));
		must((taken[n] = pcm_page_heap_alloc(1, NULL)) != NULL);
	}
	while (pcm_page_heap_tight(npages, 0)) {
		must(n > 0);
		pcm_page_heap_free(taken[--n], 1);
	}
}

/*
 * Tight with the span that there would be, however long that is. (A tick in between
 * forgets a part of the record.)
 */
START_TEST(tight)
{
	unsigned int c, i, with_8, with_9;
	void *p;

	pcm_size_class_use_all();
	leave_an_eighth(512);
	c = class_of(3072);
	must(pages_used() * PCM_PAGE >= 16 << 20);
	pcm_central_mix_tick(0); /* not wasteful */
	for (i = 0; i < 20; i++) {
		make_room(8);
		with_8 = pcm_central_take_mixed(c, 0, 8, &p, 1);
		if (with_8 > 0)
			put(c, &p, 1);
		with_9 = pcm_central_take_mixed(c, 0, 9, &p, 1);
		if (with_9 > 0)
			put(c, &p, 1);
		if (is_room(8)) {
			must(with_8 == 0 && with_9 == 1);
			break;
		}
	}
	must(i < 20);
	verify();
}
END_TEST

/*
 * A heap that was larger serves from holes, too, if it is large and much of it lies free;
 * but so many blocks a tick, and no small ones.
 */
START_TEST(wasteful)
{
	void *big = malloc(4 << 20), *p;
	unsigned int c, n = 0;

	pcm_size_class_use_all();
	leave_an_eighth(512);
	free(big);
	c = class_of(3072);
	must(!pcm_page_heap_tight(pcm_size_class[c].npages, 0));
	pcm_central_mix_tick(((size_t)16 << 20) - 1);
	must(pcm_central_take_mixed(c, 0, 1, &p, 1) == 0);
	must(pages_used() * PCM_PAGE >= 16 << 20);
	pcm_central_mix_tick(pages_used() * PCM_PAGE);
	must(pcm_central_take_mixed(class_of(480), 0, 1, &p, 1) == 0);
	must(pcm_central_take_mixed(class_of(640), 0, 1, &p, 1) == 1);
	put(class_of(640), &p, 1);
	for (n = 1; pcm_central_take_mixed(c, 0, 1, &p, 1) == 1; n++)
		put(c, &p, 1);
	must(n == 32768 && mixed_stats().nspans > 0);
	pcm_central_mix_tick(0);
	must(pcm_central_take_mixed(c, 0, 1, &p, 1) == 0);
	pcm_central_mix_tick(pages_used() * PCM_PAGE);
	must(pcm_central_take_mixed(c, 0, 1, &p, 1) == 1);
	put(c, &p, 1);
	verify();
}
END_TEST

/* ---- threads ---- */

static const unsigned int storm_sizes[] = { 32, 112, 256, 640, 2048 };
static atomic_uint nmixes;

/* Blocks of all sizes come and go while spans become mixed as soon as they can. */
static void storm_work(unsigned int self)
{
	static __thread struct {
		unsigned char *p;
		size_t nbytes;
	} mine[400];
	static __thread uint64_t state;
	unsigned int i, k;

	if (state == 0)
		state = testing_seed() + self;
	for (k = 0; k < 300; k++) {
		i = (unsigned int)rnd_between(&state, 0, 399);
		if (mine[i].p == NULL) {
			mine[i].nbytes = storm_sizes[rnd(&state) % 5];
			mine[i].p = malloc(mine[i].nbytes);
			must(mine[i].p != NULL);
			memset(mine[i].p, (int)self, mine[i].nbytes);
			continue;
		}
		must(mine[i].p[0] == self &&
		     !memcmp(mine[i].p, mine[i].p + 1, mine[i].nbytes - 1));
		must(malloc_usable_size(mine[i].p) == mine[i].nbytes);
		free(mine[i].p);
		mine[i].p = NULL;
	}
}

static void storm_meanwhile(void)
{
	static uint64_t state;
	unsigned int c = class_of(storm_sizes[rnd(&state) % 5]);
	unsigned int n;
	void *p[50];

	nmixes += mix(c);
	/* Take some from holes, as who breaks the record would. */
	c = class_of(storm_sizes[rnd(&state) % 5]);
	for (n = take(c, p, 50); n > 0; n--)
		free(p[n - 1]);
	if (rnd(&state) % 16 == 0)
		malloc_trim(0);
	pcm_central_decay();
}

START_TEST(threads)
{
	struct storm storm = { .nthreads = storm_threads(),
			       .seconds = 3,
			       .work = storm_work,
			       .meanwhile = storm_meanwhile };

	pcm_size_class_use_all();
	storm_run(&storm);
	must(nmixes > 20);
	verify();
}
END_TEST

int main(void)
{
	TCase *tests = unit_begin("mixed");

	tcase_add_test(tests, adopted);
	tcase_add_test(tests, neighbours_join);
	tcase_add_test(tests, long_holes_are_kept);
	tcase_add_test(tests, random_operations);
	tcase_add_loop_test(tests, fault, 0, sizeof(faults) / sizeof(faults[0]));
	tcase_add_test(tests, pages_go_back);
	tcase_add_test(tests, another_size);
	tcase_add_test(tests, not_in_a_small_heap);
	tcase_add_test(tests, not_without_a_hole);
	tcase_add_test(tests, tight);
	tcase_add_test(tests, wasteful);
	tcase_add_test(tests, functions);
	tcase_add_test(tests, threads);
	return unit_end();
}
