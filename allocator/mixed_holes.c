/*
 * mixed_holes.c - blocks are cut out of holes, and fall back into them.
 */
#include "mixed_holes.h"

#include "bits.h"
#include "size_class.h"

#define UNIT PCM_MIXED_UNIT
#define COLD_BITS 64u

static unsigned
nwords(unsigned nunits)
{
	return (nunits + PCM_WORD_BITS - 1) / PCM_WORD_BITS;
}

size_t
pcm_holes_bytes(unsigned nunits)
{
	return sizeof(struct pcm_mixed) + 2 * nwords(nunits) * sizeof(uint64_t);
}

static const uint64_t *
begin_bits(const struct pcm_mixed *m)
{
	return m->bits;
}

static const uint64_t *
used_bits(const struct pcm_mixed *m)
{
	return m->bits + 1;
}

static void
set_begin(struct pcm_mixed *m, unsigned at, bool value)
{
	pcm_bits_put(m->bits, 2, at, value);
}

static void
set_used(struct pcm_mixed *m, unsigned first, unsigned end, bool value)
{
	pcm_bits_write(m->bits + 1, 2, first, end, value);
}

static void
mark(struct pcm_mixed *m, unsigned first, unsigned nunits)
{
	unsigned end = first + nunits;

	set_begin(m, first, true);
	if (end < m->nunits)
		set_begin(m, end, true);
	set_used(m, first, end, true);
	m->nfree = (uint16_t)(m->nfree - nunits);
}

/* Of the hole that units first ... end - 1 are in. */
static unsigned
length_around(const struct pcm_mixed *m, unsigned first, unsigned end)
{
	return pcm_bits_next(used_bits(m), 2, end, m->nunits, true) -
		pcm_bits_end_before(used_bits(m), 2, first);
}

/*
 * A block that lies in the middle of a word, as most do, with at least a unit before and
 * one behind it there: both words are read and written once. Returns the length of the
 * hole that it is in now.
 */
static unsigned
unmark_in_word(struct pcm_mixed *m, unsigned first, unsigned nunits)
{
	unsigned w = first / PCM_WORD_BITS, shift = first % PCM_WORD_BITS;
	uint64_t *begin = &m->bits[2 * w], *used = &m->bits[2 * w + 1];
	uint64_t now = *used & ~((((uint64_t)1 << nunits) - 1) << shift);
	uint64_t below = now << (PCM_WORD_BITS - shift);
	uint64_t above = now >> (shift + nunits);
	uint64_t ends = 0;

	/* Where used begins or ends no more, nothing begins. */
	if (!(below >> (PCM_WORD_BITS - 1)))
		ends |= (uint64_t)1 << shift;
	if (!(above & 1))
		ends |= (uint64_t)1 << (shift + nunits);
	__atomic_store_n(used, now, __ATOMIC_RELAXED);
	__atomic_store_n(begin, *begin & ~ends, __ATOMIC_RELAXED);
	if (below != 0 && above != 0)
		return (unsigned)(__builtin_clzll(below) + nunits +
				  (unsigned)__builtin_ctzll(above));
	return length_around(m, first, first + nunits);
}

/* The same for any block. */
static unsigned
unmark_any(struct pcm_mixed *m, unsigned first, unsigned nunits)
{
	const uint64_t *used = used_bits(m);
	unsigned end = first + nunits;

	set_used(m, first, end, false);
	if (first == 0 || !pcm_bits_has(used, 2, first - 1))
		set_begin(m, first, false);
	if (end < m->nunits && !pcm_bits_has(used, 2, end))
		set_begin(m, end, false);
	return length_around(m, first, end);
}

static void
unmark(struct pcm_mixed *m, unsigned first, unsigned nunits)
{
	unsigned shift = first % PCM_WORD_BITS, length;

	if (PCM_LIKELY(shift > 0 && shift + nunits < PCM_WORD_BITS))
		length = unmark_in_word(m, first, nunits);
	else
		length = unmark_any(m, first, nunits);
	m->nfree = (uint16_t)(m->nfree + nunits);
	if (length > m->longest)
		m->longest = (uint16_t)length;
}

