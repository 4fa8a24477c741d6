/*
 * Blocks of mixed spans freed twice: while their pages go back, while their span leaves,
 * and while who frees waits for the lock.
 */
#include "mixed_kit.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

#include "mixed_home.h"

/* ---- freed twice while its page goes back ---- */

static struct pcm_mixed_home *const home = &pcm_mixed_homes[0];
static unsigned int held_class;

/* What release_pages_locked() does before it gives them back. */
static void hold(struct pcm_mixed *mixed, const struct pcm_holes_pages *pages)
{
	pcm_lock(&home->lock);
	pcm_holes_hold(mixed, pages);
	home->nfree -= (pages->end - pages->first) * pcm_sys_page /
		PCM_MIXED_UNIT;
	pcm_mixed_relink_locked(home, mixed);
	pcm_unlock(&home->lock);
}

/* And what it does afterwards. */
static void unhold(struct pcm_mixed *mixed, const struct pcm_holes_pages *pages,
		   bool cold)
{
	pcm_lock(&home->lock);
	pcm_holes_unhold(mixed, pages, cold);
	home->nfree += (pages->end - pages->first) * pcm_sys_page /
		PCM_MIXED_UNIT;
	pcm_mixed_relink_locked(home, mixed);
	pcm_unlock(&home->lock);
}

static enum pcm_span_fault put_one(unsigned int class, void *p)
{
	struct pcm_span *empty = NULL;
	enum pcm_span_fault fault;
	unsigned int done = pcm_mixed_put(class, &p, 1, &empty, &fault);

	must(done == (fault == PCM_SPAN_OK) && empty == NULL);
	return fault;
}

static enum pcm_span_fault put_locked(struct pcm_mixed *mixed, unsigned int class,
				      void *p)
{
	enum pcm_span_fault fault;
	unsigned int done;

	pcm_lock(&home->lock);
	done = pcm_holes_put(mixed, mixed->span->start, class, &p, 1, &fault);
	pcm_unlock(&home->lock);
	must(done == (fault == PCM_SPAN_OK));
	return fault;
}

/* Is the best hole one of just that size? */
static bool best(const struct pcm_mixed *mixed, size_t size)
{
	return pcm_holes_best(mixed) == class_of(size);
}

/* Nobody may free any part of what is held, and nothing changes for who tries. */
static void must_be_held(struct pcm_mixed *mixed, char *p, size_t size)
{
	unsigned int nfree = mixed->nfree, before = pcm_holes_best(mixed);
	uint64_t cold = mixed->cold;

	must(put_locked(mixed, held_class, p) == PCM_SPAN_FREE_ALREADY);
	must(put_locked(mixed, class_of(208), p) == PCM_SPAN_FREE_ALREADY);
	must(put_locked(mixed, held_class, p + size / 2) != PCM_SPAN_OK);
	must(put_one(held_class, p) == PCM_SPAN_FREE_ALREADY);
	must(put_one(class_of(1024), p) == PCM_SPAN_FREE_ALREADY);
	must(mixed->nfree == nfree && pcm_holes_best(mixed) == before);
	must(mixed->cold == cold);
	verify();
}

static void flush_held(void *p)
{
	put(held_class, &p, 1);
}

static void free_held(void *p)
{
	free(p);
	malloc_trim(0);
}

/* Its last block was freed while pages were held, which are a hole now. */
static void leave(struct pcm_mixed *mixed)
{
	struct pcm_span *empty = NULL;

	pcm_lock(&home->lock);
	must(pcm_holes_empty(mixed));
	pcm_mixed_leave_locked(home, mixed, &empty);
	pcm_unlock(&home->lock);
	pcm_central_give_back(empty);
	must(mixed_stats().nspans == 0);
	verify();
}

/*
 * Pages that are held look like a block that is in use. One of just that length which
 * was there before may not be freed again: the pages would be two holes at once.
 */
