/*
 * A storm of detached threads that allocate and end, on every libc: their key
 * destructors free and allocate, in several rounds, and blocks go from thread
 * to thread. More of them run than there are CPUs, so that many are preempted
 * while they end; musl unmaps the stack and TLS of a detached thread before.
 *
 *	detached_storm [NTHREADS]
 *
 * Where the process is per-CPU every thread must be so (PCM_STRESS_ANY=1: any
 * state will do, as where rseq is denied in mid-run).
 */
#include "pattern.h"

#include <dlfcn.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>

#include <pcmalloc/pcmalloc.h>

#define NTHREADS 6000
#define NTOGETHER 48
#define NBLOCKS 40
#define NROUNDS 3
#define NHANDED 64

struct left {
	unsigned int round;
	unsigned char rest[500];
};

static const char *(*mode)(void);
static enum pcm_rseq_state (*state)(void);
static pthread_key_t key;
static atomic_int nalive;
static atomic_uint npercpu;
static _Atomic(unsigned char *) handed[NHANDED];

/* The key's destructor: sets the key again, twice, with another block. */
static void destroy(void *arg)
{
	struct left *left = arg, *next;
	unsigned int round = left->round;

	must(filled(left->rest, sizeof(left->rest), round));
	free(left);
	free(malloc(10 + 3000 * round));
	if (round == NROUNDS) {
		atomic_fetch_sub(&nalive, 1);
		return;
	}
	next = malloc(sizeof(*next));
	must(next);
	next->round = round + 1;
	fill(next->rest, sizeof(next->rest), next->round);
	must(!pthread_setspecific(key, next));
}

/* A block for whoever comes next, in exchange for one of somebody else. */
static void hand_on(size_t number)
{
	unsigned char *mine = malloc(200), *theirs;

	must(mine);
	fill(mine, 200, number % NHANDED);
	theirs = atomic_exchange(&handed[number % NHANDED], mine);
	must(!theirs || filled(theirs, 200, number % NHANDED));
	free(theirs);
}

static void use_blocks(size_t number)
{
	void *p[NBLOCKS];
	size_t i;

	for (i = 0; i < NBLOCKS; i++) {
		p[i] = malloc(16 + (i * 131 + number * 17) % 4000);
		must(p[i]);
		fill(p[i], 16, number + i);
	}
	for (i = 0; i < NBLOCKS; i++) {
		must(filled(p[i], 16, number + i));
		free(p[i]);
	}
}

static void *run(void *arg)
{
	size_t number = (size_t)(uintptr_t)arg;
	struct left *left = malloc(sizeof(*left));
	enum pcm_rseq_state now;

	must(left);
	left->round = 1;
	fill(left->rest, sizeof(left->rest), 1);
	must(!pthread_setspecific(key, left));
	use_blocks(number);
	hand_on(number);
	now = state();
	if (now == PCM_RSEQ_LIBC || now == PCM_RSEQ_OWN)
		atomic_fetch_add(&npercpu, 1);
	if (number % 3 == 0)
		pthread_exit(NULL);
	return NULL;
}

static void start(const pthread_attr_t *attr, size_t number)
{
	pthread_t thread;
	int error;

	while (atomic_load(&nalive) >= NTOGETHER)
		sched_yield();
	atomic_fetch_add(&nalive, 1);
	/* Threads that have called the last destructor still take room. */
	while ((error = pthread_create(&thread, attr, run, (void *)number)))
		must(error == EAGAIN && !sched_yield());
}

static void find_library(void)
{
	*(void **)&mode = dlsym(RTLD_DEFAULT, "pcm_mode");
	*(void **)&state = dlsym(RTLD_DEFAULT, "pcm_rseq_state");
	must(mode && state);
	free(malloc(1));
}

static bool any(void)
{
	const char *text = getenv("PCM_STRESS_ANY");

	return text && strcmp(text, "1") == 0;
}

int main(int argc, char **argv)
{
	size_t n = argc > 1 ? strtoul(argv[1], NULL, 10) : NTHREADS, i;
	pthread_attr_t attr;

	alarm(120);
	find_library();
	must(!pthread_key_create(&key, destroy));
	must(!pthread_attr_init(&attr));
	must(!pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED));
	must(!pthread_attr_setstacksize(&attr, 128 << 10));
	for (i = 0; i < n; i++)
		start(&attr, i);
	while (atomic_load(&nalive) > 0)
		sched_yield();
	for (i = 0; i < NHANDED; i++)
		free(atomic_load(&handed[i]));
	printf("%zu threads, %u on per-CPU caches, %s\n", n,
	       atomic_load(&npercpu), mode());
	if (!any() && strncmp(mode(), "per-CPU", 7) == 0)
		must(atomic_load(&npercpu) == n);
	return 0;
}
