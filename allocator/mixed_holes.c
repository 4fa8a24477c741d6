/*
 * mixed_holes.c - blocks are cut out of holes, and fall back into them.
 */
#include "mixed_holes.h"

#include "bits.h"
#include "size_class.h"

#define UNIT PCM_MIXED_UNIT
#define UNITS_PER_PAGE ((unsigned)PCM_MIXED_UNITS_PER_PAGE)
#define COLD_BITS 32u

/* Units of blocks of 8 bytes, which are in no mixed span: more than any has. */
#define NOT_MIXED ((unsigned)UINT16_MAX + 1)

size_t
pcm_holes_bytes(size_t nbytes)
{
	return sizeof(struct pcm_mixed) + nbytes / PCM_PAGE * PCM_PAGEMAP_LINE;
}

/* Filled in from above. */
uint8_t pcm_holes_classes[PCM_HOLES_NUNITS + 1] PCM_TABLE("7");

/* With the acquire of whoever makes the next mixed span, which comes before its blocks. */
void
pcm_holes_prepare(void)
{
	unsigned n;

	if (__atomic_load_n(&pcm_holes_classes[1], __ATOMIC_ACQUIRE) != 0)
		return;
	for (n = PCM_HOLES_NUNITS; n > 0; n--)
		__atomic_store_n(&pcm_holes_classes[n],
				 (uint8_t)pcm_size_class_within((size_t)n * UNIT),
				 __ATOMIC_RELEASE);
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
	if (end < pcm_holes_nunits(m))
		set_begin(m, end, true);
	set_used(m, first, end, true);
	m->nfree = (uint16_t)(m->nfree - nunits);
}

/* Where the hole begins that reaches up to unit `at`, or would if it were there. */
static unsigned
hole_begin(const struct pcm_mixed *m, unsigned at)
{
	return pcm_bits_end_before(used_bits(m), 2, at);
}

/* Where the hole that begins at unit `at` ends. */
PCM_ALWAYS_INLINE unsigned
hole_end(const struct pcm_mixed *m, unsigned at)
{
	return pcm_bits_next(used_bits(m), 2, at, pcm_holes_nunits(m), true);
}

/* ---- groups of pages ---- */

/* A group has 1 << group_shift() pages. */
static unsigned
group_shift(const struct pcm_mixed *m)
{
	return m->npages > PCM_HOLES_NGROUPS;
}

static unsigned
group_of(const struct pcm_mixed *m, unsigned unit)
{
	return unit / UNITS_PER_PAGE >> group_shift(m);
}

/* Words of the bitmap first ... end - 1 are the group's. */
static unsigned
first_word(const struct pcm_mixed *m, unsigned group)
{
	unsigned page = group << group_shift(m);

	return (page < m->npages ? page : m->npages) * (UNITS_PER_PAGE / PCM_WORD_BITS);
}

/* The holes that begin in a word, a bit each: behind a block, or at the span's start. */
static uint64_t
holes_of(const struct pcm_mixed *m, unsigned word, uint64_t used)
{
	return (pcm_bits_word(begin_bits(m), 2, word) | (word == 0)) & ~used;
}

/* The hole first ... end - 1 may be its group's best one. */
static void
note_hole(struct pcm_mixed *m, unsigned first, unsigned end)
{
	unsigned group = group_of(m, first), class = pcm_holes_class(end - first);

	if (class > m->most[group])
		m->most[group] = (uint8_t)class;
}

unsigned
pcm_holes_best(const struct pcm_mixed *m)
{
	unsigned i, best = 0;

	for (i = 0; i < PCM_HOLES_NGROUPS; i++)
		best = m->most[i] > best ? m->most[i] : best;
	return best;
}

/* ---- a block becomes a part of the hole around it ---- */

static void look_through(struct pcm_mixed *m, unsigned group);

/*
 * So many units are free now, up to `middle`, in the hole first ... end - 1. What was a hole
 * behind them begins no more, and may have been the best one of another group.
 */
static void
count_hole(struct pcm_mixed *m, unsigned nunits, unsigned first, unsigned middle,
	   unsigned end)
{
	m->nfree = (uint16_t)(m->nfree + nunits);
	note_hole(m, first, end);
	if (middle < end && group_of(m, middle) != group_of(m, first) &&
	    m->most[group_of(m, middle)] == pcm_holes_class(end - middle))
		look_through(m, group_of(m, middle));
}

