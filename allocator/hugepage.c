/*
 * hugepage.c - runs of bits.
 */
#include "hugepage.h"

#include <string.h>

#include "bits.h"

#define N ((unsigned)PCM_HUGE_NPAGES)

/* First i >= from whose bit in `bits` is `value`; N if there is none. */
static unsigned
next_bit(const uint64_t *bits, unsigned from, bool value)
{
	return pcm_bits_next(bits, 1, from, N, value);
}

/* Calls for every word that the run touches: the mask of its bits there. */
static uint64_t
mask_in_word(struct pcm_run run, unsigned word)
{
	unsigned low = word * 64, high = low + 64;
	unsigned first = run.first > low ? run.first : low;
	unsigned end = run.first + run.npages < high ?
		run.first + run.npages : high;

	if (first >= end)
		return 0;
	return (~(uint64_t)0 >> (64 - (end - first))) << (first - low);
}

/* The longest run of ones, if it is longer than `longest`. */
static unsigned
longer_run(uint64_t ones, unsigned longest)
{
	unsigned step, n;

	/* One is left wherever n + 1 of them began. */
	for (n = 0; n < longest && ones != 0; n += step) {
		step = n + 1 < longest - n ? n + 1 : longest - n;
		ones &= ones >> step;
	}
	for (; ones != 0; ones &= ones >> 1)
		longest++;
	return longest;
}

/*
 * The longest run of zeros in `used`, a word at a time: the one that reaches into it from
 * `begin` and ends at its lowest one, and those that it has all of.
 */
static unsigned
longest_free(const struct pcm_hugepage *huge)
{
	unsigned at, begin = 0, longest = 0;

	for (at = 0; at < N; at += 64) {
		uint64_t used = huge->used[at / 64];
		unsigned end;

		if (used == 0)
			continue;
		end = at + (unsigned)__builtin_ctzll(used);
		if (end - begin > longest)
			longest = end - begin;
		longest = longer_run(~used, longest);
		begin = at + 64 - (unsigned)__builtin_clzll(used);
	}
	return N - begin > longest ? N - begin : longest;
}

static unsigned
count_bits(const uint64_t *bits)
{
	unsigned w, n = 0;

	for (w = 0; w < PCM_HUGE_NWORDS; w++)
		n += (unsigned)__builtin_popcountll(bits[w]);
	return n;
}

void
pcm_hugepage_init(struct pcm_hugepage *huge, char *base)
{
	*huge = (struct pcm_hugepage){ .base = base };
	memset(huge->cold, 0xff, sizeof(huge->cold));
	memset(huge->zero, 0xff, sizeof(huge->zero));
	huge->nfree = huge->ncold = huge->longest = (uint16_t)N;
}

/* A run of npages pages, aligned to a power of two of them, in begin ... end - 1. */
static bool
fits(unsigned begin, unsigned end, unsigned npages, unsigned align,
     unsigned *first)
{
	unsigned aligned = (begin + align - 1) & -align;

	if (aligned + npages > end)
		return false;
	*first = aligned;
	return true;
}

/*
 * The first aligned run of npages zeros in `busy`, a word at a time: `begin` is where
 * the run began that reaches up to this word, or `at` itself.
 */
static bool
find(const uint64_t *busy, unsigned npages, unsigned align, unsigned *first)
{
	unsigned at, begin = 0;

	for (at = 0; at < N; at += 64) {
		uint64_t left = busy[at / 64];

		/* Each turn ends a run at the lowest one, and drops the ones there. */
		while (left != 0) {
			unsigned end = (unsigned)__builtin_ctzll(left);
			uint64_t above = left + ((uint64_t)1 << end);

			if (fits(begin, at + end, npages, align, first))
				return true;
			begin = above == 0 ? at + 64 :
				at + (unsigned)__builtin_ctzll(above);
			left &= above;
		}
	}
	return fits(begin, N, npages, align, first);
}

/* Pages that are not free and warm. */
static void
not_warm(const struct pcm_hugepage *huge, uint64_t busy[PCM_HUGE_NWORDS])
{
	unsigned w;

	for (w = 0; w < PCM_HUGE_NWORDS; w++)
		busy[w] = huge->used[w] | huge->cold[w];
}

