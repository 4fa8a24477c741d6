/*
 * A malloc and a free that do nothing, in a library of their own so that the
 * calls take the same way as those of a preloaded allocator: the floor for
 * the pairs. They do not have malloc's names: google-benchmark needs a malloc.
 */
#include "floor_pair.h"

#define EXPORT __attribute__((visibility("default")))

static char block[4096] __attribute__((aligned(64)));

EXPORT void *floor_malloc(size_t n)
{
	(void)n;
	return block;
}

EXPORT void floor_free(void *p)
{
	(void)p;
}
