/*
 * slow.c - what a slow path does besides its own work.
 */
#include "slow.h"

#include "block.h"
#include "emergency.h"
#include "init.h"

/* Slow paths between two looks at the clock while the pulse is not active. */
#define VISITS_PER_LOOK 64u

PCM_TLS struct pcm_slow_thread pcm_slow_thread;
atomic_bool pcm_slow_ready;

static PCM_COLD void
free_deferred(void *list)
{
	while (list != NULL) {
		void *next = *(void **)list;

		pcm_block_free(list);
		list = next;
	}
}

void
pcm_slow_errands(void)
{
	void *deferred;

	if (PCM_UNLIKELY(!atomic_load_explicit(&pcm_slow_ready,
					       memory_order_acquire)))
		pcm_init();
	deferred = pcm_emergency_deferred();
	if (PCM_UNLIKELY(deferred != NULL))
		free_deferred(deferred);
	if (PCM_LIKELY(++pcm_slow_thread.visits < VISITS_PER_LOOK &&
		       !pcm_pulse_active()))
		return;
	pcm_slow_thread.visits = 0;
	pcm_slow_thread.ops = 0;
	/* A vfork child leaves ticks to others: it may hold up its parent. */
	if (pcm_rseq_held == 0)
		pcm_pulse_look();
}
