/*
 * Programs that start with fd 0, 1 and 2 closed, and that close everything:
 * pcmalloc holds no descriptor, and writes its messages to no file that has
 * come to have the number 2, or that of its copy for stats:exit.
 */
#include "load.h"

#include <fcntl.h>
#include <stdbool.h>
#include <sys/resource.h>
#include <sys/stat.h>

static void work(void)
{
	uint64_t state = 2;

	load_steps(500, &state);
	malloc_trim(0);
	load_clear();
}

/* The new image has no open descriptor but @report, where it says "done". */
static int closed(int report)
{
	bool is_open = false;
	int fd;

	for (fd = 0; fd < 256; fd++)
		if (fd != report && fcntl(fd, F_GETFD) >= 0)
			is_open = true;
	work();
	must(!is_open);
	for (fd = 0; fd < 256; fd++)
		must(fd == report || fcntl(fd, F_GETFD) < 0);
	must(write(report, "done", 4) == 4);
	return 0;
}

static void start_closed(int report)
{
	char number[16];
	int fd;

	snprintf(number, sizeof(number), "%d", report);
	for (fd = 0; fd < 256; fd++)
		if (fd != report)
			close(fd);
	setenv("PCMALLOC_CONF", "unknown:1,stats:exit", 1);
	execl("/proc/self/exe", "closed_descriptors", number, (char *)NULL);
	_exit(125);
}

/* All numbers but 0, 1 and 2 become the file's, in a program that has allocated. */
static void start_reopened(int file)
{
	char number[16];

	snprintf(number, sizeof(number), "%d", file);
	setenv("PCMALLOC_CONF", "stats:exit", 1);
	execl("/proc/self/exe", "closed_descriptors", number, "reopen",
	      (char *)NULL);
	_exit(125);
}

static int reopened(int file)
{
	work();
	for (int fd = 3; fd < 256; fd++)
		must(fd == file || dup2(file, fd) == fd);
	work();
	return 0;
}

static void must_not_be_written_to(void)
{
	struct stat info;
	FILE *file = tmpfile();
	pid_t pid;

	must(file);
	pid = fork();
	if (pid == 0)
		start_reopened(fileno(file));
	testing_wait_for(pid);
	must(fstat(fileno(file), &info) == 0);
	must(info.st_size == 0);
	fclose(file);
}

int main(int argc, char **argv)
{
	char text[10] = "";
	int ends[2];
	pid_t pid;

	if (argc == 3)
		return reopened(atoi(argv[1]));
	if (argc == 2)
		return closed(atoi(argv[1]));
	testing_start(40);
	must(!pipe(ends));
	pid = fork();
	if (pid == 0)
		start_closed(ends[1]);
	testing_wait_for(pid);
	must(read(ends[0], text, sizeof(text)) == 4);
	must(strcmp(text, "done") == 0);
	must_not_be_written_to();
	return 0;
}
