/*
 * limit: what is counted, what a hard limit refuses, and when a soft one is near.
 * The program's own malloc is pcmalloc: its blocks count.
 */
#include "unit.h"

#include <sys/mman.h>

#include "limit.h"
#include "mapping.h"
#include "page_heap.h"

#define BLOCK (3 * MIB)
#define NBLOCKS 40

static void *p[NBLOCKS];

static size_t take_all(size_t nbytes)
{
	size_t n;

	for (n = 0; n < NBLOCKS; n++) {
		p[n] = malloc(nbytes);
		if (!p[n])
			break;
	}
	return n;
}

static void free_all(size_t n)
{
	while (n-- > 0)
		free(p[n]);
}

START_TEST(held_is_counted)
{
	size_t before, n;

	before = pcm_limit_held();
	n = take_all(BLOCK);
	must(n == NBLOCKS);
	must(pcm_limit_held() >= before + n * BLOCK);
	must(pcm_limit_held() <= before + n * BLOCK + MIB);
	p[0] = realloc(p[0], 2 * BLOCK);
	must(pcm_limit_held() >= before + (n + 1) * BLOCK);
	p[0] = realloc(p[0], BLOCK);
	free_all(n);
	must(malloc_trim(0));
	must(pcm_limit_held() <= before + MIB);
}
END_TEST

START_TEST(hard)
{
	size_t before = pcm_limit_held(), n;

	pcm_limit_init(SIZE_MAX, before + 60 * MIB);
	must(pcm_limit_hard() == before + 60 * MIB);
	n = take_all(BLOCK);
	must(n == 19 || n == 20);
	must(!malloc(BLOCK) && errno == ENOMEM);
	must(!realloc(p[0], 2 * BLOCK));
	must(pcm_limit_held() <= pcm_limit_hard());
	free_all(n);
	must(take_all(BLOCK) == n);
	free_all(n);
	/* What is kept is given back for something else. */
	n = take_all(700 * KIB);
	must(n == NBLOCKS);
	free_all(n);
	pcm_limit_init(SIZE_MAX, SIZE_MAX);
}
END_TEST

static void must_add_up(void)
{
	struct pcm_page_heap_stats heap;
	struct pcm_mapping_stats maps;

	pcm_page_heap_stats_get(&heap);
	pcm_mapping_stats_get(&maps);
	must(pcm_limit_held() ==
	     heap.used + heap.free_warm + maps.live + maps.cached);
}

/*
 * Pages that the program has locked cannot be released: a block of them and of
 * others without memory, which the limit refuses, changes nothing.
 */
START_TEST(hard_beside_locked_pages)
{
	char *q = malloc(300 * KIB);
	size_t before;

	memset(q, 1, 300 * KIB);
	must(mlock(q, 40 * KIB) == 0);
	free(q);
	before = pcm_limit_held();
	must_add_up();
	pcm_limit_init(SIZE_MAX, before + 100 * KIB);
	must(!malloc(900 * KIB) && errno == ENOMEM);
	must_add_up();
	must(pcm_limit_held() <= before);
	q = malloc(30 * KIB);
	must(q != NULL);
	free(q);
	must_add_up();
}
END_TEST

START_TEST(soft)
{
	size_t n, limit = testing_memory("VmRSS") + 40 * MIB;
	struct pcm_page_heap_stats stats;
	size_t i;

	pcm_limit_init(limit, SIZE_MAX);
	must(pcm_limit_soft() == limit);
	must(!atomic_load(&pcm_limit_near));
	n = take_all(BLOCK);
	must(n == NBLOCKS); /* it fails nothing */
	for (i = 0; i < n; i++)
		memset(p[i], 1, BLOCK);
	free(p[--n]);
	p[n++] = malloc(4 * BLOCK);
	must(atomic_load(&pcm_limit_near));
	free_all(n);
	pcm_page_heap_stats_get(&stats);
	must(stats.free_warm <= MIB);
	must(pcm_limit_held() < limit / 4 * 3);
	must(!atomic_load(&pcm_limit_near));
}
END_TEST

/* Memory of the process that is not ours keeps the limit near, whatever we free. */
START_TEST(soft_beside_other_memory)
{
	size_t other = 64 * MIB, limit = testing_memory("VmRSS") + other, part;
	char *map = mmap(NULL, other, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	must(map != MAP_FAILED);
	pcm_limit_init(limit, SIZE_MAX);
	memset(map, 1, other);
	pcm_limit_tick();
	must(atomic_load(&pcm_limit_near));
	free(opaque(malloc(3 * MIB)));
	must(atomic_load(&pcm_limit_near));
	/* To between seven eighths and fifteen sixteenths: not enough to end it. */
	part = limit / 32 * 3 / 4096 * 4096;
	must(munmap(map, part) == 0);
	pcm_limit_tick();
	must(testing_memory("VmRSS") < limit / 16 * 15);
	must(atomic_load(&pcm_limit_near));
	must(munmap(map + part, other - part) == 0);
	pcm_limit_tick();
	must(!atomic_load(&pcm_limit_near));
}
END_TEST

int main(void)
{
	TCase *tests = unit_begin("limit");

	tcase_add_test(tests, held_is_counted);
	tcase_add_test(tests, hard);
	tcase_add_test(tests, hard_beside_locked_pages);
	tcase_add_test(tests, soft);
	tcase_add_test(tests, soft_beside_other_memory);
	return unit_end();
}
