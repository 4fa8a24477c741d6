/*
 * mapping: blocks with mappings of their own. The cache of freed ones, growing
 * and shrinking, what is said to be zero.
 */
#include "unit.h"

#include <sys/mman.h>
#include <sys/resource.h>

#include "mapping.h"
#include "page.h"
#include "pagemap.h"
#include "span.h"
#include "sys.h"

#define CACHE_BYTES ((size_t)128 << 20)
#define CACHE_COUNT 64

static struct pcm_mapping_stats before;

static struct pcm_mapping_stats stats(void)
{
	struct pcm_mapping_stats now;

	pcm_mapping_stats_get(&now);
	return now;
}

static void start(void)
{
	(void)pcm_mapping_cache_release(SIZE_MAX);
	before = stats();
	must(before.ncached == 0 && before.cached == 0);
}

/* The span of a live block that begins at p. */
static struct pcm_span *span_of(char *p)
{
	struct pcm_span *span = pcm_pagemap_span(p);

	must(span != NULL && span->kind == PCM_SPAN_MAPPING);
	must(span->start == p);
	return span;
}

static char *allocate(size_t nbytes, bool *zeroed)
{
	char *p = pcm_mapping_alloc(nbytes, 16, zeroed);

	must(p != NULL);
	must((uintptr_t)p % 4096 == 0);
	must(span_of(p)->nbytes >= nbytes);
	return p;
}

static bool is_mapped(char *p)
{
	unsigned char vec;

	return mincore(p, 1, &vec) == 0;
}

static const size_t sizes[] = { 1,	 4096,	    PCM_PAGE, PCM_PAGE + 1,
				1048577, 2097152,   5000000,  20000000,
				100000,	 1u << 30 };

START_TEST(allocated)
{
	bool zeroed = false;
	char *p;

	start();
	p = allocate(sizes[_i], &zeroed);
	must(zeroed);
	must(p[0] == 0 && p[sizes[_i] - 1] == 0);
	p[0] = p[sizes[_i] - 1] = 1;
	must(stats().nlive == before.nlive + 1);
	must(stats().live - before.live == span_of(p)->nbytes);
	must(pcm_mapping_contains(p));
	must(pcm_mapping_contains(p + sizes[_i] - 1));
	must(!pcm_mapping_contains(p + span_of(p)->nbytes));
	must(!pcm_mapping_contains(p - 1));
	pcm_mapping_free(span_of(p));
	must(stats().nlive == before.nlive && stats().live == before.live);
	must(!pcm_mapping_contains(p));
}
END_TEST

START_TEST(aligned)
{
	size_t align;

	start();
	for (align = 16; align <= (size_t)1 << 32; align *= 2) {
		char *p = pcm_mapping_alloc(100000, align, NULL);

		must(p != NULL && (uintptr_t)p % align == 0);
		p[0] = p[99999] = 1;
		pcm_mapping_free(span_of(p));
	}
}
END_TEST

START_TEST(too_large)
{
	bool zeroed;

	must(pcm_mapping_alloc(SIZE_MAX, 16, &zeroed) == NULL);
	must(pcm_mapping_alloc((size_t)PTRDIFF_MAX, 16, &zeroed) == NULL);
	must(pcm_mapping_alloc((size_t)1 << 62, 16, &zeroed) == NULL);
	must(pcm_mapping_alloc(1 << 20, (size_t)1 << 62, NULL) == NULL);
}
END_TEST

/* A freed block serves the next of about its size, and is not said to be 0. */
START_TEST(reused)
{
	bool zeroed = true;
	char *p, *q;

	start();
	p = allocate(4000000, NULL);
	memset(p, 0x55, 4000000);
	pcm_mapping_free(span_of(p));
	must(stats().ncached == 1 && stats().cached >= 4000000);
	must(pcm_pagemap_span(p) == NULL && pcm_mapping_was_freed(p));
	must(pcm_mapping_was_freed(p + 3999999));
	q = allocate(3900000, &zeroed);
	must(q == p && !zeroed);
	must(stats().ncached == 1);
	must(stats().cached == 4000000 / 4096 * 4096 + 4096 - span_of(q)->nbytes);
}
END_TEST

