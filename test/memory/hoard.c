/*
 * The functions of hoard.h.
 */
#include "hoard.h"

#include <unistd.h>

#define LOW_SHIFT 6
#define NOCTAVES 10
#define BURST 64
#define NBURSTS 100
#define PAUSE_US 10000
#define NKEPT 200
#define LIGHT_MAX 500

/* Uniform over the octaves from 64 bytes to 64 KiB. */
static size_t any_size(uint64_t *state)
{
	size_t low = (size_t)1 << (LOW_SHIFT + rnd(state) % NOCTAVES);

	return low + rnd(state) % low;
}

void hoard_fill(struct hoard *hoard, size_t live)
{
	while (hoard->live < live) {
		size_t n = any_size(&hoard->state);
		struct hoard_block *block = malloc(n);

		must(block);
		memset(block, 1, n);
		block->nbytes = n;
		block->next = NULL;
		if (hoard->newest)
			hoard->newest->next = block;
		else
			hoard->oldest = block;
		hoard->newest = block;
		hoard->live += n;
	}
}

void hoard_shrink(struct hoard *hoard, size_t live)
{
	while (hoard->oldest && hoard->live > live) {
		struct hoard_block *block = hoard->oldest;

		hoard->oldest = block->next;
		hoard->live -= block->nbytes;
		free(block);
	}
	if (!hoard->oldest)
		hoard->newest = NULL;
}

size_t hoard_most(size_t live)
{
	return live + live * 15 / 100 + 4 * MIB;
}

void hoard_light_second(bool at_once)
{
	static void *kept[NKEPT];
	static uint64_t state = 7;
	int i, k;

	for (i = 0; i < NBURSTS; i++) {
		for (k = 0; k < BURST; k++) {
			void **slot = &kept[rnd(&state) % NKEPT];

			free(*slot);
			*slot = malloc(1 + rnd(&state) % LIGHT_MAX);
			must(*slot);
			if (at_once) {
				free(*slot);
				*slot = NULL;
			}
		}
		usleep(PAUSE_US);
	}
}
