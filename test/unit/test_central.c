/*
 * central: blocks leave from the fullest span, empty spans leave for the page
 * heap, and what is no block or free already ends the process with one line.
 */
#include "unit.h"

#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "central_kit.h"
#include "misuse.h"
#include "page_heap.h"
#include "pagemap.h"
#include "percpu.h"
#include "size_class.h"
#include "span.h"
#include "storm.h"

#define NOBJS_MAX 8192

static void *objs[2 * NOBJS_MAX];

START_TEST(one_span)
{
	unsigned int c = unused_class(8), n = pcm_size_class[c].nobjs, i;
	struct pcm_span *span;

	get_objects(c, objs, n);
	span = pcm_pagemap_span(objs[0]);
	must(span != NULL && span->class == c);
	for (i = 0; i < n; i++) {
		must(pcm_pagemap_span(objs[i]) == span);
		must(pcm_pagemap_class(objs[i]) == c);
		must(i == 0 || objs[i] > objs[i - 1]);
	}
	must(stats_of(c).nspans == 1 && stats_of(c).nout == n);
	pcm_central_flush(c, objs, n);
	must(stats_of(c).nspans == 0 && stats_of(c).nout == 0);
	must(pcm_pagemap_class(objs[0]) == 0);
	must(pcm_pagemap_span(objs[0]) == NULL);
}
END_TEST

START_TEST(empty_spans_go_back)
{
	struct pcm_page_heap_stats before, during, after;
	unsigned int c = unused_class(2), n = pcm_size_class[c].nobjs;
	size_t nbytes = (size_t)pcm_size_class[c].npages << PCM_PAGE_SHIFT;

	pcm_page_heap_stats_get(&before);
	get_objects(c, objs, n);
	get_objects(c, objs + n, n);
	pcm_page_heap_stats_get(&during);
	must(during.used == before.used + 2 * nbytes);
	pcm_central_flush(c, objs, n - 1); /* one block holds the span */
	pcm_page_heap_stats_get(&after);
	must(after.used == during.used);
	pcm_central_flush(c, objs + n - 1, 1);
	pcm_page_heap_stats_get(&after);
	must(after.used == before.used + nbytes);
	pcm_central_flush(c, objs + n, n);
	pcm_page_heap_stats_get(&after);
	must(after.used == before.used);
}
END_TEST

/* Of two spans with free blocks the one with fewer of them serves. */
START_TEST(fullest_first)
{
	unsigned int c = unused_class(8), n = pcm_size_class[c].nobjs, i;
	struct pcm_span *full, *empty;
	void *more[8];

	get_objects(c, objs, n);
	get_objects(c, objs + n, n);
	full = pcm_pagemap_span(objs[0]);
	empty = pcm_pagemap_span(objs[n]);
	must(full != empty);
	pcm_central_flush(c, objs + n, n - 1);
	pcm_central_flush(c, objs, 1);
	must(full->nfree == 1 && empty->nfree == n - 1);
	get_objects(c, more, 1);
	must(more[0] == objs[0]);
	get_objects(c, more + 1, 4);
	for (i = 1; i <= 4; i++)
		must(pcm_pagemap_span(more[i]) == empty);
	must(stats_of(c).nspans == 2);
}
END_TEST

/* A fill takes from several spans before it asks for a new one. */
START_TEST(fill_from_several)
{
	unsigned int c = unused_class(8), n = pcm_size_class[c].nobjs;
	void *more[8];

	get_objects(c, objs, n);
	get_objects(c, objs + n, n);
	pcm_central_flush(c, objs, 2);
	pcm_central_flush(c, objs + n, 3);
	must(pcm_central_fill(c, 0, more, 8) == 5);
	must(stats_of(c).nspans == 2 && stats_of(c).nout == 2 * n);
	must(pcm_central_fill(c, 0, more, 8) == 8); /* now from a new one */
	must(stats_of(c).nspans == 3);
}
END_TEST

/* Random fills and flushes; every block is out at most once. */
START_TEST(random_operations)
{
	static unsigned char out[1 << 16];
	uint64_t state = testing_seed();
	unsigned int c = unused_class(16), n = 0, i, k;
	size_t size = pcm_size_class[c].size;

	for (i = 0; i < 20000; i++) {
		if (i % 64 == 0)
			check_lists(c);
		unsigned int want = (unsigned int)rnd_between(&state, 1, 60);

		if (rnd(&state) % 2 && n + want < NOBJS_MAX / 8) {
			k = n;
			n += pcm_central_fill(c, 0, objs + n, want);
			for (; k < n; k++)
				must(!out[(uintptr_t)objs[k] / size % 65536]++);
		} else if (n > 0) {
			if (want > n)
				want = n;
			for (k = 0; k < want; k++) {
				size_t r = rnd_between(&state, 0, n - 1 - k);
				void *obj = objs[r];

				objs[r] = objs[n - 1 - k];
				objs[n - 1 - k] = obj;
				out[(uintptr_t)obj / size % 65536]--;
			}
			n -= want;
			pcm_central_flush(c, objs + n, want);
		}
		must(stats_of(c).nout == n);
	}
	pcm_central_flush(c, objs, n);
	must(stats_of(c).nspans == 0);
}
END_TEST

