/*
 * glibc_malloc.h - the types and constants of glibc's <malloc.h>.
 *
 * Spelt out, because musl has none of them and glibc before 2.33 has no struct
 * mallinfo2. Source: mallopt(3), mallinfo(3); part of glibc's ABI. Not to be
 * included together with <malloc.h>.
 */
#ifndef PCM_GLIBC_MALLOC_H
#define PCM_GLIBC_MALLOC_H

#include <stddef.h>
#include <stdio.h>

#include "compiler.h"

enum pcm_mallopt {
	M_MXFAST = 1,
	M_TRIM_THRESHOLD = -1,
	M_TOP_PAD = -2,
	M_MMAP_THRESHOLD = -3,
	M_MMAP_MAX = -4,
	M_CHECK_ACTION = -5,
	M_PERTURB = -6,
	M_ARENA_TEST = -7,
	M_ARENA_MAX = -8,
};

struct mallinfo {
	int arena, ordblks, smblks, hblks, hblkhd;
	int usmblks, fsmblks, uordblks, fordblks, keepcost;
};

struct mallinfo2 {
	size_t arena, ordblks, smblks, hblks, hblkhd;
	size_t usmblks, fsmblks, uordblks, fordblks, keepcost;
};

PCM_EXPORT int mallopt(int parameter, int value);
PCM_EXPORT int malloc_trim(size_t pad);
PCM_EXPORT void malloc_stats(void);
PCM_EXPORT struct mallinfo2 mallinfo2(void);
PCM_EXPORT struct mallinfo mallinfo(void);
PCM_EXPORT int malloc_info(int options, FILE *f);

#endif
