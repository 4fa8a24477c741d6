/*
 * idle: how long pages of the page heap have to be free before decay gives them back.
 * How long ago the last decay was, each test says itself.
 */
#include "unit.h"

#include "page_heap.h"
#include "page_heap_lists.h"
#include "pulse.h"
#include "sys.h"

#define NHUGE 16

static char *run[NHUGE];

static struct pcm_page_heap_stats stats(void)
{
	struct pcm_page_heap_stats now;

	pcm_page_heap_stats_get(&now);
	return now;
}

/* Less may be in use than these, by what the test itself allocates, and no more. */
#define OTHERS PCM_HUGEPAGE

static void allocate_all(void)
{
	int i;

	for (i = 0; i < NHUGE; i++)
		must(run[i] = pcm_page_heap_alloc(PCM_HUGE_NPAGES, NULL));
	(void)pcm_page_heap_release(SIZE_MAX);
	must(stats().free_warm == 0);
	must(stats().used <= NHUGE * PCM_HUGEPAGE + OTHERS);
}

static void free_some(int first, int n)
{
	size_t before = stats().free_warm;
	int i;

	for (i = first; i < first + n; i++)
		pcm_page_heap_free(run[i], PCM_HUGE_NPAGES);
	must(stats().free_warm == before + (size_t)n * PCM_HUGEPAGE);
}

static void decay(unsigned ms_later)
{
	pcm_page_heap.decayed = pcm_sys_now() - ms_later;
	pcm_page_heap_decay();
}

static unsigned decays_until_less(unsigned ms_later)
{
	size_t before = stats().free_warm;
	unsigned n = 0;

	for (; stats().free_warm == before; n++)
		decay(ms_later);
	return n;
}

/* The interval in which they were freed does not count; ticks are late now and then. */
static const unsigned spacing[] = { 0, PCM_TICK_MS, PCM_TICK_MS * 3 / 2 };

START_TEST(after_so_many_ticks)
{
	allocate_all();
	free_some(0, NHUGE / 4);
	must(decays_until_less(spacing[_i]) == 1 + PCM_TICKS_BEFORE + 1);
}
END_TEST

/* What is more than all that is in use, half of it at a time. */
START_TEST(much_goes_sooner)
{
	allocate_all();
	free_some(0, NHUGE * 3 / 4);
	must(decays_until_less(0) == 1 + 1 + 1);
	must(stats().free_warm == NHUGE / 2 * PCM_HUGEPAGE);
}
END_TEST

/* More than is in use, but by less than has been idle for long anyway. */
START_TEST(the_larger_of_both)
{
	size_t few = NHUGE / 4, all = NHUGE / 2 + 1;
	unsigned i;

	allocate_all();
	free_some(0, (int)few);
	for (i = 0; i < PCM_TICKS_BEFORE - 1; i++)
		decay(0);
	free_some((int)few, (int)(all - few));
	decay(0);
	decay(0);
	must(stats().free_warm == all * PCM_HUGEPAGE);
	must(stats().free_warm > stats().used);
	must(stats().free_idle == few * PCM_HUGEPAGE);
}
END_TEST

START_TEST(needed_again)
{
	unsigned i;

	allocate_all();
	free_some(0, NHUGE / 4);
	for (i = 0; i < 3 * PCM_TICKS_BEFORE; i++) {
		decay(0);
		if (i % PCM_TICKS_BEFORE != 0)
			continue;
		must(run[0] = pcm_page_heap_alloc(PCM_HUGE_NPAGES, NULL));
		must(run[1] = pcm_page_heap_alloc(PCM_HUGE_NPAGES, NULL));
		free_some(0, 2);
	}
	must(stats().free_warm >= 2 * PCM_HUGEPAGE);
}
END_TEST

/* A process that makes few ticks need not make as many: the time counts. */
START_TEST(in_one_long_interval)
{
	allocate_all();
	free_some(0, NHUGE / 4);
	decay(0);
	decay((PCM_TICKS_BEFORE - 1) * PCM_TICK_MS);
	must(stats().free_idle == 0);
	decay(PCM_TICKS_BEFORE * PCM_TICK_MS);
	must(stats().free_idle == NHUGE / 4 * PCM_HUGEPAGE);
	must(decays_until_less(0) == 1);
}
END_TEST

/* A tick that began before another one ended. */
START_TEST(not_in_the_past)
{
	allocate_all();
	free_some(0, NHUGE / 4);
	decay(0);
	pcm_page_heap.decayed = pcm_sys_now() + 1000;
	pcm_page_heap_decay();
	must(stats().free_idle == 0);
}
END_TEST

int main(void)
{
	TCase *tests = unit_begin("idle");

	tcase_add_loop_test(tests, after_so_many_ticks, 0,
			    sizeof(spacing) / sizeof(spacing[0]));
	tcase_add_test(tests, much_goes_sooner);
	tcase_add_test(tests, the_larger_of_both);
	tcase_add_test(tests, needed_again);
	tcase_add_test(tests, in_one_long_interval);
	tcase_add_test(tests, not_in_the_past);
	return unit_end();
}
