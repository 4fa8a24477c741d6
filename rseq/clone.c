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

long pcm_clone_raw(int (*fn)(void *), void *stack, unsigned long flags,
		   void *arg, pid_t *ptid, void *tls, pid_t *ctid);

/*
 * clone() - make a child task that runs fn(arg); see clone(2).
 *
 * With CLONE_VM and without CLONE_SETTLS the child uses this thread's TLS. With
 * CLONE_VFORK it does so while this thread waits, and the thread is armed again
 * after; otherwise both run, and neither may use a section again: the thread
 * stays on the fallback for good.
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

#endif
