/*
 * Scenario 12: a handler forks while its own thread's fork() holds pcmalloc's locks, and
 * other threads allocate. Neither that child nor that of the outer fork finds a lock
 * held or a structure torn; nor do those of a child that returns from the handler, and
 * finishes the outer fork itself.
 *
 * A prepare handler registered before any library's constructor (from .preinit_array)
 * runs while the locks are held.
 */
#include "load.h"

#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <unistd.h>

#define NFORKS 100
#define CHILD_LIMIT 20

static volatile sig_atomic_t armed;
/* Of what follows in this process. */
static bool inner_child;
static unsigned int turn;

static void limit_child(void)
{
	signal(SIGALRM, SIG_DFL);
	alarm(CHILD_LIMIT);
}

static void work(void)
{
	uint64_t state = turn;

	load_steps(10, &state);
	malloc_trim(0);
	load_steps(10, &state);
}

static void on_signal(int signo)
{
	pid_t pid;

	(void)signo;
	free(opaque(malloc(100)));
	pid = fork();
	if (pid == 0) {
		limit_child();
		inner_child = true;
		free(opaque(malloc(100)));
		if (turn % 2 == 0)
			_exit(0);
		return;
	}
	testing_wait_for(pid);
}

static void early_prepare(void)
{
	if (!armed)
		return;
	armed = 0;
	raise(SIGUSR1);
}

static void register_early(void)
{
	must(!pthread_atfork(early_prepare, NULL, NULL));
}

__attribute__((used, section(".preinit_array"))) static void (
	*const preinit)(void) = register_early;

static void fork_once(void)
{
	pid_t pid;

	armed = 1;
	pid = fork();
	if (pid == 0) {
		limit_child();
		work();
		_exit(0);
	}
	testing_wait_for(pid);
	if (inner_child) {
		work();
		_exit(0);
	}
}

int main(void)
{
	testing_start(100);
	must(signal(SIGUSR1, on_signal) != SIG_ERR);
	load_start(-1, 3);
	for (turn = 0; turn < NFORKS; turn++)
		fork_once();
	must(load_count() > 0);
	load_stop();
	return 0;
}
