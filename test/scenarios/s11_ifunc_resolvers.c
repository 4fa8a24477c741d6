/*
 * Scenario 11, IFUNC resolvers that allocate: of the main program, which run
 * while the dynamic linker relocates it and no constructor has run, and of
 * libraries that are loaded later, with lazy and immediate binding.
 */
#include "testing.h"

#include <dlfcn.h>
#include <limits.h>
#include <pthread.h>

static char *note;
static void *freed_in_main;

static int answer(void)
{
	return note && strcmp(note, "from the resolver") == 0 ? 42 : 0;
}

static int no_answer(void)
{
	return -1;
}

/* Nothing of libc but malloc is certain to work here. */
__attribute__((used)) static int (*resolve(void))(void)
{
	char *large = malloc(5 << 20), *small;
	const char *text = "from the resolver";
	size_t i;

	note = calloc(1, 100);
	small = malloc(40);
	if (!note || !large || !small)
		return no_answer;
	/* It is served as always, not by some makeshift. */
	if (malloc_usable_size(small) > 64)
		return no_answer;
	small = realloc(small, 4000);
	if (!small)
		return no_answer;
	for (i = 0; text[i]; i++)
		note[i] = text[i];
	free(large);
	freed_in_main = small;
	return answer;
}

static int program_answer(void) __attribute__((ifunc("resolve")));

static void *open_library(int flags)
{
	char path[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 40);
	void *library;

	must(n > 0);
	path[n] = '\0';
	strcpy(strrchr(path, '/') + 1, "s11_ifunc_library.so");
	library = dlopen(path, flags);
	if (!library)
		fprintf(stderr, "%s\n", dlerror());
	must(library);
	return library;
}

static void use_library(int flags)
{
	void *library = open_library(flags);
	int (*ask)(void);

	*(void **)&ask = dlsym(library, "ask_library");
	must(ask && ask() == 42);
	must(dlclose(library) == 0);
}

static void *use_library_in_thread(void *arg)
{
	use_library(RTLD_NOW | RTLD_LOCAL);
	return arg;
}

int main(void)
{
	pthread_t thread;

	testing_start(20);
	must(program_answer() == 42);
	free(freed_in_main);
	free(note);
	use_library(RTLD_NOW | RTLD_LOCAL);
	use_library(RTLD_LAZY | RTLD_LOCAL);
	use_library(RTLD_NOW | RTLD_GLOBAL);
	must(!pthread_create(&thread, NULL, use_library_in_thread, NULL));
	must(!pthread_join(thread, NULL));
	return 0;
}
