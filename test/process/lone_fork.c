/*
 * fork() in a process that has one thread takes no locks. So it costs hardly a page
 * more than the system call alone, and the child and its own children are whole all
 * the same: alone, with threads, and alone with what threads have left.
 */
#include "load.h"

#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define NFORKS 50
#define NSIZES 2000
#define STEPS 3000
#define DEPTH 4

/* Page faults that handlers may add to those of a fork, in the parent and the child. */
#define MORE_FAULTS 10

/* Without anybody's handlers. */
static pid_t bare_fork(void)
{
	return (pid_t)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
}

/* Faults of parent and child for a fork, the mean. */
static long faults_of(pid_t (*fork_some)(void))
{
	long before = testing_faults(RUSAGE_SELF) + testing_faults(RUSAGE_CHILDREN);
	int i, status;
	pid_t pid;

	for (i = 0; i < NFORKS; i++) {
		pid = fork_some();
		must(pid >= 0);
		if (pid == 0)
			_exit(0);
		must(waitpid(pid, &status, 0) == pid && status == 0);
	}
	return (testing_faults(RUSAGE_SELF) + testing_faults(RUSAGE_CHILDREN) - before) /
		NFORKS;
}

static void check_cost(void)
{
	uint64_t state = testing_seed();
	long bare, whole;
	size_t n;

	for (n = 1; n < NSIZES; n++)
		free(opaque(malloc(n)));
	load_steps(STEPS, &state);
	bare = faults_of(bare_fork);
	whole = faults_of(fork);
	printf("page faults: bare fork %ld, fork() %ld\n", bare, whole);
	fflush(stdout);
	must(whole <= bare + MORE_FAULTS);
}

/*
 * Each generation works on what it has inherited, starts threads at every other
 * depth, forks while they run, and works on.
 */
static void generation(int depth, uint64_t state)
{
	int status;
	pid_t pid;

	load_steps(STEPS, &state);
	if (depth == DEPTH)
		return;
	if (depth % 2 == 1)
		load_start(-1, 2);
	pid = fork();
	must(pid >= 0);
	if (pid == 0) {
		generation(depth + 1, state + 1);
		load_clear();
		malloc_trim(0);
		_exit(0);
	}
	load_steps(STEPS, &state);
	must(waitpid(pid, &status, 0) == pid && status == 0);
	if (depth % 2 == 1)
		load_stop();
	load_steps(STEPS, &state);
}

int main(void)
{
	testing_start(120);
	check_cost();
	generation(0, testing_seed());
	load_clear();
	return 0;
}
