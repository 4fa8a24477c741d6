/*
 * Scenario 12, fork from several threads while others keep one kind of lock
 * after the other busy. Parent and child both go on: the child checks and
 * frees what it inherited, allocates everything anew, starts threads and forks
 * in its turn.
 */
#include "load.h"

#include <pthread.h>
#include <stdatomic.h>
#include <sys/wait.h>

#define NFORKERS 2
#define NWORKERS 3
#define NFORKS_EACH 30 /* x forkers x kinds (and all at once): 480 */

/* Seconds after which a child counts as hung. */
#define CHILD_LIMIT 20

static atomic_int nforks;

static void *work_in_child(void *arg)
{
	uint64_t state = (uint64_t)(uintptr_t)arg;

	load_steps(20, &state);
	return NULL;
}

static void start_threads_in_child(void)
{
	pthread_t thread[2];
	size_t i;

	for (i = 0; i < 2; i++)
		must(!pthread_create(&thread[i], NULL, work_in_child,
				     (void *)(i + 1)));
	for (i = 0; i < 2; i++)
		must(!pthread_join(thread[i], NULL));
}

static void wait_for(pid_t pid, const char *what)
{
	int status;

	must(pid > 0);
	while (waitpid(pid, &status, 0) < 0)
		must(errno == EINTR);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return;
	fprintf(stderr, "%s: %s %d\n", what,
		WIFSIGNALED(status) ? "signal (14: it hung)" : "status",
		WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
	_exit(1);
}

static void grandchild(void)
{
	pid_t pid = fork();

	if (pid == 0) {
		uint64_t state = 5;

		alarm(CHILD_LIMIT);
		load_steps(20, &state);
		_exit(0);
	}
	wait_for(pid, "grandchild");
}

/* What the child does depends on its number, so that each thing is first. */
static void child(int number)
{
	uint64_t state = (uint64_t)number;

	signal(SIGALRM, SIG_DFL);
	alarm(CHILD_LIMIT);
	if (number % 5 == 1)
		start_threads_in_child();
	if (number % 7 == 2)
		grandchild();
	if (number % 5 == 3)
		malloc_trim(0);
	if (number % 8 == 0)
		load_clear();
	load_steps(30, &state);
	if (number % 4 == 0)
		exit(0);
	_exit(0);
}

static void *fork_often(void *arg)
{
	int i, kind = (int)(intptr_t)arg;
	uint64_t state = (uint64_t)kind;

	for (i = 0; i < NFORKS_EACH; i++) {
		int number = atomic_fetch_add(&nforks, 1);
		pid_t pid = fork();

		if (pid == 0)
			child(number);
		load_step(kind < 0 ? LOAD_SMALL : (enum load_kind)kind,
			  &state);
		wait_for(pid, "child");
	}
	return NULL;
}

static void fork_under(int kind)
{
	pthread_t forker[NFORKERS];
	size_t i;

	load_start(kind, NWORKERS);
	for (i = 0; i < NFORKERS; i++)
		must(!pthread_create(&forker[i], NULL, fork_often,
				     (void *)(intptr_t)kind));
	for (i = 0; i < NFORKERS; i++)
		must(!pthread_join(forker[i], NULL));
	load_stop();
}

int main(void)
{
	int kind;

	testing_start(100);
	setvbuf(stdout, NULL, _IONBF, 0);
	for (kind = -1; kind < LOAD_NKINDS; kind++)
		fork_under(kind);
	printf("%d forks\n", atomic_load(&nforks));
	return 0;
}
