/*
 * The load of load.h.
 */
#include "load.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <time.h>

#define NTHREADS_MAX 16

/* Of long blocks only both ends are filled. */
#define END_MAX ((size_t)8192)

/* Steps of all threads between two pauses of one of them. */
#define BURST 50
#define PAUSE_NS 200000

struct block {
	size_t n;
	uint64_t seed;
	unsigned char bytes[];
};

/* Sizes of a kind, and how many of its blocks live at once. */
static const struct shape {
	size_t lo, hi, nslots;
} shapes[LOAD_NKINDS] = {
	[LOAD_SMALL] = { 1, 1024, 2000 },
	[LOAD_MEDIUM] = { 1024, 32 * 1024, 200 },
	[LOAD_SPAN] = { 32 * 1024, 256 * 1024, 48 },
	[LOAD_LARGE] = { 256 * 1024, 4 << 20, 12 },
	[LOAD_HUGE] = { 4 << 20, 64 << 20, 4 },
	[LOAD_TRIM] = { 1, 40000, 200 },
	[LOAD_STATISTICS] = { 1, 2000, 200 },
};

/* All kinds but LOAD_TRIM, as often as they are cheap. */
static const enum load_kind mixture[] = {
	LOAD_SMALL,  LOAD_SMALL,  LOAD_SMALL,  LOAD_SMALL, LOAD_SMALL,
	LOAD_SMALL,  LOAD_MEDIUM, LOAD_MEDIUM, LOAD_SPAN,  LOAD_SPAN,
	LOAD_LARGE,  LOAD_STATISTICS,
};

#define NMIXTURE (sizeof(mixture) / sizeof(mixture[0]))

#define NSLOTS_MAX 2000

static _Atomic(struct block *) slots[LOAD_NKINDS][NSLOTS_MAX];
static pthread_t threads[NTHREADS_MAX];
static int nthreads_now, kind_now;
static atomic_bool stopping;
static atomic_ulong nsteps_made;

static void fill_ends(struct block *block)
{
	size_t n = block->n < END_MAX ? block->n : END_MAX;

	fill(block->bytes, n, block->seed);
	fill(block->bytes + block->n - n, n, block->seed + 1);
}

/* The end is written last: where both overlap, it counts. */
static void check_ends(const struct block *block)
{
	size_t n = block->n < END_MAX ? block->n : END_MAX;
	size_t clear = block->n - n < n ? block->n - n : n;

	must(filled(block->bytes, clear, block->seed));
	must(filled(block->bytes + block->n - n, n, block->seed + 1));
}

static struct block *new_block(size_t n, uint64_t *state)
{
	size_t size = sizeof(struct block) + n;
	struct block *block;

	switch (rnd(state) % 16) {
	case 0:
		/* To clear more takes longer than all the rest. */
		block = n < MIB ? calloc(1, size) : malloc(size);
		break;
	case 1:
		block = memalign((size_t)16 << rnd(state) % 9, size);
		break;
	case 2:
		block = realloc(malloc(size / 2 + 1), size);
		break;
	default:
		block = malloc(size);
	}
	must(block);
	block->n = n;
	block->seed = rnd(state);
	fill_ends(block);
	return block;
}

static void drop_block(struct block *block, uint64_t *state)
{
	if (!block)
		return;
	check_ends(block);
	if (rnd(state) % 16 == 0) {
		size_t n = block->n;

		block = realloc(block, sizeof(*block) + n + n / 2);
		must(block && block->n == n);
		check_ends(block);
	}
	free(block);
}

static void look_at_statistics(uint64_t *state)
{
	struct mallinfo2 info = mallinfo2();
	void *p = pvalloc(100);

	must(info.arena > 0);
	must(malloc_usable_size(p) >= 4096);
	free(p);
	if (rnd(state) % 64 == 0)
		mallopt(M_TOP_PAD, 0);
}

void load_step(enum load_kind kind, uint64_t *state)
{
	const struct shape *shape = &shapes[kind];
	size_t i = rnd_between(state, 0, shape->nslots - 1);
	size_t n = rnd_between(state, shape->lo, shape->hi);

	drop_block(atomic_exchange(&slots[kind][i], new_block(n, state)),
		   state);
	if (kind == LOAD_TRIM && rnd(state) % 64 == 0)
		malloc_trim(0);
	if (kind == LOAD_STATISTICS && rnd(state) % 16 == 0)
		look_at_statistics(state);
}

void load_steps(int nsteps, uint64_t *state)
{
	while (nsteps-- > 0) {
		enum load_kind kind = mixture[rnd(state) % NMIXTURE];

		if (kind == LOAD_LARGE && rnd(state) % 4 == 0)
			kind = LOAD_HUGE;
		load_step(kind, state);
	}
}

/* Works in bursts: what is tested shall have its share of the CPUs. */
static void *work(void *arg)
{
	const struct timespec pause = { 0, PAUSE_NS };
	uint64_t state = testing_seed() + (uint64_t)(uintptr_t)arg;

	while (!atomic_load(&stopping)) {
		int kind = kind_now;

		if (kind < 0)
			load_steps(1, &state);
		else
			load_step((enum load_kind)kind, &state);
		if (atomic_fetch_add(&nsteps_made, 1) % BURST == BURST - 1)
			nanosleep(&pause, NULL);
	}
	return NULL;
}

void load_start(int kind, int nthreads)
{
	int i;

	must(nthreads <= NTHREADS_MAX);
	kind_now = kind;
	nthreads_now = nthreads;
	atomic_store(&stopping, false);
	atomic_store(&nsteps_made, 0);
	for (i = 0; i < nthreads; i++)
		must(!pthread_create(&threads[i], NULL, work,
				     (void *)(intptr_t)i));
	while (nthreads && atomic_load(&nsteps_made) < 100)
		sched_yield();
}

void load_stop(void)
{
	int i;

	atomic_store(&stopping, true);
	for (i = 0; i < nthreads_now; i++)
		must(!pthread_join(threads[i], NULL));
	nthreads_now = 0;
	load_clear();
}

void load_clear(void)
{
	uint64_t state = 1;
	int kind;
	size_t i;

	for (kind = 0; kind < LOAD_NKINDS; kind++)
		for (i = 0; i < shapes[kind].nslots; i++)
			drop_block(atomic_exchange(&slots[kind][i], NULL),
				   &state);
}

unsigned long load_count(void)
{
	return atomic_load(&nsteps_made);
}