START_TEST(freed_twice_while_held)
{
	size_t size = _i == 0 ? 4096 : 8192;
	unsigned int length = (unsigned int)size / PCM_MIXED_UNIT;
	unsigned int c = class_of(_i == 0 ? 1024 : 15360);
	unsigned int small = class_of(1024), n = pcm_size_class[c].nobjs, nrest;
	struct pcm_holes_pages pages;
	struct pcm_mixed *mixed;
	void *got[8], *rest[64], *p;

	if (pcm_sys_page > PCM_PAGE)
		return; /* its spans are smaller than a page */
	/* Full but for p: whole pages in the first half, small blocks in the other one. */
	must((uintptr_t)make_mixed(c, n / 2)->start % pcm_sys_page == 0);
	mixed = pcm_pagemap_span(objs[0])->mixed;
	put(c, objs, 1);
	held_class = class_of(size);
	n = n / 2 * pcm_size_class[c].size / (unsigned int)size;
	must(n >= 2 && n <= 8 && take(held_class, got, n) == n);
	must(got[0] == mixed->span->start);
	nrest = take(small, rest, 64);
	must(nrest > 0 && mixed->nfree == 0);
	p = got[1];
	put(held_class, &p, 1);
	must(mixed->nfree == length && best(mixed, size));
	must(pcm_holes_next_warm(mixed, 0, &pages));
	must(pages.first == size / pcm_sys_page);
	must(pages.end == 2 * size / pcm_sys_page);

	hold(mixed, &pages);
	must(mixed->nfree == 0 && pcm_holes_best(mixed) == 0 && mixed->list == 0);
	must_be_held(mixed, p, size);
	must_abort(flush_held, "free", p, "block is already free");
	must_abort(free_held, "free", p, "block is already free");
	/* What lies beside it is a block like others. */
	put(held_class, &got[0], 1);
	must(mixed->nfree == length && best(mixed, size));
	must_be_held(mixed, p, size);
	unhold(mixed, &pages, false);
	must(mixed->nfree == 2 * length && best(mixed, 2 * size));
	must(mixed->cold == 0);
	verify();
	must(put_one(held_class, p) == PCM_SPAN_FREE_ALREADY);
	must(take(held_class, got, 2) == 2 && got[1] == p);

	put(held_class, &p, 1);
	hold(mixed, &pages);
	must_be_held(mixed, p, size);
	unhold(mixed, &pages, true);
	must(mixed->nfree == length && mixed->cold != 0);
	verify();
	must(put_one(held_class, p) == PCM_SPAN_FREE_ALREADY);
	must_abort(flush_held, "free", p, "block is already free");
	/* A cold hole is one; a block out of it is warm, and can be freed. */
	must(take(held_class, &p, 1) == 1 && p == got[1]);
	must(mixed->cold == 0 && mixed->nfree == 0);
	must(put_one(held_class, p) == PCM_SPAN_OK);
	verify();

	/* A span does not leave as long as a page is held. */
	hold(mixed, &pages);
	put(small, rest, nrest);
	put(c, &objs[1], 1);
	put(held_class, &got[0], 1);
	put(held_class, &got[2], n - 2);
	must(mixed_stats().nspans == 1);
	must_be_held(mixed, p, size);
	must_abort(flush_held, "free", p, "block is already free");
	unhold(mixed, &pages, true);
	leave(mixed);
}
END_TEST

/* More than any block has: it is of no class, and free() says what it is. */
START_TEST(held_for_long)
{
	unsigned int c = class_of(15360), n = pcm_size_class[c].nobjs;
	struct pcm_holes_pages pages;
	struct pcm_mixed *mixed;
	char *p;

	if (pcm_sys_page > PCM_PAGE)
		return;
	mixed = make_mixed(c, n)->mixed;
	must(pcm_holes_next_warm(mixed, 0, &pages));
	must((pages.end - pages.first) * pcm_sys_page > 16384);
	p = mixed->span->start + pages.first * pcm_sys_page;
	hold(mixed, &pages);
	must(pcm_mixed_class(p) == 0 && pcm_mixed_has(p));
	must_abort(free_held, "free", p, "block is already free");
	unhold(mixed, &pages, true);
	put(c, objs, 1);
	must(mixed_stats().nspans == 0);
}
END_TEST

