/*
 * Seccomp filters: what happens to a process's system calls, decided from
 * outside of it. Written against <linux/seccomp.h> alone.
 */
#ifndef PCM_TEST_SYSCALL_FILTER_H
#define PCM_TEST_SYSCALL_FILTER_H

#include "testing.h"

#include <linux/seccomp.h>
#include <stdbool.h>
#include <sys/syscall.h>
#include <sys/types.h>

/* What a filter answers, for filter_install(). */
#define FILTER_KILL SECCOMP_RET_KILL_PROCESS
#define FILTER_TRAP SECCOMP_RET_TRAP
#define FILTER_ERROR(error) (SECCOMP_RET_ERRNO | (error))

/* From now on call @nr of every thread meets @answer, also after exec. */
void filter_install(long nr, uint32_t answer);

/* The tasks that made the watched call, and how often each. */
#define WATCH_NTASKS 64
struct watch {
	int error; /* what the calls return; 0: they are let through */
	/* Looks at each call, while the caller waits; may be NULL. */
	void (*look)(struct watch *watch, pid_t tid, const uint64_t *args);
	/* Results. */
	unsigned int ncalls, ntasks;
	struct {
		pid_t tid;
		unsigned int ncalls;
	} tasks[WATCH_NTASKS];
};

/*
 * Runs fn(arg) in a forked child, and answers its calls once it has called
 * watch_begin(). Returns the child's wait status.
 */
int watch_child(struct watch *watch, void (*fn)(void *), void *arg);

/*
 * To be called in that child: from now on call @nr of every thread is watched,
 * also after exec.
 */
void watch_begin(long nr);

/* Calls that task @tid made. */
unsigned int watch_count(const struct watch *watch, pid_t tid);

/* Do the filters work here? Else @why is set. */
bool filter_works(const char **why);

#endif
