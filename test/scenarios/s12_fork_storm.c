/*
 * Scenario 12, never a hang in a forked child: four threads fork as fast as
 * they can while others allocate, some so that there is hardly a moment without
 * a lock held; each child starts threads, and all of them allocate.
 * PCM_TEST_FORKS forks in all: a few hundred, unless `make check-fork` asks for
 * ten thousand.
 */
#include "hammer.h"
#include "load.h"
#include "rseq_raw.h"

#include <pthread.h>
#include <stdatomic.h>
#include <sys/wait.h>

#define NFORKS 300
#define NFORKERS 4
#define NLOCKERS 2
#define NWORKERS 2
#define NTHREADS 2 /* of a child */

/* Seconds after which a child counts as hung. */
#define CHILD_LIMIT 30
/* For the whole: this, and a second for so many forks. */
#define BASE_LIMIT 60
#define FORKS_A_SECOND 10

static atomic_int nstarted, nended;
static int nforks;
static bool parent_per_cpu;

static void *work_in_child(void *arg)
{
	uint64_t state = (uint64_t)(uintptr_t)arg;

	load_steps(20, &state);
	hammer(20, state << 32);
	return arg;
}

static void child(int number)
{
	uint64_t state = (uint64_t)number;
	pthread_t thread[NTHREADS];
	size_t i;

	signal(SIGALRM, SIG_DFL);
	alarm(CHILD_LIMIT);
	for (i = 0; i < NTHREADS; i++)
		must(!pthread_create(&thread[i], NULL, work_in_child,
				     (void *)(i + 1)));
	load_steps(20, &state);
	for (i = 0; i < NTHREADS; i++)
		must(!pthread_join(thread[i], NULL));
	raw_visit_slow_path();
	must(raw_per_cpu() == parent_per_cpu);
	if (number % 16 == 0)
		load_clear();
	_exit(0);
}

static atomic_bool stopping;

/* In a slow path nearly all the time, under one lock or the other. */
static void *stay_in_slow_paths(void *arg)
{
	static const size_t size[] = { 200000, 20000, 700000, 100000, 3 << 20 };
	void *p[3];
	size_t i, k;

	for (i = 0; !atomic_load(&stopping); i++) {
		for (k = 0; k < 3; k++)
			p[k] = malloc(size[(i + k) % 5]);
		for (k = 0; k < 3; k++)
			free(p[k]);
	}
	return arg;
}

static void wait_for(pid_t pid, int number)
{
	int status;

	must(pid > 0);
	while (waitpid(pid, &status, 0) < 0)
		must(errno == EINTR);
	if (status == 0)
		return;
	fprintf(stderr, "child %d: %s %d\n", number,
		WIFSIGNALED(status) ? "signal (14: it hung)" : "status",
		WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
	_exit(1);
}

static void *fork_often(void *arg)
{
	uint64_t state = (uint64_t)(uintptr_t)arg;
	int number;

	while ((number = atomic_fetch_add(&nstarted, 1)) < nforks) {
		pid_t pid = fork();

		if (pid == 0)
			child(number);
		load_steps(5, &state);
		wait_for(pid, number);
		atomic_fetch_add(&nended, 1);
	}
	return arg;
}

int main(void)
{
	const char *text = getenv("PCM_TEST_FORKS");
	pthread_t forker[NFORKERS], locker[NLOCKERS];
	double start = testing_seconds();
	size_t i;

	nforks = text ? atoi(text) : NFORKS;
	must(nforks > 0);
	testing_start((unsigned int)(BASE_LIMIT + nforks / FORKS_A_SECOND));
	raw_visit_slow_path();
	parent_per_cpu = raw_per_cpu();
	load_start(-1, NWORKERS);
	for (i = 0; i < NLOCKERS; i++)
		must(!pthread_create(&locker[i], NULL, stay_in_slow_paths,
				     NULL));
	for (i = 0; i < NFORKERS; i++)
		must(!pthread_create(&forker[i], NULL, fork_often, (void *)i));
	for (i = 0; i < NFORKERS; i++)
		must(!pthread_join(forker[i], NULL));
	atomic_store(&stopping, true);
	for (i = 0; i < NLOCKERS; i++)
		must(!pthread_join(locker[i], NULL));
	load_stop();
	must(atomic_load(&nended) == nforks);
	printf("%d forks, %.1f s\n", nforks, testing_seconds() - start);
	return 0;
}