START_TEST(try_take)
{
	unsigned int c = unused_class(4), n = pcm_size_class[c].nobjs;
	void *p;

	must(pcm_central_try_take(c) == NULL); /* no span: asks nobody */
	must(stats_of(c).nspans == 0);
	get_objects(c, objs, n);
	must(pcm_central_try_take(c) == NULL);
	pcm_central_flush(c, objs, 1);
	pcm_central_fork_lock();
	must(pcm_central_try_take(c) == NULL); /* somebody has the lock */
	pcm_central_fork_unlock();
	p = pcm_central_try_take(c);
	must(p == objs[0]);
	must(stats_of(c).nout == n);
}
END_TEST

/* ---- faults ---- */

static struct child child;

static void flush_twice(void *arg)
{
	unsigned int c = *(unsigned int *)arg;

	pcm_central_flush(c, objs, 1);
	pcm_central_flush(c, objs, 1);
}

static void flush_interior(void *arg)
{
	void *p = (char *)objs[0] + 8;

	pcm_central_flush(*(unsigned int *)arg, &p, 1);
}

/* The span has gone, and its pages have come back as another class's. */
static void flush_other_class(void *arg)
{
	unsigned int c = *(unsigned int *)arg;

	pcm_central_flush(c - 1, objs, 1);
}

/* The span has gone altogether. */
static void flush_after_span(void *arg)
{
	unsigned int c = *(unsigned int *)arg;

	pcm_central_flush(c, objs, pcm_size_class[c].nobjs);
	pcm_central_flush(c, objs, 1);
}

/* The bad one among good ones. */
static void flush_in_batch(void *arg)
{
	void *batch[3] = { objs[1], objs[2], objs[1] };

	pcm_central_flush(*(unsigned int *)arg, batch, 3);
}

static const struct {
	void (*act)(void *);
	unsigned int object;
	size_t offset;
	const char *text;
} faults[] = {
	{ flush_twice, 0, 0, "block is already free" },
	{ flush_interior, 0, 8, "pointer into the middle of a block" },
	{ flush_other_class, 0, 0, "block is already free" },
	{ flush_after_span, 0, 0, "block is already free" },
	{ flush_in_batch, 1, 0, "block is already free" },
};

START_TEST(fault)
{
	unsigned int c = unused_class(8);
	char text[200];

	get_objects(c, objs, pcm_size_class[c].nobjs);
	snprintf(text, sizeof(text), "pcmalloc: free(%p): %s\n",
		 (char *)objs[faults[_i].object] + faults[_i].offset,
		 faults[_i].text);
	testing_child(&child, 10, faults[_i].act, &c);
	must(WIFSIGNALED(child.status) && WTERMSIG(child.status) == SIGABRT);
	ck_assert_str_eq(child.err, text);
	must(child.out_len == 0);
}
END_TEST

static void misuse(void *arg)
{
	pcm_misuse("realloc", (void *)(uintptr_t)0xdead0123beefu,
		   *(enum pcm_misuse *)arg);
}

#define REALLOC "pcmalloc: realloc(0xdead0123beef): "

static const char *const misuses[] = {
	REALLOC "pointer was never allocated\n",
	REALLOC "pointer into the middle of a block\n",
	REALLOC "block is already free\n",
};

START_TEST(misuse_texts)
{
	enum pcm_misuse what = (enum pcm_misuse)_i;

	testing_child(&child, 10, misuse, &what);
	must(WIFSIGNALED(child.status) && WTERMSIG(child.status) == SIGABRT);
	ck_assert_str_eq(child.err, misuses[_i]);
}
END_TEST

/* ---- decay ---- */

/* Every block of SPANS spans; the class. */
#define SPANS 400
#define SPARSE 2 /* blocks that a sparse span has out */

static unsigned int fill_spans(void)
{
	unsigned int c = unused_class_of(8, 1);

	must(pcm_size_class[c].nobjs * SPANS <= NOBJS_MAX);
	get_objects(c, objs, pcm_size_class[c].nobjs * SPANS);
	must(stats_of(c).nspans == SPANS);
	return c;
}

