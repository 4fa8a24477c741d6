/*
 * outgoing.h - magazines that were taken out of idle caches, on their way to the spans.
 *
 * They wait here, not with the thread that took them out: a fork between two of them
 * leaves the rest to the child. Lock: PCM_RANK_MAGAZINE.
 */
#ifndef PCM_OUTGOING_H
#define PCM_OUTGOING_H

/* A magazine with objects of a stack. Locks of lower rank may be held. */
void pcm_outgoing_put(unsigned stack, void **top);

/* One of them, and its stack; PCM_MAG_NONE: there is none. */
void **pcm_outgoing_take(unsigned *stack);

#endif
