/*
 * span.c - descriptors and their bitmaps, and blocks out of them.
 *
 * The bitmap lies outside the blocks: a flush does not touch blocks that have
 * gone cold, a fill hands out neighbours, and a double free is seen.
 */
#include "span.h"

#include <string.h>

#include "descriptors.h"
#include "mixed.h"
#include "pagemap.h"
#include "reclaim.h"
#include "size_class.h"
#include "span_bits.h"

#define COLD_BITS 16u

/* With a bitmap of two words it is one unit of metadata. */
_Static_assert(sizeof(struct pcm_span) == 48, "64 bytes for up to 128 blocks");

uint8_t pcm_span_tick;

static size_t
nwords(const struct pcm_span *span)
{
	return (span->nobjs + PCM_WORD_BITS - 1) / PCM_WORD_BITS;
}

static size_t
descriptor_bytes(const struct pcm_span *span)
{
	return sizeof(*span) + nwords(span) * sizeof(uint64_t);
}

static void
set_all_free(struct pcm_span *span)
{
	size_t n = nwords(span);
	unsigned rest = span->nobjs % PCM_WORD_BITS;

	memset(span->free, 0xff, n * sizeof(uint64_t));
	if (rest != 0)
		span->free[n - 1] = ((uint64_t)1 << rest) - 1;
	span->nfree = span->nobjs;
}

static struct pcm_span *
descriptor(size_t nbytes)
{
	struct pcm_span *span;

	do
		span = pcm_descriptor_alloc(nbytes);
	while (span == NULL && pcm_reclaim());
	return span;
}

struct pcm_span *
pcm_span_new_small(char *start, size_t npages, unsigned class, bool zeroed)
{
	size_t nbytes = npages << PCM_PAGE_SHIFT;
	uint16_t nobjs = (uint16_t)(nbytes / pcm_size_class[class].size);
	struct pcm_span shape = { .nobjs = nobjs };
	struct pcm_span *span = descriptor(descriptor_bytes(&shape));

	if (span == NULL)
		return NULL;
	*span = (struct pcm_span){
		.start = start,
		.nbytes = nbytes,
		.kind = PCM_SPAN_SMALL,
		.class = (uint8_t)class,
		.nobjs = nobjs,
		.fresh = zeroed ? 0 : nobjs,
	};
	set_all_free(span);
	pcm_pagemap_set_span(start, npages, span);
	pcm_pagemap_set_class(start, npages, class);
	return span;
}

struct pcm_span *
pcm_span_new_block(enum pcm_span_kind kind, char *start, size_t nbytes)
{
	struct pcm_span *span = descriptor(sizeof(*span));

	if (span == NULL)
		return NULL;
	*span = (struct pcm_span){
		.start = start,
		.nbytes = nbytes,
		.kind = (uint8_t)kind,
	};
	return span;
}

struct pcm_span *
pcm_span_new_spare(void)
{
	struct pcm_span *span = pcm_descriptor_alloc(sizeof(*span));

	if (span != NULL)
		*span = (struct pcm_span){ .kind = PCM_SPAN_CACHED };
	return span;
}

void
pcm_span_delete(struct pcm_span *span)
{
	size_t npages = span->nbytes >> PCM_PAGE_SHIFT;

	if (span->kind == PCM_SPAN_SMALL || span->kind == PCM_SPAN_MIXED)
		pcm_pagemap_set_class(span->start, npages, 0);
	if (span->kind == PCM_SPAN_SMALL || span->kind == PCM_SPAN_MIXED ||
	    span->kind == PCM_SPAN_LARGE)
		pcm_pagemap_set_span(span->start, npages, NULL);
	pcm_descriptor_free(span, descriptor_bytes(span));
}

/* Bits low ... high; all of them up to the last bit if there are more. */
static uint16_t
bits(size_t low, size_t high)
{
	if (low >= COLD_BITS)
		return 0;
	if (high >= COLD_BITS)
		high = COLD_BITS - 1;
	return (uint16_t)((2u << high) - (1u << low));
}

