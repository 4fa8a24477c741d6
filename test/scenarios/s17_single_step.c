/*
 * Scenario 17: a program that is stepped through, instruction by instruction,
 * as by a debugger (ptrace), comes to its end. Every stop inside of a section
 * aborts it, so no section is ever done: the slow path must give up on them
 * after a bounded number of tries.
 */
#include "rseq_raw.h"

#include <signal.h>
#include <sys/ptrace.h>
#include <sys/wait.h>

/* The work takes some 100,000 steps; a loop takes more than any number. */
#define STEPS_MAX 2000000ul
#define NBLOCKS 3

static void use(size_t n)
{
	void *p[NBLOCKS];
	size_t i;

	for (i = 0; i < NBLOCKS; i++) {
		p[i] = i % 2 ? malloc(n) : calloc(1, n);
		must(p[i]);
		memset(p[i], (int)i, 8);
	}
	for (i = 0; i < NBLOCKS; i++) {
		must(all_bytes(p[i], 8, (unsigned char)i));
		free(p[i]);
	}
}

static void debugged(void)
{
	must(!ptrace(PTRACE_TRACEME, 0, NULL, NULL));
	raise(SIGSTOP);
	use(24);
	use(1000);
	use(20000);
	free(realloc(malloc(100), 100000));
	malloc_trim(0);
	_exit(raw_per_cpu() ? 0 : 3);
}

static unsigned long step_to_end(pid_t pid)
{
	unsigned long n = 0;
	int status;

	must(waitpid(pid, &status, 0) == pid);
	must(WIFSTOPPED(status) && WSTOPSIG(status) == SIGSTOP);
	for (;;) {
		must(!ptrace(PTRACE_SINGLESTEP, pid, NULL, NULL));
		must(waitpid(pid, &status, 0) == pid);
		if (!WIFSTOPPED(status))
			break;
		must(WSTOPSIG(status) == SIGTRAP);
		if (++n > STEPS_MAX) {
			kill(pid, SIGKILL);
			must(!"an end of the program that is stepped through");
		}
	}
	must(status == 0);
	return n;
}

int main(void)
{
	pid_t pid;

	testing_start(110);
	pid = fork();
	must(pid >= 0);
	if (pid == 0)
		debugged();
	printf("%lu steps\n", step_to_end(pid));
	return 0;
}
