/*
 * Scenario 13, the main thread ends first, by pthread_exit; the others go on
 * allocating, the last one forks and ends the process, and exit handlers run
 * in it.
 */
#include "load.h"

#include <pthread.h>
#include <sys/wait.h>
#include <time.h>

static unsigned char *by_main;

static void at_exit(void)
{
	uint64_t state = 9;

	load_steps(50, &state);
	load_clear();
	if (write(1, "ended by another thread\n", 24) != 24)
		_exit(1);
}

static void *outlive(void *main_thread)
{
	uint64_t state = 4;
	pid_t pid;
	int status;

	must(!pthread_join(*(pthread_t *)main_thread, NULL));
	must(filled(by_main, 10000, 6));
	free(by_main);
	load_steps(2000, &state);
	pid = fork();
	if (pid == 0) {
		load_steps(100, &state);
		_exit(0);
	}
	must(waitpid(pid, &status, 0) == pid);
	must(status == 0);
	load_stop();
	exit(0);
}

static void live(void *arg)
{
	static pthread_t self;
	pthread_t thread;

	(void)arg;
	self = pthread_self();
	must(!atexit(at_exit));
	load_start(-1, 2);
	by_main = malloc(10000);
	fill(by_main, 10000, 6);
	must(!pthread_create(&thread, NULL, outlive, &self));
	pthread_exit(NULL);
}

int main(void)
{
	static struct child child;

	testing_start(40);
	testing_child(&child, 30, live, NULL);
	fputs(child.err, stderr);
	must(child.status == 0);
	must(strcmp(child.out, "ended by another thread\n") == 0);
	return 0;
}
