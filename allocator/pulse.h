/*
 * pulse.h - time passes: when memory that nobody uses goes back.
 *
 * Decay is driven by ticks, one every PCM_TICK_MS, made by whatever thread is in
 * the slow path then. A process that has freed much and goes on with a few small
 * blocks would never get there: its magazines serve it. So while much memory is
 * idle the pulse is *active*: the fast path of allocations is cut off, which then
 * are counted, and every PCM_PULSE_OPS-th of a thread is a visit; the others take some
 * 2 ns more. Frees are not counted: who only frees fills magazines, and visits.
 */
#ifndef PCM_PULSE_H
#define PCM_PULSE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#include "background.h"
#include "compiler.h"
#include "size_class.h"

#define PCM_TICK_MS 50u

/* Allocations of a thread between two visits while the pulse is active. */
#define PCM_PULSE_OPS 16u

/* Ticks to go until the pulse is inactive. Relaxed: pcm_pulse_cut() has the fence. */
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

/*
 * What is smaller is looked up in the table of fine sizes, which every allocation compares
 * with anyway: 0 while the fast path is cut off, so that cutting it off costs no test. (To let
 * its section fail instead takes 50 to 80 ns where the program waits for memory: what
 * the CPU can do ahead meanwhile is lost.) Relaxed.
 */
#define PCM_PULSE_UNCUT (PCM_FINE_MAX + 1)
extern PCM_HIDDEN atomic_size_t pcm_pulse_fine_end;

PCM_ALWAYS_INLINE size_t
pcm_pulse_fine(void)
{
	return atomic_load_explicit(&pcm_pulse_fine_end, memory_order_relaxed);
}

PCM_ALWAYS_INLINE bool
pcm_pulse_cuts(void)
{
	return pcm_pulse_fine() == 0;
}

static inline bool
pcm_pulse_should_cut(void)
{
	return pcm_pulse_active() && !pcm_background_runs();
}

/* Any context. */
void pcm_pulse_cut(void);

/* Leaving the slow path: the fast path is cut off while the pulse is active. */
static inline void
pcm_pulse_leave(void)
{
	if (PCM_UNLIKELY(pcm_pulse_should_cut() != pcm_pulse_cuts()))
		pcm_pulse_cut();
}

#endif
