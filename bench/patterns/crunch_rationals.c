/*
 * Sums of 1/(a+1) + 1/(a+2) + ... + 1/(a+n), exactly. A number is a list of
 * limbs, the lowest first, a block each; numbers are never changed, every
 * operation makes a new one and the old one is freed as a whole.
 */
#include "crunch.h"

#define SUMS 600
#define TERMS 500
#define START_HIGH 5000

struct limb {
	struct limb *next;
	uint32_t digit;
};

static struct limb *new_limb(uint32_t digit)
{
	struct limb *limb = harness_got(malloc(sizeof(*limb)), sizeof(*limb));

	limb->digit = digit;
	limb->next = NULL;
	return limb;
}

static void drop(struct limb *a)
{
	while (a != NULL) {
		struct limb *next = a->next;

		free(a);
		harness_account(-(int64_t)sizeof(*a));
		a = next;
	}
}

/* a * factor, a new number. */
static struct limb *times(const struct limb *a, uint32_t factor)
{
	struct limb *first = NULL, **end = &first;
	uint64_t carry = 0;

	for (; a != NULL || carry != 0; end = &(*end)->next) {
		if (a != NULL) {
			carry += (uint64_t)a->digit * factor;
			a = a->next;
		}
		*end = new_limb((uint32_t)carry);
		carry >>= 32;
	}
	return first;
}

/* a + b, a new number. */
static struct limb *plus(const struct limb *a, const struct limb *b)
{
	struct limb *first = NULL, **end = &first;
	uint64_t carry = 0;

	for (; a != NULL || b != NULL || carry != 0; end = &(*end)->next) {
		if (a != NULL) {
			carry += a->digit;
			a = a->next;
		}
		if (b != NULL) {
			carry += b->digit;
			b = b->next;
		}
		*end = new_limb((uint32_t)carry);
		carry >>= 32;
	}
	return first;
}

static uint32_t residue(const struct limb *a)
{
	uint32_t sum = 0, weight = 1;

	for (; a != NULL; a = a->next) {
		sum = crunch_add(sum, crunch_mul(a->digit % CRUNCH_PRIME,
						 weight));
		weight = crunch_mul(weight, (uint32_t)((1ull << 32) %
						       CRUNCH_PRIME));
	}
	return sum;
}

struct fraction {
	struct limb *above, *below;
	uint32_t above_mod, below_mod;	/* what they must be */
};

/* above/below + 1/k = (above * k + below) / (below * k) */
static void add_term(struct fraction *sum, uint32_t k)
{
	struct limb *scaled = times(sum->above, k);
	struct limb *above = plus(scaled, sum->below);
	struct limb *below = times(sum->below, k);

	drop(scaled);
	drop(sum->above);
	drop(sum->below);
	sum->above = above;
	sum->below = below;
	sum->above_mod = crunch_add(crunch_mul(sum->above_mod, k),
				    sum->below_mod);
	sum->below_mod = crunch_mul(sum->below_mod, k);
}

static void sum_terms(uint32_t start)
{
	struct fraction sum = { .below = new_limb(1), .below_mod = 1 };

	for (uint32_t i = 1; i <= TERMS; i++)
		add_term(&sum, start + i);
	if (residue(sum.above) != sum.above_mod ||
	    residue(sum.below) != sum.below_mod)
		measure_die("a sum of fractions is wrong");
	drop(sum.above);
	drop(sum.below);
}

void crunch_rationals(int index)
{
	uint64_t random = harness_stream(index);
	long n = harness_scaled(SUMS);

	for (long i = 0; i < n; i++)
		sum_terms((uint32_t)harness_between(&random, 0, START_HIGH));
}
