/*
 * raw_syscall.h - system calls without libc: no errno, no cancellation point.
 *
 * An allocator is called where libc's wrappers may not be: before libc is
 * initialised, in a vfork child, inside a thread that is being cancelled.
 * pcm_syscallN() returns what the kernel returns: a value, or -errno in
 * [-4095, -1]. Async-signal-safe; takes no lock.
 *
 * PCM_FAULTS: every call passes through test/faults/fault_hook.c, which lets
 * calls fail that concern memory. 0 but in the build of test/faults/.
 */
#ifndef PCM_RAW_SYSCALL_H
#define PCM_RAW_SYSCALL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/syscall.h>

#ifndef PCM_FAULTS
#define PCM_FAULTS 0
#endif

#if defined(__x86_64__)

static inline long
pcm_syscall_kernel(long nr, long a, long b, long c, long d, long e, long f)
{
	register long r10 __asm__("r10") = d;
	register long r8 __asm__("r8") = e;
	register long r9 __asm__("r9") = f;
	long ret;

	__asm__ volatile("syscall"
			 : "=a"(ret)
			 : "a"(nr), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8),
			   "r"(r9)
			 : "rcx", "r11", "memory");
	return ret;
}

#elif defined(__aarch64__)

static inline long
pcm_syscall_kernel(long nr, long a, long b, long c, long d, long e, long f)
{
	register long x8 __asm__("x8") = nr;
	register long x0 __asm__("x0") = a;
	register long x1 __asm__("x1") = b;
	register long x2 __asm__("x2") = c;
	register long x3 __asm__("x3") = d;
	register long x4 __asm__("x4") = e;
	register long x5 __asm__("x5") = f;

	__asm__ volatile("svc 0"
			 : "+r"(x0)
			 : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5)
			 : "memory");
	return x0;
}

#else
#error "pcmalloc supports x86-64 and aarch64"
#endif

#if PCM_FAULTS

__attribute__((visibility("hidden"))) long
pcm_syscall6(long nr, long a, long b, long c, long d, long e, long f);

#else

static inline long
pcm_syscall6(long nr, long a, long b, long c, long d, long e, long f)
{
	return pcm_syscall_kernel(nr, a, b, c, d, e, f);
}

#endif

#define pcm_syscall0(nr) pcm_syscall6((nr), 0, 0, 0, 0, 0, 0)
#define pcm_syscall1(nr, a) pcm_syscall6((nr), (long)(a), 0, 0, 0, 0, 0)
#define pcm_syscall2(nr, a, b) \
	pcm_syscall6((nr), (long)(a), (long)(b), 0, 0, 0, 0)
#define pcm_syscall3(nr, a, b, c) \
	pcm_syscall6((nr), (long)(a), (long)(b), (long)(c), 0, 0, 0)
#define pcm_syscall4(nr, a, b, c, d) \
	pcm_syscall6((nr), (long)(a), (long)(b), (long)(c), (long)(d), 0, 0)
#define pcm_syscall5(nr, a, b, c, d, e)                                   \
	pcm_syscall6((nr), (long)(a), (long)(b), (long)(c), (long)(d),    \
		     (long)(e), 0)

/* True if `ret` is the -errno of a failed system call. */
static inline bool
pcm_syscall_failed(long ret)
{
	return (unsigned long)ret >= (unsigned long)-4095L;
}

#endif
