/*
 * Thread churn: threads are created by the thousand, end in every way a
 * thread can end, free what others allocated and leave blocks to others.
 * Memory must not grow with the number of threads that have been.
 */
#include "stress_blocks.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LOCAL_BLOCKS 12
#define SHARED_BLOCKS 128
#define KEEP 16
#define MOST_STEPS 120
#define STACK_NBYTES ((size_t)256 << 10)
/* Far above what the blocks themselves can vary by. */
#define GROWTH_LIMIT ((size_t)128 << 20)

enum ending {
	END_RETURN,
	END_EXIT,
	END_CANCEL_SELF,
	END_CANCELLED,
	END_DETACHED,
	NENDINGS
};

/* Handed to a thread in a block that the thread frees. */
struct order {
	struct rng rng;
	struct slot *shared;
	enum ending ending;
	int index;
};

/* A value of the key: its destructor verifies and frees, then sets it anew. */
struct legacy {
	struct rng rng;
	struct block block;
	int rounds;
};

static pthread_key_t key;
static _Atomic(int) ndetached;

static void *get(size_t nbytes)
{
	void *p = malloc(nbytes);

	if (p == NULL)
		stress_fail("malloc of %zu bytes gave NULL", nbytes);
	return p;
}

static void bury(void *arg)
{
	struct legacy *old = arg;
	struct legacy *next = NULL;

	block_put(&old->block);
	if (old->rounds > 0) {
		next = get(sizeof(*next));
		next->rng = old->rng;
		next->rounds = old->rounds - 1;
		block_get(&next->block, &next->rng, size_pick(&next->rng));
	}
	free(old);
	pthread_setspecific(key, next);
}

static void leave_legacy(struct rng *r)
{
	struct legacy *mine = get(sizeof(*mine));

	mine->rng.state = rng_next(r);
	mine->rounds = (int)rng_below(r, 3);
	block_get(&mine->block, r, size_pick(r));
	pthread_setspecific(key, mine);
}

/* Half of the blocks stay in the table for others, the rest is freed. */
static void leave_blocks(struct mix *m)
{
	for (unsigned i = 0; i < m->nlocal; i += 2)
		slot_swap(&m->shared[rng_below(&m->rng, m->nshared)],
			  &m->local[i]);
	mix_put_all(m);
}

static void put_block(void *arg)
{
	block_put(arg);
}

/* Ends by cancellation, with a block that the cleanup handler frees. */
static void be_cancelled(struct rng *r, bool self)
{
	struct block b;

	block_get(&b, r, size_pick(r));
	pthread_cleanup_push(put_block, &b);
	if (self)
		pthread_cancel(pthread_self());
	for (;;)
		pause();
	pthread_cleanup_pop(1);
}

static void *child_main(void *arg)
{
	struct order order = *(struct order *)arg;
	struct block local[LOCAL_BLOCKS] = { { .p = NULL } };
	struct mix mix = { order.rng, local, LOCAL_BLOCKS, order.shared,
			   SHARED_BLOCKS };
	size_t steps = rng_below(&mix.rng, MOST_STEPS);

	stress_thread = order.index;
	free(arg);
	leave_legacy(&mix.rng);
	while (steps-- > 0)
		mix_step(&mix);
	mix_burst(&mix.rng, 200);
	leave_blocks(&mix);
	if (order.ending == END_DETACHED)
		atomic_fetch_sub(&ndetached, 1);
	if (order.ending == END_EXIT)
		pthread_exit(NULL);
	if (order.ending == END_CANCEL_SELF || order.ending == END_CANCELLED)
		be_cancelled(&mix.rng, order.ending == END_CANCEL_SELF);
	return NULL;
}

struct child {
	pthread_t thread;
	enum ending ending;
	bool alive;
};

static void start_child(struct child *c, struct worker *w)
{
	struct order *order = get(sizeof(*order));
	pthread_attr_t attr;
	int rc;

	c->ending = (enum ending)rng_below(&w->rng, NENDINGS);
	order->rng.state = rng_next(&w->rng);
	order->shared = w->arg;
	order->ending = c->ending;
	order->index = 1000 + (int)(w->nops % 100000);
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK_NBYTES);
	if (c->ending == END_DETACHED) {
		pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
		atomic_fetch_add(&ndetached, 1);
	}
	rc = pthread_create(&c->thread, &attr, child_main, order);
	if (rc != 0)
		stress_fail("pthread_create failed: %s", strerror(rc));
	pthread_attr_destroy(&attr);
	c->alive = c->ending != END_DETACHED;
}

static void end_child(struct child *c)
{
	if (!c->alive)
		return;
	if (c->ending == END_CANCELLED)
		pthread_cancel(c->thread);
	pthread_join(c->thread, NULL);
	c->alive = false;
}

static void wait_for_detached(int most)
{
	while (atomic_load(&ndetached) > most)
		usleep(200);
}

static void run(struct worker *w)
{
	struct child children[KEEP] = { { .alive = false } };

	while (stress_running()) {
		struct child *c = &children[w->nops % KEEP];

		end_child(c);
		start_child(c, w);
		wait_for_detached(4 * KEEP);
		w->nops++;
	}
	for (unsigned i = 0; i < KEEP; i++)
		end_child(&children[i]);
}

int main(void)
{
	struct worker *workers;
	struct slot *shared;
	unsigned n;
	uint64_t nops;
	size_t before;

	stress_start("stress_churn");
	n = stress_ncpus();
	shared = stress_memory(SHARED_BLOCKS * sizeof(*shared));
	workers = stress_memory(n * sizeof(*workers));
	if (pthread_key_create(&key, bury) != 0)
		stress_fail("pthread_key_create failed");
	nops = stress_run(workers, n, stress_seconds() / 4, run, shared);
	before = stress_rss();
	nops += stress_run(workers, n, stress_seconds() * 3 / 4, run, shared);
	wait_for_detached(0);
	if (stress_rss() > before + GROWTH_LIMIT)
		stress_fail("resident memory grew from %zu to %zu KiB over "
			    "%llu threads", before >> 10, stress_rss() >> 10,
			    (unsigned long long)nops);
	mix_drain(shared, SHARED_BLOCKS);
	return stress_finish(nops);
}
