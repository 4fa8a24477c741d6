/*
 * Two functions that are called as malloc and free are, and do nothing.
 */
#ifndef PCM_BENCH_FLOOR_PAIR_H
#define PCM_BENCH_FLOOR_PAIR_H

#include <stddef.h>

void *floor_malloc(size_t n);
void floor_free(void *p);

#endif
