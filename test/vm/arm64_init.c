/*
 * The first process of the arm64 machine, static, on pcmalloc: tells where its blocks
 * lie, runs every program of /programs one after the other, and switches the machine
 * off. The host reads these lines from the console:
 *
 *	arm64: machine KERNEL CPUS
 *	arm64: block ADDRESS
 *	arm64: row PROGRAM|SECONDS|STATUS
 *	arm64: end
 *
 * STATUS is waitpid's. Between the rows is what the programs print.
 */
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PROGRAMS "/programs"
#define LIMIT 600 /* seconds until a program counts as hung */

static void make_system(void)
{
	mkdir("/proc", 0755);
	mkdir("/sys", 0755);
	mkdir("/dev", 0755);
	mkdir("/tmp", 0777);
	mount("none", "/proc", "proc", 0, NULL);
	mount("none", "/sys", "sysfs", 0, NULL);
	mount("none", "/dev", "devtmpfs", 0, NULL);
	setenv("PCM_STRESS_SECONDS", "1", 1);
	setenv("PCM_STRESS_LIMIT", "500", 1);
	setenv("PCM_STRESS_CHILD", "150", 1);
	setenv("PCMALLOC_CONF", "stats:exit", 1);
}

static void become(const char *path)
{
	int fd = open("/dev/console", O_RDWR);

	for (int i = 0; i < 3; i++)
		dup2(fd, i);
	alarm(LIMIT); /* programs that set one of their own are done before */
	execl(path, path, (char *)NULL);
	_exit(127);
}

static void run(const char *name)
{
	time_t began = time(NULL);
	char path[300];
	int status = -1;
	pid_t pid;

	snprintf(path, sizeof(path), PROGRAMS "/%s", name);
	printf("arm64: start %s\n", name);
	pid = fork();
	if (pid == 0)
		become(path);
	while (pid > 0 && waitpid(-1, &status, 0) != pid)
		;
	printf("arm64: row %s|%ld|%d\n", name, (long)(time(NULL) - began), status);
}

static int is_program(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

int main(void)
{
	struct dirent **entries;
	struct utsname name;
	int fd, n;

	make_system();
	fd = open("/dev/console", O_RDWR);
	for (int i = 0; i < 3; i++)
		dup2(fd, i);
	setvbuf(stdout, NULL, _IOLBF, 0);
	uname(&name);
	printf("arm64: machine %s %ld\n", name.release,
	       sysconf(_SC_NPROCESSORS_ONLN));
	printf("arm64: block %p\n", malloc(100));
	n = scandir(PROGRAMS, &entries, is_program, alphasort);
	for (int i = 0; i < n; i++)
		run(entries[i]->d_name);
	puts("arm64: end");
	fflush(stdout);
	sync();
	reboot(RB_POWER_OFF);
	return 1;
}
