/*
 * The table of claims.h. A bucket is a few words; a claim is an address in one
 * of them. Whoever claims writes first and looks for a second claim on the same
 * address afterwards: of two, at least one sees the other.
 */
#include "claims.h"

#include <stdatomic.h>
#include <sys/mman.h>

#define NBUCKETS 65536u
#define NWORDS 8u
#define NSLOTS 1024u
#define BURST_MAX 100
/* A burst stays below this many bytes. */
#define BURST_BYTES ((size_t)256 << 10)
/* A class that has magazines from its first block on. */
#define SMALL 64

struct block {
	uint64_t n, seed;
	unsigned char bytes[];
};

static _Atomic(uintptr_t) (*buckets)[NWORDS];
static _Atomic(struct block *) slots[NSLOTS];
static atomic_ulong nclaims, ndropped;

/* Small classes, some with short magazines. */
static const size_t sizes[] = { 16, 24, 64, 256, 1000, 5000, 30000 };
#define NSIZES (sizeof(sizes) / sizeof(sizes[0]))

void claims_start(void)
{
	buckets = mmap(NULL, NBUCKETS * sizeof(*buckets),
		       PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
		       0);
	must(buckets != MAP_FAILED);
}

static _Atomic(uintptr_t) *bucket_of(const void *p)
{
	uint64_t state = (uintptr_t)p;

	return buckets[rnd(&state) % NBUCKETS];
}

__attribute__((noreturn, cold)) static void twice(const void *p)
{
	char text[80];
	int n = snprintf(text, sizeof(text), "%p was handed out twice\n", p);

	if (write(2, text, (size_t)n) < 0)
		_exit(2);
	_exit(1);
}

static void claim(const void *p)
{
	_Atomic(uintptr_t) *bucket = bucket_of(p);
	unsigned int mine = 0, i;
	uintptr_t none = 0;

	while (!atomic_compare_exchange_strong(&bucket[mine], &none,
					       (uintptr_t)p)) {
		if (none == (uintptr_t)p)
			twice(p);
		none = 0;
		must(++mine < NWORDS);
	}
	for (i = 0; i < NWORDS; i++)
		if (i != mine && atomic_load(&bucket[i]) == (uintptr_t)p)
			twice(p);
	atomic_fetch_add_explicit(&nclaims, 1, memory_order_relaxed);
}

static void drop(const void *p)
{
	_Atomic(uintptr_t) *bucket = bucket_of(p);
	unsigned int i = 0;

	while (atomic_load(&bucket[i]) != (uintptr_t)p)
		must(++i < NWORDS);
	atomic_store(&bucket[i], 0);
	atomic_fetch_add_explicit(&ndropped, 1, memory_order_relaxed);
}

void claims_take(void *p, size_t n, uint64_t *state)
{
	struct block *block = p;

	must(block);
	claim(block);
	block->n = n - sizeof(*block);
	block->seed = rnd(state);
	fill(block->bytes, block->n, block->seed);
}

void claims_drop(void *p)
{
	struct block *block = p;

	must(filled(block->bytes, block->n, block->seed));
	drop(block);
	/* Whoever frees it twice finds a pattern that is not its own. */
	block->seed = ~block->seed;
}

void *claims_new(size_t n, uint64_t *state)
{
	void *p = malloc(n);

	claims_take(p, n, state);
	return p;
}

void claims_delete(void *p)
{
	if (!p)
		return;
	claims_drop(p);
	free(p);
}

void claims_step(uint64_t *state)
{
	struct block *old[BURST_MAX];
	size_t n = sizes[rnd(state) % NSIZES];
	size_t count = rnd_between(state, 1, BURST_MAX), i;

	claims_delete(claims_new(SMALL, state));
	if (count > BURST_BYTES / n)
		count = BURST_BYTES / n;
	for (i = 0; i < count; i++) {
		struct block *block = claims_new(n, state);

		old[i] = atomic_exchange(&slots[rnd(state) % NSLOTS], block);
		if (rnd(state) % 2) {
			claims_delete(old[i]);
			old[i] = NULL;
		}
	}
	for (i = 0; i < count; i++)
		claims_delete(old[i]);
}

void claims_steps(int n, uint64_t *state)
{
	while (n-- > 0)
		claims_step(state);
}

void claims_end(void)
{
	size_t i;

	for (i = 0; i < NSLOTS; i++)
		claims_delete(atomic_exchange(&slots[i], NULL));
	must(atomic_load(&nclaims) == atomic_load(&ndropped));
}

unsigned long claims_count(void)
{
	return atomic_load(&nclaims);
}
