/*
 * pulse.h - time passes: when memory that nobody uses goes back.
 *
 * Decay is driven by ticks, one every PCM_TICK_MS, made by whatever thread is in
 * the slow path then. A process that has freed much and goes on with a few small
 * blocks would never get there: its magazines serve it. So while much memory is
 * idle the pulse is *active*: the fast path is cut off, and of the operations that
 * then come by the slow path every PCM_PULSE_OPS-th is a visit. The others are
 * served there at once, for some 4 ns more.
 */
#ifndef PCM_PULSE_H
#define PCM_PULSE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#include "background.h"
#include "compiler.h"
#include "percpu.h"

#define PCM_TICK_MS 50u

/* Operations of a thread between two visits while the pulse is active. */
#define PCM_PULSE_OPS 16u

/* Ticks to go until the pulse is inactive. Relaxed: nothing follows from it. */
extern PCM_HIDDEN atomic_int pcm_pulse_ticks_left;

static inline bool
pcm_pulse_active(void)
{
	return atomic_load_explicit(&pcm_pulse_ticks_left,
				    memory_order_relaxed) > 0;
}

/*
 * pcm_pulse_freed() - there are `free` bytes that nobody uses, `idle` of them for so long
 * that they may go back, beside `used` bytes that hold blocks: so much that the pulse
 * should be active? Any context; no lock, no system call.
 */
void pcm_pulse_freed(size_t free, size_t idle, size_t used);

/*
 * pcm_pulse_left() - nbytes have left the CPUs' caches for the depots or the spans;
 * pcm_pulse_came() - some have come from there. Much in a row, with nothing asked for in
 * between, is the end of something, and what is left in caches keeps many spans alive:
 * the pulse becomes active. Any context; no lock, no system call.
 *
 * home		the caller's, pcm_percpu_home()
 */
void pcm_pulse_left(unsigned home, size_t nbytes);
void pcm_pulse_came(unsigned home);

/* pcm_pulse_look() - look at the clock: make a tick that is due. No locks held. */
void pcm_pulse_look(void);

/* pcm_pulse_tick() - what a tick does, whoever calls. No locks held. */
void pcm_pulse_tick(void);

/* Leaving the slow path: the fast path is cut off while the pulse is active. */
static inline void
pcm_pulse_leave(void)
{
	bool active = pcm_pulse_active() && !pcm_background_runs();

	if (PCM_UNLIKELY(active != atomic_load_explicit(&pcm_percpu_cut,
							memory_order_relaxed)))
		pcm_percpu_cut_fast_path(active);
}

#endif
