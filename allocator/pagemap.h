/*
 * pagemap.h - from an address to its size class, span and hugepage.
 *
 * Two levels: a root entry per GiB of the user address space, and a leaf
 * for each GiB in use. Leaves are mapped when first needed and never go away.
 *
 *	root[address >> 30]  ->  leaf	.class[(address >> 12) % 2^18]
 *					.entry[(address >> 12) % 2^18]
 *					.huge [(address >> 21) % 512]
 *
 * A root entry is a distance in bytes from an all-zero leaf, so that entry 0,
 * which .bss provides, leads there: the fast free needs no test for it. Writes
 * are made by the owner of the pages, before it hands a block of them out, and
 * the pointer's way to the reader orders them.
 */
#ifndef PCM_PAGEMAP_H
#define PCM_PAGEMAP_H

#include <stdbool.h>
#include <stdint.h>

#include "compiler.h"
#include "page.h"

/* What mmap gives without being asked for more; arm64 gives from the top. */
#if defined(__aarch64__)
#define PCM_ADDRESS_BITS 48
#else
#define PCM_ADDRESS_BITS 47
#endif
#define PCM_LEAF_SHIFT 30
#define PCM_ROOT_LEN ((size_t)1 << (PCM_ADDRESS_BITS - PCM_LEAF_SHIFT))
#define PCM_LEAF_NPAGES ((size_t)1 << (PCM_LEAF_SHIFT - PCM_PAGE_SHIFT))
#define PCM_LEAF_NHUGE ((size_t)1 << (PCM_LEAF_SHIFT - PCM_HUGEPAGE_SHIFT))

struct pcm_span;
struct pcm_hugepage;

/*
 * An entry is the address of the page's span, or, of a page that has a cache line of its
 * own, that of the line, so that who needs no more than that has one cache miss less. The
 * lines of a run follow each other behind a header, a line too, that begins with the
 * address of the span:
 *
 *	header | line 0 | line 1 | ...		entry of page k: &line k + 2 * k + 1
 */
#define PCM_PAGEMAP_LINE 64u
#define PCM_PAGEMAP_NLINES (PCM_PAGEMAP_LINE / 2) /* of a run, at most */

struct pcm_pagemap_leaf {
	uint8_t class[PCM_LEAF_NPAGES];
	uintptr_t entry[PCM_LEAF_NPAGES];
	struct pcm_hugepage *huge[PCM_LEAF_NHUGE];
};

extern PCM_HIDDEN intptr_t pcm_pagemap_root[PCM_ROOT_LEN];

/* The classes of the all-zero leaf; never written. */
extern PCM_HIDDEN uint8_t pcm_pagemap_nothing[PCM_LEAF_NPAGES];

/*
 * A heap that lies within one GiB, as most do, needs no look at the root: the
 * comparison with `gib` is predicted, while a load from the root would lengthen
 * the chain from one free to the next malloc by five cycles. Set with the first
 * leaf that holds small objects, switched off (to a gib that does not exist)
 * with the second: both before a block of it is handed out.
 */
struct pcm_pagemap_only {
	uintptr_t gib;
	const uint8_t *classes;
};

extern PCM_HIDDEN struct pcm_pagemap_only pcm_pagemap_only;

/*
 * pcm_pagemap_class() - size class of the span that p lies in; 0 if p is not in
 * one of small objects, whatever p is.
 */
PCM_ALWAYS_INLINE unsigned
pcm_pagemap_class(const void *p)
{
	uintptr_t a = (uintptr_t)p, gib = a >> PCM_LEAF_SHIFT;
	size_t page = (a >> PCM_PAGE_SHIFT) % PCM_LEAF_NPAGES;
	const uint8_t *classes;

	if (PCM_LIKELY(gib == pcm_pagemap_only.gib))
		return pcm_pagemap_only.classes[page];
	if (PCM_UNLIKELY(gib >= PCM_ROOT_LEN))
		return 0;
	classes = (const uint8_t *)((uintptr_t)pcm_pagemap_nothing +
				    (uintptr_t)pcm_pagemap_root[gib]);
	return classes[page];
}

/*
 * The leaf for p, or NULL. A root entry is published with release; an address
 * dependency orders reads.
 */