/* A smaller one takes a part, and the rest serves another. */
START_TEST(reused_in_parts)
{
	char *p, *q;

	start();
	p = allocate(8 << 20, NULL);
	pcm_mapping_free(span_of(p));
	q = allocate(4 << 20, NULL);
	must(q == p && span_of(q)->nbytes == 4 << 20);
	must(stats().ncached == 1 && stats().cached == 4 << 20);
	must(allocate(3 << 20, NULL) == p + (4 << 20));
	must(stats().cached == 1 << 20);
	must(!pcm_mapping_was_freed(p) && pcm_mapping_was_freed(p + (7 << 20)));
}
END_TEST

/* What two neighbours left serves a block as large as both. */
START_TEST(neighbours_merge)
{
	char *p, *q;

	start();
	p = allocate(8 << 20, NULL);
	pcm_mapping_free(span_of(p));
	p = allocate(3 << 20, NULL);
	q = allocate(5 << 20, NULL);
	must(q == p + (3 << 20) && stats().ncached == 0);
	pcm_mapping_free(span_of(p));
	pcm_mapping_free(span_of(q));
	must(stats().ncached == 1 && stats().cached == 8 << 20);
	must(allocate(8 << 20, NULL) == p);
}
END_TEST

/* A block grows into what lies kept behind it, and keeps its content. */
START_TEST(grows_into_kept)
{
	char *p;

	start();
	p = allocate(8 << 20, NULL);
	pcm_mapping_free(span_of(p));
	p = allocate(3 << 20, NULL);
	fill(p, 3 << 20, 7);
	must(pcm_mapping_resize(span_of(p), 6 << 20) == p);
	must(span_of(p)->nbytes == 6 << 20 && stats().cached == 2 << 20);
	must(filled(p, 3 << 20, 7));
	fill(p, 6 << 20, 8);
	must(pcm_mapping_resize(span_of(p), 2 << 20) == p);
	must(stats().ncached == 1 && stats().cached == 6 << 20);
	must(filled(p, 2 << 20, 8));
}
END_TEST

/* A smaller one is grown rather than left lying. */
START_TEST(grown_from_cache)
{
	bool zeroed = true;
	char *p, *q;

	start();
	p = allocate(2 << 20, NULL);
	memset(p, 0x55, 2 << 20);
	pcm_mapping_free(span_of(p));
	q = allocate(3 << 20, &zeroed);
	must(stats().ncached == 0);
	must(!zeroed || all_bytes(q, 3 << 20, 0));
	memset(q, 0x66, 3 << 20);
	must(q == p || pcm_pagemap_span(p) == NULL);
}
END_TEST

/* What is kept in a GiB of which the pagemap knows nothing is grown, too. */
START_TEST(grown_beyond_the_pagemap)
{
	size_t gib = (size_t)1 << 30;
	char *p, *q;

	start();
	p = pcm_mapping_alloc(gib + (64 << 20), gib, NULL);
	must(p != NULL);
	must(pcm_mapping_resize(span_of(p), gib + (8 << 20)) == p);
	must(stats().cached == 56 << 20);
	/* So much that it is not kept; then there is plenty. */
	must(pcm_mapping_resize(span_of(p), gib / 4) == p);
	must(stats().cached == 56 << 20);
	q = allocate(60 << 20, NULL);
	must(stats().ncached == 0);
	memset(q, 1, 60 << 20);
	pcm_mapping_free(span_of(q));
}
END_TEST

/* A kept block is aligned as asked, or another one is made. */
START_TEST(reused_if_aligned)
{
	char *p, *q;

	start();
	p = allocate(3 << 20, NULL);
	pcm_mapping_free(span_of(p));
	q = pcm_mapping_alloc(3 << 20, (size_t)1 << 30, NULL);
	must(q != NULL && (uintptr_t)q % ((size_t)1 << 30) == 0);
}
END_TEST

START_TEST(bounded_count)
{
	static char *p[2 * (CACHE_COUNT + 20)];
	unsigned int i, n = 2 * (CACHE_COUNT + 20);

	start();
	for (i = 0; i < n; i++)
		p[i] = allocate(1 << 20, NULL);
	for (i = 0; i < n; i += 2) /* no neighbours */
		pcm_mapping_free(span_of(p[i]));
	must(stats().ncached == CACHE_COUNT);
	must(stats().cached == (size_t)CACHE_COUNT << 20);
	/* Those over the bound have gone, the first ones first. */
	must(!is_mapped(p[0]) && !pcm_mapping_was_freed(p[0]));
	must(is_mapped(p[n - 2]) && pcm_mapping_was_freed(p[n - 2]));
}
END_TEST

