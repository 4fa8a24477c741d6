/*
 * Says where it runs: libc, and what that tells about rseq. Proves that malloc
 * is pcmalloc's, and that the states of the main thread, of another thread and
 * of a forked child fit the mode of the process. Runs with any libc, dynamic or
 * static.
 */
#include "pattern.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/auxv.h>
#include <sys/wait.h>

#include <pcmalloc/pcmalloc.h>

#ifdef __GLIBC__
#include <gnu/libc-version.h>
#endif

#define RSEQ_FEATURE_SIZE_ENTRY 27

extern const unsigned int __rseq_size __attribute__((weak));
extern const ptrdiff_t __rseq_offset __attribute__((weak));

static const char *(*mode)(void);
static enum pcm_rseq_state (*state)(void);

static void find_library(void)
{
	void *version = dlsym(RTLD_DEFAULT, "pcm_version");
	Dl_info ours, used;

	*(void **)&mode = dlsym(RTLD_DEFAULT, "pcm_mode");
	*(void **)&state = dlsym(RTLD_DEFAULT, "pcm_rseq_state");
	must(version && mode && state);
	must(dladdr(version, &ours));
	must(dladdr(dlsym(RTLD_DEFAULT, "malloc"), &used));
	must(ours.dli_fbase == used.dli_fbase);
}

static void print_place(void)
{
#ifdef __GLIBC__
	printf("libc: glibc %s\n", gnu_get_libc_version());
#else
	printf("libc: musl\n");
#endif
	if (&__rseq_size && &__rseq_offset)
		printf("__rseq_size %u, __rseq_offset %td\n", __rseq_size,
		       __rseq_offset);
	printf("AT_RSEQ_FEATURE_SIZE %lu\n",
	       getauxval(RSEQ_FEATURE_SIZE_ENTRY));
	printf("mode: %s\n", mode());
	fflush(stdout);
}

/* Allocates until a slow path has been visited for certain. */
static void allocate(void)
{
	enum { NBLOCKS = 200 };
	void *p[NBLOCKS];
	size_t i;

	for (i = 0; i < NBLOCKS; i++) {
		p[i] = malloc(100 + i * 150);
		must(p[i]);
		fill(p[i], 100, i);
	}
	for (i = 0; i < NBLOCKS; i++) {
		must(filled(p[i], 100, i));
		free(p[i]);
	}
}

static void *must_fit(void *arg)
{
	enum pcm_rseq_state now;

	allocate();
	now = state();
	if (strncmp(mode(), "per-CPU, glibc's", 16) == 0)
		must(now == PCM_RSEQ_LIBC);
	else if (strncmp(mode(), "per-CPU, own", 12) == 0)
		must(now == PCM_RSEQ_OWN);
	else
		must(now != PCM_RSEQ_LIBC && now != PCM_RSEQ_OWN);
	return arg;
}

static void in_thread(void)
{
	pthread_t thread;

	must(!pthread_create(&thread, NULL, must_fit, NULL));
	must(!pthread_join(thread, NULL));
}

static void in_child(void)
{
	int status;
	pid_t pid = fork();

	must(pid >= 0);
	if (pid == 0) {
		must_fit(NULL);
		in_thread();
		_exit(0);
	}
	must(waitpid(pid, &status, 0) == pid);
	must(status == 0);
}

int main(void)
{
	alarm(60);
	find_library();
	must_fit(NULL);
	print_place();
	in_thread();
	in_child();
	return 0;
}
