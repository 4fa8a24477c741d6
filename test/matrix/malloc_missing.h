/*
 * For programs that are compiled with musl or an old glibc: what their headers
 * do not declare of malloc's interface. Weak, because a program that runs on a
 * preloaded library is linked without it.
 */
#ifndef PCM_TEST_MALLOC_MISSING_H
#define PCM_TEST_MALLOC_MISSING_H

#include <malloc.h>
#include <stddef.h>
#include <stdio.h>

#ifdef __cplusplus
extern "C" {
#endif

#ifndef __GLIBC__
int malloc_trim(size_t pad) __attribute__((weak));
int malloc_info(int options, FILE *file) __attribute__((weak));
#endif

#if !defined(__GLIBC__) || (__GLIBC__ == 2 && __GLIBC_MINOR__ < 33)
struct mallinfo2 {
	size_t arena, ordblks, smblks, hblks, hblkhd;
	size_t usmblks, fsmblks, uordblks, fordblks, keepcost;
};

struct mallinfo2 mallinfo2(void) __attribute__((weak));
#endif

#ifdef __cplusplus
}
#endif

#endif
