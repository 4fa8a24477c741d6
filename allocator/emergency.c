/*
 * emergency.c - try-locks, private mappings, and a lock-free list of frees.
 *
 * A mapping costs system calls and a page fault. Where signals come faster than a
 * handler is done, the program that they interrupt does not come to its next
 * instruction: so small mappings are parked for the next handler.
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
 * Parked mappings of one unit, not in the pagemap. Who takes one out has it alone:
 * an acquiring exchange with NULL; put in by a releasing exchange for NULL.
 */
#define PARKED_MAX 32u

static struct pcm_span *_Atomic parked[PARKED_MAX] PCM_TABLE("7");
static atomic_bool used_lately; /* relaxed: only the time of decay */

static size_t
unit_bytes(void)
{
	return PCM_PAGE > pcm_sys_page ? PCM_PAGE : pcm_sys_page;
}

static struct pcm_span *
take_parked(void)
{
	unsigned i;

	for (i = 0; i < PARKED_MAX; i++) {
		struct pcm_span *span = NULL;

		if (atomic_load_explicit(&parked[i], memory_order_relaxed) !=
		    NULL)
			span = atomic_exchange_explicit(&parked[i], NULL,
							memory_order_acquire);
		if (span != NULL)
			return span;
	}
	return NULL;
}

static bool
park(struct pcm_span *span)
{
	unsigned i;

	for (i = 0; i < PARKED_MAX; i++) {
		struct pcm_span *none = NULL;

		if (atomic_load_explicit(&parked[i], memory_order_relaxed) ==
			    NULL &&
		    atomic_compare_exchange_strong_explicit(
			    &parked[i], &none, span, memory_order_release,
			    memory_order_relaxed))
			return true;
	}
	return false;
}

static char *
map_or_take(size_t total, size_t align)
{
	size_t unit = unit_bytes();
	char *map = NULL;

	atomic_store_explicit(&used_lately, true, memory_order_relaxed);
	if (total == unit && align <= unit)
		map = (char *)take_parked();
	return map != NULL ? map :
			     pcm_sys_map(total, align > unit ? align : unit);
}

/*
 * A mapping that holds its own descriptor:
 *	| struct pcm_span | ... | block, aligned |
 * It starts and ends on a logical page, so no other block shares its pagemap
 * entries.
 */
static void *
own_mapping(size_t nbytes, size_t align)
{
	size_t unit = unit_bytes();
	size_t head, total;
	struct pcm_span *span;
	char *map, *p;

	if (align < 64)
		align = 64;
	head = pcm_round_up(sizeof(*span), align);
	if (nbytes > PTRDIFF_MAX - head - unit)
		return NULL;
	total = pcm_round_up(head + nbytes, unit);
	map = map_or_take(total, align);
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
	if (total != unit_bytes() || !park(span))
		pcm_sys_unmap(map, total);
}

size_t
pcm_emergency_release(void)
{
	size_t nbytes = 0, unit = unit_bytes();
	struct pcm_span *span;

	while ((span = take_parked()) != NULL) {
		pcm_sys_unmap(span, unit);
		nbytes += unit;
	}
	return nbytes;
}

void
pcm_emergency_decay(void)
{
	if (!atomic_exchange_explicit(&used_lately, false,
				      memory_order_relaxed))
		pcm_emergency_release();
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
