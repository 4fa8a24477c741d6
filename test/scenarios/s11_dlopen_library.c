/*
 * Scenario 11, libpcmalloc.so loaded with dlopen by a program that runs on
 * libc's malloc: both work side by side, in all threads and forked children,
 * and dlclose changes nothing (-z nodelete). It is loaded after many libraries
 * with thread-local memory, a second time with dlmopen, and where the static
 * TLS has been used up dlopen says so.
 */
#include "tls_modules.h"

#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/wait.h>

#define NBLOCKS 1500
#define NMODULES 40
#define CHILD_LIMIT 20

static struct interface {
	void *(*malloc)(size_t);
	void (*free)(void *);
	void *(*calloc)(size_t, size_t);
	void *(*realloc)(void *, size_t);
	void *(*memalign)(size_t, size_t);
	size_t (*malloc_usable_size)(void *);
	const char *(*pcm_version)(void);
	const char *(*pcm_mode)(void);
} lib;

static void *function(void *handle, const char *name)
{
	void *p = dlsym(handle, name);

	if (!p)
		fprintf(stderr, "%s\n", dlerror());
	must(p);
	return p;
}

static void find_interface(void *handle)
{
	*(void **)&lib.malloc = function(handle, "malloc");
	*(void **)&lib.free = function(handle, "free");
	*(void **)&lib.calloc = function(handle, "calloc");
	*(void **)&lib.realloc = function(handle, "realloc");
	*(void **)&lib.memalign = function(handle, "memalign");
	*(void **)&lib.malloc_usable_size =
		function(handle, "malloc_usable_size");
	*(void **)&lib.pcm_version = function(handle, "pcm_version");
	*(void **)&lib.pcm_mode = function(handle, "pcm_mode");
}

static size_t random_size(uint64_t *state)
{
	return rnd_between(state, 1, rnd(state) % 100 ? 3000 : 400000);
}

/* Blocks of both allocators, turn and turn about. */
static void use_both(uint64_t seed)
{
	static __thread unsigned char *ours[NBLOCKS], *libc[NBLOCKS];
	uint64_t state = seed, again = seed;
	size_t i, n;

	for (i = 0; i < NBLOCKS; i++) {
		n = random_size(&state);
		ours[i] = i % 3 ? lib.malloc(n) : lib.calloc(1, n);
		libc[i] = malloc(n);
		must(ours[i] && libc[i] && ours[i] != libc[i]);
		must(lib.malloc_usable_size(ours[i]) >= n);
		fill(ours[i], n, i);
		fill(libc[i], n, ~i);
	}
	for (i = 0; i < NBLOCKS; i++) {
		n = random_size(&again);
		must(filled(ours[i], n, i) && filled(libc[i], n, ~i));
		ours[i] = lib.realloc(ours[i], n + 100);
		must(ours[i] && filled(ours[i], n, i));
		lib.free(ours[i]);
		free(libc[i]);
	}
}

static void *run(void *arg)
{
	use_both((uint64_t)(uintptr_t)arg);
	return NULL;
}

static void use_both_in_threads(void)
{
	pthread_t thread[4];
	size_t i;

	for (i = 0; i < 4; i++)
		must(!pthread_create(&thread[i], NULL, run, (void *)(i + 1)));
	for (i = 0; i < 4; i++)
		must(!pthread_join(thread[i], NULL));
}

static const char *library(void)
{
	const char *so = getenv("PCM_SO");

	return so ? so : "build/libpcmalloc.so";
}

static void *open_library(int flags)
{
	void *handle = dlopen(library(), flags);

	if (!handle)
		fprintf(stderr, "%s\n", dlerror());
	must(handle);
	return handle;
}

/* dlclose leaves library, blocks and functions where they are. */
static void close_and_go_on(void *handle)
{
	unsigned char *p = lib.malloc(5000);
	Dl_info info;

	fill(p, 5000, 8);
	must(dlclose(handle) == 0);
	must(dladdr(*(void **)&lib.malloc, &info));
	must(filled(p, 5000, 8));
	lib.free(p);
	use_both(5);
	use_both_in_threads();
}

