/*
 * The helpers of rseq_raw.h.
 */
#include "rseq_raw.h"

#include <dlfcn.h>
#include <stddef.h>
#include <sys/auxv.h>
#include <sys/syscall.h>

#include <pcmalloc/pcmalloc.h>

#ifndef AT_RSEQ_ALIGN
#define AT_RSEQ_ALIGN 28
#endif

/* Blocks of a size whose magazines are short: its cache is soon empty. */
#define VISIT_BLOCKS 64
#define VISIT_NBYTES 30000

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

struct raw_area *raw_libc_area(void)
{
	if (!&__rseq_size || !&__rseq_offset || __rseq_size == 0)
		return NULL;
	return (struct raw_area *)((uintptr_t)__builtin_thread_pointer() +
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

struct raw_area *raw_own_area(void)
{
	return dlsym(RTLD_DEFAULT, "__rseq_abi");
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

int raw_state(void)
{
	static enum pcm_rseq_state (*fn)(void);

	if (!fn)
		*(void **)&fn = dlsym(RTLD_DEFAULT, "pcm_rseq_state");
	must(fn);
	return (int)fn();
}

bool raw_per_cpu(void)
{
	int state = raw_state();

	return state == PCM_RSEQ_LIBC || state == PCM_RSEQ_OWN;
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
