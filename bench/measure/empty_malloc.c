/*
 * The floor of pair.c: a malloc and a free that do nothing, preloaded like an
 * allocator, so that the calls take the same way. Every block is the same
 * one; only a program that expects that can live with it.
 */
#include <stddef.h>

#define EXPORT __attribute__((visibility("default")))

static char block[4096] __attribute__((aligned(64)));

EXPORT void *malloc(size_t n)
{
	(void)n;
	return block;
}

EXPORT void free(void *p)
{
	(void)p;
}
