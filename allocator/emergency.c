/*
 * emergency.c - try-locks, private mappings, and a lock-free list of frees.
 */
#include "emergency.h"

#include <stdatomic.h>
#include <stdint.h>

#include "central.h"
#include "compiler.h"
#include "pagemap.h"
#include "size_class.h"
#include "span.h"
#include "sys.h"

/* Larger classes that are tried when the right one has nothing. */
#define CLASSES_TRIED 4u

/*
 * Stack of deferred blocks. Push: release; it is only ever taken whole, by an
 * acquiring exchange, so there is no ABA.
 */
static void *_Atomic deferred;

/*
 * A mapping that holds its own descriptor:
 *	| struct pcm_span | ... | block, aligned |
 * It starts and ends on a logical page, so no other block shares its pagemap
 * entries.
 */
static void *
own_mapping(size_t nbytes, size_t align)
{
	size_t unit = PCM_PAGE > pcm_sys_page ? PCM_PAGE : pcm_sys_page;
	size_t head, total;
	struct pcm_span *span;
	char *map, *p;

	if (align < 64)
		align = 64;
	head = pcm_round_up(sizeof(*span), align);
	if (nbytes > PTRDIFF_MAX - head - unit)
		return NULL;
	total = pcm_round_up(head + nbytes, unit);
	map = pcm_sys_map(total, align > unit ? align : unit);
	if (map == NULL)
		return NULL;
	p = map + head;
	if (!pcm_pagemap_prepare(p, 1)) {
		pcm_sys_unmap(map, total);
		return NULL;
	}
	span = (struct pcm_span *)map;
	span->start = p;
	span->nbytes = total - head;
	span->kind = PCM_SPAN_EMERGENCY;
	pcm_pagemap_set_span(p, 1, span);
	return p;
}

void *
pcm_emergency_alloc(size_t nbytes, size_t align)
{
	unsigned class = pcm_size_class_of_aligned(nbytes, align), i;
	void *p;

	for (i = 0; class != 0 && i < CLASSES_TRIED; i++) {
		p = pcm_central_try_take(class);
		if (p != NULL)
			return p;
		class = pcm_size_class_of_aligned(pcm_size_class[class].size + 1,
						  align);
	}
	return own_mapping(nbytes, align);
}

void
pcm_emergency_free(struct pcm_span *span)
{
	char *map = (char *)span;
	size_t total = (size_t)(span->start - map) + span->nbytes;

	pcm_pagemap_set_span(span->start, 1, NULL);
	pcm_sys_unmap(map, total);
}

void
pcm_emergency_defer(void *p)
{
	void *head = atomic_load_explicit(&deferred, memory_order_relaxed);

	do
		*(void **)p = head;
	while (!atomic_compare_exchange_weak_explicit(
		&deferred, &head, p, memory_order_release,
		memory_order_relaxed));
}

void *
pcm_emergency_deferred(void)
{
	if (PCM_LIKELY(atomic_load_explicit(&deferred, memory_order_relaxed) ==
		       NULL))
		return NULL;
	return atomic_exchange_explicit(&deferred, NULL, memory_order_acquire);
}
