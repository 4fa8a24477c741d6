/*
 * held.h - a heap of a size that a test chooses, for what depends on it.
 */
#ifndef PCM_TEST_HELD_H
#define PCM_TEST_HELD_H

#include "limit.h"
#include "unit.h"

/* What the heap holds is said to be nbytes: at least what it does hold. */
static inline void hold(size_t nbytes)
{
	must(pcm_limit_held() <= nbytes);
	pcm_limit_hold(nbytes - pcm_limit_held());
}

#endif
