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
#include "rseq_thread.h"

/* The pulse became active, and the thread is wanted: start or wake it. */
extern PCM_HIDDEN atomic_bool pcm_background_due;

/*
 * pcm_background_call() - start the thread, or wake it. Not in the slow path:
 * pthread_create() allocates. Keeps errno.
 *
 * caller	the return address of malloc, free and the like; NULL: unknown, for waking
 *
 * Where libc is the caller, it may hold the locks that pthread_create() takes (a dead
 * thread's TLS is freed under that of the stacks): the thread is started for others
 * only. In a static program libc cannot be told from the rest, and there is no thread.
 */
void pcm_background_call(const void *caller);

/* What leaves the slow path does; and free and the like again, who know their caller. */
static inline void
pcm_background_see_to(const void *caller)
{
	/* A vfork child's thread would be nobody's. */
	if (PCM_UNLIKELY(atomic_load_explicit(&pcm_background_due,
					      memory_order_relaxed)) &&
	    pcm_rseq_held == 0)
		pcm_background_call(caller);
}

/* Is it there, so that nobody else needs to see to ticks? Relaxed. */
bool pcm_background_runs(void);

/* In the child of a fork there is no such thread: it is started anew when due. */
void pcm_background_fork_child(void);

#endif
