/*
 * rseq_fence.c - membarrier(2), private expedited, for restartable sequences.
 */
#include "rseq_fence.h"

#include <stdatomic.h>

#include "raw_syscall.h"

/* uapi/linux/membarrier.h; Debian 11's libc headers may lack the last two. */
#define MEMBARRIER_RSEQ (1 << 7)
#define MEMBARRIER_REGISTER_RSEQ (1 << 8)

/* -errno: not registered, or forbidden; the kernel has no memory just now. */
#define NEGATIVE_EPERM (-1L)
#define NEGATIVE_ENOMEM (-12L)

/* Written at start-up and, to "off", when the kernel refuses: monotonic. */
static atomic_bool fence_available;

static long
membarrier(int command)
{
	return pcm_syscall3(SYS_membarrier, command, 0, 0);
}

void
pcm_rseq_fence_init(bool use)
{
	long ret = use ? membarrier(MEMBARRIER_REGISTER_RSEQ) : NEGATIVE_EPERM;

	/* Without memory: the fence will find out, and register then. */
	if (ret == 0 || ret == NEGATIVE_ENOMEM)
		atomic_store_explicit(&fence_available, true,
				      memory_order_relaxed);
}

bool
pcm_rseq_fence_available(void)
{
	return atomic_load_explicit(&fence_available, memory_order_relaxed);
}

bool
pcm_rseq_fence(void)
{
	long ret;

	if (!pcm_rseq_fence_available())
		return false;
	ret = membarrier(MEMBARRIER_RSEQ);
	/* A process image that lost the registration asks again. */
	if (ret == NEGATIVE_EPERM) {
		ret = membarrier(MEMBARRIER_REGISTER_RSEQ);
		if (ret == 0)
			ret = membarrier(MEMBARRIER_RSEQ);
	}
	if (ret != 0 && ret != NEGATIVE_ENOMEM)
		atomic_store_explicit(&fence_available, false,
				      memory_order_relaxed);
	return ret == 0;
}
