/*
 * page_heap: whose memory a run gets. What a home has used, and given back, is in its CPUs'
 * caches: it comes before what nobody uses, and that before what others have, in a heap that
 * is not small.
 */
#include "unit.h"

#include "capacity.h"
#include "limit.h"
#include "page_heap.h"
#include "page_heap_check.h"
#include "page_heap_lists.h"
#include "pagemap.h"
#include "percpu.h"
#include "record.h"
#include "storm.h"

#define NHUGE_MAX 16
#define HOLE 12
#define SECTOR 64

static struct pcm_hugepage *huges[NHUGE_MAX];

static char *page(const struct pcm_hugepage *huge, size_t i)
{
	return huge->base + (i << PCM_PAGE_SHIFT);
}

static void make_hole(struct pcm_hugepage *huge, size_t first, size_t npages)
{
	memset(page(huge, first), 1, npages << PCM_PAGE_SHIFT);
	pcm_page_heap_free(page(huge, first), npages);
}

static struct pcm_hugepage *full(unsigned int home)
{
	char *p = pcm_page_heap_alloc(PCM_HUGE_NPAGES, NULL);
	struct pcm_hugepage *huge;

	must(p != NULL);
	huge = pcm_pagemap_hugepage(p);
	memset(huge->owner, (int)home, sizeof(huge->owner));
	return huge;
}

/* A hugepage of that home, with one hole of so many pages, which have memory. */
static struct pcm_hugepage *with_hole(unsigned int home, size_t npages)
{
	struct pcm_hugepage *huge = full(home);

	make_hole(huge, 0, npages);
	return huge;
}

/* The run of that length that `home` would get, if the heap need not grow for it. */
static bool find(struct pcm_wanted *wanted, unsigned int home, unsigned int npages)
{
	bool found;

	*wanted = (struct pcm_wanted){ .npages = npages, .align = 1, .home = home };
	pcm_lock(&pcm_page_heap.lock);
	found = pcm_page_heap_find_locked(wanted);
	pcm_unlock(&pcm_page_heap.lock);
	must(pcm_page_heap_check() == NULL);
	return found;
}

static bool is_found(unsigned int home, unsigned int npages)
{
	struct pcm_wanted wanted;

	return find(&wanted, home, npages);
}

static struct pcm_wanted wanted_by(unsigned int home, unsigned int npages)
{
	struct pcm_wanted wanted;

	must(find(&wanted, home, npages));
	return wanted;
}

static struct pcm_hugepage *found(unsigned int home, unsigned int npages)
{
	return wanted_by(home, npages).huge;
}

