/*
 * rseq as the kernel and libc show it, for tests that take a registration away,
 * make one of their own, or look whose it is.
 */
#ifndef PCM_TEST_RSEQ_RAW_H
#define PCM_TEST_RSEQ_RAW_H

#include "testing.h"

#include <stdbool.h>
#include <stdint.h>

#include <pcmalloc/pcmalloc.h>

#if defined(__aarch64__)
#define RAW_SIG 0xd428bc00u
#else
#define RAW_SIG 0x53053053u
#endif
/* What another rseq user might have chosen. */
#define RAW_OTHER_SIG 0x12345678u

#define RAW_SIZE 32u

/* The kernel's struct rseq, as far as Linux 6.3 knows it. */
struct raw_area {
	uint32_t cpu_id_start;
	int32_t cpu_id;
	uint64_t rseq_cs;
	uint32_t flags;
	uint32_t node_id;
	uint32_t mm_cid;
	uint32_t padding;
} __attribute__((aligned(32)));

/* 0, or the errno of the system call. Nothing here allocates. */
int raw_register(struct raw_area *area, uint32_t nbytes, uint32_t sig);
int raw_unregister(struct raw_area *area, uint32_t nbytes, uint32_t sig);

/* The calling thread's area in libc; NULL if libc has registered none. */
struct raw_area *raw_libc_area(void);
/* The length with which libc registered it. */
uint32_t raw_libc_size(void);
/* pcmalloc's own area, exported as __rseq_abi; NULL if it is not there. */
struct raw_area *raw_own_area(void);

/* The area that pcmalloc uses in this thread, and its registered length. */
struct raw_area *raw_used_area(void);
uint32_t raw_used_size(void);

/* Is exactly this area registered for the calling thread? Asks the kernel. */
bool raw_is_registered(struct raw_area *area, uint32_t nbytes);

/* pcm_rseq_state() of pcmalloc.h, as a number. */
int raw_state(void);
/* Is the calling thread on per-CPU caches, by pcm_rseq_state()? */
bool raw_per_cpu(void);

/*
 * Visits of the slow path that a refused thread needs at most to find that it
 * may register again.
 */
#define RAW_VISITS_MAX 8

/* Makes the calling thread visit the slow path at least once. */
void raw_visit_slow_path(void);

/* One visit, exactly: what pcm_mode() costs. */
void raw_visit_once(void);

/*
 * Visits until the thread is on per-CPU caches; it must not take more than
 * RAW_VISITS_MAX. 0: it already is.
 */
int raw_visits_to_recover(void);

/* The state of a thread on per-CPU caches: PCM_RSEQ_LIBC or PCM_RSEQ_OWN. */
int raw_per_cpu_state(void);

/* pcm_stats_get(); pcm_mode()'s line. */
struct pcm_stats raw_stats(void);
const char *raw_mode(void);

/*
 * Must hold of a thread whose registration is in order: pcmalloc says so, the
 * kernel says so, and on every CPU that it may run on sched_getcpu(), the area
 * and getcpu(2) agree. Moves the thread about.
 */
void raw_must_be_registered(void);

/*
 * To be called once before the helpers are used in signal handlers or before a
 * thread's first allocation: finds by dlsym() what they need.
 */
void raw_prepare(void);

#endif
