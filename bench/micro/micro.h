/*
 * What the micro-benchmarks share. Each file registers its own with add_*();
 * micro.c calls them. An iteration is an operation, or a round of them where
 * items are counted. The tables come from mmap, not from the allocator.
 */
#ifndef PCM_BENCH_MICRO_H
#define PCM_BENCH_MICRO_H

#include "shim.h"

#include <stddef.h>

#define MICRO_KIB ((int64_t)1 << 10)
#define MICRO_MIB ((int64_t)1 << 20)
/* Operations between two calls into the shim. */
#define MICRO_INNER 1000

void add_pairs(void);
void add_batches(void);
void add_live_sets(void);
void add_growth(void);
void add_threads(void);

/* Wall time with 1, 2, 4 and 16 threads. */
void micro_threads(struct bench_case *c);

/* Zeroed memory; NULL after bench_skip(). */
void *micro_map(struct bench_state *st, size_t nbytes);
void micro_unmap(void *p, size_t nbytes);

uint64_t micro_random(uint64_t *state);

#endif
