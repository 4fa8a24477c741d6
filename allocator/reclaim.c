/*
 * reclaim.c - cached mappings first, then free hugepages.
 */
#include "reclaim.h"

#include <stdint.h>

#include "emergency.h"
#include "leftover.h"
#include "mapping.h"
#include "page_heap.h"

bool
pcm_reclaim(void)
{
	size_t nbytes = pcm_mapping_cache_release(SIZE_MAX);

	nbytes += pcm_page_heap_unmap(0);
	nbytes += pcm_emergency_release();
	return nbytes + pcm_leftover_retry() > 0;
}
