/*
 * Fork under load: two threads fork at the same time while others allocate.
 * The child verifies and frees what it inherited, allocates in every class,
 * starts a thread, forks again. fork handlers of the program allocate as well.
 * A child that does not end is reported as hung; with the run it ends too.
 *
 * Environment: PCM_STRESS_CHILD = seconds after which a child is hung
 * (default 15); PCM_STRESS_HOLD=1 leaves the hung child for a debugger.
 */
#include "stress_blocks.h"

#include <errno.h>
#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define NFORKERS 2
#define LOCAL_BLOCKS 24
#define SHARED_BLOCKS 64
#define POLL_SECONDS 0.0002
#define CHILD_SECONDS 15
#define CLASSES_TOP ((size_t)1 << 20)

static int child_limit = CHILD_SECONDS;
static bool hold;
/* The child that each forking thread waits for, 0 = none. */
static _Atomic(pid_t) children[NFORKERS];

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* A child that hangs must not outlive the run. */
static void kill_children(void)
{
	for (int i = 0; i < NFORKERS; i++) {
		pid_t pid = atomic_load(&children[i]);

		if (pid != 0 && !hold)
			kill(pid, SIGKILL);
	}
}

/* Runs in the forking thread, in prepare, parent and child. */
static void in_handler(void)
{
	void *volatile small = malloc(48);
	void *volatile large = malloc((size_t)20 << 10);

	if (small == NULL || large == NULL)
		stress_fail("malloc in a fork handler gave NULL");
	free(small);
	free(large);
}

static void end_child(pid_t pid, double started)
{
	int status;

	while (waitpid(pid, &status, WNOHANG) == 0) {
		if (now() - started < child_limit) {
			stress_sleep(POLL_SECONDS);
			continue;
		}
		stress_fail("child %d hung for %d s", pid, child_limit);
	}
	if (WIFSIGNALED(status))
		stress_fail("child %d died of signal %d", pid,
			    WTERMSIG(status));
	if (WEXITSTATUS(status) != 0)
		stress_fail("child %d ended with %d", pid, WEXITSTATUS(status));
}

static void *thread_in_child(void *arg)
{
	struct rng r = { .state = *(uint64_t *)arg };
	struct block local[LOCAL_BLOCKS] = { { .p = NULL } };
	struct mix mix = { r, local, LOCAL_BLOCKS, NULL, 0 };

	for (int i = 0; i < 100; i++)
		mix_step(&mix);
	mix_put_all(&mix);
	return NULL;
}

static void start_thread(struct rng *r)
{
	uint64_t state = rng_next(r);
	pthread_t thread;
	int rc = pthread_create(&thread, NULL, thread_in_child, &state);

	if (rc != 0)
		stress_fail("pthread_create in a child: %s", strerror(rc));
	pthread_join(thread, NULL);
}

/* About every class, several of each, so that locks are taken. */
static void visit_classes(struct rng *r)
{
	struct block b[8];

	for (size_t n = 8; n < CLASSES_TOP; n += 1 + n / 4) {
		for (int i = 0; i < 8; i++)
			block_get(&b[i], r, n);
		for (int i = 0; i < 8; i++)
			block_put(&b[i]);
	}
}

static void fork_once(struct mix *m, int depth);

static void child_work(struct mix *m, int depth)
{
	mix_put_all(m);
	mix_drain(m->shared, m->nshared);
	visit_classes(&m->rng);
	mix_burst(&m->rng, 400);
	if (rng_once_in(&m->rng, 4))
		start_thread(&m->rng);
	if (rng_once_in(&m->rng, 8))
		malloc_trim(0);
	if (depth == 0 && rng_once_in(&m->rng, 8))
		fork_once(m, depth + 1);
}

static void fork_once(struct mix *m, int depth)
{
	double started = now();
	uint64_t salt = rng_next(&m->rng);
	pid_t pid = fork();

	if (pid < 0)
		stress_fail("fork failed: %s", strerror(errno));
	if (pid > 0) {
		atomic_store(&children[stress_thread], pid);
		end_child(pid, started);
		atomic_store(&children[stress_thread], 0);
		return;
	}
	/* What was copied are the parent's children, not this process's. */
	memset(children, 0, sizeof(children));
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	m->rng.state ^= salt;
	alarm((unsigned)child_limit);
	child_work(m, depth);
	_exit(0);
}

static void run(struct worker *w)
{
	struct slot *shared = w->arg;
	struct block local[LOCAL_BLOCKS] = { { .p = NULL } };
	struct mix mix = { w->rng, local, LOCAL_BLOCKS, shared, SHARED_BLOCKS };

	while (stress_running()) {
		for (int i = 0; i < 50; i++)
			mix_step(&mix);
		mix_burst(&mix.rng, 300);
		if (w->index < NFORKERS)
			fork_once(&mix, 0);
		w->nops++;
	}
	mix_put_all(&mix);
}

static void read_limits(void)
{
	const char *text = getenv("PCM_STRESS_CHILD");

	if (text != NULL && atoi(text) > 0)
		child_limit = atoi(text);
	text = getenv("PCM_STRESS_HOLD");
	hold = text != NULL && strcmp(text, "1") == 0;
}

int main(void)
{
	struct worker *workers;
	struct slot *shared;
	unsigned n;
	uint64_t nops;

	stress_start("stress_fork");
	read_limits();
	stress_at_fault = kill_children;
	n = NFORKERS + stress_ncpus();
	shared = stress_memory(SHARED_BLOCKS * sizeof(*shared));
	workers = stress_memory(n * sizeof(*workers));
	if (pthread_atfork(in_handler, in_handler, in_handler) != 0)
		stress_fail("pthread_atfork failed");
	nops = stress_run(workers, n, stress_seconds(), run, shared);
	mix_drain(shared, SHARED_BLOCKS);
	return stress_finish(nops);
}
