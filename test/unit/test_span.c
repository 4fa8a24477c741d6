/*
 * span: the bitmap against a model, for every class; faults leave no trace.
 */
#include "span_kit.h"

#include "meta.h"

#define STEPS 3000

START_TEST(fresh)
{
	unsigned int class, page;

	longest = _i != 0;
	for (class = 1; class < PCM_NCLASSES; class++) {
		struct pcm_span *span = new_span(class);
		unsigned int npages = npages_of(class);

		must(span->start == BASE && span->class == class);
		must(span->kind == PCM_SPAN_SMALL && span->bucket == 0);
		must(span->nbytes == (size_t)npages << PCM_PAGE_SHIFT);
		must(pcm_span_block_size(span, span->start) == size_of(class));
		must_agree(span);
		for (page = 0; page < npages; page++) {
			must(pcm_pagemap_span(BASE + page * PCM_PAGE) == span);
			must(pcm_pagemap_class(BASE + page * PCM_PAGE) ==
			     class);
		}
		must(pcm_pagemap_span(BASE + page * PCM_PAGE) == NULL);
		must(pcm_pagemap_class(BASE + page * PCM_PAGE) == 0);
		pcm_span_delete(span);
		must(pcm_pagemap_span(BASE) == NULL);
		must(pcm_pagemap_class(BASE) == 0);
	}
}
END_TEST

/* Takes n: the lowest free addresses, ascending. */
static void take(struct pcm_span *span, unsigned int n)
{
	static void *objs[NOBJS_MAX + 1];
	unsigned int i, k = 0, expected = n < nfree ? n : nfree;

	objs[expected] = (void *)0x77;
	must(pcm_span_take(span, objs, n) == expected);
	must(objs[expected] == (void *)0x77);
	for (i = 0; i < expected; i++) {
		while (!is_free[k])
			k++;
		must(objs[i] == BASE + k * size_of(span->class));
		is_free[k] = false;
		nfree--;
	}
}

static bool is_block(const struct pcm_span *span, const void *p)
{
	return pcm_span_check(span, p) != PCM_SPAN_NOT_A_BLOCK;
}

static bool is_free_there(const struct pcm_span *span, const void *p)
{
	return pcm_span_check(span, p) == PCM_SPAN_FREE_ALREADY;
}

static enum pcm_span_fault put_at(struct pcm_span *span, void *p)
{
	enum pcm_span_fault fault;
	unsigned int done = put_some(span, &p, 1, &fault);

	must(done == (fault == PCM_SPAN_OK));
	return fault;
}

static void put(struct pcm_span *span, unsigned int k)
{
	char *p = BASE + k * size_of(span->class);

	must(is_block(span, p));
	must(is_free_there(span, p) == is_free[k]);
	if (is_free[k]) {
		must(put_at(span, p) == PCM_SPAN_FREE_ALREADY);
		return;
	}
	must(put_at(span, p) == PCM_SPAN_OK);
	is_free[k] = true;
	nfree++;
}

/* An address in the span that no block begins at. */
static void put_interior(struct pcm_span *span, uint64_t *state)
{
	size_t offset = rnd_between(state, 0, span->nbytes - 1);

	if (offset % size_of(span->class) == 0 &&
	    offset / size_of(span->class) < span->nobjs)
		offset++;
	must(put_at(span, BASE + offset) == PCM_SPAN_NOT_A_BLOCK);
	must(!is_block(span, BASE + offset));
	must(!is_free_there(span, BASE + offset));
}

static void random_step(struct pcm_span *span, uint64_t *state)
{
	switch (rnd(state) % 8) {
	case 0:
		take(span, (unsigned int)rnd_between(state, 0, 130));
		break;
	case 1:
		put_interior(span, state);
		break;
	default:
		put(span, (unsigned int)rnd_between(state, 0,
						    span->nobjs - 1u));
		break;
	}
}

START_TEST(random_operations)
{
	uint64_t state = testing_seed();
	unsigned int class, i;

	longest = _i != 0;
	for (class = 1; class < PCM_NCLASSES; class++) {
		struct pcm_span *span = new_span(class);

		take(span, span->nobjs);
		must_agree(span);
		for (i = 0; i < STEPS; i++) {
			random_step(span, &state);
			if (i % 16 == 0)
				must_agree(span);
		}
		must_agree(span);
		pcm_span_delete(span);
	}
}
END_TEST

