/*
 * Scenario 2: libc leaves rseq alone (glibc.pthread.rseq=0), and pcmalloc
 * registers its own area, on every thread: the first, those created later,
 * those of a fork's child, and of its child's child.
 */
#include "claims.h"
#include "rseq_raw.h"

#include <pthread.h>
#include <sys/wait.h>

#define NTHREADS 20
#define NGENERATIONS 3

static void must_use_own(uint64_t seed)
{
	struct raw_area *area = raw_own_area();
	uint64_t state = seed;

	claims_steps(5, &state);
	must(raw_state() == PCM_RSEQ_OWN);
	must((uintptr_t)area % 32 == 0 && area->cpu_id >= 0);
	raw_must_be_registered();
}

static void *in_thread(void *arg)
{
	uint64_t seed = (uint64_t)(uintptr_t)arg;

	/* Not registered before there is a need, and seen to be so. */
	must(raw_own_area()->cpu_id == -1);
	must(!raw_is_registered(raw_own_area(), RAW_SIZE));
	must_use_own(seed);
	return NULL;
}

/* Twice: the second time on the stacks, and so the areas, of the first. */
static void in_threads(void)
{
	pthread_t thread[NTHREADS];
	size_t i, turn;

	for (turn = 0; turn < 2; turn++) {
		for (i = 0; i < NTHREADS; i++)
			must(!pthread_create(&thread[i], NULL, in_thread,
					     (void *)i));
		for (i = 0; i < NTHREADS; i++)
			must(!pthread_join(thread[i], NULL));
	}
}

/* A thread that forks: the child's only thread is a copy of it. */
static void *forks_in_thread(void *arg);

static void generation(uintptr_t n)
{
	int status;
	pid_t pid;

	if (n == NGENERATIONS)
		return;
	pid = fork();
	must(pid >= 0);
	if (pid == 0) {
		pthread_t thread;

		must_use_own(n);
		in_threads();
		must(!pthread_create(&thread, NULL, forks_in_thread,
				     (void *)(n + 1)));
		must(!pthread_join(thread, NULL));
		generation(n + 1);
		_exit(0);
	}
	must(waitpid(pid, &status, 0) == pid);
	must(status == 0);
}

static void *forks_in_thread(void *arg)
{
	must_use_own((uintptr_t)arg);
	generation((uintptr_t)arg);
	must_use_own((uintptr_t)arg);
	return NULL;
}

int main(void)
{
	struct pcm_stats stats;

	testing_start(60);
	if (raw_libc_area())
		testing_skip("libc has registered rseq");
	raw_prepare();
	claims_start();
	must_use_own(1);
	in_threads();
	generation(0);
	must_use_own(2);
	claims_end();
	stats = raw_stats();
	must(stats.narmed == 1 + 2 * NTHREADS);
	must(stats.nrearmed == 0 && stats.nrefused == 0);
	printf("%s: %zu threads armed, %lu blocks\n", raw_mode(), stats.narmed,
	       claims_count());
	return 0;
}
