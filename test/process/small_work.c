/*
 * A small program for the scripts: blocks of many sizes, filled and checked, in
 * the main thread and in others. With an argument it does nothing but print
 * what it holds resident; with none it ends silently with 0.
 *
 *	small_work		work
 *	small_work resident	print "RSS ANONHUGE" in KiB of a trivial program
 *	small_work large	the same with 64 MiB written
 *	small_work blocks [KIB]	the same with 128 MiB in blocks of 1000 bytes, a
 *				second later, or as soon after that as so many are in
 *				hugepages, but not more than 20 seconds: a busy machine
 *	small_work nothp	work without transparent hugepages (prctl)
 */
#include "pattern.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <time.h>

static void *work(void *arg)
{
	static __thread unsigned char *p[500];
	uint64_t state = (uint64_t)(uintptr_t)arg;
	size_t turn, i, n[500] = { 0 };

	for (turn = 0; turn < 20000; turn++) {
		i = rnd_between(&state, 0, 499);
		if (p[i])
			must(filled(p[i], n[i], i));
		free(p[i]);
		n[i] = rnd_between(&state, 0, turn % 50 ? 2000 : 300000);
		p[i] = malloc(n[i]);
		must(p[i]);
		fill(p[i], n[i], i);
	}
	for (i = 0; i < 500; i++)
		free(p[i]);
	return NULL;
}

static void work_in_threads(void)
{
	pthread_t thread[3];
	size_t i;

	work((void *)9);
	for (i = 0; i < 3; i++)
		must(!pthread_create(&thread[i], NULL, work, (void *)i));
	for (i = 0; i < 3; i++)
		must(!pthread_join(thread[i], NULL));
}

/* Sums "FIELD: N kB" over /proc/self/smaps_rollup, with read alone. */
static unsigned long kib_of(const char *field)
{
	static char text[8192];
	ssize_t n;
	char *at;
	int fd = open("/proc/self/smaps_rollup", O_RDONLY);

	must(fd >= 0);
	n = read(fd, text, sizeof(text) - 1);
	must(n > 0);
	text[n] = '\0';
	close(fd);
	at = strstr(text, field);
	must(at);
	return strtoul(at + strlen(field), NULL, 10);
}

static void print_resident(void)
{
	unsigned long resident = kib_of("\nRss:");
	unsigned long huge = kib_of("\nAnonHugePages:");

	printf("%lu %lu\n", resident, huge);
}

/* A second in which the program goes on: ticks collapse what has become dense. */
static void go_on(void)
{
	static void *p[5000];
	struct timespec pause = { 0, 10000000 };
	size_t turn, i;

	for (turn = 0; turn < 100; turn++) {
		for (i = 0; i < sizeof(p) / sizeof(p[0]); i++)
			must(p[i] = malloc(100));
		for (i = 0; i < sizeof(p) / sizeof(p[0]); i++)
			free(p[i]);
		nanosleep(&pause, NULL);
	}
}

static void fill_blocks(long wanted)
{
	static void *p[128 * 1024];
	size_t i, seconds = 0;

	for (i = 0; i < sizeof(p) / sizeof(p[0]); i++) {
		must(p[i] = malloc(1000));
		memset(p[i], 1, 1000);
	}
	do
		go_on();
	while (++seconds < 20 && (long)kib_of("\nAnonHugePages:") < wanted);
	print_resident();
	for (i = 0; i < sizeof(p) / sizeof(p[0]); i++)
		free(p[i]);
}

int main(int argc, char **argv)
{
	if (argc < 2) {
		work_in_threads();
	} else if (strcmp(argv[1], "resident") == 0) {
		free(malloc(100));
		print_resident();
	} else if (strcmp(argv[1], "large") == 0) {
		char *p = malloc(64 << 20);

		must(p);
		memset(p, 1, 64 << 20);
		print_resident();
		free(p);
	} else if (strcmp(argv[1], "blocks") == 0) {
		fill_blocks(argc > 2 ? atol(argv[2]) : 0);
	} else if (strcmp(argv[1], "nothp") == 0) {
		must(!prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0));
		work_in_threads();
		must(kib_of("\nAnonHugePages:") == 0);
	}
	return 0;
}
