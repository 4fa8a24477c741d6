/*
 * page_heap: random allocations, extensions, frees and releases against a
 * model. Every page of a run is marked; nobody else's pages are.
 */
#include "unit.h"

#include "page.h"
#include "page_heap.h"
#include "page_heap_lists.h"
#include "page_heap_check.h"
#include "pagemap.h"
#include "sys.h"

#define NRUNS 300
#define NPAGES_LIVE_MAX 6000
#define STEPS 15000

static struct run {
	char *p;
	size_t npages;
	uint64_t mark;
} runs[NRUNS];

static size_t npages_live;
static struct pcm_page_heap_stats stats_before;

static struct pcm_page_heap_stats stats(void)
{
	struct pcm_page_heap_stats now;

	pcm_page_heap_stats_get(&now);
	return now;
}

static void must_balance(void)
{
	struct pcm_page_heap_stats now = stats();

	must(now.mapped == now.nhuge * PCM_HUGEPAGE);
	must(now.mapped == now.used + now.free_warm + now.free_cold);
	must(now.nhuge == now.nhuge_free + now.nhuge_partial +
		     now.nhuge_broken);
	must(now.longest_free <= PCM_HUGEPAGE);
	must(now.longest_free == PCM_HUGEPAGE || now.nhuge_free == 0);
	must(now.used - stats_before.used == npages_live << PCM_PAGE_SHIFT);
}

/* First of all in a test: from here on nobody else allocates. */
static void start(void)
{
	stats_before = stats();
	must_balance();
}

/* Marks the first and the last word of every page. */
static void mark(const struct run *run, size_t from)
{
	size_t i;

	for (i = from; i < run->npages; i++) {
		uint64_t *page = (uint64_t *)(run->p + i * PCM_PAGE);

		page[0] = run->mark + i;
		page[PCM_PAGE / 8 - 1] = ~(run->mark + i);
	}
}

static void must_be_marked(const struct run *run)
{
	size_t i;

	for (i = 0; i < run->npages; i++) {
		uint64_t *page = (uint64_t *)(run->p + i * PCM_PAGE);

		must(page[0] == run->mark + i);
		must(page[PCM_PAGE / 8 - 1] == ~(run->mark + i));
	}
}

static void allocate(struct run *run, size_t npages, size_t align)
{
	static uint64_t marks = 1;
	bool zeroed = true;

	run->p = pcm_page_heap_alloc_aligned(npages, align, &zeroed);
	must(run->p != NULL);
	must((uintptr_t)run->p % (align * PCM_PAGE) == 0);
	must(pcm_pagemap_hugepage(run->p) != NULL);
	must((uintptr_t)run->p % PCM_HUGEPAGE + npages * PCM_PAGE <=
	     PCM_HUGEPAGE);
	must(!zeroed || all_bytes(run->p, npages * PCM_PAGE, 0));
	run->npages = npages;
	run->mark = marks++ << 20;
	mark(run, 0);
	npages_live += npages;
}

static void release_run(struct run *run)
{
	must_be_marked(run);
	pcm_page_heap_free(run->p, run->npages);
	npages_live -= run->npages;
	run->p = NULL;
}

/* Gives back the end of a run. */
static void shrink(struct run *run, size_t npages)
{
	must(npages < run->npages);
	must_be_marked(run);
	pcm_page_heap_free(run->p + npages * PCM_PAGE, run->npages - npages);
	npages_live -= run->npages - npages;
	run->npages = npages;
	must_be_marked(run);
}

/* Is page p a live run's? */
static bool in_use(const char *p)
{
	unsigned int i;

	for (i = 0; i < NRUNS; i++)
		if (runs[i].p != NULL && p >= runs[i].p &&
		    p < runs[i].p + runs[i].npages * PCM_PAGE)
			return true;
	return false;
}