/* A block is taken: its pages will have memory again. */
static void
warm(struct pcm_span *span, const char *obj, size_t nbytes)
{
	size_t first = (size_t)(obj - span->start);

	span->cold &= (uint16_t)~bits(pcm_sys_npages(first),
			    pcm_sys_npages(first + nbytes - 1));
}

/* Blocks are taken lowest first: those above it were never taken. */
static void
note_taken(struct pcm_span *span, unsigned index)
{
	if (index >= span->fresh)
		span->fresh = (uint16_t)(index + 1);
}

/* n blocks that are neighbours, four at a time: there are many such. */
static void
neighbours(void **objs, unsigned n, char *obj, size_t size)
{
	for (; n >= 4; n -= 4, objs += 4, obj += 4 * size) {
		objs[0] = obj;
		objs[1] = obj + size;
		objs[2] = obj + 2 * size;
		objs[3] = obj + 3 * size;
	}
	for (; n > 0; n--, obj += size)
		*objs++ = obj;
}

/*
 * Bits of *word, up to n, become addresses, from the lowest on; *last: the highest of them.
 * Mostly they are one run: neighbours, without looking at each.
 */
PCM_ALWAYS_INLINE unsigned
take_bits(uint64_t *word, void **objs, unsigned n, char *base, uint32_t size,
	  unsigned *last)
{
	unsigned taken = 0, bit = (unsigned)__builtin_ctzll(*word);
	uint64_t left = *word, above = left + (left & -left);

	if ((left & above) == 0) {
		unsigned end = above == 0 ? PCM_WORD_BITS :
					    (unsigned)__builtin_ctzll(above);

		taken = n < end - bit ? n : end - bit;
		neighbours(objs, taken, base + (size_t)bit * size, size);
		*last = bit + taken - 1;
		*word = taken == end - bit ? 0 : left & ~(uint64_t)0 << (bit + taken);
		return taken;
	}
	for (; left != 0 && taken < n; left &= left - 1) {
		bit = (unsigned)__builtin_ctzll(left);
		objs[taken++] = base + (size_t)bit * size;
	}
	*last = bit;
	*word = left;
	return taken;
}

/* Up to n > 0 blocks of the first word that can have some, and has. */
static unsigned
take_from_word(struct pcm_span *span, void **objs, unsigned n)
{
	uint32_t size = pcm_size_class[span->class].size;
	unsigned i, bit, taken, first = span->first * PCM_WORD_BITS;
	uint64_t word = span->free[span->first];

	taken = take_bits(&word, objs, n, span->start + (size_t)first * size,
			  size, &bit);
	pcm_span_set_word(span, span->first, word);
	span->nfree = (uint16_t)(span->nfree - taken);
	note_taken(span, first + bit);
	for (i = 0; PCM_UNLIKELY(span->cold != 0) && i < taken; i++)
		warm(span, objs[i], size);
	return taken;
}

unsigned
pcm_span_take(struct pcm_span *span, void **objs, unsigned n)
{
	unsigned taken = 0;

	pcm_span_touch(span);
	while (taken < n && span->nfree > 0) {
		if (span->free[span->first] == 0)
			span->first++;
		else
			taken += take_from_word(span, objs + taken, n - taken);
	}
	return taken;
}

void *
pcm_span_take_one(struct pcm_span *span, bool *zeroed)
{
	unsigned fresh = span->fresh;
	void *obj;

	if (pcm_span_take(span, &obj, 1) == 0)
		return NULL;
	/* It was fresh if it moved the mark. */
	*zeroed = span->fresh != fresh;
	return obj;
}

/* The blocks of OS pages first ... end - 1; the last page may have a tail without. */
static void
blocks_of(const struct pcm_span *span, unsigned first, unsigned end,
	  struct pcm_span_run *run)
{
	uint32_t size = pcm_size_class[span->class].size;
	unsigned last = (unsigned)((end * pcm_sys_page - 1) / size);

