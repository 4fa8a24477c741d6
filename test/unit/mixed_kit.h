/*
 * What the tests of mixed spans share: such spans made on demand, blocks of them, and
 * a look at all that must hold.
 */
#ifndef PCM_TEST_MIXED_KIT_H
#define PCM_TEST_MIXED_KIT_H

#include "central_kit.h"

#include <signal.h>
#include <sys/wait.h>

#include "page_heap_check.h"
#include "pagemap.h"

#define NOBJS_MAX 16384

static void *objs[NOBJS_MAX];

static inline struct pcm_mixed_stats mixed_stats(void)
{
	struct pcm_mixed_stats stats;

	pcm_mixed_stats_get(&stats);
	return stats;
}

static inline unsigned int class_of(size_t size)
{
	unsigned int class;

	pcm_size_class_use_all();
	class = pcm_size_class_of(size);
	must(pcm_size_class[class].size == size);
	return class;
}

/* n blocks, none out of a mixed span. */
static inline void get(unsigned int class, void **to, unsigned int n)
{
	for (; n > 0; n--)
		must((*to++ = pcm_central_take_aligned(class, 0)) != NULL);
}

static inline void put(unsigned int class, void **from, unsigned int n)
{
	pcm_central_flush(class, from, n);
}

static inline unsigned int take(unsigned int class, void **to, unsigned int n)
{
	return pcm_mixed_take(class, 0, to, n, false);
}

/* All blocks of one more span of the class, at objs. What others have is full then. */
static inline struct pcm_span *get_span(unsigned int class)
{
	unsigned int n = pcm_size_class[class].nobjs;
	size_t before = stats_of(class).nspans;
	struct pcm_span *span;

	do
		get(class, objs, 1);
	while (stats_of(class).nspans == before);
	get(class, objs + 1, n - 1);
	span = pcm_pagemap_span(objs[0]);
	must(pcm_pagemap_span(objs[n - 1]) == span && span->nobjs == n);
	return span;
}

/* Every `step`th of the n blocks is left, at objs: how many are they? */
static inline unsigned int leave_every(unsigned int class, unsigned int step)
{
	unsigned int n = pcm_size_class[class].nobjs, i, kept = 0;

	for (i = 0; i < n; i++)
		if (i % step == 0)
			objs[kept++] = objs[i];
		else
			put(class, &objs[i], 1);
	return kept;
}

/* One mixed span of the class, of whose blocks every `step`th is left, at objs. */
static inline struct pcm_span *make_mixed(unsigned int class, unsigned int step)
{
	struct pcm_span *span = get_span(class);

	leave_every(class, step);
	must(mix(class));
	must(span->kind == PCM_SPAN_MIXED);
	return span;
}

static inline void verify(void)
{
	const char *wrong = pcm_mixed_verify();

	if (wrong != NULL)
		fprintf(stderr, "not so: %s\n", wrong);
	must(wrong == NULL);
	must(pcm_page_heap_check_spans() == NULL);
}

/* What a child does ends it with this text. */
static inline void must_abort(void (*act)(void *), const char *function,
			      const void *p, const char *what)
{
	static struct child child;
	char text[200];

	snprintf(text, sizeof(text), "pcmalloc: %s(%p): %s\n", function, p, what);
	testing_child(&child, 10, act, (void *)p);
	must(WIFSIGNALED(child.status) && WTERMSIG(child.status) == SIGABRT);
	ck_assert_str_eq(child.err, text);
	must(child.out_len == 0);
}

#endif
