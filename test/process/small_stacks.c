/*
 * Threads with the smallest stacks there are, and signal handlers on small
 * alternate stacks: no path of malloc may need much of it.
 */
#include "load.h"

#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <sys/auxv.h>

static void every_path(uint64_t *state)
{
	int kind, turn;

	for (turn = 0; turn < 30; turn++)
		for (kind = 0; kind < LOAD_NKINDS; kind++)
			load_step((enum load_kind)kind, state);
	malloc_trim(0);
	free(realloc(malloc(20 * MIB), 50 * MIB));
}

static void *run(void *arg)
{
	uint64_t state = (uint64_t)(uintptr_t)arg;

	every_path(&state);
	return NULL;
}

static void small_threads(void)
{
	pthread_attr_t attr;
	pthread_t thread[4];
	size_t i;

	must(!pthread_attr_init(&attr));
	must(!pthread_attr_setstacksize(&attr, PTHREAD_STACK_MIN));
	for (i = 0; i < 4; i++)
		must(!pthread_create(&thread[i], &attr, run, (void *)i));
	for (i = 0; i < 4; i++)
		must(!pthread_join(thread[i], NULL));
	pthread_attr_destroy(&attr);
}

static void handle(int sig)
{
	uint64_t state = 5;

	(void)sig;
	every_path(&state);
}

static void small_alternate_stack(void)
{
	size_t size = 8 * KIB + getauxval(AT_MINSIGSTKSZ);
	stack_t stack = { .ss_sp = malloc(size), .ss_size = size };
	struct sigaction action = { .sa_handler = handle,
				    .sa_flags = SA_ONSTACK };

	must(stack.ss_sp && !sigaltstack(&stack, NULL));
	must(!sigaction(SIGUSR1, &action, NULL));
	must(!raise(SIGUSR1));
	stack.ss_flags = SS_DISABLE;
	must(!sigaltstack(&stack, NULL));
	free(stack.ss_sp);
}

int main(void)
{
	testing_start(40);
	small_threads();
	small_alternate_stack();
	load_clear();
	return 0;
}
