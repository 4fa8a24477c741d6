/*
 * page_heap_check: every equation is broken in turn, and the checker names it;
 * put right again, it is content.
 */
#include "unit.h"

#include "central.h"
#include "page_heap.h"
#include "page_heap_check.h"
#include "page_heap_lists.h"
#include "pagemap.h"
#include "size_class.h"
#include "span.h"

static struct pcm_hugepage *whole, *partial, *broken;

/* One hugepage of each kind, and a full one; cold ones and warm ones. */
static void build(void)
{
	char *p[5];
	size_t i;

	for (i = 0; i < 5; i++)
		must(p[i] = pcm_page_heap_alloc(PCM_HUGE_NPAGES, NULL));
	whole = pcm_pagemap_hugepage(p[0]);
	partial = pcm_pagemap_hugepage(p[1]);
	broken = pcm_pagemap_hugepage(p[2]);
	pcm_page_heap_free(p[2], 30);
	pcm_page_heap_free(p[3], PCM_HUGE_NPAGES);
	must(pcm_page_heap_release(SIZE_MAX) >= 30 * PCM_PAGE + PCM_HUGEPAGE);
	pcm_page_heap_free(p[0], PCM_HUGE_NPAGES);
	pcm_page_heap_free(p[1], 50);
	must(pcm_page_heap_kind(whole) == PCM_HUGE_WHOLE);
	must(pcm_page_heap_kind(partial) == PCM_HUGE_PARTIAL);
	must(pcm_page_heap_kind(broken) == PCM_HUGE_BROKEN);
	must(!pcm_page_heap_check());
}

static void must_find(const char *equation)
{
	const char *found = pcm_page_heap_check();

	if (!found || strcmp(found, equation) != 0)
		printf("'%s' instead of '%s'\n", found ? found : "nothing",
		       equation);
	must(found && strcmp(found, equation) == 0);
}

/* Sets a variable, sees the equation found broken, and puts it right. */
#define SPOIL(variable, value, equation)                                      \
	do {                                                                  \
		__typeof__(variable) kept = (variable);                       \
									      \
		(variable) = (value);                                         \
		must_find(equation);                                          \
		(variable) = kept;                                            \
		must(!pcm_page_heap_check());                                 \
	} while (0)

START_TEST(hugepages)
{
	build();
	SPOIL(partial->zero[3], partial->zero[3] | (uint64_t)1 << 63,
	      "zero & used = 0");
	SPOIL(partial->cold[0], 1, "cold & ~zero = 0");
	SPOIL(partial->nfree, 51, "nfree = 512 - popcount(used)");
	SPOIL(broken->ncold, 29, "ncold = popcount(cold)");
	SPOIL(partial->longest, 49, "longest = longest run of zeros in used");
	SPOIL(partial->warm_bound, 49,
	      "warm_bound >= longest run of zeros in used | cold");
	SPOIL(broken->backed, true, "broken => not backed");
	SPOIL(partial->used[0], partial->used[0] | 2,
	      "nfree = 512 - popcount(used)");
}
END_TEST

START_TEST(sums)
{
	struct pcm_page_heap *heap = &pcm_page_heap;
	static struct pcm_hugepage stranger;

	build();
	SPOIL(heap->nhuge, heap->nhuge + 1, "nhuge = length of all");
	SPOIL(heap->nkind[PCM_HUGE_WHOLE], 77,
	      "nkind = hugepages of each kind");
	SPOIL(heap->nkind[PCM_HUGE_BROKEN], 0,
	      "nkind = hugepages of each kind");
	SPOIL(heap->npages_free, heap->npages_free + 1,
	      "npages_free = sum of nfree");
	SPOIL(heap->npages_cold, heap->npages_cold - 1,
	      "npages_cold = sum of ncold");
	SPOIL(heap->npages_extra, 1, "npages_extra = sum of nextra");
	SPOIL(partial->nextra, 1, "npages_extra = sum of nextra");
	SPOIL(heap->nbacked, heap->nbacked + 1, "nbacked = sum of backed");
	SPOIL(heap->nadvised, heap->nadvised + 1,
	      "nadvised = sum of (advice = HUGE)");
	SPOIL(heap->low_warm, pcm_page_heap_warm_locked() + 1,
	      "low_warm <= npages_free - npages_cold");
	SPOIL(heap->pinned, &stranger, "pinned is NULL or one of all");
}
END_TEST

static void swap_first_two(struct pcm_huge_list *list)
{
	struct pcm_hugepage *a = list->first, *b = a->next, *c = b->next;

	list->first = b;
	b->prev = NULL;
	b->next = a;
	a->prev = b;
	a->next = c;
	*(c ? &c->prev : &list->last) = a;
}

