/*
 * The helpers of rseq_raw.h.
 */
#include "rseq_raw.h"

#include <dlfcn.h>
#include <sched.h>
#include <stddef.h>
#include <sys/auxv.h>
#include <sys/syscall.h>

#ifndef AT_RSEQ_ALIGN
#define AT_RSEQ_ALIGN 28
#endif

/* Blocks of a size whose magazines are short: its cache is soon empty. */
#define VISIT_BLOCKS 300
#define VISIT_NBYTES 1024

extern const ptrdiff_t __rseq_offset __attribute__((weak));
extern const unsigned int __rseq_size __attribute__((weak));

int raw_register(struct raw_area *area, uint32_t nbytes, uint32_t sig)
{
	int saved = errno, error;

	error = syscall(SYS_rseq, area, nbytes, 0, sig) ? errno : 0;
	errno = saved;
	return error;
}

int raw_unregister(struct raw_area *area, uint32_t nbytes, uint32_t sig)
{
	int saved = errno, error;

	error = syscall(SYS_rseq, area, nbytes, 1, sig) ? errno : 0;
	errno = saved;
	return error;
}

/* gcc 10 has no __builtin_thread_pointer() for x86. */
static uintptr_t thread_pointer(void)
{
#if defined(__x86_64__)
	uintptr_t p;

	__asm__("movq	%%fs:0, %0" : "=r"(p));
	return p;
#else
	return (uintptr_t)__builtin_thread_pointer();
#endif
}

struct raw_area *raw_libc_area(void)
{
	if (!&__rseq_size || !&__rseq_offset || __rseq_size == 0)
		return NULL;
	return (struct raw_area *)(thread_pointer() +
				   (uintptr_t)__rseq_offset);
}

uint32_t raw_libc_size(void)
{
	unsigned long align = getauxval(AT_RSEQ_ALIGN);
	uint32_t size = __rseq_size;

	if (size <= RAW_SIZE)
		return RAW_SIZE;
	return (uint32_t)((size + align - 1) / align * align);
}

/* In static TLS: as far from the thread pointer in every thread. */
struct raw_area *raw_own_area(void)
{
	static intptr_t offset;
	uintptr_t here = thread_pointer();

	if (offset == 0) {
		void *area = dlsym(RTLD_DEFAULT, "__rseq_abi");

		if (!area)
			return NULL;
		offset = (intptr_t)((uintptr_t)area - here);
	}
	return (struct raw_area *)(here + (uintptr_t)offset);
}

struct raw_area *raw_used_area(void)
{
	struct raw_area *libc = raw_libc_area();

	return libc ? libc : raw_own_area();
}

uint32_t raw_used_size(void)
{
	return raw_libc_area() ? raw_libc_size() : RAW_SIZE;
}

bool raw_is_registered(struct raw_area *area, uint32_t nbytes)
{
	int error = raw_register(area, nbytes, RAW_SIG);

	if (error == 0)
		must(raw_unregister(area, nbytes, RAW_SIG) == 0);
	return error == EBUSY;
}

/* pcmalloc's functions, which the program does not name: it is preloaded. */
static enum pcm_rseq_state (*state_fn)(void);
static const char *(*mode_fn)(void);
static int (*stats_fn)(struct pcm_stats *, size_t);

void raw_prepare(void)
{
	*(void **)&state_fn = dlsym(RTLD_DEFAULT, "pcm_rseq_state");
	*(void **)&mode_fn = dlsym(RTLD_DEFAULT, "pcm_mode");
	*(void **)&stats_fn = dlsym(RTLD_DEFAULT, "pcm_stats_get");
	must(state_fn && mode_fn && stats_fn && raw_own_area());
}

int raw_state(void)
{
	if (!state_fn)
		raw_prepare();
	return (int)state_fn();
}

const char *raw_mode(void)
{
	if (!mode_fn)
		raw_prepare();
	return mode_fn();
}

struct pcm_stats raw_stats(void)
{
	struct pcm_stats stats;

	if (!stats_fn)
		raw_prepare();
	must(stats_fn(&stats, sizeof(stats)) == 0);
	return stats;
}

bool raw_per_cpu(void)
{
	int state = raw_state();

	return state == PCM_RSEQ_LIBC || state == PCM_RSEQ_OWN;
}

int raw_per_cpu_state(void)
{
	return raw_libc_area() ? PCM_RSEQ_LIBC : PCM_RSEQ_OWN;
}

void raw_visit_slow_path(void)
{
	static __thread void *p[VISIT_BLOCKS];
	int i;

	for (i = 0; i < VISIT_BLOCKS; i++) {
		p[i] = malloc(VISIT_NBYTES);
		must(p[i]);
	}
	for (i = 0; i < VISIT_BLOCKS; i++)
		free(p[i]);
}

void raw_visit_once(void)
{
	(void)raw_mode();
}

int raw_visits_to_recover(void)
{
	int visits = 0;

	while (!raw_per_cpu()) {
		must(visits < RAW_VISITS_MAX);
		raw_visit_once();
		visits++;
	}
	return visits;
}

static void must_agree_on_cpu(int cpu)
{
	unsigned int by_kernel;

	must(syscall(SYS_getcpu, &by_kernel, NULL, NULL) == 0);
	must((int)by_kernel == cpu);
	must(sched_getcpu() == cpu);
	must(raw_used_area()->cpu_id == cpu);
	must(raw_used_area()->cpu_id_start == (uint32_t)cpu);
}

void raw_must_be_registered(void)
{
	cpu_set_t before, one;
	int cpu;

	must(raw_state() == raw_per_cpu_state());
	must(raw_is_registered(raw_used_area(), raw_used_size()));
	must(sched_getaffinity(0, sizeof(before), &before) == 0);
	for (cpu = 0; cpu < CPU_SETSIZE; cpu++) {
		if (!CPU_ISSET(cpu, &before))
			continue;
		CPU_ZERO(&one);
		CPU_SET(cpu, &one);
		must(sched_setaffinity(0, sizeof(one), &one) == 0);
		must_agree_on_cpu(cpu);
	}
	must(sched_setaffinity(0, sizeof(before), &before) == 0);
}
