/*
 * Proof that no block is handed out twice: every block is claimed by address in
 * a table, which no stray write reaches, and filled with a pattern of its own.
 *
 * Blocks go from thread to thread through shared slots. Nothing here takes a
 * lock, so that a thread may be interrupted anywhere, also by a handler that
 * uses these functions itself.
 */
#ifndef PCM_TEST_CLAIMS_H
#define PCM_TEST_CLAIMS_H

#include "testing.h"

/* Takes the table's memory; before the first other call. */
void claims_start(void);

/* A fresh block of @n >= 16 bytes, and one that is about to be freed. */
void claims_take(void *p, size_t n, uint64_t *state);
void claims_drop(void *p);

/* A block of @n >= 16 bytes; dies with a message if somebody has it. */
void *claims_new(size_t n, uint64_t *state);
/* Frees it; dies with a message if it has changed or is not claimed. */
void claims_delete(void *p);

/*
 * A burst of new blocks of one size, which are handed on through the slots:
 * what was in a slot is checked and freed, or, kept for a while, freed in bulk.
 * So most blocks end in another thread, and every magazine is now full, now
 * empty. A thread that is not on per-CPU caches visits the slow path at least
 * once.
 */
void claims_step(uint64_t *state);

/* @n of them. */
void claims_steps(int n, uint64_t *state);

/* Frees what is in the slots; after it nothing is claimed, or it dies. */
void claims_end(void);

/* Blocks that were handed out so far, to all threads. */
unsigned long claims_count(void);

#endif
