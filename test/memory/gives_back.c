/*
 * A program that frees most of its memory and goes on with a few small blocks is
 * small again after a second, without a thread: most of its operations never come
 * near the slow path by themselves.
 */
#include "hoard.h"

#define FULL (1024 * MIB)
/* The pagemap of what was, and what a busy machine leaves for later. */
#define REST (2 * MIB)

/* Resident before anything was allocated: code, libc, stacks. */
static size_t base;

static bool small(size_t live)
{
	return testing_memory("VmRSS") <=
	       live + live * 15 / 100 + 4 * MIB + REST + base;
}

/* A busy machine may have given us but half of a second: two are allowed. */
static void expect(size_t live, bool at_once, const char *when)
{
	hoard_light_second(at_once);
	if (!small(live))
		hoard_light_second(at_once);
	printf("%s: %zu KiB resident, %zu live\n", when,
	       testing_memory("VmRSS") / KIB, live / KIB);
	must(small(live));
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
	base = testing_memory("VmRSS");
	fall(true);
	fall(false);
	return 0;
}