static void wait_for(pid_t pid)
{
	int status;

	must(pid > 0);
	must(waitpid(pid, &status, 0) == pid);
	must(status == 0);
}

/* While a thread allocates from both. */
static void fork_and_go_on(void)
{
	pthread_t thread;
	int i;

	must(!pthread_create(&thread, NULL, run, (void *)21));
	for (i = 0; i < 5; i++) {
		pid_t pid = fork();

		if (pid == 0) {
			alarm(CHILD_LIMIT);
			use_both(22);
			use_both_in_threads();
			_exit(0);
		}
		wait_for(pid);
	}
	must(!pthread_join(thread, NULL));
}

/*
 * Nothing is left of what the dynamic linker keeps for libraries that come late
 * and want static TLS: it refuses, or finds a rest that is large enough.
 */
static void without_static_tls(void)
{
	struct tls_module module;
	void *handle;
	int fd, n = 0;

	while (tls_module_open(&module, "s11_tls_static.so", &fd)) {
		must(module.touch(3) == 0);
		n++;
	}
	printf("%d libraries in the static TLS: %s\n", n, dlerror());
	handle = dlopen(library(), RTLD_NOW | RTLD_LOCAL);
	if (!handle) {
		printf("%s\n", dlerror());
		return;
	}
	find_interface(handle);
	use_both(31);
	use_both_in_threads();
}

static void in_child(void (*fn)(void))
{
	pid_t pid = fork();

	if (pid == 0) {
		alarm(CHILD_LIMIT);
		fn();
		fflush(stdout);
		_exit(0);
	}
	wait_for(pid);
}

/* In a namespace of its own, with a second libc. */
static void second_one(void)
{
	struct interface first = lib;
	void *handle = dlmopen(LM_ID_NEWLM, library(), RTLD_NOW | RTLD_LOCAL);

	if (!handle)
		fprintf(stderr, "%s\n", dlerror());
	must(handle);
	find_interface(handle);
	must(lib.malloc != first.malloc);
	printf("the second one: %s\n", lib.pcm_mode());
	use_both(41);
	use_both_in_threads();
	must(dlclose(handle) == 0);
	use_both(42);
	lib = first;
	use_both_in_threads();
}

static struct tls_module modules[NMODULES];

static void open_modules(void)
{
	int i, fd;

	for (i = 0; i < NMODULES; i++) {
		must(tls_module_open(&modules[i], "s11_tls_module.so", &fd));
		must(modules[i].touch(1) == 0);
	}
}

static void touch_modules(void)
{
	int i;

	for (i = 0; i < NMODULES; i++)
		must(modules[i].touch(1) == 1);
}

int main(void)
{
	pthread_t early;
	void *handle;

	setvbuf(stdout, NULL, _IOLBF, 0);
	alarm(50);
	must(!dlsym(RTLD_DEFAULT, "pcm_version"));
	in_child(without_static_tls);
	open_modules();
	handle = open_library(RTLD_NOW | RTLD_LOCAL);
	find_interface(handle);
	printf("%s, %s\n", lib.pcm_version(), lib.pcm_mode());
	must(*(void **)&lib.malloc != dlsym(RTLD_DEFAULT, "malloc"));
	use_both(1);
	use_both_in_threads();
	touch_modules();
	fork_and_go_on();
	second_one();
	must(!pthread_create(&early, NULL, run, (void *)9));
	must(open_library(RTLD_LAZY | RTLD_LOCAL) == handle);
	must(dlclose(handle) == 0);
	close_and_go_on(handle);
	must(!pthread_join(early, NULL));
	handle = open_library(RTLD_NOW | RTLD_GLOBAL);
	find_interface(handle);
	use_both(6);
	must(lib.memalign(4096, 1));
	return 0;
}
