/*
 * bits.h - runs of bits in arrays of 64-bit words.
 *
 * An array may be every other word of one that holds two, so that the same bits of both
 * lie in one cache line: `step` is 1 or 2, the distance of its words. Words are written by
 * relaxed stores, so that others may read single bits meanwhile.
 */
#ifndef PCM_BITS_H
#define PCM_BITS_H

#include <stdbool.h>
#include <stdint.h>

#include "compiler.h"

#define PCM_WORD_BITS 64u

PCM_ALWAYS_INLINE uint64_t
pcm_bits_word(const uint64_t *bits, unsigned step, unsigned word)
{
	return __atomic_load_n(&bits[word * step], __ATOMIC_RELAXED);
}

PCM_ALWAYS_INLINE bool
pcm_bits_has(const uint64_t *bits, unsigned step, unsigned at)
{
	return pcm_bits_word(bits, step, at / PCM_WORD_BITS) >>
			(at % PCM_WORD_BITS) & 1;
}

PCM_ALWAYS_INLINE void
pcm_bits_put(uint64_t *bits, unsigned step, unsigned at, bool value)
{
	uint64_t *word = &bits[at / PCM_WORD_BITS * step];
	uint64_t bit = (uint64_t)1 << (at % PCM_WORD_BITS);

	__atomic_store_n(word, value ? *word | bit : *word & ~bit,
			 __ATOMIC_RELAXED);
}

/*
 * The first i >= from, i < n, whose bit is `value`; n if there is none. What lies
 * above n in the last word does not matter.
 */
PCM_ALWAYS_INLINE unsigned
pcm_bits_next(const uint64_t *bits, unsigned step, unsigned from, unsigned n,
	      bool value)
{
	unsigned w = from / PCM_WORD_BITS, rest = from % PCM_WORD_BITS;
	uint64_t flip = value ? 0 : ~(uint64_t)0, word;

	if (from >= n)
		return n;
	word = (pcm_bits_word(bits, step, w) ^ flip) >> rest;
	for (; word == 0; rest = 0) {
		from += PCM_WORD_BITS - rest;
		if (from >= n)
			return n;
		word = pcm_bits_word(bits, step, ++w) ^ flip;
	}
	from += (unsigned)__builtin_ctzll(word);
	return from < n ? from : n;
}

/* One more than the last i < before whose bit is set; 0 if there is none. */
PCM_ALWAYS_INLINE unsigned
pcm_bits_end_before(const uint64_t *bits, unsigned step, unsigned before)
{
	unsigned w = before / PCM_WORD_BITS, rest = before % PCM_WORD_BITS;
	uint64_t word = 0;

	if (rest != 0)
		word = pcm_bits_word(bits, step, w) << (PCM_WORD_BITS - rest);
	for (; word == 0; rest = PCM_WORD_BITS) {
		before -= rest;
		if (before == 0)
			return 0;
		word = pcm_bits_word(bits, step, --w);
	}
	return before - (unsigned)__builtin_clzll(word);
}

/* Bits first ... end - 1, first < end. */
PCM_ALWAYS_INLINE void
pcm_bits_write(uint64_t *bits, unsigned step, unsigned first, unsigned end,
	       bool value)
{
	unsigned w = first / PCM_WORD_BITS, last = (end - 1) / PCM_WORD_BITS;
	uint64_t mask = ~(uint64_t)0 << (first % PCM_WORD_BITS);

	for (; w <= last; w++, mask = ~(uint64_t)0) {
		uint64_t word = bits[w * step];

		if (w == last)
			mask &= ~(uint64_t)0 >>
				(PCM_WORD_BITS - 1 - (end - 1) % PCM_WORD_BITS);
		word = value ? word | mask : word & ~mask;
		__atomic_store_n(&bits[w * step], word, __ATOMIC_RELAXED);
	}
}

#endif
