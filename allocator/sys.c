/*
 * sys.c - mmap(2) and its family, raw.
 */
#define _GNU_SOURCE
#include "sys.h"

#include <sys/auxv.h>
#include <sys/mman.h>
#include <time.h>

#include "compiler.h"
#include "raw_syscall.h"

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

/* Bytes of affinity mask: 8192 CPUs, as many as any kernel has. */
#define CPUMASK_BYTES 1024

size_t pcm_sys_page = 4096;

static bool populate_works = true;

void
pcm_sys_init(void)
{
	size_t page = getauxval(AT_PAGESZ);

	if (page != 0)
		pcm_sys_page = page;
}

static void *
map(size_t nbytes)
{
	long ret = pcm_syscall6(SYS_mmap, 0, (long)nbytes,
				PROT_READ | PROT_WRITE,
				MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
				-1, 0);

	return pcm_syscall_failed(ret) ? NULL : (void *)ret;
}

/* More than is wanted, and the ends cut off. */
static void *
map_and_trim(size_t nbytes, size_t align)
{
	size_t total = nbytes + align - pcm_sys_page;
	char *p, *aligned;
	size_t head;

	if (total < nbytes)
		return NULL;
	p = map(total);
	if (p == NULL)
		return NULL;
	aligned = (char *)pcm_round_up((uintptr_t)p, align);
	head = (size_t)(aligned - p);
	if (head != 0)
		pcm_sys_unmap(p, head);
	if (total - head != nbytes)
		pcm_sys_unmap(aligned + nbytes, total - head - nbytes);
	return aligned;
}

/*
 * Mappings usually come to lie side by side, so the one after an aligned one is
 * aligned too: worth one try before two or three calls.
 */
void *
pcm_sys_map(size_t nbytes, size_t align)
{
	void *p;

	if (nbytes > PTRDIFF_MAX)
		return NULL;
	p = map(nbytes);
	if (p == NULL || ((uintptr_t)p & (align - 1)) == 0)
		return p;
	pcm_sys_unmap(p, nbytes);
	return map_and_trim(nbytes, align);
}

bool
pcm_sys_unmap(void *p, size_t nbytes)
{
	return pcm_syscall2(SYS_munmap, p, nbytes) == 0;
}

bool
pcm_sys_resize(void *p, size_t old_nbytes, size_t new_nbytes)
{
	return !pcm_syscall_failed(pcm_syscall4(SYS_mremap, p, old_nbytes,
						new_nbytes, 0));
}

bool
pcm_sys_move(void *p, size_t old_nbytes, void *to, size_t new_nbytes)
{
	return !pcm_syscall_failed(
		pcm_syscall5(SYS_mremap, p, old_nbytes, new_nbytes,
			     MREMAP_MAYMOVE | MREMAP_FIXED, to));
}

bool
pcm_sys_release(void *p, size_t nbytes)
{
	return pcm_syscall3(SYS_madvise, p, nbytes, MADV_DONTNEED) == 0;
}

void
pcm_sys_forbid_huge(void *p, size_t nbytes)
{
	pcm_syscall3(SYS_madvise, p, nbytes, MADV_NOHUGEPAGE);
}

void
pcm_sys_ask_huge(void *p, size_t nbytes)
{
	pcm_syscall3(SYS_madvise, p, nbytes, MADV_HUGEPAGE);
}

void
pcm_sys_populate(void *p, size_t nbytes)
{
	const long not_known = -22; /* EINVAL: before Linux 5.14 */

	if (__atomic_load_n(&populate_works, __ATOMIC_RELAXED) &&
	    pcm_syscall3(SYS_madvise, p, nbytes, MADV_POPULATE_WRITE) ==
		    not_known)
		__atomic_store_n(&populate_works, false, __ATOMIC_RELAXED);
}

uint64_t
pcm_sys_now(void)
{
	struct timespec ts = { 0, 0 };

	pcm_syscall2(SYS_clock_gettime, CLOCK_MONOTONIC_COARSE, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

unsigned
pcm_sys_ncpus(void)
{
	uint64_t mask[CPUMASK_BYTES / sizeof(uint64_t)];
	long i, nbytes;
	unsigned n = 0;

	nbytes = pcm_syscall3(SYS_sched_getaffinity, 0, sizeof(mask), mask);
	if (pcm_syscall_failed(nbytes))
		return 1;
	for (i = 0; i < nbytes / (long)sizeof(uint64_t); i++)
		n += (unsigned)__builtin_popcountll(mask[i]);
	return n == 0 ? 1 : n;
}
