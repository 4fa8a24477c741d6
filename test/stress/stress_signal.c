/*
 * Signal storm: 4 threads allocate while two signals rain on them, whose
 * handlers allocate, free and verify too, nested in each other, and now and
 * then leave by siglongjmp (never out of malloc itself).
 *
 * malloc of other allocators must not be called in a handler that has
 * interrupted it. With PCM_STRESS_ANY=1 handlers therefore do nothing in that
 * case, unless PCM_STRESS_INSIDE=1 asks for it.
 */
#include "stress_blocks.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#define NTHREADS 4
#define NDEPTHS 3
#define LOCAL_BLOCKS 16
#define HANDLER_BLOCKS 8
#define SHARED_BLOCKS 64
#define WINDOW_SPINS 200

/* What one thread's handlers work on, a mix for each depth of nesting. */
struct nest {
	struct mix mixes[NDEPTHS];
	struct block blocks[NDEPTHS][HANDLER_BLOCKS];
	volatile uint64_t nhandled;
	uint64_t njumps;
	sigjmp_buf leave;
};

static bool only_outside;
static struct nest nests[NTHREADS];

/* The handlers of this thread have no nest outside run(). */
static __thread struct nest *volatile nest;
static __thread volatile sig_atomic_t depth;
static __thread volatile sig_atomic_t inside;
static __thread volatile sig_atomic_t may_leave;

static void handle(struct nest *mine)
{
	struct mix *mix = &mine->mixes[depth];

	depth++;
	mix_step(mix);
	if (rng_once_in(&mix->rng, 4))
		mix_burst(&mix->rng, 20);
	mine->nhandled++;
	depth--;
}

static void on_signal(int signo)
{
	struct nest *mine = nest;
	int saved_errno = errno;

	(void)signo;
	if (mine == NULL || depth == NDEPTHS || (only_outside && inside))
		return;
	if (only_outside)
		inside = 1;
	handle(mine);
	if (only_outside)
		inside = 0;
	errno = saved_errno;
	if (depth == 0 && may_leave && mine->nhandled % 4 == 0) {
		may_leave = 0;
		mine->njumps++;
		siglongjmp(mine->leave, 1);
	}
}

/* Time outside malloc, in which a handler may leave by siglongjmp. */
static void open_window(struct nest *mine)
{
	if (sigsetjmp(mine->leave, 1) != 0)
		return;
	may_leave = 1;
	for (volatile int i = 0; i < WINDOW_SPINS && may_leave; i++)
		;
	may_leave = 0;
}

static void set_up_nest(struct nest *mine, struct worker *w)
{
	for (unsigned d = 0; d < NDEPTHS; d++)
		mine->mixes[d] = (struct mix){
			.rng = { .state = rng_next(&w->rng) },
			.local = mine->blocks[d],
			.nlocal = HANDLER_BLOCKS,
			.shared = w->arg,
			.nshared = SHARED_BLOCKS,
		};
}

static void step(struct mix *mix)
{
	inside = 1;
	mix_step(mix);
	mix_burst(&mix->rng, 64);
	inside = 0;
}

static void run(struct worker *w)
{
	struct nest *mine = &nests[w->index];
	struct block local[LOCAL_BLOCKS] = { { .p = NULL } };
	struct mix mix = { w->rng, local, LOCAL_BLOCKS, w->arg,
			   SHARED_BLOCKS };

	set_up_nest(mine, w);
	nest = mine;
	/* A slow machine may hand over no signal in the time given. */
	while (stress_running() || mine->nhandled == 0) {
		step(&mix);
		if (rng_once_in(&mix.rng, 8))
			open_window(mine);
		w->nops++;
	}
	nest = NULL;
	mix_put_all(&mix);
	for (unsigned d = 0; d < NDEPTHS; d++)
		mix_put_all(&mine->mixes[d]);
}

static void set_handlers(void)
{
	struct sigaction act = { .sa_handler = on_signal,
				 .sa_flags = SA_RESTART | SA_NODEFER };

	sigaction(SIGUSR1, &act, NULL);
	sigaction(SIGUSR2, &act, NULL);
}

int main(void)
{
	struct prodder prodder = { .nworkers = NTHREADS,
				   .signo = { SIGUSR1, SIGUSR2 } };
	const char *text = getenv("PCM_STRESS_INSIDE");
	struct slot *shared;
	struct worker *workers;
	uint64_t nops;
	uint64_t nhandled = 0;

	stress_start("stress_signal");
	only_outside = stress_any() && (text == NULL || strcmp(text, "1") != 0);
	shared = stress_memory(SHARED_BLOCKS * sizeof(*shared));
	workers = stress_memory(NTHREADS * sizeof(*workers));
	set_handlers();
	prodder.workers = workers;
	prod_start(&prodder);
	nops = stress_run(workers, NTHREADS, stress_seconds(), run, shared);
	prod_stop(&prodder);
	mix_drain(shared, SHARED_BLOCKS);
	for (unsigned i = 0; i < NTHREADS; i++)
		nhandled += nests[i].nhandled;
	return stress_finish(nops + nhandled);
}
