/*
 * emergency.h - malloc and free for a signal handler that has interrupted its
 * own thread's slow path.
 *
 * Nothing here waits for a lock. Sections have been tried before.
 */
#ifndef PCM_EMERGENCY_H
#define PCM_EMERGENCY_H

#include <stddef.h>

struct pcm_span;

/*
 * pcm_emergency_alloc() - a block from a span whose lock is free at the moment,
 * else a mapping of its own. NULL: no memory.
 *
 * nbytes	at least 1
 * align	a power of two
 */
void *pcm_emergency_alloc(size_t nbytes, size_t align);

/* Frees a block of kind EMERGENCY; from any context. */
void pcm_emergency_free(struct pcm_span *span);

/* Unmaps what waits for the next handler; from any context. Returns bytes. */
size_t pcm_emergency_release(void);

/* A tick: the same, if no handler has come by since the last one. */
void pcm_emergency_decay(void);

/* Leaves any other block for the next slow path to free. */
void pcm_emergency_defer(void *p);

/*
 * pcm_emergency_deferred() - the blocks that were left, for the caller to free.
 *
 * They are linked through their first words; NULL ends the list.
 */
void *pcm_emergency_deferred(void);

#endif
