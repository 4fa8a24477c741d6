/*
 * What only some processes run is not in the memory of the others (allocator/layout.ld):
 * blocks of many sizes, threads and some ticks of the decay touch one of the library's two
 * segments of code, and not the other one.
 *
 * Nothing is asked of pcmalloc before that: the answer would be among the late functions.
 */
#include "testing.h"

#include <pthread.h>
#include <stdbool.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define NSLOTS 300
#define NTHREADS 3
#define TICKS_MS 300

static void *work(void *arg)
{
	static __thread void *slot[NSLOTS];
	uint64_t state = (uint64_t)(uintptr_t)arg + 1;
	struct timespec start, now;
	size_t i;

	clock_gettime(CLOCK_MONOTONIC, &start);
	do {
		for (i = 0; i < NSLOTS; i++) {
			free(slot[i]);
			slot[i] = malloc(rnd_between(&state, 1, 8000));
			must(slot[i]);
			memset(slot[i], 1, 1);
		}
		free(calloc(3, rnd_between(&state, 1, 100)));
		slot[0] = realloc(slot[0], rnd_between(&state, 1, 8000));
		clock_gettime(CLOCK_MONOTONIC, &now);
	} while ((now.tv_sec - start.tv_sec) * 1000 +
		 (now.tv_nsec - start.tv_nsec) / 1000000 < TICKS_MS);
	for (i = 0; i < NSLOTS; i++)
		free(slot[i]);
	return NULL;
}

/* Resident memory of the library's segments of code, in KiB, in the order of their addresses. */
static size_t segments(long resident[], size_t most)
{
	FILE *file = fopen("/proc/self/smaps", "r");
	bool code = false;
	char line[512];
	size_t n = 0;

	must(file);
	while (fgets(line, sizeof(line), file)) {
		if (strchr(line, '-') && strchr(line, '/'))
			code = strstr(line, " r-xp ") &&
				strstr(line, "libpcmalloc.so");
		if (code && n < most && sscanf(line, "Rss: %ld kB",
					       &resident[n]) == 1)
			n++;
	}
	must(!fclose(file));
	return n;
}

int main(void)
{
	pthread_t thread[NTHREADS];
	long resident[4] = { 0 };
	size_t i, n;

	if (PCM_DEBUG)
		testing_skip("a debug build checks itself at each tick");
	/* Reading a configuration is late, too. */
	if (getenv("PCMALLOC_CONF")) {
		must(!unsetenv("PCMALLOC_CONF"));
		execl("/proc/self/exe", "resident_code", (char *)NULL);
		must(false);
	}
	work(NULL);
	for (i = 0; i < NTHREADS; i++)
		must(!pthread_create(&thread[i], NULL, work,
				     (void *)(uintptr_t)(i + 1)));
	for (i = 0; i < NTHREADS; i++)
		must(!pthread_join(thread[i], NULL));
	n = segments(resident, 4);
	testing_start(60);
	if (n == 1)
		testing_skip("one segment of code: not GNU ld, or not on x86");
	must(n == 2);
	printf("KiB resident: %ld, late %ld\n", resident[0], resident[1]);
	must(resident[0] > 0);
	must(resident[1] == 0);
	return 0;
}
