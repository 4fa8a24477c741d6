/*
 * fault_bank.c - blocks that are alive, and their contents.
 *
 * Of a block the first page is filled, and of the rest STRIPE bytes at every
 * STRIDE: enough to notice a page that was lost or given twice.
 */
#include <malloc.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "faults.h"

#define FILLED ((size_t)4096)
#define STRIDE ((size_t)64 << 10)
#define STRIPE ((size_t)64)

/* What errno is before a call, and after one that succeeds. */
#define NO_ERRNO 4711

struct bank banks[NBANKS];

static atomic_ulong nulls;

static size_t least(size_t a, size_t b)
{
	return a < b ? a : b;
}

static void write_pattern(const struct block *b, size_t from)
{
	size_t at;

	if (from < FILLED)
		fill(b->p, least(b->n, FILLED), b->seed);
	for (at = STRIDE; at < b->n; at += STRIDE)
		if (at + STRIPE > from)
			fill(b->p + at, least(b->n - at, STRIPE), b->seed + at);
}

/* Of the first n bytes, which the block may have had for long. */
static void check_pattern(const struct block *b, size_t n)
{
	size_t at;

	must(filled(b->p, least(n, FILLED), b->seed));
	for (at = STRIDE; at < n; at += STRIDE)
		must(filled(b->p + at, least(n - at, STRIPE), b->seed + at));
}

unsigned long bank_nulls(void)
{
	return atomic_load(&nulls);
}

static bool got(const void *p)
{
	if (p == NULL) {
		must(errno == ENOMEM);
		atomic_fetch_add(&nulls, 1);
		return false;
	}
	must(errno == NO_ERRNO);
	return true;
}

static bool enter(struct bank *bank, void *p, size_t n)
{
	struct block *b = &bank->block[bank->n];

	if (!got(p))
		return false;
	must(bank->n < BANK_BLOCKS);
	must(malloc_usable_size(p) >= n);
	*b = (struct block){ p, n, rnd(&bank->state) };
	write_pattern(b, 0);
	bank->n++;
	return true;
}

bool bank_malloc(struct bank *bank, size_t n)
{
	errno = NO_ERRNO;
	return enter(bank, malloc(n), n);
}

bool bank_calloc(struct bank *bank, size_t n)
{
	unsigned char *p;

	errno = NO_ERRNO;
	p = calloc(1, n);
	must(p == NULL || all_bytes(p, n, 0));
	return enter(bank, p, n);
}

/* In turns by the functions that there are. */
bool bank_aligned(struct bank *bank, size_t align, size_t n)
{
	void *p = NULL;
	int error;

	errno = NO_ERRNO;
	if (bank->n % 2 == 0) {
		p = aligned_alloc(align, n);
	} else {
		error = posix_memalign(&p, align, n);
		must(error == 0 || error == ENOMEM);
		must((error == 0) == (p != NULL));
		must(errno == NO_ERRNO);
		errno = error != 0 ? error : NO_ERRNO;
	}
	must((uintptr_t)p % align == 0);
	return enter(bank, p, n);
}

bool bank_realloc(struct bank *bank, unsigned i, size_t n)
{
	struct block *b = &bank->block[i];
	unsigned char *p;
	size_t old;

	if (i >= bank->n)
		return false;
	old = b->n;
	errno = NO_ERRNO;
	p = realloc(b->p, n);
	if (!got(p)) {
		must(n > old); /* shrinking does not fail */
		check_pattern(b, old);
		return false;
	}
	must(malloc_usable_size(p) >= n);
	b->p = p;
	b->n = n;
	check_pattern(b, least(old, n));
	write_pattern(b, least(old, n));
	return true;
}

void bank_free(struct bank *bank, unsigned i)
{
	struct block *b = &bank->block[i];

	check_pattern(b, b->n);
	errno = NO_ERRNO;
	free(b->p);
	must(errno == NO_ERRNO);
	*b = bank->block[--bank->n];
}

void bank_thin(struct bank *bank)
{
	unsigned i;

	for (i = 0; i < bank->n; i++)
		bank_free(bank, i);
}

void bank_free_all(struct bank *bank)
{
	while (bank->n > 0)
		bank_free(bank, bank->n - 1);
}

void bank_check(const struct bank *bank)
{
	unsigned i;

	for (i = 0; i < bank->n; i++)
		check_pattern(&bank->block[i], bank->block[i].n);
}
