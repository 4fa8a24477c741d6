/*
 * work_handler: a signal handler runs before every system call, where its own
 * thread is in the middle of malloc() or free() and may hold any lock. It
 * allocates and frees, and its calls fail too.
 */
#include <malloc.h>

#include "faults.h"

#define KEPT 40

/* What it frees is unmapped later, with more system calls: it must end. */
#define MOST 25

static unsigned nhandled;

static void handler(void)
{
	static const size_t sizes[] = { 30, 900, 20000, 300 * KIB, 2 * MIB };
	struct bank *bank = &banks[1];
	int saved = errno;
	unsigned i;

	if (nhandled++ >= MOST)
		return;
	for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		bank_malloc(bank, sizes[i]);
		bank_aligned(bank, 64 << i, sizes[i] / 2);
	}
	while (bank->n > KEPT)
		bank_free(bank, bank->n / 2);
	errno = saved;
}

static void mixture(void)
{
	unsigned i;

	for (i = 0; i < 400; i++)
		bank_malloc(&banks[0], 40 + 61 * i);
	for (i = 0; i < 5; i++)
		bank_malloc(&banks[0], (300 + 500 * i) * KIB);
	bank_calloc(&banks[0], 700 * KIB);
	bank_realloc(&banks[0], banks[0].n - 2, 5 * MIB);
}

static void work(void)
{
	nhandled = 0;
	fault_interrupt = handler;
	mixture();
	bank_thin(&banks[0]);
	malloc_trim(0);
	mixture();
	bank_free_all(&banks[0]);
	malloc_trim(0);
	mixture();
	fault_interrupt = NULL;
}

int main(int argc, char **argv)
{
	static const struct fault_work handlers = {
		.name = "handler",
		.work = work,
		.kinds = 1u << FAULT_MMAP | 1u << FAULT_MUNMAP |
			1u << FAULT_MADVISE | 1u << FAULT_MEMBARRIER,
		.most = 24,
	};

	return faults_main(argc, argv, &handlers);
}
