/*
 * span_list.h - spans on a list, the latest first, and their sizes' sum.
 *
 *	n = number of spans	nbytes = sum of their nbytes
 *
 * The caller holds whatever lock the list is under. A span's nbytes must not change
 * while it is on a list.
 */
#ifndef PCM_SPAN_LIST_H
#define PCM_SPAN_LIST_H

#include "span.h"

struct pcm_span_list {
	struct pcm_span *first, *last;
	size_t n, nbytes;
};

static inline void
pcm_span_list_remove(struct pcm_span_list *list, struct pcm_span *span)
{
	if (span->prev != NULL)
		span->prev->next = span->next;
	else
		list->first = span->next;
	if (span->next != NULL)
		span->next->prev = span->prev;
	else
		list->last = span->prev;
	list->n--;
	list->nbytes -= span->nbytes;
}

static inline void
pcm_span_list_add(struct pcm_span_list *list, struct pcm_span *span)
{
	span->prev = NULL;
	span->next = list->first;
	if (list->first != NULL)
		list->first->prev = span;
	else
		list->last = span;
	list->first = span;
	list->n++;
	list->nbytes += span->nbytes;
}

/* Does p lie in one of them? */
static inline bool
pcm_span_list_contains(const struct pcm_span_list *list, const void *p)
{
	const struct pcm_span *s;
	const char *at = p;

	for (s = list->first; s != NULL; s = s->next)
		if (at >= s->start && at < s->start + s->nbytes)
			return true;
	return false;
}

#endif
