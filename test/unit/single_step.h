/*
 * Stepping through code as a debugger does: a SIGTRAP after each instruction.
 * Within a restartable section each of them is an abort.
 */
#ifndef PCM_TEST_SINGLE_STEP_H
#define PCM_TEST_SINGLE_STEP_H

#include <stdbool.h>

#if defined(__x86_64__)

#define HAVE_SINGLE_STEP 1

/* Sets or clears the trap flag; spares the 128 bytes below the stack pointer. */
static inline void single_step(bool on)
{
	if (on)
		__asm__ volatile("lea	-128(%%rsp), %%rsp\n\t"
				 "pushfq\n\t"
				 "orq	$0x100, (%%rsp)\n\t"
				 "popfq\n\t"
				 "lea	128(%%rsp), %%rsp"
				 ::: "memory", "cc");
	else
		__asm__ volatile("lea	-128(%%rsp), %%rsp\n\t"
				 "pushfq\n\t"
				 "andq	$~0x100, (%%rsp)\n\t"
				 "popfq\n\t"
				 "lea	128(%%rsp), %%rsp"
				 ::: "memory", "cc");
}

#else

#define HAVE_SINGLE_STEP 0

static inline void single_step(bool on)
{
	(void)on;
}

#endif

#endif