/* A warm one behind a cold one. */
START_TEST(order)
{
	struct pcm_huge_list *list =
		&pcm_page_heap.set[PCM_SET_INTACT].list[PCM_HUGE_NPAGES];

	build();
	must(list->first == whole);
	must(whole->next && pcm_hugepage_all_cold(whole->next));
	swap_first_two(list);
	must_find("list: the cold ones stand behind the others");
	swap_first_two(list);
	must(!pcm_page_heap_check());
}
END_TEST

START_TEST(in_the_wrong_set)
{
	size_t *nkind = pcm_page_heap.nkind;

	build();
	broken->broken = false;
	nkind[PCM_HUGE_BROKEN]--;
	nkind[PCM_HUGE_PARTIAL]++;
	must_find("set[BROKEN]: the broken ones");
	broken->broken = true;
	nkind[PCM_HUGE_BROKEN]++;
	nkind[PCM_HUGE_PARTIAL]--;
}
END_TEST

START_TEST(lists)
{
	struct pcm_huge_set *intact = &pcm_page_heap.set[PCM_SET_INTACT];
	struct pcm_huge_set *other = &pcm_page_heap.set[PCM_SET_BROKEN];
	struct pcm_huge_list *list;

	build();
	list = &intact->list[partial->longest];
	SPOIL(partial->prev, whole,
	      "list: prev of next is the hugepage itself");
	SPOIL(list->last, NULL, "list: last is the last");
	SPOIL(list->first, broken, "list[k]: longest = k");
	SPOIL(list->first, NULL, "list: last is the last");
	SPOIL(intact->nonempty[0], intact->nonempty[0] ^ (uint64_t)1 << 50,
	      "nonempty: bit k set iff list[k] is not empty");
	SPOIL(other->nonempty[2], 1,
	      "nonempty: bit k set iff list[k] is not empty");
	SPOIL(whole->all_prev, whole,
	      "all: prev of next is the hugepage itself");
	*list = (struct pcm_huge_list){ NULL, NULL };
	intact->nonempty[0] ^= (uint64_t)1 << 50;
	must_find("every hugepage with longest > 0 is on a list");
	*list = (struct pcm_huge_list){ partial, partial };
	intact->nonempty[0] ^= (uint64_t)1 << 50;
	must(!pcm_page_heap_check());
}
END_TEST

START_TEST(pagemap)
{
	struct pcm_span *span = pcm_span_new_block(PCM_SPAN_LARGE, NULL, 1);
	char *p;

	build();
	p = partial->base; /* free */
	pcm_pagemap_set_hugepage(partial->base, broken);
	must_find("the pagemap leads to every hugepage");
	pcm_pagemap_set_hugepage(partial->base, partial);
	pcm_pagemap_set_span(p, 1, span);
	must_find("a free page has no span and no class");
	pcm_pagemap_set_span(p, 1, NULL);
	pcm_pagemap_set_class(p, 1, 3);
	must_find("a free page has no span and no class");
	pcm_pagemap_set_class(p, 1, 0);
	must(!pcm_page_heap_check());
}
END_TEST

static void must_find_span(const char *equation)
{
	const char *found = pcm_page_heap_check_spans();

	must(found && strcmp(found, equation) == 0);
}

START_TEST(spans)
{
	struct pcm_span *span, *next;
	void *objs[2];

	pcm_size_class_init(SIZE_MAX);
	pcm_central_init();
	must(pcm_central_fill(5, 0, objs, 1) == 1);
	must(pcm_central_fill(6, 0, objs + 1, 1) == 1);
	must(!pcm_page_heap_check_spans());
	span = pcm_pagemap_span(objs[0]);
	next = pcm_pagemap_span(objs[1]);
	pcm_pagemap_set_class(span->start, 1, 6);
	must_find_span("the class of a page is its span's");
	pcm_pagemap_set_class(span->start, 1, 5);
	pcm_pagemap_set_span(span->start, 1, next);
	must_find_span("a page lies in its span");
	pcm_pagemap_set_span(span->start, 1, NULL);
	must_find_span("no span, no class");
	pcm_pagemap_set_span(span->start, 1, span);
	span->kind = PCM_SPAN_LARGE;
	must_find_span("only small and mixed spans' pages have a class");
	span->kind = PCM_SPAN_MIXED;
	must_find_span("the class of mixed spans' pages is theirs");
	span->kind = PCM_SPAN_SMALL;
	span->start -= PCM_PAGE;
	span->nbytes += PCM_PAGE;
	must_find_span("spans, of a class or mixed, are as many and as large as is counted");
	span->start += PCM_PAGE;
	span->nbytes -= PCM_PAGE;
	must(!pcm_page_heap_check_spans());
}
END_TEST

int main(void)
{
	TCase *tests = unit_begin("page_heap_check");

	tcase_add_test(tests, hugepages);
	tcase_add_test(tests, sums);
	tcase_add_test(tests, lists);
	tcase_add_test(tests, order);
	tcase_add_test(tests, in_the_wrong_set);
	tcase_add_test(tests, pagemap);
	tcase_add_test(tests, spans);
	return unit_end();
}
