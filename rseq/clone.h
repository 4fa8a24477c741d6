/*
 * clone.h - tasks that share memory and that libc does not know of.
 */
#ifndef PCM_CLONE_H
#define PCM_CLONE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#include "compiler.h"

/*
 * Set for ever once clone() has made a task that shares this address space and
 * runs beside its parent: libc's "single threaded" flag then no longer tells
 * the truth. Written before the task exists, so the task and everything after
 * see it.
 */
extern PCM_HIDDEN atomic_bool pcm_clone_used;

/* glibc >= 2.32. Weak: elsewhere its address is NULL. */
extern char __libc_single_threaded __attribute__((weak));

/*
 * pcm_single_threaded() - nobody else runs in this address space. glibc's own
 * malloc trusts the same flag. False where nobody can tell.
 */
static inline bool
pcm_single_threaded(void)
{
	return &__libc_single_threaded != NULL && __libc_single_threaded &&
		!atomic_load_explicit(&pcm_clone_used, memory_order_relaxed);
}

#endif
