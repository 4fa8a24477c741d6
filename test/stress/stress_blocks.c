/*
 * Verified blocks and the random mix of operations on them (contract in
 * stress_blocks.h). Uses the malloc under test, and stress.c for the rest.
 */
#include "stress_blocks.h"

#include <errno.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>

#define WORD sizeof(uint64_t)
/* Blocks up to this size are always filled and checked in full. */
#define FULL_MAX ((size_t)16 << 10)
/* Of larger ones both ends are, and one word in SAMPLE_STRIDE between. */
#define SAMPLE_ENDS 32
#define SAMPLE_STRIDE 128
#define MAX_BURST 512
/* From 8 bytes to 64 KiB. */
#define NALIGNMENTS 14
#define RESIZE_MAX ((size_t)8 << 20)

static uint64_t pattern(uint64_t key, size_t i)
{
	uint64_t x = key + i * 0x9e3779b97f4a7c15ull;

	return x ^ (x >> 31);
}

/* The word after word i that the pattern covers; nwords at the end. */
static size_t next_word(const struct block *b, size_t i, size_t nwords)
{
	size_t next = i + SAMPLE_STRIDE;

	if (b->full || i < SAMPLE_ENDS || i + SAMPLE_ENDS >= nwords)
		return i + 1;
	if (next + SAMPLE_ENDS > nwords)
		next = nwords - SAMPLE_ENDS;
	return next;
}

static void store(unsigned char *p, uint64_t word, size_t nbytes)
{
	memcpy(p, &word, nbytes);
}

static void fill(struct block *b, struct rng *r)
{
	size_t nwords = b->n / WORD;

	b->key = mix64(stress_seed() ^ (uintptr_t)b->p ^ (b->n << 20));
	b->by = stress_thread;
	b->full = b->n <= FULL_MAX || rng_once_in(r, 64);
	for (size_t i = 0; i < nwords; i = next_word(b, i, nwords))
		store(b->p + i * WORD, pattern(b->key, i), WORD);
	store(b->p + nwords * WORD, pattern(b->key, nwords), b->n % WORD);
}

_Noreturn __attribute__((cold))
static void spoiled(const struct block *b, const unsigned char *p, size_t i)
{
	uint64_t want = pattern(b->key, i);
	size_t byte = 0;

	while (byte < WORD - 1 &&
	       p[i * WORD + byte] == ((unsigned char *)&want)[byte])
		byte++;
	stress_fail("byte %zu of %zu at %p (%s, filled by thread %d at %p) "
		    "is 0x%02x, not 0x%02x", i * WORD + byte, b->n,
		    (const void *)p, b->how, b->by, (void *)b->p,
		    p[i * WORD + byte], ((unsigned char *)&want)[byte]);
}

/* Compares the first n bytes at p with b's pattern. */
static void verify(const struct block *b, const unsigned char *p, size_t n)
{
	size_t nwords = b->n / WORD;
	size_t i = 0;
	uint64_t word;

	for (; i < nwords && (i + 1) * WORD <= n; i = next_word(b, i, nwords)) {
		memcpy(&word, p + i * WORD, WORD);
		if (word != pattern(b->key, i))
			spoiled(b, p, i);
	}
	if (i * WORD >= n)
		return;
	word = pattern(b->key, i);
	if (memcmp(p + i * WORD, &word, n - i * WORD) != 0)
		spoiled(b, p, i);
}

void block_verify(const struct block *b)
{
	verify(b, b->p, b->n);
}

/* Looks where the pattern will be written, and at the bytes after it. */
static void check_zero(const struct block *b)
{
	size_t nwords = b->n / WORD;
	size_t i = 0;
	uint64_t word = 0;

	for (; i < nwords && word == 0; i = next_word(b, i, nwords))
		memcpy(&word, b->p + i * WORD, WORD);
	if (word == 0)
		memcpy(&word, b->p + nwords * WORD, b->n % WORD);
	if (word != 0)
		stress_fail("calloc of %zu bytes at %p holds 0x%llx before "
			    "word %zu", b->n, (void *)b->p,
			    (unsigned long long)word, i);
}

static void check(struct block *b, size_t align)
{
	size_t usable;

	if (b->p == NULL)
		stress_fail("%s of %zu bytes (alignment %zu) gave NULL: %s",
			    b->how, b->n, align, strerror(errno));
	if ((uintptr_t)b->p % align != 0)
		stress_fail("%s of %zu bytes: %p is not aligned to %zu",
			    b->how, b->n, (void *)b->p, align);
	usable = malloc_usable_size(b->p);
	if (usable < b->n)
		stress_fail("%s of %zu bytes at %p: usable size %zu",
			    b->how, b->n, (void *)b->p, usable);
}

/* Programs use what malloc_usable_size promises; so do some blocks. */
static void widen(struct block *b, struct rng *r)
{
	if (rng_once_in(r, 8))
		b->n = malloc_usable_size(b->p);
}

static size_t natural_alignment(size_t n)
{
	return n > 8 ? 16 : 8;
}