static void extend(struct run *run, size_t more)
{
	size_t i;

	if (!pcm_page_heap_extend(run->p, run->npages, more))
		return;
	must((uintptr_t)run->p % PCM_HUGEPAGE +
		     (run->npages + more) * PCM_PAGE <= PCM_HUGEPAGE);
	for (i = run->npages; i < run->npages + more; i++)
		must(!in_use(run->p + i * PCM_PAGE));
	i = run->npages;
	run->npages += more;
	npages_live += more;
	mark(run, i);
	must_be_marked(run);
}

static size_t random_size(uint64_t *state)
{
	if (rnd(state) % 16 == 0)
		return rnd_between(state, 1, PCM_HUGE_NPAGES);
	return rnd_between(state, 1, 20);
}

static void check_release(uint64_t *state)
{
	size_t warm = stats().free_warm, nbytes, done;

	nbytes = rnd_between(state, 0, 2) ? rnd_between(state, 1, warm + 1) :
					    SIZE_MAX;
	done = pcm_page_heap_release(nbytes);
	must(done <= warm);
	must(stats().free_warm == warm - done);
	must(done >= nbytes || done == warm || pcm_sys_page > PCM_PAGE);
}

static void random_step(uint64_t *state)
{
	struct run *run = &runs[rnd(state) % NRUNS];
	size_t n = random_size(state);

	switch (rnd(state) % 16) {
	case 0:
		if (run->p != NULL && run->npages > 1)
			shrink(run, rnd_between(state, 1, run->npages - 1));
		break;
	case 1:
	case 2:
		if (run->p != NULL && npages_live + n < NPAGES_LIVE_MAX)
			extend(run, n);
		break;
	case 3:
		if (rnd(state) % 16 == 0)
			check_release(state);
		if (rnd(state) % 64 == 0)
			(void)pcm_page_heap_unmap(rnd(state) % 3);
		if (rnd(state) % 16 == 0)
			pcm_page_heap_decay();
		break;
	default:
		if (run->p != NULL)
			release_run(run);
		else if (npages_live + n < NPAGES_LIVE_MAX)
			allocate(run, n,
				 rnd(state) % 8 ? 1 : (size_t)1 <<
				 rnd_between(state, 0, 8));
		break;
	}
}

START_TEST(random_operations)
{
	uint64_t state = testing_seed();
	unsigned int i;

	start();
	for (i = 0; i < STEPS; i++) {
		random_step(&state);
		must(!pcm_page_heap_check());
		if (i % 8 == 0)
			must_balance();
	}
	for (i = 0; i < NRUNS; i++)
		if (runs[i].p != NULL)
			release_run(&runs[i]);
	must_balance();
}
END_TEST

/* Given back whole: the next allocation reads as zero. */
START_TEST(released_reads_zero)
{
	bool zeroed = false;
	char *p;

	start();
	allocate(&runs[0], 100, 1);
	release_run(&runs[0]);
	must(pcm_page_heap_release(SIZE_MAX) >= 100 * PCM_PAGE);
	must(stats().free_warm == 0 || pcm_sys_page > PCM_PAGE);
	p = pcm_page_heap_alloc(100, &zeroed);
	must(p != NULL && zeroed);
	must(all_bytes(p, 100 * PCM_PAGE, 0));
}
END_TEST

/* Not given back: nobody says that it is zero. */
START_TEST(reused_is_not_zeroed)
{
	bool zeroed = true;
	char *p;

	start();
	(void)pcm_page_heap_release(SIZE_MAX);
	allocate(&runs[0], PCM_HUGE_NPAGES, 1);
	p = runs[0].p;
	release_run(&runs[0]);
	must(pcm_page_heap_alloc(PCM_HUGE_NPAGES, &zeroed) == p);
	must(!zeroed);
}
END_TEST

START_TEST(extends_in_place_only)
{
	char *base;

	start();
	allocate(&runs[0], PCM_HUGE_NPAGES, 1);
	base = runs[0].p;
	/* At the end of a hugepage there is nothing to extend into. */
	must(!pcm_page_heap_extend(base, PCM_HUGE_NPAGES, 1));
	shrink(&runs[0], 10);
	must(!pcm_page_heap_extend(base, 10, PCM_HUGE_NPAGES));
	must(pcm_page_heap_extend(base, 10, 5));
	must(pcm_page_heap_extend(base, 15, 1));
	must(pcm_page_heap_extend(base, 16, PCM_HUGE_NPAGES - 16));
	must(!pcm_page_heap_extend(base, 16, 1));
	npages_live += PCM_HUGE_NPAGES - 10;
	must_balance();
}
END_TEST

