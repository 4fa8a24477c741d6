/*
 * work_batches: thousands of blocks of few sizes, all allocated and all freed,
 * so that magazines go through the depot and spans come and go.
 */
#include <malloc.h>

#include "faults.h"

static void batch(size_t size, unsigned n)
{
	while (n-- > 0)
		bank_malloc(&banks[0], size);
}

static void work(void)
{
	static const size_t sizes[] = { 16, 64, 500, 2000, 10000 };
	unsigned i;

	for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		batch(sizes[i], 1500);
		bank_thin(&banks[0]);
		batch(sizes[i], 700);
		bank_free_all(&banks[0]);
		if (i == 2)
			malloc_trim(0);
	}
	batch(100, 3000);
}

int main(int argc, char **argv)
{
	static const struct fault_work batches = {
		.name = "batches",
		.work = work,
		.kinds = 1u << FAULT_MMAP | 1u << FAULT_MADVISE |
			1u << FAULT_MEMBARRIER,
	};

	return faults_main(argc, argv, &batches);
}
