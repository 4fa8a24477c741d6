/*
 * meta.c - a bump pointer for pages, and pages of structures of one size.
 *
 *	partial[u]	pages of structures of u units, of which some are free
 *	empty		pages of which all are: for any size
 *	cold		addresses of pages that have no memory
 *
 * A page that is full is on no list. The first unit of a page is its header.
 */
#include "meta.h"

#include "compiler.h"
#include "sys.h"

#define UNIT 64u
#define CHUNK ((size_t)256 << 10) /* address space; pages come when touched */

struct pcm_lock pcm_meta_lock PCM_LINE_ALIGNED PCM_TABLE("0") =
	PCM_LOCK_INIT(PCM_RANK_META);

struct page {
	struct page *prev, *next; /* of the list that it is on */
	void *free;		  /* structures that came back; linked */
	uint16_t units;		  /* of a structure */
	uint16_t nfree;		  /* those that came back, and fresh ones */
	uint16_t nobjs;		  /* structures in all */
	uint16_t nfresh;	  /* the last ones, never handed out */
};

_Static_assert(sizeof(struct page) <= UNIT, "it is the first unit");

/* A page that holds the addresses of others. */
struct store {
	struct store *next;
	size_t n;
	void *page[];
};

/* All under pcm_meta_lock. */
static char *bump, *bump_end;
static size_t total, total_cold;
static struct page *partial[PCM_META_MAX / UNIT + 1], *empty;
static size_t nempty;
static struct store *cold;

static void *
cut_locked(size_t nbytes, size_t align)
{
	char *p = (char *)pcm_round_up((uintptr_t)bump, align);

	if (bump == NULL || p > bump_end || (size_t)(bump_end - p) < nbytes) {
		size_t chunk = pcm_round_up(nbytes > CHUNK ? nbytes : CHUNK,
					    pcm_sys_page);

		p = pcm_sys_map(chunk, pcm_sys_page);
		if (p == NULL && nbytes < CHUNK) {
			/* Little address space is left: take no more than this. */
			chunk = pcm_round_up(nbytes, pcm_sys_page);
			p = pcm_sys_map(chunk, pcm_sys_page);
		}
		if (p == NULL)
			return NULL;
		pcm_sys_forbid_huge(p, chunk);
		bump_end = p + chunk;
	}
	bump = p + nbytes;
	total += nbytes;
	return p;
}

void *
pcm_meta_alloc_forever(size_t nbytes, size_t align)
{
	void *p;

	pcm_lock(&pcm_meta_lock);
	p = cut_locked(nbytes, align);
	pcm_unlock(&pcm_meta_lock);
	return p;
}

static void
list_add(struct page **list, struct page *page)
{
	page->prev = NULL;
	page->next = *list;
	if (*list != NULL)
		(*list)->prev = page;
	*list = page;
}

static void
list_remove(struct page **list, struct page *page)
{
	if (page->prev != NULL)
		page->prev->next = page->next;
	else
		*list = page->next;
	if (page->next != NULL)
		page->next->prev = page->prev;
}

/* The page that holds the addresses is the last one to be used itself. */
static void *
pop_cold_locked(void)
{
	struct store *store = cold;

	if (store == NULL)
		return NULL;
	if (store->n > 0) {
		total += pcm_sys_page;
		total_cold -= pcm_sys_page;
		return store->page[--store->n];
	}
	cold = store->next;
	return store;
}

/* Takes the address of a page without memory. */
static void
push_cold_locked(void *page)
{
	size_t room = (pcm_sys_page - sizeof(struct store)) / sizeof(void *);

	if (cold != NULL && cold->n < room) {
		cold->page[cold->n++] = page;
		total -= pcm_sys_page;
		total_cold += pcm_sys_page;
	} else {
		struct store *store = page;

		store->next = cold;
		store->n = 0;
		cold = store;
	}
}

/* A page for structures of so many units; NULL: no memory. */
static struct page *
new_page_locked(size_t units)
{
	size_t nobjs = (pcm_sys_page - UNIT) / (units * UNIT);
	struct page *page = empty;

	if (page != NULL) {
		list_remove(&empty, page);
		nempty--;
	} else {
		page = pop_cold_locked();
	}
	if (page == NULL)
		page = cut_locked(pcm_sys_page, pcm_sys_page);
	if (page == NULL)
		return NULL;
	*page = (struct page){
		.units = (uint16_t)units,
		.nfree = (uint16_t)nobjs,
		.nobjs = (uint16_t)nobjs,
		.nfresh = (uint16_t)nobjs,
	};
	list_add(&partial[units], page);
	return page;
}

static void *
take_locked(struct page *page)
{
	void **p = page->free;

	if (p != NULL)
		page->free = *p;
	else
		p = (void **)((char *)page + UNIT +
			      (size_t)(page->nobjs - page->nfresh--) *
				      page->units * UNIT);
	if (--page->nfree == 0)
		list_remove(&partial[page->units], page);
	return p;
}

void *
pcm_meta_alloc(size_t nbytes)
{
	size_t units = (nbytes + UNIT - 1) / UNIT;
	struct page *page;
	void *p = NULL;

	pcm_lock(&pcm_meta_lock);
	page = partial[units];
	if (PCM_UNLIKELY(page == NULL))
		page = new_page_locked(units);
	if (PCM_LIKELY(page != NULL))
		p = take_locked(page);
	pcm_unlock(&pcm_meta_lock);
	return p;
}

void
pcm_meta_free(void *p, size_t nbytes)
{
	size_t units = (nbytes + UNIT - 1) / UNIT;
	struct page *page =
		(struct page *)((uintptr_t)p & ~(uintptr_t)(pcm_sys_page - 1));

	pcm_lock(&pcm_meta_lock);
	*(void **)p = page->free;
	page->free = p;
	if (page->nfree++ == 0)
		list_add(&partial[units], page);
	if (page->nfree == page->nobjs) {
		list_remove(&partial[units], page);
		list_add(&empty, page);
		nempty++;
	}
	pcm_unlock(&pcm_meta_lock);
}

static struct page *
take_empty(size_t keep)
{
	struct page *page = NULL;

	pcm_lock(&pcm_meta_lock);
	if (nempty > keep) {
		page = empty;
		list_remove(&empty, page);
		nempty--;
	}
	pcm_unlock(&pcm_meta_lock);
	return page;
}

/* False: it keeps its memory. */
static bool
release_page(struct page *page)
{
	bool done = pcm_sys_release(page, pcm_sys_page);

	pcm_lock(&pcm_meta_lock);
	if (done) {
		push_cold_locked(page);
	} else {
		list_add(&empty, page);
		nempty++;
	}
	pcm_unlock(&pcm_meta_lock);
	return done;
}

size_t
pcm_meta_release(size_t keep)
{
	struct page *page;
	size_t done = 0;

	while ((page = take_empty(keep)) != NULL && release_page(page))
		done += pcm_sys_page;
	return done;
}

static size_t
read_sum(const size_t *sum)
{
	size_t nbytes;

	pcm_lock(&pcm_meta_lock);
	nbytes = *sum;
	pcm_unlock(&pcm_meta_lock);
	return nbytes;
}

size_t
pcm_meta_bytes(void)
{
	return read_sum(&total);
}

size_t
pcm_meta_cold_bytes(void)
{
	return read_sum(&total_cold);
}