/* Where used begins or ends no more, nothing begins. */
static void
unmark(struct pcm_mixed *m, unsigned first, unsigned nunits)
{
	unsigned end = first + nunits, begin_of_hole, end_of_hole;

	set_used(m, first, end, false);
	begin_of_hole = hole_begin(m, first);
	end_of_hole = hole_end(m, end);
	if (begin_of_hole < first || first == 0)
		set_begin(m, first, false);
	if (end_of_hole > end)
		set_begin(m, end, false);
	count_hole(m, nunits, begin_of_hole, end, end_of_hole);
}

/*
 * The same for a block that lies in the middle of a word, as most do, with at least a unit
 * before and one behind it there: each bitmap's word is read and written once. False: it
 * does not lie there, or is none of that length; nothing has changed.
 */
static bool
unmark_in_word(struct pcm_mixed *m, unsigned first, unsigned nunits)
{
	unsigned w = first / PCM_WORD_BITS, shift = first % PCM_WORD_BITS;
	uint64_t *begin = &m->bits[2 * w], *used = &m->bits[2 * w + 1];
	uint64_t block, edges, edge, now, below, above;
	unsigned hole, middle = first + nunits, end;

	if (shift == 0 || shift + nunits >= PCM_WORD_BITS)
		return false;
	edge = (uint64_t)1 << shift;
	block = (edge << nunits) - edge;
	edges = edge | edge << nunits;
	if ((*begin & (block | edges)) != edges || (*used & block) != block)
		return false;
	now = *used & ~block;
	__atomic_store_n(used, now, __ATOMIC_RELAXED);
	/* What is used just before or behind it ends or begins there. */
	__atomic_store_n(begin, (*begin & ~edges) | (edges & (now | now << 1)),
			 __ATOMIC_RELAXED);
	below = now << (PCM_WORD_BITS - shift);
	above = now >> (shift + nunits);
	hole = PCM_LIKELY(below != 0) ? first - (unsigned)__builtin_clzll(below) :
					hole_begin(m, first);
	end = PCM_LIKELY(above != 0) ? middle + (unsigned)__builtin_ctzll(above) :
				       hole_end(m, middle);
	count_hole(m, nunits, hole, middle, end);
	return true;
}

/* ---- out ---- */

/* Bits first ... end - 1, as far as there are bits. */
static uint32_t
page_bits(size_t first, size_t end)
{
	uint32_t below_first = first < COLD_BITS ? ((uint32_t)1 << first) - 1 :
						   ~(uint32_t)0;
	uint32_t below_end = end < COLD_BITS ? ((uint32_t)1 << end) - 1 :
					       ~(uint32_t)0;

	return below_end & ~below_first;
}

/* Units are taken: their pages will have memory again. */
static void
warm(struct pcm_mixed *m, unsigned first, unsigned end)
{
	if (PCM_UNLIKELY(m->cold != 0))
		m->cold &= ~page_bits(pcm_sys_npages(first * UNIT),
				      pcm_sys_npages(end * UNIT - 1) + 1);
}

/*
 * Up to n blocks, one at least, from the hole first ... end - 1. Returns how many. They lie
 * scattered, and were free for long, mostly: that is fetched for the program, all at once.
 */
static unsigned
cut(struct pcm_mixed *m, unsigned first, unsigned end, unsigned nunits,
    void **objs, unsigned n)
{
	char *start = pcm_holes_start(m);
	unsigned next = first, i = 0;

	do {
		set_begin(m, next, true);
		objs[i] = start + (size_t)next * UNIT;
		__builtin_prefetch(objs[i++], 1);
		next += nunits;
	} while (i < n && end - next >= nunits);
	mark(m, first, next - first);
	warm(m, first, next);
	return i;
}

/*
 * Up to n blocks of so many units out of the holes that begin in the group. All of these are
 * looked at: what is the best one that is left?
 */
static unsigned
take_from(struct pcm_mixed *m, unsigned group, unsigned nunits, void **objs, unsigned n)
{
	unsigned w = first_word(m, group), last = first_word(m, group + 1);
	unsigned first, end, cuts, taken = 0, longest = 0;

	for (; w < last; w++) {
		uint64_t above, used = pcm_bits_word(used_bits(m), 2, w);
		uint64_t holes = holes_of(m, w, used);

		for (; holes != 0; holes &= holes - 1) {
			first = (unsigned)__builtin_ctzll(holes);
			above = used >> first;
			first += w * PCM_WORD_BITS;
			end = PCM_LIKELY(above != 0) ?
				first + (unsigned)__builtin_ctzll(above) :
				hole_end(m, (w + 1) * PCM_WORD_BITS);
			if (end - first >= nunits && taken < n) {
				cuts = cut(m, first, end, nunits, objs + taken,
					   n - taken);
				taken += cuts;
				first += cuts * nunits;
				if (first < end)
					note_hole(m, first, end);
				if (group_of(m, first) != group)
					continue;
			}
			if (end - first > longest)
				longest = end - first;
		}
	}
	m->most[group] = (uint8_t)pcm_holes_class(longest);
	return taken;
}