/* Everything out and in again, in one go and one by one. */
START_TEST(all_out_and_in)
{
	unsigned int class, k;

	longest = _i != 0;
	for (class = 1; class < PCM_NCLASSES; class++) {
		struct pcm_span *span = new_span(class);

		take(span, NOBJS_MAX);
		must(nfree == 0);
		must_agree(span);
		take(span, 1); /* none left */
		for (k = span->nobjs; k-- > 0;)
			put(span, k);
		must(nfree == span->nobjs);
		must_agree(span);
		for (k = 0; k < span->nobjs; k++)
			take(span, 1);
		must_agree(span);
		pcm_span_delete(span);
	}
}
END_TEST

/* The room behind the last block is no block. */
START_TEST(tail)
{
	unsigned int class;

	longest = _i != 0;
	for (class = 1; class < PCM_NCLASSES; class++) {
		struct pcm_span *span = new_span(class);
		size_t size = size_of(class), end = span->nobjs * size;

		take(span, NOBJS_MAX);
		for (; end < span->nbytes; end += 8)
			must(put_at(span, BASE + end) ==
			     PCM_SPAN_NOT_A_BLOCK);
		must_agree(span);
		pcm_span_delete(span);
	}
}
END_TEST

START_TEST(single_blocks)
{
	static const enum pcm_span_kind kinds[] = { PCM_SPAN_LARGE,
						    PCM_SPAN_MAPPING,
						    PCM_SPAN_CACHED,
						    PCM_SPAN_EMERGENCY };
	unsigned int i;

	for (i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		struct pcm_span *span =
			pcm_span_new_block(kinds[i], BASE, 10 * PCM_PAGE);

		must(span != NULL && span->kind == kinds[i]);
		must(span->start == BASE);
		must(pcm_span_block_size(span, span->start) == 10 * PCM_PAGE);
		must(is_block(span, BASE));
		must(!is_block(span, BASE + 16));
		must(!is_block(span, BASE + PCM_PAGE));
		must(!is_free_there(span, BASE));
		must(pcm_pagemap_span(BASE) == NULL);
		pcm_span_delete(span);
	}
}
END_TEST

/* A large block's pages leave the pagemap with it; a mapping's were its own. */
START_TEST(deleted_large)
{
	struct pcm_span *span =
		pcm_span_new_block(PCM_SPAN_LARGE, BASE, 10 * PCM_PAGE);
	unsigned int i;

	pcm_pagemap_set_span(BASE, 10, span);
	pcm_span_delete(span);
	for (i = 0; i < 10; i++)
		must(pcm_pagemap_span(BASE + i * PCM_PAGE) == NULL);
}
END_TEST

/* Descriptors come from metadata and go back there. */
START_TEST(descriptors_return)
{
	unsigned int i, class;
	size_t before;

	longest = _i != 0;
	for (class = 1; class < PCM_NCLASSES; class++)
		pcm_span_delete(new_span(class));
	before = pcm_meta_bytes();
	for (i = 0; i < 100; i++)
		for (class = 1; class < PCM_NCLASSES; class++)
			pcm_span_delete(new_span(class));
	must(pcm_meta_bytes() == before);
}
END_TEST

/* Known to be zero: never taken before, and the span's run read as zero. */
START_TEST(zeroed_once)
{
	unsigned int class, i;
	bool zeroed;
	void *obj;

	longest = _i != 0;
	for (class = 1; class < PCM_NCLASSES; class++) {
		struct pcm_span *span = new_span(class);

		for (i = 0; i < span->nobjs; i++) {
			zeroed = false;
			obj = pcm_span_take_one(span, &zeroed);
			must(obj != NULL && zeroed);
			must(put_at(span, obj) == PCM_SPAN_OK);
			must(pcm_span_take_one(span, &zeroed) == obj);
			must(!zeroed);
		}
		must(pcm_span_take_one(span, &zeroed) == NULL);
		pcm_span_delete(span);
	}
}
END_TEST

START_TEST(zeroed_never)
{
	struct pcm_span *span = pcm_span_new_small(BASE, 1, 1, false);
	bool zeroed = true;
	void *obj;

	must(pcm_span_take(span, &obj, 1) == 1);
	must(pcm_span_take_one(span, &zeroed) != NULL);
	must(!zeroed);
	pcm_span_delete(span);
}
END_TEST

/* ---- whole free pages ---- */

/* Is every block that lies in this OS page, or partly, free? */
static bool page_is_free(const struct pcm_span *span, unsigned int page)
{
	size_t start = page * pcm_sys_page, size = size_of(span->class);
	unsigned int k;

	for (k = (unsigned int)(start / size); k < span->nobjs; k++) {
		if (k * size >= start + pcm_sys_page)
			break;
		if (!is_free[k])
			return false;
	}
	return true;
}

