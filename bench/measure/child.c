/*
 * Runs a command and prints what it took: wall time, CPU time, peak resident
 * memory. Linked statically and small, for a child's ru_maxrss starts at what
 * its parent had before exec.
 *
 * child [NAME=VALUE...] COMMAND [ARGUMENT...]
 */
#include "measure.h"

#include <sys/resource.h>
#include <sys/wait.h>

static double seconds_of(struct timeval t)
{
	return (double)t.tv_sec + (double)t.tv_usec / 1e6;
}

static void run(char **argv)
{
	while (*argv != NULL && strchr(*argv, '=') != NULL)
		putenv(*argv++);
	if (*argv != NULL)
		execvp(*argv, argv);
	measure_die("child: cannot run the command");
}

int main(int argc, char **argv)
{
	struct rusage used;
	double start = measure_now();
	pid_t pid = fork();
	int status;

	(void)argc;
	if (pid == 0)
		run(argv + 1);
	if (pid < 0 || wait4(pid, &status, 0, &used) != pid)
		measure_die("child: fork or wait4 failed");
	measure_print("wall", measure_now() - start);
	measure_print("cpu", seconds_of(used.ru_utime) +
			     seconds_of(used.ru_stime));
	measure_print("peak_kib", (double)used.ru_maxrss);
	measure_print("status", (double)status);
	return 0;
}