/* As if that much had been in use lately. */
static void be_large(bool large)
{
	set_record(large ? (size_t)64 << 20 >> PCM_PAGE_SHIFT : 1);
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

/* A run that is longer than a span of several blocks is anybody's. */
START_TEST(long_ones)
{
	start();
	huges[1] = with_hole(1, 17);
	huges[2] = with_hole(2, 17);
	be_large(true);
	must(found(1, 16) == huges[1]);
	must(found(2, 16) == huges[2]);
	must(found(1, 17) == huges[2]);
	must(found(2, 17) == huges[2]);
}
END_TEST

/* What nobody uses comes after what is the home's, and before what others use. */
START_TEST(free_sectors)
{
	struct pcm_wanted wanted;

	start();
	huges[1] = full(1);
	make_hole(huges[1], 0, HOLE);
	make_hole(huges[1], SECTOR, SECTOR);
	huges[2] = with_hole(2, HOLE);
	be_large(true);
	wanted = wanted_by(1, HOLE);
	must(wanted.huge == huges[1] && wanted.first == 0);
	must(wanted.whose == PCM_WHOSE_OWN);
	must(wanted_by(2, HOLE).huge == huges[2]);
	wanted = wanted_by(3, HOLE);
	must(wanted.huge == huges[1] && wanted.first == SECTOR);
	must(wanted.whose == PCM_WHOSE_FREE);
	wanted = wanted_by(2, HOLE + 1);
	must(wanted.huge == huges[1] && wanted.first == SECTOR);
	/* One page of it in use is enough. */
	make_hole(huges[1], 2 * SECTOR, SECTOR - 1);
	huges[1]->owner[1] = 2;
	must(wanted_by(1, HOLE + 1).first == 2 * SECTOR);
	be_large(false);
	must(wanted_by(3, HOLE).huge == huges[2]);
}
END_TEST

/* Without memory behind it, too: a home goes on where it is, and else begins anew. */
START_TEST(new_memory)
{
	struct pcm_wanted wanted;

	start();
	huges[1] = full(1);
	huges[1]->owner[3] = 2;
	make_hole(huges[1], 2 * SECTOR, HOLE);
	make_hole(huges[1], 3 * SECTOR, HOLE);
	make_hole(huges[1], 4 * SECTOR, SECTOR);
	be_large(true);
	start(); /* all of it goes back */
	must(huges[1]->ncold == 2 * HOLE + SECTOR);
	must(wanted_by(1, HOLE).first == 2 * SECTOR);
	must(wanted_by(2, HOLE).first == 3 * SECTOR);
	wanted = wanted_by(3, HOLE);
	must(wanted.huge == huges[1] && wanted.first == 4 * SECTOR);
	must(wanted.whose == PCM_WHOSE_FREE);
	be_large(false);
	must(wanted_by(3, HOLE).first == 2 * SECTOR);
}
END_TEST

/*
 * A busy home would rather have new memory than what others use, unless that were a record;
 * but takes what nobody uses.
 */
START_TEST(busy_home)
{
	struct pcm_wanted wanted;

	start();
	huges[1] = full(1);
	make_hole(huges[1], 0, HOLE);
	make_hole(huges[1], SECTOR, SECTOR);
	start();
	huges[2] = with_hole(2, HOLE);
	be_large(true);
	must(wanted_by(3, HOLE).huge == huges[2]);
	atomic_store(&pcm_capacity_busy_homes, 1u << 3);
	wanted = wanted_by(3, HOLE);
	must(wanted.huge == huges[1] && wanted.first == SECTOR);
	must(wanted_by(1, HOLE).huge == huges[2]);
	atomic_store(&pcm_capacity_busy_homes, 1u << 1);
	wanted = wanted_by(1, HOLE);
	must(wanted.huge == huges[1] && wanted.first == 0);
	set_record_to_used();
	must(wanted_by(1, HOLE).huge == huges[2]);
	be_large(true);
	atomic_store(&pcm_limit_near, true);
	must(wanted_by(1, HOLE).huge == huges[2]);
	atomic_store(&pcm_limit_near, false);
	must(wanted_by(1, HOLE).huge == huges[1]);
	make_hole(huges[2], SECTOR, SECTOR);
	wanted = wanted_by(1, HOLE);
	must(wanted.huge == huges[2] && wanted.first == SECTOR);
}
END_TEST

/* If there is no such memory, what others have serves. */
START_TEST(busy_and_full)
{
	start();
	while (is_found(1, HOLE))
		must(pcm_page_heap_alloc(HOLE, NULL) != NULL);
	huges[2] = with_hole(2, HOLE);
	be_large(true);
	atomic_store(&pcm_capacity_busy_homes, 1u << 1);
	must(wanted_by(1, HOLE).huge == huges[2]);
}
END_TEST

/* A broken one comes first for small runs, but not another home's. */
START_TEST(broken_first)
{
	start();
	huges[1] = with_hole(1, 2 * HOLE);
	must(pcm_page_heap_release(SIZE_MAX) > 0);
	must(huges[1]->broken);
	make_hole(huges[1], 2 * HOLE, HOLE);
	huges[2] = with_hole(2, HOLE);
	be_large(true);
	must(found(1, HOLE) == huges[1]);
	must(found(2, HOLE) == huges[2]);
	must(found(3, HOLE) == huges[1]);
	must(found(1, HOLE + 1) == huges[1]);
	be_large(false);
	must(found(2, HOLE) == huges[1]);
}
END_TEST

/* Takes runs until it has the one at p. */
static void take_back(const char *p, size_t npages)
{
	char *run;

	do
		must((run = pcm_page_heap_alloc(npages, NULL)) != NULL);
	while (run != p);
}

/* A sector is the home's that takes the first page of it, until all are free again. */
START_TEST(whose_it_is)
{
	struct pcm_hugepage *huge;
	unsigned int mine, other, w;

	storm_pin();
	start();
	be_large(true);
	mine = pcm_percpu_home();
	other = (mine + 1) % PCM_NHOMES;
	huge = full(other);
	make_hole(huge, 0, HOLE);
	take_back(huge->base, HOLE);
	must(huge->owner[0] == other);
	make_hole(huge, SECTOR, SECTOR);
	take_back(page(huge, SECTOR), HOLE);
	must(huge->owner[1] == mine);
	/* What grows in place takes the next one along. */
	make_hole(huge, 4 * SECTOR - 1, SECTOR + 1);
	must(pcm_page_heap_extend(page(huge, 4 * SECTOR - 2), 1, 2));
	for (w = 0; w < PCM_HUGE_NSECTORS; w++)
		must(huge->owner[w] == (w == 1 || w == 4 ? mine : other));
	must(pcm_page_heap_check() == NULL);
}
END_TEST

int main(void)
{
	TCase *tests = unit_begin("page_heap_homes");

	tcase_add_test(tests, own_first);
	tcase_add_test(tests, own_if_it_fits);
	tcase_add_test(tests, few_looks);
	tcase_add_test(tests, long_ones);
	tcase_add_test(tests, free_sectors);
	tcase_add_test(tests, new_memory);
	tcase_add_test(tests, busy_home);
	tcase_add_test(tests, busy_and_full);
	tcase_add_test(tests, broken_first);
	tcase_add_test(tests, whose_it_is);
	return unit_end();
}
