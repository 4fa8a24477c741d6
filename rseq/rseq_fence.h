/*
 * rseq_fence.h - make every thread of the process leave its section.
 */
#ifndef PCM_RSEQ_FENCE_H
#define PCM_RSEQ_FENCE_H

#include <stdbool.h>

/*
 * pcm_rseq_fence_init() - ask the kernel for the fence, once per process.
 *
 * use	false: leave it off (PCMALLOC_CONF fence:off)
 *
 * membarrier(2) wants one registering call before the first fence. It is made
 * at start-up, where a seccomp filter is least likely to kill for it.
 */
void pcm_rseq_fence_init(bool use);

/*
 * pcm_rseq_fence() - abort the section that any other thread is in.
 *
 * When it has returned true, every store made before the call is visible to
 * all sections, and no thread is in a section that began before it
 * (membarrier(2), MEMBARRIER_CMD_PRIVATE_EXPEDITED_RSEQ, Linux 5.10). False:
 * there is no such fence here, and nothing may be concluded. Costs one
 * inter-processor interrupt per CPU that runs the process, microseconds; the
 * kernel serialises them. Async-signal-safe; takes no lock; keeps errno.
 */
bool pcm_rseq_fence(void);

/* True if pcm_rseq_fence() can be expected to work. */
bool pcm_rseq_fence_available(void);

#endif
