/*
 * jemalloc_api.c - jemalloc's own names for what we do anyway.
 *
 * Programs that were built against jemalloc (Debian 13's redis-server and
 * valkey-server) call these and malloc's functions on the same block. With only
 * the latter interposed, one allocator would get the other's blocks. mallctl()
 * and the like stay jemalloc's: they touch no block.
 *
 * Interface: jemalloc(3), "Non-standard API". Of the flags, alignment and zeroing
 * are honoured; arenas and thread caches mean nothing here. Thread and signal
 * safety as malloc().
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "block.h"
#include "slow.h"

#define LG_ALIGN_MASK 0x3f
#define FLAG_ZERO 0x40

PCM_EXPORT void *mallocx(size_t nbytes, int flags);
PCM_EXPORT void *rallocx(void *p, size_t nbytes, int flags);
PCM_EXPORT size_t xallocx(void *p, size_t nbytes, size_t extra, int flags);
PCM_EXPORT size_t sallocx(const void *p, int flags);
PCM_EXPORT void dallocx(void *p, int flags);
PCM_EXPORT void sdallocx(void *p, size_t nbytes, int flags);
PCM_EXPORT size_t nallocx(size_t nbytes, int flags);

/* 0: more than any address has. */
static size_t
align_of(int flags)
{
	unsigned lg = (unsigned)flags & LG_ALIGN_MASK;

	if (lg < 3)
		return PCM_ANY_ALIGN;
	return lg < PCM_ADDRESS_BITS ? (size_t)1 << lg : 0;
}

/*
 * jemalloc promises that nallocx() tells the size of the block to come: whoever calls
 * these gets all sizes from the first call on.
 */
static void
use_all_sizes(void)
{
	if (PCM_LIKELY(atomic_load_explicit(&pcm_size_class_all,
					    memory_order_acquire)))
		return;
	if (pcm_slow_enter()) { /* sets up, if nobody has */
		pcm_size_class_use_all();
		pcm_slow_leave();
	} else if (atomic_load_explicit(&pcm_slow_ready, memory_order_acquire)) {
		pcm_size_class_use_all();
	} /* else a handler has interrupted the set-up: not now */
}

/* mallocx() - malloc() with flags; NULL: no memory. */
PCM_EXPORT void *
mallocx(size_t nbytes, int flags)
{
	size_t align = align_of(flags);
	bool zeroed = false;
	void *p;

	if (align == 0)
		return NULL;
	use_all_sizes();
	if (!pcm_block_alloc_aligned_fast(nbytes, align, &p))
		p = pcm_block_alloc(nbytes, align, &zeroed);
	if (p != NULL && (flags & FLAG_ZERO) && !zeroed)
		memset(p, 0, pcm_block_size("mallocx", p));
	return p;
}

/* rallocx() - realloc() with flags; NULL: no memory, p is untouched. */
PCM_EXPORT void *
rallocx(void *p, size_t nbytes, int flags)
{
	size_t old = pcm_block_size("rallocx", p);
	size_t align = align_of(flags), new;
	void *moved;

	use_all_sizes();
	if (align == PCM_ANY_ALIGN && !(flags & FLAG_ZERO))
		return realloc(p, nbytes == 0 ? 1 : nbytes);
	moved = mallocx(nbytes, flags);
	if (moved == NULL)
		return NULL;
	new = pcm_block_size("rallocx", moved);
	memcpy(moved, p, old < new ? old : new);
	free(p);
	return moved;
}

/* xallocx() - what can be had without moving: the block as it is. */
PCM_EXPORT size_t
xallocx(void *p, size_t nbytes, size_t extra, int flags)
{
	(void)nbytes, (void)extra, (void)flags;
	return pcm_block_size("xallocx", p);
}

/* sallocx() - usable bytes of a block. */
PCM_EXPORT size_t
sallocx(const void *p, int flags)
{
	(void)flags;
	return pcm_block_size("sallocx", p);
}

/* dallocx(), sdallocx() - free(). */
PCM_EXPORT void
dallocx(void *p, int flags)
{
	(void)flags;
	free(p);
}

PCM_EXPORT void
sdallocx(void *p, size_t nbytes, int flags)
{
	(void)nbytes, (void)flags;
	free(p);
}

/*
 * nallocx() - usable bytes that mallocx() would give; 0: none. Over 1 MiB, where what
 * others have left serves, at least so many.
 */
PCM_EXPORT size_t
nallocx(size_t nbytes, int flags)
{
	size_t align = align_of(flags);
	unsigned class;

	if (align == 0 || nbytes > PTRDIFF_MAX - align)
		return 0;
	if (nbytes == 0)
		nbytes = 1;
	use_all_sizes();
	class = pcm_size_class_of_aligned(nbytes, align);
	if (class != 0)
		return pcm_size_class[class].size;
	return pcm_round_up(nbytes, PCM_PAGE);
}
