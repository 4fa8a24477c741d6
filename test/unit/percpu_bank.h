/*
 * A bank of tokens for the tests of percpu/: a token is an object that is
 * somewhere exactly once, in a hand, in a slab or shard, or in a magazine of
 * the pool here. Whoever takes one out that somebody holds ends the test.
 *
 * Stack s has the tokens s * BANK_PER_STACK + 1 to (s + 1) * BANK_PER_STACK.
 */
#ifndef PCM_TEST_PERCPU_BANK_H
#define PCM_TEST_PERCPU_BANK_H

#include "percpu_lab.h"
#include "storm.h"

#include <pthread.h>

#define BANK_NSTACKS 6 /* 1 to this */
#define BANK_PER_STACK 2000
#define BANK_POOL_MAX 4096
#define BANK_HAND 32

static const uint16_t bank_nslots[BANK_NSTACKS + 1] = { 0, 1,  2,
						       7, 33, 64,
						       PCM_MAG_NSLOTS_MAX };

/* Who holds a token: 0 = it is in a magazine. */
static atomic_uint bank_holder[(BANK_NSTACKS + 1) * BANK_PER_STACK + 1];

struct bank_hand {
	unsigned int who, n;
	unsigned int stack[BANK_HAND];
	void *token[BANK_HAND];
	unsigned long taken;
} PCM_LINE_ALIGNED;

static struct bank_hand bank_hands[STORM_THREADS_MAX];

/* Magazines outside of slabs: full ones, and those that have room. */
enum { BANK_FULL, BANK_ROOM, BANK_NLISTS };

static struct {
	pthread_mutex_t lock;
	struct {
		unsigned int n;
		void **mag[BANK_POOL_MAX];
	} list[BANK_NLISTS];
} bank_pool[BANK_NSTACKS + 1];

static inline unsigned int bank_nslots_of(unsigned int stack)
{
	return bank_nslots[stack];
}

static inline void bank_claim(struct bank_hand *hand, unsigned int stack,
			      void *token)
{
	uintptr_t t = (uintptr_t)token;
	unsigned int nobody = 0;

	must(t > stack * BANK_PER_STACK && t <= (stack + 1) * BANK_PER_STACK);
	must(atomic_compare_exchange_strong(&bank_holder[t], &nobody,
					    hand->who));
	hand->stack[hand->n] = stack;
	hand->token[hand->n++] = token;
	hand->taken++;
}

/* Takes the last token out of the hand; it is nobody's then. */
static inline void *bank_let_go(struct bank_hand *hand, unsigned int *stack)
{
	void *token = hand->token[--hand->n];

	*stack = hand->stack[hand->n];
	must(atomic_exchange(&bank_holder[(uintptr_t)token], 0) == hand->who);
	return token;
}

static inline void bank_store(unsigned int stack, void **mag)
{
	unsigned int which, n;

	if (mag == PCM_MAG_NONE)
		return;
	must(stack >= 1 && stack <= BANK_NSTACKS);
	must(pcm_mag_count(mag) <=
	     bank_nslots_of(stack));
	which = pcm_mag_full(mag) ? BANK_FULL : BANK_ROOM;
	pthread_mutex_lock(&bank_pool[stack].lock);
	n = bank_pool[stack].list[which].n++;
	must(n < BANK_POOL_MAX);
	bank_pool[stack].list[which].mag[n] = mag;
	pthread_mutex_unlock(&bank_pool[stack].lock);
}

/* A magazine of the list; PCM_MAG_NONE: there is none. */
static inline void **bank_find(unsigned int stack, unsigned int which)
{
	void **mag = PCM_MAG_NONE;
	unsigned int n;

	pthread_mutex_lock(&bank_pool[stack].lock);
	n = bank_pool[stack].list[which].n;
	if (n > 0) {
		mag = bank_pool[stack].list[which].mag[n - 1];
		bank_pool[stack].list[which].n = n - 1;
	}
	pthread_mutex_unlock(&bank_pool[stack].lock);
	return mag;
}

/* All tokens in magazines of the pool; the stacks' numbers of slots. */
static inline void bank_open(void)
{
	unsigned int s, i;

	for (i = 0; i < STORM_THREADS_MAX; i++)
		bank_hands[i].who = i + 1;
	for (s = 1; s <= BANK_NSTACKS; s++) {
		void **mag = PCM_MAG_NONE;

		pthread_mutex_init(&bank_pool[s].lock, NULL);
		for (i = 1; i <= BANK_PER_STACK; i++) {
			if (pcm_mag_full(mag)) {
				bank_store(s, mag);
				mag = pcm_mag_new(bank_nslots_of(s));
				must(mag != PCM_MAG_NONE);
			}
			pcm_mag_push(&mag, (void *)(uintptr_t)(
						   s * BANK_PER_STACK + i));
		}
		bank_store(s, mag);
	}
}

static unsigned char bank_seen[(BANK_NSTACKS + 1) * BANK_PER_STACK + 1];

static inline void bank_see(unsigned int stack, void **mag)
{
	while (!pcm_mag_empty(mag)) {
		uintptr_t t = (uintptr_t)pcm_mag_pop(&mag);

		must(t > stack * BANK_PER_STACK &&
		     t <= (stack + 1) * BANK_PER_STACK);
		must(++bank_seen[t] == 1);
	}
}

/* With nothing left in slabs and shards: every token is there once. */
static inline void bank_close(void)
{
	unsigned int s, i, k, which;
	size_t t;

	for (i = 0; i < STORM_THREADS_MAX; i++)
		for (k = 0; k < bank_hands[i].n; k++)
			must(++bank_seen[(uintptr_t)bank_hands[i].token[k]] ==
			     1);
	for (s = 1; s <= BANK_NSTACKS; s++)
		for (which = 0; which < BANK_NLISTS; which++)
			for (i = 0; i < bank_pool[s].list[which].n; i++)
				bank_see(s, bank_pool[s].list[which].mag[i]);
	for (t = BANK_PER_STACK + 1; t <= (BANK_NSTACKS + 1) * BANK_PER_STACK;
	     t++)
		must(bank_seen[t] == 1);
}

#endif
