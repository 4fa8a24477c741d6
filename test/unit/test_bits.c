/*
 * bits.h against a model that has a byte for each bit.
 */
#include "unit.h"

#include <string.h>

#include "bits.h"

#define NWORDS 5u
#define NBITS (NWORDS * PCM_WORD_BITS)

static uint64_t bits[2 * NWORDS];
static unsigned int step;
static bool model[NBITS];
static uint64_t state;

static unsigned int below(unsigned int n)
{
	return (unsigned int)(rnd(&state) % n);
}

static unsigned int model_next(unsigned int from, unsigned int n, bool value)
{
	while (from < n && model[from] != value)
		from++;
	return from < n ? from : n;
}

static unsigned int model_end_before(unsigned int before)
{
	while (before > 0 && !model[before - 1])
		before--;
	return before;
}

static void compare(void)
{
	unsigned int i, n = 1 + below(NBITS);

	for (i = 0; i < NBITS; i++)
		must(pcm_bits_has(bits, step, i) == model[i]);
	for (i = 0; i <= NBITS; i++) {
		must(pcm_bits_next(bits, step, i, NBITS, true) ==
		     model_next(i, NBITS, true));
		must(pcm_bits_next(bits, step, i, NBITS, false) ==
		     model_next(i, NBITS, false));
		must(pcm_bits_next(bits, step, i, n, true) == model_next(i, n, true));
		must(pcm_bits_next(bits, step, i, n, false) == model_next(i, n, false));
		must(pcm_bits_end_before(bits, step, i) == model_end_before(i));
	}
}

START_TEST(random_runs)
{
	int round;

	step = 1 + (unsigned int)_i;
	state = testing_seed();
	compare();
	for (round = 0; round < 2000; round++) {
		unsigned int first = below(NBITS);
		unsigned int end = first + 1 + below(NBITS - first);
		bool value = below(2) == 1;

		pcm_bits_write(bits, step, first, end, value);
		memset(model + first, value, end - first);
		first = below(NBITS);
		value = below(2) == 1;
		pcm_bits_put(bits, step, first, value);
		model[first] = value;
		compare();
	}
}
END_TEST

/* All runs there are, on nothing and on everything. */
START_TEST(every_run)
{
	unsigned int first, end, i;
	bool value = _i % 2;

	step = 1 + (unsigned int)_i / 2;
	for (first = 0; first < NBITS; first++)
		for (end = first + 1; end <= NBITS; end++) {
			memset(bits, value ? 0 : 0xff, sizeof(bits));
			pcm_bits_write(bits, step, first, end, value);
			must(pcm_bits_next(bits, step, 0, NBITS, value) == first);
			must(pcm_bits_next(bits, step, first, NBITS, !value) == end);
			i = pcm_bits_next(bits, step, end, NBITS, value);
			must(i == NBITS);
			must(!value || pcm_bits_end_before(bits, step, NBITS) == end);
		}
}
END_TEST

int main(void)
{
	TCase *tests = unit_begin("bits");

	tcase_add_loop_test(tests, random_runs, 0, 2);
	tcase_add_loop_test(tests, every_run, 0, 4);
	return unit_end();
}
