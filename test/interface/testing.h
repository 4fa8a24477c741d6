/*
 * What the interface and process tests share: the proof that malloc is
 * pcmalloc's and runs in the mode that was asked for, children whose output is
 * kept, and readings of /proc.
 *
 * Nothing here needs libcheck; suite.h adds that.
 */
#ifndef PCM_TEST_TESTING_H
#define PCM_TEST_TESTING_H

#include "pattern.h"

#include <malloc.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif

#define KIB ((size_t)1 << 10)
#define MIB ((size_t)1 << 20)
#define GIB ((size_t)1 << 30)

/* Exit status of a test that cannot run here. */
#define TEST_SKIPPED 77

/* Of the interface, but not in the headers of glibc 2.36. */
void free_sized(void *p, size_t size);
void free_aligned_sized(void *p, size_t alignment, size_t size);
void cfree(void *p);

/*
 * Returns NULL if malloc is libpcmalloc.so's (that of PCM_SO, if set) and the
 * process runs in the mode that PCMALLOC_CONF demands, else what is wrong.
 */
const char *testing_identity(void);

/*
 * To be called first by a program that does not use libcheck: checks the
 * identity, prints the seed, and arms an alarm that ends the process with a
 * message after @limit seconds.
 */
void testing_start(unsigned int limit);

/* The seed of this run: PCM_TEST_SEED, or from the clock. */
uint64_t testing_seed(void);

/* Prints @why and exits as a skipped test. */
__attribute__((noreturn)) void testing_skip(const char *why);

/* Keeps the compiler from knowing where a pointer or a size comes from. */
static inline void *opaque(const void *p)
{
	void *q = (void *)(uintptr_t)p;

	__asm__ volatile("" : "+r"(q) : : "memory");
	return q;
}

static inline size_t opaque_size(size_t n)
{
	__asm__ volatile("" : "+r"(n) : : "memory");
	return n;
}

/* How a child ended and what it wrote to fd 1 and 2 (NUL-terminated). */
struct child {
	int status;
	size_t out_len, err_len;
	char out[64 * 1024], err[64 * 1024];
};

/*
 * Runs fn(arg) in a forked child, which then exits 0, and collects what it
 * writes. The child is killed after @limit seconds. No core is dumped.
 */
void testing_child(struct child *child, unsigned int limit, void (*fn)(void *),
		   void *arg);

/* Dies with a message unless the child @pid ends, and with status 0. */
void testing_wait_for(pid_t pid);

/* A field of /proc/self/status in bytes ("VmRSS", "VmHWM"); 0 = not there. */
size_t testing_memory(const char *field);

/* The same of /proc/self/smaps_rollup ("AnonHugePages"). */
size_t testing_rollup(const char *field);

/* Page faults that needed no disk so far; who: as of getrusage(2). */
long testing_faults(int who);

/* CPU time of the calling thread. */
double testing_cpu_seconds(void);

/* Threads of the process. */
int testing_nthreads(void);

double testing_seconds(void);

#ifdef __cplusplus
}
#endif

#endif
