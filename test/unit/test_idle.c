/*
 * idle: how long pages of the page heap have to be free before decay gives them back.
 */
#include "unit.h"

#include "page_heap.h"
#include "page_heap_lists.h"
#include "pulse.h"

#include <time.h>

#define NHUGE 16

static char *run[NHUGE];

static size_t warm(void)
{
	struct pcm_page_heap_stats now;

	pcm_page_heap_stats_get(&now);
	return now.free_warm;
}

/* All hugepages, touched or not, have memory as far as the heap knows. */
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
	int i;

	for (i = 0; i < n; i++)
		pcm_page_heap_free(run[i], PCM_HUGE_NPAGES);
	must(warm() == (size_t)n * PCM_HUGEPAGE);
}

static int decays_until_less(void)
{
	size_t before = warm();
	int n = 0;

	for (; warm() == before; n++)
		pcm_page_heap_decay();
	return n;
}

/* The interval in which they were freed does not count. */
START_TEST(after_so_many_ticks)
{
	allocate_all();
	free_some(NHUGE / 4);
	must(decays_until_less() == 1 + PCM_IDLE_TICKS + 1);
}
END_TEST

/* What is more than all that is in use, half of it at a time. */
START_TEST(much_goes_sooner)
{
	allocate_all();
	free_some(NHUGE * 3 / 4);
	must(decays_until_less() == 1 + 1 + 1);
	must(warm() == (size_t)NHUGE / 2 * PCM_HUGEPAGE);
}
END_TEST

START_TEST(needed_again)
{
	int i;

	allocate_all();
	free_some(NHUGE / 4);
	for (i = 0; i < 3 * (int)PCM_IDLE_TICKS; i++) {
		pcm_page_heap_decay();
		if (i % PCM_IDLE_TICKS != 0)
			continue;
		must(run[0] = pcm_page_heap_alloc(PCM_HUGE_NPAGES, NULL));
		must(run[1] = pcm_page_heap_alloc(PCM_HUGE_NPAGES, NULL));
		pcm_page_heap_free(run[0], PCM_HUGE_NPAGES);
		pcm_page_heap_free(run[1], PCM_HUGE_NPAGES);
	}
	/* Two of them have been needed, at least, whenever that was looked at. */
	must(warm() >= 2 * PCM_HUGEPAGE);
}
END_TEST

/* A process that makes few ticks need not make as many: the time counts. */
START_TEST(in_one_long_interval)
{
	const struct timespec pause = {
		.tv_nsec = (PCM_IDLE_TICKS + 1) * PCM_TICK_MS * 1000000L,
	};

	allocate_all();
	free_some(NHUGE / 4);
	pcm_page_heap_decay();
	nanosleep(&pause, NULL);
	must(decays_until_less() == 2);
}
END_TEST

int main(void)
{
	TCase *tests = unit_begin("idle");

	tcase_add_test(tests, after_so_many_ticks);
	tcase_add_test(tests, much_goes_sooner);
	tcase_add_test(tests, needed_again);
	tcase_add_test(tests, in_one_long_interval);
	return unit_end();
}
