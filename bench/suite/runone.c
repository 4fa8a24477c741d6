/*
 * Runs one command and writes what it took to a file: wall time, CPU time, the
 * largest resident memory of any process of its tree, page faults. Its standard
 * output is left alone. Linked statically and small, for a child's ru_maxrss
 * starts at what its parent had before exec.
 *
 * runone FILE [NAME=VALUE...] COMMAND [ARGUMENT...]
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
	measure_die("runone: cannot run the command");
}

static void report(const char *path, double wall, const struct rusage *used,
		   int status)
{
	FILE *file = fopen(path, "w");

	if (file == NULL)
		measure_die("runone: cannot write the report");
	fprintf(file, "wall %.6f\nuser %.6f\nsys %.6f\n", wall,
		seconds_of(used->ru_utime), seconds_of(used->ru_stime));
	fprintf(file, "peak_kib %ld\nminor %ld\nmajor %ld\nstatus %d\n",
		used->ru_maxrss, used->ru_minflt, used->ru_majflt, status);
	if (fclose(file) != 0)
		measure_die("runone: cannot write the report");
}

int main(int argc, char **argv)
{
	struct rusage used;
	double start;
	pid_t pid;
	int status;

	if (argc < 3)
		measure_die("usage: runone FILE [NAME=VALUE...] COMMAND...");
	start = measure_now();
	pid = fork();
	if (pid == 0)
		run(argv + 2);
	if (pid < 0 || wait4(pid, &status, 0, &used) != pid)
		measure_die("runone: fork or wait4 failed");
	report(argv[1], measure_now() - start, &used, status);
	return 0;
}
