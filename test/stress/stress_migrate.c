/*
 * Migration stress: the mix of verified blocks while a controller moves the
 * threads from CPU to CPU in a loop and the threads move themselves, so that
 * sections are aborted and slow paths change CPUs between their steps.
 */
#include "stress_blocks.h"

#include <sched.h>

#define LOCAL_BLOCKS 32
#define SHARED_BLOCKS 64

static void move_self(struct rng *r)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(stress_cpu((unsigned)rng_below(r, stress_ncpus())), &set);
	sched_setaffinity(0, sizeof(set), &set);
}

static void run(struct worker *w)
{
	struct slot *shared = w->arg;
	struct block local[LOCAL_BLOCKS] = { { .p = NULL } };
	struct mix mix = { w->rng, local, LOCAL_BLOCKS, shared, SHARED_BLOCKS };

	while (stress_running()) {
		mix_step(&mix);
		mix_burst(&mix.rng, 300);
		if (rng_once_in(&mix.rng, 16))
			move_self(&mix.rng);
		w->nops++;
	}
	mix_put_all(&mix);
}

int main(void)
{
	struct prodder prodder = { .migrate = true };
	struct slot *shared;
	struct worker *workers;
	unsigned n;
	uint64_t nops;

	stress_start("stress_migrate");
	n = 2 * stress_ncpus() + 1;
	shared = stress_memory(SHARED_BLOCKS * sizeof(*shared));
	workers = stress_memory(n * sizeof(*workers));
	prodder.workers = workers;
	prodder.nworkers = n;
	prod_start(&prodder);
	nops = stress_run(workers, n, stress_seconds(), run, shared);
	nops += prod_stop(&prodder);
	mix_drain(shared, SHARED_BLOCKS);
	return stress_finish(nops);
}
