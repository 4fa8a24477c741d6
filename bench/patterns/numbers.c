/*
 * Number and symbol crunching in small blocks by one thread. mode= rationals
 * (exact sums of fractions on numbers that are lists of limbs, a block each)
 * or symbols (expression trees are derived and simplified, a block per node).
 * Every result is checked by arithmetic modulo a prime.
 */
#include "crunch.h"

static const char *const modes[] = { "rationals", "symbols", NULL };

int main(int argc, char **argv)
{
	harness_options(argc, argv, 1, modes);
	harness_start();
	harness_threads(harness.mode == 0 ? crunch_rationals :
					    crunch_symbols);
	harness_stop();
	return harness_report();
}