static inline struct pcm_pagemap_leaf *
pcm_pagemap_leaf_of(const void *p)
{
	uintptr_t a = (uintptr_t)p;
	intptr_t distance;

	if (PCM_UNLIKELY(a >> PCM_ADDRESS_BITS))
		return NULL;
	distance = __atomic_load_n(&pcm_pagemap_root[a >> PCM_LEAF_SHIFT],
				   __ATOMIC_ACQUIRE);
	if (PCM_UNLIKELY(distance == 0))
		return NULL;
	return (struct pcm_pagemap_leaf *)((uintptr_t)pcm_pagemap_nothing +
					   (uintptr_t)distance);
}

static inline size_t
pcm_pagemap_index(const void *p)
{
	return ((uintptr_t)p >> PCM_PAGE_SHIFT) % PCM_LEAF_NPAGES;
}

/* What the page's entry leads to is published with release; as above. */
PCM_ALWAYS_INLINE uintptr_t
pcm_pagemap_entry(const void *p)
{
	struct pcm_pagemap_leaf *leaf = pcm_pagemap_leaf_of(p);

	if (PCM_UNLIKELY(leaf == NULL))
		return 0;
	return __atomic_load_n(&leaf->entry[pcm_pagemap_index(p)],
			       __ATOMIC_RELAXED);
}

/* The span's or the line's cache line: what is worth a prefetch. */
static inline void *
pcm_pagemap_fetched(uintptr_t entry)
{
	return (void *)(entry & ~(uintptr_t)(PCM_PAGEMAP_LINE - 1));
}

static inline void
pcm_pagemap_fetch(const void *p)
{
	__builtin_prefetch(pcm_pagemap_fetched(pcm_pagemap_entry(p)), 1);
}

/* Has the page a line? */
static inline bool
pcm_pagemap_has_line(uintptr_t entry)
{
	return entry & 1;
}

/* Requires pcm_pagemap_has_line(): the page's number in its run, and the header. */
static inline unsigned
pcm_pagemap_line(uintptr_t entry)
{
	return (unsigned)(entry / 2 % PCM_PAGEMAP_NLINES);
}

static inline void *
pcm_pagemap_header(uintptr_t entry)
{
	return (char *)pcm_pagemap_fetched(entry) -
		(pcm_pagemap_line(entry) + 1) * PCM_PAGEMAP_LINE;
}

/* Span that p's page belongs to, or NULL. */
static inline struct pcm_span *
pcm_pagemap_span(const void *p)
{
	uintptr_t entry = pcm_pagemap_entry(p);

	if (PCM_UNLIKELY(pcm_pagemap_has_line(entry)))
		return *(struct pcm_span **)pcm_pagemap_header(entry);
	return (struct pcm_span *)entry;
}

/* Hugepage of the page heap that p lies in, or NULL. */
struct pcm_hugepage *pcm_pagemap_hugepage(const void *p);

/*
 * pcm_pagemap_prepare() - see to it that [p, p + nbytes) has leaves.
 *
 * Returns false if there is no memory for them. To be called before the
 * functions below. Lock-free; async-signal-safe.
 */
bool pcm_pagemap_prepare(const void *p, size_t nbytes);

/*
 * pcm_pagemap_leaf_new() - a leaf for an address not yet known; NULL: no memory.
 * pcm_pagemap_use_leaf() enters it for p's GiB, or takes it back if there is one.
 */
struct pcm_pagemap_leaf *pcm_pagemap_leaf_new(void);
void pcm_pagemap_use_leaf(const void *p, struct pcm_pagemap_leaf *leaf);

/* Bytes of leaves, the spare one included. */
size_t pcm_pagemap_bytes(void);

/* Bytes of address space whose spans are in one OS page of a leaf. */
#define PCM_PAGEMAP_GRAIN(os_page) \
	((os_page) / sizeof(uintptr_t) << PCM_PAGE_SHIFT)

/*
 * pcm_pagemap_release() - gives back the OS page with the spans of the grain that p
 * lies in. None of them may have one, and none may get one meanwhile.
 */
void pcm_pagemap_release(const void *p);

/* All within one leaf. `header`: with so many lines behind it, no more than there can be. */
void pcm_pagemap_set_span(const void *p, size_t npages, struct pcm_span *span);
void pcm_pagemap_set_lines(const void *p, size_t npages, const void *header);
void pcm_pagemap_set_class(const void *p, size_t npages, unsigned class);

/* Enters a hugepage, which may come to hold small objects. */
void pcm_pagemap_set_hugepage(const void *p, struct pcm_hugepage *huge);

#endif
