/*
 * sys.c - mmap(2) and its family, raw.
 */
#define _GNU_SOURCE
#include "sys.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdatomic.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <time.h>

#include "compiler.h"
#include "leftover.h"
#include "raw_syscall.h"

/* Bytes of affinity mask: 8192 CPUs, as many as any kernel has. */
#define CPUMASK_BYTES 1024

/* The kernel's RLIM64_INFINITY. */
#define NO_LIMIT (~(uint64_t)0)

/* Linux 6.1's MADV_COLLAPSE; libc may be older. */
#define COLLAPSE 25

#define SMALLEST_PAGE 4096u

size_t pcm_sys_page = SMALLEST_PAGE;
enum pcm_thp pcm_sys_thp;

static atomic_bool limited;

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

static bool
has_limit(int resource)
{
	uint64_t limit[2] = { NO_LIMIT, NO_LIMIT }; /* struct rlimit64 */

	pcm_syscall4(SYS_prlimit64, 0, resource, NULL, limit);
	return limit[0] != NO_LIMIT;
}

static void
look_at_limits(void)
{
	atomic_store_explicit(&limited,
			      has_limit(RLIMIT_AS) || has_limit(RLIMIT_DATA),
			      memory_order_relaxed);
}

bool
pcm_sys_limited(void)
{
	return atomic_load_explicit(&limited, memory_order_relaxed);
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
	look_at_limits();
	p = map(nbytes);
	if (p == NULL || ((uintptr_t)p & (align - 1)) == 0)
		return p;
	pcm_sys_unmap(p, nbytes);
	return map_and_trim(nbytes, align);
}

bool
pcm_sys_unmap_once(void *p, size_t nbytes)
{
	return pcm_syscall2(SYS_munmap, p, nbytes) == 0;
}

bool
pcm_sys_unmap(void *p, size_t nbytes)
{
	return pcm_sys_unmap_once(p, nbytes) || pcm_leftover_add(p, nbytes);
}

bool
pcm_sys_resize(void *p, size_t old_nbytes, size_t new_nbytes)
{
	return !pcm_syscall_failed(pcm_syscall4(SYS_mremap, p, old_nbytes,
						new_nbytes, 0));
}

void *
pcm_sys_move(void *p, size_t old_nbytes, size_t new_nbytes, bool *no_memory)
{
	long ret = pcm_syscall4(SYS_mremap, p, old_nbytes, new_nbytes,
				MREMAP_MAYMOVE);

	*no_memory = ret == -ENOMEM || ret == -EAGAIN;
	return pcm_syscall_failed(ret) ? NULL : (void *)ret;
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

long
pcm_sys_collapse(void *p, size_t nbytes)
{
	return pcm_syscall3(SYS_madvise, p, nbytes, COLLAPSE);
}

size_t
pcm_sys_nresident(void *p, size_t nbytes)
{
	unsigned char present[PCM_HUGEPAGE / SMALLEST_PAGE];
	size_t i, n = 0;

	if (pcm_syscall_failed(pcm_syscall3(SYS_mincore, p, nbytes, present)))
		return 0;
	for (i = 0; i < pcm_sys_npages(nbytes); i++)
		n += present[i] & 1;
	return n;
}

uint64_t
pcm_sys_now(void)
{
	struct timespec ts = { 0, 0 };

	clock_gettime(CLOCK_MONOTONIC_COARSE, &ts); /* vDSO: no system call */
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

/* /proc/self/statm: size, resident, ... in pages. */
size_t
pcm_sys_resident(void)
{
	long fd = pcm_syscall4(SYS_openat, AT_FDCWD, "/proc/self/statm",
			       O_RDONLY | O_CLOEXEC, 0);
	char text[128], *s = text;
	size_t npages = 0;
	long n;

	if (pcm_syscall_failed(fd))
		return 0;
	n = pcm_syscall3(SYS_read, fd, text, sizeof(text) - 1);
	pcm_syscall1(SYS_close, fd);
	text[pcm_syscall_failed(n) ? 0 : n] = '\0';
	while (*s != '\0' && *s != ' ')
		s++;
	while (*s == ' ')
		s++;
	for (; *s >= '0' && *s <= '9'; s++)
		npages = npages * 10 + (size_t)(*s - '0');
	return npages * pcm_sys_page;
}

/* Fills in the mask; returns its bytes, a negative errno otherwise. */
static long
affinity(uint64_t mask[CPUMASK_BYTES / sizeof(uint64_t)])
{
	return pcm_syscall3(SYS_sched_getaffinity, 0, CPUMASK_BYTES, mask);
}

unsigned
pcm_sys_ncpus(void)
{
	uint64_t mask[CPUMASK_BYTES / sizeof(uint64_t)];
	long i, nbytes = affinity(mask);
	unsigned n = 0;

	if (pcm_syscall_failed(nbytes))
		return 1;
	for (i = 0; i < nbytes / (long)sizeof(uint64_t); i++)
		n += (unsigned)__builtin_popcountll(mask[i]);
	return n == 0 ? 1 : n;
}

/*
 * The kernel's mask has a bit for every CPU that can ever be there, and it
 * refuses a buffer that is shorter: what nobody can tell counts as fitting into
 * the largest.
 */
unsigned
pcm_sys_cpu_ids(void)
{
	uint64_t mask[CPUMASK_BYTES / sizeof(uint64_t)];
	long nbytes = affinity(mask);

	if (nbytes == -EINVAL)
		return UINT_MAX;
	return pcm_syscall_failed(nbytes) ? CPUMASK_BYTES * 8 :
					    (unsigned)nbytes * 8;
}
