/*
 * pcmalloc.h - what pcmalloc offers beyond the malloc family.
 *
 * A program needs none of this to run on pcmalloc. All functions may be called
 * from any thread at any time; each says what holds in signal handlers.
 */
#ifndef PCMALLOC_PCMALLOC_H
#define PCMALLOC_PCMALLOC_H

#include <stddef.h>

#define PCM_VERSION_MAJOR 0
#define PCM_VERSION_MINOR 1
#define PCM_VERSION_PATCH 0
#define PCM_VERSION_STRING "0.1.0"

#ifdef __cplusplus
extern "C" {
#endif

/*
 * pcm_version() - the library's version, e.g. "0.1.0": the one that runs, which
 * need not be the one of this header. Static text. Async-signal-safe.
 */
const char *pcm_version(void);

/*
 * pcm_mode() - what the process runs on, in words, e.g.
 * "per-CPU, glibc's registration, mm_cid" or "fallback, rseq switched off".
 * Static text. Not for signal handlers.
 */
const char *pcm_mode(void);

/* How the calling thread allocates. */
enum pcm_rseq_state {
	PCM_RSEQ_UNARMED = 0,	 /* has not needed a cache yet */
	PCM_RSEQ_LIBC = 1,	 /* per-CPU caches, libc's registration */
	PCM_RSEQ_OWN = 2,	 /* per-CPU caches, pcmalloc's registration */
	PCM_RSEQ_FOREIGN = 3,	 /* fallback: another area is registered */
	PCM_RSEQ_DENIED = 4,	 /* fallback: the kernel refuses rseq */
	PCM_RSEQ_OFF = 5,	 /* fallback: no rseq in this process */
	PCM_RSEQ_SHARED_TLS = 6, /* fallback: vfork or clone(CLONE_VM) child */
};

/*
 * pcm_rseq_state() - the calling thread's state, as of its last visit to the
 * slow path. Async-signal-safe.
 */
enum pcm_rseq_state pcm_rseq_state(void);

/*
 * pcm_release() - give free memory back to the system.
 *
 * nbytes	how much is wanted; SIZE_MAX: all that is free. It goes back in pieces
 *		of up to 2 MiB, kept ranges of 1 MiB at least
 *
 * Returns how many bytes were given back: fewer than nbytes if there was no more, or
 * more, by less than a piece.
 * Does not empty the per-CPU caches: malloc_trim(0) does. Not for signal
 * handlers.
 */
size_t pcm_release(size_t nbytes);

/* All sizes in bytes. */
struct pcm_stats {
	size_t allocated; /* blocks in use by the program, as usable bytes */
	size_t cached;	  /* blocks in per-CPU and other caches */
	size_t active;	  /* pages that hold any block */
	size_t retained;  /* free pages, kept ranges: with memory behind them */
	size_t mapped;	  /* address space for blocks */
	size_t metadata;  /* the allocator's own structures */
	size_t nslabs;	  /* CPUs (indexes) that have a cache */
	size_t nshards;	  /* fallback caches in use */
	size_t narmed;	  /* threads that were armed */
	size_t nrearmed;  /* times a thread lost its registration, and recovered */
	size_t nrefused;  /* registrations that were refused */
	/* The page heap, which deals in hugepages of 2 MiB: */
	size_t heap_free;     /* bytes of free pages */
	size_t heap_unbacked; /* of those, without memory behind them */
	size_t heap_longest;  /* the longest run of free pages */
	size_t nhuge_whole;   /* hugepages that are free as a whole */
	size_t nhuge_partial; /* in use, and never released in part */
	size_t nhuge_broken;  /* in use, and a part was released */
	size_t nhuge_backed;  /* with one huge page behind them, as far as known */
	/* Spans that have come to hold blocks of several sizes: */
	size_t nmixed;	   /* how many */
	size_t mixed;	   /* their bytes */
	size_t mixed_free; /* of those, between blocks */
};

/*
 * pcm_stats_get() - statistics, each exact, but not all of one instant.
 *
 * stats	filled in
 * size		sizeof(struct pcm_stats) of the caller; a library that knows
 *		more or fewer fields fills or zeroes accordingly
 *
 * Returns 0. Not for signal handlers.
 */
int pcm_stats_get(struct pcm_stats *stats, size_t size);

#ifdef __cplusplus
}
#endif

#endif
