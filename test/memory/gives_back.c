/*
 * A program that frees most of its memory and goes on with a few small blocks is
 * small again after a second, without a thread: most of its operations never come
 * near the slow path by themselves.
 */
#include "hoard.h"

#define FULL (256 * MIB)
/* Code, libc, stacks, descriptors of the spans that were. */
#define BASE (8 * MIB)

static void expect(size_t live, const char *when)
{
	size_t rss = testing_memory("VmRSS");

	printf("%s: %zu KiB resident, %zu live\n", when, rss / KIB, live / KIB);
	must(rss <= live + live * 15 / 100 + 4 * MIB + BASE);
}

static void light(bool at_once)
{
	hoard_light_second(at_once);
	/* A busy machine may have given us half of that second. */
	hoard_light_second(at_once);
}

static void fall(bool at_once)
{
	struct hoard hoard = { .state = testing_seed() };

	hoard_fill(&hoard, FULL);
	must(testing_memory("VmRSS") >= FULL);
	hoard_shrink(&hoard, FULL / 10);
	light(at_once);
	expect(hoard.live, "a tenth left");
	hoard_shrink(&hoard, 0);
	light(at_once);
	expect(0, "nothing left");
}

int main(void)
{
	testing_start(60);
	fall(true);
	fall(false);
	return 0;
}
