/*
 * large.c - one block, one span.
 */
#include "large.h"

#include <stdatomic.h>

#include "mapping.h"
#include "page_heap.h"
#include "pagemap.h"
#include "size_class.h"
#include "span.h"

/* Statistics only. */
static atomic_size_t nlive, live;

static void
count(size_t n, size_t nbytes)
{
	atomic_fetch_add_explicit(&nlive, n, memory_order_relaxed);
	atomic_fetch_add_explicit(&live, nbytes, memory_order_relaxed);
}

static void *
from_page_heap(size_t npages, size_t align_pages, bool *zeroed)
{
	size_t nbytes = npages << PCM_PAGE_SHIFT;
	struct pcm_span *span;
	char *p = pcm_page_heap_alloc_aligned(npages, align_pages, zeroed);

	if (p == NULL)
		return NULL;
	span = pcm_span_new_block(PCM_SPAN_LARGE, p, nbytes);
	if (span == NULL) {
		pcm_page_heap_free(p, npages);
		return NULL;
	}
	pcm_pagemap_set_span(p, npages, span);
	count(1, nbytes);
	return p;
}

void *
pcm_large_alloc(size_t nbytes, size_t align, bool *zeroed)
{
	size_t align_pages = align > PCM_PAGE ? align >> PCM_PAGE_SHIFT : 1;

	if (nbytes > PCM_MAPPING_MIN || align_pages > PCM_HUGE_NPAGES)
		return pcm_mapping_alloc(nbytes, align, zeroed);
	return from_page_heap(nbytes == 0 ? 1 : pcm_pages_of(nbytes),
			      align_pages, zeroed);
}

void
pcm_large_free(struct pcm_span *span)
{
	char *start = span->start;
	size_t nbytes = span->nbytes;

	if (span->kind == PCM_SPAN_MAPPING) {
		pcm_mapping_free(span);
		return;
	}
	count((size_t)-1, (size_t)0 - nbytes);
	pcm_span_delete(span);
	pcm_page_heap_free(start, nbytes >> PCM_PAGE_SHIFT);
}

static void *
resize_in_page_heap(struct pcm_span *span, size_t nbytes)
{
	size_t old = span->nbytes >> PCM_PAGE_SHIFT;
	size_t new = pcm_pages_of(nbytes);
	char *end = span->start + span->nbytes;

	if (new > old) {
		if (new > PCM_HUGE_NPAGES ||
		    !pcm_page_heap_extend(span->start, old, new - old))
			return NULL;
		pcm_pagemap_set_span(end, new - old, span);
	} else if (new < old) {
		end = span->start + (new << PCM_PAGE_SHIFT);
		pcm_pagemap_set_span(end, old - new, NULL);
		pcm_page_heap_free(end, old - new);
	}
	span->nbytes = new << PCM_PAGE_SHIFT;
	count(0, (new - old) << PCM_PAGE_SHIFT);
	return span->start;
}

void *
pcm_large_resize(struct pcm_span *span, size_t nbytes)
{
	if (span->kind == PCM_SPAN_LARGE && nbytes > PCM_SMALL_MAX &&
	    nbytes <= PCM_MAPPING_MIN)
		return resize_in_page_heap(span, nbytes);
	if (span->kind == PCM_SPAN_MAPPING && nbytes > PCM_SMALL_MAX)
		return pcm_mapping_resize(span, nbytes);
	/* Will be copied to a small block: give back the rest already. */
	if (span->kind == PCM_SPAN_MAPPING)
		(void)pcm_mapping_resize(span, PCM_SMALL_MAX);
	return NULL;
}

void
pcm_large_stats_get(struct pcm_large_stats *stats)
{
	stats->nlive = atomic_load_explicit(&nlive, memory_order_relaxed);
	stats->live = atomic_load_explicit(&live, memory_order_relaxed);
}
