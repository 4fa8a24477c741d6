/*
 * mapping.c - mmap, munmap, mremap, and what is kept between them.
 *
 *	kept: what freed blocks left, see extents.h	in_use: the blocks
 *	kept.list.n <= KEPT_MAX_COUNT, kept.list.nbytes <= kept_max()
 *
 * Only blocks have an entry in the pagemap, at their first page.
 */
#include "mapping.h"

#include "compiler.h"
#include "extents.h"
#include "limit.h"
#include "lock.h"
#include "meta.h"
#include "pagemap.h"
#include "pulse.h"
#include "reclaim.h"
#include "sys.h"
#include "thp.h"

#define KEPT_MAX_COUNT 64u
#define KEPT_MAX_BYTES ((size_t)128 << 20)
#define KEPT_MAX_LIMITED ((size_t)4 << 20) /* if the address space is limited */
#define KEPT_AGE_MS 1000u
#define RELEASE_MIN ((size_t)1 << 20) /* less is not worth a system call */

/*
 * Less than this part of the blocks in use is left alone when it does not fit: ranges
 * that wait find neighbours, and the next block fits without a fault. With 16 blocks
 * of 5 to 25 MiB in turns that halves the page faults for 5 % more memory.
 */
#define KEPT_DIVISOR 8u

static struct {
	struct pcm_lock lock;
	struct pcm_span_list in_use;
	struct pcm_extents kept;
	uint64_t window_end; /* ms */
} maps = { .lock = PCM_LOCK_INIT(PCM_RANK_MAPPING) };

static void
delete_list(struct pcm_span *span)
{
	while (span != NULL) {
		struct pcm_span *next = span->next;

		pcm_span_delete(span);
		span = next;
	}
}

/* A range comes into the set of kept ones, whatever it was: it has no entry now. */
static void
keep(struct pcm_span *span)
{
	struct pcm_span *superfluous;

	span->kind = PCM_SPAN_CACHED;
	pcm_lock(&maps.lock);
	superfluous = pcm_extents_add(&maps.kept, span);
	pcm_unlock(&maps.lock);
	delete_list(superfluous);
}

/* A range goes. Returns the bytes that went back to the system. */
static size_t
unmap(struct pcm_span *span)
{
	size_t nbytes = span->nbytes;
	bool done = pcm_sys_unmap(span->start, nbytes);

	pcm_limit_give(nbytes);
	pcm_span_delete(span);
	return done ? nbytes : 0;
}

static size_t
kept_max(void)
{
	if (atomic_load_explicit(&pcm_limit_near, memory_order_relaxed))
		return 0;
	return pcm_sys_limited() ? KEPT_MAX_LIMITED : KEPT_MAX_BYTES;
}

/* Unmaps of what has been kept for longest about nbytes. Returns bytes. */
static size_t
release_some(size_t nbytes)
{
	struct pcm_span *span, *spare = pcm_span_new_spare();

	if (nbytes < RELEASE_MIN)
		nbytes = RELEASE_MIN;
	if (nbytes < PTRDIFF_MAX)
		nbytes = pcm_round_up(nbytes, pcm_sys_page);
	pcm_limit_release_begin();
	pcm_lock(&maps.lock);
	span = pcm_extents_take_oldest(&maps.kept, nbytes, &spare);
	pcm_unlock(&maps.lock);
	if (spare != NULL)
		pcm_span_delete(spare);
	nbytes = span == NULL ? 0 : unmap(span);
	pcm_limit_release_end();
	return nbytes;
}

size_t
pcm_mapping_cache_release(size_t nbytes)
{
	size_t done = 0;

	while (done < nbytes && pcm_mapping_cached() > 0)
		done += release_some(nbytes - done);
	return done;
}

/* How many bytes are kept beyond the bounds. */
static size_t
over(size_t max)
{
	size_t nbytes = 0;

	pcm_lock(&maps.lock);
	if (maps.kept.list.nbytes > max)
		nbytes = maps.kept.list.nbytes - max;
	else if (maps.kept.list.n > KEPT_MAX_COUNT)
		nbytes = maps.kept.list.last->nbytes;
	pcm_unlock(&maps.lock);
	return nbytes;
}