void block_get_aligned(struct block *b, struct rng *r, size_t align, size_t n)
{
	void *p = NULL;

	b->n = n;
	switch (rng_below(r, 3)) {
	case 0:
		b->how = "posix_memalign";
		errno = posix_memalign(&p, align, n);
		break;
	case 1:
		b->how = "aligned_alloc";
		p = aligned_alloc(align, n);
		break;
	default:
		b->how = "memalign";
		p = memalign(align, n);
		break;
	}
	b->p = p;
	check(b, align);
	widen(b, r);
	fill(b, r);
}

/*
 * One way in ways(n) is an aligned block, three are calloc: clearing large
 * blocks would take most of the time, and aligned blocks of 0 bytes are rare.
 */
static size_t ways(size_t n)
{
	if (n == 0)
		return 6;
	return n > FULL_MAX ? 64 : 16;
}

void block_get(struct block *b, struct rng *r, size_t n)
{
	size_t choice = rng_below(r, ways(n));

	/* jemalloc 5.3 forgets the alignment of 0 bytes. */
	if (choice == 0 && !(n == 0 && stress_any())) {
		block_get_aligned(b, r, WORD << rng_below(r, NALIGNMENTS), n);
		return;
	}
	b->n = n;
	if (choice <= 3) {
		b->how = "calloc";
		b->p = rng_once_in(r, 2) ? calloc(n, 1) : calloc(1, n);
	} else if (choice == 4) {
		b->how = "realloc of NULL";
		b->p = realloc(NULL, n);
	} else {
		b->how = "malloc";
		b->p = malloc(n);
	}
	check(b, natural_alignment(n));
	b->full = n <= FULL_MAX || rng_once_in(r, 64);
	if (choice >= 1 && choice <= 3)
		check_zero(b);
	widen(b, r);
	fill(b, r);
}

void block_resize(struct block *b, struct rng *r, size_t n)
{
	struct block old = *b;

	block_verify(b);
	b->n = n;
	if (rng_once_in(r, 4)) {
		b->how = "reallocarray";
		b->p = reallocarray(old.p, n, 1);
	} else {
		b->how = "realloc";
		b->p = realloc(old.p, n);
	}
	check(b, natural_alignment(n));
	verify(&old, b->p, n < old.n ? n : old.n);
	widen(b, r);
	fill(b, r);
}

void block_put(struct block *b)
{
	block_verify(b);
	free(b->p);
	b->p = NULL;
}

size_t size_pick(struct rng *r)
{
	size_t percent = rng_below(r, 200);

	if (percent < 110)
		return 1 + rng_below(r, 512);
	if (percent < 170)
		return 1 + rng_below(r, (size_t)8 << 10);
	if (percent < 190)
		return 1 + rng_below(r, (size_t)64 << 10);
	if (percent < 199)
		return 1 + rng_below(r, SWEEP_MAX);
	return 1 + rng_below(r, (size_t)6 << 20);
}

bool slot_swap(struct slot *s, struct block *mine)
{
	struct block theirs;

	if (atomic_exchange_explicit(&s->busy, true, memory_order_acquire))
		return false;
	theirs = s->block;
	s->block = *mine;
	atomic_store_explicit(&s->busy, false, memory_order_release);
	*mine = theirs;
	return true;
}

void mix_step(struct mix *m)
{
	struct rng *r = &m->rng;
	struct block *b = &m->local[rng_below(r, m->nlocal)];
	size_t choice = rng_below(r, 100);

	if (b->p == NULL)
		block_get(b, r, rng_once_in(r, 64) ? 0 : size_pick(r));
	else if (choice < 45)
		block_put(b);
	else if (choice < 60)
		block_resize(b, r, size_pick(r));
	else if (choice < 65)
		block_resize(b, r, 1 + rng_below(r, 2 * b->n + 1) % RESIZE_MAX);
	else if (choice < 70)
		block_verify(b);
	else if (m->nshared > 0)
		slot_swap(&m->shared[rng_below(r, m->nshared)], b);
}

static void check_tag(uint64_t **p, size_t i, uint64_t tag, size_t n)
{
	if (*p[i] != tag + i)
		stress_fail("block %zu of a burst of %zu bytes at %p holds "
			    "0x%llx, not 0x%llx", i, n, (void *)p[i],
			    (unsigned long long)*p[i],
			    (unsigned long long)(tag + i));
}

void mix_burst(struct rng *r, unsigned most)
{
	uint64_t *p[MAX_BURST];
	size_t count = 1 + rng_below(r, most < MAX_BURST ? most : MAX_BURST);
	size_t n = WORD << rng_below(r, 7);
	uint64_t tag = rng_next(r);
	bool lifo = rng_once_in(r, 2);

	for (size_t i = 0; i < count; i++) {
		p[i] = malloc(n);
		if (p[i] == NULL)
			stress_fail("malloc of %zu bytes gave NULL", n);
		*p[i] = tag + i;
	}
	for (size_t i = 0; i < count; i++) {
		size_t at = lifo ? count - 1 - i : i;

		check_tag(p, at, tag, n);
		free(p[at]);
	}
}

void mix_put_all(struct mix *m)
{
	for (unsigned i = 0; i < m->nlocal; i++)
		if (m->local[i].p != NULL)
			block_put(&m->local[i]);
}

void mix_drain(struct slot *shared, unsigned nshared)
{
	for (unsigned i = 0; i < nshared; i++) {
		struct block b = { .p = NULL };

		if (slot_swap(&shared[i], &b) && b.p != NULL)
			block_put(&b);
	}
}
