/*
 * A library with thread-local memory, of which programs load many copies. The
 * memory of a thread is allocated when the thread first touches it, by the
 * dynamic linker, with whatever malloc there is; or, with TLS_STATIC, it lies
 * in the static TLS, of which there is little left for libraries that come
 * late.
 */
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#if defined(TLS_STATIC)
#define NBYTES 40 /* little by little, until nothing is left */
#define TLS __thread __attribute__((tls_model("initial-exec")))
#else
#define NBYTES 1500
#define TLS __thread
#endif

static TLS struct {
	unsigned char bytes[NBYTES];
	unsigned long touched;
} mine __attribute__((aligned(64)));

static TLS unsigned long started = 4711;
static char *by_constructor;

__attribute__((constructor)) static void construct(void)
{
	by_constructor = malloc(NBYTES);
	if (by_constructor)
		memset(by_constructor, 's', NBYTES);
	mine.touched = 0;
}

__attribute__((destructor)) static void destruct(void)
{
	free(by_constructor);
}

unsigned long tls_module_touch(unsigned char byte);

/* How often this thread has been here before; -1: its memory was changed. */
unsigned long tls_module_touch(unsigned char byte)
{
	size_t i;

	if (!by_constructor || by_constructor[NBYTES - 1] != 's' ||
	    started != 4711)
		return (unsigned long)-1;
	for (i = 0; mine.touched && i < NBYTES; i++)
		if (mine.bytes[i] != byte)
			return (unsigned long)-1;
	memset(mine.bytes, byte, NBYTES);
	return mine.touched++;
}
