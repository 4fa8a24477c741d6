/*
 * test_fence_memory: a fence that fails for want of memory is asked for again;
 * one that is forbidden is not.
 */
#include "fault_hook.h"
#include "pattern.h"
#include "rseq_fence.h"

static void arm(enum fault_mode mode, unsigned long n, int error)
{
	const struct fault_plan plan = { mode, 1u << FAULT_MEMBARRIER, n,
					 error };

	fault_arm(&plan);
}

int main(void)
{
	pcm_rseq_fence_init(true);
	if (!pcm_rseq_fence_available()) {
		printf("no membarrier for rseq here\n");
		return 77;
	}
	arm(FAULT_ONE, 1, ENOMEM);
	must(!pcm_rseq_fence());
	must(pcm_rseq_fence_available() && pcm_rseq_fence());
	/* Not registered any more: that is done again. */
	arm(FAULT_ONE, 1, EPERM);
	must(pcm_rseq_fence() && fault_calls(FAULT_ALL) == 3);
	arm(FAULT_FROM, 1, ENOMEM);
	pcm_rseq_fence_init(true);
	must(!pcm_rseq_fence() && pcm_rseq_fence_available());
	arm(FAULT_FROM, 1, EPERM);
	must(!pcm_rseq_fence() && !pcm_rseq_fence_available());
	fault_disarm();
	must(!pcm_rseq_fence());
	return 0;
}