/* Bits first ... end - 1, as far as there are bits. */
static uint64_t
page_bits(size_t first, size_t end)
{
	uint64_t below_first = first < COLD_BITS ? ((uint64_t)1 << first) - 1 :
						   ~(uint64_t)0;
	uint64_t below_end = end < COLD_BITS ? ((uint64_t)1 << end) - 1 :
					       ~(uint64_t)0;

	return below_end & ~below_first;
}

/* Units are taken: their pages will have memory again. */
static void
warm(struct pcm_mixed *m, unsigned first, unsigned end)
{
	if (PCM_UNLIKELY(m->cold != 0))
		m->cold &= ~page_bits(first * UNIT / pcm_sys_page,
				      (end * UNIT - 1) / pcm_sys_page + 1);
}

/* Up to n blocks from the beginning of the hole first ... end - 1. Returns how many. */
static unsigned
cut(struct pcm_mixed *m, unsigned first, unsigned end, unsigned nunits,
    void **objs, unsigned n)
{
	char *start = m->span->start;
	unsigned next = first, i;

	for (i = 0; i < n && end - next >= nunits; i++, next += nunits) {
		set_begin(m, next, true);
		objs[i] = start + (size_t)next * UNIT;
	}
	if (i > 0) {
		mark(m, first, next - first);
		warm(m, first, next);
	}
	return i;
}

/* All holes are looked at: what is the longest one that is left? */
unsigned
pcm_holes_take(struct pcm_mixed *m, unsigned nunits, void **objs, unsigned n)
{
	const uint64_t *used = used_bits(m);
	unsigned first, end, cuts, taken = 0, longest = 0;

	for (first = pcm_bits_next(used, 2, 0, m->nunits, false);
	     first < m->nunits;
	     first = pcm_bits_next(used, 2, end, m->nunits, false)) {
		end = pcm_bits_next(used, 2, first, m->nunits, true);
		cuts = cut(m, first, end, nunits, objs + taken, n - taken);
		taken += cuts;
		first += cuts * nunits;
		if (end - first > longest)
			longest = end - first;
	}
	m->longest = (uint16_t)longest;
	return taken;
}

static void
find_longest(struct pcm_mixed *m)
{
	void *none;

	pcm_holes_take(m, 1, &none, 0);
}

void
pcm_holes_init(struct pcm_mixed *m, struct pcm_span *span)
{
	unsigned nunits = (unsigned)(span->nbytes / UNIT);
	unsigned length = pcm_size_class[span->class].size / UNIT, i;

	*m = (struct pcm_mixed){
		.span = span,
		.cold = span->cold,
		.nunits = (uint16_t)nunits,
		.nfree = (uint16_t)nunits,
		.tick = span->tick,
	};
	for (i = 0; i < 2 * nwords(nunits); i++)
		m->bits[i] = 0;
	for (i = 0; i < span->nobjs; i++)
		if (!pcm_bits_has(span->free, 1, i))
			mark(m, i * length, length);
	find_longest(m);
}

static unsigned
unit_of(const struct pcm_span *span, const void *p)
{
	return (unsigned)((size_t)((const char *)p - span->start) / UNIT);
}

enum pcm_span_fault
pcm_holes_check(const struct pcm_span *span, const struct pcm_mixed *m,
		const void *p)
{
	unsigned first = unit_of(span, p);

	if ((size_t)((const char *)p - span->start) % UNIT != 0)
		return PCM_SPAN_NOT_A_BLOCK;
	if (!pcm_bits_has(used_bits(m), 2, first))
		return PCM_SPAN_FREE_ALREADY;
	return pcm_bits_has(begin_bits(m), 2, first) ? PCM_SPAN_OK :
						       PCM_SPAN_NOT_A_BLOCK;
}