START_TEST(bounded_bytes)
{
	static char *p[10];
	unsigned int i;

	start();
	for (i = 0; i < 10; i++)
		p[i] = allocate(CACHE_BYTES / 4, NULL);
	for (i = 0; i < 10; i++) {
		pcm_mapping_free(span_of(p[i]));
		must(stats().cached <= CACHE_BYTES);
	}
	must(stats().cached == CACHE_BYTES);
	p[0] = allocate(CACHE_BYTES * 2, NULL);
	pcm_mapping_free(span_of(p[0]));
	must(stats().cached <= CACHE_BYTES);
}
END_TEST

/* The longest unused first, and no more than is asked for. */
START_TEST(released)
{
	static char *p[9];
	size_t mib = 1 << 20, nbytes = 3 << 20;
	unsigned int i;

	start();
	for (i = 0; i < 9; i++)
		p[i] = allocate(nbytes, NULL);
	for (i = 0; i < 9; i += 2) /* no neighbours */
		pcm_mapping_free(span_of(p[i]));
	must(pcm_mapping_cache_release(1) == mib);
	must(is_mapped(p[0]) && !is_mapped(p[0] + 2 * mib));
	must(pcm_mapping_cache_release(2 * mib) == 2 * mib);
	must(!is_mapped(p[0]) && is_mapped(p[2]));
	must(pcm_mapping_cache_release(nbytes + 1) == nbytes + mib);
	must(!is_mapped(p[2]) && is_mapped(p[4]));
	must(stats().ncached == 3 && stats().cached == 3 * nbytes - mib);
	must(pcm_mapping_cache_release(SIZE_MAX) == 3 * nbytes - mib);
	must(pcm_mapping_cache_release(SIZE_MAX) == 0);
	must(stats().ncached == 0 && stats().cached == 0);
	must(!is_mapped(p[8]));
}
END_TEST

START_TEST(decays)
{
	char *p;

	start();
	p = allocate(3 << 20, NULL);
	pcm_mapping_free(span_of(p));
	pcm_mapping_decay();
	must(stats().ncached == 1); /* it may be wanted again */
	usleep(1200000); /* it was not idle all of this second, perhaps */
	pcm_mapping_decay();
	usleep(1200000);
	pcm_mapping_decay();
	must(stats().ncached == 0 && !is_mapped(p));
}
END_TEST

static char *resize(char *p, size_t nbytes)
{
	struct pcm_span *span = span_of(p);
	char *q = pcm_mapping_resize(span, nbytes);

	must(q != NULL);
	must(span_of(q) == span);
	must(span->nbytes == pcm_round_up(nbytes, pcm_sys_page));
	must(stats().live - before.live == span->nbytes);
	must(q == p || pcm_pagemap_span(p) == NULL);
	return q;
}

START_TEST(resized)
{
	uint64_t state = testing_seed();
	size_t n = 2 << 20, k;
	unsigned int i;
	char *p;

	start();
	p = allocate(n, NULL);
	fill(p, n, 1);
	for (i = 0; i < 60; i++) {
		k = rnd_between(&state, 1 << 20, 12 << 20);
		p = resize(p, k);
		must(filled(p, k < n ? k : n, 1));
		fill(p, k, 1);
		n = k;
	}
}
END_TEST

