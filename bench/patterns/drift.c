/*
 * A long run whose sizes drift: blocks of 16 bytes to 64 KiB, most of which die
 * young while some live for a long part of the run, as lifetimes are after Zipf's
 * law. Sizes have modes, a small one, a large one and two between at a time; each
 * comes, moves up or down, and goes, so that what gets free was made for sizes that
 * are not asked for any more. How much more memory than live bytes is that?
 *
 * Each thread has a table of slots. It picks one by Zipf's law (rank r as often as
 * 1/r), frees the block there, and puts another there unless the table holds its
 * budget already. A block in slot r lives for r log NSLOTS picks in the mean, and
 * slot r is filled as often as 1/r: so are lifetimes distributed. After each of the
 * NTURNS parts of the run the threads change tables, and meet blocks of each other.
 *
 * Of every block each page is written, so that all of it is resident. Prints also,
 * with all that is live still there:
 *	end_live_kib	what the program holds, in bytes that it asked for
 *	end_rss_kib	resident memory, of the whole process
 *	end_ratio	one over the other
 *	end_blocks_ratio the bytes of the blocks themselves, as sizes are rounded up,
 *			over live ones: where the allocator's mallinfo2 tells
 *	worst_ratio	the worst of some NLOOKS looks during the run
 *	mean_ratio	their mean
 */
#include "harness.h"

#include <malloc.h>
#include <math.h>
#include <pthread.h>

#define PICKS 16000000
#define BUDGET (50 << 20)
#define NSLOTS 60000
#define NTURNS 32
#define NLOOKS 256
#define PICKS_AT_ONCE 1024	/* between two looks at the modes */
#define PAGE 4096		/* the smallest of any system */

/*
 * Mode k is there from step k - NACTIVE to step k of NSTEPS, the most of it in the
 * middle: one of each kind k % NACTIVE at a time. A kind has its part of the powers
 * of two between SMALLEST and LARGEST; there the centre of the mode starts, and
 * moves by up to MOVES powers of two. Around it all powers of two are as frequent,
 * to SPREAD below and above. Larger blocks are rarer: of a centre c, 1/c^RARER.
 */
#define NMODES 12
#define NACTIVE 4
#define NSTEPS (NMODES - NACTIVE)
#define SMALLEST 4.0
#define LARGEST 16.0
#define KIND ((LARGEST - SMALLEST) / NACTIVE)
#define MOVES 2.0
#define SPREAD 1.5
#define RARER 0.5

static struct mode {
	double first, last;	/* log2 of the centre, when it comes and goes */
} modes_of_run[NMODES];

/* What is asked for at a time; sizes as logarithms to base 2. */
struct now {
	int n;
	struct {
		double until;	/* sum of the shares up to this one */
		double low, high;
	} mode[NACTIVE];
};

/* The block begins with its mark (harness.h) and its size. */
static struct table {
	char **slots;
	int64_t live;
	uint64_t random;
} tables[HARNESS_MAX_THREADS];

static long npicks;
static double log_nslots;
static pthread_barrier_t turn;

static struct {
	double worst, sum;
	int n;
} looks;

/* 0 <= u < 1 */
static double uniform(uint64_t *state)
{
	return (double)(measure_random(state) >> 11) / (double)(1ull << 53);
}

/* ---- sizes ---- */

static double within(double low, double x, double high)
{
	return x < low ? low : x > high ? high : x;
}

static void make_modes(void)
{
	uint64_t random = harness_stream(HARNESS_MAX_THREADS);

	for (int k = 0; k < NMODES; k++) {
		struct mode *m = &modes_of_run[k];
		double move = MOVES * (2 * uniform(&random) - 1);

		m->first = SMALLEST + KIND * (k % NACTIVE + uniform(&random));
		m->last = within(SMALLEST, m->first + move, LARGEST);
	}
}

/* Adds mode k, x = 0 ... 1 of which is over. */
static void add_mode(struct now *now, int k, double x)
{
	const struct mode *m = &modes_of_run[k];
	double centre = m->first + (m->last - m->first) * x;
	double share = (x < 0.5 ? x : 1 - x) * exp2(-RARER * centre);
	double before = now->n == 0 ? 0 : now->mode[now->n - 1].until;

	now->mode[now->n].until = before + share;
	now->mode[now->n].low = within(SMALLEST, centre - SPREAD, LARGEST);
	now->mode[now->n].high = within(SMALLEST, centre + SPREAD, LARGEST);
	now->n++;
}

/* The modes as the run is at part 0 ... 1. */
static void modes_at(struct now *now, double part)
{
	now->n = 0;
	for (int k = 0; k < NMODES; k++) {
		double x = (part * NSTEPS - (k - NACTIVE)) / NACTIVE;

		if (x > 0 && x < 1)
			add_mode(now, k, x);
	}
}

