/*
 * Scenario 5: a library that brings __rseq_abi and __rseq_refcount: preloaded
 * before and after pcmalloc, or opened later and closed in the middle.
 *
 * Where libc owns the registration the library is refused and pcmalloc goes on.
 * Where pcmalloc registers by itself both are bound to one area, and share one
 * registration by the count: it stays until the last of them lets go. If the
 * area is one that cannot be registered, pcmalloc works without.
 */
#include "claims.h"
#include "owner_lab.h"
#include "rseq_raw.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdbool.h>
#include <sys/wait.h>

#define NTHREADS 4
#define NTURNS 100

static struct {
	int (*begin)(void);
	int (*end)(void);
	int (*be_rude)(void);
	uint32_t (*count)(void);
	struct raw_area *(*area)(void);
} legacy;

static void *function(void *handle, const char *name)
{
	void *fn = dlsym(handle, name);

	must(fn);
	return fn;
}

static void find_legacy(void *handle)
{
	*(void **)&legacy.begin = function(handle, "legacy_begin");
	*(void **)&legacy.end = function(handle, "legacy_end");
	*(void **)&legacy.be_rude = function(handle, "legacy_be_rude");
	*(void **)&legacy.count = function(handle, "legacy_count");
	*(void **)&legacy.area = function(handle, "legacy_area");
}

static bool registered(void)
{
	return raw_is_registered(raw_used_area(), raw_used_size());
}

static void must_work(uint64_t *state)
{
	claims_steps(2, state);
	raw_must_be_registered();
}

/* libc owns: the library is refused, and does no harm. */
static void beside_libc(uint64_t *state)
{
	int i;

	for (i = 0; i < NTURNS; i++) {
		must(legacy.begin() == EINVAL);
		must(legacy.be_rude() == EINVAL);
		must(legacy.count() == 0);
		if (i % 20 == 0)
			must_work(state);
	}
	must(!raw_is_registered(raw_own_area(), RAW_SIZE));
}

/* pcmalloc was first: the library's coming and going changes the count only. */
static void after_pcmalloc(uint64_t *state)
{
	uint32_t count = legacy.count();

	must(count >= 1);
	must(legacy.begin() == 0 && legacy.begin() == 0);
	must(legacy.count() == count + 2);
	must_work(state);
	must(legacy.end() == 0 && legacy.end() == 0);
	must(registered());
	must(legacy.count() == count);
	must_work(state);
}

/* A rude one: pcmalloc takes the registration up again, and counts once. */
static void rude(uint64_t *state)
{
	uint32_t count = legacy.count();
	int i;

	for (i = 0; i < NTURNS; i++) {
		must(legacy.be_rude() == 0);
		must(!registered());
		free(malloc(100));
		must(registered());
		must(legacy.count() == count);
		if (i % 20 == 0)
			must_work(state);
	}
}

/* A thread's first user is the library; pcmalloc joins, and outlasts it. */
static void before_pcmalloc(uint64_t *state)
{
	must(raw_state() == PCM_RSEQ_UNARMED);
	must(legacy.count() == 0 && !registered());
	must(legacy.begin() == 0 && legacy.count() == 1);
	must(registered());
	must_work(state);
	must(legacy.count() == 2);
	must(legacy.end() == 0 && legacy.count() == 1);
	must(registered());
	must_work(state);
}

static void *in_thread(void *arg)
{
	uint64_t state = (uintptr_t)arg;

	if (raw_libc_area()) {
		beside_libc(&state);
		return NULL;
	}
	must(legacy.area() == raw_own_area());
	if (state % 2)
		before_pcmalloc(&state);
	else
		must_work(&state);
	must(legacy.count() == 1);
	after_pcmalloc(&state);
	rude(&state);
	after_pcmalloc(&state);
	return NULL;
}

static void in_threads(void)
{
	pthread_t thread[NTHREADS];
	uintptr_t i;

	for (i = 0; i < NTHREADS; i++)
		must(!pthread_create(&thread[i], NULL, in_thread, (void *)i));
	for (i = 0; i < NTHREADS; i++)
		must(!pthread_join(thread[i], NULL));
}

