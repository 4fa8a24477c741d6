/*
 * leftover.h - address ranges that the system would not take back.
 *
 * munmap(2) fails where it would have to split a mapping of the kernel's and
 * the process has as many as it may (vm.max_map_count), or where the kernel
 * has no memory itself. Whoever unmapped the range has forgotten it by then,
 * so it is kept here, and tried again at every tick and whenever memory is
 * short. Its memory is dropped at once, if the system allows that.
 *
 * No locks, no memory but the range itself; all are async-signal-safe.
 */
#ifndef PCM_LEFTOVER_H
#define PCM_LEFTOVER_H

#include <stdbool.h>
#include <stddef.h>

/*
 * pcm_leftover_add() - whole OS pages, at least one, that nobody uses and
 * munmap has refused. Returns whether their memory went back all the same; if
 * not, it counts as held (limit.h) from now on.
 */
bool pcm_leftover_add(void *p, size_t nbytes);

/* Tries again. Returns the bytes that were unmapped now. */
size_t pcm_leftover_retry(void);

/* For statistics: address space, and the part of it that has memory. */
size_t pcm_leftover_bytes(void);
size_t pcm_leftover_warm(void);

#endif
