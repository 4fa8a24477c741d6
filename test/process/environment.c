/*
 * The environment is somebody else's: a program may clear or change it before
 * and after pcmalloc has read it, start with none, or with a very large one.
 */
#include "load.h"

#include <pcmalloc/pcmalloc.h>

#include <dlfcn.h>
#include <stdbool.h>
#include <sys/wait.h>

extern char **environ;

static const char *library;

static bool active(int argc)
{
	return argc >= 2;
}

static const char *mode(void)
{
	const char *(*fn)(void);

	*(void **)&fn = dlsym(RTLD_DEFAULT, "pcm_mode");
	must(fn);
	return fn();
}

static void work(void)
{
	uint64_t state = 2;

	load_steps(300, &state);
	load_clear();
}

/* Before any constructor: what is there is taken away or changed. */
static void change_early(int argc, char **argv, char **envp)
{
	if (!active(argc))
		return;
	environ = envp;
	if (strcmp(argv[1], "clear") == 0)
		clearenv();
	if (strcmp(argv[1], "null") == 0)
		environ = NULL;
	if (strcmp(argv[1], "set") == 0)
		setenv("PCMALLOC_CONF", "nonsense:1,stats:exit", 1);
}

__attribute__((used, section(".preinit_array"))) static void (*const preinit)(
	int, char **, char **) = change_early;

static int changed(const char *how)
{
	work();
	if (strcmp(how, "late") == 0) {
		must(!setenv("PCMALLOC_CONF", "nonsense:1", 1));
		work();
		must(!unsetenv("PCMALLOC_CONF"));
		must(!clearenv());
	}
	work();
	printf("%s", mode());
	return 0;
}

struct start {
	const char *how;
	char **envp;
};

static void exec_with(void *arg)
{
	struct start *start = arg;
	char *argv[] = { "environment", (char *)start->how, NULL };

	execve("/proc/self/exe", argv, start->envp);
	_exit(125);
}

static struct child child;

static void run(const char *how, char **envp)
{
	struct start start = { how, envp };

	testing_child(&child, 20, exec_with, &start);
	if (child.status != 0 || child.err_len)
		printf("%s: status %x, %s\n", how, (unsigned int)child.status,
		       child.err);
	must(child.status == 0);
	must(child.err_len == 0);
	must(child.out_len > 0);
}

static void preload(char *text, size_t size)
{
	must(snprintf(text, size, "LD_PRELOAD=%s", library) < (int)size);
}

/* 3000 variables, some long, and the one that counts among them. */
static char **large_environment(char *first)
{
	static char *envp[3003];
	size_t i;

	envp[0] = first;
	for (i = 1; i <= 3000; i++) {
		size_t n = i % 100 ? 20 : 10000;

		envp[i] = malloc(n);
		memset(envp[i], 'x', n - 1);
		envp[i][n - 1] = '\0';
		memcpy(envp[i], "PCMALLOC_CON=", 13);
	}
	envp[1500] = "PCMALLOC_CONF=rseq:off";
	envp[3001] = NULL;
	return envp;
}

int main(int argc, char **argv)
{
	char first[4096];
	char *few[] = { first, NULL, NULL };

	if (active(argc))
		return changed(argv[1]);
	testing_start(40);
	library = getenv("LD_PRELOAD");
	must(library);
	preload(first, sizeof(first));
	run("clear", few);
	run("null", few);
	run("set", few);
	run("late", few);
	few[1] = "PCMALLOC_CONF=rseq:off";
	run("late", few);
	must(strcmp(child.out, "fallback, rseq switched off") == 0);
	few[1] = "PCMALLOC_CONF";
	run("late", few);
	run("late", large_environment(first));
	must(strcmp(child.out, "fallback, rseq switched off") == 0);
	return 0;
}