unsigned
pcm_holes_length(const struct pcm_span *span, const struct pcm_mixed *m,
		 const void *p)
{
	size_t offset = (size_t)((const char *)p - span->start);
	unsigned first = (unsigned)(offset / UNIT);
	unsigned w = first / PCM_WORD_BITS, shift = first % PCM_WORD_BITS;
	uint64_t begin = pcm_bits_word(begin_bits(m), 2, w) >> shift;
	uint64_t used = pcm_bits_word(used_bits(m), 2, w) >> shift;

	if (PCM_UNLIKELY(offset % UNIT != 0 || !(begin & used & 1)))
		return 0;
	begin >>= 1;
	if (PCM_LIKELY(begin != 0))
		return (unsigned)__builtin_ctzll(begin) + 1;
	return pcm_bits_next(begin_bits(m), 2, (w + 1) * PCM_WORD_BITS,
			     (unsigned)(span->nbytes / UNIT), true) - first;
}

/* Used and yet cold: its page is held while it is given back. */
static bool
is_cold(const struct pcm_mixed *m, const void *p)
{
	size_t page = (size_t)((const char *)p - m->span->start) / pcm_sys_page;

	return PCM_UNLIKELY(m->cold != 0) && page < COLD_BITS &&
		(m->cold >> page & 1);
}

/* Of another length than its class: it was freed, and its place is another block's. */
static PCM_COLD enum pcm_span_fault
fault_of(const struct pcm_mixed *m, const void *p)
{
	enum pcm_span_fault fault = pcm_holes_check(m->span, m, p);

	return fault == PCM_SPAN_OK ? PCM_SPAN_FREE_ALREADY : fault;
}

enum pcm_span_fault
pcm_holes_put(struct pcm_mixed *m, unsigned class, const void *p)
{
	unsigned nunits = pcm_size_class[class].size / UNIT;
	unsigned length = pcm_holes_length(m->span, m, p);

	if (PCM_UNLIKELY(is_cold(m, p)))
		return PCM_SPAN_FREE_ALREADY;
	/* Blocks of 8 bytes have no units, and are in no mixed span. */
	if (PCM_UNLIKELY(length == 0 || length != nunits))
		return fault_of(m, p);
	unmark(m, unit_of(m->span, p), nunits);
	return PCM_SPAN_OK;
}

/* ---- pages ---- */

static unsigned
units_per_page(void)
{
	return (unsigned)(pcm_sys_page / UNIT);
}

static bool
is_warm_hole(const struct pcm_mixed *m, unsigned page)
{
	unsigned first = page * units_per_page(), end = first + units_per_page();

	return !(m->cold >> page & 1) &&
		pcm_bits_next(used_bits(m), 2, first, end, true) == end;
}

bool
pcm_holes_next_warm(const struct pcm_mixed *m, unsigned from,
		    struct pcm_holes_pages *pages)
{
	unsigned end, npages = (unsigned)(m->span->nbytes / pcm_sys_page);

	/* With OS pages larger than ours a span may begin in the middle of one. */
	if (npages > COLD_BITS || (uintptr_t)m->span->start % pcm_sys_page != 0)
		return false;
	while (from < npages && !is_warm_hole(m, from))
		from++;
	for (end = from; end < npages && is_warm_hole(m, end);)
		end++;
	*pages = (struct pcm_holes_pages){ from, end };
	return end > from;
}

void
pcm_holes_hold(struct pcm_mixed *m, const struct pcm_holes_pages *pages)
{
	mark(m, pages->first * units_per_page(),
	     (pages->end - pages->first) * units_per_page());
	m->cold |= page_bits(pages->first, pages->end);
	find_longest(m);
}

void
pcm_holes_unhold(struct pcm_mixed *m, const struct pcm_holes_pages *pages, bool cold)
{
	unmark(m, pages->first * units_per_page(),
	       (pages->end - pages->first) * units_per_page());
	if (!cold)
		m->cold &= ~page_bits(pages->first, pages->end);
}
