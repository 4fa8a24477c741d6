/*
 * background:true: a process that does nothing at all gives its memory back, a large one
 * as gives_back.c does, and so does the child of a fork. Before there is anything to give
 * there is no thread.
 */
#include "hoard.h"

#include <unistd.h>

#define FULL (128 * MIB)
#define LARGE (1024 * MIB)
#define SMALL (16 * MIB)
#define SECONDS 4.0

static void wait_until(size_t most)
{
	double end = testing_seconds() + SECONDS;

	while (testing_memory("VmRSS") > most && testing_seconds() < end)
		usleep(50000);
	printf("%zu KiB, at most %zu\n", testing_memory("VmRSS") / KIB,
	       most / KIB);
	must(testing_memory("VmRSS") <= most);
}

static void rise_and_fall(void)
{
	struct hoard hoard = { .state = testing_seed() };

	hoard_fill(&hoard, FULL);
	hoard_shrink(&hoard, 0);
	wait_until(SMALL);
}

static void oldest_first(void)
{
	struct hoard hoard = { .state = testing_seed() };

	hoard_fill(&hoard, LARGE);
	hoard_shrink(&hoard, LARGE / 10);
	wait_until(hoard_most(hoard.live));
	hoard_shrink(&hoard, 0);
	wait_until(hoard_most(0));
}

/* A mapping of its own: its memory is kept for a second, for the next one. */
static void one_mapping(void)
{
	char *p = malloc(FULL / 2);

	must(p);
	memset(p, 1, FULL / 2);
	free(opaque(p));
	wait_until(SMALL);
}

/* What realloc cuts off, and what it frees. */
static void by_realloc(void)
{
	static void *blocks[20000];
	const size_t n = sizeof(blocks) / sizeof(blocks[0]);
	char *p = malloc(FULL / 2);

	must(p);
	memset(p, 1, FULL / 2);
	p = realloc(p, 2 * MIB);
	must(p);
	wait_until(SMALL);
	free(opaque(p));
	for (size_t i = 0; i < n; i++) {
		blocks[i] = malloc(FULL / n);
		must(blocks[i]);
		memset(blocks[i], 1, FULL / n);
	}
	for (size_t i = 0; i < n; i++)
		must(!realloc(blocks[i], opaque_size(0)));
	wait_until(SMALL);
}

int main(void)
{
	pid_t pid;

	testing_start(60);
	must(testing_nthreads() == 1);
	rise_and_fall();
	must(testing_nthreads() == 2);
	rise_and_fall();
	oldest_first();
	one_mapping();
	by_realloc();
	pid = fork();
	if (pid == 0) {
		rise_and_fall();
		must(testing_nthreads() == 2);
		_exit(0);
	}
	testing_wait_for(pid);
	return 0;
}
