/*
 * fork.h - what others must know of a fork that takes no locks.
 */
#ifndef PCM_FORK_H
#define PCM_FORK_H

#include <stdbool.h>

#include "compiler.h"

/* The calling thread, the only one, forks just now: none may be started meanwhile. */
extern PCM_HIDDEN PCM_TLS bool pcm_fork_alone;

#endif
