/*
 * fault_hook.c - counting system calls, and failing some.
 *
 * What a call fails with: the errors that the kernel has for a call that is
 * right, because memory, address space or mappings have run out
 * (vm.max_map_count, cgroup, RLIMIT_AS), pages are locked (mlock), or a filter
 * forbids it (seccomp).
 */
#include "fault_hook.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "raw_syscall.h"

const char *const fault_names[FAULT_NKINDS] = {
	[FAULT_MMAP] = "mmap",		   [FAULT_MUNMAP] = "munmap",
	[FAULT_MREMAP] = "mremap",	   [FAULT_MADVISE] = "madvise",
	[FAULT_MEMBARRIER] = "membarrier",
};

static const int errors[FAULT_NKINDS][2] = {
	[FAULT_MMAP] = { ENOMEM, EAGAIN },
	[FAULT_MUNMAP] = { ENOMEM, ENOMEM },
	[FAULT_MREMAP] = { ENOMEM, EAGAIN },
	[FAULT_MADVISE] = { EINVAL, EAGAIN },
	[FAULT_MEMBARRIER] = { ENOMEM, EPERM },
};

/* Written while nobody makes calls, but for `mode`, which ends the plan. */
static struct fault_plan current;
static atomic_int mode;

static atomic_ulong calls[FAULT_NKINDS];
static atomic_ulong planned; /* calls of the plan's kinds */
static atomic_ulong failed;
static atomic_size_t mapped;

void (*fault_interrupt)(void);

/* The environment has been read: 2; somebody is at it: 1. */
static atomic_int ready;

static enum fault_kind kind_of(long nr)
{
	switch (nr) {
	case SYS_mmap:
		return FAULT_MMAP;
	case SYS_munmap:
		return FAULT_MUNMAP;
	case SYS_mremap:
		return FAULT_MREMAP;
	case SYS_madvise:
		return FAULT_MADVISE;
	case SYS_membarrier:
		return FAULT_MEMBARRIER;
	default:
		return FAULT_NKINDS;
	}
}

enum fault_kind fault_kind_of(const char *name)
{
	unsigned k;

	for (k = 0; k < FAULT_NKINDS; k++)
		if (strcmp(name, fault_names[k]) == 0)
			break;
	return (enum fault_kind)k;
}

int fault_parse(const char *text, struct fault_plan *plan)
{
	enum fault_kind kind;
	char *end;

	*plan = (struct fault_plan){ .kinds = FAULT_ALL };
	if (strncmp(text, "one:", 4) == 0) {
		plan->mode = FAULT_ONE;
		text += 4;
	} else if (strncmp(text, "from:", 5) == 0) {
		plan->mode = FAULT_FROM;
		text += 5;
	}
	plan->n = strtoul(text, &end, 10);
	if (plan->mode == FAULT_NONE || plan->n == 0)
		return 0;
	if (*end == '\0')
		return 1;
	kind = fault_kind_of(end + 1);
	if (*end != ':' || kind == FAULT_NKINDS)
		return 0;
	plan->kinds = 1u << kind;
	return 1;
}

void fault_arm(const struct fault_plan *plan)
{
	unsigned k;

	atomic_store(&ready, 2);
	atomic_store(&mode, FAULT_NONE);
	for (k = 0; k < FAULT_NKINDS; k++)
		atomic_store(&calls[k], 0);
	atomic_store(&planned, 0);
	atomic_store(&failed, 0);
	current = *plan;
	atomic_store(&mode, (int)plan->mode);
}

void fault_disarm(void)
{
	atomic_store(&mode, FAULT_NONE);
}

unsigned long fault_calls(unsigned kinds)
{
	unsigned long sum = 0;
	unsigned k;

	for (k = 0; k < FAULT_NKINDS; k++)
		if (kinds >> k & 1)
			sum += atomic_load(&calls[k]);
	return sum;
}

unsigned long fault_failed(void)
{
	return atomic_load(&failed);
}

size_t fault_mapped(void)
{
	return atomic_load(&mapped);
}

/* The environment is there when ld.so maps the library's first memory. */
static void read_environment(void)
{
	struct fault_plan plan;
	const char *text;
	int expected = 0;

	if (!atomic_compare_exchange_strong(&ready, &expected, 1))
		return;
	text = environ == NULL ? NULL : getenv("PCM_FAULTS");
	if (text != NULL && fault_parse(text, &plan))
		fault_arm(&plan);
	atomic_store(&ready, 2);
}

/* Counts the call. Not 0: it fails, and this is what it returns. */
static long consult(enum fault_kind kind)
{
	unsigned long n;
	int now;

	if (atomic_load(&ready) == 0)
		read_environment();
	atomic_fetch_add(&calls[kind], 1);
	now = atomic_load(&mode);
	if (now == FAULT_NONE || !(current.kinds >> kind & 1))
		return 0;
	n = atomic_fetch_add(&planned, 1) + 1;
	if (now == FAULT_ONE ? n != current.n : n < current.n)
		return 0;
	n = atomic_fetch_add(&failed, 1);
	return current.error != 0 ? -current.error : -errors[kind][n % 2];
}

static void account(enum fault_kind kind, long b, long c)
{
	if (kind == FAULT_MMAP)
		atomic_fetch_add(&mapped, (size_t)b);
	else if (kind == FAULT_MUNMAP)
		atomic_fetch_sub(&mapped, (size_t)b);
	else if (kind == FAULT_MREMAP)
		atomic_fetch_add(&mapped, (size_t)c - (size_t)b);
}

static void interrupt(void)
{
	void (*handler)(void) = fault_interrupt;

	if (handler == NULL)
		return;
	fault_interrupt = NULL;
	handler();
	fault_interrupt = handler;
}

long pcm_syscall6(long nr, long a, long b, long c, long d, long e, long f)
{
	enum fault_kind kind = kind_of(nr);
	long ret;

	if (kind == FAULT_NKINDS)
		return pcm_syscall_kernel(nr, a, b, c, d, e, f);
	interrupt();
	ret = consult(kind);
	if (ret != 0)
		return ret;
	ret = pcm_syscall_kernel(nr, a, b, c, d, e, f);
	if (!pcm_syscall_failed(ret))
		account(kind, b, c);
	return ret;
}

__attribute__((destructor)) static void write_log(void)
{
	const char *name = getenv("PCM_FAULTS_LOG");
	char text[64];
	int fd, n;

	if (name == NULL)
		return;
	n = snprintf(text, sizeof(text), "calls %lu failed %lu\n",
		     fault_calls(FAULT_ALL), fault_failed());
	fd = open(name, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	if (fd >= 0) {
		if (write(fd, text, (size_t)n) != n)
			_exit(3);
		close(fd);
	}
}
