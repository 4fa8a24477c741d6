/*
 * central_single.c - classes of which each block is a span of its own: those of more than
 * 32 KiB, and some below.
 *
 * The block of such a span is in use or cached, or the span is gone: there is never one to
 * choose, and no list and no lock is needed. That the block is freed once is what its bit
 * says, which goes from 0 to 1 in one step.
 */
#include <stdatomic.h>

#include "central_lists.h"

/* In a small heap all CPUs count at the first home: the others' tables have no memory yet. */
static _Atomic size_t *
count(unsigned class)
{
	unsigned home = pcm_size_class_has_all() ? pcm_percpu_home() : 0;

	return &pcm_centrals[home][class].nsingle;
}

void *
pcm_central_take_single(unsigned class, bool *zeroed)
{
	struct pcm_span *span =
		pcm_central_new_span(class, pcm_size_class[class].npages);

	if (span == NULL)
		return NULL;
	atomic_fetch_add_explicit(count(class), 1, memory_order_relaxed);
	return pcm_span_take_one(span, zeroed);
}

static void
put(unsigned class, void *p, struct pcm_span **empty)
{
	struct pcm_span *span = pcm_central_span_of(class, p);

	if (PCM_UNLIKELY(span == NULL))
		pcm_central_report(p, PCM_SPAN_FREE_ALREADY);
	if (PCM_UNLIKELY(p != span->start))
		pcm_central_report(p, PCM_SPAN_NOT_A_BLOCK);
	if (PCM_UNLIKELY(!pcm_span_put_single(span)))
		pcm_central_report(p, PCM_SPAN_FREE_ALREADY);
	atomic_fetch_sub_explicit(count(class), 1, memory_order_relaxed);
	span->next = *empty;
	*empty = span;
}

void
pcm_central_put_singles(unsigned class, void *const *objs, unsigned n)
{
	struct pcm_span *empty = NULL;
	unsigned i;

	for (i = 0; i < n; i++)
		put(class, objs[i], &empty);
	pcm_central_give_back(empty);
}

/*
 * What one home counts and another one takes off cancels out in the sum. Of a block that
 * comes and goes meanwhile the latter alone may be seen.
 */
size_t
pcm_central_nsingles(unsigned class)
{
	unsigned home;
	size_t n = 0;

	for (home = 0; home < PCM_NHOMES; home++)
		n += atomic_load_explicit(&pcm_centrals[home][class].nsingle,
					  memory_order_relaxed);
	return n > PTRDIFF_MAX ? 0 : n;
}