/* The first thread: the library's constructor has begun in it. */
static void preloaded(void)
{
	bool own = !raw_libc_area();
	uint64_t state = 3;

	find_legacy(RTLD_DEFAULT);
	must(legacy.area() == raw_own_area());
	must_work(&state);
	must(legacy.count() == (own ? 2 : 0));
	in_threads();
	if (own) {
		/* The constructor's. */
		must(legacy.end() == 0 && legacy.count() == 1);
		must(registered());
		after_pcmalloc(&state);
		rude(&state);
	} else {
		beside_libc(&state);
	}
}

static void *opens_and_closes(void *arg)
{
	char path[PATH_BYTES];
	uint64_t state = 5;
	int i;

	(void)arg;
	for (i = 0; i < NTURNS / 10; i++) {
		void *handle = dlopen(
			beside_program(path, "legacy_library.so"), RTLD_NOW);

		must(handle);
		find_legacy(handle);
		must_work(&state);
		if (i == 0)
			in_threads();
		must(legacy.area() == raw_own_area());
		must(legacy.count() == (raw_libc_area() ? 0 : 2));
		must(dlclose(handle) == 0);
		must(!dlopen(path, RTLD_NOW | RTLD_NOLOAD));
		must(registered());
		must_work(&state);
	}
	return NULL;
}

static void opened_later(void)
{
	pthread_t thread;

	opens_and_closes(NULL);
	must(!pthread_create(&thread, NULL, opens_and_closes, NULL));
	must(!pthread_join(thread, NULL));
}

static void *without_per_cpu(void *arg)
{
	uint64_t state = (uintptr_t)arg;

	must((uintptr_t)raw_own_area() % 32 == 8);
	claims_steps(20, &state);
	must(raw_state() ==
	     (raw_libc_area() ? PCM_RSEQ_LIBC : PCM_RSEQ_DENIED));
	return NULL;
}

/* An area that cannot be registered: the fallback, for good. */
static void misaligned(void)
{
	pthread_t thread;

	without_per_cpu((void *)1);
	must(!pthread_create(&thread, NULL, without_per_cpu, (void *)2));
	must(!pthread_join(thread, NULL));
}

static void play(const char *part)
{
	struct pcm_stats stats;

	/* It wants per-CPU caches. */
	if (strcmp(part, "misaligned") != 0)
		testing_start(60);
	raw_prepare();
	claims_start();
	if (strcmp(part, "opened") == 0)
		opened_later();
	else if (strcmp(part, "misaligned") == 0)
		misaligned();
	else
		preloaded();
	claims_end();
	stats = raw_stats();
	must(stats.nrefused == 0);
	printf("%s: %s: armed %zu, again %zu, refused %zu; %lu blocks\n", part,
	       raw_mode(), stats.narmed, stats.nrearmed, stats.nrefused,
	       claims_count());
}

static void must_play(const char *part, const char *preload)
{
	struct again again = { .argument = part, .preload = preload };

	must(run_again(&again) == 0);
}

int main(int argc, char **argv)
{
	char path[PATH_BYTES], preload[2 * PATH_BYTES];

	if (argc == 2) {
		play(argv[1]);
		return 0;
	}
	must_play("opened", "%");
	beside_program(path, "legacy_library.so");
	snprintf(preload, sizeof(preload), "%s:%%", path);
	must_play("preloaded before", preload);
	snprintf(preload, sizeof(preload), "%%:%s", path);
	must_play("preloaded after", preload);
	beside_program(path, "legacy_zeroed.so");
	snprintf(preload, sizeof(preload), "%s:%%", path);
	must_play("preloaded before, area of zeroes", preload);
	beside_program(path, "misaligned_area.so");
	snprintf(preload, sizeof(preload), "%s:%%", path);
	must_play("misaligned", preload);
	return 0;
}
