/*
 * work_limit: beside a hard limit of 16 MiB, which is met again and again:
 * what is cached goes back, or the allocation fails.
 */
#include <malloc.h>

#include "faults.h"
#include "leftover.h"
#include "limit.h"

#define HARD (16 * MIB)

static void more(size_t size, unsigned n)
{
	while (n-- > 0 && bank_malloc(&banks[0], size))
		must(pcm_limit_held() <= HARD + pcm_leftover_warm());
}

static void work(void)
{
	must(pcm_limit_hard() == HARD);
	more(60 * KIB, 400);
	bank_thin(&banks[0]);
	more(3 * MIB, 8);
	more(700 * KIB, 30);
	bank_realloc(&banks[0], banks[0].n - 1, 12 * MIB);
	bank_free_all(&banks[0]);
	more(2 * MIB, 10);
	bank_thin(&banks[0]);
	bank_realloc(&banks[0], 0, 5 * MIB);
	more(400 * KIB, 60);
	bank_free_all(&banks[0]);
	more(5000, 2000);
	bank_thin(&banks[0]);
	more(270 * KIB, 60);
}

int main(int argc, char **argv)
{
	static const struct fault_work limit = {
		.name = "limit",
		.work = work,
		.kinds = 1u << FAULT_MMAP | 1u << FAULT_MUNMAP |
			1u << FAULT_MADVISE | 1u << FAULT_MEMBARRIER,
		.limited = true,
		.most = 36,
	};

	return faults_main(argc, argv, &limit);
}
