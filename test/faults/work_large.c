/*
 * work_large: blocks from the page heap and blocks that are mappings; one of the
 * latter larger than what is kept after free().
 */
#include "faults.h"

#define MANY 80

static void work(void)
{
	unsigned i;

	for (i = 0; i < 12; i++) {
		bank_malloc(&banks[0], (257 + 70 * i) * KIB);
		bank_malloc(&banks[0], (1100 + 900 * i) * KIB);
	}
	bank_thin(&banks[0]);
	for (i = 0; i < 12; i++)
		bank_malloc(&banks[0], (300 + 300 * i) * KIB);
	bank_free_all(&banks[0]);
	for (i = 0; i < MANY; i++)
		bank_malloc(&banks[0], MIB + 4 * i * KIB + 1);
	bank_thin(&banks[0]);
	bank_free_all(&banks[0]);
	bank_malloc(&banks[0], 130 * MIB);
	bank_free_all(&banks[0]);
}

int main(int argc, char **argv)
{
	static const struct fault_work large = {
		.name = "large",
		.work = work,
		.kinds = 1u << FAULT_MMAP | 1u << FAULT_MUNMAP,
		.most = 20,
	};

	return faults_main(argc, argv, &large);
}
