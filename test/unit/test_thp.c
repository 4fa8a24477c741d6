/*
 * thp: which hugepages get a huge page behind them, as the system is set: with
 * `never` none does, and the tests see to that.
 */
#include "unit.h"

#include "limit.h"
#include "page_heap.h"
#include "page_heap_check.h"
#include "page_heap_lists.h"
#include "pagemap.h"
#include "sys.h"
#include "thp.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <unistd.h>

#define RUN 8 /* pages: a span of small blocks */
#define RUNS_A_HUGEPAGE (PCM_HUGE_NPAGES / RUN)
#define MANY 72	    /* hugepages: so large that the next one is soon dense */
#define SOME 8	    /* a small one */
#define NTICKS 10000 /* enough, though a pause follow each collapse */

static char *run[2 * MANY * RUNS_A_HUGEPAGE];

static struct pcm_page_heap_stats stats(void)
{
	struct pcm_page_heap_stats now;

	pcm_page_heap_stats_get(&now);
	return now;
}

/* "KEY: N kB" of this process, in bytes; stdio would allocate. */
static size_t bytes_of(const char *key)
{
	static char text[4096];
	int fd = open("/proc/self/smaps_rollup", O_RDONLY);
	ssize_t n = read(fd, text, sizeof(text) - 1);
	char *at;

	must(n > 0);
	text[n] = '\0';
	close(fd);
	must(at = strstr(text, key));
	return strtoul(at + strlen(key), NULL, 10) * KIB;
}

static size_t huge_bytes(void)
{
	return bytes_of("\nAnonHugePages:");
}

/* Does this system give huge pages to who asks, and at once? */
static bool gives_huge(void)
{
	char *p = pcm_sys_map(PCM_HUGEPAGE, PCM_HUGEPAGE);
	bool done;

	if (pcm_thp_system() == PCM_THP_SYSTEM_NEVER || pcm_sys_page != 4096)
		return false;
	memset(p, 1, PCM_HUGEPAGE);
	done = pcm_sys_collapse(p, PCM_HUGEPAGE) == 0;
	munmap(p, PCM_HUGEPAGE);
	return done;
}

static void allocate(size_t from, size_t n, size_t npages, size_t ntouched)
{
	size_t i;

	for (i = from; i < from + n; i++) {
		must(run[i] = pcm_page_heap_alloc(npages, NULL));
		memset(run[i], 1, ntouched * PCM_PAGE);
	}
}

static void ticks(unsigned int n)
{
	unsigned int i;

	for (i = 0; i < n; i++) {
		pcm_thp_tick();
		if (i % 64 == 0)
			must(!pcm_page_heap_check());
	}
	must(!pcm_page_heap_check());
}

START_TEST(the_setting_is_the_system_s)
{
	static char text[100];
	int fd = open("/sys/kernel/mm/transparent_hugepage/enabled", O_RDONLY);
	enum pcm_thp_system setting = pcm_thp_system();

	if (fd < 0 || read(fd, text, sizeof(text) - 1) <= 0)
		must(setting == PCM_THP_SYSTEM_MADVISE);
	else if (strstr(text, "[always]"))
		must(setting == PCM_THP_SYSTEM_ALWAYS);
	else if (strstr(text, "[never]"))
		must(setting == PCM_THP_SYSTEM_NEVER);
	else
		must(setting == PCM_THP_SYSTEM_MADVISE);
}
END_TEST

#define LINE 512

/* VmFlags of the mapping at p, from /proc/self/smaps; "" if unreadable. */
static void read_flags(const void *p, char flags[LINE])
{
	FILE *f = fopen("/proc/self/smaps", "r");
	unsigned long from, to;
	bool here = false;
	char line[LINE];

	flags[0] = '\0';
	if (f == NULL)
		return;
	while (fgets(line, sizeof(line), f) != NULL) {
		if (sscanf(line, "%lx-%lx ", &from, &to) == 2)
			here = (uintptr_t)p >= from && (uintptr_t)p < to;
		else if (here && strncmp(line, "VmFlags:", 8) == 0)
			memcpy(flags, line, LINE);
	}
	fclose(f);
}

/* What a new region of a small or large heap, or a new mapping, is advised. */
enum { SMALL_HEAP, LARGE_HEAP, SMALL_MAPPING, LARGE_MAPPING };

