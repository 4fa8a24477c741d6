/*
 * A limit of the address space that comes when much is free and kept: what is kept
 * goes, and in the end there is NULL and ENOMEM. Not even the descriptor may be had
 * that a part of a kept range would need.
 */
#include "testing.h"

#include <errno.h>
#include <stdio.h>
#include <sys/resource.h>

#define NBLOCKS 64
#define BLOCK ((size_t)1000000)
#define KEPT (100 * MIB)
#define SMALL 2048
/* Of what is free then, most can be had. */
#define SHARE_MIN (32 * MIB)

static void fill_and_free(void)
{
	static void *blocks[NBLOCKS];
	void *kept;

	for (int i = 0; i < NBLOCKS; i++) {
		blocks[i] = malloc(BLOCK);
		must(blocks[i]);
	}
	kept = malloc(KEPT);
	must(kept);
	for (int i = 0; i < NBLOCKS; i++)
		free(blocks[i]);
	free(opaque(kept));
}

int main(void)
{
	struct rlimit limit;
	size_t n = 0;

	testing_start(60);
	fill_and_free();
	must(getrlimit(RLIMIT_AS, &limit) == 0);
	limit.rlim_cur = testing_memory("VmSize");
	must(setrlimit(RLIMIT_AS, &limit) == 0);
	errno = 0;
	while (opaque(malloc(SMALL)))
		n++;
	must(errno == ENOMEM);
	must(n * SMALL >= SHARE_MIN);
	printf("%zu MiB\n", n * SMALL / MIB);
	return 0;
}
