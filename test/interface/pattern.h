/*
 * What every test program needs, without a library behind it: must(), a
 * replayable generator of numbers, and byte patterns that tell one block from
 * any other.
 *
 * Usable from C and C++, in dynamic and static programs, with glibc and musl.
 * Nothing here allocates; fill() and filled() may be called in signal handlers.
 */
#ifndef PCM_TEST_PATTERN_H
#define PCM_TEST_PATTERN_H

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Ends the process with status 1 and one line on fd 2 unless @cond holds. */
#define must(cond)                                                           \
	((cond) ? (void)0 : must_failed(#cond, __FILE__, __LINE__))

__attribute__((noreturn, cold)) static inline void
must_failed(const char *what, const char *file, int line)
{
	int error = errno;
	char text[512];
	int n;

	n = snprintf(text, sizeof(text), "%s:%d: must hold: %s (errno %d)\n",
		     file, line, what, error);
	if (n > (int)sizeof(text) - 1)
		n = (int)sizeof(text) - 1;
	if (write(2, text, (size_t)n) < 0)
		_exit(2);
	_exit(1);
}

/* splitmix64: the next number of the sequence that *@state stands for. */
static inline uint64_t rnd(uint64_t *state)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15u;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return z ^ (z >> 31);
}

/* A number in [lo, hi]. */
static inline size_t rnd_between(uint64_t *state, size_t lo, size_t hi)
{
	return lo + (size_t)(rnd(state) % (hi - lo + 1));
}

static inline uint64_t pattern_word(uint64_t seed, size_t i)
{
	return (seed + i) * 0x9e3779b97f4a7c15u;
}

/* Writes @n bytes at @p that depend on @seed and on the place in the block. */
static inline void fill(void *p, size_t n, uint64_t seed)
{
	unsigned char *to = (unsigned char *)p;
	uint64_t word;
	size_t i;

	for (i = 0; i + 8 <= n; i += 8) {
		word = pattern_word(seed, i / 8);
		__builtin_memcpy(to + i, &word, 8);
	}
	word = pattern_word(seed, i / 8);
	memcpy(to + i, &word, n - i);
}

/* Are the @n bytes at @p still what fill(p, n or more, seed) wrote there? */
static inline int filled(const void *p, size_t n, uint64_t seed)
{
	const unsigned char *from = (const unsigned char *)p;
	uint64_t word;
	size_t i;

	for (i = 0; i + 8 <= n; i += 8) {
		__builtin_memcpy(&word, from + i, 8);
		if (word != pattern_word(seed, i / 8))
			return 0;
	}
	word = pattern_word(seed, i / 8);
	return memcmp(from + i, &word, n - i) == 0;
}

/* Are the @n bytes at @p all @byte? */
static inline int all_bytes(const void *p, size_t n, unsigned char byte)
{
	const unsigned char *from = (const unsigned char *)p;

	return n == 0 || (from[0] == byte && !memcmp(from, from + 1, n - 1));
}

#endif
