/*
 * The helpers of owner_lab.h and foreign_library.h's opening.
 */
#include "owner_lab.h"

#include <dlfcn.h>
#include <sys/wait.h>

const char *beside_program(char path[PATH_BYTES], const char *name)
{
	ssize_t n = readlink("/proc/self/exe", path, PATH_BYTES - 1);
	char *base;

	must(n > 0);
	path[n] = '\0';
	base = strrchr(path, '/');
	must(base);
	snprintf(base + 1, PATH_BYTES - (size_t)(base + 1 - path), "%s", name);
	return path;
}

static void *function(void *handle, const char *name)
{
	void *fn = dlsym(handle, name);

	must(fn);
	return fn;
}

void foreign_open(struct foreign *foreign)
{
	char path[PATH_BYTES];
	void *handle;

	handle = dlopen(beside_program(path, "foreign_library.so"), RTLD_NOW);
	must(handle);
	foreign->handle = handle;
	*(void **)&foreign->take = function(handle, "foreign_take");
	*(void **)&foreign->let_go = function(handle, "foreign_let_go");
	*(void **)&foreign->let_go_at_close =
		function(handle, "foreign_let_go_at_close");
	*(void **)&foreign->area = function(handle, "foreign_area");
}

void foreign_close(struct foreign *foreign)
{
	char path[PATH_BYTES];

	must(dlclose(foreign->handle) == 0);
	/* It is really gone. */
	must(!dlopen(beside_program(path, "foreign_library.so"),
		     RTLD_NOW | RTLD_NOLOAD));
}

static void set_preload(const char *pattern)
{
	const char *pcmalloc = getenv("PCM_SO");
	char text[2 * PATH_BYTES];
	size_t n = 0;

	must(pcmalloc);
	for (; *pattern; pattern++) {
		must(n + 1 < sizeof(text));
		if (*pattern == '%')
			n += (size_t)snprintf(text + n, sizeof(text) - n, "%s",
					      pcmalloc);
		else
			text[n++] = *pattern;
	}
	must(n < sizeof(text));
	text[n] = '\0';
	must(setenv("LD_PRELOAD", text, 1) == 0);
}

void become_again(const struct again *again)
{
	char self[PATH_BYTES], *argv[3] = { self, NULL, NULL };
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);

	must(n > 0);
	self[n] = '\0';
	argv[1] = (char *)(uintptr_t)again->argument;
	if (again->preload)
		set_preload(again->preload);
	if (again->conf)
		must(setenv("PCMALLOC_CONF", again->conf, 1) == 0);
	if (again->tunables)
		must(setenv("GLIBC_TUNABLES", again->tunables, 1) == 0);
	execv(self, argv);
	must(!"exec");
	_exit(1);
}

int run_again(const struct again *again)
{
	int status;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	must(pid >= 0);
	if (pid == 0)
		become_again(again);
	must(waitpid(pid, &status, 0) == pid);
	return status;
}