/* Small runs go where there is least room, so that hugepages become free. */
START_TEST(packs)
{
	struct run small;
	struct pcm_hugepage *tight, *loose;

	start();
	allocate(&runs[0], PCM_HUGE_NPAGES, 1);
	allocate(&runs[1], PCM_HUGE_NPAGES, 1);
	tight = pcm_pagemap_hugepage(runs[0].p);
	loose = pcm_pagemap_hugepage(runs[1].p);
	shrink(&runs[0], PCM_HUGE_NPAGES - 7);
	shrink(&runs[1], PCM_HUGE_NPAGES - 9);
	allocate(&small, 7, 1);
	must(pcm_pagemap_hugepage(small.p) == tight);
	allocate(&small, 8, 1);
	must(pcm_pagemap_hugepage(small.p) == loose);
}
END_TEST

/*
 * Two hugepages in use, full but for tight and loose free pages at their ends.
 * Of what there was before, nothing is free.
 */
static void two_hugepages(size_t tight, size_t loose)
{
	struct run rest;

	while (stats().nhuge_free > 0 || stats().longest_free > 0)
		allocate(&rest, stats().longest_free >> PCM_PAGE_SHIFT, 1);
	allocate(&runs[0], PCM_HUGE_NPAGES, 1);
	allocate(&runs[1], PCM_HUGE_NPAGES, 1);
	while (stats().nhuge_free > 0)
		allocate(&rest, PCM_HUGE_NPAGES, 1);
	shrink(&runs[0], PCM_HUGE_NPAGES - tight);
	shrink(&runs[1], PCM_HUGE_NPAGES - loose);
}

static bool same_hugepage(const struct run *a, const struct run *b)
{
	return pcm_pagemap_hugepage(a->p) == pcm_pagemap_hugepage(b->p);
}

/* Breaks the second hugepage: a page at its end is given back. */
static void break_second(void)
{
	size_t npages = runs[1].npages, broken = stats().nhuge_broken;
	struct run first;

	/* The first must not be released. */
	allocate(&first, PCM_HUGE_NPAGES - runs[0].npages, 1);
	must(same_hugepage(&first, &runs[0]));
	must(pcm_page_heap_release(SIZE_MAX) ==
	     (PCM_HUGE_NPAGES - npages) * PCM_PAGE);
	must(stats().nhuge_broken == broken + 1);
	release_run(&first);
	must(!pcm_page_heap_check());
}

/*
 * A broken hugepage is the first choice for small runs, though another is
 * tighter.
 */
START_TEST(small_runs_go_to_broken_ones)
{
	const size_t large = PCM_SMALL_RUN_NPAGES + 8;
	struct run run;

	start();
	two_hugepages(large, 2 * large);
	allocate(&run, 8, 1);
	must(same_hugepage(&run, &runs[0]));
	release_run(&run);
	break_second();
	shrink(&runs[1], runs[1].npages - 2 * large);
	allocate(&run, 8, 1);
	must(same_hugepage(&run, &runs[1]));
	/* Larger ones leave it to them, as long as they can. */
	allocate(&run, large, 1);
	must(same_hugepage(&run, &runs[0]));
	allocate(&run, large, 1);
	must(same_hugepage(&run, &runs[1]));
	must_balance();
}
END_TEST

/* Of a broken hugepage what has memory is used first. */
START_TEST(warm_pages_before_cold_ones)
{
	struct run run;

	start();
	two_hugepages(40, 80);
	break_second();
	shrink(&runs[1], PCM_HUGE_NPAGES / 2);
	allocate(&run, 20, 1);
	must(run.p == runs[1].p + runs[1].npages * PCM_PAGE);
	shrink(&runs[1], PCM_HUGE_NPAGES / 2 - 8);
	release_run(&run);
	must(pcm_page_heap_release(1) > 0);
	must(pcm_page_heap_release(SIZE_MAX) > 0);
	must_balance();
}
END_TEST

