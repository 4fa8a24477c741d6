/*
 * Many copies of s11_tls_module.so, each a library of its own for the dynamic
 * linker. Header only: one of its users runs without the other helpers.
 */
#ifndef PCM_TEST_TLS_MODULES_H
#define PCM_TEST_TLS_MODULES_H

#include "pattern.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/mman.h>

struct tls_module {
	void *handle;
	unsigned long (*touch)(unsigned char byte);
};

/* @path: room for PATH_MAX bytes. The file @name beside the running program. */
static inline void beside_program(char *path, const char *name)
{
	ssize_t n = readlink("/proc/self/exe", path, PATH_MAX - 64);

	must(n > 0);
	path[n] = '\0';
	strcpy(strrchr(path, '/') + 1, name);
}

/* The copy lives in memory; the descriptor may be closed once it is loaded. */
static inline int copy_of_file(const char *path)
{
	int from = open(path, O_RDONLY | O_CLOEXEC);
	int to = memfd_create("tls_module", MFD_CLOEXEC);
	char part[4096];
	ssize_t n;

	must(from >= 0 && to >= 0);
	while ((n = read(from, part, sizeof(part))) > 0)
		must(write(to, part, (size_t)n) == n);
	must(n == 0);
	close(from);
	return to;
}

/*
 * Loads one more copy of the library @name; false if the dynamic linker will
 * not. A name may not come twice: the descriptors are given back in @fd.
 */
static inline int tls_module_open(struct tls_module *module, const char *name,
				  int *fd)
{
	char path[PATH_MAX];

	beside_program(path, name);
	*fd = copy_of_file(path);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", *fd);
	module->handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	if (!module->handle)
		return 0;
	*(void **)&module->touch = dlsym(module->handle, "tls_module_touch");
	must(module->touch);
	return 1;
}

#endif
