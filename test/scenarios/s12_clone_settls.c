/*
 * Scenario 12, libc's clone with CLONE_VM and a TLS of the task's own, made by
 * hand: fresh, copied from a living thread's, or all zeros. Such a task is
 * registered by nobody, whatever its area seems to say: it must not use a
 * CPU's cache beside the threads that are there. It allocates and moves
 * between CPUs while they do.
 */
#include "clone_tls.h"
#include "hammer.h"
#include "load.h"
#include "rseq_raw.h"

#include <pthread.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/wait.h>

#define STACK_SIZE ((size_t)256 * 1024)
#define NBUSY 2
#define NTASKS 8 /* of each kind */
#define TURNS 2000
#define NBLOCKS 200

struct share {
	uint64_t seed;
	unsigned char *by_parent[NBLOCKS], *by_task[NBLOCKS];
};

static size_t size_of(size_t i)
{
	return i % 50 == 49 ? i * 2000 : 1 + i * 7;
}

static void allocate(unsigned char **p, uint64_t seed)
{
	size_t i;

	for (i = 0; i < NBLOCKS; i++) {
		p[i] = i % 3 ? malloc(size_of(i)) : calloc(1, size_of(i));
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

/* Of libc only malloc: a TLS of zeros has no locale, and so on. */
static int task(void *arg)
{
	struct share *share = arg;

	hammer_moving(TURNS, share->seed);
	check_and_free(share->by_parent, 1);
	allocate(share->by_task, 2);
	free(realloc(malloc(100), 3 * MIB));
	hammer_moving(TURNS, share->seed);
	return 0;
}

static void clone_once(enum clone_tls kind, uint64_t number)
{
	char *stack = mmap(NULL, STACK_SIZE, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
	struct share *share = calloc(1, sizeof(*share));
	void *tls = clone_tls_new(kind);
	int status;
	pid_t pid;

	must(stack != MAP_FAILED && share);
	if (!tls)
		testing_skip("this libc makes no TLS block for others");
	share->seed = (number + 1) << 48;
	allocate(share->by_parent, 1);
	pid = clone(task, stack + STACK_SIZE,
		    CLONE_VM | CLONE_SETTLS | SIGCHLD, share, NULL, tls, NULL);
	must(pid > 0);
	/* The thread keeps its caches: the task has a TLS of its own. */
	hammer(TURNS, share->seed << 1);
	must(waitpid(pid, &status, 0) == pid);
	must(status == 0);
	check_and_free(share->by_task, 2);
	clone_tls_delete(kind, tls);
	free(share);
	munmap(stack, STACK_SIZE);
}

static const char *const names[CLONE_TLS_NKINDS] = {
	[CLONE_TLS_FRESH] = "as it starts",
	[CLONE_TLS_COPY] = "copied from a thread's",
	[CLONE_TLS_ZERO] = "of zeros",
};

static void *clone_often(void *arg)
{
	size_t i, kind;
	int state;

	free(malloc(1));
	state = raw_state();
	for (kind = 0; kind < CLONE_TLS_NKINDS; kind++) {
		for (i = 0; i < NTASKS; i++)
			clone_once((enum clone_tls)kind, i);
		printf("%d tasks with a TLS %s\n", NTASKS, names[kind]);
	}
	must(raw_state() == state);
	return arg;
}

int main(void)
{
	pthread_t thread;

	testing_start(60);
#if !defined(__x86_64__) || !defined(__GLIBC__)
	testing_skip("TLS blocks are made by hand for x86-64 and glibc only");
#endif
	hammer_start(NBUSY, true);
	must(!pthread_create(&thread, NULL, clone_often, NULL));
	must(!pthread_join(thread, NULL));
	hammer_stop();
	return 0;
}
