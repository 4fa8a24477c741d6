/*
 * hugepage.c - runs of bits in 256.
 */
#include "hugepage.h"

#include <string.h>

#define N ((unsigned)PCM_HUGE_NPAGES)

/* First i >= from whose bit in `bits` is `value`; N if there is none. */
static unsigned
next_bit(const uint64_t *bits, unsigned from, bool value)
{
	while (from < N) {
		uint64_t word = bits[from / 64];

		if (!value)
			word = ~word;
		word &= ~(uint64_t)0 << (from % 64);
		if (word != 0)
			return from / 64 * 64 +
				(unsigned)__builtin_ctzll(word);
		from = (from / 64 + 1) * 64;
	}
	return N;
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

/* The lengths of the runs of zeros in `used`: their sum, and the greatest. */
static void
measure_free(const struct pcm_hugepage *huge, unsigned *nfree,
	     unsigned *longest)
{
	unsigned i = 0, end;

	*nfree = *longest = 0;
	for (;;) {
		i = next_bit(huge->used, i, false);
		if (i == N)
			return;
		end = next_bit(huge->used, i, true);
		*nfree += end - i;
		if (end - i > *longest)
			*longest = end - i;
		i = end;
	}
}

static unsigned
count_bits(const uint64_t *bits)
{
	unsigned w, n = 0;

	for (w = 0; w < PCM_HUGE_NWORDS; w++)
		n += (unsigned)__builtin_popcountll(bits[w]);
	return n;
}

static void
update(struct pcm_hugepage *huge)
{
	unsigned nfree, longest;

	measure_free(huge, &nfree, &longest);
	huge->nfree = (uint16_t)nfree;
	huge->ncold = (uint16_t)count_bits(huge->cold);
	huge->longest = (uint16_t)longest;
}

void
pcm_hugepage_init(struct pcm_hugepage *huge, char *base)
{
	*huge = (struct pcm_hugepage){ .base = base };
	memset(huge->cold, 0xff, sizeof(huge->cold));
	memset(huge->zero, 0xff, sizeof(huge->zero));
	update(huge);
}

/* The first aligned run of npages zeros in `busy`. */
static bool
find(const uint64_t *busy, unsigned npages, unsigned align, unsigned *first)
{
	unsigned i = 0, end;

	while (i < N) {
		i = next_bit(busy, i, false);
		end = next_bit(busy, i, true);
		i = (i + align - 1) / align * align;
		if (i + npages <= end) {
			*first = i;
			return true;
		}
		if (i < end)
			i = end;
	}
	return false;
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
	uint64_t busy[PCM_HUGE_NWORDS];

	if (huge->ncold != 0 && !pcm_hugepage_all_cold(huge)) {
		not_warm(huge, busy);
		if (find(busy, npages, align, first))
			return true;
	}
	return find(huge->used, npages, align, first);
}

bool
pcm_hugepage_is_zero(const struct pcm_hugepage *huge, struct pcm_run run)
{
	return next_bit(huge->zero, run.first, false) >=
		run.first + run.npages;
}

unsigned
pcm_hugepage_take(struct pcm_hugepage *huge, struct pcm_run run)
{
	unsigned w, ncold = 0;

	for (w = 0; w < PCM_HUGE_NWORDS; w++) {
		uint64_t mask = mask_in_word(run, w);

		ncold += (unsigned)__builtin_popcountll(huge->cold[w] & mask);
		huge->used[w] |= mask;
		huge->cold[w] &= ~mask;
		huge->zero[w] &= ~mask;
	}
	update(huge);
	return ncold;
}

void
pcm_hugepage_give(struct pcm_hugepage *huge, struct pcm_run run, bool cold)
{
	unsigned w;

	for (w = 0; w < PCM_HUGE_NWORDS; w++) {
		uint64_t mask = mask_in_word(run, w);

		huge->used[w] &= ~mask;
		if (cold) {
			huge->cold[w] |= mask;
			huge->zero[w] |= mask;
		}
	}
	update(huge);
}

void
pcm_hugepage_warm_up(struct pcm_hugepage *huge)
{
	memset(huge->cold, 0, sizeof(huge->cold));
	huge->ncold = 0;
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

const char *
pcm_hugepage_check(const struct pcm_hugepage *huge)
{
	unsigned w, nfree, longest;

	for (w = 0; w < PCM_HUGE_NWORDS; w++) {
		if (huge->zero[w] & huge->used[w])
			return "zero & used = 0";
		if (huge->cold[w] & ~huge->zero[w])
			return "cold & ~zero = 0";
	}
	measure_free(huge, &nfree, &longest);
	if (huge->nfree != nfree)
		return "nfree = 256 - popcount(used)";
	if (huge->ncold != count_bits(huge->cold))
		return "ncold = popcount(cold)";
	if (huge->longest != longest)
		return "longest = longest run of zeros in used";
	if (huge->broken && huge->backed)
		return "broken => not backed";
	if (huge->broken && huge->ncold == N)
		return "broken => ncold < 256";
	return NULL;
}
