/*
 * launcher.c - `pcmalloc PROGRAM ARGS...`: run a program on pcmalloc.
 *
 * Puts libpcmalloc.so in front of LD_PRELOAD and executes PROGRAM. The library is
 * looked for beside the launcher (a build tree), then in LIBDIR (installed).
 */
#define _GNU_SOURCE
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "pcmalloc/pcmalloc.h"

#ifndef LIBDIR
#define LIBDIR "/usr/local/lib"
#endif
#define LIBRARY "libpcmalloc.so.0"

/* Exit status as env(1)'s and nohup(1)'s. */
enum { NOT_EXECUTABLE = 126, NOT_FOUND = 127, USAGE = 125 };

static const char usage[] =
	"usage: pcmalloc PROGRAM [ARGUMENT...]\n"
	"       pcmalloc --library | --version | --help\n"
	"Runs PROGRAM with pcmalloc as its malloc. PCMALLOC_CONF=key:value,...\n"
	"configures it; see pcmalloc(1).\n";

/* Fills `path` with the library's; false: there is none. */
static int
find_library(char path[PATH_MAX + sizeof(LIBRARY)])
{
	ssize_t n = readlink("/proc/self/exe", path, PATH_MAX);

	while (n > 0 && path[n - 1] != '/')
		n--;
	if (n > 0) {
		strcpy(path + n, LIBRARY);
		if (access(path, R_OK) == 0)
			return 1;
	}
	strcpy(path, LIBDIR "/" LIBRARY);
	return access(path, R_OK) == 0;
}

/* What separates names in LD_PRELOAD, which has no way to quote them. */
static int
can_be_preloaded(const char *library)
{
	return strpbrk(library, " :") == NULL;
}

static int
preload(const char *library)
{
	const char *others = getenv("LD_PRELOAD");
	char *value;

	if (others == NULL || *others == '\0')
		return setenv("LD_PRELOAD", library, 1);
	if (asprintf(&value, "%s:%s", library, others) < 0)
		return -1;
	return setenv("LD_PRELOAD", value, 1);
}

int
main(int argc, char **argv)
{
	char library[PATH_MAX + sizeof(LIBRARY)];

	if (argc < 2) {
		fputs(usage, stderr);
		return USAGE;
	}
	if (strcmp(argv[1], "--help") == 0)
		return fputs(usage, stdout) < 0;
	if (strcmp(argv[1], "--version") == 0)
		return puts("pcmalloc " PCM_VERSION_STRING) < 0;
	if (!find_library(library)) {
		fprintf(stderr, "pcmalloc: %s: %s\n", library,
			strerror(errno));
		return NOT_FOUND;
	}
	if (strcmp(argv[1], "--library") == 0)
		return puts(library) < 0;
	if (argv[1][0] == '-') {
		fputs(usage, stderr);
		return USAGE;
	}
	if (!can_be_preloaded(library)) {
		fprintf(stderr,
			"pcmalloc: %s: Cannot be preloaded, for a space or a colon\n",
			library);
		return USAGE;
	}
	if (preload(library) != 0) {
		fprintf(stderr, "pcmalloc: %s\n", strerror(errno));
		return USAGE;
	}
	execvp(argv[1], argv + 1);
	fprintf(stderr, "pcmalloc: %s: %s\n", argv[1], strerror(errno));
	return errno == ENOENT ? NOT_FOUND : NOT_EXECUTABLE;
}
