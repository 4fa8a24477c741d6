/*
 * slow.h - entering the slow path: once per thread at a time.
 *
 * A signal handler may allocate while its own thread is inside the slow path,
 * holding any lock. The thread's `depth` tells: whoever finds it raised must not
 * wait for a lock and goes to emergency.h instead. Signals are never masked.
 */
#ifndef PCM_SLOW_H
#define PCM_SLOW_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "compiler.h"
#include "percpu.h"

struct pcm_slow_thread {
	volatile uint32_t depth; /* slow paths that this thread is in: 0, 1 */
	uint32_t visits;	 /* since the last look at the clock */
};

extern PCM_HIDDEN PCM_TLS struct pcm_slow_thread pcm_slow_thread;

/* The process is set up; before, pcm_slow_enter() does it. */
extern PCM_HIDDEN atomic_bool pcm_slow_ready;

/* Set-up, frees that handlers left behind, and the clock, now and then. */
void pcm_slow_errands(void);

/*
 * pcm_slow_enter() - true: the caller may take locks, and calls
 * pcm_slow_leave(). False: the caller has interrupted its own thread's slow
 * path.
 */
static inline bool
pcm_slow_enter(void)
{
	struct pcm_slow_thread *self = &pcm_slow_thread;

	if (PCM_UNLIKELY(self->depth != 0 || pcm_percpu_inside()) &&
	    pcm_rseq_held == 0)
		return false;
	self->depth = 1;
	atomic_signal_fence(memory_order_seq_cst);
	pcm_slow_errands();
	return true;
}

static inline void
pcm_slow_leave(void)
{
	atomic_signal_fence(memory_order_seq_cst);
	pcm_slow_thread.depth = 0;
}

#endif
