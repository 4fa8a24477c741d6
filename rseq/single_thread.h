/*
 * single_thread.h - does anybody else run in this address space?
 *
 * glibc >= 2.32 has a flag for that, `__libc_single_threaded`, which its own
 * malloc trusts. A shared library finds it by dlsym() when it is loaded: a
 * reference would make the library need glibc 2.32.
 */
#ifndef PCM_SINGLE_THREAD_H
#define PCM_SINGLE_THREAD_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#include "compiler.h"

/*
 * Set for ever once clone() has made a task that shares this address space and
 * runs beside its parent: libc's flag then no longer tells the truth. Written
 * before the task exists, so the task and everything after see it.
 */
extern PCM_HIDDEN atomic_bool pcm_clone_used;

/*
 * Set for ever once clone() has made a task with a TLS of somebody's own making
 * (CLONE_SETTLS): an area that shows a CPU is then not the kernel's word.
 */
extern PCM_HIDDEN atomic_bool pcm_clone_tls_used;

/* libc's flag; NULL: there is none, or we are not loaded yet. */
extern PCM_HIDDEN const char *pcm_single_thread_flag;

/*
 * pcm_single_threaded() - nobody else runs in this address space. False where
 * nobody can tell. Async-signal-safe.
 */
static inline bool
pcm_single_threaded(void)
{
	return pcm_single_thread_flag != NULL && *pcm_single_thread_flag &&
		!atomic_load_explicit(&pcm_clone_used, memory_order_relaxed);
}

#endif
