/*
 * page_heap_check.h - do the equations of the page heap hold?
 *
 * For unit tests, and for builds with DEBUG=1, which look at some ticks.
 */
#ifndef PCM_PAGE_HEAP_CHECK_H
#define PCM_PAGE_HEAP_CHECK_H

/*
 * pcm_page_heap_check() - walk every hugepage, list, bitmap and sum, and the
 * pagemap as far as it can be told while others allocate.
 *
 * Returns the equation of page_heap_lists.h or hugepage.h that does not hold,
 * as text; NULL: all do. Takes the page heap's lock for all of it.
 */
const char *pcm_page_heap_check(void);

/*
 * pcm_page_heap_check_spans() - pagemap, spans and central lists: every used
 * page that has a span lies in it, every span of small blocks has its class on
 * all its pages, and each class has as many spans as its central list counts.
 * Only while nobody else allocates. Returns as above.
 */
const char *pcm_page_heap_check_spans(void);

#endif
