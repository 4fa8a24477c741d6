/*
 * exec: from the main thread, from another thread while the rest are inside
 * malloc, from a forked and from a vforked child. Every new image finds an
 * allocator that works.
 */
#include "load.h"

#include <pthread.h>

#define NLINKS 40

static void exec_self(const char *number)
{
	execl("/proc/self/exe", "exec_chain", number, (char *)NULL);
	_exit(125);
}

static void *exec_in_thread(void *number)
{
	exec_self(number);
	return NULL;
}

static void begin_chain(void *arg)
{
	exec_self(arg);
}

/* One link: a little load, then the next image by one of four ways. */
static void link_of_chain(int number)
{
	static char next[16];
	pthread_t thread;
	pid_t pid = 0;

	if (number == NLINKS)
		exit(0);
	snprintf(next, sizeof(next), "%d", number + 1);
	load_start(-1, 2);
	switch (number % 4) {
	case 0:
		exec_self(next);
		break;
	case 1:
		must(!pthread_create(&thread, NULL, exec_in_thread, next));
		pthread_join(thread, NULL);
		break;
	case 2:
		pid = fork();
		if (pid == 0)
			exec_self(next);
		break;
	default:
		pid = vfork();
		if (pid == 0)
			exec_self(next);
		break;
	}
	load_stop();
	testing_wait_for(pid);
	exit(0);
}

int main(int argc, char **argv)
{
	static struct child child;
	const char *wrong = testing_identity();

	if (wrong) {
		fprintf(stderr, "%s\n", wrong);
		return 1;
	}
	if (argc == 2)
		link_of_chain(atoi(argv[1]));
	testing_start(60);
	testing_child(&child, 50, begin_chain, "0");
	fputs(child.err, stderr);
	must(child.status == 0);
	return 0;
}
