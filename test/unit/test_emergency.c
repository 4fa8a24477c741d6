/*
 * emergency: malloc and free where the thread has interrupted its own slow
 * path, simulated by the mark that slow.h sets; and with every lock held.
 */
#include "unit.h"

#include <malloc.h>
#include <pthread.h>
#include <sys/mman.h>

#include "block.h"
#include "central.h"
#include "depot.h"
#include "emergency.h"
#include "fork_locks.h"
#include "magazine.h"
#include "mapping.h"
#include "meta.h"
#include "page_heap.h"
#include "pagemap.h"
#include "percpu.h"
#include "slow.h"
#include "span.h"

#define MANY 1000

static struct block {
	char *p;
	size_t nbytes, align;
} blocks[MANY];

/* As a handler finds it. */
static void interrupt(void)
{
	must(pcm_slow_enter());
	must(pcm_slow_interrupted());
	must(!pcm_slow_enter());
}

static void resume(void)
{
	pcm_slow_leave();
	must(!pcm_slow_interrupted());
}

static bool is_emergency(void *p)
{
	struct pcm_span *span = pcm_pagemap_span(p);

	must(span != NULL);
	return span->kind == PCM_SPAN_EMERGENCY;
}

static size_t random_size(uint64_t *state)
{
	switch (rnd(state) % 16) {
	case 0:
		return rnd_between(state, PCM_SMALL_MAX, 2 << 20);
	case 1:
	case 2:
		return rnd_between(state, 4096, PCM_SMALL_MAX);
	default:
		return rnd_between(state, 0, 2000);
	}
}

static void allocate(struct block *b, unsigned int i, uint64_t *state)
{
	b->nbytes = random_size(state);
	b->align = rnd(state) % 4 ? 8 : (size_t)1 << rnd_between(state, 3, 16);
	if (b->align == 8)
		b->p = malloc(b->nbytes);
	else
		b->p = aligned_alloc(b->align, b->nbytes);
	must(b->p != NULL && (uintptr_t)b->p % b->align == 0);
	must(malloc_usable_size(b->p) >= b->nbytes);
	fill(b->p, b->nbytes, i);
}

/* In place or moved: never waiting for a lock. */
static void reallocate(struct block *b, unsigned int i, uint64_t *state)
{
	size_t n = 1 + random_size(state);
	size_t kept = n < b->nbytes ? n : b->nbytes;
	char *p = realloc(b->p, n);

	must(p != NULL && filled(p, kept, i));
	b->p = p;
	b->nbytes = n;
	fill(p, n, i);
}

static void use_all(uint64_t *state)
{
	unsigned int i;

	for (i = 0; i < MANY; i++)
		allocate(&blocks[i], i, state);
	for (i = 0; i < MANY; i += 7)
		reallocate(&blocks[i], i, state);
	for (i = 0; i < MANY; i++)
		must(filled(blocks[i].p, blocks[i].nbytes, i));
}

static void free_all(void)
{
	unsigned int i;

	for (i = 0; i < MANY; i++)
		free(blocks[i].p);
}

static size_t emergencies(void)
{
	unsigned int i;
	size_t n = 0;

	for (i = 0; i < MANY; i++)
		n += is_emergency(blocks[i].p);
	return n;
}

START_TEST(interrupted)
{
	uint64_t state = testing_seed();
	char *p;

	interrupt();
	use_all(&state);
	p = pcm_emergency_alloc(3 << 20, 16);
	must(p != NULL && is_emergency(p));
	free_all();
	free(p);
	must(pcm_pagemap_span(p) == NULL);
	resume();
	free(malloc(300000)); /* a slow path */
	must(pcm_emergency_deferred() == NULL);
}
END_TEST

/* A handler that has interrupted the holder of every lock there is. */
START_TEST(every_lock_held)
{
	uint64_t state = testing_seed();
	bool quiet;

	interrupt();
	pcm_fork_lock_all(&quiet);
	use_all(&state);
	must(emergencies() > MANY / 2);
	free_all();
	pcm_fork_unlock_all();
	resume();
	free(malloc(300000));
	must(pcm_emergency_deferred() == NULL);
}
END_TEST

/* Blocks of a handler are freed by the program, and the other way round. */
START_TEST(freed_later)
{
	uint64_t state = testing_seed();
	unsigned int i;
	bool quiet;

	interrupt();
	pcm_fork_lock_all(&quiet);
	use_all(&state);
	pcm_fork_unlock_all();
	resume();
	for (i = 0; i < MANY; i++)
		must(filled(blocks[i].p, blocks[i].nbytes, i));
	free_all();
	for (i = 0; i < MANY; i++) {
		blocks[i].nbytes = random_size(&state);
		blocks[i].p = malloc(blocks[i].nbytes);
		fill(blocks[i].p, blocks[i].nbytes, i);
	}
	interrupt();
	free_all();
	resume();
	free(malloc(300000));
	must(pcm_emergency_deferred() == NULL);
}
END_TEST

