/*
 * sys.h - every memory system call that the allocator makes, in one place.
 *
 * None sets errno, takes a lock or is a cancellation point; all are
 * async-signal-safe. Sizes are in bytes and multiples of the OS page size.
 */
#ifndef PCM_SYS_H
#define PCM_SYS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PCM_HUGEPAGE_SHIFT 21
#define PCM_HUGEPAGE ((size_t)1 << PCM_HUGEPAGE_SHIFT)

/* Bytes of an OS page: 4, 16 or 64 KiB. Set by pcm_sys_init(). */
extern size_t pcm_sys_page;

/* How many whole pages fit into nbytes: a shift, where blocks come and go. */
static inline size_t
pcm_sys_npages(size_t nbytes)
{
	return nbytes >> __builtin_ctzl(pcm_sys_page);
}

/* Reads the page size from the auxiliary vector. */
void pcm_sys_init(void);

static inline size_t
pcm_round_up(size_t n, size_t align)
{
	return (n + align - 1) & ~(align - 1);
}

/*
 * pcm_sys_map() - zeroed private memory, aligned to `align` (a power of two,
 * at least the OS page). Returns NULL if the system has none.
 */
void *pcm_sys_map(size_t nbytes, size_t align);

/*
 * Is the address space limited (RLIMIT_AS, RLIMIT_DATA)? Then what is free must
 * not keep it from thread stacks and libraries. As of the last pcm_sys_map().
 */
bool pcm_sys_limited(void);

/*
 * pcm_sys_unmap() - the range is the caller's no more. If the system does not take
 * it now (it may have to split a mapping), it is a leftover, see leftover.h.
 * Returns false if it even keeps its memory until then.
 */
bool pcm_sys_unmap(void *p, size_t nbytes);

/* One try. False: nothing has changed. */
bool pcm_sys_unmap_once(void *p, size_t nbytes);

/* Grows or shrinks a mapping where it is. False: nothing has changed. */
bool pcm_sys_resize(void *p, size_t old_nbytes, size_t new_nbytes);

/*
 * pcm_sys_move() - resize a mapping to wherever there is room, by moving its
 * page tables. Returns its address; NULL: nothing has changed.
 *
 * no_memory	set to whether it failed for want of memory or address space;
 *		else the kernel does not move this range: it is not a single
 *		mapping
 */
void *pcm_sys_move(void *p, size_t old_nbytes, size_t new_nbytes,
		   bool *no_memory);

/* Gives the pages back; they read as zero after. False: they stay (mlock). */
bool pcm_sys_release(void *p, size_t nbytes);

/* PCMALLOC_CONF thp: */
enum pcm_thp {
	PCM_THP_AUTO,
	PCM_THP_ALWAYS,
	PCM_THP_NEVER,
};

extern enum pcm_thp pcm_sys_thp;

/* Transparent hugepages for a range: forbid, or ask. Failure is harmless. */
void pcm_sys_forbid_huge(void *p, size_t nbytes);
void pcm_sys_ask_huge(void *p, size_t nbytes);

/*
 * pcm_sys_collapse() - put a huge page behind a range that has small ones; what
 * is not there reads as zero. Returns 0 or -errno; -EINVAL: this kernel does
 * not.
 */
long pcm_sys_collapse(void *p, size_t nbytes);

/* OS pages of at most a hugepage that have memory behind them; 0 if unknown. */
size_t pcm_sys_nresident(void *p, size_t nbytes);

/* Milliseconds of the coarse monotonic clock. */
uint64_t pcm_sys_now(void);

/* Resident bytes of the process; 0 if /proc does not tell. */
size_t pcm_sys_resident(void);

/* CPUs this process may run on now; at least 1. */
unsigned pcm_sys_ncpus(void);

/*
 * pcm_sys_cpu_ids() - every CPU id and concurrency id that the kernel can ever
 * give is below this: the number of possible CPUs, rounded up to 64. Needs
 * neither /proc nor /sys.
 */
unsigned pcm_sys_cpu_ids(void);

#endif
