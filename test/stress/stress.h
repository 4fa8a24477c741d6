/*
 * What every stress program shares: seed and seconds from the environment,
 * random numbers, worker threads, the prodder that disturbs them, and the one
 * way to report a fault. stress_blocks.h builds verified blocks on top of it.
 *
 * Environment:
 *	PCM_STRESS_SECONDS	length of the random part (default 2)
 *	PCM_STRESS_SEED		replays a run's choices (default: the clock)
 *	PCM_STRESS_LIMIT	seconds until the run counts as hung
 *				(default: 40 more than the above)
 *	PCM_STRESS_ANY		1 = on any allocator, not just pcmalloc
 *
 * Nothing here allocates, so the harness still works on a broken heap.
 */
#ifndef PCM_TEST_STRESS_H
#define PCM_TEST_STRESS_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* splitmix64: any seed is good, equal seeds give equal sequences. */
struct rng {
	uint64_t state;
};

static inline uint64_t mix64(uint64_t x)
{
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ull;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebull;
	return x ^ (x >> 31);
}

static inline uint64_t rng_next(struct rng *r)
{
	r->state += 0x9e3779b97f4a7c15ull;
	return mix64(r->state);
}

/* A number below n; n must not be 0. */
static inline size_t rng_below(struct rng *r, size_t n)
{
	return (size_t)(rng_next(r) % n);
}

/* True once in n calls on average. */
static inline bool rng_once_in(struct rng *r, size_t n)
{
	return rng_below(r, n) == 0;
}

/*
 * Reads the environment, prints seed and mode, arms the watchdog. Ends the
 * program with 77 where this machine cannot give the mode that PCMALLOC_CONF
 * asks for, and with a fault when malloc is not pcmalloc's.
 */
void stress_start(const char *name);
uint64_t stress_seed(void);
double stress_seconds(void);
bool stress_any(void);

/* Prints the closing line; the return value is main's. */
int stress_finish(uint64_t nops);

/* One line with the seed on fd 2, then abort. The first thread wins. */
_Noreturn void stress_fail(const char *fmt, ...)
	__attribute__((format(printf, 1, 2), cold));

/* If set, called once between the line and the abort. */
extern void (*stress_at_fault)(void);

/* CPUs that this process may use. */
unsigned stress_ncpus(void);
int stress_cpu(unsigned nth);

/* Zeroed memory from the kernel, never from malloc. Never freed. */
void *stress_memory(size_t nbytes);
size_t stress_rss(void);

/*
 * Workers. run() is called once in each thread and returns when
 * stress_running() turns false or its work is done. index is also the number
 * in fault lines; the calling thread outside any worker is -1.
 */
struct worker {
	pthread_t thread;
	void (*run)(struct worker *w);
	void *arg;
	struct rng rng;
	uint64_t nops;
	_Atomic(pid_t) tid;
	int index;
};

extern __thread int stress_thread;

bool stress_running(void);
void stress_resume(void);
void stress_sleep(double seconds);
void stress_spawn(struct worker *w, int index, void (*run)(struct worker *),
		  void *arg);
/* Runs n workers for the given time, then joins them. Returns operations. */
uint64_t stress_run(struct worker *w, unsigned n, double seconds,
		    void (*run)(struct worker *), void *arg);

/*
 * The prodder: one thread that moves the workers between CPUs and/or sends
 * them signo (0 = no signal) as fast as it can, from prod_start to prod_stop.
 * Workers must outlive it or exit after stress_running() turned false.
 */
struct prodder {
	struct worker *workers;
	unsigned nworkers;
	bool migrate;
	int signo[2];
	uint64_t nprods;
	pthread_t thread;
	struct rng rng;
	_Atomic(bool) stop;
};

void prod_start(struct prodder *p);
uint64_t prod_stop(struct prodder *p);

#endif
