/*
 * malloc_aligned.c - the functions that take an alignment.
 *
 * Thread and signal safety as malloc(). What they return goes to free().
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>

#include "block.h"
#include "slow.h"

/* <malloc.h>; musl declares some of them only. */
PCM_EXPORT void *memalign(size_t align, size_t nbytes);
PCM_EXPORT void *valloc(size_t nbytes);
PCM_EXPORT void *pvalloc(size_t nbytes);

static bool
power_of_two(size_t n)
{
	return n != 0 && (n & (n - 1)) == 0;
}

/* NULL if there is no memory, or no such alignment in the address space. */
static void *
alloc(size_t align, size_t nbytes)
{
	void *p;

	if (pcm_block_alloc_aligned_fast(nbytes, align, &p))
		return p;
	if (align > PTRDIFF_MAX / 2)
		return NULL;
	return pcm_block_alloc(nbytes, align, NULL);
}

static void *
alloc_or_errno(size_t align, size_t nbytes)
{
	void *p = NULL;

	if (!power_of_two(align)) {
		errno = EINVAL;
		return NULL;
	}
	p = alloc(align, nbytes);
	if (p == NULL)
		errno = ENOMEM;
	return p;
}

/*
 * aligned_alloc() - C23 7.24.3.1: nbytes aligned to `align`, a power of two, else
 * NULL and EINVAL. nbytes need not be a multiple.
 */
PCM_EXPORT void *
aligned_alloc(size_t align, size_t nbytes)
{
	return alloc_or_errno(align, nbytes);
}

/*
 * memalign() - the same, but an alignment that is no power of two becomes the next
 * one, as in glibc, where programs may have come to rely on it. Past the largest
 * power of two NULL and EINVAL.
 */
PCM_EXPORT void *
memalign(size_t align, size_t nbytes)
{
	size_t power = 1;

	while (power < align && power <= SIZE_MAX / 2)
		power *= 2;
	return alloc_or_errno(power < align ? 0 : power, nbytes);
}

/*
 * posix_memalign() - POSIX.1-2024. `align` is a power of two and a multiple of
 * sizeof(void *). Returns 0, EINVAL or ENOMEM; then *out is untouched. Leaves
 * errno alone.
 */
PCM_EXPORT int
posix_memalign(void **out, size_t align, size_t nbytes)
{
	void *p;

	if (!power_of_two(align) || align % sizeof(void *) != 0)
		return EINVAL;
	p = alloc(align, nbytes);
	if (p == NULL)
		return ENOMEM;
	*out = p;
	return 0;
}

/* The size of an OS page is known once the process is set up. */
static void
set_up(void)
{
	if (PCM_UNLIKELY(!atomic_load_explicit(&pcm_slow_ready,
					       memory_order_acquire)))
		free(malloc(1));
}

/* valloc() - nbytes aligned to the OS page. */
PCM_EXPORT void *
valloc(size_t nbytes)
{
	set_up();
	return alloc_or_errno(pcm_sys_page, nbytes);
}

/* pvalloc() - the same, with nbytes rounded up to whole OS pages. */
PCM_EXPORT void *
pvalloc(size_t nbytes)
{
	size_t rounded;

	set_up();
	rounded = pcm_round_up(nbytes, pcm_sys_page);
	if (rounded < nbytes) {
		errno = ENOMEM;
		return NULL;
	}
	return alloc_or_errno(pcm_sys_page,
			      rounded == 0 ? pcm_sys_page : rounded);
}
