/*
 * Mixed sizes with a live set: a random one of count blocks is freed and
 * another of 16 to 2000 bytes allocated in its place.
 */
#include "micro.h"

#include <stdlib.h>

#define LOW 16
#define HIGH 2000
#define CHOICES 4096		/* sizes, made before the time is taken */

static size_t sizes[CHOICES];

static void make_sizes(void)
{
	uint64_t random = 88172645463325252ull;

	/* Three in four are short. */
	for (int i = 0; i < CHOICES; i++) {
		uint64_t x = micro_random(&random);

		sizes[i] = LOW + (x >> 8) % ((x % 4 ? HIGH / 8 : HIGH) - LOW);
	}
}

static void replace(void **blocks, uint32_t count, uint64_t *random)
{
	uint64_t x = micro_random(random);
	void **place = &blocks[(uint32_t)x % count];
	char *p = malloc(sizes[(x >> 32) % CHOICES]);

	free(*place);
	*p = 1;
	*place = p;
}

static void live_set(struct bench_state *st)
{
	uint32_t count = (uint32_t)bench_arg_of(st, 0);
	uint64_t random = (uint64_t)bench_thread_index(st) + 1;
	void **blocks = micro_map(st, count * sizeof(*blocks));

	if (blocks == NULL)
		return;
	for (uint32_t i = 0; i < count; i++)
		blocks[i] = malloc(sizes[i % CHOICES]);
	while (bench_next_batch(st, MICRO_INNER))
		for (int i = 0; i < MICRO_INNER; i++)
			replace(blocks, count, &random);
	for (uint32_t i = 0; i < count; i++)
		free(blocks[i]);
	micro_unmap(blocks, count * sizeof(*blocks));
	bench_set_items(st, bench_iterations(st));
}

void add_live_sets(void)
{
	struct bench_case *c = bench_add("live_set", live_set);

	make_sizes();
	bench_arg(c, 100);
	bench_arg(c, 1000);
	bench_arg(c, 10000);
	bench_arg(c, 100000);
	c = bench_add("live_set_threads", live_set);
	bench_arg(c, 1000);
	micro_threads(c);
}