/* What came free in handlers is not lost. */
START_TEST(nothing_lost)
{
	struct mallinfo2 before, after;
	uint64_t state = testing_seed();
	unsigned int i;

	before = mallinfo2();
	for (i = 0; i < 6; i++) {
		interrupt();
		use_all(&state);
		free_all();
		resume();
		free(malloc(300000));
	}
	after = mallinfo2();
	must(after.uordblks == before.uordblks);
	must(after.hblkhd == before.hblkhd);
}
END_TEST

/* A central list whose lock is free serves; else a mapping of its own. */
START_TEST(from_a_span)
{
	void *p, *q;

	p = malloc(100);
	free(p);
	must(malloc_trim(0) == 0 || malloc_trim(0) == 0); /* empty caches */
	pcm_size_class_use_all();
	p = malloc(3000); /* a span of this class, with free blocks in it */
	q = pcm_emergency_alloc(3000, 16);
	must(!is_emergency(q) && pcm_pagemap_class(q) == pcm_pagemap_class(p));
	pcm_central_fork_lock();
	q = pcm_emergency_alloc(3000, 16);
	pcm_central_fork_unlock();
	must(is_emergency(q));
}
END_TEST

static const size_t sizes[] = { 1, 8, 9, 4096, PCM_PAGE - 64, PCM_PAGE,
				PCM_PAGE + 1, 262144, 262145, 5000000 };

START_TEST(own_mapping)
{
	size_t n = sizes[_i], align;

	pcm_central_fork_lock();
	for (align = 1; align <= (size_t)1 << 24; align *= 2) {
		char *p = pcm_emergency_alloc(n, align);
		struct pcm_span *span;

		must(p != NULL && is_emergency(p));
		must((uintptr_t)p % align == 0 && (uintptr_t)p % 16 == 0);
		span = pcm_pagemap_span(p);
		must(span->start == p && span->nbytes >= n);
		/* Of more than a page it is a new one, never a parked one. */
		must(n < PCM_PAGE || all_bytes(p, span->nbytes, 0));
		memset(p, 0x55, span->nbytes);
		must(pcm_pagemap_class(p) == 0);
		must(pcm_pagemap_span(p) == span);
		pcm_emergency_free(span);
		must(pcm_pagemap_span(p) == NULL);
	}
	pcm_central_fork_unlock();
}
END_TEST

static bool is_mapped(void *p)
{
	unsigned char vec;
	char *page = p;

	page -= (uintptr_t)p % 4096;
	return mincore(page, 1, &vec) == 0;
}

static void small_mappings(char **p, size_t n)
{
	size_t i;

	pcm_central_fork_lock();
	for (i = 0; i < n; i++) {
		p[i] = pcm_emergency_alloc(1 + i, 16);
		must(p[i] != NULL && is_emergency(p[i]));
		fill(p[i], 1 + i, (unsigned int)i);
	}
	pcm_central_fork_unlock();
}

/* Small mappings wait for the next handler, until a tick finds none came by. */
START_TEST(parked)
{
	char *p[100], *again[10];
	size_t i, nmapped;

	pcm_emergency_decay();
	pcm_emergency_release();
	small_mappings(p, 10);
	for (i = 0; i < 10; i++)
		free(p[i]);
	small_mappings(again, 10);
	for (i = 0; i < 10; i++)
		must(again[i] == p[i] && filled(p[i], 1 + i, (unsigned int)i));
	for (i = 0; i < 10; i++)
		free(p[i]);
	pcm_emergency_decay();
	for (i = 0; i < 10; i++)
		must(is_mapped(p[i]) && pcm_pagemap_span(p[i]) == NULL);
	pcm_emergency_decay();
	for (i = 0; i < 10; i++)
		must(!is_mapped(p[i]));

	small_mappings(p, 100);
	for (i = 0, nmapped = 0; i < 100; i++) {
		free(p[i]);
		nmapped += is_mapped(p[i]);
	}
	must(nmapped >= 10 && nmapped < 50);
	must(pcm_emergency_release() == nmapped * PCM_PAGE);
	must(pcm_emergency_release() == 0);
}
END_TEST

#define ROUNDS 20000
#define NTAKERS 6

static pthread_barrier_t barrier;

