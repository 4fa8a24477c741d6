/*
 * Random slots: one thread frees what a random slot holds and puts a block
 * there, the sizes after a power law: of twice the size, half as many. The
 * live set, in no order at all, is larger than a CPU's own caches.
 */
#include "harness.h"

#define SLOTS 40000
#define STEPS 16000000
#define LOW 16
#define HIGH (16 << 10)

struct slot {
	void *block;
	uint32_t nbytes;
};

static struct slot *tables[HARNESS_MAX_THREADS];

/* One over a uniform number: P(size > n) is about LOW / n. */
static uint32_t pick(uint64_t *random)
{
	uint64_t x = (measure_random(random) >> 40) + 1;
	uint64_t n = ((uint64_t)LOW << 24) / x;

	return (uint32_t)(n > HIGH ? HIGH : n);
}

static void drop(struct slot *slot, uint32_t tag)
{
	if (slot->block != NULL)
		harness_put(slot->block, slot->nbytes, tag);
	slot->block = NULL;
}

static void work(int index)
{
	struct slot *mine = tables[index];
	uint64_t random = harness_stream(index);
	long n = harness_scaled(STEPS);

	for (long i = 0; i < n; i++) {
		uint32_t at = (uint32_t)harness_between(&random, 0, SLOTS - 1);

		drop(&mine[at], at);
		mine[at].nbytes = pick(&random);
		mine[at].block = harness_get(mine[at].nbytes, at);
		if (index == 0)
			harness_tick();
	}
	for (uint32_t at = 0; at < SLOTS; at++)
		drop(&mine[at], at);
}

int main(int argc, char **argv)
{
	harness_options(argc, argv, 1, NULL);
	for (int i = 0; i < harness.nthreads; i++)
		tables[i] = harness_map(SLOTS * sizeof(struct slot));
	harness_start();
	harness_threads(work);
	harness_stop();
	return harness_report();
}
