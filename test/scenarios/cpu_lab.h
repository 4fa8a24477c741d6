/*
 * What the scenarios of CPUs share: a crowd of threads that hand blocks on to
 * each other (claims.h), and the CPUs that it may run on.
 *
 * A program runs itself again, bound to one CPU, when it needs a process that
 * has never run on another: only then is it known which ids it has seen.
 */
#ifndef PCM_TEST_CPU_LAB_H
#define PCM_TEST_CPU_LAB_H

#include "claims.h"

#include <stdbool.h>
#include <sys/types.h>

#define CPUS_MAX 1024

struct cpus {
	int n;
	int id[CPUS_MAX];
};

/* Those that the calling thread may run on; ascending. */
void cpus_allowed(struct cpus *cpus);

/* The calling task, or task @tid, on @n CPUs. False: the kernel refuses. */
bool cpus_bind(pid_t tid, const int *ids, int n);

/*
 * In the first run of a program: runs it again, bound to the last of its CPUs.
 * In the second it returns the CPUs of the first one.
 */
void cpus_start_bound(struct cpus *cpus, int argc, char **argv);

/* Takes @nthreads threads to work, on the CPUs of the caller. */
void crowd_start(int nthreads);

/* The whole crowd and the caller to these CPUs. */
void crowd_bind(const int *ids, int n);

/* One thread of the crowd; nothing happens if the CPUs are not there. */
void crowd_bind_one(unsigned int which, const int *ids, int n);

/* Until each thread has made @nsteps steps more. */
void crowd_wait(unsigned long nsteps);

/*
 * For @seconds, or those of PCM_STIR_SECONDS: the crowd or one of it to one
 * CPU, to a few, to all, at random, again and again; in the end on all. Returns
 * how often.
 */
unsigned long crowd_stir(const struct cpus *cpus, double seconds);

/*
 * Lets each go to @cpus, ends them, and frees all blocks. Where the process is
 * per-CPU each thread must be, to its end.
 */
void crowd_stop(const struct cpus *cpus);

/* Does the process run on per-CPU caches; by mm_cid? */
bool on_per_cpu(void);
bool by_mm_cid(void);

#endif
