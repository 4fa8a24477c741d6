/*
 * outgoing.c - a list for each stack.
 */
#include "outgoing.h"

#include "magazine.h"
#include "percpu.h"

/* Under pcm_mag_lock; linked through w[1]. No list below `first` has any. */
static void **lists[PCM_NSTACKS] PCM_TABLE("7");
static unsigned first = PCM_NSTACKS;

void
pcm_outgoing_put(unsigned stack, void **top)
{
	pcm_lock(&pcm_mag_lock);
	*pcm_mag_link(top) = lists[stack];
	lists[stack] = top;
	if (stack < first)
		first = stack;
	pcm_unlock(&pcm_mag_lock);
}

void **
pcm_outgoing_take(unsigned *stack)
{
	void **top = PCM_MAG_NONE;

	pcm_lock(&pcm_mag_lock);
	while (first < PCM_NSTACKS && lists[first] == NULL)
		first++;
	if (first < PCM_NSTACKS) {
		*stack = first;
		top = lists[first];
		lists[first] = *pcm_mag_link(top);
	}
	pcm_unlock(&pcm_mag_lock);
	return top;
}
