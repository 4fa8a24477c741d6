/*
 * compiler.h - the few compiler attributes that the code uses by name.
 */
#ifndef PCM_COMPILER_H
#define PCM_COMPILER_H

#define PCM_LIKELY(x) __builtin_expect(!!(x), 1)
#define PCM_UNLIKELY(x) __builtin_expect(!!(x), 0)
#define PCM_ALWAYS_INLINE static inline __attribute__((always_inline))
/* Begins a cache line: where it lies is not left to what stands before it. */
#define PCM_HOT __attribute__((aligned(64)))
#define PCM_COLD __attribute__((cold, noinline))
/* Where the function returns to. */
#define PCM_CALLER __builtin_return_address(0)
#define PCM_NOINLINE __attribute__((noinline))

/* The public interface; everything else is compiled with hidden visibility. */
#define PCM_EXPORT __attribute__((visibility("default")))

/*
 * For the declarations of the fast path's variables: -fvisibility=hidden holds
 * for definitions only, and without this they are reached through the GOT.
 */
#define PCM_HIDDEN __attribute__((visibility("hidden")))

/* One static TLS access: no call of __tls_get_addr, which may allocate. */
#define PCM_TLS __thread __attribute__((tls_model("initial-exec")))

/*
 * Two cache lines: the adjacent-line prefetcher of x86 pulls lines in pairs,
 * and some aarch64 cores have 128-byte lines.
 */
#define PCM_CACHE_LINE 128
#define PCM_LINE_ALIGNED __attribute__((aligned(PCM_CACHE_LINE)))

/*
 * PCM_TABLE() - for a table without initial values: where it lies. Small statics come first,
 * on the page where the initialised ones end, which every process writes to; tables follow
 * in order of these names ("1" before "2"), so that one's end and the next one's
 * beginning share a page if small processes use both. The Makefile has them sorted in the
 * shared library; of the static one the linker of the program takes them as they come. What is
 * read all the time and what is written to do not share a cache line.
 */
#if defined(PCM_DEBUG) && PCM_DEBUG
#define PCM_TABLE(order) /* the ranks of locks are initial values */
#else
#define PCM_TABLE(order) __attribute__((section(".bss.zz" order)))
#endif

/* gcc 10 (Debian 11) has no __builtin_thread_pointer() for x86. */
PCM_ALWAYS_INLINE void *
pcm_thread_pointer(void)
{
#if defined(__x86_64__)
	void *pointer;

	__asm__("movq	%%fs:0, %0" : "=r"(pointer));
	return pointer;
#else
	return __builtin_thread_pointer();
#endif
}

#define PCM_ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

#endif
