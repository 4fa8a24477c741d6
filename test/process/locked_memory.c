/*
 * mlockall(MCL_FUTURE) and (MCL_CURRENT): whatever is mapped from then on is
 * resident at once, so pcmalloc must not map what it does not need.
 */
#include "load.h"

#include <pthread.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>

/* Resident for a start, some threads and blocks of a few MiB. */
#define RESIDENT_MAX (48 * MIB)

static void *run(void *arg)
{
	size_t i, turn;

	for (turn = 0; turn < 50; turn++) {
		unsigned char *p[100];

		for (i = 0; i < 100; i++) {
			p[i] = malloc(i * 20 + turn);
			must(p[i]);
			fill(p[i], i * 20 + turn, i);
		}
		for (i = 0; i < 100; i++) {
			must(filled(p[i], i * 20 + turn, i));
			free(p[i]);
		}
	}
	return arg;
}

static void run_threads(void)
{
	pthread_attr_t attr;
	pthread_t thread[4];
	size_t i;

	/* Stacks are resident too: keep them small. */
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, 256 * KIB);
	for (i = 0; i < 4; i++)
		must(!pthread_create(&thread[i], &attr, run, NULL));
	for (i = 0; i < 4; i++)
		must(!pthread_join(thread[i], NULL));
	pthread_attr_destroy(&attr);
}

static void run_locked(void *flags)
{
	uint64_t state = 3;
	void *p;

	must(!mlockall((int)(intptr_t)flags));
	run(NULL);
	run_threads();
	p = malloc(3 * MIB);
	memset(p, 1, 3 * MIB);
	free(p);
	printf("VmRSS %zu KiB, VmLck %zu KiB\n", testing_memory("VmRSS") / KIB,
	       testing_memory("VmLck") / KIB);
	must(testing_memory("VmHWM") < RESIDENT_MAX);
	load_step(LOAD_SMALL, &state);
	load_step(LOAD_MEDIUM, &state);
	load_step(LOAD_SPAN, &state);
	load_step(LOAD_LARGE, &state);
	load_clear();
	malloc_trim(0);
	must(!munlockall());
	malloc_trim(0);
	run(NULL);
}

static void expect(const char *name, int flags)
{
	static struct child child;

	testing_child(&child, 30, run_locked, (void *)(intptr_t)flags);
	printf("%s: %s%s", name, child.out, child.err);
	if (child.status != 0)
		printf("status %x\n", (unsigned int)child.status);
	must(child.status == 0);
}

int main(void)
{
	struct rlimit limit;

	testing_start(60);
	must(!getrlimit(RLIMIT_MEMLOCK, &limit));
	if (geteuid() != 0 && limit.rlim_cur < 512 * MIB)
		testing_skip("may not lock 512 MiB (RLIMIT_MEMLOCK)");
	expect("MCL_FUTURE", MCL_FUTURE);
	expect("MCL_CURRENT", MCL_CURRENT);
	expect("both", MCL_CURRENT | MCL_FUTURE);
	return 0;
}
