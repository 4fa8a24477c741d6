/*
 * block.c - small or large, ordinary or interrupted: who serves a call.
 */
#include "block.h"

#include "cache.h"
#include "emergency.h"
#include "large.h"
#include "mapping.h"
#include "misuse.h"
#include "mixed.h"
#include "slow.h"
#include "span.h"

static void *
alloc(size_t nbytes, size_t align, bool *zeroed)
{
	unsigned class = align <= PCM_ANY_ALIGN && nbytes <= PCM_SMALL_MAX ?
		pcm_size_class_of(nbytes) :
		pcm_size_class_of_aligned(nbytes, align);

	if (class == 0)
		return pcm_large_alloc(nbytes, align, zeroed);
	if (PCM_UNLIKELY(pcm_size_class_nfiner(class) != 0))
		pcm_size_class_asked(class, nbytes);
	return align <= PCM_MIXED_UNIT ? pcm_cache_alloc(class, zeroed) :
					 pcm_cache_alloc_aligned(class, align);
}

void
pcm_block_send_home(unsigned class, void *p)
{
	if (!pcm_slow_enter()) {
		pcm_emergency_defer(p);
		return;
	}
	pcm_cache_send_home(class, p);
	pcm_slow_leave();
}

void *
pcm_block_alloc(size_t nbytes, size_t align, bool *zeroed)
{
	void *p;

	if (zeroed != NULL)
		*zeroed = false;
	if (PCM_UNLIKELY(nbytes > PTRDIFF_MAX))
		return NULL;
	if (nbytes == 0)
		nbytes = 1;
	if (!pcm_slow_enter())
		return pcm_emergency_alloc(nbytes, align);
	pcm_slow_thread.settled = true;
	p = alloc(nbytes, align, zeroed);
	pcm_slow_leave();
	return p;
}

/*
 * What a thread frees before it has allocated anything was handed to it, and its
 * neighbours, mostly, to other threads. A block that shares a cache line with them
 * goes to its span: in the CPU's cache it would be the next one that this thread
 * gets, to write to it while the others write to theirs.
 */
static bool
handed_over(unsigned class)
{
	bool first = !pcm_slow_thread.settled;

	pcm_slow_thread.settled = true;
	return PCM_UNLIKELY(first) &&
		pcm_size_class[class].size < PCM_CACHE_LINE;
}

/* No span: in a mapping's middle, on a page that is free, or not ours. */
static PCM_COLD enum pcm_misuse
fault_without_span(const void *p)
{
	if (pcm_mapping_contains(p))
		return PCM_MISUSE_INTERIOR;
	if (pcm_pagemap_hugepage(p) != NULL || pcm_mapping_was_freed(p))
		return PCM_MISUSE_ALREADY_FREE;
	return PCM_MISUSE_NEVER_ALLOCATED;
}

/* The span that p is a block of; diagnoses what is none. */
static struct pcm_span *
span_of_block(const char *function, const void *p)
{
	struct pcm_span *span = pcm_pagemap_span(p);
	enum pcm_span_fault fault;

	if (PCM_UNLIKELY(span == NULL))
		pcm_misuse(function, p, fault_without_span(p));
	fault = pcm_span_check(span, p);
	if (PCM_UNLIKELY(fault != PCM_SPAN_OK))
		pcm_misuse(function, p,
			   fault == PCM_SPAN_FREE_ALREADY ?
				   PCM_MISUSE_ALREADY_FREE :
				   PCM_MISUSE_INTERIOR);
	return span;
}

/*
 * The pages of a mixed span have a class: if they had none just now, the span has become one
 * since, in the place of a block that was freed before.
 */
static struct pcm_span *
large_of_block(const void *p)
{
	struct pcm_span *span = span_of_block("free", p);

	if (PCM_UNLIKELY(span->kind == PCM_SPAN_MIXED))
		pcm_misuse("free", p, PCM_MISUSE_ALREADY_FREE);
	return span;
}

void
pcm_block_free(void *p)
{
	unsigned class = pcm_pagemap_class(p);

	if (class == 0)
		pcm_large_free(large_of_block(p));
	else if (handed_over(class))
		pcm_cache_send_home(class, p);
	else
		pcm_cache_free(class, p);
}

/*
 * No small block: misuse is diagnosed outside of locks. False: it is left to
 * pcm_block_free().
 */
static bool
release_without_lock(void *p)
{
	struct pcm_span *span = span_of_block("free", p);

	if (span->kind != PCM_SPAN_EMERGENCY)
		return false;
	pcm_emergency_free(span);
	return true;
}

void
pcm_block_release(void *p)
{
	if (pcm_pagemap_class(p) == 0 && release_without_lock(p))
		return;
	if (!pcm_slow_enter()) {
		pcm_emergency_defer(p);
		return;
	}
	pcm_block_free(p);
	pcm_slow_leave();
}

size_t
pcm_block_size(const char *function, const void *p)
{
	return pcm_span_block_size(span_of_block(function, p), p);
}

void *
pcm_block_resize(void *p, size_t nbytes)
{
	struct pcm_span *span = pcm_pagemap_span(p);
	void *result;

	if (span->kind != PCM_SPAN_LARGE && span->kind != PCM_SPAN_MAPPING)
		return NULL;
	if (nbytes > PTRDIFF_MAX || !pcm_slow_enter())
		return NULL;
	result = pcm_large_resize(span, nbytes);
	pcm_slow_leave();
	return result;
}
