/*
 * Short-lived processes: fork and exec of a small program, many times; what
 * an allocator does to start and to end is all that most processes see of it.
 * mode= nothing (the program does nothing) or 100k (it allocates 100 KiB in
 * blocks of 20 to 2000 bytes). threads= many are started at a time.
 *
 * operations are processes. Prints also child_kib, the resident memory of one
 * such process at its end.
 */
#include "harness.h"

#include <sys/wait.h>

#define PROCESSES 800
#define PATH_NBYTES 4096
#define PROGRAM "short_program"

static const char *const modes[] = { "nothing", "100k", NULL };

/* The program stands next to this one. */
static char path[PATH_NBYTES];

static void find_program(void)
{
	ssize_t n = readlink("/proc/self/exe", path,
			     sizeof(path) - sizeof(PROGRAM));
	char *name;

	if (n <= 0)
		measure_die("cannot read /proc/self/exe");
	path[n] = '\0';
	name = strrchr(path, '/') + 1;
	memcpy(name, PROGRAM, sizeof(PROGRAM));
}

static pid_t start(const char *report)
{
	char *argv[] = { path, (char *)modes[harness.mode], (char *)report,
			 NULL };
	pid_t pid = fork();

	if (pid == 0) {
		execv(path, argv);
		measure_die("cannot run " PROGRAM);
	}
	if (pid < 0)
		measure_die("fork failed");
	harness_mine.noperations++;
	return pid;
}

static void await(pid_t pid)
{
	int status;

	if (waitpid(pid, &status, 0) != pid || status != 0)
		measure_die(PROGRAM " failed");
}

static void run_all(long n)
{
	pid_t running[HARNESS_MAX_THREADS] = { 0 };

	for (long i = 0; i < n; i++) {
		pid_t *place = &running[i % harness.nthreads];

		if (*place != 0)
			await(*place);
		*place = start(NULL);
	}
	for (int i = 0; i < harness.nthreads; i++)
		if (running[i] != 0)
			await(running[i]);
}

int main(int argc, char **argv)
{
	harness_options(argc, argv, 1, modes);
	find_program();
	harness_start();
	run_all(harness_scaled(PROCESSES));
	harness_stop();
	await(start("report"));
	return harness_report();
}
