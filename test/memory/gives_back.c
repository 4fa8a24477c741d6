/*
 * A program that frees most of its memory and goes on with a few small blocks is
 * small again after a second, without a thread: most of its operations never come
 * near the slow path by themselves.
 */
#include "hoard.h"

#define FULL (1024 * MIB)

/* A busy machine may have given us but half of a second: two are allowed. */
static void expect(size_t live, bool at_once, const char *when)
{
	hoard_light_second(at_once);
	if (testing_memory("VmRSS") > hoard_most(live))
		hoard_light_second(at_once);
	printf("%s: %zu KiB resident, %zu live\n", when,
	       testing_memory("VmRSS") / KIB, live / KIB);
	must(testing_memory("VmRSS") <= hoard_most(live));
}

static void fall(bool at_once)
{
	struct hoard hoard = { .state = testing_seed() };

	hoard_fill(&hoard, FULL);
	must(testing_memory("VmRSS") >= FULL);
	hoard_shrink(&hoard, FULL / 10);
	expect(hoard.live, at_once, "a tenth left");
	hoard_shrink(&hoard, 0);
	expect(0, at_once, "nothing left");
}

int main(void)
{
	testing_start(100);
	fall(true);
	fall(false);
	return 0;
}