/* A range that no block needs: it is kept, and what is over the bounds goes. */
static void
give_back(struct pcm_span *span)
{
	size_t kept, max = kept_max();

	if (span->nbytes > max) {
		(void)unmap(span);
		return;
	}
	keep(span);
	(void)pcm_mapping_cache_release(over(max));
	kept = pcm_mapping_cached();
	pcm_pulse_freed(kept, kept, 0);
}

/*
 * Moves the pages, and sees to it that the new place has a pagemap leaf: after
 * they have moved, nothing may fail any more, so a leaf is at hand before. The
 * old entry goes first: as soon as the pages have moved, somebody else may map
 * the old address and enter it. What is kept has no entry, and perhaps no leaf.
 */
static bool
move(struct pcm_span *span, size_t nbytes)
{
	struct pcm_pagemap_leaf *spare = pcm_pagemap_leaf_new();
	bool again, is_block = span->kind == PCM_SPAN_MAPPING;
	char *p;

	if (spare == NULL)
		return false;
	if (is_block)
		pcm_pagemap_set_span(span->start, 1, NULL);
	do
		p = pcm_sys_move(span->start, span->nbytes, nbytes, &again);
	while (p == NULL && again && pcm_reclaim());
	if (p != NULL)
		span->start = p;
	pcm_pagemap_use_leaf(span->start, spare);
	if (is_block)
		pcm_pagemap_set_span(span->start, 1, span);
	return p != NULL;
}

/* By the kernel; in place if it can. False: nothing has changed. */
static bool
grow(struct pcm_span *span, size_t nbytes)
{
	size_t more = nbytes - span->nbytes;

	if (!pcm_limit_take(more))
		return false;
	if (!pcm_sys_resize(span->start, span->nbytes, nbytes) &&
	    !move(span, nbytes)) {
		pcm_limit_give(more);
		return false;
	}
	pcm_thp_grown_mapping(span->start, nbytes);
	span->nbytes = nbytes;
	return true;
}

/* By what lies kept behind the block. */
static bool
grow_into_kept(struct pcm_span *span, size_t nbytes)
{
	struct pcm_span *superfluous = NULL;
	bool done;

	pcm_lock(&maps.lock);
	done = pcm_extents_take_at(&maps.kept, span->start + span->nbytes,
				   nbytes - span->nbytes, &superfluous);
	pcm_unlock(&maps.lock);
	if (superfluous != NULL)
		pcm_span_delete(superfluous);
	if (done)
		span->nbytes = nbytes;
	return done;
}

/* What is cut off is kept. False: no memory for its descriptor. */
static bool
shrink(struct pcm_span *span, size_t nbytes)
{
	struct pcm_span *rest =
		pcm_span_new_block(PCM_SPAN_CACHED, span->start + nbytes,
				   span->nbytes - nbytes);

	if (rest == NULL)
		return false;
	span->nbytes = nbytes;
	give_back(rest);
	return true;
}

static bool
resize(struct pcm_span *span, size_t nbytes)
{
	if (nbytes == span->nbytes)
		return true;
	if (nbytes < span->nbytes)
		return shrink(span, nbytes);
	return grow_into_kept(span, nbytes) || grow(span, nbytes);
}

static void
delete_spare(struct pcm_span *spare[2])
{
	int i;

	for (i = 0; i < 2; i++)
		if (spare[i] != NULL)
			pcm_span_delete(spare[i]);
}

/* Is so much kept that what is too small for a block should be used for it? */
static bool
plenty_locked(void)
{
	return maps.kept.list.nbytes > maps.in_use.nbytes / KEPT_DIVISOR;
}

/*
 * From what is kept: the best fit, or else the largest of what is too small, to be
 * grown: moving page tables is cheaper than faulting all pages in. NULL: none.
 */