bool
pcm_hugepage_find(const struct pcm_hugepage *huge, unsigned npages,
		  unsigned align, unsigned *first)
{
	return find(huge->used, npages, align, first);
}

/* Who looks in vain leaves word for the next one. */
static void
note_no_warm(struct pcm_hugepage *huge, unsigned npages, unsigned align)
{
	if (align == 1)
		huge->warm_bound = (uint16_t)(npages - 1);
}

bool
pcm_hugepage_find_warm(struct pcm_hugepage *huge, unsigned npages,
		       unsigned align, unsigned *first)
{
	uint64_t busy[PCM_HUGE_NWORDS];

	if (huge->warm_bound < npages)
		return false;
	not_warm(huge, busy);
	if (find(busy, npages, align, first))
		return true;
	note_no_warm(huge, npages, align);
	return false;
}

/* The first run of zeros in `busy` in the home's own sectors; else in free ones, too. */
static enum pcm_whose
find_for(const struct pcm_hugepage *huge, const uint64_t *busy, unsigned npages,
	 unsigned align, unsigned home, enum pcm_whose least, unsigned *first)
{
	uint64_t own[PCM_HUGE_NWORDS], or_free[PCM_HUGE_NWORDS];
	bool any_own = false, any_free = false;
	unsigned w;

	for (w = 0; w < PCM_HUGE_NWORDS; w++) {
		bool is_own = huge->owner[w] == home;
		bool is_free = !is_own && huge->used[w] == 0;

		own[w] = is_own ? busy[w] : ~(uint64_t)0;
		or_free[w] = is_free ? busy[w] : own[w];
		any_own |= ~own[w] != 0;
		any_free |= is_free;
	}
	if (any_own && find(own, npages, align, first))
		return PCM_WHOSE_OWN;
	if (least <= PCM_WHOSE_FREE && any_free &&
	    find(or_free, npages, align, first))
		return PCM_WHOSE_FREE;
	return PCM_WHOSE_NONE;
}

enum pcm_whose
pcm_hugepage_find_for(const struct pcm_hugepage *huge, unsigned npages,
		      unsigned align, unsigned home, enum pcm_whose least,
		      unsigned *first)
{
	return find_for(huge, huge->used, npages, align, home, least, first);
}

enum pcm_whose
pcm_hugepage_find_warm_for(struct pcm_hugepage *huge, unsigned npages,
			   unsigned align, unsigned home, enum pcm_whose least,
			   unsigned *first)
{
	uint64_t busy[PCM_HUGE_NWORDS];
	enum pcm_whose whose;

	if (huge->warm_bound < npages)
		return PCM_WHOSE_NONE;
	not_warm(huge, busy);
	whose = find_for(huge, busy, npages, align, home, least, first);
	if (whose != PCM_WHOSE_NONE || least > PCM_WHOSE_ANY)
		return whose;
	if (find(busy, npages, align, first))
		return PCM_WHOSE_ANY;
	note_no_warm(huge, npages, align);
	return PCM_WHOSE_NONE;
}

void
pcm_hugepage_own(struct pcm_hugepage *huge, struct pcm_run run, unsigned home)
{
	unsigned w, last = (run.first + run.npages - 1) / 64;

	for (w = run.first / 64; w <= last; w++)
		if (huge->used[w] == 0)
			huge->owner[w] = (uint8_t)home;
}

bool
pcm_hugepage_is_zero(const struct pcm_hugepage *huge, struct pcm_run run)
{
	return next_bit(huge->zero, run.first, false) >=
		run.first + run.npages;
}

/* The run of free pages that page `at` lies in. */
static struct pcm_run
run_around(const struct pcm_hugepage *huge, unsigned at)
{
	struct pcm_run run = {
		.first = pcm_bits_end_before(huge->used, 1, at),
	};

	run.npages = next_bit(huge->used, at, true) - run.first;
	return run;
}

/*
 * `longest`, now that `taken` is no longer free, which lay in the free run `around`.
 * That was one of the longest, or it does not matter; and what is left of it is the
 * longest now if all other free pages together are no more.
 */
static unsigned
longest_without(const struct pcm_hugepage *huge, struct pcm_run taken,
		struct pcm_run around)
{
	unsigned left = taken.first - around.first;
	unsigned right = around.npages - left - taken.npages;
	unsigned longer = left > right ? left : right;

