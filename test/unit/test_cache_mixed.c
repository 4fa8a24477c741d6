/*
 * cache_mixed: blocks of mixed spans wait until there is a magazine of them, and then go to
 * their classes' caches; faults are seen then, or when the caches are emptied.
 */
#include "mixed_kit.h"

#include <malloc.h>

#include "cache.h"
#include "cache_mixed.h"
#include "limit.h"
#include "percpu.h"
#include "storm.h"

/* Blocks that wait: so many at first, and then up to so many; as in cache_mixed.c. */
#define LEAST 4u
#define MOST 32u
#define MANY 200u
#define SIZE 208
#define OTHER 320

static void *blocks[MANY];
static unsigned int one, other;

static void trim(void)
{
	must(malloc_trim(0) == 0 || malloc_trim(0) == 0);
}

static size_t cached(unsigned int class)
{
	struct pcm_percpu_stats stats;

	pcm_percpu_stats_get(&stats);
	return stats.nobjs[class];
}

/* What mixed spans have of both classes, in turns, fills `blocks`. */
static void setup(void)
{
	unsigned int i = 0, k, left;

	storm_pin();
	one = class_of(SIZE);
	other = class_of(OTHER);
	while (i < MANY) {
		make_mixed(one, 3);
		left = (pcm_size_class[one].nobjs + 2) / 3;
		for (k = 0; k < left && i + 1 < MANY; k++) {
			if (take(other, &blocks[i + 1], 1) != 1)
				break;
			blocks[i] = objs[k];
			i += 2;
		}
		must(k > 0);
		put(one, objs + k, left - k);
	}
	for (i = 0; i < MANY; i++)
		must(pcm_mixed_class(blocks[i]) == (i % 2 == 0 ? one : other));
	/* A class has magazines when it has been asked for. */
	free(malloc(SIZE));
	free(malloc(OTHER));
	trim();
	must(cached(PCM_CLASS_MIXED) == 0);
}

/* Any malloc and free of the test's own would come in between. */
static void free_blocks(unsigned int from, unsigned int end)
{
	for (; from < end; from++)
		free(blocks[from]);
}

START_TEST(wait_and_go)
{
	size_t before_one = cached(one), before_other = cached(other), now;

	free_blocks(0, LEAST);
	must(cached(PCM_CLASS_MIXED) == LEAST);
	must(cached(one) == before_one && cached(other) == before_other);
	free_blocks(LEAST, LEAST + 1);
	must(cached(PCM_CLASS_MIXED) == 1);
	now = cached(one) + cached(other);
	must(now == before_one + before_other + LEAST);
	free_blocks(LEAST + 1, MANY);
	must(cached(PCM_CLASS_MIXED) <= MOST);
	verify();
	trim();
	must(cached(PCM_CLASS_MIXED) == 0);
	must(mixed_stats().nspans == 0);
	verify();
}
END_TEST

/* The last that went to a class's cache is the next that comes out of it. */
START_TEST(served_again)
{
	void *p;

	free_blocks(0, LEAST + 1);
	p = malloc(OTHER);
	must(p == blocks[LEAST - 1]);
	free(p);
	free_blocks(LEAST + 1, MANY);
	trim();
	must(mixed_stats().nspans == 0);
}
END_TEST

/* The most that wait at a time, while all are freed. */
static size_t most_waiting(void)
{
	size_t most = 0, now;
	unsigned int i;

	for (i = 0; i < MANY; i++) {
		free(blocks[i]);
		now = cached(PCM_CLASS_MIXED);
		most = now > most ? now : most;
	}
	return most;
}

