/*
 * mixed_decay.c - whole OS pages of holes go back while their span lives.
 */
#include "central_lists.h"
#include "mixed_home.h"

/*
 * What is given back is held meanwhile, so that the span stays while the lock is not
 * held. (What is held at a fork stays so in the child.)
 */
static size_t
release_pages_locked(struct pcm_mixed_home *home, struct pcm_mixed *mixed,
		     const struct pcm_holes_pages *pages)
{
	size_t nbytes = (pages->end - pages->first) * pcm_sys_page;
	bool cold;

	pcm_holes_hold(mixed, pages);
	home->nfree -= nbytes / PCM_MIXED_UNIT;
	pcm_mixed_relink_locked(home, mixed);
	pcm_unlock(&home->lock);
	cold = pcm_sys_release(pcm_holes_start(mixed) + pages->first * pcm_sys_page,
			       nbytes);
	pcm_lock(&home->lock);
	pcm_holes_unhold(mixed, pages, cold);
	home->nfree += nbytes / PCM_MIXED_UNIT;
	return cold ? nbytes : 0;
}

/* Gives back what there is. The span may have become empty meanwhile, and leaves then. */
static size_t
settle(struct pcm_mixed_home *home, struct pcm_mixed *mixed, struct pcm_span **empty)
{
	struct pcm_holes_pages pages = { 0, 0 };
	size_t done = 0;

	pcm_mixed_settle_locked(home, mixed);
	while (pcm_holes_next_warm(mixed, pages.end, &pages)) {
		done += release_pages_locked(home, mixed, &pages);
		if (pcm_holes_empty(mixed)) {
			pcm_mixed_leave_locked(home, mixed, empty);
			return done;
		}
	}
	pcm_mixed_relink_locked(home, mixed);
	return done;
}

static size_t
decay_home(struct pcm_mixed_home *home, unsigned age, unsigned *nspans,
	   struct pcm_span **empty)
{
	uint8_t now = pcm_span_now();
	struct pcm_mixed *mixed;
	size_t done = 0;

	pcm_lock(&home->lock);
	while (*nspans > 0 && (mixed = home->oldest) != NULL &&
	       (uint8_t)(now - mixed->tick) >= age) {
		--*nspans;
		done += settle(home, mixed, empty);
	}
	pcm_unlock(&home->lock);
	return done;
}

size_t
pcm_mixed_decay(unsigned age, unsigned *nspans)
{
	unsigned first = pcm_span_now(), i;
	struct pcm_span *empty = NULL;
	size_t done = 0;

	/* Another one first each time, so that all have a turn. */
	for (i = 0; i < PCM_NHOMES; i++) {
		struct pcm_mixed_home *home =
			&pcm_mixed_homes[(first + i) % PCM_NHOMES];

		if (pcm_mixed_in_use(home))
			done += decay_home(home, age, nspans, &empty);
	}
	pcm_central_give_back(empty);
	return done;
}
