/*
 * Scenario 8: a thread is stepped through malloc and free, all of it, fast and
 * slow paths and the system calls that register it, and is unregistered at
 * every instruction; or at every one but a few, so that it gets further. The
 * calls end, no block is handed out twice, and the thread is registered
 * afterwards.
 */
#include "claims.h"
#include "rseq_raw.h"
#include "single_step.h"

#include <signal.h>
#include <stdbool.h>

#define NTURNS 7
#define NBLOCKS 4

#if HAVE_SINGLE_STEP

static struct raw_area *area;
static uint32_t size;
static unsigned int period, nsteps_left;
static unsigned long nsteps, ntaken;

static void on_trap(int signo)
{
	(void)signo;
	nsteps++;
	if (--nsteps_left > 0)
		return;
	nsteps_left = period;
	ntaken += raw_unregister(area, size, RAW_SIG) == 0;
}

static void *stepped_new(size_t n, uint64_t *state)
{
	void *p;

	single_step(true);
	p = malloc(n);
	single_step(false);
	claims_take(p, n, state);
	return p;
}

static void stepped_delete(void *p)
{
	claims_drop(p);
	single_step(true);
	free(p);
	single_step(false);
}

static void turn(int i, uint64_t *state)
{
	void *p[NBLOCKS];
	int k;

	period = 1 + (unsigned int)i % 7 * 5;
	nsteps_left = period;
	for (k = 0; k < NBLOCKS; k++)
		p[k] = stepped_new(rnd_between(state, 16, 100), state);
	for (k = 0; k < NBLOCKS; k++)
		stepped_delete(p[k]);
}

int main(void)
{
	uint64_t state = 1;
	int i;

	testing_start(60);
	raw_prepare();
	claims_start();
	area = raw_used_area();
	size = raw_used_size();
	must(signal(SIGTRAP, on_trap) != SIG_ERR);
	for (i = 0; i < NTURNS; i++) {
		claims_step(&state);
		turn(i, &state);
		raw_visit_slow_path();
		raw_must_be_registered();
	}
	claims_end();
	must(raw_stats().nrefused == 0);
	printf("%s: %lu instructions, unregistered at %lu; %lu blocks\n",
	       raw_mode(), nsteps, ntaken, claims_count());
	return 0;
}

#else

int main(void)
{
	testing_skip("no single steps on this machine");
}

#endif
