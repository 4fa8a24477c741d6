/*
 * A working set much larger than what the TLB covers, walked at random: blocks
 * of 64 to 2000 bytes, linked in random order, and each read depends on the one
 * before. A step takes at least a cache miss, and on small pages a TLB miss
 * too.
 *
 *	walk [MIB]	of blocks; 1024 if not given
 */
#include "measure.h"

#include <sys/mman.h>

#define MIB ((size_t)1 << 20)
#define SMALLEST 64
#define LARGEST 2000
#define STEPS 20000000
#define MANY ((size_t)1 << 24) /* blocks at most; address space, not memory */

struct block {
	struct block *next;
};

static size_t fill(struct block **blocks, size_t nbytes, uint64_t *random)
{
	size_t n = 0, sum = 0;

	while (sum < nbytes && n < MANY) {
		size_t size = SMALLEST + measure_random(random) %
			(LARGEST - SMALLEST + 1);

		blocks[n] = malloc(size);
		if (blocks[n] == NULL)
			measure_die("walk: no memory");
		memset(blocks[n++], 1, size);
		sum += size;
	}
	return n;
}

/* Sattolo's shuffle: a single cycle through all blocks. */
static void link_blocks(struct block **blocks, size_t n, uint64_t *random)
{
	size_t i;

	for (i = n - 1; i > 0; i--) {
		size_t j = measure_random(random) % i;
		struct block *block = blocks[i];

		blocks[i] = blocks[j];
		blocks[j] = block;
	}
	for (i = 0; i < n; i++)
		blocks[i]->next = blocks[(i + 1) % n];
}

static struct block *walk(struct block *at, long steps)
{
	while (steps-- > 0)
		at = at->next;
	return at;
}

int main(int argc, char **argv)
{
	size_t nbytes = (argc > 1 ? strtoul(argv[1], NULL, 10) : 1024) * MIB, n;
	struct block **blocks = mmap(NULL, MANY * sizeof(*blocks),
				     PROT_READ | PROT_WRITE,
				     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	uint64_t random = 1;
	double start;

	if (blocks == MAP_FAILED)
		measure_die("walk: mmap failed");
	madvise(blocks, MANY * sizeof(*blocks), MADV_NOHUGEPAGE);
	start = measure_now();
	n = fill(blocks, nbytes, &random);
	measure_print("fill_seconds", measure_now() - start);
	link_blocks(blocks, n, &random);
	start = measure_cpu_now();
	measure_use(walk(blocks[0], STEPS));
	measure_print("ns_per_read", (measure_cpu_now() - start) * 1e9 / STEPS);
	measure_print("huge_kib", measure_huge_kib());
	measure_print("rss_kib", measure_rss_kib());
	return 0;
}
