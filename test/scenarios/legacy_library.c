/*
 * A library in the style that came before libc's registration: it defines
 * __rseq_abi and __rseq_refcount, which all such libraries of a process share.
 * Whoever raises a thread's count from 0 registers, whoever lowers it to 0
 * unregisters.
 *
 * Built twice: with LEGACY_ZEROED its area starts as zeroes, which reads like
 * "on CPU 0", instead of as "not registered".
 */
#include "rseq_raw.h"

#include <sys/syscall.h>

#ifndef LEGACY_ZEROED
#define LEGACY_ZEROED 0
#endif

#if LEGACY_ZEROED
__thread struct raw_area __rseq_abi __attribute__((tls_model("initial-exec")));
#else
__thread struct raw_area __rseq_abi
	__attribute__((tls_model("initial-exec"))) = { .cpu_id = -1 };
#endif
__thread uint32_t __rseq_refcount __attribute__((tls_model("initial-exec")));

static int call(int flags)
{
	int saved = errno;
	int error =
		syscall(SYS_rseq, &__rseq_abi, RAW_SIZE, flags, RAW_SIG) ?
			errno :
			0;

	errno = saved;
	return error;
}

/* 0, or the errno of the refused registration: then it is no user. */
int legacy_begin(void)
{
	int error = 0;

	if (__rseq_refcount++ == 0)
		error = call(0);
	if (error)
		__rseq_refcount--;
	return error;
}

/* 0, or the errno of the refused unregistration. */
int legacy_end(void)
{
	if (__rseq_refcount == 0)
		return EINVAL;
	return --__rseq_refcount == 0 ? call(1) : 0;
}

/* Against the rules: unregisters, whoever else counts on it. */
int legacy_be_rude(void)
{
	return call(1);
}

uint32_t legacy_count(void)
{
	return __rseq_refcount;
}

/* Which area the dynamic linker has bound this library to. */
struct raw_area *legacy_area(void)
{
	return &__rseq_abi;
}

/* The thread that loads the library uses it from here on. */
static int loaded;

__attribute__((constructor)) static void load(void)
{
	loaded = legacy_begin() == 0;
}

/* The thread that closes it, or the last one of the process. */
__attribute__((destructor)) static void unload(void)
{
	if (loaded)
		(void)legacy_end();
}
