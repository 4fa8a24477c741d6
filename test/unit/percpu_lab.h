/*
 * What percpu/ needs to run without an allocator: memory, which is mapped pages
 * or none, and the modes that it can run in.
 */
#ifndef PCM_TEST_PERCPU_LAB_H
#define PCM_TEST_PERCPU_LAB_H

#include "unit.h"

#include <stdatomic.h>
#include <sys/mman.h>

#include "percpu.h"
#include "rseq_fence.h"
#include "rseq_process.h"
#include "rseq_thread.h"
#include "storm.h"

/* While set, there is no memory. */
static atomic_bool lab_no_memory;
static atomic_ulong lab_allocations;

/* pcm_percpu_init()'s alloc: zeroed, never freed, aligned to a page. */
static void *lab_alloc(size_t nbytes, size_t align)
{
	void *p;

	must(align <= 4096);
	if (atomic_load(&lab_no_memory))
		return NULL;
	p = mmap(NULL, nbytes, PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	must(p != MAP_FAILED);
	atomic_fetch_add(&lab_allocations, 1);
	return p;
}

/* The ways to run; pcm_percpu_init() and so on as allocator/init.c does it. */
static const struct lab_mode {
	bool rseq, fence;
	enum pcm_rseq_index index;
} lab_modes[] = {
	{ true, true, PCM_RSEQ_INDEX_MM_CID },
	{ true, true, PCM_RSEQ_INDEX_CPU_ID },
	{ true, false, PCM_RSEQ_INDEX_MM_CID },
	{ false, false, PCM_RSEQ_INDEX_AUTO },
};

#define LAB_NMODES ((int)PCM_ARRAY_LEN(lab_modes))

static const struct lab_mode *lab_mode;

/* The calling thread stays on its CPU. */
static inline void lab_start(int i)
{
	lab_mode = &lab_modes[i];
	storm_pin();
	pcm_percpu_init(lab_alloc, 4);
	pcm_rseq_process_init(lab_mode->rseq, lab_mode->index);
	pcm_rseq_fence_init(lab_mode->fence);
}

/* Has the calling thread a CPU's slab, and can slabs be stopped? */
static inline bool lab_armed(void)
{
	return lab_mode->rseq && pcm_rseq_arm();
}

static inline bool lab_can_stop(void)
{
	return lab_armed() && pcm_rseq_fence_available();
}

#endif