static void
look_through(struct pcm_mixed *m, unsigned group)
{
	take_from(m, group, 1, NULL, 0);
}

static void
look_through_all(struct pcm_mixed *m)
{
	unsigned group;

	for (group = 0; group < PCM_HOLES_NGROUPS; group++)
		look_through(m, group);
}

/* The next group, from that one on, with a hole for the class. */
static unsigned
next_group(const struct pcm_mixed *m, unsigned group, unsigned class)
{
	while (group < PCM_HOLES_NGROUPS && m->most[group] < class)
		group++;
	return group;
}

unsigned
pcm_holes_take(struct pcm_mixed *m, unsigned class, void **objs, unsigned n)
{
	unsigned nunits = pcm_size_class[class].size / UNIT, taken = 0, group;

	for (group = next_group(m, 0, class);
	     group < PCM_HOLES_NGROUPS && taken < n;
	     group = next_group(m, group + 1, class))
		taken += take_from(m, group, nunits, objs + taken, n - taken);
	return taken;
}

void
pcm_holes_fetch(const struct pcm_mixed *m, unsigned class)
{
	unsigned group = next_group(m, 0, class);

	if (PCM_LIKELY(group < PCM_HOLES_NGROUPS))
		__builtin_prefetch(&m->bits[2 * first_word(m, group)], 1);
}

void
pcm_holes_init(struct pcm_mixed *m, struct pcm_span *span)
{
	unsigned nunits = (unsigned)(span->nbytes / UNIT);
	unsigned length = pcm_size_class[span->class].size / UNIT, i;
	uintptr_t page = (uintptr_t)span->start >> PCM_PAGE_SHIFT;

	*m = (struct pcm_mixed){
		.span = span,
		.cold = span->cold,
		.npages = (uint8_t)(span->nbytes / PCM_PAGE),
		.nfree = (uint16_t)nunits,
		.tick = span->tick,
		.home = span->home,
		.page_high = (uint16_t)(page >> 32),
		.page_low = (uint32_t)page,
	};
	for (i = 0; i < 2 * nunits / PCM_WORD_BITS; i++)
		m->bits[i] = 0;
	for (i = 0; i < span->nobjs; i++)
		if (!pcm_bits_has(span->free, 1, i))
			mark(m, i * length, length);
	look_through_all(m);
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

/* Used and yet cold: its page is held while it is given back. */
static bool
is_cold(const struct pcm_mixed *m, size_t offset)
{
	size_t page = pcm_sys_npages(offset);

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

static enum pcm_span_fault
put(struct pcm_mixed *m, const void *p, size_t offset, unsigned nunits)
{
	unsigned unit = (unsigned)(offset / UNIT);

	if (PCM_UNLIKELY(is_cold(m, offset)))
		return PCM_SPAN_FREE_ALREADY;
	if (PCM_UNLIKELY(offset % UNIT != 0))
		return fault_of(m, p);
	if (PCM_LIKELY(unmark_in_word(m, unit, nunits)))
		return PCM_SPAN_OK;
	if (PCM_UNLIKELY(pcm_holes_length(m, unit) != nunits))
		return fault_of(m, p);
	unmark(m, unit, nunits);
	return PCM_SPAN_OK;
}

unsigned
pcm_holes_put(struct pcm_mixed *m, const char *start, unsigned class,
	      void *const *objs, unsigned n, enum pcm_span_fault *fault)
{
	unsigned nunits = pcm_size_class[class].size / UNIT, done;
	size_t nbytes = (size_t)m->npages * PCM_PAGE;
	enum pcm_span_fault found = PCM_SPAN_OK;

	if (PCM_UNLIKELY(nunits == 0))
		nunits = NOT_MIXED;
	for (done = 0; done < n; done++) {
		size_t offset = (size_t)((const char *)objs[done] - start);

		if (offset >= nbytes)
			break;
		found = put(m, objs[done], offset, nunits);
		if (PCM_UNLIKELY(found != PCM_SPAN_OK))
			break;
	}
	*fault = found;
	return done;
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
	unsigned end, npages = (unsigned)pcm_sys_npages(m->span->nbytes);

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
	look_through_all(m);
}

void
pcm_holes_unhold(struct pcm_mixed *m, const struct pcm_holes_pages *pages, bool cold)
{
	unmark(m, pages->first * units_per_page(),
	       (pages->end - pages->first) * units_per_page());
	if (!cold)
		m->cold &= ~page_bits(pages->first, pages->end);
}
