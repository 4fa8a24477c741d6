/*
 * The blocks of clone_tls.h. The thread pointer, which is pthread_self(),
 * points to glibc's thread descriptor; the static TLS of all libraries lies
 * below it.
 */
#include "clone_tls.h"

#include "testing.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdbool.h>

/*
 * Of static TLS, and of glibc's descriptor with its rseq area: no less, and no more,
 * because there a thread's stack ends.
 */
#define BELOW 4096
#define ABOVE 2368
#define ALIGN 64

/* The descriptor's fields, in words. */
enum { TCB = 0, SELF = 2, STACK_GUARD = 5, POINTER_GUARD = 6 };

static void set_header(uintptr_t *tls)
{
	const uintptr_t *mine = (const uintptr_t *)pthread_self();

	tls[TCB] = tls[SELF] = (uintptr_t)tls;
	tls[STACK_GUARD] = mine[STACK_GUARD];
	tls[POINTER_GUARD] = mine[POINTER_GUARD];
}

static void *fresh(void)
{
	void *(*allocate)(void *);

	*(void **)&allocate = dlsym(RTLD_DEFAULT, "_dl_allocate_tls");
	return allocate ? allocate(NULL) : NULL;
}

static void *by_hand(bool copied)
{
	char *memory = memalign(ALIGN, BELOW + ABOVE);

	must(memory);
	memset(memory, 0, BELOW + ABOVE);
	if (copied)
		memcpy(memory, (char *)pthread_self() - BELOW, BELOW + ABOVE);
	return memory + BELOW;
}

void *clone_tls_new(enum clone_tls kind)
{
	void *tls = kind == CLONE_TLS_FRESH ? fresh() :
					      by_hand(kind == CLONE_TLS_COPY);

	if (tls)
		set_header(tls);
	return tls;
}

void clone_tls_delete(enum clone_tls kind, void *tls)
{
	void (*deallocate)(void *, bool);

	if (kind != CLONE_TLS_FRESH) {
		free((char *)tls - BELOW);
		return;
	}
	*(void **)&deallocate = dlsym(RTLD_DEFAULT, "_dl_deallocate_tls");
	must(deallocate);
	deallocate(tls, true);
}
