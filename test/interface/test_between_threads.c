/*
 * Blocks that one thread allocates and another resizes or frees.
 */
#include "suite.h"

#include <pthread.h>
#include <stdatomic.h>

#define NTHREADS 4
#define NSLOTS 512

struct block {
	size_t n;
	uint64_t seed;
	unsigned char bytes[];
};

static _Atomic(struct block *) slot[NSLOTS];
static atomic_int stop;

static size_t random_size(uint64_t *state)
{
	size_t bits = rnd_between(state, 4, rnd(state) % 64 ? 11 : 19);

	return rnd(state) & (((size_t)1 << bits) - 1);
}

/* A new block by one of the functions that allocate. */
static struct block *new_block(uint64_t *state)
{
	size_t n = random_size(state), size = n + sizeof(struct block);
	struct block *block;

	switch (rnd(state) % 8) {
	case 0:
		block = calloc(1, size);
		ck_assert(block && all_bytes(block, size, 0));
		break;
	case 1:
		block = memalign((size_t)16 << rnd(state) % 8, size);
		break;
	case 2:
		block = realloc(malloc(size / 2), size);
		break;
	default:
		block = malloc(size);
	}
	ck_assert_ptr_nonnull(block);
	block->n = n;
	block->seed = rnd(state);
	fill(block->bytes, n, block->seed);
	return block;
}

static void check_block(const struct block *block)
{
	if (!filled(block->bytes, block->n, block->seed)) {
		fprintf(stderr, "a block of %zu bytes changed\n", block->n);
		abort();
	}
}

static void drop_block(struct block *block, uint64_t *state)
{
	if (!block)
		return;
	check_block(block);
	if (rnd(state) % 8 == 0) {
		block = realloc(block, sizeof(*block) + block->n + 100);
		ck_assert_ptr_nonnull(block);
		check_block(block);
	}
	free(block);
}

static void *exchange_blocks(void *arg)
{
	uint64_t state = testing_seed() + (uint64_t)(uintptr_t)arg;

	while (!atomic_load(&stop)) {
		size_t i = rnd_between(&state, 0, NSLOTS - 1);

		drop_block(atomic_exchange(&slot[i], new_block(&state)),
			   &state);
	}
	return NULL;
}

START_TEST(any_thread_frees_any_block)
{
	pthread_t thread[NTHREADS];
	uint64_t state = 0;
	size_t i;

	for (i = 0; i < NTHREADS; i++)
		ck_assert(!pthread_create(&thread[i], NULL, exchange_blocks,
					  (void *)i));
	sleep(1);
	atomic_store(&stop, 1);
	for (i = 0; i < NTHREADS; i++)
		pthread_join(thread[i], NULL);
	for (i = 0; i < NSLOTS; i++)
		drop_block(atomic_exchange(&slot[i], NULL), &state);
}
END_TEST

/* One only allocates, the other only frees: the memory goes round. */
static void *only_allocate(void *arg)
{
	size_t turn, total = (size_t)(uintptr_t)arg;

	for (turn = 0; turn < total; turn++) {
		struct block *block = malloc(sizeof(*block) + turn % 1000);

		block->n = turn % 1000;
		block->seed = turn;
		fill(block->bytes, block->n, turn);
		while (atomic_load(&slot[turn % NSLOTS]))
			sched_yield();
		atomic_store(&slot[turn % NSLOTS], block);
	}
	return NULL;
}

START_TEST(one_allocates_the_other_frees)
{
	size_t turn, total = 300000, before = testing_memory("VmRSS");
	uint64_t state = 1;
	pthread_t thread;

	ck_assert(!pthread_create(&thread, NULL, only_allocate,
				  (void *)total));
	for (turn = 0; turn < total; turn++) {
		struct block *block;

		while (!(block = atomic_load(&slot[turn % NSLOTS])))
			sched_yield();
		atomic_store(&slot[turn % NSLOTS], NULL);
		drop_block(block, &state);
	}
	pthread_join(thread, NULL);
	ck_assert_uint_lt(testing_memory("VmRSS"), before + 32 * MIB);
}
END_TEST

/* Blocks of threads that have ended are as good as any. */
static void *leave_blocks(void *arg)
{
	struct block **block = arg;
	uint64_t state = (uint64_t)(uintptr_t)arg;
	size_t i;

	for (i = 0; i < 100; i++)
		block[i] = new_block(&state);
	return NULL;
}

START_TEST(blocks_survive_their_thread)
{
	static struct block *block[100][100];
	pthread_t thread;
	uint64_t state = 7;
	size_t i, k;

	for (i = 0; i < 100; i++) {
		ck_assert(!pthread_create(&thread, NULL, leave_blocks,
					  block[i]));
		pthread_join(thread, NULL);
	}
	for (i = 0; i < 100; i++)
		for (k = 0; k < 100; k++)
			drop_block(block[i][k], &state);
}
END_TEST

int main(void)
{
	TCase *tests = suite_begin("between threads");

	tcase_add_test(tests, any_thread_frees_any_block);
	tcase_add_test(tests, one_allocates_the_other_frees);
	tcase_add_test(tests, blocks_survive_their_thread);
	return suite_end();
}
