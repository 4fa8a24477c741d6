/*
 * Threads that keep every part of the allocator busy while something else is
 * tested, and check all the time that no block changes under their hands.
 *
 * The blocks lie in shared slots and are freed by whichever thread comes by. A
 * block is complete before it is put into its slot, so a forked child may check
 * and free all that it finds there.
 */
#ifndef PCM_TEST_LOAD_H
#define PCM_TEST_LOAD_H

#include "testing.h"

/* What a step of the load does; each kind keeps other locks busy. */
enum load_kind {
	LOAD_SMALL,	/* to 1 KiB: magazines, depot */
	LOAD_MEDIUM,	/* to 32 KiB: central lists, spans */
	LOAD_SPAN,	/* to 256 KiB: small caches, page heap */
	LOAD_LARGE,	/* to 4 MiB: page heap */
	LOAD_HUGE,	/* to 64 MiB: mappings, mremap */
	LOAD_TRIM,	/* small, and malloc_trim now and then */
	LOAD_STATISTICS,/* small, and mallinfo2, pvalloc, malloc_usable_size */
	LOAD_NKINDS
};

/* Starts @nthreads threads with steps of @kind, or of all kinds if < 0. */
void load_start(int kind, int nthreads);

/* Ends them, checks and frees every block. */
void load_stop(void);

/* One step in the calling thread; LOAD_TRIM is rare, all others are cheap. */
void load_step(enum load_kind kind, uint64_t *state);

/* @nsteps steps of all kinds but LOAD_TRIM. */
void load_steps(int nsteps, uint64_t *state);

/* Checks and frees every block that is in a slot. */
void load_clear(void);

/* Steps that the threads have made since load_start(). */
unsigned long load_count(void);

#endif