static struct pcm_span *
from_kept(size_t nbytes, size_t align)
{
	struct pcm_span *span, *spare[2];
	bool fits;

	if (pcm_mapping_cached() == 0)
		return NULL;
	spare[0] = align > pcm_sys_page ? pcm_span_new_spare() : NULL;
	spare[1] = pcm_span_new_spare();
	pcm_lock(&maps.lock);
	span = pcm_extents_take(&maps.kept, nbytes, align, spare);
	fits = span != NULL;
	if (!fits && align <= pcm_sys_page && plenty_locked())
		span = pcm_extents_take_largest(&maps.kept);
	pcm_unlock(&maps.lock);
	delete_spare(spare);
	if (span == NULL || fits || grow(span, nbytes))
		return span;
	/* It cannot be grown: as much goes as will come instead. */
	keep(span);
	(void)pcm_mapping_cache_release(nbytes);
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
	pcm_thp_new_mapping(p, nbytes);
	span = pcm_span_new_block(PCM_SPAN_MAPPING, p, nbytes);
	if (span != NULL)
		return span;
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
	span = from_kept(nbytes, align);
	if (zeroed != NULL)
		*zeroed = span == NULL;
	if (span == NULL)
		span = from_system(nbytes, align);
	if (span == NULL)
		return NULL;
	if (!pcm_pagemap_prepare(span->start, 1)) {
		give_back(span);
		return NULL;
	}
	span->kind = PCM_SPAN_MAPPING;
	pcm_pagemap_set_span(span->start, 1, span);
	pcm_lock(&maps.lock);
	pcm_span_list_add(&maps.in_use, span);
	pcm_unlock(&maps.lock);
	return span->start;
}

void
pcm_mapping_free(struct pcm_span *span)
{
	pcm_pagemap_set_span(span->start, 1, NULL);
	pcm_lock(&maps.lock);
	pcm_span_list_remove(&maps.in_use, span);
	pcm_unlock(&maps.lock);
	give_back(span);
}

/* Off the list meanwhile: pcm_mapping_contains() reads what resize() writes. */
void *
pcm_mapping_resize(struct pcm_span *span, size_t nbytes)
{
	bool done;

	if (nbytes > PTRDIFF_MAX - PCM_HUGEPAGE)
		return NULL;
	pcm_lock(&maps.lock);
	pcm_span_list_remove(&maps.in_use, span);
	pcm_unlock(&maps.lock);
	done = resize(span, pcm_round_up(nbytes, pcm_sys_page));
	pcm_lock(&maps.lock);
	pcm_span_list_add(&maps.in_use, span);
	pcm_unlock(&maps.lock);
	return done ? span->start : NULL;
}

/* What nobody has asked for in a second goes; the longest kept first. */
size_t
pcm_mapping_decay(void)
{
	uint64_t now = pcm_sys_now();
	size_t idle = 0;

	pcm_lock(&maps.lock);
	if (now >= maps.window_end) {
		idle = pcm_extents_window(&maps.kept);
		maps.window_end = now + KEPT_AGE_MS;
	}
	pcm_unlock(&maps.lock);
	return idle == 0 ? 0 : pcm_mapping_cache_release(idle);
}

size_t
pcm_mapping_cached(void)
{
	size_t nbytes;

	pcm_lock(&maps.lock);
	nbytes = maps.kept.list.nbytes;
	pcm_unlock(&maps.lock);
	return nbytes;
}

bool
pcm_mapping_was_freed(const void *p)
{
	bool found;

	if (!pcm_trylock(&maps.lock))
		return false;
	found = pcm_extents_contain(&maps.kept, p);
	pcm_unlock(&maps.lock);
	return found;
}

bool
pcm_mapping_contains(const void *p)
{
	bool found;

	if (!pcm_trylock(&maps.lock))
		return false;
	found = pcm_span_list_contains(&maps.in_use, p);
	pcm_unlock(&maps.lock);
	return found;
}

void
pcm_mapping_stats_get(struct pcm_mapping_stats *stats)
{
	pcm_lock(&maps.lock);
	stats->nlive = maps.in_use.n;
	stats->live = maps.in_use.nbytes;
	stats->ncached = maps.kept.list.n;
	stats->cached = maps.kept.list.nbytes;
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
