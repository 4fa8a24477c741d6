/*
 * rseq_abi.h - what the kernel defines: struct rseq, its signature, the
 * section descriptor, the auxiliary vector entries.
 *
 * Source: Linux include/uapi/linux/rseq.h and uapi/linux/auxvec.h. Written
 * out here, because Debian 11's headers stop at node_id and glibc's <sys/rseq.h>
 * at cpu_id, while the kernel at run time may know more.
 */
#ifndef PCM_RSEQ_ABI_H
#define PCM_RSEQ_ABI_H

#include <stddef.h>
#include <stdint.h>
#include <sys/syscall.h>

/* Debian 11's <asm/unistd.h> has it; a libc older than the kernel may not. */
#if !defined(SYS_rseq)
#if defined(__x86_64__)
#define SYS_rseq 334
#else
#define SYS_rseq 293
#endif
#endif

#define PCM_AT_RSEQ_FEATURE_SIZE 27
#define PCM_AT_RSEQ_ALIGN 28

#define PCM_RSEQ_FLAG_UNREGISTER 1

/* The four bytes before every abort address; glibc and librseq use these. */
#if defined(__aarch64__)
#define PCM_RSEQ_SIG 0xd428bc00u
#else
#define PCM_RSEQ_SIG 0x53053053u
#endif

/* cpu_id of an area that is not (or no longer) registered. */
#define PCM_RSEQ_UNINITIALIZED (-1)
#define PCM_RSEQ_FAILED (-2)

/* Shortest area that may be registered, and its alignment (Linux 4.18). */
#define PCM_RSEQ_MIN_SIZE 32u
#define PCM_RSEQ_MIN_ALIGN 32u

/*
 * One per thread, shared with the kernel. pcmalloc writes rseq_cs and no other
 * field: Linux >= 7.1 kills a process that modifies the read-only ones.
 */
struct pcm_rseq_area {
	uint32_t cpu_id_start;
	int32_t cpu_id;	  /* >= 0: registered, and on this CPU */
	uint64_t rseq_cs; /* descriptor of the section in progress */
	uint32_t flags;
	uint32_t node_id; /* Linux 6.3: feature size >= 24 */
	uint32_t mm_cid;  /* Linux 6.3: feature size >= 28 */
	uint32_t padding;
} __attribute__((aligned(32)));

#define PCM_RSEQ_FEATURE_MM_CID 28u /* end of mm_cid */

_Static_assert(offsetof(struct pcm_rseq_area, cpu_id) == 4, "kernel ABI");
_Static_assert(offsetof(struct pcm_rseq_area, rseq_cs) == 8, "kernel ABI");
_Static_assert(offsetof(struct pcm_rseq_area, mm_cid) == 24, "kernel ABI");
_Static_assert(sizeof(struct pcm_rseq_area) == PCM_RSEQ_MIN_SIZE, "kernel ABI");

#endif
