/*
 * depot_kit.h - what the tests of depots share: magazines, and what all may hold.
 */
#ifndef PCM_TEST_DEPOT_KIT_H
#define PCM_TEST_DEPOT_KIT_H

#include "unit.h"

#include "capacity.h"
#include "central.h"
#include "depot.h"
#include "held.h"
#include "limit.h"
#include "magazine.h"
#include "size_class.h"

/* What all have of a small heap. */
#define ALL_LEAST ((size_t)256 << 10)
#define ALL_MOST ((size_t)512 << 10)

static inline unsigned int nslots(unsigned int class)
{
	return pcm_capacity(class) == 0 ? 1 : pcm_capacity(class);
}

/* A magazine of the class with n objects. */
static inline void **magazine(unsigned int class, unsigned int n)
{
	void **mag = pcm_mag_new(nslots(class));
	void *obj;

	must(mag != PCM_MAG_NONE);
	while (n-- > 0) {
		must(pcm_central_fill(class, 0, &obj, 1) == 1);
		pcm_mag_push(&mag, obj);
	}
	return mag;
}

/* At home 0, full ones. */
static inline void put_magazines(unsigned int class, unsigned int n)
{
	while (n-- > 0)
		pcm_depot_put(class, 0, magazine(class, nslots(class)));
}

static inline size_t bound_for_all(void)
{
	size_t held = pcm_limit_held(), part = held / 16;

	part = part < ALL_LEAST ? ALL_LEAST : part > ALL_MOST ? ALL_MOST : part;
	return part + held / 512;
}

#endif
