/*
 * init.h - setting the process up, once, at the first slow path.
 */
#ifndef PCM_INIT_H
#define PCM_INIT_H

/*
 * pcm_init() - when it returns, the allocator is set up, by this or another
 * thread. May run before libc is initialised: uses nothing of it but getauxval()
 * and string functions.
 */
void pcm_init(void);

#endif