/* Every mapping has one owner at a time. */
static void *take_and_park(void *arg)
{
	unsigned int seed = (unsigned int)(uintptr_t)arg, i, k;
	char *p[8];

	pthread_barrier_wait(&barrier);
	for (i = 0; i < ROUNDS; i++) {
		for (k = 0; k < 8; k++) {
			p[k] = pcm_emergency_alloc(500, 16);
			must(p[k] != NULL && is_emergency(p[k]));
			fill(p[k], 500, seed + k);
		}
		for (k = 0; k < 8; k++) {
			must(filled(p[k], 500, seed + k));
			free(p[k]);
		}
		if (i % 1000 == 0)
			pcm_emergency_release();
	}
	pthread_barrier_wait(&barrier);
	return NULL;
}

START_TEST(parked_by_threads)
{
	pthread_t thread[NTAKERS];
	uintptr_t i;

	pthread_barrier_init(&barrier, NULL, NTAKERS + 1);
	for (i = 0; i < NTAKERS; i++)
		must(pthread_create(&thread[i], NULL, take_and_park,
				    (void *)(i * 100)) == 0);
	pcm_central_fork_lock(); /* so that nothing but mappings serves */
	pthread_barrier_wait(&barrier);
	pthread_barrier_wait(&barrier);
	pcm_central_fork_unlock();
	for (i = 0; i < NTAKERS; i++)
		must(pthread_join(thread[i], NULL) == 0);
	pthread_barrier_destroy(&barrier);
}
END_TEST

START_TEST(too_large)
{
	must(pcm_emergency_alloc(SIZE_MAX, 16) == NULL);
	must(pcm_emergency_alloc(PTRDIFF_MAX, 16) == NULL);
	must(pcm_emergency_alloc((size_t)1 << 62, 16) == NULL);
	must(pcm_emergency_alloc(1, (size_t)1 << 61) == NULL);
	interrupt();
	errno = 0;
	must(malloc(opaque_size((size_t)1 << 62)) == NULL && errno == ENOMEM);
	errno = 0;
	must(calloc(opaque_size(SIZE_MAX / 2), 3) == NULL && errno == ENOMEM);
	resume();
}
END_TEST

START_TEST(calloc_is_zero)
{
	uint64_t state = testing_seed();
	unsigned int i;

	for (i = 0; i < MANY; i++) {
		size_t n = random_size(&state);
		char *p;

		if (i % 2)
			interrupt();
		p = calloc(1, n);
		must(p != NULL && all_bytes(p, n, 0));
		memset(p, 0x55, n);
		free(p);
		if (i % 2)
			resume();
	}
}
END_TEST

/* ---- the list of deferred blocks ---- */

#define NTHREADS 4
#define PER_THREAD 20000

static uint64_t slots[NTHREADS][PER_THREAD];

static void *defer(void *arg)
{
	uint64_t *mine = arg;
	unsigned int i;

	for (i = 0; i < PER_THREAD; i++)
		pcm_emergency_defer(&mine[i]);
	return NULL;
}

/* Takes what is there; every block once. */
static size_t collect(void)
{
	static unsigned char seen[NTHREADS * PER_THREAD];
	uint64_t *p = pcm_emergency_deferred();
	size_t n = 0;

	for (; p != NULL; p = *(uint64_t **)p, n++)
		must(++seen[p - &slots[0][0]] == 1);
	return n;
}

START_TEST(deferred_by_threads)
{
	pthread_t thread[NTHREADS];
	unsigned int i;
	size_t n = 0;

	for (i = 0; i < NTHREADS; i++)
		must(pthread_create(&thread[i], NULL, defer, slots[i]) == 0);
	while (n < NTHREADS * PER_THREAD)
		n += collect();
	for (i = 0; i < NTHREADS; i++)
		must(pthread_join(thread[i], NULL) == 0);
	must(n == NTHREADS * PER_THREAD);
	must(pcm_emergency_deferred() == NULL);
}
END_TEST

int main(void)
{
	TCase *tests = unit_begin("emergency");

	tcase_add_test(tests, interrupted);
	tcase_add_test(tests, every_lock_held);
	tcase_add_test(tests, freed_later);
	tcase_add_test(tests, nothing_lost);
	tcase_add_test(tests, from_a_span);
	tcase_add_loop_test(tests, own_mapping, 0,
			    sizeof(sizes) / sizeof(sizes[0]));
	tcase_add_test(tests, parked);
	tcase_add_test(tests, parked_by_threads);
	tcase_add_test(tests, too_large);
	tcase_add_test(tests, calloc_is_zero);
	tcase_add_test(tests, deferred_by_threads);
	return unit_end();
}