static const struct {
	enum pcm_thp thp;
	int what;
	const char *flag, *not_flag;
} advice[] = {
	{ PCM_THP_AUTO, SMALL_HEAP, " nh", " hg" },
	{ PCM_THP_AUTO, LARGE_HEAP, "", " hg" },
	{ PCM_THP_AUTO, SMALL_MAPPING, " nh", " hg" },
	{ PCM_THP_AUTO, LARGE_MAPPING, "", " nh" },
	{ PCM_THP_ALWAYS, SMALL_HEAP, " hg", " nh" },
	{ PCM_THP_ALWAYS, LARGE_HEAP, " hg", " nh" },
	{ PCM_THP_ALWAYS, LARGE_MAPPING, " hg", " nh" },
	{ PCM_THP_NEVER, SMALL_HEAP, " nh", " hg" },
	{ PCM_THP_NEVER, LARGE_HEAP, " nh", " hg" },
	{ PCM_THP_NEVER, LARGE_MAPPING, " nh", " hg" },
};

static void advise(char *p, int what)
{
	if (what == LARGE_MAPPING)
		must(pcm_limit_take(100 * MIB));
	if (what == SMALL_MAPPING || what == LARGE_MAPPING)
		pcm_thp_new_mapping(p, PCM_HUGEPAGE);
	else
		(void)pcm_thp_new_region(p, PCM_HUGEPAGE,
					 what == LARGE_HEAP ? 100 : 0);
}

START_TEST(advised)
{
	char *p = pcm_sys_map(PCM_HUGEPAGE, PCM_HUGEPAGE);
	char flags[LINE];

	pcm_sys_thp = advice[_i].thp;
	advise(p, advice[_i].what);
	read_flags(p, flags);
	if (flags[0] == '\0' || access("/sys/kernel/mm/transparent_hugepage",
				       F_OK) != 0)
		return;
	must(strstr(flags, advice[_i].flag) != NULL);
	must(strstr(flags, advice[_i].not_flag) == NULL);
	/* Under `always` huge pages wait for the library, else for nobody. */
	if (advice[_i].thp == PCM_THP_AUTO && advice[_i].what == LARGE_HEAP)
		must((strstr(flags, " nh") != NULL) ==
		     (pcm_thp_system() == PCM_THP_SYSTEM_ALWAYS));
}
END_TEST

/* Dense ones are collapsed, whenever they became so. */
START_TEST(a_large_heap_becomes_huge)
{
	size_t n = MANY * PCM_HUGEPAGE, before = huge_bytes();

	allocate(0, MANY * RUNS_A_HUGEPAGE, RUN, RUN);
	ticks(NTICKS);
	if (!gives_huge()) {
		must(pcm_thp_system() != PCM_THP_SYSTEM_NEVER ||
		     stats().nhuge_backed == 0);
		must(huge_bytes() == before);
		return;
	}
	must(stats().nhuge_backed >= MANY - 1);
	must(huge_bytes() >= before + n - 2 * PCM_HUGEPAGE);
	must(huge_bytes() <= before + n + PCM_HUGEPAGE);
	must(all_bytes(run[0], RUN * PCM_PAGE, 1));
	must(all_bytes(run[MANY * RUNS_A_HUGEPAGE - 1], RUN * PCM_PAGE, 1));
}
END_TEST

/* As in allocator/thp.c; and what looking for candidates may take. */
#define EARNED_US 1000
#define LOOKS_US 200

static int64_t thread_us(void)
{
	return (int64_t)(testing_cpu_seconds() * 1e6);
}

/* No more than the ticks have earned, but for the collapse that was begun last. */
START_TEST(collapses_take_little_time)
{
	int64_t begin, us, longest = 0, all = 0;
	int i;

	allocate(0, MANY * RUNS_A_HUGEPAGE, RUN, RUN);
	for (i = 1; i <= 10; i++) {
		begin = thread_us();
		pcm_thp_tick();
		us = thread_us() - begin;
		all += us;
		longest = us > longest ? us : longest;
		must(all <= i * (EARNED_US + LOOKS_US) + longest);
	}
	must(stats().nhuge_backed > 0 || !gives_huge());
}
END_TEST

/* However much has been earned: no collapse begins in a tick after so long. */
#define TICK_US 4000

