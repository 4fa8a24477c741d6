/*
 * slow.c - what a slow path does besides its own work.
 */
#include "slow.h"

#include "block.h"
#include "depot.h"
#include "emergency.h"
#include "init.h"
#include "mapping.h"
#include "page_heap.h"
#include "sys.h"

/* Slow paths between two looks at the clock, and the tick's length. */
#define VISITS_PER_LOOK 64u
#define TICK_MS 100u

PCM_TLS struct pcm_slow_thread pcm_slow_thread;
atomic_bool pcm_slow_ready;

/* When the next tick is due, ms. Whoever advances it does the work. */
static _Atomic uint64_t next_tick;

static PCM_COLD void
look_at_clock(void)
{
	uint64_t now = pcm_sys_now();
	uint64_t due = atomic_load_explicit(&next_tick, memory_order_relaxed);

	if (now < due ||
	    !atomic_compare_exchange_strong_explicit(
		    &next_tick, &due, now + TICK_MS, memory_order_relaxed,
		    memory_order_relaxed))
		return;
	pcm_depot_decay();
	pcm_mapping_decay();
	pcm_page_heap_decay();
}

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
	if (PCM_UNLIKELY(++pcm_slow_thread.visits >= VISITS_PER_LOOK)) {
		pcm_slow_thread.visits = 0;
		look_at_clock();
	}
}
