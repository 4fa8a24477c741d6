/*
 * google-benchmark behind C functions; shim.h is the contract. A bench_state
 * is a benchmark::State, a bench_case what RegisterBenchmark returns: the
 * pointers are only cast.
 */
#include "shim.h"

#include <benchmark/benchmark.h>

#include <cstddef>

namespace {

benchmark::State &state(struct bench_state *st)
{
	return *reinterpret_cast<benchmark::State *>(st);
}

const benchmark::State &state(const struct bench_state *st)
{
	return *reinterpret_cast<const benchmark::State *>(st);
}

benchmark::internal::Benchmark *config(struct bench_case *c)
{
	return reinterpret_cast<benchmark::internal::Benchmark *>(c);
}

} // namespace

struct bench_case *bench_add(const char *name, bench_fn *fn)
{
	auto *c = benchmark::RegisterBenchmark(
		name, [fn](benchmark::State &st) {
			fn(reinterpret_cast<struct bench_state *>(&st));
		});

	return reinterpret_cast<struct bench_case *>(c);
}

void bench_arg(struct bench_case *c, int64_t arg)
{
	config(c)->Arg(arg);
}

void bench_args(struct bench_case *c, int64_t first, int64_t second)
{
	config(c)->Args({ first, second });
}

void bench_range(struct bench_case *c, int64_t low, int64_t high, int factor)
{
	config(c)->RangeMultiplier(factor)->Range(low, high);
}

void bench_threads(struct bench_case *c, int n)
{
	config(c)->Threads(n)->UseRealTime();
}

void bench_wall_time(struct bench_case *c)
{
	config(c)->UseRealTime();
}

int bench_main(int argc, char **argv)
{
	benchmark::Initialize(&argc, argv);
	if (benchmark::ReportUnrecognizedArguments(argc, argv))
		return 1;
	benchmark::RunSpecifiedBenchmarks();
	benchmark::Shutdown();
	return 0;
}

bool bench_next(struct bench_state *st)
{
	return state(st).KeepRunning();
}

bool bench_next_batch(struct bench_state *st, int64_t n)
{
	return state(st).KeepRunningBatch(n);
}

int64_t bench_arg_of(const struct bench_state *st, int index)
{
	return state(st).range(static_cast<std::size_t>(index));
}

int bench_thread_index(const struct bench_state *st)
{
	return state(st).thread_index();
}

int bench_nthreads(const struct bench_state *st)
{
	return state(st).threads();
}

int64_t bench_iterations(const struct bench_state *st)
{
	return static_cast<int64_t>(state(st).iterations());
}

void bench_pause(struct bench_state *st)
{
	state(st).PauseTiming();
}

void bench_resume(struct bench_state *st)
{
	state(st).ResumeTiming();
}

void bench_set_items(struct bench_state *st, int64_t nitems)
{
	state(st).SetItemsProcessed(nitems);
}

void bench_set_bytes(struct bench_state *st, int64_t nbytes)
{
	state(st).SetBytesProcessed(nbytes);
}

void bench_counter(struct bench_state *st, const char *name, double value)
{
	state(st).counters[name] = value;
}

void bench_rate(struct bench_state *st, const char *name, double value)
{
	state(st).counters[name] =
		benchmark::Counter(value, benchmark::Counter::kIsRate);
}

void bench_skip(struct bench_state *st, const char *why)
{
	state(st).SkipWithError(why);
}
