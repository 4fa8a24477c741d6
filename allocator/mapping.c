/*
 * mapping.c - mmap, munmap, mremap, and a bounded cache between them.
 *
 *	cache: freed ones, the latest first		in_use: the others
 *	cache.n <= CACHE_MAX_COUNT, cache.nbytes <= CACHE_MAX_BYTES
 */
#include "mapping.h"

#include "compiler.h"
#include "limit.h"
#include "lock.h"
#include "pagemap.h"
#include "pulse.h"
#include "reclaim.h"
#include "span.h"
#include "sys.h"

#define CACHE_MAX_COUNT 64u
#define CACHE_MAX_BYTES ((size_t)128 << 20)
#define CACHE_MAX_LIMITED ((size_t)4 << 20) /* if the address space is limited */
#define CACHE_AGE_MS 1000u
#define NOT_STAMPED 0 /* free() does not look at the clock; decay does */

struct list {
	struct pcm_span *first, *last;
	size_t n, nbytes; /* spans, the sum of their nbytes */
};

static struct {
	struct pcm_lock lock;
	struct list cache, in_use;
} maps = { .lock = PCM_LOCK_INIT(PCM_RANK_MAPPING) };

static void
list_remove(struct list *list, struct pcm_span *span)
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

static void
list_add(struct list *list, struct pcm_span *span)
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

static void
unmap(struct pcm_span *span)
{
	pcm_pagemap_set_span(span->start, 1, NULL);
	pcm_sys_unmap(span->start, span->nbytes);
	pcm_limit_give(span->nbytes);
	pcm_span_delete(span);
}

/*
 * Moves the pages, and sees to it that the new place has a pagemap leaf: after
 * they have moved, nothing may fail any more, so a leaf is at hand before. The
 * old entry goes first: as soon as the pages have moved, somebody else may map
 * the old address and enter it.
 */
static bool
move(struct pcm_span *span, size_t nbytes)
{
	struct pcm_pagemap_leaf *spare = pcm_pagemap_leaf_new();
	char *p;

	if (spare == NULL)
		return false;
	pcm_pagemap_set_span(span->start, 1, NULL);
	do
		p = pcm_sys_move(span->start, span->nbytes, nbytes);
	while (p == NULL && pcm_reclaim());
	if (p != NULL)
		span->start = p;
	pcm_pagemap_use_leaf(span->start, spare);
	pcm_pagemap_set_span(span->start, 1, span);
	return p != NULL;
}

/* In place if the kernel can. False: nothing has changed. */
static bool
resize(struct pcm_span *span, size_t nbytes)
{
	size_t more = nbytes > span->nbytes ? nbytes - span->nbytes : 0;

	if (more > 0 && !pcm_limit_take(more))
		return false;
	if (!pcm_sys_resize(span->start, span->nbytes, nbytes) &&
	    !move(span, nbytes)) {
		pcm_limit_give(more);
		return false;
	}
	if (nbytes < span->nbytes)
		pcm_limit_give(span->nbytes - nbytes);
	span->nbytes = nbytes;
	return true;
}

/*
 * The smallest that serves without wasting more than a quarter, else the
 * largest of the smaller ones, to be grown.
 */
static struct pcm_span *
cache_find(size_t nbytes, size_t align)
{
	struct pcm_span *s, *fits = NULL, *smaller = NULL;

	for (s = maps.cache.first; s != NULL; s = s->next) {
		if ((uintptr_t)s->start & (align - 1))
			continue;
		if (s->nbytes < nbytes) {
			if (smaller == NULL || s->nbytes > smaller->nbytes)
				smaller = s;
		} else if (s->nbytes <= nbytes + nbytes / 4 &&
			   (fits == NULL || s->nbytes < fits->nbytes)) {
			fits = s;
		}
	}
	if (fits != NULL || align > pcm_sys_page)
		return fits;
	return smaller;
}

/* A kept mapping of at least nbytes; NULL: none. */
static struct pcm_span *
from_cache(size_t nbytes, size_t align)
{
	struct pcm_span *span;

	pcm_lock(&maps.lock);
	span = cache_find(nbytes, align);
	if (span != NULL)
		list_remove(&maps.cache, span);
	pcm_unlock(&maps.lock);
	if (span == NULL || span->nbytes >= nbytes)
		return span;
	/* Moving page tables is cheaper than faulting all pages in. */
	if (resize(span, nbytes))
		return span;
	unmap(span);
	return NULL;
}

static struct pcm_span *
from_system(size_t nbytes, size_t align)
{
	struct pcm_span *span;
	char *p;

	if (!pcm_limit_take(nbytes))
		return NULL;
	do
		p = pcm_sys_map(nbytes, align);
	while (p == NULL && pcm_reclaim());
	if (p == NULL) {
		pcm_limit_give(nbytes);
		return NULL;
	}
	if (pcm_pagemap_prepare(p, 1)) {
		pcm_sys_advise(p, nbytes, false);
		span = pcm_span_new_block(PCM_SPAN_MAPPING, p, nbytes);
		if (span != NULL)
			return span;
	}
	pcm_sys_unmap(p, nbytes);
	pcm_limit_give(nbytes);
	return NULL;
}

