/*
 * malloc.c - malloc, free, calloc, realloc and what goes with them.
 *
 * Semantics: C23 7.24.3, POSIX.1-2024, and glibc's manual where these leave it
 * open: malloc(0) returns a block of its own; realloc(p, 0) frees p and returns
 * NULL. No memory and sizes over PTRDIFF_MAX: NULL and ENOMEM. Nothing else
 * changes errno. All are thread-safe; malloc and free also work in signal
 * handlers, in vfork children, and before main.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "background.h"
#include "block.h"

PCM_EXPORT size_t malloc_usable_size(void *p); /* <malloc.h> */

static PCM_NOINLINE void *
alloc_slow(size_t nbytes, bool *zeroed, const void *caller)
{
	void *p;

	if (pcm_block_alloc_next(nbytes, &p))
		return p;
	p = pcm_block_alloc(nbytes, PCM_ANY_ALIGN, zeroed);
	if (PCM_UNLIKELY(p == NULL))
		errno = ENOMEM;
	pcm_background_see_to(caller);
	return p;
}

static PCM_NOINLINE void
free_slow(void *p, const void *caller)
{
	if (pcm_block_free_next(p))
		return;
	pcm_block_release(p);
	pcm_background_see_to(caller);
}

/*
 * malloc() - at least nbytes bytes, aligned to 16 (to 8 if nbytes <= 8).
 */
PCM_EXPORT PCM_HOT void *
malloc(size_t nbytes)
{
	void *p;

	if (pcm_block_alloc_fast(nbytes, &p))
		return p;
	return alloc_slow(nbytes, NULL, PCM_CALLER);
}

/*
 * free() - p is NULL or a block that is not free. Keeps errno. Anything else
 * that is noticed aborts with a diagnostic (docs/DIAGNOSTICS.md).
 */
PCM_EXPORT PCM_HOT void
free(void *p)
{
	if (!pcm_block_free_fast(p))
		free_slow(p, PCM_CALLER);
}

/* cfree() - free(), under the name it has in glibc before 2.26. */
PCM_EXPORT void cfree(void *p);

PCM_EXPORT void
cfree(void *p)
{
	free(p);
}

/* free_sized(), free_aligned_sized() - C23: free() with hints, not needed. */
PCM_EXPORT void free_sized(void *p, size_t nbytes);
PCM_EXPORT void free_aligned_sized(void *p, size_t align, size_t nbytes);

PCM_EXPORT void
free_sized(void *p, size_t nbytes)
{
	(void)nbytes;
	free(p);
}

PCM_EXPORT void
free_aligned_sized(void *p, size_t align, size_t nbytes)
{
	(void)align, (void)nbytes;
	free(p);
}

/*
 * calloc() - n * size bytes, all 0; NULL and ENOMEM if the product overflows.
 * Large blocks, and those of the first of their size, that come fresh from the
 * system are not cleared again.
 */
PCM_EXPORT void *
calloc(size_t n, size_t size)
{
	bool zeroed = false;
	size_t nbytes;
	void *p;

	if (PCM_UNLIKELY(__builtin_mul_overflow(n, size, &nbytes))) {
		errno = ENOMEM;
		return NULL;
	}
	if (!pcm_block_alloc_fast(nbytes, &p))
		p = alloc_slow(nbytes, &zeroed, PCM_CALLER);
	if (p != NULL && !zeroed)
		memset(p, 0, nbytes);
	return p;
}

/* malloc() and free(), for a caller of realloc(). */
static void *
get(size_t nbytes, const void *caller)
{
	void *p;

	return pcm_block_alloc_fast(nbytes, &p) ?
		       p :
		       alloc_slow(nbytes, NULL, caller);
}

static void
put(void *p, const void *caller)
{
	if (!pcm_block_free_fast(p))
		free_slow(p, caller);
}

/*
 * A block that grows by moving will grow again: large ones get a quarter more,
 * which costs address space but, untouched, no memory.
 */
static void *
alloc_grown(size_t nbytes, size_t old_size, const void *caller)
{
	size_t roomy = old_size + old_size / 4;
	void *p;

	if (old_size > PCM_SMALL_MAX && nbytes > old_size && nbytes < roomy) {
		p = pcm_block_alloc(roomy, PCM_ANY_ALIGN, NULL);
		if (p != NULL)
			return p;
	}
	return get(nbytes, caller);
}

static void *
move(void *p, size_t nbytes, size_t old_size, const void *caller)
{
	void *moved = alloc_grown(nbytes, old_size, caller);

	if (moved == NULL)
		return NULL;
	memcpy(moved, p, nbytes < old_size ? nbytes : old_size);
	put(p, caller);
	return moved;
}

/* Less than half of it, or of very little, would be saved by moving: stay. */
#define SHRINK_MIN 64

static bool
fits_well(size_t nbytes, size_t size)
{
	return nbytes <= size && (nbytes >= size / 2 || size <= SHRINK_MIN);
}

/*
 * A small block's is told by its class alone, unchecked: two cache misses less, for the
 * span's descriptor, than what every realloc() of an interpreter would pay else.
 */
static size_t
size_of(const void *p)
{
	size_t size = pcm_size_class[pcm_pagemap_class(p)].size;

	return size != 0 ? size : pcm_block_size("realloc", p);
}

/* Shrinking must not fail: if there is no smaller block, stay. */
static void *
shrink(void *p, size_t nbytes, size_t size, const void *caller)
{
	int saved = errno;
	void *moved = move(p, nbytes, size, caller);

	errno = saved;
	return moved == NULL ? p : moved;
}

/*
 * realloc() - p's contents in a block of at least nbytes. realloc(NULL, n) is
 * malloc(n). On failure p is untouched. A p that is no block is noticed here unless it
 * lies among small blocks; then, if it moves, as free() would.
 */
PCM_EXPORT void *
realloc(void *p, size_t nbytes)
{
	const void *caller = PCM_CALLER;
	size_t size;
	void *same;

	if (p == NULL)
		return get(nbytes, caller);
	size = size_of(p);
	if (nbytes == 0) {
		put(p, caller);
		return NULL;
	}
	if (fits_well(nbytes, size))
		return p;
	if (size > PCM_SMALL_MAX) {
		same = pcm_block_resize(p, nbytes);
		pcm_background_see_to(caller);
		if (same != NULL)
			return same;
	}
	if (nbytes < size)
		return shrink(p, nbytes, size, caller);
	return move(p, nbytes, size, caller);
}

/* reallocarray() - realloc(p, n * size); ENOMEM if the product overflows. */
PCM_EXPORT void *
reallocarray(void *p, size_t n, size_t size)
{
	size_t nbytes;

	if (PCM_UNLIKELY(__builtin_mul_overflow(n, size, &nbytes))) {
		errno = ENOMEM;
		return NULL;
	}
	return realloc(p, nbytes);
}

/*
 * malloc_usable_size() - bytes that may be used at p, at least what was asked
 * for; 0 for NULL.
 */
PCM_EXPORT size_t
malloc_usable_size(void *p)
{
	return p == NULL ? 0 : pcm_block_size("malloc_usable_size", p);
}
