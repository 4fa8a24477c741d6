/*
 * single_thread.c - finding libc's flag for "one thread only".
 *
 * PCM_STATIC_LIBRARY: for libpcmalloc.a, where a weak reference does.
 */
#define _GNU_SOURCE
#include "single_thread.h"

#ifndef PCM_STATIC_LIBRARY
#define PCM_STATIC_LIBRARY 0
#endif

atomic_bool pcm_clone_used, pcm_clone_tls_used;

#if PCM_STATIC_LIBRARY

extern char __libc_single_threaded __attribute__((weak));

const char *pcm_single_thread_flag = &__libc_single_threaded;

#else

#include "libc_dl.h"

const char *pcm_single_thread_flag;

#if defined(__GLIBC__)
/*
 * In a constructor: malloc may be called where dlsym() must not be. Whoever is
 * between two uses of the flag then is a single thread and not in here.
 */
__attribute__((constructor(101))) static void
find_flag(void)
{
	if (pcm_dlsym != NULL)
		pcm_single_thread_flag =
			pcm_dlsym(RTLD_DEFAULT, "__libc_single_threaded");
}
#endif

#endif