static uint32_t any_size(const struct now *now, uint64_t *random)
{
	double u = uniform(random) * now->mode[now->n - 1].until;
	double low, high;
	int i = 0;

	while (i < now->n - 1 && u >= now->mode[i].until)
		i++;
	low = now->mode[i].low;
	high = now->mode[i].high;
	return (uint32_t)exp2(low + (high - low) * uniform(random));
}

/* ---- blocks ---- */

static void fill(struct table *t, const struct now *now, long at)
{
	uint32_t n = any_size(now, &t->random);
	char *p = harness_get(n, (uint32_t)at);

	memcpy(p + sizeof(uint32_t), &n, sizeof(n));
	/* The last page is that of the mark at the end. */
	for (size_t i = PAGE; i + sizeof(uint32_t) < n; i += PAGE)
		p[i] = 1;
	t->slots[at] = p;
	t->live += n;
}

static void drop(struct table *t, long at)
{
	char *p = t->slots[at];
	uint32_t n;

	memcpy(&n, p + sizeof(uint32_t), sizeof(n));
	if (n < 1u << (int)SMALLEST || n > 1u << (int)LARGEST)
		measure_die("a block has lost its content");
	harness_put(p, n, (uint32_t)at);
	t->slots[at] = NULL;
	t->live -= n;
}

/* ---- the run ---- */

/* The logarithm of the rank is uniform. */
static long any_slot(uint64_t *random)
{
	return (long)exp(uniform(random) * log_nslots) - 1;
}

static void pick(struct table *t, const struct now *now)
{
	long at = any_slot(&t->random);

	if (t->slots[at] != NULL)
		drop(t, at);
	if (t->live < BUDGET)
		fill(t, now, at);
}

static void look(void)
{
	double ratio = harness_rss_kib() / harness_live_kib();

	looks.worst = ratio > looks.worst ? ratio : looks.worst;
	looks.sum += ratio;
	looks.n++;
}

/* Turn number k of the run, on this table. */
static void run_turn(struct table *t, int k, bool looking)
{
	long end = npicks * (k + 1) / NTURNS;
	long step = npicks / NLOOKS + 1;
	struct now now;

	for (long i = npicks * k / NTURNS; i < end; i++) {
		if (i % PICKS_AT_ONCE == 0 || i == npicks * k / NTURNS)
			modes_at(&now, (double)i / (double)npicks);
		pick(t, &now);
		if (!looking)
			continue;
		harness_tick();
		if (i % step == 0)
			look();
	}
}

/* The slots that are picked least are filled first. */
static void fill_table(int index)
{
	struct table *t = &tables[index];
	struct now now;

	modes_at(&now, 0);
	for (long at = NSLOTS - 1; at >= 0 && t->live < BUDGET; at--) {
		fill(t, &now, at);
		if (index == 0)
			harness_tick();
	}
}

static void work(int index)
{
	fill_table(index);
	for (int k = 0; k < NTURNS; k++) {
		pthread_barrier_wait(&turn);
		run_turn(&tables[(index + k) % harness.nthreads], k,
			 index == 0);
	}
}

static void drop_all(int index)
{
	struct table *t = &tables[index];

	for (long at = 0; at < NSLOTS; at++)
		if (t->slots[at] != NULL)
			drop(t, at);
}

static void prepare(void)
{
	npicks = harness_scaled(PICKS);
	log_nslots = log(NSLOTS);
	make_modes();
	for (int i = 0; i < harness.nthreads; i++) {
		tables[i].slots = harness_map(NSLOTS * sizeof(char *));
		tables[i].random = harness_stream(i);
	}
	if (pthread_barrier_init(&turn, NULL, (unsigned)harness.nthreads) != 0)
		measure_die("pthread_barrier_init failed");
}

/* An allocator that has no mallinfo2 leaves libc's, which knows of no blocks. */
static void report_blocks(void)
{
	struct mallinfo2 info = mallinfo2();
	double kib = (double)(info.uordblks + info.hblkhd) / 1024;

	if (kib >= harness_live_kib())
		harness_print("end_blocks_ratio", kib / harness_live_kib());
}

static void report_end(void)
{
	double rss = measure_rss_kib();

	harness_print("end_live_kib", harness_live_kib());
	harness_print("end_rss_kib", rss);
	harness_print("end_ratio", rss / harness_live_kib());
	report_blocks();
	harness_print("worst_ratio", looks.worst);
	harness_print("mean_ratio", looks.sum / looks.n);
}

int main(int argc, char **argv)
{
	harness_options(argc, argv, 2, NULL);
	prepare();
	harness_start();
	harness_threads(work);
	harness_stop();
	report_end();
	harness_start();
	harness_threads(drop_all);
	harness_stop();
	return harness_report();
}
