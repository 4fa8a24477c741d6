/*
 * Scenario 12, fork where the forking task is itself a child that shares its
 * parent's memory: of vfork, and of libc's clone with CLONE_VM; and fork while
 * other threads vfork. Such a fork's child has a copy of a TLS that was
 * shared, and in it an area that shows a CPU but is registered for nobody: it
 * is not to be believed, and the child gets caches of its own again.
 */
#include "hammer.h"
#include "load.h"
#include "rseq_raw.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/wait.h>

#define STACK_SIZE ((size_t)256 * 1024)
#define NROUNDS 15
#define CHILD_LIMIT 20
#define TURNS 400

static unsigned char *inherited;
static bool parent_per_cpu;

static void wait_for(pid_t pid, const char *what)
{
	int status;

	must(pid > 0);
	while (waitpid(pid, &status, 0) < 0)
		must(errno == EINTR);
	if (status != 0)
		fprintf(stderr, "%s: status %x (e: it hung)\n", what,
			(unsigned int)status);
	must(status == 0);
}

static void *in_thread(void *arg)
{
	hammer_moving(TURNS, (uint64_t)(uintptr_t)arg << 40);
	must(raw_per_cpu() == parent_per_cpu);
	return arg;
}

/* What a forked child must be able to do, whoever forked it. */
static void live_as_child(void)
{
	uint64_t state = 5;
	pthread_t thread;
	int status;
	pid_t pid;

	signal(SIGALRM, SIG_DFL);
	alarm(CHILD_LIMIT);
	must(filled(inherited, 3000, 8));
	hammer(TURNS, 1);
	raw_visit_slow_path();
	must(raw_per_cpu() == parent_per_cpu);
	must(!pthread_create(&thread, NULL, in_thread, (void *)3));
	hammer_moving(TURNS, 2);
	must(!pthread_join(thread, NULL));
	load_steps(10, &state);
	pid = fork();
	if (pid == 0) {
		hammer(TURNS, 4);
		_exit(0);
	}
	must(waitpid(pid, &status, 0) == pid && status == 0);
	_exit(0);
}

static int fork_here(void *arg)
{
	pid_t pid = fork();

	if (pid == 0)
		live_as_child();
	hammer_moving(80, (uint64_t)0x77 << 48);
	wait_for(pid, arg);
	return 0;
}

__attribute__((noinline)) static void fork_in_vfork_child(void)
{
	pid_t pid = vfork();

	if (pid == 0)
		_exit(fork_here((void *)"fork in a vfork child"));
	wait_for(pid, "vfork child");
}

static void fork_in_task(int flags)
{
	char *stack = mmap(NULL, STACK_SIZE, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
	pid_t pid;

	must(stack != MAP_FAILED);
	pid = clone(fork_here, stack + STACK_SIZE, CLONE_VM | SIGCHLD | flags,
		    (void *)"fork in a CLONE_VM task");
	must(pid > 0);
	wait_for(pid, "CLONE_VM task");
	munmap(stack, STACK_SIZE);
}

static atomic_bool stopping;

static void *vfork_often(void *arg)
{
	while (!atomic_load(&stopping)) {
		pid_t pid = vfork();

		if (pid == 0) {
			hammer_moving(80, (uint64_t)0x55 << 48);
			_exit(0);
		}
		wait_for(pid, "vfork child beside a fork");
	}
	return arg;
}

static void fork_beside_vforks(void)
{
	pthread_t thread;
	int i;

	must(!pthread_create(&thread, NULL, vfork_often, NULL));
	for (i = 0; i < NROUNDS; i++) {
		pid_t pid = fork();

		if (pid == 0)
			live_as_child();
		wait_for(pid, "fork beside a vfork");
	}
	atomic_store(&stopping, true);
	must(!pthread_join(thread, NULL));
}

static void *all_of_them(void *arg)
{
	int i;

	raw_visit_slow_path();
	for (i = 0; i < NROUNDS; i++) {
		fork_in_vfork_child();
		fork_in_task(CLONE_VFORK);
		must(raw_per_cpu() == parent_per_cpu);
	}
	fork_beside_vforks();
	/* The last one: after it this thread has no caches any more. */
	fork_in_task(0);
	raw_visit_slow_path();
	must(!raw_per_cpu());
	return arg;
}

int main(void)
{
	pthread_t thread;

	testing_start(60);
	inherited = malloc(3000);
	fill(inherited, 3000, 8);
	raw_visit_slow_path();
	parent_per_cpu = raw_per_cpu();
	hammer_start(1, false);
	load_start(-1, 1);
	must(!pthread_create(&thread, NULL, all_of_them, NULL));
	must(!pthread_join(thread, NULL));
	load_stop();
	hammer_stop();
	free(inherited);
	return 0;
}
