/*
 * work_background: the background thread gives memory back while it cannot,
 * and when it can again.
 */
#include <time.h>

#include "faults.h"

/* Two ticks and a half. */
#define WAIT_MS 125

static void wait_a_while(void)
{
	const struct timespec ts = { 0, WAIT_MS * 1000000L };

	nanosleep(&ts, NULL);
}

static void mixture(void)
{
	unsigned i;

	for (i = 0; i < 200; i++)
		bank_malloc(&banks[0], 60 * KIB);
	for (i = 0; i < 5; i++)
		bank_malloc(&banks[0], (900 + 300 * i) * KIB);
}

static void work(void)
{
	mixture();
	bank_free_all(&banks[0]);
	wait_a_while();
	mixture();
	bank_thin(&banks[0]);
	wait_a_while();
	mixture();
}

/* The thread is there, and what libc allocates for it. */
static void prepare(void)
{
	mixture();
	bank_free_all(&banks[0]);
	wait_a_while();
}

int main(int argc, char **argv)
{
	static const struct fault_work background = {
		.name = "background",
		.prepare = prepare,
		.work = work,
		.kinds = 1u << FAULT_MMAP | 1u << FAULT_MADVISE,
		.jobs = 8,
		.most = 24,
		.threads = 1,
	};

	return faults_main(argc, argv, &background);
}
