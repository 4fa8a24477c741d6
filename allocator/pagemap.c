/*
 * pagemap.c - making leaves, and the uses that are not the fast free.
 */
#include "pagemap.h"

#include <string.h>

#include "sys.h"

intptr_t pcm_pagemap_root[PCM_ROOT_LEN] PCM_LINE_ALIGNED PCM_TABLE("4");
uint8_t pcm_pagemap_nothing[PCM_LEAF_NPAGES] PCM_LINE_ALIGNED PCM_TABLE("7");

/* A gib that no pointer lies in: no heap yet, or more than one GiB of it. */
#define NO_GIB (~(uintptr_t)0)

struct pcm_pagemap_only pcm_pagemap_only = { NO_GIB, pcm_pagemap_nothing };

struct pcm_hugepage *
pcm_pagemap_hugepage(const void *p)
{
	struct pcm_pagemap_leaf *leaf = pcm_pagemap_leaf_of(p);

	if (leaf == NULL)
		return NULL;
	return leaf->huge[((uintptr_t)p >> PCM_HUGEPAGE_SHIFT) %
			  PCM_LEAF_NHUGE];
}

static size_t
leaf_bytes(void)
{
	return pcm_round_up(sizeof(struct pcm_pagemap_leaf), pcm_sys_page);
}

/*
 * A leaf that was made and not needed, never written to: for the next one. Release
 * here, acquire there.
 */
static struct pcm_pagemap_leaf *spare_leaf;

struct pcm_pagemap_leaf *
pcm_pagemap_leaf_new(void)
{
	void *leaf = __atomic_exchange_n(&spare_leaf, NULL, __ATOMIC_ACQUIRE);

	if (leaf != NULL)
		return leaf;
	leaf = pcm_sys_map(leaf_bytes(), pcm_sys_page);

	if (leaf != NULL)
		pcm_sys_forbid_huge(leaf, leaf_bytes());
	return leaf;
}

/* Two threads may make the same leaf: the second keeps its own for later. */
void
pcm_pagemap_use_leaf(const void *p, struct pcm_pagemap_leaf *leaf)
{
	intptr_t distance = (intptr_t)((uintptr_t)leaf -
				       (uintptr_t)pcm_pagemap_nothing);
	intptr_t none = 0;

	if (!__atomic_compare_exchange_n(
		    &pcm_pagemap_root[(uintptr_t)p >> PCM_LEAF_SHIFT], &none,
		    distance, false, __ATOMIC_RELEASE, __ATOMIC_RELAXED))
		leaf = __atomic_exchange_n(&spare_leaf, leaf, __ATOMIC_ACQ_REL);
	else
		leaf = NULL;
	if (leaf != NULL)
		pcm_sys_unmap(leaf, leaf_bytes());
}

/*
 * Asked by a write, where compare-and-swap is one instruction: if it is, it is written to
 * next, and that takes one page fault then.
 */
static bool
is_empty(intptr_t *entry)
{
	intptr_t none = 0;

	return __atomic_compare_exchange_n(entry, &none, 0, false,
					   __ATOMIC_RELAXED, __ATOMIC_RELAXED);
}

bool
pcm_pagemap_prepare(const void *p, size_t nbytes)
{
	uintptr_t at = (uintptr_t)p >> PCM_LEAF_SHIFT;
	uintptr_t last = ((uintptr_t)p + nbytes - 1) >> PCM_LEAF_SHIFT;

	if (last >= PCM_ROOT_LEN)
		return false;
	for (; at <= last; at++) {
		struct pcm_pagemap_leaf *leaf;

		if (!is_empty(&pcm_pagemap_root[at]))
			continue;
		leaf = pcm_pagemap_leaf_new();
		if (leaf == NULL)
			return false;
		pcm_pagemap_use_leaf((const void *)(at << PCM_LEAF_SHIFT),
				     leaf);
	}
	return true;
}

size_t
pcm_pagemap_bytes(void)
{
	size_t i, n = __atomic_load_n(&spare_leaf, __ATOMIC_RELAXED) != NULL;

	for (i = 0; i < PCM_ROOT_LEN; i++)
		n += __atomic_load_n(&pcm_pagemap_root[i],
				     __ATOMIC_RELAXED) != 0;
	return n * leaf_bytes();
}

void
pcm_pagemap_release(const void *p)
{
	size_t grain = pcm_sys_page / sizeof(uintptr_t);
	size_t first = pcm_pagemap_index(p) & ~(grain - 1);

	pcm_sys_release(&pcm_pagemap_leaf_of(p)->entry[first], pcm_sys_page);
}

/* Never crosses a leaf: runs of more than a page lie within a hugepage. */
void
pcm_pagemap_set_span(const void *p, size_t npages, struct pcm_span *span)
{
	uintptr_t *entry = &pcm_pagemap_leaf_of(p)->entry[pcm_pagemap_index(p)];
	size_t i;

	for (i = 0; i < npages; i++)
		__atomic_store_n(&entry[i], (uintptr_t)span, __ATOMIC_RELAXED);
}

void
pcm_pagemap_set_lines(const void *p, size_t npages, const void *header)
{
	uintptr_t *entry = &pcm_pagemap_leaf_of(p)->entry[pcm_pagemap_index(p)];
	size_t i;

	for (i = 0; i < npages; i++)
		__atomic_store_n(&entry[i],
				 (uintptr_t)header + (i + 1) * PCM_PAGEMAP_LINE +
					 2 * i + 1,
				 __ATOMIC_RELEASE);
}

void
pcm_pagemap_set_class(const void *p, size_t npages, unsigned class)
{
	memset(&pcm_pagemap_leaf_of(p)->class[pcm_pagemap_index(p)], (int)class, npages);
}

/*
 * Serialised by page_heap.c's lock around its list of hugepages. `classes` is
 * written once, before `gib`.
 */
static void
note_gib(const void *p)
{
	static bool more_than_one;
	uintptr_t gib = (uintptr_t)p >> PCM_LEAF_SHIFT;

	if (more_than_one || gib == pcm_pagemap_only.gib)
		return;
	if (pcm_pagemap_only.gib == NO_GIB) {
		pcm_pagemap_only.classes = pcm_pagemap_leaf_of(p)->class;
		__atomic_store_n(&pcm_pagemap_only.gib, gib, __ATOMIC_RELEASE);
	} else {
		more_than_one = true;
		__atomic_store_n(&pcm_pagemap_only.gib, NO_GIB,
				 __ATOMIC_RELEASE);
	}
}

void
pcm_pagemap_set_hugepage(const void *p, struct pcm_hugepage *huge)
{
	if (huge != NULL)
		note_gib(p);
	pcm_pagemap_leaf_of(p)->huge[((uintptr_t)p >> PCM_HUGEPAGE_SHIFT) %
			 PCM_LEAF_NHUGE] = huge;
}