/* Marks pages of all runs in `found`; holds each run and puts it back as cold. */
static void find_runs(struct pcm_span *span, bool *found, bool cold)
{
	struct pcm_span_run run = { 0 };
	unsigned int page;

	while (pcm_span_next_warm(span, run.first + run.npages, &run)) {
		must(run.npages > 0);
		for (page = 0; page < run.npages; page++)
			found[run.first + page] = true;
		pcm_span_hold(span, &run);
		must(span->nfree == nfree - run.nblocks);
		must(run.nblocks == 0 ||
		     !is_free_there(span, BASE + run.block *
					     size_of(span->class)));
		pcm_span_unhold(span, &run, cold);
		must_agree(span);
	}
}

/* All are free, then all are taken, then each is put back with a chance of 7/8. */
static void thin_out(struct pcm_span *span, uint64_t *state)
{
	static void *objs[NOBJS_MAX];
	unsigned int k;

	must(pcm_span_take(span, objs, NOBJS_MAX) == span->nobjs);
	memset(is_free, 0, sizeof(is_free));
	nfree = 0;
	for (k = 0; k < span->nobjs; k++) {
		if (rnd(state) % 8 == 0)
			continue;
		must(put_at(span, objs[k]) == PCM_SPAN_OK);
		is_free[k] = true;
		nfree++;
	}
}

/* A program that frees a block that is free, while its page is given back. */
START_TEST(freed_twice_while_held)
{
	struct pcm_span *span = new_span(pcm_size_class_within(16));
	struct pcm_span_run run;

	must(pcm_span_next_warm(span, 0, &run) && run.nblocks == span->nobjs);
	pcm_span_hold(span, &run);
	must(span->nfree == 0);
	must(put_at(span, BASE + 16 * 70) == PCM_SPAN_OK);
	pcm_span_unhold(span, &run, true);
	must_agree(span);
	pcm_span_delete(span);
}
END_TEST

static bool touches(const void *obj, unsigned int class, unsigned int page)
{
	size_t first = (size_t)((const char *)obj - BASE) / pcm_sys_page;
	size_t last = ((size_t)((const char *)obj - BASE) + size_of(class) - 1) /
		      pcm_sys_page;

	return first <= page && page <= last;
}

START_TEST(free_pages)
{
	uint64_t state = testing_seed();
	unsigned int class, page;

	longest = _i != 0;
	for (class = 1; class < PCM_NCLASSES; class++) {
		struct pcm_span *span = new_span(class);
		unsigned int n = (unsigned int)(span->nbytes / pcm_sys_page);
		bool warm[2048] = { false }, cold[2048] = { false };
		bool again[2048] = { false };
		void *obj;

		thin_out(span, &state);
		find_runs(span, warm, false);
		find_runs(span, cold, true);
		for (page = 0; page < n; page++) {
			must(warm[page] == (n <= 16 &&
					    page_is_free(span, page)));
			must(cold[page] == warm[page]);
		}
		find_runs(span, again, true);
		for (page = 0; page < n; page++)
			must(!again[page]);
		/* A block that is taken and put back has made its pages warm. */
		if (nfree == 0) {
			pcm_span_delete(span);
			continue;
		}
		must(pcm_span_take(span, &obj, 1) == 1);
		must(put_at(span, obj) == PCM_SPAN_OK);
		find_runs(span, again, true);
		for (page = 0; page < n; page++)
			must(again[page] ==
			     (warm[page] && touches(obj, class, page)));
		pcm_span_delete(span);
	}
}
END_TEST

int main(void)
{
	TCase *tests = unit_begin("span");

	tcase_add_checked_fixture(tests, setup, NULL);
	tcase_add_loop_test(tests, fresh, 0, 2);
	tcase_add_loop_test(tests, random_operations, 0, 2);
	tcase_add_loop_test(tests, all_out_and_in, 0, 2);
	tcase_add_loop_test(tests, tail, 0, 2);
	tcase_add_test(tests, single_blocks);
	tcase_add_test(tests, deleted_large);
	tcase_add_loop_test(tests, descriptors_return, 0, 2);
	tcase_add_loop_test(tests, zeroed_once, 0, 2);
	tcase_add_test(tests, zeroed_never);
	tcase_add_loop_test(tests, free_pages, 0, 2);
	tcase_add_test(tests, freed_twice_while_held);
	return unit_end();
}
