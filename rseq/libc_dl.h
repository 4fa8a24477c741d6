/*
 * libc_dl.h - dlopen(), dlsym() and dlclose() of whatever libc there is.
 *
 * glibc 2.34 moved them from libdl to libc under a new version. They are bound
 * to the oldest version, which both have, and weakly: on an older glibc they are
 * there if the program has libdl, else NULL, and then nothing was dlopened
 * either. So one binary runs on all of them. A static library looks nothing up
 * at run time and must not include this.
 */
#ifndef PCM_LIBC_DL_H
#define PCM_LIBC_DL_H

#include <dlfcn.h>

extern void *pcm_dlopen(const char *file, int mode) __attribute__((weak));
extern void *pcm_dlsym(void *handle, const char *name) __attribute__((weak));
extern int pcm_dlclose(void *handle) __attribute__((weak));

#if defined(__GLIBC__) && defined(__x86_64__)
#define PCM_DL_NAME(name) #name "@GLIBC_2.2.5"
#elif defined(__GLIBC__) && defined(__aarch64__)
#define PCM_DL_NAME(name) #name "@GLIBC_2.17"
#endif

#if defined(PCM_DL_NAME)
__asm__(".symver pcm_dlopen, " PCM_DL_NAME(dlopen));
__asm__(".symver pcm_dlsym, " PCM_DL_NAME(dlsym));
__asm__(".symver pcm_dlclose, " PCM_DL_NAME(dlclose));
#else
#pragma weak dlopen
#pragma weak dlsym
#pragma weak dlclose
#define pcm_dlopen dlopen
#define pcm_dlsym dlsym
#define pcm_dlclose dlclose
#endif

#endif
