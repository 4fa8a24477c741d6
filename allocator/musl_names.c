/*
 * musl_names.c - the names under which musl calls its own malloc.
 *
 * Parts of musl's libc.a (atexit, pthread_atfork, ...) call these instead of
 * malloc. Where they are not defined, a static program gets musl's allocator
 * beside ours.
 */
#include <stdlib.h> /* defines __GLIBC__, where it is glibc */

#include "compiler.h"

#if !defined(__GLIBC__)

PCM_EXPORT void *__libc_malloc(size_t nbytes);
PCM_EXPORT void *__libc_calloc(size_t n, size_t size);
PCM_EXPORT void *__libc_realloc(void *p, size_t nbytes);
PCM_EXPORT void __libc_free(void *p);

PCM_EXPORT void *
__libc_malloc(size_t nbytes)
{
	return malloc(nbytes);
}

PCM_EXPORT void *
__libc_calloc(size_t n, size_t size)
{
	return calloc(n, size);
}

PCM_EXPORT void *
__libc_realloc(void *p, size_t nbytes)
{
	return realloc(p, nbytes);
}

PCM_EXPORT void
__libc_free(void *p)
{
	free(p);
}

#endif
