/*
 * rseq_process.h - what is true of rseq for the whole process.
 *
 * Found out once, at start-up, before any thread is armed; read-only after.
 */
#ifndef PCM_RSEQ_PROCESS_H
#define PCM_RSEQ_PROCESS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* Whose area the threads use. */
enum pcm_rseq_owner {
	PCM_RSEQ_OWNER_NONE, /* nobody's: every thread uses the fallback */
	PCM_RSEQ_OWNER_LIBC, /* glibc's, at thread pointer + __rseq_offset */
	PCM_RSEQ_OWNER_SELF, /* ours, in our TLS */
};

/* Why the owner is nobody. */
enum pcm_rseq_absence {
	PCM_RSEQ_PRESENT,
	PCM_RSEQ_SWITCHED_OFF,	/* PCMALLOC_CONF rseq:off */
	PCM_RSEQ_NO_SECTIONS,	/* no sections for this architecture */
	PCM_RSEQ_KERNEL_BROKEN, /* arm64, Linux 6.19 to 7.0.13 */
	PCM_RSEQ_NO_KERNEL,	/* ENOSYS at the first registration */
	PCM_RSEQ_DENIED_BY_OS,	/* EPERM by a seccomp filter */
	PCM_RSEQ_TABLE_TOO_SMALL, /* more CPU ids than the user's table has */
	PCM_RSEQ_MISALIGNED,	/* somebody else's __rseq_abi: the owner stays SELF */
};

/* Which field is the index. */
enum pcm_rseq_index {
	PCM_RSEQ_INDEX_AUTO,
	PCM_RSEQ_INDEX_CPU_ID,
	PCM_RSEQ_INDEX_MM_CID,
};

struct pcm_rseq_process {
	/* Change after start-up once at most, to NONE: relaxed. */
	_Atomic enum pcm_rseq_owner owner;
	_Atomic enum pcm_rseq_absence absence;
	enum pcm_rseq_index index; /* never AUTO after start-up */
	intptr_t libc_offset;	   /* glibc's area from the thread pointer */
	/*
	 * Bytes glibc registered: a guess until the kernel has confirmed it for
	 * one thread, see rseq_thread.c. Relaxed; every thread finds the same.
	 */
	_Atomic uint32_t libc_size;
	atomic_bool libc_confirmed;
};

extern struct pcm_rseq_process pcm_rseq_process;

/*
 * pcm_rseq_process_init() - look for rseq.
 *
 * enable	false: PCMALLOC_CONF rseq:off
 * index	the wanted index; mm_cid is granted only where the kernel has
 *		it (AT_RSEQ_FEATURE_SIZE >= 28), else cpu_id is used
 *
 * No system call but uname(2) on aarch64. Call once, before any thread arms;
 * pcm_rseq_process_absent() may follow.
 */
void pcm_rseq_process_init(bool enable, enum pcm_rseq_index index);

/*
 * pcm_rseq_libc_area() - does libc register the process's threads, as glibc does from
 * 2.35 on unless it is told not to, or its first try failed? If so, *offset of the area
 * from the thread pointer, and *nbytes, the length, as far as can be told.
 */
bool pcm_rseq_libc_area(intptr_t *offset, uint32_t *nbytes);

/*
 * pcm_rseq_process_absent() - no thread of this process is to use rseq from now
 * on: the kernel refused the first registration, or the table is too small.
 */
void pcm_rseq_process_absent(enum pcm_rseq_absence why);

/*
 * pcm_rseq_kernel_broken() - does this kernel run sections wrongly?
 *
 * arm64 kernels 6.19 to 7.0.13 do not abort a section when its thread is
 * preempted and resumed on the same CPU.
 *
 * machine, release	uname(2)'s fields
 */
bool pcm_rseq_kernel_broken(const char *machine, const char *release);

/*
 * pcm_rseq_mode() - one line that says what the process runs on, for example
 * "per-CPU, glibc's registration, mm_cid" or "fallback, rseq switched off".
 * Static text. Async-signal-safe.
 */
const char *pcm_rseq_mode(void);

#endif
