/*
 * A small process: some MiB of live blocks of 16 to 1024 bytes, written.
 *
 *	live [MIB]	5 if not given
 */
#include "measure.h"

#define MIB ((size_t)1 << 20)
#define SMALLEST 16
#define LARGEST 1024

struct block {
	struct block *next;
};

int main(int argc, char **argv)
{
	size_t nbytes = (argc > 1 ? strtoul(argv[1], NULL, 10) : 5) * MIB;
	struct block *list = NULL;
	uint64_t random = 1;
	size_t sum = 0;

	while (sum < nbytes) {
		size_t n = SMALLEST + measure_random(&random) %
			(LARGEST - SMALLEST + 1);
		struct block *block = malloc(n);

		if (block == NULL)
			measure_die("live: no memory");
		memset(block, 1, n);
		block->next = list;
		list = block;
		sum += n;
	}
	measure_use(list);
	measure_print("rss_kib", measure_rss_kib());
	measure_print("huge_kib", measure_huge_kib());
	return 0;
}
