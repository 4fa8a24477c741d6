/*
 * extents.c - best fit in a short list.
 *
 * The list is walked as a whole: it is bounded by mapping.c, and whoever takes a
 * range is going to touch a thousand times as much memory.
 */
#include "extents.h"

#include <stdint.h>

#include "sys.h"

/* A rest that is smaller stays with the block. */
#define REST_MIN ((size_t)64 << 10)

/* A range was taken: the list's count is down already. */
static void
note_low(struct pcm_extents *set)
{
	if (set->list.nbytes < set->low)
		set->low = set->list.nbytes;
}

/* The range that ends (or begins) where the other begins (or ends). */
static struct pcm_span *
neighbour(const struct pcm_extents *set, const struct pcm_span *span)
{
	struct pcm_span *s;

	for (s = set->list.first; s != NULL; s = s->next)
		if (s->start + s->nbytes == span->start ||
		    span->start + span->nbytes == s->start)
			return s;
	return NULL;
}

struct pcm_span *
pcm_extents_add(struct pcm_extents *set, struct pcm_span *span)
{
	struct pcm_span *s, *superfluous = NULL;

	while ((s = neighbour(set, span)) != NULL) {
		pcm_span_list_remove(&set->list, s);
		if (s->start < span->start)
			span->start = s->start;
		span->nbytes += s->nbytes;
		s->next = superfluous;
		superfluous = s;
	}
	pcm_span_list_add(&set->list, span);
	return superfluous;
}

/* Bytes before the first address in the range that is aligned. */
static size_t
head_of(const struct pcm_span *span, size_t align)
{
	uintptr_t start = (uintptr_t)span->start;

	return pcm_round_up(start, align) - start;
}

static struct pcm_span *
best_fit(const struct pcm_extents *set, size_t nbytes, size_t align)
{
	struct pcm_span *s, *best = NULL;

	for (s = set->list.first; s != NULL; s = s->next) {
		size_t head = head_of(s, align);

		if (s->nbytes >= head && s->nbytes - head >= nbytes &&
		    (best == NULL || s->nbytes < best->nbytes))
			best = s;
	}
	return best;
}

/* What is left of a range that was taken goes back, in a descriptor of its own. */
static void
leave(struct pcm_extents *set, struct pcm_span **spare, char *start,
      size_t nbytes)
{
	**spare = (struct pcm_span){
		.start = start,
		.nbytes = nbytes,
		.kind = PCM_SPAN_CACHED,
	};
	pcm_span_list_add(&set->list, *spare);
	*spare = NULL;
}

struct pcm_span *
pcm_extents_take(struct pcm_extents *set, size_t nbytes, size_t align,
		 struct pcm_span *spare[2])
{
	struct pcm_span *span = best_fit(set, nbytes, align);
	size_t head;

	if (span == NULL)
		return NULL;
	head = head_of(span, align);
	if (head > 0 && spare[0] == NULL)
		return NULL;
	pcm_span_list_remove(&set->list, span);
	if (head > 0) {
		leave(set, &spare[0], span->start, head);
		span->start += head;
		span->nbytes -= head;
	}
	if (span->nbytes - nbytes >= REST_MIN && spare[1] != NULL) {
		leave(set, &spare[1], span->start + nbytes,
		      span->nbytes - nbytes);
		span->nbytes = nbytes;
	}
	note_low(set);
	return span;
}

/* The range's own descriptor serves for the rest. */
bool
pcm_extents_take_at(struct pcm_extents *set, const char *start, size_t nbytes,
		    struct pcm_span **superfluous)
{
	struct pcm_span *s;

	for (s = set->list.first; s != NULL; s = s->next)
		if (s->start == start)
			break;
	if (s == NULL || s->nbytes < nbytes)
		return false;
	*superfluous = NULL;
	s->start += nbytes;
	set->list.nbytes -= nbytes;
	s->nbytes -= nbytes;
	if (s->nbytes == 0) {
		pcm_span_list_remove(&set->list, s);
		*superfluous = s;
	}
	note_low(set);
	return true;
}

struct pcm_span *
pcm_extents_take_largest(struct pcm_extents *set)
{
	struct pcm_span *s, *largest = set->list.first;

	for (s = set->list.first; s != NULL; s = s->next)
		if (s->nbytes > largest->nbytes)
			largest = s;
	if (largest != NULL) {
		pcm_span_list_remove(&set->list, largest);
		note_low(set);
	}
	return largest;
}

static struct pcm_span *
cut_end(struct pcm_extents *set, struct pcm_span *span, size_t nbytes,
	struct pcm_span **spare)
{
	struct pcm_span *end = *spare;

	set->list.nbytes -= nbytes;
	span->nbytes -= nbytes;
	*end = (struct pcm_span){
		.start = span->start + span->nbytes,
		.nbytes = nbytes,
		.kind = PCM_SPAN_CACHED,
	};
	note_low(set);
	*spare = NULL;
	return end;
}

struct pcm_span *
pcm_extents_take_oldest(struct pcm_extents *set, size_t most,
			struct pcm_span **spare)
{
	struct pcm_span *oldest = set->list.last;

	if (oldest == NULL)
		return NULL;
	if (oldest->nbytes > most && oldest->nbytes - most >= REST_MIN &&
	    *spare != NULL)
		return cut_end(set, oldest, most, spare);
	pcm_span_list_remove(&set->list, oldest);
	note_low(set);
	return oldest;
}

bool
pcm_extents_contain(const struct pcm_extents *set, const void *p)
{
	return pcm_span_list_contains(&set->list, p);
}

size_t
pcm_extents_window(struct pcm_extents *set)
{
	size_t idle = set->low;

	set->low = set->list.nbytes;
	return idle;
}