/* What another hugepage in use has with memory comes before that, but no whole one. */
START_TEST(warm_pages_of_any_hugepage)
{
	struct run run, whole;

	start();
	two_hugepages(40, 80);
	break_second();
	allocate(&whole, PCM_HUGE_NPAGES, 1);
	release_run(&whole);
	allocate(&run, 40, 1);
	must(same_hugepage(&run, &runs[0]));
	allocate(&run, 40, 1);
	must(same_hugepage(&run, &runs[1]));
	must(stats().nhuge_free > 0);
	must_balance();
}
END_TEST

/* After a search in vain a few are left out: then what has come meanwhile is found. */
START_TEST(warm_pages_that_come_later)
{
	struct run run;
	unsigned int i;

	start();
	two_hugepages(40, 300);
	break_second();
	shrink(&runs[1], runs[1].npages - 8); /* enough, but not together */
	allocate(&run, 41, 1);
	must(same_hugepage(&run, &runs[1]));
	shrink(&runs[0], PCM_HUGE_NPAGES - 41);
	for (i = 0; i < PCM_WARM_SKIP; i++) {
		allocate(&run, 41, 1);
		must(same_hugepage(&run, &runs[1]));
	}
	allocate(&run, 41, 1);
	must(same_hugepage(&run, &runs[0]));
	must_balance();
}
END_TEST

/* As long as there is a whole one, none is broken. */
START_TEST(whole_ones_are_released_first)
{
	size_t cold, broken;

	start();
	(void)pcm_page_heap_release(SIZE_MAX);
	broken = stats().nhuge_broken; /* libcheck's */
	two_hugepages(40, 80);
	allocate(&runs[2], PCM_HUGE_NPAGES, 1);
	release_run(&runs[2]);
	cold = stats().free_cold;
	must(stats().nhuge_broken == broken);
	must(pcm_page_heap_release(1) == PCM_HUGEPAGE);
	must(stats().nhuge_broken == broken);
	must(stats().free_cold == cold + PCM_HUGEPAGE);
	must(pcm_page_heap_release(1) == 80 * PCM_PAGE);
	must(stats().nhuge_broken == broken + 1);
	must(pcm_page_heap_release(SIZE_MAX) == 40 * PCM_PAGE);
	must(stats().nhuge_broken == broken + 2);
	release_run(&runs[0]);
	must(stats().nhuge_broken == broken + 1);
	(void)pcm_page_heap_release(SIZE_MAX);
	/* Nothing is left behind it: it is as good as new. */
	allocate(&runs[0], 1, 1);
	must(stats().nhuge_broken == broken + 1);
	must_balance();
}
END_TEST

/* Decay breaks hugepages only while more than 1/64 of what is used is free. */
START_TEST(decay_breaks_under_pressure_only)
{
	size_t i, used, warm, broken, n = 16;

	start();
	for (i = 0; i < n; i++)
		allocate(&runs[i], PCM_HUGE_NPAGES, 1);
	(void)pcm_page_heap_release(SIZE_MAX);
	used = stats().used;
	broken = stats().nhuge_broken;
	for (i = 0; i < n; i++)
		shrink(&runs[i], PCM_HUGE_NPAGES - PCM_HUGE_NPAGES / 85);
	warm = stats().free_warm;
	must(warm <= used / 64 && warm >= used / 128);
	for (i = 0; i < 20; i++)
		pcm_page_heap_decay();
	must(stats().free_warm == warm);
	must(stats().nhuge_broken == broken);
	for (i = 0; i < n; i++)
		shrink(&runs[i], PCM_HUGE_NPAGES / 2);
	for (i = 0; i < 40; i++)
		pcm_page_heap_decay();
	must(stats().nhuge_broken > broken);
	must(stats().free_warm <= stats().used / 64);
	must_balance();
}
END_TEST

