/*
 * Scenario 11, dlopen of many libraries with thread-local memory. The dynamic
 * linker calls malloc in the middle of an access to it, in every thread, also
 * in threads that were there before, and frees it when the thread ends.
 */
#include "hammer.h"
#include "load.h"
#include "rseq_raw.h"
#include "tls_modules.h"

#include <pthread.h>
#include <stdatomic.h>

#define NMODULES 60
#define NOLD 3
#define NYOUNG 12
#define NROUNDS 3

static struct tls_module modules[NMODULES];
static int fds[NMODULES];
static pthread_barrier_t round_begins, round_ends;
static bool per_cpu;

static void open_modules(int first, int step)
{
	int i;

	for (i = first; i < NMODULES; i += step) {
		if (!tls_module_open(&modules[i], "s11_tls_module.so",
				     &fds[i]))
			fprintf(stderr, "%s\n", dlerror());
		must(modules[i].handle);
	}
}

static void close_modules(int first, int step)
{
	int i;

	for (i = first; i < NMODULES; i += step) {
		must(dlclose(modules[i].handle) == 0);
		close(fds[i]);
	}
}

static void touch_all(unsigned char byte, uint64_t *state)
{
	int i;

	for (i = 0; i < NMODULES; i++) {
		must(modules[i].touch(byte) == 0);
		load_steps(2, state);
		must(modules[i].touch(byte) == 1);
	}
	for (i = NMODULES; i-- > 0;)
		must(modules[i].touch(byte) == 2);
	raw_visit_slow_path();
	must(raw_per_cpu() == per_cpu);
}

static void *young(void *arg)
{
	uint64_t state = (uint64_t)(uintptr_t)arg;

	touch_all((unsigned char)state, &state);
	return NULL;
}

/* Was there before the libraries, and while half of them were exchanged. */
static void *old(void *arg)
{
	uint64_t state = (uint64_t)(uintptr_t)arg;
	unsigned char byte = (unsigned char)state;
	unsigned long again;
	int turn, i;

	hammer(100, state << 40);
	for (turn = 0; turn < NROUNDS; turn++) {
		pthread_barrier_wait(&round_begins);
		for (i = 0; i < NMODULES; i++) {
			again = modules[i].touch(byte);
			must(again == (i % 2 ? 0 : (unsigned long)turn));
			load_steps(2, &state);
		}
		pthread_barrier_wait(&round_ends);
	}
	raw_visit_slow_path();
	must(raw_per_cpu() == per_cpu);
	return NULL;
}

static void run_young(void)
{
	pthread_t thread[NYOUNG];
	size_t i;

	for (i = 0; i < NYOUNG; i++)
		must(!pthread_create(&thread[i], NULL, young,
				     (void *)(i + 100)));
	for (i = 0; i < NYOUNG; i++)
		must(!pthread_join(thread[i], NULL));
}

static void one_round(int turn)
{
	if (turn > 0) {
		close_modules(1, 2);
		open_modules(1, 2);
	}
	pthread_barrier_wait(&round_begins);
	run_young();
	pthread_barrier_wait(&round_ends);
}

int main(void)
{
	pthread_t thread[NOLD];
	size_t i;
	int turn;

	testing_start(60);
	raw_visit_slow_path();
	per_cpu = raw_per_cpu();
	must(!pthread_barrier_init(&round_begins, NULL, NOLD + 1));
	must(!pthread_barrier_init(&round_ends, NULL, NOLD + 1));
	for (i = 0; i < NOLD; i++)
		must(!pthread_create(&thread[i], NULL, old, (void *)(i + 1)));
	open_modules(0, 1);
	for (turn = 0; turn < NROUNDS; turn++)
		one_round(turn);
	for (i = 0; i < NOLD; i++)
		must(!pthread_join(thread[i], NULL));
	close_modules(0, 1);
	load_clear();
	return 0;
}