void *
pcm_mapping_alloc(size_t nbytes, size_t align, bool *zeroed)
{
	struct pcm_span *span;

	if (nbytes > PTRDIFF_MAX - PCM_HUGEPAGE)
		return NULL;
	/* Two blocks must not begin in the same page of the pagemap. */
	if (nbytes < PCM_PAGE)
		nbytes = PCM_PAGE;
	nbytes = pcm_round_up(nbytes, pcm_sys_page);
	if (align < pcm_sys_page)
		align = pcm_sys_page;
	span = from_cache(nbytes, align);
	if (zeroed != NULL)
		*zeroed = span == NULL;
	if (span == NULL)
		span = from_system(nbytes, align);
	if (span == NULL)
		return NULL;
	span->kind = PCM_SPAN_MAPPING;
	pcm_pagemap_set_span(span->start, 1, span);
	pcm_lock(&maps.lock);
	list_add(&maps.in_use, span);
	pcm_unlock(&maps.lock);
	return span->start;
}

void
pcm_mapping_free(struct pcm_span *span)
{
	size_t max = pcm_sys_limited() ? CACHE_MAX_LIMITED : CACHE_MAX_BYTES;
	size_t cached;
	bool keep;

	span->kind = PCM_SPAN_CACHED; /* a second free will meet this */
	span->stamp = NOT_STAMPED;
	pcm_lock(&maps.lock);
	list_remove(&maps.in_use, span);
	keep = maps.cache.n < CACHE_MAX_COUNT &&
		!atomic_load_explicit(&pcm_limit_near, memory_order_relaxed) &&
		maps.cache.nbytes + span->nbytes <= max;
	if (keep)
		list_add(&maps.cache, span);
	cached = maps.cache.nbytes;
	pcm_unlock(&maps.lock);
	if (keep)
		pcm_pulse_freed(cached, cached, 0);
	else
		unmap(span);
}

/* Off the list meanwhile: pcm_mapping_contains() reads what resize() writes. */
void *
pcm_mapping_resize(struct pcm_span *span, size_t nbytes)
{
	bool done;

	if (nbytes > PTRDIFF_MAX - PCM_HUGEPAGE)
		return NULL;
	pcm_lock(&maps.lock);
	list_remove(&maps.in_use, span);
	pcm_unlock(&maps.lock);
	done = resize(span, pcm_round_up(nbytes, pcm_sys_page));
	pcm_lock(&maps.lock);
	list_add(&maps.in_use, span);
	pcm_unlock(&maps.lock);
	return done ? span->start : NULL;
}

/* The longest unused one, if it is older than `age` ms. */
static struct pcm_span *
cache_take_oldest(uint64_t now, uint64_t age)
{
	struct pcm_span *span;

	pcm_lock(&maps.lock);
	span = maps.cache.last;
	if (span != NULL && age != 0 &&
	    (span->stamp == NOT_STAMPED || span->stamp + age > now))
		span = NULL;
	if (span != NULL)
		list_remove(&maps.cache, span);
	pcm_unlock(&maps.lock);
	return span;
}

static size_t
release(size_t nbytes, uint64_t now, uint64_t age)
{
	struct pcm_span *span;
	size_t done = 0;

	while (done < nbytes) {
		span = cache_take_oldest(now, age);
		if (span == NULL)
			break;
		done += span->nbytes;
		unmap(span);
	}
	return done;
}

size_t
pcm_mapping_cache_release(size_t nbytes)
{
	return release(nbytes, 0, 0);
}

size_t
pcm_mapping_decay(void)
{
	uint64_t now = pcm_sys_now();
	struct pcm_span *s;
	size_t done = release(SIZE_MAX, now, CACHE_AGE_MS);

	pcm_lock(&maps.lock);
	for (s = maps.cache.first; s != NULL && s->stamp == NOT_STAMPED;
	     s = s->next)
		s->stamp = now;
	pcm_unlock(&maps.lock);
	return done;
}

size_t
pcm_mapping_cached(void)
{
	size_t nbytes;

	pcm_lock(&maps.lock);
	nbytes = maps.cache.nbytes;
	pcm_unlock(&maps.lock);
	return nbytes;
}

bool
pcm_mapping_contains(const void *p)
{
	const struct pcm_span *s;
	const char *at = p;

	if (!pcm_trylock(&maps.lock))
		return false;
	for (s = maps.in_use.first; s != NULL; s = s->next)
		if (at >= s->start && at < s->start + s->nbytes)
			break;
	pcm_unlock(&maps.lock);
	return s != NULL;
}

void
pcm_mapping_stats_get(struct pcm_mapping_stats *stats)
{
	pcm_lock(&maps.lock);
	stats->nlive = maps.in_use.n;
	stats->live = maps.in_use.nbytes;
	stats->ncached = maps.cache.n;
	stats->cached = maps.cache.nbytes;
	pcm_unlock(&maps.lock);
}

void
pcm_mapping_fork_lock(void)
{
	pcm_lock_unchecked(&maps.lock);
}

void
pcm_mapping_fork_unlock(void)
{
	pcm_unlock_unchecked(&maps.lock);
}

void
pcm_mapping_fork_child(void)
{
	pcm_lock_reset(&maps.lock);
}
