/*
 * A program whose block sizes change from phase to phase. In each phase a
 * thread fills its budget with blocks of the phase's sizes, replaces blocks at
 * random for a while, and then frees all but one in eight, which stay and
 * hold on to pages between what is free. Old ones are freed phases later.
 *
 * Prints also, from between the phases and so from the main thread alone:
 *	active_kib	the most resident memory at the end of a phase
 *	sparse_live_kib	what is live when all phases are over
 *	sparse_kib	resident memory then, after light activity
 */
#include "harness.h"

#define BUDGET (24 << 20)
#define NPHASES 12
#define REPLACEMENTS 400000
#define SURVIVOR_ONE_IN 8
#define KIB 1024
#define SLOTS (1 << 20)

/* The sizes of a phase, low to high; phases repeat them. */
static const struct { uint32_t low, high; } sizes[] = {
	{ 32, 96 }, { 256, 1024 }, { 64, 160 }, { 2048, 12288 },
	{ 32, 4096 }, { 160, 400 },
};
#define NSIZES (int)(sizeof(sizes) / sizeof(sizes[0]))

struct slot {
	void *block;
	uint32_t nbytes;
	uint32_t phase;		/* it was allocated in */
};

static struct thread {
	struct slot *slots;
	uint32_t nslots;
	int64_t live;
	uint64_t random;
} threads[HARNESS_MAX_THREADS];

static uint32_t phase;

static void fill(struct thread *me, struct slot *slot)
{
	int at = (int)phase % NSIZES;

	slot->nbytes = (uint32_t)harness_between(&me->random, sizes[at].low,
						 sizes[at].high);
	slot->phase = phase;
	slot->block = harness_get(slot->nbytes, (uint32_t)(slot - me->slots));
	me->live += slot->nbytes;
}

static void drop(struct thread *me, struct slot *slot)
{
	harness_put(slot->block, slot->nbytes, (uint32_t)(slot - me->slots));
	me->live -= slot->nbytes;
	slot->block = NULL;
}

/* Fills free slots, first those between survivors. */
static void fill_budget(struct thread *me)
{
	for (uint32_t i = 0; i < SLOTS && me->live < BUDGET; i++) {
		if (me->slots[i].block == NULL)
			fill(me, &me->slots[i]);
		if (i >= me->nslots)
			me->nslots = i + 1;
		harness_tick();
	}
}

static void replace(struct thread *me, long times)
{
	for (long i = 0; i < times; i++) {
		uint32_t at = (uint32_t)harness_between(&me->random, 0,
							me->nslots - 1);
		struct slot *slot = &me->slots[at];

		if (slot->block == NULL || slot->phase != phase)
			continue;
		drop(me, slot);
		fill(me, slot);
		harness_tick();
	}
}

/* Frees most of this phase's blocks, and the survivors of older phases. */
static void thin_out(struct thread *me)
{
	for (uint32_t i = 0; i < me->nslots; i++) {
		struct slot *slot = &me->slots[i];
		bool stay = phase - slot->phase < 3 &&
			    (slot->phase != phase ||
			     measure_random(&me->random) %
				     SURVIVOR_ONE_IN == 0);

		if (slot->block != NULL && !stay)
			drop(me, slot);
	}
}

static void grow(int index)
{
	struct thread *me = &threads[index];

	fill_budget(me);
	replace(me, harness_scaled(REPLACEMENTS));
}

static void shrink(int index)
{
	thin_out(&threads[index]);
}

static void drop_all(int index)
{
	struct thread *me = &threads[index];

	for (uint32_t i = 0; i < me->nslots; i++)
		if (me->slots[i].block != NULL)
			drop(me, &me->slots[i]);
}

static double live_kib(void)
{
	int64_t sum = 0;

	for (int i = 0; i < harness.nthreads; i++)
		sum += threads[i].live;
	return (double)(sum / KIB);
}

static double run_phases(void)
{
	double active = 0;

	for (phase = 0; phase < NPHASES; phase++) {
		double rss;

		harness_threads(grow);
		harness_stop();
		rss = measure_rss_kib();
		active = rss > active ? rss : active;
		harness_start();
		harness_threads(shrink);
	}
	return active;
}

int main(int argc, char **argv)
{
	double active;

	harness_options(argc, argv, 1, NULL);
	for (int i = 0; i < harness.nthreads; i++) {
		threads[i].random = harness_stream(i);
		threads[i].slots = harness_map(SLOTS * sizeof(struct slot));
	}
	harness_start();
	active = run_phases();
	harness_stop();
	harness_settle();
	harness_print("active_kib", active);
	harness_print("sparse_live_kib", live_kib());
	harness_print("sparse_kib", measure_rss_kib());
	harness_start();
	harness_threads(drop_all);
	harness_stop();
	return harness_report();
}
