/*
 * Small blocks as fast as they come, few at a time, each checked: what finds
 * out that a block has been handed out twice, because a task used a cache that
 * was another one's just then.
 */
#ifndef PCM_TEST_HAMMER_H
#define PCM_TEST_HAMMER_H

#include "testing.h"

#include <stdbool.h>
#include <stdint.h>

/*
 * @turns rounds of a few blocks. Tasks that run at once have different seeds.
 * Needs nothing of libc but malloc and free, so it may run in any task.
 */
void hammer(int turns, uint64_t seed);

/* The same, on one CPU after the other; ends on all that there were. */
void hammer_moving(int turns, uint64_t seed);

/*
 * Starts @nthreads threads that hammer until hammer_stop(). If @bound, each
 * stays on a CPU of its own, as far as there are enough.
 */
void hammer_start(int nthreads, bool bound);
void hammer_stop(void);

/* CPUs that the program may use; looked up once, by hammer_start() too. */
int hammer_ncpus(void);
/* Binds the calling task to the CPU of that number, modulo their count. */
void hammer_bind(int number);

#endif
