/*
 * work_aligned: alignments from 16 bytes to 4 MiB, where the ends of a mapping
 * that is not aligned are cut off.
 */
#include "faults.h"

static void work(void)
{
	static const size_t sizes[] = { 1,	  300,	     9000,
					200 * KIB, 700 * KIB, 2 * MIB };
	size_t align;
	unsigned i;

	for (align = 16; align <= 4 * MIB; align *= 4)
		for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
			bank_aligned(&banks[0], align, sizes[i]);
	bank_thin(&banks[0]);
	for (align = 8 * MIB; align >= 32; align /= 4)
		bank_aligned(&banks[0], align, align + 5);
	for (i = 0; i < banks[0].n; i += 2)
		bank_realloc(&banks[0], i, banks[0].block[i].n * 2);
}

int main(int argc, char **argv)
{
	static const struct fault_work aligned = {
		.name = "aligned",
		.work = work,
		.kinds = 1u << FAULT_MMAP | 1u << FAULT_MUNMAP,
	};

	return faults_main(argc, argv, &aligned);
}
