/*
 * Scenario 4, background:true: the thread that gives memory back is started late. If
 * a seccomp filter has come to answer rseq(2) with an error by then, and libc
 * registers its threads, a new thread would end the process: there is none then, and
 * memory goes back by ticks.
 */
#include "rseq_raw.h"
#include "syscall_filter.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#define NBLOCKS 32768
#define NBYTES 4096 /* 128 MiB in all */
#define SMALL (16 * MIB)
#define SECONDS 8.0

static void rise_and_fall(void)
{
	static void *blocks[NBLOCKS];

	for (unsigned i = 0; i < NBLOCKS; i++) {
		blocks[i] = malloc(NBYTES);
		must(blocks[i]);
		memset(blocks[i], 1, NBYTES);
	}
	for (unsigned i = 0; i < NBLOCKS; i++)
		free(blocks[i]);
}

/* Ticks come with the work that the process does. */
static void work_until_small(void)
{
	double end = testing_seconds() + SECONDS;

	while (testing_memory("VmRSS") > SMALL && testing_seconds() < end) {
		for (unsigned i = 0; i < 1000; i++)
			free(opaque(malloc(100000)));
		usleep(10000);
	}
	must(testing_memory("VmRSS") <= SMALL);
}

/* error 0: no filter. */
static void live_under(int error)
{
	bool has_thread = error == 0 || raw_libc_area() == NULL;

	free(opaque(malloc(1)));
	if (error != 0)
		filter_install(SYS_rseq, FILTER_ERROR((uint32_t)error));
	rise_and_fall();
	work_until_small();
	must(testing_nthreads() == (has_thread ? 2 : 1));
	_exit(0);
}

int main(void)
{
	static const int errors[] = { 0, ENOSYS, EPERM, EINVAL };
	const unsigned int n = sizeof(errors) / sizeof(errors[0]);
	const char *why;

	testing_start(60);
	if (!filter_works(&why))
		testing_skip(why);
	for (unsigned i = 0; i < n; i++) {
		pid_t pid = fork();

		if (pid == 0)
			live_under(errors[i]);
		puts(errors[i] == 0 ? "no filter" : strerror(errors[i]));
		testing_wait_for(pid);
	}
	return 0;
}
