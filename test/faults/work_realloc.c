/*
 * work_realloc: blocks that grow from bytes to megabytes, alone and in each
 * other's way, in place and by moving, and shrink again.
 */
#include <malloc.h>

#include "faults.h"

#define GROWING 3

/* Block i is the one that was entered as the i-th, if none is missing. */
static void grow_in_turns(struct bank *bank, size_t to)
{
	unsigned i;
	size_t n;

	for (i = 0; i < GROWING; i++)
		if (!bank_malloc(bank, 40 + i))
			return;
	for (n = 100; n < to; n += n / 2)
		for (i = 0; i < GROWING; i++)
			bank_realloc(bank, i, n + i);
}

/* Mappings that grow by little: the system may let them grow in place. */
static void grow_steadily(struct bank *bank)
{
	unsigned i;

	if (!bank_malloc(bank, MIB + 1) || !bank_malloc(bank, 2 * MIB))
		return;
	for (i = 0; i < 10; i++) {
		bank_realloc(bank, 0, (2 + 2 * i) * MIB + 5);
		bank_malloc(bank, 1500 * KIB);
		bank_realloc(bank, 1, 5 * MIB - i * 64 * KIB);
	}
}

/* Within the page heap: in place if the pages behind are free. */
static void grow_pages(struct bank *bank)
{
	unsigned i;

	if (!bank_malloc(bank, 260 * KIB))
		return;
	for (i = 0; i < 8; i++)
		bank_realloc(bank, 0, (300 + 90 * i) * KIB);
	bank_realloc(bank, 0, 270 * KIB);
	bank_malloc(bank, 300 * KIB);
	bank_realloc(bank, 0, 900 * KIB);
}

static void shrink(struct bank *bank)
{
	unsigned i;

	for (i = 0; i < bank->n; i++)
		while (bank->block[i].n > 100)
			bank_realloc(bank, i, bank->block[i].n / 3);
}

static void work(void)
{
	grow_in_turns(&banks[0], 6 * MIB);
	grow_steadily(&banks[1]);
	grow_pages(&banks[2]);
	shrink(&banks[0]);
	shrink(&banks[1]);
	malloc_trim(0); /* unmaps what was cut off */
}

int main(int argc, char **argv)
{
	static const struct fault_work reallocs = {
		.name = "realloc",
		.work = work,
		.kinds = 1u << FAULT_MMAP | 1u << FAULT_MUNMAP |
			1u << FAULT_MREMAP,
		.most = 36,
	};

	return faults_main(argc, argv, &reallocs);
}
