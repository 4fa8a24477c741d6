/*
 * operator_new.c - C++'s operator new and delete, without C++.
 *
 * The mangled names are those of the Itanium C++ ABI for 64-bit Linux. A throwing
 * new calls the new-handler until there is memory, or throws std::bad_alloc; both
 * through the C++ runtime that is in the process, if there is one: this library
 * does not need one to be linked. Standard: C++23 [new.delete].
 *
 * PCM_STATIC_LIBRARY: for libpcmalloc.a, where nothing is looked up at run time.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stddef.h>

#include "background.h"
#include "block.h"

#ifndef PCM_STATIC_LIBRARY
#define PCM_STATIC_LIBRARY 0
#endif
#if !PCM_STATIC_LIBRARY
#include "libc_dl.h"
#endif

typedef void (*new_handler)(void);

/* std::get_new_handler() and std::__throw_bad_alloc(): libstdc++ and libc++. */
#define GET_NEW_HANDLER "_ZSt15get_new_handlerv"
#define THROW_BAD_ALLOC "_ZSt17__throw_bad_allocv"

extern new_handler weak_get_new_handler(void) __asm__(GET_NEW_HANDLER)
	__attribute__((weak));
extern void weak_throw_bad_alloc(void) __asm__(THROW_BAD_ALLOC)
	__attribute__((weak));

/*
 * A runtime that came with a dlopened plugin is not what our weak references
 * were bound to, and it may be out of the global scope.
 */
static PCM_COLD void *
find(const char *symbol)
{
#if PCM_STATIC_LIBRARY
	(void)symbol;
	return NULL;
#else
	static const char *const runtimes[] = { "libstdc++.so.6",
						"libc++.so.1",
						"libc++abi.so.1" };
	void *found;
	size_t i;

	if (pcm_dlopen == NULL || pcm_dlsym == NULL || pcm_dlclose == NULL)
		return NULL;
	found = pcm_dlsym(RTLD_NEXT, symbol);
	for (i = 0; found == NULL && i < PCM_ARRAY_LEN(runtimes); i++) {
		void *handle = pcm_dlopen(runtimes[i], RTLD_LAZY | RTLD_NOLOAD);

		if (handle != NULL) {
			found = pcm_dlsym(handle, symbol);
			pcm_dlclose(handle);
		}
	}
	return found;
#endif
}

static PCM_COLD new_handler
current_handler(void)
{
	new_handler (*get)(void) = weak_get_new_handler;

	if (get == NULL)
		get = (new_handler (*)(void))find(GET_NEW_HANDLER);
	return get == NULL ? NULL : get();
}

/* Returns only if there is no C++ runtime that could throw. */
static PCM_COLD void
throw_bad_alloc(void)
{
	void (*throw_it)(void) = weak_throw_bad_alloc;

	if (throw_it == NULL)
		throw_it = (void (*)(void))find(THROW_BAD_ALLOC);
	if (throw_it != NULL)
		throw_it();
	errno = ENOMEM;
}

static PCM_NOINLINE void *
new_slow(size_t nbytes, size_t align, const void *caller)
{
	void *p;

	if (align <= PCM_ANY_ALIGN && pcm_block_alloc_next(nbytes, &p))
		return p;
	while ((p = pcm_block_alloc(nbytes, align, NULL)) == NULL) {
		new_handler handler = current_handler();

		if (handler == NULL) {
			throw_bad_alloc();
			break;
		}
		handler();
	}
	pcm_background_see_to(caller);
	return p;
}

#define NEW "_Znwm"
#define NEW_ARRAY "_Znam"
#define DELETE "_ZdlPv"
#define DELETE_ARRAY "_ZdaPv"
#define SIZED "m"
#define ALIGNED "St11align_val_t"
#define NOTHROW "RKSt9nothrow_t"

/* operator new(size_t), and new[] */
PCM_EXPORT void *pcm_new(size_t nbytes) __asm__(NEW);
PCM_EXPORT void *pcm_new_array(size_t nbytes) __asm__(NEW_ARRAY)
	__attribute__((alias(NEW)));

PCM_EXPORT void *
pcm_new(size_t nbytes)
{
	void *p;

	if (pcm_block_alloc_fast(nbytes, &p))
		return p;
	return new_slow(nbytes, PCM_ANY_ALIGN, PCM_CALLER);
}

/* operator new(size_t, align_val_t), and new[] */
PCM_EXPORT void *pcm_new_aligned(size_t nbytes, size_t align)
	__asm__(NEW ALIGNED);
