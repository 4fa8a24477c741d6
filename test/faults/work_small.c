/*
 * work_small: blocks of every size class, enough of each to fill and flush
 * magazines; freed in part, all in other orders, and had again.
 */
#include "faults.h"
#include "size_class.h"

/* Bytes of a class at a time, and blocks at most. */
#define BYTES ((size_t)32 << 10)
#define MOST 150

static void some_of(unsigned class)
{
	size_t size = pcm_size_class[class].size;
	size_t i, n = BYTES / size;

	if (n > MOST)
		n = MOST;
	for (i = 0; i < n + 1; i++)
		bank_malloc(&banks[0], size - i % 8);
}

static void work(void)
{
	unsigned class;

	for (class = 1; class < PCM_NCLASSES; class++)
		some_of(class);
	bank_thin(&banks[0]);
	for (class = PCM_NCLASSES; class-- > 1;)
		some_of(class);
	bank_free_all(&banks[0]);
	for (class = 1; class < PCM_NCLASSES; class += 3)
		some_of(class);
}

int main(int argc, char **argv)
{
	static const struct fault_work small = {
		.name = "small",
		.work = work,
		.kinds = 1u << FAULT_MMAP,
	};

	return faults_main(argc, argv, &small);
}
