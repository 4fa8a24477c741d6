/*
 * idle: how long pages of the page heap have to be free before decay gives them back, and
 * how many go at a time.
 */
#include "unit.h"

#include "page.h"
#include "page_heap.h"

#define NHUGE 16

static char *run[NHUGE];

static size_t warm(void)
{
	struct pcm_page_heap_stats now;

	pcm_page_heap_stats_get(&now);
	return now.free_warm;
}

static void allocate_all(void)
{
	int i;

	for (i = 0; i < NHUGE; i++)
		must(run[i] = pcm_page_heap_alloc(PCM_HUGE_NPAGES, NULL));
	(void)pcm_page_heap_release(SIZE_MAX);
	must(warm() == 0);
}

static void free_some(int n)
{
	size_t before = warm();
	int i;

	for (i = 0; i < n; i++)
		pcm_page_heap_free(run[i], PCM_HUGE_NPAGES);
	must(warm() == before + (size_t)n * PCM_HUGEPAGE);
}

static unsigned decays_until_less(void)
{
	size_t before = warm();
	unsigned n = 0;

	for (; warm() == before; n++)
		pcm_page_heap_decay();
	return n;
}

/* The interval in which they were freed does not count. */
START_TEST(after_two_intervals)
{
	allocate_all();
	free_some(NHUGE / 4);
	must(decays_until_less() == 1 + 2);
}
END_TEST

/* Rounded up to whole hugepages, and no more than that. */
START_TEST(half_at_a_time)
{
	allocate_all();
	free_some(9);
	must(decays_until_less() == 1 + 2);
	must(warm() == 4 * PCM_HUGEPAGE);
	must(decays_until_less() <= 2);
	must(warm() == 2 * PCM_HUGEPAGE);
	must(decays_until_less() <= 2); /* 4 MiB are not halved */
	must(warm() == 0);
}
END_TEST

START_TEST(needed_again)
{
	unsigned i;

	allocate_all();
	free_some(NHUGE / 4);
	for (i = 0; i < 20; i++) {
		pcm_page_heap_decay();
		if (i % 2 != 0)
			continue;
		must(run[0] = pcm_page_heap_alloc(PCM_HUGE_NPAGES, NULL));
		must(run[1] = pcm_page_heap_alloc(PCM_HUGE_NPAGES, NULL));
		free_some(2);
	}
	must(warm() >= 2 * PCM_HUGEPAGE);
}
END_TEST

int main(void)
{
	TCase *tests = unit_begin("idle");

	tcase_add_test(tests, after_two_intervals);
	tcase_add_test(tests, half_at_a_time);
	tcase_add_test(tests, needed_again);
	return unit_end();
}
