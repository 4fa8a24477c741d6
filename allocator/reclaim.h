/*
 * reclaim.h - the system refused memory: give back what we can spare.
 */
#ifndef PCM_RECLAIM_H
#define PCM_RECLAIM_H

#include <stdbool.h>

/*
 * pcm_reclaim() - unmap whatever is cached and not in use.
 *
 * Returns true if address space was given back, so that another try is worth
 * it. Call without locks.
 */
bool pcm_reclaim(void);

#endif