/* Something lies behind the block: it must move. */
START_TEST(moved)
{
	size_t n = 2 << 20;
	char *p, *q, *wall;

	start();
	p = allocate(n, NULL);
	fill(p, n, 2);
	wall = mmap(p + n, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (wall != p + n) /* something lies there already */
		must(wall != MAP_FAILED);
	q = resize(p, 8 * n);
	must(q != p);
	must(filled(q, n, 2));
	must(all_bytes(q + n, 7 * n, 0));
	must(!is_mapped(p));
	pcm_mapping_free(span_of(q));
	must(stats().nlive == before.nlive && stats().live == before.live);
}
END_TEST

/* When there is no room nothing has changed. */
START_TEST(not_resized)
{
	size_t n = 2 << 20;
	struct rlimit limit;
	char *p;

	start();
	p = allocate(n, NULL);
	fill(p, n, 3);
	must(pcm_mapping_resize(span_of(p), SIZE_MAX) == NULL);
	must(pcm_mapping_resize(span_of(p), (size_t)1 << 62) == NULL);
	must(getrlimit(RLIMIT_AS, &limit) == 0);
	limit.rlim_cur = testing_memory("VmSize") + (1 << 20);
	must(setrlimit(RLIMIT_AS, &limit) == 0);
	must(pcm_mapping_resize(span_of(p), (size_t)1 << 30) == NULL);
	must(span_of(p)->nbytes == n && filled(p, n, 3));
	must(pcm_mapping_contains(p));
	must(stats().live - before.live == n);
}
END_TEST

/* Without address space the cache is given back, and then there is some. */
START_TEST(reclaims)
{
	struct rlimit limit;
	char *p, *q;

	start();
	p = allocate(64 << 20, NULL);
	q = allocate(5 << 20, NULL);
	pcm_mapping_free(span_of(p));
	must(stats().ncached == 1);
	must(getrlimit(RLIMIT_AS, &limit) == 0);
	limit.rlim_cur = testing_memory("VmSize") + (8 << 20);
	must(setrlimit(RLIMIT_AS, &limit) == 0);
	/* Not out of what is kept, so that it must go first. */
	p = pcm_mapping_alloc(40 << 20, (size_t)1 << 40, NULL);
	must(p == NULL && stats().ncached == 0);
	p = pcm_mapping_alloc(40 << 20, 16, NULL);
	must(p != NULL);
	must(pcm_mapping_alloc((size_t)1 << 30, 16, NULL) == NULL);
	pcm_mapping_free(span_of(q));
}
END_TEST

/* ---- random operations: zero where promised, nobody else's memory ---- */

#define NBLOCKS 24

static struct block {
	char *p;
	size_t nbytes;
	uint64_t seed;
} blocks[NBLOCKS];

static void random_step(uint64_t *state)
{
	struct block *b = &blocks[rnd(state) % NBLOCKS];
	size_t n = rnd_between(state, 1, 3 << 20);
	bool zeroed;

	if (b->p == NULL) {
		b->p = pcm_mapping_alloc(n, (size_t)16 << rnd(state) % 18,
					 &zeroed);
		must(b->p != NULL);
		must(!zeroed || all_bytes(b->p, span_of(b->p)->nbytes, 0));
	} else if (rnd(state) % 3 == 0) {
		char *p = pcm_mapping_resize(span_of(b->p), n);

		/* The kernel moves no block that lies in two mappings. */
		if (p == NULL)
			n = b->nbytes;
		else
			b->p = p;
		must(filled(b->p, n < b->nbytes ? n : b->nbytes, b->seed));
	} else {
		must(filled(b->p, b->nbytes, b->seed));
		pcm_mapping_free(span_of(b->p));
		b->p = NULL;
		return;
	}
	b->nbytes = n;
	b->seed = rnd(state);
	fill(b->p, n, b->seed);
}

START_TEST(random_operations)
{
	uint64_t state = testing_seed();
	unsigned int i, n = 0;
	size_t live = 0;

	start();
	for (i = 0; i < 400; i++)
		random_step(&state);
	for (i = 0; i < NBLOCKS; i++) {
		if (blocks[i].p == NULL)
			continue;
		must(filled(blocks[i].p, blocks[i].nbytes, blocks[i].seed));
		live += span_of(blocks[i].p)->nbytes;
		n++;
	}
	must(stats().nlive - before.nlive == n);
	must(stats().live - before.live == live);
}
END_TEST

int main(void)
{
	TCase *tests = unit_begin("mapping");

	tcase_add_loop_test(tests, allocated, 0,
			    sizeof(sizes) / sizeof(sizes[0]));
	tcase_add_test(tests, aligned);
	tcase_add_test(tests, too_large);
	tcase_add_test(tests, reused);
	tcase_add_test(tests, reused_in_parts);
	tcase_add_test(tests, neighbours_merge);
	tcase_add_test(tests, grows_into_kept);
	tcase_add_test(tests, grown_from_cache);
	tcase_add_test(tests, grown_beyond_the_pagemap);
	tcase_add_test(tests, reused_if_aligned);
	tcase_add_test(tests, bounded_count);
	tcase_add_test(tests, bounded_bytes);
	tcase_add_test(tests, released);
	tcase_add_test(tests, decays);
	tcase_add_test(tests, resized);
	tcase_add_test(tests, moved);
	tcase_add_test(tests, not_resized);
	tcase_add_test(tests, reclaims);
	tcase_add_test(tests, random_operations);
	return unit_end();
}
