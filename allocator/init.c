/*
 * init.c - the order of set-up, and what happens at load and exit.
 */
#include "init.h"

#include <errno.h>
#include <stdatomic.h>

#include "central.h"
#include "conf.h"
#include "cgroup.h"
#include "depot.h"
#include "limit.h"
#include "meta.h"
#include "percpu.h"
#include "raw_syscall.h"
#include "rseq_fence.h"
#include "rseq_process.h"
#include "size_class.h"
#include "slow.h"
#include "stats.h"
#include "sys.h"

enum { NOT_YET, BUSY };

static atomic_int state = NOT_YET;

_Static_assert(PCM_CLASS_MIXED < PCM_NSTACKS, "a stack per class");

static unsigned
choose_nshards(void)
{
	unsigned n = 2 * pcm_sys_ncpus();

	return n > PCM_NSHARDS_MAX ? PCM_NSHARDS_MAX : n;
}

/*
 * The budget: what all caches together may hold. CACHE_AUTO is enough for
 * magazines of full size on 32 CPUs. A quarter is the depots'.
 */
#define CACHE_AUTO ((size_t)528 << 20)

/* A control group is asked only where it would make a difference. */
#define MANY_CPUS 32u

static unsigned
ncaches(void)
{
	unsigned n = pcm_sys_ncpus();
	struct pcm_cgroup group;

	if (n <= MANY_CPUS && pcm_conf.cache == PCM_CONF_AUTO)
		return n;
	pcm_cgroup_read(&group, "/proc/self/cgroup", "/sys/fs/cgroup");
	return group.ncpus < n ? group.ncpus : n;
}

/* Bytes in a magazine, so that the caches stay within the budget. */
static size_t
magazine_bytes(void)
{
	size_t budget = pcm_conf.cache == PCM_CONF_AUTO ? CACHE_AUTO :
							  pcm_conf.cache;

	pcm_depot_budget(budget / 4);
	return budget / 4 * 3 / ncaches() / (PCM_NWORDS * PCM_NCLASSES);
}

static void
set_up(void)
{
	pcm_sys_init();
	pcm_conf_read();
	if (pcm_conf.stats != 0)
		pcm_stats_at_exit();
	pcm_limit_init(pcm_conf.limit, pcm_conf.hard_limit);
	pcm_size_class_init(magazine_bytes());
	pcm_central_init();
	pcm_depot_init();
	pcm_sys_thp = (enum pcm_thp)pcm_conf.thp;
	pcm_percpu_init(pcm_meta_alloc_forever, choose_nshards());
	pcm_rseq_process_init(pcm_conf.rseq != 0,
			      (enum pcm_rseq_index)pcm_conf.index);
	if (pcm_conf.rseq != 0 && pcm_sys_cpu_ids() > PCM_NINDEXES)
		pcm_rseq_process_absent(PCM_RSEQ_TABLE_TOO_SMALL);
	if (pcm_rseq_process.owner != PCM_RSEQ_OWNER_NONE)
		pcm_rseq_fence_init(pcm_conf.fence != 0);
}

/* pcm_slow_ready: release here, acquire in pcm_slow_errands(). */
PCM_COLD void
pcm_init(void)
{
	int expected = NOT_YET;

	if (atomic_compare_exchange_strong_explicit(&state, &expected, BUSY,
						    memory_order_relaxed,
						    memory_order_relaxed)) {
		int saved = errno; /* getauxval() sets it */

		set_up();
		errno = saved;
		atomic_store_explicit(&pcm_slow_ready, true,
				      memory_order_release);
		return;
	}
	while (!atomic_load_explicit(&pcm_slow_ready, memory_order_acquire))
		pcm_syscall0(SYS_sched_yield);
}
