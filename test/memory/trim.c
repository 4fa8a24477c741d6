/*
 * malloc_trim(0) leaves the pages that hold a live block and little else: of a heap
 * of blocks of all sizes, of which one in sixteen is left, in no order.
 */
#include "testing.h"

#include <malloc.h>
#include <sys/mman.h>

#define HEAP (128 * MIB)
#define MANY 60000
#define SLACK (2 * MIB)

static struct block {
	char *p;
	size_t nbytes;
} blocks[MANY];
static size_t nblocks;

static size_t any_size(uint64_t *state)
{
	return rnd_between(state, 16, (size_t)32 << rnd(state) % 10);
}

static int by_address(const void *a, const void *b)
{
	const struct block *x = a, *y = b;

	return x->p < y->p ? -1 : x->p > y->p;
}

/* Bytes of the OS pages that the blocks lie in. */
static size_t pages_of_blocks(void)
{
	uintptr_t next = 0; /* the first page not counted */
	size_t npages = 0, i;

	qsort(blocks, nblocks, sizeof(blocks[0]), by_address);
	for (i = 0; i < nblocks; i++) {
		uintptr_t first = (uintptr_t)blocks[i].p / 4096;
		uintptr_t end = ((uintptr_t)blocks[i].p + blocks[i].nbytes +
				 4095) / 4096;

		first = first < next ? next : first;
		npages += end > first ? end - first : 0;
		next = end > next ? end : next;
	}
	return npages * 4096;
}

static void fill_heap(uint64_t *state)
{
	size_t sum = 0;

	while (sum < HEAP && nblocks < MANY) {
		size_t n = any_size(state);
		char *p = malloc(n);

		must(p);
		memset(p, (int)n, n);
		blocks[nblocks++] = (struct block){ p, n };
		sum += n;
	}
}

static void thin_out(uint64_t *state)
{
	size_t i, kept = 0;

	for (i = 0; i < nblocks; i++) {
		if (rnd(state) % 16 == 0)
			blocks[kept++] = blocks[i];
		else
			free(blocks[i].p);
	}
	nblocks = kept;
}

int main(void)
{
	uint64_t state;
	size_t base, live, i;

	testing_start(60);
	state = testing_seed();
	memset(blocks, 1, sizeof(blocks));
	base = testing_memory("VmRSS");
	fill_heap(&state);
	thin_out(&state);
	must(malloc_trim(0) == 1);
	live = pages_of_blocks();
	printf("%zu KiB resident, %zu before, %zu KiB in pages of live blocks\n",
	       testing_memory("VmRSS") / KIB, base / KIB, live / KIB);
	must(testing_memory("VmRSS") <= base + live + SLACK);
	for (i = 0; i < nblocks; i++)
		must(blocks[i].p[blocks[i].nbytes - 1] ==
		     (char)blocks[i].nbytes);
	return 0;
}