PCM_EXPORT void *pcm_new_array_aligned(size_t nbytes, size_t align)
	__asm__(NEW_ARRAY ALIGNED) __attribute__((alias(NEW ALIGNED)));

PCM_EXPORT void *
pcm_new_aligned(size_t nbytes, size_t align)
{
	void *p;

	if (pcm_block_alloc_aligned_fast(nbytes, align, &p))
		return p;
	return new_slow(nbytes, align, PCM_CALLER);
}

#if !PCM_STATIC_LIBRARY

/*
 * The forms that do not throw. A new-handler may throw all the same, which only
 * C++ can catch: without memory the runtime's own form is called, which calls
 * the throwing form above and catches. In libpcmalloc.a the runtime's forms are
 * used from the start.
 */
static PCM_COLD void *
nothrow_slow(size_t nbytes, const void *tag)
{
	void *(*runtime)(size_t, const void *) =
		(void *(*)(size_t, const void *))find(NEW NOTHROW);

	return runtime == NULL ? NULL : runtime(nbytes, tag);
}

PCM_EXPORT void *pcm_new_nothrow(size_t nbytes, const void *tag)
	__asm__(NEW NOTHROW);
PCM_EXPORT void *pcm_new_array_nothrow(size_t nbytes, const void *tag)
	__asm__(NEW_ARRAY NOTHROW) __attribute__((alias(NEW NOTHROW)));

PCM_EXPORT void *
pcm_new_nothrow(size_t nbytes, const void *tag)
{
	void *p;

	if (pcm_block_alloc_fast(nbytes, &p))
		return p;
	p = pcm_block_alloc(nbytes, PCM_ANY_ALIGN, NULL);
	return p != NULL ? p : nothrow_slow(nbytes, tag);
}

PCM_EXPORT void *pcm_new_aligned_nothrow(size_t nbytes, size_t align,
					 const void *tag)
	__asm__(NEW ALIGNED NOTHROW);
PCM_EXPORT void *pcm_new_array_aligned_nothrow(size_t nbytes, size_t align,
					       const void *tag)
	__asm__(NEW_ARRAY ALIGNED NOTHROW)
		__attribute__((alias(NEW ALIGNED NOTHROW)));

PCM_EXPORT void *
pcm_new_aligned_nothrow(size_t nbytes, size_t align, const void *tag)
{
	void *(*runtime)(size_t, size_t, const void *);
	void *p;

	if (pcm_block_alloc_aligned_fast(nbytes, align, &p))
		return p;
	p = pcm_block_alloc(nbytes, align, NULL);
	if (p != NULL)
		return p;
	runtime = (void *(*)(size_t, size_t, const void *))find(
		NEW ALIGNED NOTHROW);
	return runtime == NULL ? NULL : runtime(nbytes, align, tag);
}

#endif

/*
 * operator delete in all its forms: size, alignment and tag are hints that the
 * pagemap makes superfluous.
 */
PCM_EXPORT void pcm_delete(void *p) __asm__(DELETE);

PCM_EXPORT void
pcm_delete(void *p)
{
	if (pcm_block_free_fast(p) || pcm_block_free_next(p))
		return;
	pcm_block_release(p);
	pcm_background_see_to(PCM_CALLER);
}

#define SAME_AS_DELETE(name, symbol)                                       \
	PCM_EXPORT void name(void *p) __asm__(symbol)                      \
		__attribute__((alias(DELETE)))

SAME_AS_DELETE(pcm_delete_1, DELETE SIZED);
SAME_AS_DELETE(pcm_delete_2, DELETE ALIGNED);
SAME_AS_DELETE(pcm_delete_3, DELETE SIZED ALIGNED);
SAME_AS_DELETE(pcm_delete_4, DELETE NOTHROW);
SAME_AS_DELETE(pcm_delete_5, DELETE ALIGNED NOTHROW);
SAME_AS_DELETE(pcm_delete_array, DELETE_ARRAY);
SAME_AS_DELETE(pcm_delete_array_1, DELETE_ARRAY SIZED);
SAME_AS_DELETE(pcm_delete_array_2, DELETE_ARRAY ALIGNED);
SAME_AS_DELETE(pcm_delete_array_3, DELETE_ARRAY SIZED ALIGNED);
SAME_AS_DELETE(pcm_delete_array_4, DELETE_ARRAY NOTHROW);
SAME_AS_DELETE(pcm_delete_array_5, DELETE_ARRAY ALIGNED NOTHROW);