	if (around.npages < huge->longest)
		return huge->longest;
	if (huge->nfree - left - right <= longer)
		return longer;
	return longest_free(huge);
}

unsigned
pcm_hugepage_take(struct pcm_hugepage *huge, struct pcm_run run)
{
	unsigned w, last = (run.first + run.npages - 1) / 64, ncold = 0;
	struct pcm_run around = run_around(huge, run.first);

	for (w = run.first / 64; w <= last; w++) {
		uint64_t mask = mask_in_word(run, w);

		if (huge->cold[w] & mask)
			ncold += (unsigned)__builtin_popcountll(huge->cold[w] &
								mask);
		huge->used[w] |= mask;
		huge->cold[w] &= ~mask;
		huge->zero[w] &= ~mask;
	}
	huge->nfree = (uint16_t)(huge->nfree - run.npages);
	huge->ncold = (uint16_t)(huge->ncold - ncold);
	huge->longest = (uint16_t)longest_without(huge, run, around);
	return ncold;
}

void
pcm_hugepage_give(struct pcm_hugepage *huge, struct pcm_run run, bool cold)
{
	unsigned w, last = (run.first + run.npages - 1) / 64, length;

	for (w = run.first / 64; w <= last; w++) {
		uint64_t mask = mask_in_word(run, w);

		huge->used[w] &= ~mask;
		if (cold) {
			huge->cold[w] |= mask;
			huge->zero[w] |= mask;
		}
	}
	huge->nfree = (uint16_t)(huge->nfree + run.npages);
	if (cold)
		huge->ncold = (uint16_t)(huge->ncold + run.npages);
	length = run_around(huge, run.first).npages;
	if (length > huge->longest)
		huge->longest = (uint16_t)length;
	if (!cold && length > huge->warm_bound)
		huge->warm_bound = (uint16_t)length;
}

void
pcm_hugepage_warm_up(struct pcm_hugepage *huge)
{
	memset(huge->cold, 0, sizeof(huge->cold));
	huge->ncold = 0;
	huge->warm_bound = huge->longest;
}

bool
pcm_hugepage_is_free(const struct pcm_hugepage *huge, struct pcm_run run)
{
	return run.first + run.npages <= N &&
		next_bit(huge->used, run.first, true) >=
			run.first + run.npages;
}

bool
pcm_hugepage_next_warm(const struct pcm_hugepage *huge, unsigned from,
		       struct pcm_run *run)
{
	uint64_t busy[PCM_HUGE_NWORDS];

	not_warm(huge, busy);
	run->first = next_bit(busy, from, false);
	if (run->first == N)
		return false;
	run->npages = next_bit(busy, run->first, true) - run->first;
	return true;
}

/* The longest run of zeros, counted run by run. */
static unsigned
longest_by_runs(const uint64_t *busy)
{
	unsigned first, end, longest = 0;

	for (first = 0; first < N; first = end) {
		first = next_bit(busy, first, false);
		end = next_bit(busy, first, true);
		if (end - first > longest)
			longest = end - first;
	}
	return longest;
}

const char *
pcm_hugepage_check(const struct pcm_hugepage *huge)
{
	uint64_t busy[PCM_HUGE_NWORDS];
	unsigned w;

	for (w = 0; w < PCM_HUGE_NWORDS; w++) {
		if (huge->zero[w] & huge->used[w])
			return "zero & used = 0";
		if (huge->cold[w] & ~huge->zero[w])
			return "cold & ~zero = 0";
	}
	if (huge->nfree != N - count_bits(huge->used))
		return "nfree = 512 - popcount(used)";
	if (huge->ncold != count_bits(huge->cold))
		return "ncold = popcount(cold)";
	if (huge->longest != longest_by_runs(huge->used))
		return "longest = longest run of zeros in used";
	not_warm(huge, busy);
	if (huge->warm_bound < longest_by_runs(busy))
		return "warm_bound >= longest run of zeros in used | cold";
	if (huge->broken && huge->backed)
		return "broken => not backed";
	if (huge->broken && huge->ncold == N)
		return "broken => ncold < 512";
	return NULL;
}