/*
 * Two blocks, or a hole, where one block of their length might be: they lie in the middle
 * of words of the bitmaps, at their ends, and across. And what begins at no unit.
 */
START_TEST(freed_as_another_class)
{
	unsigned int whole = class_of(288), half = class_of(144), i, n;
	struct pcm_span *span = make_mixed(whole, 2);
	void *got[NOBJS_MAX / 4];

	n = take(half, got, NOBJS_MAX / 4);
	must(n >= 2);
	for (i = 0; i < n; i++) {
		char *p = got[i];

		must(put_one(whole, p) == PCM_SPAN_FREE_ALREADY);
		must(put_one(half, p + 8) == PCM_SPAN_NOT_A_BLOCK);
		must(put_one(half, p + 16) == PCM_SPAN_NOT_A_BLOCK);
		must(pcm_mixed_class(p + 8) == 0 && pcm_mixed_class(p) == half);
	}
	put(half, got, n);
	for (i = 0; i < n; i += 2) {
		must(put_one(whole, got[i]) == PCM_SPAN_FREE_ALREADY);
		must(put_one(half, got[i]) == PCM_SPAN_FREE_ALREADY);
	}
	must(span->kind == PCM_SPAN_MIXED);
	verify();
}
END_TEST

/* ---- freed twice while its span leaves ---- */

#define LEAVING 208

static void act_flush(void *p)
{
	put(class_of(LEAVING), &p, 1);
}

static void act_sift(void *p)
{
	/* Where little is free nothing is sifted: it is noticed when it is flushed. */
	if (pcm_central_sift(class_of(LEAVING), &p, 1) == 1)
		act_flush(p);
}

static void act_free(void *p)
{
	free(p);
	malloc_trim(0);
}

static void act_realloc(void *p)
{
	must(realloc(p, 3 * LEAVING) == NULL);
}

static void act_size(void *p)
{
	must(malloc_usable_size(p) == 0);
}

static const struct {
	void (*act)(void *);
	const char *function;
} acts[] = {
	{ act_flush, "free" },
	{ act_sift, "free" },
	{ act_free, "free" },
	{ act_realloc, "realloc" },
	{ act_size, "malloc_usable_size" },
};

/* Its last block is back, and it is still in the pagemap; then it has gone. */
START_TEST(freed_twice_while_leaving)
{
	unsigned int c = class_of(LEAVING);
	struct pcm_span *span = make_mixed(c, pcm_size_class[c].nobjs);
	struct pcm_span *empty = NULL;
	enum pcm_span_fault fault;
	char *p = objs[0];

	must(pcm_mixed_put(c, objs, 1, &empty, &fault) == 1);
	must(fault == PCM_SPAN_OK && empty == span && span->next == NULL);
	must(mixed_stats().nspans == 0);
	must(span->kind == PCM_SPAN_MIXED && span->mixed == NULL);
	must(pcm_pagemap_span(p) == span);
	must(pcm_pagemap_class(p) == PCM_CLASS_MIXED);
	must(pcm_mixed_class(p) == 0 && !pcm_mixed_has(p));
	must(pcm_mixed_check(span, p) == PCM_SPAN_FREE_ALREADY);
	must(pcm_mixed_check(span, p + 16) == PCM_SPAN_FREE_ALREADY);
	must(pcm_span_check(span, p) == PCM_SPAN_FREE_ALREADY);
	must(put_one(c, p) == PCM_SPAN_FREE_ALREADY);
	must(pcm_mixed_verify() == NULL);
	must_abort(acts[_i].act, acts[_i].function, p, "block is already free");

	pcm_central_give_back(empty);
	must(pcm_pagemap_span(p) == NULL);
	must(pcm_mixed_class(p) == 0 && !pcm_mixed_has(p));
	must(pcm_pagemap_class(p) == 0);
	must(put_one(c, p) == PCM_SPAN_FREE_ALREADY);
	must_abort(acts[_i].act, acts[_i].function, p, "block is already free");
	verify();
}
END_TEST

