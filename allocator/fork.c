/*
 * fork.c - fork() from any thread at any time: the child finds every structure
 * whole and every lock free.
 *
 * Before the copy the forking thread takes all locks, in rank order, and stops
 * the CPUs' slabs. Handlers that other libraries registered earlier run after
 * ours and may allocate: locks let the forking thread pass.
 *
 * A process that has one thread has nothing to take: no lock is held, and nobody is
 * there to take one. Shells and the like fork all the time, and each page of locks that
 * is written to around a fork is copied twice.
 *
 * What the child loses: the magazines that other threads had in hand, at most
 * one per thread inside a slow path. See docs/LOCKING.md.
 */
#include "fork.h"

#include <pthread.h>

#include "background.h"
#include "compiler.h"
#include "fork_locks.h"
#include "leftover.h"
#include "limit.h"
#include "rseq_thread.h"
#include "single_thread.h"
#include "slow.h"

/* Under all locks: nothing touched the slabs while the process was copied. */
static bool quiet;

PCM_TLS bool pcm_fork_alone;

/*
 * Forks within a fork, by a signal's handler or that of another library, after our own
 * prepare handler. They find all as the outer one wants it, and leave it so: that one
 * has yet to copy. The child of an inner one may go on to do it: it ends the outer fork
 * as its parent, but has to be mended as a child.
 */
static PCM_TLS unsigned inner;
static PCM_TLS bool inner_child;

static bool
ends_inner(void)
{
	if (inner == 0)
		return false;
	inner--;
	return true;
}

static void
prepare(void)
{
	pcm_rseq_thread_forking();
	if (pcm_lock_passes || pcm_fork_alone) {
		inner++;
		return;
	}
	/* Not by way of the slow path: leaving it may start the background thread. */
	pcm_fork_alone = !pcm_slow_interrupted() && pcm_single_threaded();
	if (pcm_fork_alone)
		return;
	if (!pcm_slow_enter())
		return; /* fork() in a handler, within malloc: nothing to do */
	pcm_fork_lock_all(&quiet);
	pcm_lock_fork_begin();
	pcm_slow_leave();
}

/*
 * While the locks are released one by one a handler must not wait for those that
 * are not yet: for it the thread is in the slow path.
 */
static void
begin_release(void)
{
	pcm_slow_thread.inside = pcm_slow_token();
	atomic_signal_fence(memory_order_seq_cst);
	pcm_lock_fork_end();
}

/* Under all locks. */
static size_t
held(void)
{
	struct pcm_page_heap_stats heap;
	struct pcm_mapping_stats maps;

	pcm_page_heap_stats_get(&heap);
	pcm_mapping_stats_get(&maps);
	return heap.used + heap.free_warm + maps.live + maps.cached +
		pcm_leftover_warm();
}

static void
mend_child(void)
{
	if (pcm_fork_alone) {
		pcm_fork_alone = false;
		return;
	}
	pcm_limit_fork_child();
	if (!pcm_lock_passes)
		return;
	pcm_limit_fork_count(held());
	begin_release();
	pcm_lock_reset(&pcm_meta_lock);
	pcm_descriptor_fork_child();
	pcm_lock_reset(&pcm_mag_lock);
	pcm_page_heap_fork_child();
	pcm_mapping_fork_child();
	pcm_mixed_fork_child();
	pcm_central_fork_child();
	pcm_depot_fork_child();
	pcm_percpu_fork_child(quiet);
	pcm_slow_leave();
}

static void
child(void)
{
	pcm_rseq_thread_forked();
	pcm_background_fork_child();
	if (ends_inner())
		inner_child = true;
	else
		mend_child();
}

static void
parent(void)
{
	if (ends_inner())
		return;
	if (inner_child) {
		inner_child = false;
		mend_child();
		return;
	}
	pcm_fork_alone = false;
	if (!pcm_lock_passes)
		return;
	begin_release();
	pcm_fork_unlock_all();
	pcm_slow_leave();
}

__attribute__((constructor(101))) static void
register_handlers(void)
{
	pthread_atfork(prepare, parent, child);
}