START_TEST(a_tick_is_short)
{
	int64_t us;
	size_t n;

	ticks(1000);
	allocate(0, MANY * RUNS_A_HUGEPAGE, RUN, RUN);
	do {
		n = stats().nhuge_backed;
		us = thread_us();
		pcm_thp_tick();
		us = thread_us() - us;
		n = stats().nhuge_backed - n;
	} while (n == 0 && gives_huge());
	/* The last one may take as long as all of them in the mean, or twice. */
	must(n < 3 || us * (int64_t)(n - 2) / (int64_t)n <= TICK_US + LOOKS_US);
}
END_TEST

START_TEST(a_small_heap_stays_on_small_pages)
{
	size_t before = huge_bytes();

	allocate(0, SOME * RUNS_A_HUGEPAGE, RUN, RUN);
	ticks(NTICKS);
	must(stats().nhuge <= PCM_THP_SMALL_HEAP);
	must(stats().nhuge_backed == 0);
	must(huge_bytes() == before);
}
END_TEST

/* Used, but not touched: huge pages would cost memory. */
START_TEST(what_is_not_touched_stays_so)
{
	size_t rss;

	allocate(0, MANY, PCM_HUGE_NPAGES, 16);
	rss = bytes_of("\nRss:");
	must(rss < MANY * PCM_HUGEPAGE / 4);
	ticks(NTICKS);
	must(stats().nhuge_backed == 0);
	must(bytes_of("\nRss:") <= rss + MIB);
}
END_TEST

/* What huge pages add is at most 1/64 of what is used, at any time. */
START_TEST(little_is_added)
{
	size_t i, sum = 0, rss = bytes_of("\nRss:");

	for (i = 0; i < MANY * RUNS_A_HUGEPAGE; i++) {
		allocate(i, 1, RUN, RUN);
		sum += RUN * PCM_PAGE;
		if (i % 16 != 0)
			continue;
		pcm_thp_tick();
		must(bytes_of("\nRss:") <= rss + sum + sum / 64 + MIB);
	}
}
END_TEST

/* Pages of a hugepage that is just begun are zero, and known to be. */
START_TEST(zero_pages_are_known)
{
	bool zeroed = false;
	char *p;

	allocate(0, MANY * RUNS_A_HUGEPAGE, RUN, RUN);
	do {
		p = pcm_page_heap_alloc(RUN, &zeroed);
		memset(p, 1, RUN * PCM_PAGE);
	} while (pcm_pagemap_hugepage(p)->nfree != PCM_HUGE_NPAGES - RUN);
	must(!gives_huge() || pcm_pagemap_hugepage(p)->backed);
	p = pcm_page_heap_alloc(RUN, &zeroed);
	must(zeroed);
	must(all_bytes(p, RUN * PCM_PAGE, 0));
	pcm_page_heap_free(p, RUN);
	must(p == pcm_page_heap_alloc(RUN, &zeroed));
	must(!zeroed);
}
END_TEST

/* Dense without it, and a small run, which goes where a hugepage is broken. */
#define PART 60

static void release_part(struct pcm_hugepage *huge)
{
	char *p = huge->base + PART * PCM_PAGE;

	pcm_page_heap_free(p, PART);
	must(pcm_page_heap_release(PART * PCM_PAGE) >= PART * PCM_PAGE);
}

/* A hugepage that was broken is not put together again at once. */
START_TEST(broken_ones_wait)
{
	struct pcm_hugepage *huge;
	char *p;

	allocate(0, MANY, PCM_HUGE_NPAGES, PCM_HUGE_NPAGES);
	ticks(NTICKS);
	if (!gives_huge())
		return;
	huge = pcm_pagemap_hugepage(run[3]);
	must(huge->backed);
	release_part(huge);
	must(!huge->backed && huge->broken);
	must(!pcm_page_heap_check());
	must(p = pcm_page_heap_alloc(PART, NULL));
	must(pcm_pagemap_hugepage(p) == huge);
	memset(p, 2, PART * PCM_PAGE);
	ticks(50);
	must(!huge->backed);
	ticks(100);
	must(huge->backed && !huge->broken);
	must(all_bytes(p, PART * PCM_PAGE, 2));
	must(all_bytes(huge->base, PART * PCM_PAGE, 1));
}
END_TEST

