/*
 * A library with an rseq area of its own, which knows nothing of libc's or of
 * pcmalloc's. It is opened with dlopen(), never linked to.
 *
 * It registers its area on the threads that ask for it. When it is closed it
 * lets go of those that agreed to; the others stay registered for ever, with
 * areas in memory that is not given back.
 */
#ifndef PCM_TEST_FOREIGN_LIBRARY_H
#define PCM_TEST_FOREIGN_LIBRARY_H

#include <stdbool.h>

struct raw_area;

/* As many threads may ask at the same time. */
#define FOREIGN_NTHREADS 64

/*
 * Its functions, by the names foreign_*. None of them allocates, and all work
 * before a thread's first allocation.
 */
struct foreign {
	void *handle;
	/* Registers an area for the calling thread: 0, or an errno. */
	int (*take)(void);
	/* Unregisters it: 0, or an errno. */
	int (*let_go)(void);
	/* When the library is closed, it lets go of the calling thread. */
	void (*let_go_at_close)(void);
	/* The calling thread's area. */
	struct raw_area *(*area)(void);
};

/* Opens the library that lies beside the running program. */
void foreign_open(struct foreign *foreign);
void foreign_close(struct foreign *foreign);

#endif
