/*
 * A hoard: blocks of many sizes in the order in which they were allocated, linked
 * through themselves, so that the test's own memory does not show in RSS.
 */
#ifndef PCM_TEST_HOARD_H
#define PCM_TEST_HOARD_H

#include "testing.h"

#include <stdbool.h>

struct hoard_block {
	struct hoard_block *next;
	size_t nbytes;
};

struct hoard {
	struct hoard_block *oldest, *newest;
	size_t live; /* bytes asked for */
	uint64_t state;
};

/* Allocates blocks of 64 bytes to 64 KiB, written in full, up to `live` bytes. */
void hoard_fill(struct hoard *hoard, size_t live);

/* Frees the oldest down to `live` bytes. */
void hoard_shrink(struct hoard *hoard, size_t live);

/* What may be resident, code and stacks included: 1.15 x live + 4 MiB. */
size_t hoard_most(size_t live);

/*
 * A second of light activity: 6,400 mallocs and frees of small blocks, in bursts
 * every 10 ms; each is freed at once, or some later.
 */
void hoard_light_second(bool at_once);

#endif