/* While one is being collapsed, its memory stays where it is. */
START_TEST(pinned_ones_stay)
{
	struct pcm_hugepage *huge;

	allocate(0, MANY, PCM_HUGE_NPAGES, PCM_HUGE_NPAGES);
	huge = pcm_pagemap_hugepage(run[3]);
	pcm_page_heap.pinned = huge;
	pcm_page_heap_free(run[3], PCM_HUGE_NPAGES);
	(void)pcm_page_heap_release(SIZE_MAX);
	must(huge->ncold == 0);
	(void)pcm_page_heap_unmap(0);
	must(pcm_pagemap_hugepage(huge->base) == huge);
	pcm_page_heap_fork_child();
	must(!pcm_page_heap.pinned);
	must(pcm_page_heap_unmap(0) > 0);
	must(!pcm_pagemap_hugepage(run[3]));
	must(!pcm_page_heap_check());
}
END_TEST

#define NLOADS 2
#define LOAD_RUNS 900 /* of up to 32 pages: more than a small heap */
#define LOAD_STEPS 20000

static atomic_int nloads;

static void fill_run(uint64_t *p, size_t npages, uint64_t mark)
{
	size_t i;

	for (i = 0; i < npages * PCM_PAGE / 8; i += 64)
		p[i] = mark + i;
}

static void must_hold(const uint64_t *p, size_t npages, uint64_t mark)
{
	size_t i;

	for (i = 0; i < npages * PCM_PAGE / 8; i += 64)
		must(p[i] == mark + i);
}

/*
 * Takes runs, writes them, sees that they hold what was written, gives them
 * back.
 */
static void *load(void *arg)
{
	static __thread struct {
		uint64_t *p, mark;
		size_t npages;
	} mine[LOAD_RUNS], *at;
	uint64_t state = (uintptr_t)arg;
	size_t i;

	for (i = 0; i < LOAD_STEPS; i++) {
		at = &mine[rnd(&state) % LOAD_RUNS];
		if (at->p) {
			must_hold(at->p, at->npages, at->mark);
			pcm_page_heap_free((char *)at->p, at->npages);
		}
		at->npages = rnd_between(&state, 1, 32);
		at->mark = rnd(&state);
		must(at->p = (uint64_t *)pcm_page_heap_alloc(at->npages, NULL));
		fill_run(at->p, at->npages, at->mark);
	}
	for (at = mine; at < mine + LOAD_RUNS; at++)
		if (at->p)
			must_hold(at->p, at->npages, at->mark);
	atomic_fetch_sub(&nloads, 1);
	return NULL;
}

/* Collapsing, releasing and unmapping while others work. */
START_TEST(under_load)
{
	uint64_t state = testing_seed(), i;
	pthread_t thread[NLOADS];

	atomic_store(&nloads, NLOADS);
	for (i = 0; i < NLOADS; i++)
		must(!pthread_create(&thread[i], NULL, load, (void *)(i + 1)));
	while (atomic_load(&nloads) > 0) {
		pcm_thp_tick();
		if (rnd(&state) % 64 == 0)
			(void)pcm_page_heap_release(rnd(&state) % PCM_HUGEPAGE);
		if (rnd(&state) % 64 == 0)
			pcm_page_heap_decay();
		if (rnd(&state) % 64 == 0)
			(void)pcm_page_heap_unmap(1);
		must(!pcm_page_heap_check());
	}
	for (i = 0; i < NLOADS; i++)
		must(!pthread_join(thread[i], NULL));
	must(!pcm_page_heap_check());
	must(stats().nhuge > PCM_THP_SMALL_HEAP);
}
END_TEST

int main(void)
{
	TCase *tests = unit_begin("thp");

	tcase_add_test(tests, the_setting_is_the_system_s);
	tcase_add_loop_test(tests, advised, 0,
			    sizeof(advice) / sizeof(advice[0]));
	tcase_add_test(tests, a_large_heap_becomes_huge);
	tcase_add_test(tests, collapses_take_little_time);
	tcase_add_test(tests, a_tick_is_short);
	tcase_add_test(tests, a_small_heap_stays_on_small_pages);
	tcase_add_test(tests, what_is_not_touched_stays_so);
	tcase_add_test(tests, little_is_added);
	tcase_add_test(tests, zero_pages_are_known);
	tcase_add_test(tests, broken_ones_wait);
	tcase_add_test(tests, pinned_ones_stay);
	tcase_add_test(tests, under_load);
	return unit_end();
}
