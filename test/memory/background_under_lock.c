/*
 * background:true: libc frees what ended threads had of a library's TLS while it holds
 * the lock of the stacks, which creating a thread takes, too. The thread that gives
 * memory back is not started from there, but for the program's own next call.
 */
#include "hoard.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

/* More stacks than libc keeps: 40 MiB. */
#define NTHREADS 8
#define STACK (8 * MIB)
#define NTURNS 3

static void (*use_tls)(void);

static void *run(void *arg)
{
	use_tls();
	return arg;
}

static void open_library(const char *program)
{
	char path[4096];
	void *library;

	snprintf(path, sizeof(path), "%s_tls.so", program);
	library = dlopen(path, RTLD_NOW);
	must(library);
	*(void **)&use_tls = dlsym(library, "use_tls");
	must(use_tls);
}

int main(int argc, char **argv)
{
	struct hoard hoard = { .state = testing_seed() };
	pthread_t threads[NTHREADS];
	pthread_attr_t attr;

	(void)argc;
	testing_start(20); /* a deadlock ends by the alarm, or by the test's limit */
	open_library(argv[0]);
	must(pthread_attr_init(&attr) == 0);
	must(pthread_attr_setstacksize(&attr, STACK) == 0);
	for (int turn = 0; turn < NTURNS; turn++) {
		for (int i = 0; i < NTHREADS; i++)
			must(!pthread_create(&threads[i], &attr, run, NULL));
		for (int i = 0; i < NTHREADS; i++)
			must(!pthread_join(threads[i], NULL));
	}
	/* Still wanted, and not refused for ever. */
	hoard_fill(&hoard, 64 * MIB);
	hoard_shrink(&hoard, 0);
	must(testing_nthreads() == 2);
	return 0;
}
