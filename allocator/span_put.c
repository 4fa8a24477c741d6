/*
 * span_put.c - blocks go back into the bitmap of their span.
 *
 * Three ways: a run of blocks at one distance, which is what long runs come back as, by masks;
 * several in any order, with a word of the bitmap open; and one.
 */
#include "span.h"

#include "span_bits.h"

/* A word of the bitmap, while blocks of it are put. */
struct open_word {
	unsigned at;
	uint64_t bits;
};

static void
close_word(struct pcm_span *span, const struct open_word *word)
{
	pcm_span_set_word(span, word->at, word->bits);
	if (word->at < span->first)
		span->first = (uint16_t)word->at;
}

PCM_ALWAYS_INLINE enum pcm_span_fault
put_one(struct pcm_span *span, struct open_word *word, uint32_t index)
{
	uint64_t bit = (uint64_t)1 << (index % PCM_WORD_BITS);

	if (index / PCM_WORD_BITS != word->at) {
		close_word(span, word);
		word->at = index / PCM_WORD_BITS;
		word->bits = span->free[word->at];
	}
	if (PCM_UNLIKELY(word->bits & bit))
		return PCM_SPAN_FREE_ALREADY;
	word->bits |= bit;
	return PCM_SPAN_OK;
}

/* Two blocks or more; what the loop needs is copied first, and stays in registers. */
static PCM_NOINLINE unsigned
put_several(struct pcm_span *span, void *const *objs, unsigned n,
	    enum pcm_span_fault *fault)
{
	const struct pcm_size_class class = pcm_size_class[span->class];
	struct open_word word = { span->first, span->free[span->first] };
	const char *start = span->start;
	size_t nbytes = span->nbytes;
	uint32_t nobjs = span->nobjs;
	enum pcm_span_fault found = PCM_SPAN_OK;
	unsigned done;

	for (done = 0; done < n; done++) {
		size_t offset = (size_t)((const char *)objs[done] - start);
		uint32_t index;

		if (offset >= nbytes)
			break;
		found = PCM_SPAN_NOT_A_BLOCK;
		if (PCM_LIKELY(pcm_span_index(&class, nobjs, offset, &index)))
			found = put_one(span, &word, index);
		if (PCM_UNLIKELY(found != PCM_SPAN_OK))
			break;
	}
	close_word(span, &word);
	span->nfree = (uint16_t)(span->nfree + done);
	*fault = found;
	return done;
}

/*
 * What was allocated in a run is mostly freed in one: its blocks follow each other at one
 * distance, of a block or a few. They are one mask in each word of the bitmap.
 */
#define REGULAR_SHIFTS 4u
#define REGULAR_LEAST 4u

/* In each word the bits 0, 1 << shift, 2 << shift ... */
static const uint64_t regular_bits[REGULAR_SHIFTS] = {
	0xffffffffffffffff, 0x5555555555555555,
	0x1111111111111111, 0x0101010101010101,
};

/* How many of the n objects lie at this distance from each other. */
static unsigned
at_distance(void *const *objs, unsigned n, uintptr_t distance)
{
	uintptr_t next = (uintptr_t)objs[0] + distance;
	unsigned i;

	for (i = 1; i < n && (uintptr_t)objs[i] == next; i++)
		next += distance;
	return i;
}

/* The mask of bits low, low + (1 << shift) ... high, which is one of them, in a word. */
static uint64_t
regular_mask(unsigned low, unsigned high, unsigned shift, unsigned word)
{
	uint64_t mask = regular_bits[shift] << (low & ((1u << shift) - 1));

	if (word == low / PCM_WORD_BITS)
		mask &= ~(uint64_t)0 << low % PCM_WORD_BITS;
	if (word == high / PCM_WORD_BITS)
		mask &= ~(uint64_t)0 >>
			(PCM_WORD_BITS - 1 - high % PCM_WORD_BITS);
	return mask;
}

/* False, and nothing has changed, if one of them is free already. */
static bool
put_mask(struct pcm_span *span, unsigned low, unsigned high, unsigned shift)
{
	unsigned w, first = low / PCM_WORD_BITS, last = high / PCM_WORD_BITS;

	for (w = first; w <= last; w++)
		if (span->free[w] & regular_mask(low, high, shift, w))
			return false;
	for (w = first; w <= last; w++)
		pcm_span_set_word(span, w,
				  span->free[w] |
					  regular_mask(low, high, shift, w));
	if (first < span->first)
		span->first = (uint16_t)first;
	return true;
}

/*
 * Those of the n >= 2 objects that are such a run, of which the first lies in the span. 0: they
 * are none, or not all blocks in use.
 */
static unsigned
put_regular(struct pcm_span *span, void *const *objs, unsigned n)
{
	const struct pcm_size_class *class = &pcm_size_class[span->class];
	uintptr_t distance = (uintptr_t)objs[1] - (uintptr_t)objs[0];
	bool down = (intptr_t)distance < 0;
	uintptr_t size = down ? -distance : distance;
	uint32_t index, last, room;
	unsigned shift = 0;

	while (size != (uintptr_t)class->size << shift)
		if (++shift == REGULAR_SHIFTS)
			return 0;
	if (!pcm_span_index(class, span->nobjs,
			    pcm_span_offset(span, objs[0]), &index))
		return 0;
	room = (down ? index : span->nobjs - 1u - index) >> shift;
	if (n > room + 1)
		n = room + 1;
	n = at_distance(objs, n, distance);
	if (n < REGULAR_LEAST)
		return 0;
	last = down ? index - ((n - 1) << shift) : index + ((n - 1) << shift);
	if (!put_mask(span, down ? last : index, down ? index : last, shift))
		return 0;
	span->nfree = (uint16_t)(span->nfree + n);
	return n;
}

/* One block: where blocks were freed in no order each lies in another span. */
static enum pcm_span_fault
put_single(struct pcm_span *span, size_t offset)
{
	struct open_word word;
	enum pcm_span_fault found;
	uint32_t index;

	if (PCM_UNLIKELY(!pcm_span_index(&pcm_size_class[span->class],
					 span->nobjs, offset, &index)))
		return PCM_SPAN_NOT_A_BLOCK;
	word.at = index / PCM_WORD_BITS;
	word.bits = span->free[word.at];
	found = put_one(span, &word, index);
	if (PCM_UNLIKELY(found != PCM_SPAN_OK))
		return found;
	close_word(span, &word);
	span->nfree++;
	return PCM_SPAN_OK;
}

unsigned
pcm_span_put(struct pcm_span *span, void *const *objs, unsigned n,
	     enum pcm_span_fault *fault)
{
	unsigned done = 0, part;

	pcm_span_touch(span);
	*fault = PCM_SPAN_OK;
	do {
		void *const *next = objs + done;

		if (n - done == 1 || !pcm_span_covers(span, next[1])) {
			*fault = put_single(span, pcm_span_offset(span, next[0]));
			part = *fault == PCM_SPAN_OK;
		} else {
			part = put_regular(span, next, n - done);
			if (part == 0)
				part = put_several(span, next, n - done, fault);
		}
		done += part;
	} while (done < n && *fault == PCM_SPAN_OK &&
		 pcm_span_covers(span, objs[done]));
	return done;
}

bool
pcm_span_put_single(struct pcm_span *span)
{
	return __atomic_exchange_n(&span->free[0], 1, __ATOMIC_RELAXED) == 0;
}
