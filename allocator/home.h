/*
 * home.h - what a home (percpu.h) has that is neither spans nor metadata: its misses, its
 * bytes that went back, its depots. By home first, then by size: most processes use few homes
 * and few sizes, and a page or two then serve all of it.
 */
#ifndef PCM_HOME_H
#define PCM_HOME_H

#include <stdatomic.h>
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
	uint8_t reuse;	/* by its own CPUs */
	uint32_t nobjs; /* in the full ones */
	void **full, **empty;
};

struct pcm_home {
	atomic_uint misses[PCM_NCLASSES]; /* capacity.c */
	atomic_size_t went_back; /* bytes, not yet counted: pulse.c */
	atomic_size_t depot_bytes; /* in the full magazines of all classes */
	struct pcm_depot depot[PCM_NCLASSES];
} PCM_LINE_ALIGNED;

extern PCM_HIDDEN struct pcm_home pcm_homes[PCM_NHOMES];

#endif
