/*
 * google-benchmark for programs in C: registration, the state loop, arguments,
 * threads and counters. shim.cc is the only C++ in bench/.
 *
 *	static void pair(struct bench_state *st)
 *	{
 *		while (bench_next_batch(st, 1000))
 *			for (int i = 0; i < 1000; i++)
 *				free(malloc(32));
 *	}
 *
 *	int main(int argc, char **argv)
 *	{
 *		bench_add("pair", pair);
 *		return bench_main(argc, argv);
 *	}
 *
 * A call into the shim costs about as much as a malloc: loop over batches.
 */
#ifndef PCM_BENCH_SHIM_H
#define PCM_BENCH_SHIM_H

#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* benchmark::State, and benchmark::internal::Benchmark. */
struct bench_state;
struct bench_case;

typedef void bench_fn(struct bench_state *st);

/* Registers fn; the case is configured by the functions below it. */
struct bench_case *bench_add(const char *name, bench_fn *fn);
/* One more run with this argument (or this pair). */
void bench_arg(struct bench_case *c, int64_t arg);
void bench_args(struct bench_case *c, int64_t first, int64_t second);
/* Arguments from low to high, each factor times the one before. */
void bench_range(struct bench_case *c, int64_t low, int64_t high, int factor);
/* One more run with n threads, which all run fn; time is wall time. */
void bench_threads(struct bench_case *c, int n);
/* Report wall time, for a case whose fn starts threads itself. */
void bench_wall_time(struct bench_case *c);

/* Parses --benchmark_* options, runs what they select. Returns main's value. */
int bench_main(int argc, char **argv);

/* In fn: true while there is another iteration, or another n of them, to do. */
bool bench_next(struct bench_state *st);
bool bench_next_batch(struct bench_state *st, int64_t n);
int64_t bench_arg_of(const struct bench_state *st, int index);
int bench_thread_index(const struct bench_state *st);
int bench_nthreads(const struct bench_state *st);
int64_t bench_iterations(const struct bench_state *st);
void bench_pause(struct bench_state *st);
void bench_resume(struct bench_state *st);
/* Items and bytes a second, from what all iterations together did. */
void bench_set_items(struct bench_state *st, int64_t nitems);
void bench_set_bytes(struct bench_state *st, int64_t nbytes);
/* A further column; the rate is value over the seconds of the run. */
void bench_counter(struct bench_state *st, const char *name, double value);
void bench_rate(struct bench_state *st, const char *name, double value);
void bench_skip(struct bench_state *st, const char *why);

/* Keeps the compiler from seeing what becomes of p. */
static inline void bench_use(void *p)
{
	__asm__ volatile("" : : "r"(p) : "memory");
}

#ifdef __cplusplus
}
#endif

#endif
