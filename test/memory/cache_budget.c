/*
 * cache:4M: whatever the program does, the caches of all CPUs and the depots
 * together hold no more.
 */
#include "testing.h"

#include <pcmalloc/pcmalloc.h>

#include <dlfcn.h>
#include <pthread.h>

#define BUDGET (4 * MIB)
#define NTHREADS 4
#define NBLOCKS 300
#define TURNS 20

static void *fill_caches(void *arg)
{
	static __thread void *p[NBLOCKS];
	size_t n, i, turn;

	for (turn = 0; turn < TURNS; turn++) {
		for (n = 8; n <= 256 * KIB; n += n / 8 + 8) {
			size_t count = 4 * MIB / n < NBLOCKS ? 4 * MIB / n :
							       NBLOCKS;

			for (i = 0; i < count; i++)
				must(p[i] = malloc(n));
			for (i = 0; i < count; i++)
				free(p[i]);
		}
	}
	return arg;
}

static size_t cached(void)
{
	int (*get)(struct pcm_stats *, size_t);
	struct pcm_stats stats;

	*(void **)&get = dlsym(RTLD_DEFAULT, "pcm_stats_get");
	must(get);
	must(get(&stats, sizeof(stats)) == 0);
	return stats.cached;
}

int main(void)
{
	pthread_t thread[NTHREADS];
	size_t i;

	testing_start(60);
	for (i = 0; i < NTHREADS; i++)
		must(!pthread_create(&thread[i], NULL, fill_caches, NULL));
	for (i = 0; i < NTHREADS; i++)
		must(!pthread_join(thread[i], NULL));
	printf("%zu KiB cached\n", cached() / KIB);
	must(cached() <= BUDGET);
	must(cached() > BUDGET / 16);
	return 0;
}
