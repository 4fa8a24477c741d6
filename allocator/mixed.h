/*
 * mixed.h - spans that hold blocks of several classes.
 *
 * A span of one class that is mostly free, while its class has no use for what is free,
 * becomes *mixed*: it is counted in units of 16 bytes from then on, free neighbours are
 * one hole, and any class takes blocks from the holes that are long enough. A span stays
 * mixed until it is empty and goes back to the page heap.
 *
 * The class of a page of a mixed span is PCM_CLASS_MIXED in the pagemap, which has a stack of
 * its own (cache_mixed.h); the block's own class is found here. In a mixed span blocks are
 * aligned to a unit, and no more.
 *
 * A mixed span has the home it had. One lock for each home, PCM_RANK_MIXED.
 */
#ifndef PCM_MIXED_H
#define PCM_MIXED_H

#include <stdbool.h>
#include <stddef.h>

#include "span.h"

#define PCM_MIXED_UNIT 16u

struct pcm_mixed;

/* May blocks of the class lie in a mixed span, and may its spans become mixed? */
bool pcm_mixed_suits(unsigned class);

/*
 * Holes of another home's spans are for blocks of this size and more. The lines of their
 * bits come out of another CPU's cache, and again when a block is freed: as much for a small
 * one, which saves less memory. Where that is scarce, and if there is one thread, all are.
 */
#define PCM_MIXED_SHARED_MIN 1024u

/* Should blocks of the class come out of other homes' spans, if there is no hole at home? */
bool pcm_mixed_shares(unsigned class);

/*
 * pcm_mixed_new() - what a span of so many bytes needs to become mixed; NULL: no memory, or too
 * long a span.
 * pcm_mixed_delete() gives it back unused.
 */
struct pcm_mixed *pcm_mixed_new(size_t nbytes);
void pcm_mixed_delete(struct pcm_mixed *mixed, size_t nbytes);

/*
 * pcm_mixed_adopt() - the span, of kind SMALL, which has left its central's lists,
 * becomes mixed. The caller holds that central's lock.
 */
void pcm_mixed_adopt(struct pcm_mixed *mixed, struct pcm_span *span);

/*
 * pcm_mixed_take() - up to n blocks of the class: from the home's spans, else from
 * another home's, if it shares them or `all`. Writes them to objs; returns
 * how many. No lock held but those of lower rank.
 */
unsigned pcm_mixed_take(unsigned class, unsigned home, void **objs, unsigned n, bool all);

/*
 * pcm_mixed_put() - those of the n blocks of the class are free that come before the
 * first one that does not lie in a mixed span of the first one's home. Spans that have
 * become empty go to the front of the chain *empty. No central's lock held.
 *
 * Returns how many; *fault tells whether the next one is none to be freed.
 */
unsigned pcm_mixed_put(unsigned class, void *const *objs, unsigned n,
		       struct pcm_span **empty, enum pcm_span_fault *fault);

/*
 * pcm_mixed_class() - the class of the block in use that begins at p; 0 if p does not
 * lie in a mixed span, or none begins there. To be called after the class of p's page was
 * read. No lock; async-signal-safe.
 */
unsigned pcm_mixed_class(const void *p);

/* Does p lie in a mixed span? The same. */
bool pcm_mixed_has(const void *p);

/* pcm_span_check() of a mixed span. */
enum pcm_span_fault pcm_mixed_check(const struct pcm_span *span, const void *p);

/*
 * pcm_mixed_decay() - whole OS pages of holes go back to the system, of spans that
 * nothing was taken from or put into for `age` ticks. Looks at up to *nspans of them,
 * and subtracts those. Returns bytes given back. No locks held.
 */
size_t pcm_mixed_decay(unsigned age, unsigned *nspans);

struct pcm_mixed_stats {
	size_t nspans, nbytes; /* all, and their size */
	size_t nfree;	       /* bytes of their holes */
};

void pcm_mixed_stats_get(struct pcm_mixed_stats *stats);

/* Blocks of the class in mixed spans, in use or cached. */
size_t pcm_mixed_nout(unsigned class);

/*
 * pcm_mixed_verify() - NULL, or a text that says which invariant does not hold. While
 * others give pages back (pcm_mixed_decay()) what they hold counts as blocks.
 */
const char *pcm_mixed_verify(void);

/* The locks of all homes that have or had mixed spans. */
void pcm_mixed_fork_lock(void);
void pcm_mixed_fork_unlock(void);
void pcm_mixed_fork_child(void);

#endif
