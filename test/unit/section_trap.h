/*
 * Stopping a section at any of its instructions.
 *
 * A function with a section in it is stepped through once, on an area that the
 * kernel does not know of, to learn which instructions it executes. Then one of
 * them can be replaced, and the function be run on the thread's real area:
 *
 *	TRAP_FAULT	by hlt, which faults: the kernel sees a signal at this very
 *			address
 *	TRAP_BREAKPOINT	by int3, as a debugger does: a signal one byte further
 *	TRAP_LOOP	by a jump to itself: the thread stays until an abort
 *
 * x86-64 only.
 */
#ifndef PCM_TEST_SECTION_TRAP_H
#define PCM_TEST_SECTION_TRAP_H

#include "section_lab.h"

#define TRAP_PATH_MAX 96

enum trap_kind { TRAP_FAULT, TRAP_BREAKPOINT, TRAP_LOOP };

/* The instructions of one way through a function, in order. */
struct trap_path {
	unsigned int n;
	uintptr_t at[TRAP_PATH_MAX];
	/* The first one after *watch changed; n: it never did. */
	unsigned int committed;
	const struct lab_descriptor *descriptor;
};

/* Takes SIGTRAP and SIGSEGV. */
void trap_init(void);

/*
 * Calls call(), which calls function(), and notes the latter's instructions.
 * The caller fills in the descriptor.
 */
void trap_learn(struct trap_path *path, const void *function,
		void (*call)(void), const volatile uintptr_t *watch);

/* Is the instruction inside of the path's section? */
bool trap_inside(const struct trap_path *path, unsigned int i);

/*
 * Replaces an instruction. Its first execution puts it back and calls
 * meet(aborted) in the signal handler: aborted = the kernel has sent the thread
 * to the abort address, nowhere else. Without: the instruction is executed when
 * the handler returns. meet() may set the next trap. Not for TRAP_LOOP.
 */
void trap_set(enum trap_kind kind, const struct trap_path *path, unsigned int i,
	      void (*meet)(bool aborted));

/* Is the trap still waiting? trap_clear() puts the instruction back. */
bool trap_waits(void);
void trap_clear(void);

#endif