/* All CPUs' together have a 64th of the heap; and no more than are worth it. */
START_TEST(part_of_the_heap)
{
	static void *held[512];
	unsigned int i, n = _i == 0 ? 0 : 512;
	size_t most, expected;

	for (i = 0; i < n; i++)
		must((held[i] = malloc(200 << 10)) != NULL);
	expected = pcm_limit_held() / 64 / (pcm_percpu_nsets() + 1) /
		((SIZE + OTHER) / 2);
	must(_i == 0 ? expected < MOST : expected > MOST);
	most = most_waiting();
	must(most <= MOST && (_i == 0 || most == MOST));
	must(most <= LEAST || most <= expected + 1);
	for (i = 0; i < n; i++)
		free(held[i]);
}
END_TEST

/* What waits goes back when nobody comes by any more. */
START_TEST(goes_back_when_idle)
{
	unsigned int i;

	free_blocks(0, LEAST / 2);
	for (i = 0; i < 2; i++)
		pcm_cache_drain_idle();
	must(cached(PCM_CLASS_MIXED) == 0);
	must(pcm_mixed_check(pcm_pagemap_span(blocks[1]), blocks[1]) ==
	     PCM_SPAN_FREE_ALREADY);
	free_blocks(LEAST / 2, MANY);
	trim();
	must(mixed_stats().nspans == 0);
}
END_TEST

START_TEST(sent_home)
{
	pcm_cache_send_home(PCM_CLASS_MIXED, blocks[1]);
	must(pcm_mixed_check(pcm_pagemap_span(blocks[1]), blocks[1]) ==
	     PCM_SPAN_FREE_ALREADY);
	must(cached(PCM_CLASS_MIXED) == 0);
	verify();
}
END_TEST

/* ---- faults ---- */

static void free_twice_and_more(void *p)
{
	free(p);
	free(p);
	free_blocks(2, MANY);
	trim();
}

/* Its span has gone meanwhile, and something else is there. */
static void free_twice_in_other_spans(void *p)
{
	unsigned int i;

	free(p);
	pcm_cache_send_home(PCM_CLASS_MIXED, p);
	for (i = 0; i < MANY; i++)
		if (blocks[i] != p)
			pcm_cache_send_home(PCM_CLASS_MIXED, blocks[i]);
	must(mixed_stats().nspans == 0);
	for (i = 0; i < MANY; i++)
		get(one, &blocks[i], 1);
	trim();
}

static void free_and_trim(void *p)
{
	free(p);
	trim();
}

static void free_free_one(void *p)
{
	pcm_cache_send_home(PCM_CLASS_MIXED, p);
	free(p);
	free_blocks(2, 2 + LEAST);
}

static const struct {
	void (*act)(void *);
	size_t offset;
	const char *text;
} faults[] = {
	{ free_twice_and_more, 0, "block is already free" },
	{ free_twice_in_other_spans, 0, "block is already free" },
	{ free_and_trim, 16, "pointer into the middle of a block" },
	{ free_free_one, 0, "block is already free" },
};

static void act(void *p)
{
	faults[*(int *)p].act((char *)blocks[1] + faults[*(int *)p].offset);
}

START_TEST(fault)
{
	static struct child child;
	char text[200];
	int i = _i;

	snprintf(text, sizeof(text), "pcmalloc: free(%p): %s\n",
		 (char *)blocks[1] + faults[_i].offset, faults[_i].text);
	testing_child(&child, 10, act, &i);
	must(WIFSIGNALED(child.status) && WTERMSIG(child.status) == SIGABRT);
	ck_assert_str_eq(child.err, text);
}
END_TEST

int main(void)
{
	TCase *tests = unit_begin("cache_mixed");

	tcase_add_checked_fixture(tests, setup, NULL);
	tcase_add_test(tests, wait_and_go);
	tcase_add_test(tests, served_again);
	tcase_add_loop_test(tests, part_of_the_heap, 0, 2);
	tcase_add_test(tests, goes_back_when_idle);
	tcase_add_test(tests, sent_home);
	tcase_add_loop_test(tests, fault, 0,
			    sizeof(faults) / sizeof(faults[0]));
	return unit_end();
}