START_TEST(every_alignment)
{
	size_t align, i = 0;

	start();
	for (align = 1; align <= PCM_HUGE_NPAGES; align *= 2) {
		allocate(&runs[i++], 1, align);
		allocate(&runs[i++], align, align);
		allocate(&runs[i++], PCM_HUGE_NPAGES, align);
		allocate(&runs[i++], 3, align);
	}
	must_balance();
	while (i-- > 0)
		release_run(&runs[i]);
	must_balance();
}
END_TEST

/* Free hugepages are unmapped but for some; the pagemap forgets them. */
START_TEST(unmapped)
{
	size_t nhuge, nfree, done;
	unsigned int i;
	char *p;

	start();
	for (i = 0; i < 4; i++)
		allocate(&runs[i], PCM_HUGE_NPAGES, 1);
	for (i = 0; i < 4; i++)
		release_run(&runs[i]);
	nhuge = stats().nhuge;
	nfree = stats().nhuge_free;
	must(nfree >= 4);
	must(pcm_page_heap_unmap(nfree) == 0);
	done = pcm_page_heap_unmap(1);
	must(done == (nfree - 1) * PCM_HUGEPAGE);
	must(stats().nhuge_free == 1);
	must(stats().nhuge == nhuge - (nfree - 1));
	must_balance();
	p = pcm_page_heap_alloc(PCM_HUGE_NPAGES, NULL); /* the one left */
	must(stats().nhuge_free == 0);
	pcm_page_heap_free(p, PCM_HUGE_NPAGES);
	must(pcm_page_heap_unmap(0) == PCM_HUGEPAGE);
	must(pcm_pagemap_hugepage(p) == NULL);
	must(pcm_page_heap_unmap(0) == 0);
	must_balance();
}
END_TEST

/* Pages that were not needed for a while go back, a part at a time. */
START_TEST(decays)
{
	unsigned int i;
	size_t warm;

	start();
	for (i = 0; i < 8; i++)
		allocate(&runs[i], PCM_HUGE_NPAGES, 1);
	for (i = 0; i < 8; i++)
		release_run(&runs[i]);
	warm = stats().free_warm;
	must(warm >= 8 * PCM_HUGEPAGE);
	pcm_page_heap_decay(); /* they came in this interval */
	must(stats().free_warm >= warm / 2);
	for (i = 0; i < 40; i++)
		pcm_page_heap_decay();
	must(stats().free_warm < PCM_HUGEPAGE);
	must_balance();
}
END_TEST

/* Pages in use at some moment of the interval are not given back. */
START_TEST(decay_spares_what_is_used)
{
	unsigned int i;

	start();
	(void)pcm_page_heap_release(SIZE_MAX);
	allocate(&runs[0], PCM_HUGE_NPAGES, 1);
	release_run(&runs[0]);
	for (i = 0; i < 20; i++) {
		size_t warm = stats().free_warm;

		allocate(&runs[0], PCM_HUGE_NPAGES, 1);
		release_run(&runs[0]);
		pcm_page_heap_decay();
		must(stats().free_warm + PCM_PAGE * 2 >= warm);
	}
}
END_TEST

int main(void)
{
	TCase *tests = unit_begin("page_heap");

	tcase_add_loop_test(tests, random_operations, 0, 2);
	tcase_add_test(tests, released_reads_zero);
	tcase_add_test(tests, reused_is_not_zeroed);
	tcase_add_test(tests, extends_in_place_only);
	tcase_add_test(tests, packs);
	tcase_add_test(tests, small_runs_go_to_broken_ones);
	tcase_add_test(tests, warm_pages_before_cold_ones);
	tcase_add_test(tests, warm_pages_of_any_hugepage);
	tcase_add_test(tests, warm_pages_that_come_later);
	tcase_add_test(tests, whole_ones_are_released_first);
	tcase_add_test(tests, decay_breaks_under_pressure_only);
	tcase_add_test(tests, every_alignment);
	tcase_add_test(tests, unmapped);
	tcase_add_test(tests, decays);
	tcase_add_test(tests, decay_spares_what_is_used);
	return unit_end();
}
