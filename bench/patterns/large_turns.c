/*
 * Large blocks in turns: a few slots, each turn frees the block of one and
 * puts another of a random size there, a word of each page of which is
 * written. mode= 1-32 (MiB, 4 slots) or 5-25 (16 slots).
 *
 * Prints also active_kib: resident memory when all slots are full.
 */
#include "harness.h"

#define MIB (1 << 20)
#define PAGE 4096
#define TURNS 400
#define MAX_SLOTS 16

static const char *const modes[] = { "1-32", "5-25", NULL };
static const struct { size_t low, high; uint32_t nslots; } limits[] = {
	{ 1 * MIB, 32 * MIB, 4 },
	{ 5 * MIB, 25 * MIB, MAX_SLOTS },
};

static struct slot {
	char *block;
	size_t nbytes;
} slots[HARNESS_MAX_THREADS][MAX_SLOTS];

/* The words are checked at the end: all pages must be there still. */
static void write_pages(char *p, size_t n, uint32_t tag)
{
	for (size_t at = PAGE; at + sizeof(tag) < n - PAGE; at += PAGE)
		*(uint32_t *)(p + at) = tag + (uint32_t)at;
}

static void check_pages(const char *p, size_t n, uint32_t tag)
{
	for (size_t at = PAGE; at + sizeof(tag) < n - PAGE; at += PAGE)
		if (*(const uint32_t *)(p + at) != tag + (uint32_t)at)
			measure_die("a large block has lost its content");
}

static void fill(struct slot *slot, uint32_t tag, uint64_t *random)
{
	slot->nbytes = harness_between(random, limits[harness.mode].low,
				       limits[harness.mode].high);
	slot->block = harness_get(slot->nbytes, tag);
	write_pages(slot->block, slot->nbytes, tag);
}

static void drop(struct slot *slot, uint32_t tag)
{
	if (slot->block == NULL)
		return;
	check_pages(slot->block, slot->nbytes, tag);
	harness_put(slot->block, slot->nbytes, tag);
	slot->block = NULL;
}

static void work(int index)
{
	struct slot *mine = slots[index];
	uint32_t nslots = limits[harness.mode].nslots;
	uint64_t random = harness_stream(index);
	long nturns = harness_scaled(TURNS);

	for (long i = 0; i < nturns; i++) {
		uint32_t at = i < nslots ? (uint32_t)i :
			(uint32_t)harness_between(&random, 0, nslots - 1);

		drop(&mine[at], at);
		fill(&mine[at], at, &random);
		harness_sample();
	}
}

static void drop_all(int index)
{
	for (uint32_t at = 0; at < limits[harness.mode].nslots; at++)
		drop(&slots[index][at], at);
}

int main(int argc, char **argv)
{
	harness_options(argc, argv, 1, modes);
	harness_start();
	harness_threads(work);
	harness_stop();
	harness_print("active_kib", measure_rss_kib());
	harness_start();
	harness_threads(drop_all);
	harness_stop();
	return harness_report();
}
