/*
 * page.h - the logical page: the unit of spans, the pagemap, the page heap.
 *
 * It is not the OS page, which may be smaller or larger (4 to 64 KiB).
 */
#ifndef PCM_PAGE_H
#define PCM_PAGE_H

#include <stddef.h>
#include <stdint.h>

#include "sys.h"

#define PCM_PAGE_SHIFT 12
#define PCM_PAGE ((size_t)1 << PCM_PAGE_SHIFT)

/* Logical pages of a hugepage. */
#define PCM_HUGE_NPAGES (PCM_HUGEPAGE >> PCM_PAGE_SHIFT)

static inline size_t
pcm_pages_of(size_t nbytes)
{
	return (nbytes + PCM_PAGE - 1) >> PCM_PAGE_SHIFT;
}

#endif
