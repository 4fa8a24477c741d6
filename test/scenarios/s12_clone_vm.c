/*
 * Scenario 12, libc's clone with CLONE_VM and without a TLS of its own: the
 * child runs on its own stack but with the TLS of the thread that made it,
 * with CLONE_VFORK (the parent waits) and without (both run at once). Both
 * allocate, the child on one CPU after the other, beside threads that do
 * nothing else.
 */
#include "hammer.h"
#include "load.h"
#include "rseq_raw.h"

#include <pthread.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/wait.h>

#define STACK_SIZE ((size_t)256 * 1024)
#define NBLOCKS 150
#define HAMMERS 400

struct share {
	unsigned char *by_parent[NBLOCKS], *by_child[NBLOCKS];
	volatile int child_ended;
	uint64_t seed;
};

static size_t size_of(size_t i)
{
	return i % 50 == 49 ? i * 700 : 1 + i * 7;
}

static void allocate(unsigned char **p, uint64_t seed)
{
	size_t i;

	for (i = 0; i < NBLOCKS; i++) {
		p[i] = malloc(size_of(i));
		must(p[i]);
		fill(p[i], size_of(i), seed + i);
	}
}

static void check_and_free(unsigned char **p, uint64_t seed)
{
	size_t i;

	for (i = 0; i < NBLOCKS; i++) {
		must(filled(p[i], size_of(i), seed + i));
		free(p[i]);
	}
}

/* Nothing of libc here but malloc: errno and the rest are the parent's. */
static int child(void *arg)
{
	struct share *share = arg;
	int turn;

	check_and_free(share->by_parent, 1);
	hammer_moving(HAMMERS, share->seed);
	for (turn = 0; turn < 3; turn++) {
		allocate(share->by_child, 2);
		check_and_free(share->by_child, 2);
	}
	allocate(share->by_child, 2);
	free(malloc(MIB));
	share->child_ended = 1;
	return 0;
}

static void parent_works(struct share *share)
{
	unsigned char *p[NBLOCKS];

	do {
		allocate(p, 3);
		check_and_free(p, 3);
		hammer(100, share->seed << 1);
		free(malloc(MIB));
	} while (!share->child_ended);
}

/* glibc's other name for clone. */
extern int __clone(int (*fn)(void *), void *stack, int flags, void *arg, ...)
	__attribute__((weak));

static void clone_once(int flags, bool other_name)
{
	char *stack = mmap(NULL, STACK_SIZE, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
	struct share *share = calloc(1, sizeof(*share));
	int status;
	pid_t pid;

	must(stack != MAP_FAILED && share);
	share->seed = (uint64_t)(uintptr_t)share << 16;
	allocate(share->by_parent, 1);
	pid = (other_name && __clone ? __clone : clone)(
		child, stack + STACK_SIZE, CLONE_VM | SIGCHLD | flags, share);
	must(pid > 0);
	parent_works(share);
	must(waitpid(pid, &status, 0) == pid);
	must(status == 0);
	check_and_free(share->by_child, 2);
	free(share);
	munmap(stack, STACK_SIZE);
}

static void *clone_often(void *arg)
{
	bool per_cpu;
	int i;

	raw_visit_slow_path();
	per_cpu = raw_per_cpu();
	for (i = 0; i < 12; i++) {
		/* These first: after the others the thread has no caches. */
		clone_once(CLONE_VFORK, false);
		clone_once(CLONE_VFORK, true);
	}
	raw_visit_slow_path();
	must(raw_per_cpu() == per_cpu);
	for (i = 0; i < 12; i++) {
		clone_once(0, i % 2);
		clone_once(CLONE_FILES | CLONE_FS, i % 2);
	}
	raw_visit_slow_path();
	must(!raw_per_cpu());
	return arg;
}

/* Without CLONE_VM it is a fork without its handlers, of one thread here. */
static void clone_copy(void)
{
	struct share *share = calloc(1, sizeof(*share));
	char *stack = malloc(STACK_SIZE);
	int status;
	pid_t pid;

	allocate(share->by_parent, 1);
	pid = clone(child, stack + STACK_SIZE, SIGCHLD, share);
	must(pid > 0);
	must(waitpid(pid, &status, 0) == pid);
	must(status == 0);
	check_and_free(share->by_parent, 1);
	free(stack);
	free(share);
}

int main(void)
{
	pthread_t thread[2];
	size_t i;

	testing_start(60);
	must(hammer_ncpus() > 0);
	clone_copy();
	clone_often(NULL);
	load_start(-1, 1);
	hammer_start(2, true);
	for (i = 0; i < 2; i++)
		must(!pthread_create(&thread[i], NULL, clone_often, NULL));
	for (i = 0; i < 2; i++)
		must(!pthread_join(thread[i], NULL));
	hammer_stop();
	load_stop();
	return 0;
}
