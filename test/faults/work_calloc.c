/*
 * work_calloc: what calloc() returns reads as zero, whatever was there before,
 * and whether or not the system took it back in between.
 */
#include <malloc.h>
#include <pcmalloc/pcmalloc.h>

#include "faults.h"

static const size_t sizes[] = { 24,	   700,	       5000,	  100 * KIB,
				260 * KIB, 800 * KIB,  1500 * KIB, 3 * MIB };

#define NSIZES (sizeof(sizes) / sizeof(sizes[0]))

/* Of each size three, with dirt between the stripes of their patterns. */
static void dirty(void)
{
	unsigned i;

	for (i = 0; i < 3 * NSIZES; i++) {
		struct block *b = &banks[0].block[banks[0].n];

		if (bank_malloc(&banks[0], sizes[i % NSIZES]) &&
		    b->n > 64 * KIB)
			memset(b->p + 40 * KIB, 0x55, 8 * KIB);
	}
}

static void cleared(void)
{
	unsigned i;

	for (i = 0; i < NSIZES; i++)
		bank_calloc(&banks[1], sizes[i]);
}

static void work(void)
{
	unsigned turn;

	for (turn = 0; turn < 3; turn++) {
		dirty();
		bank_free_all(&banks[0]);
		if (turn == 0)
			malloc_trim(0);
		if (turn == 1)
			pcm_release(SIZE_MAX);
		cleared();
		bank_thin(&banks[1]);
		malloc_trim(turn * 100 * KIB);
		cleared();
	}
}

int main(int argc, char **argv)
{
	static const struct fault_work callocs = {
		.name = "calloc",
		.work = work,
		.kinds = 1u << FAULT_MMAP | 1u << FAULT_MUNMAP |
			1u << FAULT_MADVISE | 1u << FAULT_MEMBARRIER,
		.most = 30,
	};

	return faults_main(argc, argv, &callocs);
}
