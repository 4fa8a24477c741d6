/*
 * page_heap_check.c - the equations of page_heap_lists.h, one after the other.
 */
#include "page_heap_check.h"

#include <string.h>

#include "central.h"
#include "mixed.h"
#include "page_heap_lists.h"
#include "pagemap.h"
#include "percpu.h"
#include "size_class.h"
#include "span.h"

#define heap pcm_page_heap

/* Sums over `all`, to be compared with the heap's own. */
struct sums {
	size_t nhuge, nkind[PCM_HUGE_NKINDS];
	size_t nfree, ncold, nextra, nbacked, nadvised;
	size_t nlisted; /* with longest > 0 */
	bool pinned;
};

static bool
is_used(const struct pcm_hugepage *huge, unsigned page)
{
	return huge->used[page / 64] >> (page % 64) & 1;
}

static const char *
check_pagemap(const struct pcm_hugepage *huge)
{
	unsigned i;

	if (pcm_pagemap_hugepage(huge->base) != huge)
		return "the pagemap leads to every hugepage";
	for (i = 0; i < PCM_HUGE_NPAGES; i++) {
		const char *p = huge->base + ((size_t)i << PCM_PAGE_SHIFT);

		if (!is_used(huge, i) && (pcm_pagemap_span(p) != NULL ||
					  pcm_pagemap_class(p) != 0))
			return "a free page has no span and no class";
	}
	return NULL;
}

static const char *
check_owners(const struct pcm_hugepage *huge)
{
	unsigned i;

	for (i = 0; i < PCM_HUGE_NSECTORS; i++)
		if (huge->owner[i] >= PCM_NHOMES)
			return "a sector's owner is a home";
	return NULL;
}

static const char *
check_all(struct sums *sums)
{
	const struct pcm_hugepage *huge, *prev = NULL;
	const char *wrong;

	for (huge = heap.all; huge != NULL; huge = huge->all_next) {
		if (huge->all_prev != prev)
			return "all: prev of next is the hugepage itself";
		prev = huge;
		wrong = pcm_hugepage_check(huge);
		if (wrong == NULL)
			wrong = check_pagemap(huge);
		if (wrong == NULL)
			wrong = check_owners(huge);
		if (wrong != NULL)
			return wrong;
		sums->nhuge++;
		sums->nkind[pcm_page_heap_kind(huge)]++;
		sums->nfree += huge->nfree;
		sums->ncold += huge->ncold;
		sums->nextra += huge->nextra;
		sums->nbacked += huge->backed;
		sums->nadvised += huge->advice == PCM_ADVICE_HUGE;
		sums->nlisted += huge->longest > 0;
		sums->pinned |= huge == heap.pinned;
	}
	return NULL;
}

static const char *
check_sums(const struct sums *sums)
{
	if (heap.nhuge != sums->nhuge)
		return "nhuge = length of all";
	if (memcmp(heap.nkind, sums->nkind, sizeof(heap.nkind)) != 0)
		return "nkind = hugepages of each kind";
	if (heap.npages_free != sums->nfree)
		return "npages_free = sum of nfree";
	if (heap.npages_cold != sums->ncold)
		return "npages_cold = sum of ncold";
	if (heap.npages_extra != sums->nextra)
		return "npages_extra = sum of nextra";
	if (heap.nbacked != sums->nbacked)
		return "nbacked = sum of backed";
	if (heap.nadvised != sums->nadvised)
		return "nadvised = sum of (advice = HUGE)";
	if (heap.low_warm > pcm_page_heap_warm_locked())
		return "low_warm <= npages_free - npages_cold";
	if (heap.record > 0 && atomic_load(&heap.near_record) !=
	    (pcm_page_heap_used_locked() + PCM_NEAR_RECORD_NPAGES > heap.record))
		return "near_record: a record with so many pages more";
	if (heap.pinned != NULL && !sums->pinned)
		return "pinned is NULL or one of all";
	return NULL;
}

static const char *
check_list(const struct pcm_huge_list *list, unsigned set, unsigned k,
	   size_t *nlisted)
{
	const struct pcm_hugepage *huge, *prev = NULL;

	for (huge = list->first; huge != NULL; huge = huge->next) {
		if (huge->prev != prev)
			return "list: prev of next is the hugepage itself";
		if (huge->longest != k)
			return "list[k]: longest = k";
		if ((pcm_page_heap_kind(huge) == PCM_HUGE_BROKEN) !=
		    (set == PCM_SET_BROKEN))
			return "set[BROKEN]: the broken ones";
		if (prev != NULL && pcm_hugepage_all_cold(prev) &&
		    !pcm_hugepage_all_cold(huge))
			return "list: the cold ones stand behind the others";
		prev = huge;
		++*nlisted;
	}
	if (list->last != prev)
		return "list: last is the last";
	return NULL;
}

