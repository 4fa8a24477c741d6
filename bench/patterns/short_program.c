/*
 * The program that short_lived.c starts: short_program nothing|100k [report].
 * Prints its resident memory at the end if it is told to report.
 */
#include "harness.h"

#define TOTAL (100 << 10)
#define LOW 20
#define HIGH 2000
#define SLOTS (TOTAL / LOW)

static void allocate(void)
{
	static void *blocks[SLOTS];
	uint64_t random = 1;
	size_t total = 0;

	for (uint32_t i = 0; total < TOTAL; i++) {
		size_t n = harness_between(&random, LOW, HIGH);

		blocks[i] = harness_get(n, i);
		total += n;
	}
	/* Every other one is freed, the rest left, as programs do. */
	random = 1;
	for (uint32_t i = 0; i < SLOTS && blocks[i] != NULL; i++) {
		size_t n = harness_between(&random, LOW, HIGH);

		if (i % 2 == 0)
			harness_put(blocks[i], n, i);
	}
}

int main(int argc, char **argv)
{
	if (argc > 1 && strcmp(argv[1], "nothing") != 0)
		allocate();
	if (argc > 2)
		harness_print("child_kib", measure_rss_kib());
	return 0;
}
