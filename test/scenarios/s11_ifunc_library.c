/*
 * A library whose IFUNC resolver allocates; s11_ifunc_resolvers.c loads it.
 */
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

static char *note;

static int answer(void)
{
	return note && strcmp(note, "from the resolver") == 0 ? 42 : 0;
}

static int no_answer(void)
{
	return -1;
}

__attribute__((used)) static int (*resolve(void))(void)
{
	void *large = malloc(5 << 20);

	note = calloc(1, 100);
	if (!note || !large)
		return no_answer;
	free(large);
	strcpy(note, "from the resolver");
	return answer;
}

/* Static: its relocation comes after all others, that of malloc too. */
static int library_answer(void) __attribute__((ifunc("resolve")));
int ask_library(void);

int ask_library(void)
{
	return library_answer();
}
