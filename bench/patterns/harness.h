/*
 * What the pattern programs share: options, blocks that are marked and checked,
 * an account of what is live, threads, time, and the lines that they print.
 * A program is
 *
 *	int main(int argc, char **argv)
 *	{
 *		harness_options(argc, argv, 2, NULL);	one thread a CPU
 *		... harness_map() for tables ...
 *		harness_start();
 *		harness_threads(work);			the measured part
 *		harness_stop();
 *		return harness_report();
 *	}
 *
 * and is run as NAME [key=value ...]; the keys are
 *
 *	scale=F		work, relative to the default
 *	threads=N	how many threads work
 *	seed=N		another course of sizes and choices
 *	mode=NAME	which of the program's variants
 *	series=FILE	lines "seconds rss_kib live_kib", one in 10 ms
 *	settle_ms=N	length of the light activity at the end (200)
 *
 * The work depends on the keys alone: whatever the allocator, the same number
 * of blocks of the same sizes. Between harness_start() and harness_stop() the
 * harness calls malloc for blocks and for nothing else. It prints
 *
 *	seconds		the measured part, monotonic clock
 *	operations	blocks asked for: malloc, calloc, realloc
 *	peak_live_kib	the most that the program had at a time
 *	settled_kib	resident memory after the light activity
 *
 * With more than one thread peak_live_kib is neither exact nor the same in
 * every run: a thread adds what it has to the sum in steps of HARNESS_QUANTUM.
 */
#ifndef PCM_BENCH_HARNESS_H
#define PCM_BENCH_HARNESS_H

#include "../measure/measure.h"

#include <stdbool.h>
#include <stddef.h>

#define HARNESS_QUANTUM (16 << 10)
#define HARNESS_MIN_NBYTES 8
#define HARNESS_MAX_THREADS 512
#define HARNESS_TICKS 256

struct harness_options {
	double scale;
	int nthreads;
	uint64_t seed;
	int mode;		/* index into the program's list */
};

extern struct harness_options harness;

/* modes: ends with NULL, the first is the default; NULL if there are none. */
void harness_options(int argc, char **argv, int nthreads,
		     const char *const *modes);

/* n times the scale, at least 1. */
long harness_scaled(long n);

/* Zeroed memory that does not come from malloc. */
void *harness_map(size_t nbytes);

void harness_start(void);
void harness_stop(void);

/* Prints "name value". */
void harness_print(const char *name, double value);

/*
 * Settles, prints what every program prints. Everything must be freed: fails
 * if the account says otherwise. Returns main's value.
 */
int harness_report(void);

/* The light activity; for programs that want to look before the end. */
void harness_settle(void);

/*
 * Runs work(0) ... work(n - 1), n = harness.nthreads, each in a thread of its
 * own, until all are done. A single one runs in the main thread.
 */
void harness_threads(void (*work)(int index));

/* ---- random numbers ---- */

/* The state for the stream with this index. */
static inline uint64_t harness_stream(int index)
{
	uint64_t state = harness.seed * 1000003 + (uint64_t)index;

	measure_random(&state);
	return state;
}

/* low ... high, each as often as any other. */
static inline size_t harness_between(uint64_t *state, size_t low, size_t high)
{
	uint64_t x = measure_random(state) >> 32;

	return low + (size_t)(x * (high - low + 1) >> 32);
}

/*
 * Between 2^low and 2^high, each power of two as often as any other: most are
 * small, some are not.
 */
static inline size_t harness_log_between(uint64_t *state, int low, int high)
{
	uint64_t x = measure_random(state);
	int power = low + (int)(x % (uint64_t)(high - low));

	return ((size_t)1 << power) + (x >> 16 & (((size_t)1 << power) - 1));
}

/* ---- the account ---- */

struct harness_mine {
	int64_t live;		/* not yet in the sum */
	int64_t most;		/* that live was since it was added last */
	int64_t noperations;
	uint32_t ticks;
};

extern __thread struct harness_mine harness_mine;

/* Adds what the thread has to the sums; harness_threads() does at the end. */
void harness_publish(void);
/* A line of the series, if one is due. */
void harness_sample(void);

/*
 * What is resident, cheap and off by some pages a CPU, and what is live: for looks
 * in between. Exact is measure_rss_kib(), and live when no thread works.
 */
double harness_rss_kib(void);
double harness_live_kib(void);

static inline void harness_account(int64_t nbytes)
{
	harness_mine.live += nbytes;
	if (harness_mine.live > harness_mine.most)
		harness_mine.most = harness_mine.live;
	if (harness_mine.live > HARNESS_QUANTUM ||
	    harness_mine.live < -HARNESS_QUANTUM)
		harness_publish();
}

/* To be called often by one of the threads, where a series makes sense. */
static inline void harness_tick(void)
{
	if (++harness_mine.ticks % HARNESS_TICKS == 0)
		harness_sample();
}

/* ---- blocks ---- */

/*
 * The first and the last four bytes of a block hold a mark, made from its size
 * and a tag that its owner knows. A block that is handed out twice, or written
 * to by somebody else, has another's mark.
 */
static inline uint32_t harness_mark(size_t n, uint32_t tag)
{
	return (uint32_t)n * 0x9e3779b1u + tag;
}

static inline void harness_set_mark(void *p, size_t n, uint32_t tag)
{
	uint32_t mark = harness_mark(n, tag);

	__builtin_memcpy(p, &mark, sizeof(mark));
	mark = ~mark;
	__builtin_memcpy((char *)p + n - sizeof(mark), &mark, sizeof(mark));
}

static inline void harness_check_mark(const void *p, size_t n, uint32_t tag)
{
	uint32_t first, last;

	__builtin_memcpy(&first, p, sizeof(first));
	__builtin_memcpy(&last, (const char *)p + n - sizeof(last),
			 sizeof(last));
	if (first != harness_mark(n, tag) || last != ~first)
		measure_die("a block has lost its content");
}

/* Notes that a block of n bytes was asked for, and came. */
static inline void *harness_got(void *p, size_t n)
{
	if (p == NULL)
		measure_die("malloc gave NULL");
	harness_mine.noperations++;
	harness_account((int64_t)n);
	return p;
}

/* malloc and free of n >= HARNESS_MIN_NBYTES bytes. */
static inline void *harness_get(size_t n, uint32_t tag)
{
	void *p = harness_got(malloc(n), n);

	harness_set_mark(p, n, tag);
	return p;
}

static inline void harness_put(void *p, size_t n, uint32_t tag)
{
	harness_check_mark(p, n, tag);
	free(p);
	harness_account(-(int64_t)n);
}

#endif
