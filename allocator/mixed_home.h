/*
 * mixed_home.h - what mixed.c and mixed_decay.c share: the mixed spans of a home.
 *
 * A span with a hole is on the list of what its best hole is of. A span that is not settled
 * is also in the order of the last take or put.
 */
#ifndef PCM_MIXED_HOME_H
#define PCM_MIXED_HOME_H

#include "lock.h"
#include "mixed_holes.h"
#include "percpu.h"
#include "size_class.h"

#define PCM_MIXED_NLISTWORDS ((PCM_NCLASSES + 63) / 64)

struct pcm_mixed_home {
	struct pcm_lock lock;
	bool in_use; /* has or had a span: relaxed, set once */
	uint64_t nonempty[PCM_MIXED_NLISTWORDS]; /* a bit for each list; relaxed */
	struct pcm_mixed *list[PCM_NCLASSES];
	struct pcm_mixed *oldest, *newest;
	size_t nspans, nunits, nfree;
	size_t nout[PCM_NCLASSES]; /* blocks of a class, in use or cached */
} PCM_LINE_ALIGNED;

extern PCM_HIDDEN struct pcm_mixed_home pcm_mixed_homes[PCM_NHOMES];

static inline bool
pcm_mixed_in_use(const struct pcm_mixed_home *home)
{
	return __atomic_load_n(&home->in_use, __ATOMIC_RELAXED);
}

/* Puts it on the list that its best hole asks for. */
void pcm_mixed_relink_locked(struct pcm_mixed_home *home, struct pcm_mixed *mixed);

/* Its pages go back, or have gone: it leaves the order. */
void pcm_mixed_settle_locked(struct pcm_mixed_home *home, struct pcm_mixed *mixed);

/* An empty one is none any more: its span goes to the front of the chain *empty. */
void pcm_mixed_leave_locked(struct pcm_mixed_home *home, struct pcm_mixed *mixed,
			    struct pcm_span **empty);

#endif
