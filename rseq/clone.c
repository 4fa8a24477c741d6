/*
 * clone.c - clone(), interposed: disarm where a child shares its parent's TLS.
 *
 * pthread_create(), posix_spawn(), system() and popen() do not come here: libc
 * makes their tasks itself, with a TLS of their own or without allocating.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <sched.h>
#include <stdarg.h>
#include <stddef.h>

#include "compiler.h"
#include "raw_syscall.h"
#include "rseq_thread.h"
#include "single_thread.h"

#if defined(__x86_64__)

#define KERNEL_SIGSET_BYTES 8

long pcm_clone_raw(int (*fn)(void *), void *stack, unsigned long flags,
		   void *arg, pid_t *ptid, void *tls, pid_t *ctid);

/* Can a word at p be read? The kernel reads them, and then refuses -1. */
static bool
readable(const void *p)
{
	return pcm_syscall4(SYS_rt_sigprocmask, -1, p, NULL,
			    KERNEL_SIGSET_BYTES) == -EINVAL;
}

/*
 * A TLS that was copied from this thread's says that its task is armed, with
 * this thread's area. A word at that place with that very value is such a copy;
 * in any other block it is left alone.
 */
static void
disarm_copy(char *tls)
{
	ptrdiff_t offset = (char *)&pcm_rseq_armed -
		(char *)pcm_thread_pointer();
	struct pcm_rseq_area **copy = (void *)(tls + offset);

	atomic_store_explicit(&pcm_clone_tls_used, true, memory_order_relaxed);
	if (pcm_rseq_armed != NULL && readable(copy) && *copy == pcm_rseq_armed)
		*copy = NULL;
}

/*
 * clone() - make a child task that runs fn(arg); see clone(2).
 *
 * With CLONE_VM and without CLONE_SETTLS the child uses this thread's TLS. With
 * CLONE_VFORK it does so while this thread waits, and the thread is armed again
 * after; otherwise both run, and neither may use a section again: the thread
 * stays on the fallback for good. With CLONE_SETTLS the task finds itself
 * unarmed, and registers as any thread does.
 *
 * Returns the child's thread id, or -1 with errno as clone(2).
 */
PCM_EXPORT int
clone(int (*fn)(void *), void *stack, int flags, void *arg, ...)
{
	bool shares_tls = (flags & CLONE_VM) && !(flags & CLONE_SETTLS);
	struct pcm_rseq_area *area = NULL;
	pid_t *ptid, *ctid;
	va_list more;
	void *tls;
	long ret;

	if (fn == NULL || stack == NULL) {
		errno = EINVAL;
		return -1;
	}
	va_start(more, arg);
	ptid = va_arg(more, pid_t *);
	tls = va_arg(more, void *);
	ctid = va_arg(more, pid_t *);
	va_end(more);

	if ((flags & CLONE_VM) && !(flags & CLONE_VFORK))
		atomic_store_explicit(&pcm_clone_used, true,
				      memory_order_relaxed);
	if ((flags & CLONE_VM) && (flags & CLONE_SETTLS))
		disarm_copy(tls);
	if (shares_tls) {
		pcm_rseq_held++;
		/* Held before disarmed, also for a handler in between. */
		atomic_signal_fence(memory_order_seq_cst);
		area = pcm_rseq_armed;
		pcm_rseq_armed = NULL;
		atomic_signal_fence(memory_order_seq_cst);
	}
	ret = pcm_clone_raw(fn, stack, (unsigned long)(unsigned int)flags, arg,
			    ptid, tls, ctid);
	if (shares_tls && (pcm_syscall_failed(ret) || (flags & CLONE_VFORK))) {
		pcm_rseq_armed = area;
		atomic_signal_fence(memory_order_seq_cst);
		pcm_rseq_held--;
	}
	if (pcm_syscall_failed(ret)) {
		errno = (int)-ret;
		return -1;
	}
	return (int)ret;
}

/* glibc's other name. */
PCM_EXPORT int __clone(int (*fn)(void *), void *stack, int flags, void *arg,
		       ...)
	__attribute__((alias("clone"), nothrow, leaf));

#endif
