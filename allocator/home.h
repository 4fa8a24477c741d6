/*
 * home.h - what a home (percpu.h) has that is neither spans nor metadata: its misses, its
 * bytes that went back, its depots. By home first, then by size: most processes use few homes
 * and few sizes, and a page or two then serve all of it.
 */
#ifndef PCM_HOME_H
#define PCM_HOME_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "compiler.h"
#include "lock.h"
#include "percpu.h"
#include "size_class.h"

/*
 * The magazines of a class that CPUs of one home have put here. Stacks end with NULL, so
 * that a class nobody uses needs no memory touched. See depot.c.
 */
struct pcm_depot {
	struct pcm_lock lock;
	uint16_t nfull, nempty;
	uint16_t low;	/* least nfull since the last decay */
	uint8_t reuse;	/* by its own CPUs; relaxed, without the lock */
	uint32_t nobjs; /* in the full ones */
	void **full, **empty;
};

struct pcm_home {
	atomic_uint misses[PCM_NCLASSES]; /* capacity.c */
	atomic_uint all_misses; /* of all classes; wraps: capacity.c */
	atomic_uint misses_seen; /* by the last tick */
	atomic_size_t went_back; /* bytes, not yet counted: pulse.c */
	atomic_size_t depot_bytes; /* in the full magazines of all classes */
	atomic_uchar skip; /* looks at others' that are left out: depot.c */
	struct pcm_depot depot[PCM_NCLASSES];
} PCM_LINE_ALIGNED;

extern PCM_HIDDEN struct pcm_home pcm_homes[PCM_NHOMES];

/*
 * A home that takes again what it frees keeps what it has of the class, magazines and spans,
 * while there is memory: blocks that go to and fro take their cache lines with them, until
 * most lines belong to two CPUs. Who frees what others allocate puts magazines and seldom
 * asks for any: that serves anybody. So `reuse` grows by two whenever the home asks, also in
 * vain, and falls by one with each magazine put; and by half at each tick, lest a home that
 * nobody uses any more keeps anything. Relaxed, a guess; races lose counts, no more.
 */
#define PCM_REUSE_MAX 255
#define PCM_REUSE_MUCH 128
#define PCM_REUSE_ASKED 2

/*
 * Bit h of a class: reuse of home h is much, as of its last change. Apart from the counts, so
 * that others who look, and do so in each visit, do not wait for a line that the home writes to.
 */
extern PCM_HIDDEN atomic_uchar pcm_home_reusing[PCM_NCLASSES];

static inline bool
pcm_home_reuses(unsigned home, unsigned class)
{
	return atomic_load_explicit(&pcm_home_reusing[class], memory_order_relaxed) >>
		home & 1;
}

#endif
