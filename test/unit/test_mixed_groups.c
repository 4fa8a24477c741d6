/*
 * Mixed spans: what is known of groups of pages agrees with the bits, whatever is taken
 * and put, in spans of all lengths; and small blocks stay with their home.
 */
#include "mixed_kit.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

#include "limit.h"
#include "mixed_holes.h"

/* ---- groups ---- */

#define LIVE_MAX 2048

static struct {
	void *p;
	unsigned int class;
} live[LIVE_MAX];
static unsigned int nlive;

/* A hole that begins in one page and ends in the next one is as good as any. */
static size_t random_size(uint64_t *state)
{
	static const size_t sizes[] = { 16, 48, 64, 208, 512, 1024, 3072, 4096,
					5120, 8192, 16384 };

	return sizes[rnd_between(state, 0, sizeof(sizes) / sizeof(*sizes) - 1)];
}

static void take_some(uint64_t *state)
{
	unsigned int class = class_of(random_size(state)), n, i;
	void *got[64];

	n = take(class, got, (unsigned int)rnd_between(state, 1, 64));
	for (i = 0; i < n; i++) {
		must(i == 0 || got[i] != got[i - 1]);
		must(nlive < LIVE_MAX);
		live[nlive].p = got[i];
		live[nlive++].class = class;
	}
}

static void put_some(uint64_t *state)
{
	unsigned int n = (unsigned int)rnd_between(state, 1, 64), i;

	for (; n > 0 && nlive > 0; n--) {
		i = (unsigned int)rnd_between(state, 0, nlive - 1);
		put(live[i].class, &live[i].p, 1);
		live[i] = live[--nlive];
	}
}

/* Many and few are live by turns, so that holes are long and short. */
static void take_and_put(uint64_t *state, unsigned int rounds)
{
	unsigned int i;

	for (i = 0; i < rounds; i++) {
		bool take_now = rnd_between(state, 0, 3) != 0;

		if (i / 32 % 2 != 0)
			take_now = !take_now;
		if (take_now && nlive < LIVE_MAX - 64)
			take_some(state);
		else
			put_some(state);
		verify();
	}
}

/* A span of each class that may be mixed is so, and free but for its first or last block. */
START_TEST(groups_agree)
{
	uint64_t state = testing_seed() + (uint64_t)_i;
	bool one = false, two = false;
	unsigned int c;

	class_of(16); /* all sizes are used */
	for (c = 1; c < PCM_NCLASSES; c++) {
		unsigned int npages = pcm_size_class[c].npages;
		unsigned int n = pcm_size_class[c].nobjs;
		struct pcm_span *span;
		void *kept;

		if (!pcm_mixed_suits(c) || n < 2)
			continue;
		span = get_span(c);
		kept = objs[_i % 2 == 0 ? 0 : n - 1];
		put(c, _i % 2 == 0 ? objs + 1 : objs, n - 1);
		must(mix(c) && span->kind == PCM_SPAN_MIXED);
		verify();
		one |= npages <= PCM_HOLES_NGROUPS;
		two |= npages > PCM_HOLES_NGROUPS;
		take_and_put(&state, 256);
		while (nlive > 0)
			put_some(&state);
		put(c, &kept, 1);
		must(mixed_stats().nspans == 0);
	}
	must(one && two);
}
END_TEST

/* ---- homes ---- */

#define HOME 3

static atomic_bool stop;

static void *stay(void *arg)
{
	while (!atomic_load(&stop))
		sched_yield();
	return arg;
}

static bool takes_of(unsigned int class, const struct pcm_span *span, bool all)
{
	void *p;

	if (pcm_mixed_take(class, 0, &p, 1, all) == 0)
		return false;
	must(pcm_pagemap_span(p) == span);
	put(class, &p, 1);
	return true;
}

/*
 * Another home's holes are for large blocks; for small ones, too, if there is one thread, or
 * memory is scarce.
 */
START_TEST(small_blocks_stay_at_home)
{
	unsigned int small = class_of(208), large = class_of(PCM_MIXED_SHARED_MIN);
	unsigned int c = class_of(512);
	struct pcm_span *span = get_span(c);
	struct pcm_central *central = &pcm_centrals[0][c];
	pthread_t thread;

	leave_every(c, 4);
	/* A home that the class has, of which this is the only span with a free block. */
	crowd_used(c);
	must(pcm_central_use_home(c, HOME) == HOME);
	pcm_lock(&central->lock);
	pcm_central_move_locked(span, HOME);
	pcm_unlock(&central->lock);
	must(mix_of_home(c, HOME));
	must(span->kind == PCM_SPAN_MIXED && span->home == HOME);
	must(takes_of(small, span, false) && takes_of(large, span, false));

	must(pthread_create(&thread, NULL, stay, NULL) == 0);
	must(!takes_of(small, span, false) && takes_of(small, span, true));
	must(takes_of(large, span, false));
	must(!pcm_mixed_shares(small) && pcm_mixed_shares(large));
	atomic_store(&pcm_limit_near, true);
	must(takes_of(small, span, false) && pcm_mixed_shares(small));
	atomic_store(&pcm_limit_near, false);
	atomic_store(&stop, true);
	must(pthread_join(thread, NULL) == 0);
	verify();
}
END_TEST

int main(void)
{
	TCase *tests = unit_begin("mixed_groups");

	tcase_add_loop_test(tests, groups_agree, 0, 4);
	tcase_add_test(tests, small_blocks_stay_at_home);
	return unit_end();
}
