/*
 * leftover.c - a stack of ranges, each linked through its own first bytes.
 *
 * Push: release. The stack is only ever taken whole, by an acquiring exchange,
 * so there is no ABA; what a thread has in hand when another one forks is lost
 * to the child: address space.
 */
#include "leftover.h"

#include <stdatomic.h>

#include "limit.h"
#include "sys.h"

/* System calls that may fail before the rest is left for the next time. */
#define MAX_FAILURES 16u

/* At the start of the range, which costs it one page of memory. */
struct leftover {
	struct leftover *next;
	size_t nbytes;
	bool warm; /* the rest has memory too, and counts as held */
};

static struct leftover *_Atomic stack;
static atomic_size_t all_bytes, warm_bytes;

/* From `first` to `last`, linked. */
static void
push(struct leftover *first, struct leftover *last)
{
	struct leftover *head =
		atomic_load_explicit(&stack, memory_order_relaxed);

	do
		last->next = head;
	while (!atomic_compare_exchange_weak_explicit(&stack, &head, first,
						      memory_order_release,
						      memory_order_relaxed));
}

static void
count_warm(size_t nbytes)
{
	atomic_fetch_add_explicit(&warm_bytes, nbytes, memory_order_relaxed);
	pcm_limit_hold(nbytes);
}

bool
pcm_leftover_add(void *p, size_t nbytes)
{
	bool warm = !pcm_sys_release(p, nbytes);
	struct leftover *range = p;

	range->nbytes = nbytes;
	range->warm = warm;
	atomic_fetch_add_explicit(&all_bytes, nbytes, memory_order_relaxed);
	if (warm)
		count_warm(nbytes);
	push(range, range);
	return !warm;
}

/* It may be gone after: nothing of it is read any more. */
static size_t
unmap(struct leftover *range)
{
	size_t nbytes = range->nbytes;
	bool warm = range->warm;

	if (!pcm_sys_unmap_once(range, nbytes))
		return 0;
	atomic_fetch_sub_explicit(&all_bytes, nbytes, memory_order_relaxed);
	if (warm) {
		atomic_fetch_sub_explicit(&warm_bytes, nbytes,
					  memory_order_relaxed);
		pcm_limit_give(nbytes);
	}
	return nbytes;
}

/* Those that were not tried come first the next time. */
size_t
pcm_leftover_retry(void)
{
	struct leftover *range, *next, *last;
	size_t done = 0;
	unsigned failures = 0;

	if (atomic_load_explicit(&stack, memory_order_relaxed) == NULL)
		return 0;
	range = atomic_exchange_explicit(&stack, NULL, memory_order_acquire);
	for (; range != NULL && failures < MAX_FAILURES; range = next) {
		size_t nbytes;

		next = range->next;
		nbytes = unmap(range);
		done += nbytes;
		if (nbytes == 0) {
			push(range, range);
			failures++;
		}
	}
	if (range != NULL) {
		for (last = range; last->next != NULL; last = last->next)
			;
		push(range, last);
	}
	return done;
}

size_t
pcm_leftover_bytes(void)
{
	return atomic_load_explicit(&all_bytes, memory_order_relaxed);
}

size_t
pcm_leftover_warm(void)
{
	return atomic_load_explicit(&warm_bytes, memory_order_relaxed);
}
