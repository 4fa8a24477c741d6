/*
 * background.h - the optional thread that makes ticks when nobody else does.
 *
 * PCMALLOC_CONF background:true. It starts when for the first time much memory
 * is idle (pulse.h), not before, so that a program that needs to be
 * single-threaded at its beginning is; it sleeps while the pulse is not active.
 */
#ifndef PCM_BACKGROUND_H
#define PCM_BACKGROUND_H

#include <stdatomic.h>
#include <stdbool.h>

#include "compiler.h"

/* The pulse became active, and the thread is wanted: start or wake it. */
extern PCM_HIDDEN atomic_bool pcm_background_due;

/*
 * pcm_background_call() - start the thread, or wake it. Not in the slow path:
 * pthread_create() allocates. Keeps errno.
 */
void pcm_background_call(void);

/* Is it there, so that nobody else needs to see to ticks? Relaxed. */
bool pcm_background_runs(void);

/* In the child of a fork there is no such thread: it is started anew when due. */
void pcm_background_fork_child(void);

#endif
