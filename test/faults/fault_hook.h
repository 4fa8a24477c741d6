/*
 * fault_hook.h - system calls of the library that fail on demand.
 *
 * In the build of test/faults/ each system call that the library makes comes
 * by here. The five kinds that concern memory are counted; a plan says which
 * of them fail. Nothing else changes: a call that is let through is the
 * kernel's.
 *
 * A plan is set by fault_arm(), or, before the first call of a process, by the
 * environment: PCM_FAULTS=one:N[:KIND] or from:N[:KIND], KIND one of mmap,
 * munmap, mremap, madvise, membarrier. With PCM_FAULTS_LOG=FILE a line
 * "calls N failed M" is appended to FILE when the process exits.
 *
 * All functions are async-signal-safe and take no lock.
 */
#ifndef PCM_TEST_FAULT_HOOK_H
#define PCM_TEST_FAULT_HOOK_H

#include <stddef.h>

enum fault_kind {
	FAULT_MMAP,
	FAULT_MUNMAP,
	FAULT_MREMAP,
	FAULT_MADVISE,
	FAULT_MEMBARRIER,
	FAULT_NKINDS,
};

#define FAULT_ALL ((1u << FAULT_NKINDS) - 1)

enum fault_mode {
	FAULT_NONE,
	FAULT_ONE,  /* the n-th call alone */
	FAULT_FROM, /* the n-th and all that follow */
};

/*
 * n counts from 1, and only calls of `kinds` (bits 1 << kind). They fail with
 * `error`; 0: with what the kernel would say, in turns if it has several.
 */
struct fault_plan {
	enum fault_mode mode;
	unsigned kinds;
	unsigned long n;
	int error;
};

/*
 * fault_arm() - the plan holds from now on, counting starts at 0. No other
 * thread is making calls. A plan of FAULT_NONE only counts.
 */
void fault_arm(const struct fault_plan *plan);

/* Nothing fails any more; the counts stay. Any thread at any time. */
void fault_disarm(void);

/* Calls of these kinds, and those that were failed, since fault_arm(). */
unsigned long fault_calls(unsigned kinds);
unsigned long fault_failed(void);

/* Bytes that the library has mapped and not unmapped, since the start. */
size_t fault_mapped(void);

/*
 * Not NULL: called before each call that is counted, but not while it is running
 * already, as a signal handler would be. For programs with one thread.
 */
extern void (*fault_interrupt)(void);

/* "mmap" and so on; FAULT_NKINDS if there is no such kind. */
extern const char *const fault_names[FAULT_NKINDS];
enum fault_kind fault_kind_of(const char *name);

/* MODE:N[:KIND] as a plan; 0: it is none. */
int fault_parse(const char *text, struct fault_plan *plan);

#endif