	if (last >= span->nobjs)
		last = span->nobjs - 1u;
	run->block = (unsigned)(first * pcm_sys_page / size);
	run->nblocks = run->block > last ? 0 : last + 1 - run->block;
}

static bool
page_is_free(const struct pcm_span *span, unsigned page)
{
	struct pcm_span_run run;
	unsigned end;

	blocks_of(span, page, page + 1, &run);
	end = run.block + run.nblocks;
	return pcm_bits_next(span->free, 1, run.block, end, false) == end;
}

/* Spans of more pages than cold has bits are of few blocks: they stay as they are. */
bool
pcm_span_next_warm(const struct pcm_span *span, unsigned from,
		   struct pcm_span_run *run)
{
	unsigned end, npages = (unsigned)pcm_sys_npages(span->nbytes);

	/* With OS pages larger than ours a span may begin in the middle of one. */
	if (npages > COLD_BITS || (uintptr_t)span->start % pcm_sys_page != 0)
		return false;
	while (from < npages &&
	       (span->cold >> from & 1 || !page_is_free(span, from)))
		from++;
	for (end = from; end < npages; end++)
		if (span->cold >> end & 1 || !page_is_free(span, end))
			break;
	run->first = from;
	run->npages = end - from;
	blocks_of(span, from, end, run);
	return end > from;
}

void
pcm_span_hold(struct pcm_span *span, const struct pcm_span_run *run)
{
	if (run->nblocks > 0)
		pcm_bits_write(span->free, 1, run->block,
			       run->block + run->nblocks, false);
	span->nfree = (uint16_t)(span->nfree - run->nblocks);
}

/* If a block was freed that was free, it is not counted twice. */
void
pcm_span_unhold(struct pcm_span *span, const struct pcm_span_run *run,
		bool cold)
{
	unsigned i, end = run->block + run->nblocks, twice = 0;

	for (i = run->block;
	     (i = pcm_bits_next(span->free, 1, i, end, true)) < end; i++)
		twice++;
	if (run->nblocks > 0)
		pcm_bits_write(span->free, 1, run->block, end, true);
	span->nfree = (uint16_t)(span->nfree + run->nblocks - twice);
	if (run->block / PCM_WORD_BITS < span->first)
		span->first = (uint16_t)(run->block / PCM_WORD_BITS);
	if (cold)
		span->cold |= bits(run->first, run->first + run->npages - 1);
}

/* Read once: a small span may become a mixed one at any moment. */
static uint8_t
kind_of(const struct pcm_span *span)
{
	return __atomic_load_n(&span->kind, __ATOMIC_ACQUIRE);
}

enum pcm_span_fault
pcm_span_check(const struct pcm_span *span, const void *p)
{
	uint8_t kind = kind_of(span);
	uint64_t word;
	uint32_t index;

	if (kind == PCM_SPAN_MIXED)
		return pcm_mixed_check(span, p);
	if (kind != PCM_SPAN_SMALL)
		return p == span->start ? PCM_SPAN_OK : PCM_SPAN_NOT_A_BLOCK;
	if (!pcm_span_index(&pcm_size_class[span->class], span->nobjs,
			    pcm_span_offset(span, p), &index))
		return PCM_SPAN_NOT_A_BLOCK;
	word = __atomic_load_n(&span->free[index / PCM_WORD_BITS],
			       __ATOMIC_RELAXED);
	return word >> (index % PCM_WORD_BITS) & 1 ? PCM_SPAN_FREE_ALREADY :
						     PCM_SPAN_OK;
}

size_t
pcm_span_block_size(const struct pcm_span *span, const void *p)
{
	switch (kind_of(span)) {
	case PCM_SPAN_SMALL:
		return pcm_size_class[span->class].size;
	case PCM_SPAN_MIXED:
		return pcm_size_class[pcm_mixed_class(p)].size;
	default:
		return span->nbytes;
	}
}