static void *magazine[6];
static unsigned int nmagazine;

static void flush_magazine(void *arg)
{
	(void)arg;
	put(class_of(LEAVING), magazine, nmagazine);
}

/*
 * Blocks a, b and c are the last ones of their spans, d is not. The second b, c or d comes
 * at once, later in the same span's run, or after other spans.
 */
static const struct {
	const char *order;
	char twice;
} orders[] = {
	{ "bb", 'b' },	 { "abb", 'b' },   { "abab", 'a' }, { "abcb", 'b' },
	{ "adbb", 'b' }, { "adcdab", 'd' }, { "dd", 'd' },   { "abdcb", 'b' },
};

START_TEST(magazine_with_a_block_twice)
{
	unsigned int c = class_of(LEAVING), n = pcm_size_class[c].nobjs;
	const char *at = orders[_i].order;
	void *block[4];
	int i;

	for (i = 0; i < 4; i++) {
		must(make_mixed(c, i < 3 ? n : n / 2)->mixed->nfree > 0);
		block[i] = objs[0];
	}
	must(mixed_stats().nspans == 4);
	for (; *at != '\0'; at++)
		magazine[nmagazine++] = block[*at - 'a'];
	must_abort(flush_magazine, "free", block[orders[_i].twice - 'a'],
		   "block is already free");
}
END_TEST

/* ---- freed twice while its span leaves, and who frees waits for the lock ---- */

static atomic_bool locked;

static void *free_again(void *p)
{
	free(malloc(1)); /* so that it is not waited for elsewhere */
	while (!atomic_load(&locked))
		sched_yield();
	put(class_of(LEAVING), &p, 1);
	return NULL;
}

/* Gives back the other block, the last one, as pcm_mixed_put() does. */
static void leave_while_waited_for(void *p)
{
	struct pcm_mixed *mixed = pcm_pagemap_span(p)->mixed;
	unsigned int c = class_of(LEAVING);
	struct pcm_span *empty = NULL;
	enum pcm_span_fault fault;
	pthread_t thread;

	put(c, &p, 1);
	must(pthread_create(&thread, NULL, free_again, p) == 0);
	pcm_lock(&home->lock);
	atomic_store(&locked, true);
	while (atomic_load(&home->lock.state) != PCM_LOCK_CONTENDED)
		sched_yield();
	must(pcm_holes_put(mixed, mixed->span->start, c, &objs[1], 1, &fault) == 1);
	home->nfree += LEAVING / PCM_MIXED_UNIT;
	home->nout[c]--;
	pcm_mixed_leave_locked(home, mixed, &empty);
	pcm_unlock(&home->lock);
	must(pthread_join(thread, NULL) == 0);
}

START_TEST(freed_twice_while_waiting)
{
	unsigned int c = class_of(LEAVING), n = pcm_size_class[c].nobjs;

	make_mixed(c, (n + 1) / 2); /* two blocks are left */
	must_abort(leave_while_waited_for, "free", objs[0], "block is already free");
}
END_TEST

#define LEN(array) ((int)(sizeof(array) / sizeof((array)[0])))

int main(void)
{
	TCase *tests = unit_begin("mixed_twice");

	tcase_add_test(tests, held_for_long);
	tcase_add_test(tests, freed_as_another_class);
	tcase_add_loop_test(tests, freed_twice_while_held, 0, 2);
	tcase_add_loop_test(tests, freed_twice_while_leaving, 0, LEN(acts));
	tcase_add_loop_test(tests, magazine_with_a_block_twice, 0, LEN(orders));
	tcase_add_test(tests, freed_twice_while_waiting);
	return unit_end();
}
