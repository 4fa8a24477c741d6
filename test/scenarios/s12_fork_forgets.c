/*
 * Scenario 12, what a forked child finds in the caches of its parent's CPUs:
 * everything, if a fence kept the other threads out while the process was
 * copied; nothing, if there is none, since what is there may be torn.
 */
#include "hammer.h"

#include <dlfcn.h>
#include <pcmalloc/pcmalloc.h>
#include <pthread.h>
#include <sys/wait.h>

#define NBLOCKS 24 /* as many as a CPU keeps from the beginning */
#define NBYTES 640
#define CHILD_LIMIT 20

/* What else the cache of a class may take or lose meanwhile. */
#define TOLERANCE ((size_t)8 << 10)

static size_t cached(void)
{
	static int (*get)(struct pcm_stats *, size_t);
	struct pcm_stats stats;

	if (!get)
		*(void **)&get = dlsym(RTLD_DEFAULT, "pcm_stats_get");
	must(get && get(&stats, sizeof(stats)) == 0);
	return stats.cached;
}

static pthread_barrier_t end;

static void *sleep_in_thread(void *arg)
{
	pthread_barrier_wait(&end);
	return arg;
}

static void fill_cache(void)
{
	void *p[NBLOCKS];
	size_t i;

	for (i = 0; i < NBLOCKS; i++) {
		p[i] = malloc(NBYTES);
		must(p[i]);
	}
	for (i = 0; i < NBLOCKS; i++)
		free(p[i]);
}

static void fork_once(bool forgets)
{
	size_t before, after;
	int status;
	pid_t pid;

	fill_cache();
	before = cached();
	pid = fork();
	if (pid == 0) {
		signal(SIGALRM, SIG_DFL);
		alarm(CHILD_LIMIT);
		after = cached();
		if (forgets)
			must(after + NBLOCKS * NBYTES / 2 < before);
		else
			must(after + TOLERANCE > before);
		fill_cache();
		hammer_moving(200, 1);
		_exit(0);
	}
	must(pid > 0);
	must(waitpid(pid, &status, 0) == pid);
	must(status == 0);
	must(cached() + TOLERANCE > before);
}

int main(void)
{
	const char *conf = getenv("PCMALLOC_CONF");
	bool forgets = conf && strstr(conf, "fence:off");
	pthread_t thread;
	int i;

	testing_start(30);
	must(hammer_ncpus() > 0);
	hammer_bind(0);
	/* With one thread no fence is needed. */
	fork_once(false);
	must(!pthread_barrier_init(&end, NULL, 2));
	must(!pthread_create(&thread, NULL, sleep_in_thread, NULL));
	for (i = 0; i < 20; i++)
		fork_once(forgets);
	pthread_barrier_wait(&end);
	must(!pthread_join(thread, NULL));
	return 0;
}
