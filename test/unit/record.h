/*
 * record.h - how many pages the heap is said to have had in use at most.
 */
#ifndef PCM_TEST_RECORD_H
#define PCM_TEST_RECORD_H

#include "page_heap_lists.h"

static inline void set_record(size_t npages)
{
	pcm_lock(&pcm_page_heap.lock);
	pcm_page_heap.record = npages;
	pcm_page_heap_note_record_locked();
	pcm_unlock(&pcm_page_heap.lock);
}

/* As many as there are now. */
static inline void set_record_to_used(void)
{
	set_record(pcm_page_heap_used_locked());
}

#endif
