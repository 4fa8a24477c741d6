/*
 * A soft limit of 192 MiB (limit: or the control group's): what is cached goes
 * back before the process gets there. Blocks that come and go in mappings and in
 * all small sizes would be kept otherwise.
 */
#include "hoard.h"

#define LIMIT (192 * MIB)
#define LIVE (120 * MIB)

/* In turns, so that what one phase leaves in caches is of no use to the next. */
static void phase(struct hoard *hoard, size_t nbytes)
{
	size_t i, n = LIVE / nbytes;
	void **p = malloc(n * sizeof(*p));

	must(p);
	hoard_shrink(hoard, 0);
	for (i = 0; i < n; i++) {
		p[i] = malloc(nbytes);
		must(p[i]);
		memset(p[i], 1, nbytes);
	}
	for (i = 0; i < n; i++)
		free(p[i]);
	free(p);
	hoard_fill(hoard, LIVE);
}

int main(void)
{
	static const size_t sizes[] = { 100, 3000, 70000, 600000, 2 * MIB,
					9 * MIB };
	struct hoard hoard = { .state = 1 };
	size_t i;

	testing_start(60);
	for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
		phase(&hoard, sizes[i]);
	printf("%zu MiB at most\n", testing_memory("VmHWM") / MIB);
	must(testing_memory("VmHWM") <= LIMIT);
	hoard_shrink(&hoard, 0);
	return 0;
}
