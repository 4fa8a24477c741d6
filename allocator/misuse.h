/*
 * misuse.h - the program did something that cannot be right: say so, abort.
 *
 * The texts are fixed and listed in docs/DIAGNOSTICS.md.
 */
#ifndef PCM_MISUSE_H
#define PCM_MISUSE_H

enum pcm_misuse {
	PCM_MISUSE_NEVER_ALLOCATED,
	PCM_MISUSE_INTERIOR,
	PCM_MISUSE_ALREADY_FREE,
};

/*
 * pcm_misuse() - write one line on fd 2 and abort.
 *
 * function	the interface function that noticed, e.g. "free"
 * p		the pointer that it was given
 *
 * Call without locks held: a SIGABRT handler may allocate.
 */
_Noreturn void pcm_misuse(const char *function, const void *p,
			  enum pcm_misuse what);

#endif
