/*
 * central_decay.c - whole OS pages of free blocks go back while their span lives.
 */
#include <limits.h>

#include "central.h"
#include "central_lists.h"
#include "misuse.h"
#include "mixed.h"
#include "page.h"

/* Ticks that a span was left alone before its free pages go. */
#define OLD 6u

/* The thread that makes the tick waits: spans looked at and released in one. */
#define MOST_LOOKS 4096u
#define MOST_RELEASES 256u

/* What one call may do yet, and to spans of which age, in ticks. */
struct budget {
	unsigned age, nlooks, nreleases;
};

/* An old span that is not settled; NULL: none, or enough looked at. */
static struct pcm_span *
old_locked(struct pcm_central *central, struct budget *budget)
{
	uint8_t now = pcm_span_now();
	struct pcm_span *span;
	unsigned b;

	for (b = PCM_CENTRAL_FIRST; b < PCM_CENTRAL_END; b += 2) {
		for (span = *pcm_central_list(central, b); span != NULL;
		     span = span->next) {
			if ((uint8_t)(now - span->tick) >= budget->age)
				return span;
			if (budget->nlooks == 0)
				return NULL;
			budget->nlooks--;
		}
	}
	return NULL;
}

static void
hold_locked(struct pcm_central *central, struct pcm_span *span,
	    const struct pcm_span_run *run)
{
	unsigned nfree = span->nfree;

	pcm_span_hold(span, run);
	pcm_central_count_locked(central, (ptrdiff_t)nfree - span->nfree);
	pcm_central_relink_locked(span);
}

static void
unhold_locked(struct pcm_central *central, struct pcm_span *span,
	      const struct pcm_span_run *run, bool cold)
{
	unsigned nfree = span->nfree;

	pcm_span_unhold(span, run, cold);
	pcm_central_count_locked(central, (ptrdiff_t)nfree - span->nfree);
}

/*
 * Its blocks are held, so that the span stays while no lock is held; another home
 * may take it over meanwhile. True if all others are free by then: the span has left
 * for *empty. (What is held at a fork stays so in the child.) The span is gone if the
 * program has freed a held block, which was free, and all others.
 */
static bool
release_run_locked(struct pcm_central **central, struct pcm_span *span,
		   const struct pcm_span_run *run, struct pcm_span **empty,
		   size_t *done)
{
	const char *start = span->start;
	bool cold;

	hold_locked(*central, span, run);
	span->nreleasing++;
	pcm_unlock(&(*central)->lock);
	cold = pcm_sys_release(span->start + run->first * pcm_sys_page,
			       run->npages * pcm_sys_page);
	if (cold)
		*done += run->npages * pcm_sys_page;
	if (pcm_central_lock_span(span->class, start, central) != span)
		pcm_misuse("free", start, PCM_MISUSE_ALREADY_FREE);
	span->nreleasing--;
	unhold_locked(*central, span, run, cold);
	if (span->nfree < span->nobjs) {
		pcm_central_relink_locked(span);
		return false;
	}
	pcm_central_leave_locked(*central, span, empty);
	return true;
}

/*
 * Settles the span, and releases the lock of its central. Returns bytes given back;
 * *empty: a chain of spans for pcm_central_give_back().
 */
static size_t
settle_and_unlock(struct pcm_central *central, struct pcm_span *span,
		  struct pcm_span **empty)
{
	struct pcm_span_run run = { 0 };
	size_t done = 0;
	bool left = false;

	span->settled = true;
	while (!left &&
	       pcm_span_next_warm(span, run.first + run.npages, &run))
		left = release_run_locked(&central, span, &run, empty, &done);
	if (!left)
		pcm_central_relink_locked(span);
	pcm_unlock(&central->lock);
	return done;
}

static size_t
decay_home(struct pcm_central *central, struct budget *budget)
{
	struct pcm_span *span, *empty = NULL;
	size_t done = 0;

	while (budget->nreleases > 0 && !pcm_central_seems_full(central)) {
		pcm_lock(&central->lock);
		span = old_locked(central, budget);
		if (span == NULL) {
			pcm_unlock(&central->lock);
			break;
		}
		done += settle_and_unlock(central, span, &empty);
		budget->nreleases--;
	}
	pcm_central_give_back(empty);
	return done;
}

static size_t
decay_class(unsigned class, unsigned first, struct budget *budget)
{
	unsigned homes = pcm_central_homes(class), i, home;
	size_t done = 0;

	for (i = 0; i < PCM_NHOMES; i++) {
		home = (first + i) % PCM_NHOMES;
		if (homes >> home & 1)
			done += decay_home(&pcm_centrals[home][class], budget);
	}
	return done;
}

/* What comes first is another class and home each time, so that all have a turn. */
size_t
pcm_central_decay(void)
{
	uint8_t now = __atomic_add_fetch(&pcm_span_tick, 1, __ATOMIC_RELAXED);
	struct budget budget = { OLD, MOST_LOOKS, MOST_RELEASES };
	size_t done = 0;
	unsigned i;

	for (i = 0; i < PCM_NCLASSES - 1 && budget.nreleases > 0; i++)
		done += decay_class(1 + (now + i) % (PCM_NCLASSES - 1), now,
				    &budget);
	i = MOST_RELEASES;
	return done + pcm_mixed_decay(OLD, &i);
}

/* Others may go on touching spans: no more are settled than there were. */
size_t
pcm_central_trim(void)
{
	struct pcm_central_stats stats;
	struct pcm_mixed_stats mixed;
	size_t done = 0;
	unsigned c;

	for (c = 1; c < PCM_NCLASSES; c++) {
		struct budget budget = { 0, UINT_MAX, 0 };

		pcm_central_stats_get(c, &stats);
		budget.nreleases = (unsigned)stats.nspans;
		done += decay_class(c, 0, &budget);
	}
	pcm_mixed_stats_get(&mixed);
	c = (unsigned)mixed.nspans;
	return done + pcm_mixed_decay(0, &c);
}