/* What lies in sparse spans goes back, if much is free; the rest keeps its order. */
START_TEST(sift)
{
	unsigned int c = fill_spans(), n = pcm_size_class[c].nobjs, i;
	void *mag[20], *dense[10];

	for (i = 0; i < 20; i++)
		mag[i] = objs[i * n];
	must(pcm_central_sift(c, mag, 20) == 20); /* all are full */
	for (i = 0; i < 20; i++)
		must(mag[i] == objs[i * n]);
	/* Every other one of all spans becomes sparse. */
	for (i = 0; i < SPANS; i += 2)
		pcm_central_flush(c, objs + i * n + SPARSE, n - SPARSE);
	for (i = 0; i < 10; i++)
		dense[i] = mag[2 * i + 1];
	must(stats_of(c).nout == SPANS / 2 * (n + SPARSE));
	must(pcm_central_sift(c, mag, 20) == 10);
	must(memcmp(mag, dense, sizeof(dense)) == 0);
	must(stats_of(c).nout == SPANS / 2 * (n + SPARSE) - 10);
	/* Spans whose last block comes that way are given back. */
	for (i = 0; i < 10; i++)
		mag[i] = objs[2 * i * n + 1];
	must(pcm_central_sift(c, mag, 10) == 0);
	must(stats_of(c).nspans == SPANS - 10);
}
END_TEST

/* Few bytes are not worth it, however sparse the spans are. */
START_TEST(sift_little)
{
	unsigned int c = unused_class(8), n = pcm_size_class[c].nobjs;
	void *mag[1];

	get_objects(c, objs, 2 * n);
	pcm_central_flush(c, objs + 1, n - 1);
	mag[0] = objs[0];
	must(pcm_central_sift(c, mag, 1) == 1 && mag[0] == objs[0]);
}
END_TEST

/* A span that one block keeps loses its other pages, and has them again. */
START_TEST(free_pages_go_back)
{
	unsigned int c = unused_class(8), n = pcm_size_class[c].nobjs;
	size_t size = pcm_size_class[c].size, i;
	struct pcm_span *span;

	get_objects(c, objs, n);
	span = pcm_pagemap_span(objs[0]);
	must(span->nbytes > size + 2 * pcm_sys_page);
	for (i = 0; i < n; i++)
		memset(objs[i], (int)i + 1, size);
	ticks();	/* of other classes, what there is */
	pcm_central_flush(c, objs + 1, n - 1);
	must(resident(span->start, span->nbytes) >= n * size);
	must(ticks() >= span->nbytes - size - 2 * pcm_sys_page);
	must(resident(span->start, span->nbytes) <= size + 2 * pcm_sys_page);
	for (i = 0; i < size; i++)
		must(((char *)objs[0])[i] == 1);
	must(ticks() == 0);
	get_objects(c, objs + 1, n - 1);
	must(stats_of(c).nspans == 1);
	for (i = 1; i < n; i++)
		memset(objs[i], (int)i + 1, size);
	for (i = 0; i < n; i++)
		must(((char *)objs[i])[size - 1] == (char)(i + 1));
	pcm_central_flush(c, objs, n);
	must(stats_of(c).nspans == 0);
}
END_TEST

/* ---- threads ---- */

static unsigned int storm_class;

/* Whoever has a block writes its own number into it, and finds it again. */
static void storm_work(unsigned int self)
{
	static __thread unsigned int round;
	unsigned int n, i, want = 1 + (round++ * 7 + self) % 50;
	void *mine[50];

	n = pcm_central_fill(storm_class, self % PCM_NHOMES, mine, want);
	must(n >= 1);
	for (i = 0; i < n; i++)
		*(volatile unsigned int *)mine[i] = self;
	if (round % 4 == 0)
		sched_yield();
	if (self == 0)
		pcm_central_decay();
	for (i = 0; i < n; i++)
		must(*(volatile unsigned int *)mine[i] == self);
	pcm_central_flush(storm_class, mine, n);
}

START_TEST(threads)
{
	struct storm storm = { .nthreads = storm_threads(),
			       .seconds = 1,
			       .work = storm_work };

	storm_class = unused_class(16);
	crowd(storm_class);
	storm_run(&storm);
	must(stats_of(storm_class).nspans == 0);
	must(stats_of(storm_class).nout == 0);
}
END_TEST

int main(void)
{
	TCase *tests = unit_begin("central");

	tcase_add_test(tests, one_span);
	tcase_add_test(tests, empty_spans_go_back);
	tcase_add_test(tests, fullest_first);
	tcase_add_test(tests, fill_from_several);
	tcase_add_test(tests, random_operations);
	tcase_add_test(tests, try_take);
	tcase_add_loop_test(tests, fault, 0,
			    sizeof(faults) / sizeof(faults[0]));
	tcase_add_loop_test(tests, misuse_texts, 0, 3);
	tcase_add_test(tests, sift);
	tcase_add_test(tests, sift_little);
	tcase_add_test(tests, free_pages_go_back);
	tcase_add_test(tests, threads);
	return unit_end();
}
