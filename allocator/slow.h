/*
 * slow.h - entering the slow path: once per thread at a time.
 *
 * A signal handler may allocate while its own thread is inside the slow path,
 * holding any lock. The thread's `inside` tells: whoever finds it set by itself
 * must not wait for a lock and goes to emergency.h instead. Signals are never
 * masked.
 */
#ifndef PCM_SLOW_H
#define PCM_SLOW_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "background.h"
#include "compiler.h"
#include "percpu.h"
#include "pulse.h"
#include "raw_syscall.h"

struct pcm_slow_thread {
	/*
	 * Who is in the slow path: 0 nobody, 1 the thread itself, else the id of
	 * a task that shares this TLS (a vfork or CLONE_VM child).
	 */
	volatile int32_t inside;
	uint32_t visits; /* since the last look at the clock */
	uint32_t ops;	 /* allocations since the last visit, while the fast path is cut */
	bool settled;	 /* it has allocated or freed before */
};

extern PCM_HIDDEN PCM_TLS struct pcm_slow_thread pcm_slow_thread;

/* The process is set up; before, pcm_slow_enter() does it. */
extern PCM_HIDDEN atomic_bool pcm_slow_ready;

/* Set-up, frees that handlers left behind, and the clock, now and then. */
void pcm_slow_errands(void);

/* What the calling task writes into `inside`. */
static inline int32_t
pcm_slow_token(void)
{
	if (PCM_LIKELY(pcm_rseq_held == 0))
		return 1;
	return (int32_t)pcm_syscall0(SYS_gettid);
}

/*
 * Has the caller interrupted its own slow path? Where a TLS is shared, 1 is the
 * parent's, suspended with its locks, and the caller's own id its own; another
 * id is a task that will go on and release what it holds.
 */
static inline bool
pcm_slow_interrupted(void)
{
	int32_t inside = pcm_slow_thread.inside;

	if (PCM_LIKELY(inside == 0))
		return pcm_percpu_inside() && pcm_rseq_held == 0;
	return inside == 1 || inside == pcm_slow_token();
}

/*
 * pcm_slow_enter() - true: the caller may take locks, and calls
 * pcm_slow_leave(). False: the caller has interrupted its own thread's slow
 * path.
 */
static inline bool
pcm_slow_enter(void)
{
	if (PCM_UNLIKELY(pcm_slow_interrupted()))
		return false;
	pcm_slow_thread.inside = pcm_slow_token();
	atomic_signal_fence(memory_order_seq_cst);
	pcm_slow_errands();
	return true;
}

static inline void
pcm_slow_leave(void)
{
	pcm_pulse_leave();
	atomic_signal_fence(memory_order_seq_cst);
	pcm_slow_thread.inside = 0;
	pcm_background_see_to(NULL);
}

/*
 * pcm_slow_due() - the fast path is cut off, and an allocation comes by: is it time for a
 * visit? pcm_slow_due_next() counts it first.
 */
static inline bool
pcm_slow_due(void)
{
	return pcm_pulse_cuts() && pcm_slow_thread.ops >= PCM_PULSE_OPS;
}

static inline bool
pcm_slow_due_next(void)
{
	return pcm_pulse_cuts() && ++pcm_slow_thread.ops >= PCM_PULSE_OPS;
}

#endif
