/*
 * rseq_thread.h - one thread's relation to rseq: armed or not, and how.
 *
 *			 pcm_rseq_arm() finds the area registered,
 *			 or registers it
 *	  UNARMED  ---------------------------------------->  armed: LIBC, OWN
 *	     |  ^						   |
 *	     |  |   pcm_rseq_arm() finds cpu_id < 0 (somebody	   |
 *	     |  +---unregistered it)  <----------------------------+
 *	     |							   |
 *	     |--- another area is registered: FOREIGN, tried	   |
 *	     |    again after a few visits			   |
 *	     |--- the kernel refuses: DENIED, for good		   |
 *	     +--- another task shares the TLS (vfork, CLONE_VM):   |
 *		  SHARED_TLS  <------------------------------------+
 *
 * An armed thread has `pcm_rseq_armed` set and may enter sections. Sections
 * find out themselves whether the area is (still) registered; arming only ever
 * happens on the slow path.
 */
#ifndef PCM_RSEQ_THREAD_H
#define PCM_RSEQ_THREAD_H

#include <stdbool.h>
#include <stdint.h>

#include "compiler.h"
#include "rseq_abi.h"

enum pcm_rseq_thread_state {
	PCM_RSEQ_THREAD_UNARMED,    /* not tried yet */
	PCM_RSEQ_THREAD_LIBC,	    /* armed, glibc's area */
	PCM_RSEQ_THREAD_OWN,	    /* armed, our area */
	PCM_RSEQ_THREAD_FOREIGN,    /* another area is registered */
	PCM_RSEQ_THREAD_DENIED,	    /* the kernel refuses */
	PCM_RSEQ_THREAD_OFF,	    /* no rseq in this process */
	PCM_RSEQ_THREAD_SHARED_TLS, /* TLS shared with another task */
};

/* The area that sections use; NULL: not armed, take the slow path. */
extern PCM_HIDDEN PCM_TLS struct pcm_rseq_area *pcm_rseq_armed;

/*
 * While not 0, another task may share this TLS, and nobody arms. vfork() and
 * clone() (vfork_*.S, clone.c) raise it around the child's life.
 */
extern PCM_HIDDEN PCM_TLS uint32_t pcm_rseq_held;

/*
 * pcm_rseq_arm() - see to it that the calling thread may enter sections.
 *
 * For the slow path, after a section has failed or because the thread is not
 * armed. Looks whether the area is registered; registers it if it is not and
 * nobody else's is; otherwise disarms the thread.
 *
 * Returns true if the thread is armed now. At most one registering system call
 * every few calls. Never prints, never aborts; keeps errno; async-signal-safe.
 */
bool pcm_rseq_arm(void);

/* True if arming was refused for good: this thread stays on the fallback. */
bool pcm_rseq_denied(void);

enum pcm_rseq_thread_state pcm_rseq_thread_state(void);

/*
 * pcm_rseq_thread_forked() - the calling thread is the child of a fork.
 *
 * fork() hands the registration on; what changed is the thread's id.
 */
void pcm_rseq_thread_forked(void);

/*
 * pcm_rseq_thread_forking() - the calling task is about to fork. If it shares
 * somebody's TLS, its child, which has a copy, will not.
 */
void pcm_rseq_thread_forking(void);

/*
 * pcm_rseq_lets_threads_start() - false: a new thread may end the process. glibc does
 * that if it registers its threads and the system has come to refuse it, as a seccomp
 * filter makes it do. A thread whose own registration is not libc's cannot tell. One
 * system call or two; async-signal-safe.
 */
bool pcm_rseq_lets_threads_start(void);

/*
 * pcm_rseq_hint() - the index that the calling thread runs on now, or -1.
 *
 * Stale as soon as it returns: for choosing what to populate, never for access.
 */
int pcm_rseq_hint(void);

/* How often threads were armed, and armed again after losing a registration. */
struct pcm_rseq_counts {
	unsigned long armed;
	unsigned long rearmed;
	unsigned long refused;
};

void pcm_rseq_counts_get(struct pcm_rseq_counts *counts);

#endif
