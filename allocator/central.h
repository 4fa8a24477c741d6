/*
 * central.h - per size class, the spans that have free blocks.
 *
 * Blocks leave from the fullest span first, so that others can become empty and
 * go back to the page heap. A span has a home, the group of CPUs that takes blocks
 * from it: CPUs that share a span share cache lines, and pay for each write. One lock
 * per class and home, PCM_RANK_CENTRAL; no system call is made under it.
 */
#ifndef PCM_CENTRAL_H
#define PCM_CENTRAL_H

#include <stdbool.h>
#include <stddef.h>

void pcm_central_init(void);

/*
 * pcm_central_fill() - take up to n blocks of `class`: from the home's spans, else
 * from another home's, which then mostly become this one's, else from a new span. Another
 * home that mostly takes again what it frees keeps what it has, as long as there is memory.
 *
 * home		the caller's, pcm_percpu_home()
 *
 * Writes them to objs in ascending order within a span; returns how many, at
 * least 1 unless the system has no memory.
 */
unsigned pcm_central_fill(unsigned class, unsigned home, void **objs,
			  unsigned n);

/* The same, from spans of the class alone: blocks of mixed ones are not aligned. */
unsigned pcm_central_fill_aligned(unsigned class, unsigned home, void **objs,
				  unsigned n);

/*
 * pcm_central_take() - take one block; NULL: no memory.
 *
 * zeroed	set to whether the block is known to read as 0
 */
void *pcm_central_take(unsigned class, unsigned home, bool *zeroed);

/* The same, as pcm_central_fill_aligned(). */
void *pcm_central_take_aligned(unsigned class, unsigned home);

/*
 * pcm_central_homes() - bit h: home h may have spans of the class. Bits are only
 * ever added; home 0's is there from the start. Nobody locks a home without.
 */
unsigned pcm_central_homes(unsigned class);

/*
 * pcm_central_flush() - n blocks of `class` are free. Aborts the program, with
 * a diagnostic, for a pointer that is no block or is free already.
 */
void pcm_central_flush(unsigned class, void **objs, unsigned n);

/*
 * pcm_central_sift() - n blocks of `class` are about to be cached for longer. If its
 * spans have much free, the blocks of those that have more than the mean are flushed:
 * handed out again they would keep a span alive that could become empty.
 *
 * Returns how many are left, the first ones of objs in the order they had. Aborts as
 * pcm_central_flush() does.
 */
unsigned pcm_central_sift(unsigned class, void **objs, unsigned n);

/*
 * pcm_central_send_strangers() - n blocks of `class` are about to be cached for longer
 * by a home. If some are of spans that other homes take from, all of these are
 * flushed: a small block shares its cache line with others of its span, and handed out
 * here it would go to and fro between the CPUs.
 *
 * Returns how many are left, as pcm_central_sift() does.
 */
unsigned pcm_central_send_strangers(unsigned class, unsigned home, void **objs,
				    unsigned n);

/*
 * pcm_central_try_take() - one block, without waiting for a lock and without
 * asking the page heap. NULL: not now. Async-signal-safe.
 */
void *pcm_central_try_take(unsigned class);

/*
 * pcm_central_decay() - once a tick: whole OS pages of free blocks go back to the
 * system, of spans that nothing was taken from or put into for a while. Returns
 * their bytes. No locks held.
 */
size_t pcm_central_decay(void);

/* The same for all spans, at once. */
size_t pcm_central_trim(void);

/* pcm_central_tick() - once a tick: what was out of memory may have some again. */
void pcm_central_tick(void);

/*
 * pcm_central_mix_tick() - once a tick: is so much free in spans that others should take
 * from them?
 *
 * used		bytes of pages in use
 */
void pcm_central_mix_tick(size_t used);

struct pcm_central_stats {
	size_t nspans; /* spans of the class */
	size_t nbytes; /* their size */
	size_t nout;   /* blocks outside of their spans: in use or cached */
};

void pcm_central_stats_get(unsigned class, struct pcm_central_stats *stats);

void pcm_central_fork_lock(void);
void pcm_central_fork_unlock(void);
void pcm_central_fork_child(void);

#endif