static const char *
check_set(unsigned s, size_t *nlisted)
{
	const struct pcm_huge_set *set = &heap.set[s];
	unsigned k;

	for (k = 0; k < PCM_HUGE_NLISTS; k++) {
		const char *wrong = check_list(&set->list[k], s, k, nlisted);
		bool bit = set->nonempty[k / 64] >> (k % 64) & 1;

		if (wrong != NULL)
			return wrong;
		if (k == 0 && set->list[k].first != NULL)
			return "list[0] is empty";
		if (bit != (set->list[k].first != NULL))
			return "nonempty: bit k set iff list[k] is not empty";
	}
	return NULL;
}

static const char *
check_locked(void)
{
	struct sums sums = { .nhuge = 0 };
	const char *wrong = check_all(&sums);
	size_t nlisted = 0;
	unsigned s;

	if (wrong == NULL)
		wrong = check_sums(&sums);
	for (s = 0; wrong == NULL && s < PCM_NSETS; s++)
		wrong = check_set(s, &nlisted);
	if (wrong == NULL && nlisted != sums.nlisted)
		wrong = "every hugepage with longest > 0 is on a list";
	return wrong;
}

const char *
pcm_page_heap_check(void)
{
	const char *wrong;

	pcm_lock(&heap.lock);
	wrong = check_locked();
	pcm_unlock(&heap.lock);
	return wrong;
}

/* Spans by class, mixed ones as class 0's, and their bytes. */
struct tally {
	size_t nspans[PCM_NCLASSES], nbytes[PCM_NCLASSES];
};

static void
count(struct tally *tally, unsigned class, size_t nspans, size_t nbytes)
{
	tally->nspans[class] += nspans;
	tally->nbytes[class] += nbytes;
}

/* The span of a page in use; counts it at its first page. */
static const char *
check_span(const char *p, struct tally *tally)
{
	const struct pcm_span *span = pcm_pagemap_span(p);

	if (span == NULL)
		return pcm_pagemap_class(p) == 0 ? NULL : "no span, no class";
	if (p < span->start || p >= span->start + span->nbytes)
		return "a page lies in its span";
	if (span->kind == PCM_SPAN_MIXED && p == span->start)
		count(tally, 0, 1, span->nbytes);
	if (span->kind == PCM_SPAN_MIXED)
		return pcm_pagemap_class(p) == PCM_CLASS_MIXED ?
			       NULL :
			       "the class of mixed spans' pages is theirs";
	if (span->kind != PCM_SPAN_SMALL)
		return pcm_pagemap_class(p) == 0 ? NULL :
						   "only small and mixed "
						   "spans' pages have a class";
	if (pcm_pagemap_class(p) != span->class)
		return "the class of a page is its span's";
	if (p == span->start)
		count(tally, span->class, 1, span->nbytes);
	return NULL;
}

static const char *
check_spans_of(const struct pcm_hugepage *huge, struct tally *tally)
{
	unsigned i;

	for (i = 0; i < PCM_HUGE_NPAGES; i++) {
		const char *p = huge->base + ((size_t)i << PCM_PAGE_SHIFT);
		const char *wrong = is_used(huge, i) ? check_span(p, tally) :
						       NULL;

		if (wrong != NULL)
			return wrong;
	}
	return NULL;
}

/* The centrals' locks rank before the page heap's: they come first. */
const char *
pcm_page_heap_check_spans(void)
{
	struct tally found = { 0 }, known = { 0 };
	struct pcm_central_stats central;
	const struct pcm_hugepage *huge;
	struct pcm_mixed_stats mixed;
	const char *wrong = NULL;
	unsigned c;

	pcm_mixed_stats_get(&mixed);
	count(&known, 0, mixed.nspans, mixed.nbytes);
	for (c = 1; c < PCM_NCLASSES; c++) {
		pcm_central_stats_get(c, &central);
		count(&known, c, central.nspans, central.nbytes);
	}
	pcm_lock(&heap.lock);
	for (huge = heap.all; wrong == NULL && huge != NULL;
	     huge = huge->all_next)
		wrong = check_spans_of(huge, &found);
	pcm_unlock(&heap.lock);
	if (wrong == NULL && memcmp(&found, &known, sizeof(found)) != 0)
		wrong = "spans, of a class or mixed, are as many and as large as is "
			"counted";
	return wrong;
}
