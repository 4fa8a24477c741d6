/*
 * work_trim: malloc_trim() and pcm_release() while blocks are alive in the
 * pages between those that go back; what went back is used again.
 */
#include <malloc.h>
#include <pcmalloc/pcmalloc.h>

#include "faults.h"

static void mixture(void)
{
	unsigned i;

	for (i = 0; i < 300; i++)
		bank_malloc(&banks[0], 50 + 97 * i);
	for (i = 0; i < 6; i++)
		bank_malloc(&banks[0], (300 + 400 * i) * KIB);
}

static void work(void)
{
	mixture();
	bank_thin(&banks[0]);
	malloc_trim(0);
	mixture();
	bank_thin(&banks[0]);
	pcm_release(64 * KIB);
	pcm_release(SIZE_MAX);
	mixture();
	bank_free_all(&banks[0]);
	malloc_trim(MIB);
	malloc_trim(0);
	mixture();
}

int main(int argc, char **argv)
{
	static const struct fault_work trim = {
		.name = "trim",
		.work = work,
		.kinds = 1u << FAULT_MMAP | 1u << FAULT_MUNMAP |
			1u << FAULT_MADVISE | 1u << FAULT_MEMBARRIER,
	};

	return faults_main(argc, argv, &trim);
}
