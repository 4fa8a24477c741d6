/*
 * test_leafless: a mapping in a GiB of which the pagemap has no leaf, and gets none,
 * is no block. It is kept, grown elsewhere, and serves the next one.
 */
#include <stdlib.h>
#include <sys/mman.h>

#include "fault_hook.h"
#include "mapping.h"
#include "pagemap.h"
#include "pattern.h"

#define NBYTES ((size_t)40 << 20)
#define GIB ((size_t)1 << 30)

/* Not freed: the next mapping lies below it, in another GiB, and cannot grow. */
static void use_up_gib(void)
{
	char *p = mmap(NULL, 2 * GIB, PROT_NONE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	must(p != MAP_FAILED);
}

/* The first mmap is the block's, the second one its leaf's. */
static void has_no_leaf(void)
{
	const struct fault_plan plan = { FAULT_ONE, 1u << FAULT_MMAP, 2, 0 };

	fault_arm(&plan);
	must(malloc(NBYTES) == NULL);
	must(fault_calls(1u << FAULT_MMAP) == 2 && fault_failed() == 1);
	fault_disarm();
	must(pcm_mapping_cached() == NBYTES);
}

static void serves_the_next(void)
{
	char *p = malloc(NBYTES + NBYTES / 2);

	must(p != NULL);
	must(pcm_mapping_cached() == 0);
	must(pcm_pagemap_span(p) != NULL);
	p[0] = p[NBYTES + NBYTES / 2 - 1] = 1;
	free(p);
	must(pcm_pagemap_span(p) == NULL && pcm_mapping_was_freed(p));
}

int main(void)
{
	free(malloc(1)); /* everything is set up */
	use_up_gib();
	has_no_leaf();
	serves_the_next();
	return 0;
}
