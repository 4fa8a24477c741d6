/*
 * Micro-benchmarks of malloc and free through google-benchmark: what one
 * operation costs by size, order and thread. The program is linked against no
 * allocator; preload one. micro.py runs it on all of them in turns.
 */
#include "micro.h"

#include <sys/mman.h>

void micro_threads(struct bench_case *c)
{
	static const int counts[] = { 1, 2, 4, 16 };

	for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++)
		bench_threads(c, counts[i]);
}

void *micro_map(struct bench_state *st, size_t nbytes)
{
	void *p = mmap(NULL, nbytes, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);

	if (p != MAP_FAILED)
		return p;
	bench_skip(st, "mmap failed");
	return NULL;
}

void micro_unmap(void *p, size_t nbytes)
{
	munmap(p, nbytes);
}

uint64_t micro_random(uint64_t *state)
{
	uint64_t x = *state;

	x ^= x << 13;
	x ^= x >> 7;
	x ^= x << 17;
	return *state = x;
}

int main(int argc, char **argv)
{
	add_pairs();
	add_batches();
	add_live_sets();
	add_growth();
	add_threads();
	return bench_main(argc, argv);
}
