/*
 * A small heap has few sizes, two a doubling: blocks of all sizes lie on few pages. Who
 * asks for one of the sizes between gets it, and a heap of more than 8 MiB has them all.
 */
#include "testing.h"

#include <malloc.h>

#define FEW_BELOW (8 * MIB)
#define MANY 512
#define PAGES_MAX 45	/* for one block of each multiple of 16 to 1 KiB: 32.5 KiB */

/* What a block of nbytes, which is freed again, has room for. */
static size_t room(size_t nbytes)
{
	void *p = malloc(nbytes);
	size_t n = malloc_usable_size(p);

	must(p != NULL && n >= nbytes);
	free(p);
	return n;
}

static void few_at_first(void)
{
	must(room(1000) == 1024);
	must(room(1100) == 1536);
	must(room(1500) == 1536);
	must(room(5000) == 6144);
	must(room(100000) == 131072);
}

static void few_pages(void)
{
	static char *blocks[64];
	size_t before = testing_rollup("Rss"), i, n;

	for (i = 0; i < 64; i++) {
		n = 16 * (i + 1);
		blocks[i] = malloc(n);
		must(blocks[i]);
		memset(blocks[i], 1, n);
	}
	n = testing_rollup("Rss") - before;
	must(n <= (size_t)PAGES_MAX * 4096);
	for (i = 0; i < 64; i++)
		free(blocks[i]);
}

/* Its neighbours come with it, other sizes do not. */
static void one_size(void)
{
	static void *blocks[MANY];
	size_t i;

	for (i = 0; i < MANY; i++)
		must((blocks[i] = malloc(4360)) != NULL);
	must(malloc_usable_size(blocks[0]) == 6144);
	must(malloc_usable_size(blocks[MANY - 1]) == 4608);
	must(room(5000) == 5120);
	must(room(1100) == 1536);
	for (i = 0; i < MANY; i++)
		free(blocks[i]);
}

static void all_in_a_large_heap(void)
{
	static void *blocks[2 * FEW_BELOW / 1024];
	size_t i, n = sizeof(blocks) / sizeof(blocks[0]);

	for (i = 0; i < n; i++)
		must((blocks[i] = malloc(1024)) != NULL);
	must(room(1100) == 1152);
	must(room(100000) == 106496);
	for (i = 0; i < n; i++)
		free(blocks[i]);
	must(room(1100) == 1152);
}

int main(void)
{
	testing_start(60);
	few_at_first();
	few_pages();
	one_size();
	all_in_a_large_heap();
	return 0;
}
