/*
 * page_heap: whose memory a run gets. What a home has used, and given back, is in its CPUs'
 * caches: it comes before what others have, in a heap that is not small.
 */
#include "unit.h"

#include "page_heap.h"
#include "page_heap_check.h"
#include "page_heap_lists.h"
#include "pagemap.h"
#include "percpu.h"
#include "storm.h"

#define NHUGE_MAX 16
#define HOLE 40

static struct pcm_hugepage *huges[NHUGE_MAX];

/* A hugepage of that home, with one hole of so many pages, which have memory. */
static struct pcm_hugepage *with_hole(unsigned int home, size_t npages)
{
	char *p = pcm_page_heap_alloc(PCM_HUGE_NPAGES, NULL);
	struct pcm_hugepage *huge;

	must(p != NULL);
	memset(p, 1, npages << PCM_PAGE_SHIFT);
	pcm_page_heap_free(p, npages);
	huge = pcm_pagemap_hugepage(p);
	huge->home = (uint8_t)home;
	return huge;
}

/* Of which of the hugepages a run of that length would be, if `home` asked for it. */
static struct pcm_hugepage *found(unsigned int home, unsigned int npages)
{
	struct pcm_wanted wanted = { .npages = npages, .align = 1, .home = home };

	pcm_lock(&pcm_page_heap.lock);
	must(pcm_page_heap_find_locked(&wanted));
	pcm_unlock(&pcm_page_heap.lock);
	must(pcm_page_heap_check() == NULL);
	return wanted.huge;
}

/* As if that much had been in use lately. */
static void be_large(bool large)
{
	pcm_lock(&pcm_page_heap.lock);
	pcm_page_heap.record = large ? (size_t)64 << 20 >> PCM_PAGE_SHIFT : 1;
	pcm_page_heap_note_record_locked();
	pcm_unlock(&pcm_page_heap.lock);
}

/* What the test's own library has free would be found, and what it looked for counts. */
static void start(void)
{
	(void)pcm_page_heap_release(SIZE_MAX);
	pcm_lock(&pcm_page_heap.lock);
	pcm_page_heap.skip = 0;
	pcm_unlock(&pcm_page_heap.lock);
}

/* Two equal ones in the order in which they are looked at, the last one first. */
START_TEST(own_first)
{
	start();
	huges[1] = with_hole(1, HOLE);
	huges[2] = with_hole(2, HOLE);
	be_large(true);
	must(found(1, HOLE) == huges[1]);
	must(found(2, HOLE) == huges[2]);
	must(found(1, HOLE / 2) == huges[1]);
	must(found(2, HOLE / 2) == huges[2]);
	must(found(3, HOLE) == huges[2]); /* it has none: anybody's */
	be_large(false);
	must(found(1, HOLE) == huges[2]);
	must(found(2, HOLE) == huges[2]);
}
END_TEST

/* A longer hole of its own comes before another's that fits; one too short does not. */
START_TEST(own_if_it_fits)
{
	start();
	huges[1] = with_hole(1, 2 * HOLE);
	huges[2] = with_hole(2, HOLE);
	be_large(true);
	must(found(1, HOLE) == huges[1]);
	must(found(2, HOLE) == huges[2]);
	must(found(2, HOLE + 1) == huges[1]);
	be_large(false);
	must(found(1, HOLE) == huges[2]);
}
END_TEST

/* Nobody looks for long under the lock. */
START_TEST(few_looks)
{
	unsigned int i;

	start();
	huges[0] = with_hole(1, 2 * HOLE);
	for (i = 1; i <= 6; i++)
		huges[i] = with_hole(2, HOLE);
	be_large(true);
	must(found(1, HOLE) == huges[0]);
	for (; i < NHUGE_MAX; i++)
		huges[i] = with_hole(2, HOLE);
	must(found(1, HOLE) == huges[NHUGE_MAX - 1]);
	must(found(1, HOLE + 1) == huges[0]);
}
END_TEST

/* A broken one comes first for small runs, whoever has an intact one. */
START_TEST(broken_first)
{
	char *p;

	start();
	huges[1] = with_hole(1, 2 * HOLE);
	must(pcm_page_heap_release(SIZE_MAX) > 0);
	must(huges[1]->broken);
	p = huges[1]->base + (2 * HOLE << PCM_PAGE_SHIFT);
	memset(p, 1, HOLE << PCM_PAGE_SHIFT);
	pcm_page_heap_free(p, HOLE);
	huges[2] = with_hole(2, HOLE);
	be_large(true);
	must(found(2, HOLE) == huges[1]);
	must(found(2, HOLE + 1) == huges[1]);
}
END_TEST

/* It is the home's that takes the first page of it, until all are free again. */
START_TEST(whose_it_is)
{
	struct pcm_hugepage *huge;
	unsigned int mine, other;
	char *p, *rest, *hole;

	storm_pin();
	start();
	p = pcm_page_heap_alloc(PCM_HUGE_NPAGES, NULL);
	must(p != NULL);
	huge = pcm_pagemap_hugepage(p);
	mine = pcm_percpu_home();
	other = (mine + 1) % PCM_NHOMES;
	must(huge->home == mine);
	huge->home = (uint8_t)other;
	memset(p, 1, HOLE << PCM_PAGE_SHIFT);
	pcm_page_heap_free(p, HOLE);
	rest = p + ((size_t)HOLE << PCM_PAGE_SHIFT);
	do
		must((hole = pcm_page_heap_alloc(HOLE, NULL)) != NULL);
	while (hole != p);
	must(huge->home == other);
	pcm_page_heap_free(hole, HOLE);
	pcm_page_heap_free(rest, PCM_HUGE_NPAGES - HOLE);
	do
		must((p = pcm_page_heap_alloc(PCM_HUGE_NPAGES, NULL)) != NULL);
	while (pcm_pagemap_hugepage(p) != huge);
	must(huge->home == mine);
}
END_TEST

int main(void)
{
	TCase *tests = unit_begin("page_heap_homes");

	tcase_add_test(tests, own_first);
	tcase_add_test(tests, own_if_it_fits);
	tcase_add_test(tests, few_looks);
	tcase_add_test(tests, broken_first);
	tcase_add_test(tests, whose_it_is);
	return unit_end();
}
