/*
 * What the scenarios of owners share: libraries that lie beside the program,
 * and the program run again in another way.
 */
#ifndef PCM_TEST_OWNER_LAB_H
#define PCM_TEST_OWNER_LAB_H

#include "foreign_library.h"
#include "testing.h"

/* The path of file @name in the program's directory; text of @path. */
#define PATH_BYTES 4096
const char *beside_program(char path[PATH_BYTES], const char *name);

/* How the program runs again; NULL: as it is. */
struct again {
	const char *argument;	/* argv[1] */
	const char *preload;	/* LD_PRELOAD; "%" stands for pcmalloc */
	const char *conf;	/* PCMALLOC_CONF */
	const char *tunables;	/* GLIBC_TUNABLES; "" = none */
};

/* Becomes it. To be called in a child. */
__attribute__((noreturn)) void become_again(const struct again *again);

/* Runs it as a child; returns its wait status. */
int run_again(const struct again *again);

#endif
