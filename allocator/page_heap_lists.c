/*
 * page_heap_lists.c - hugepages by their longest free run.
 */
#include "page_heap_lists.h"

/*
 * A hugepage that has lost memory is not collapsed for so many ticks, 5 s: what
 * was idle once is likely to be again.
 */
#define BROKEN_TICKS 100u

struct pcm_page_heap pcm_page_heap PCM_TABLE("2") = {
	.lock = PCM_LOCK_INIT(PCM_RANK_PAGE_HEAP),
};

#define heap pcm_page_heap

enum pcm_huge_kind
pcm_page_heap_kind(const struct pcm_hugepage *huge)
{
	if (pcm_hugepage_is_whole(huge))
		return PCM_HUGE_WHOLE;
	return huge->broken ? PCM_HUGE_BROKEN : PCM_HUGE_PARTIAL;
}

/* The list that a hugepage belongs on. */
struct place {
	enum pcm_huge_kind kind;
	unsigned longest;
	bool behind; /* nothing is behind its free pages */
};

static struct place
place_of(const struct pcm_hugepage *huge)
{
	return (struct place){
		.kind = pcm_page_heap_kind(huge),
		.longest = huge->longest,
		.behind = pcm_hugepage_all_cold(huge),
	};
}

static struct pcm_huge_set *
set_of(const struct place *place)
{
	return &heap.set[place->kind == PCM_HUGE_BROKEN ? PCM_SET_BROKEN :
							  PCM_SET_INTACT];
}

static void
list_remove(struct pcm_hugepage *huge, const struct place *place)
{
	struct pcm_huge_set *set = set_of(place);
	unsigned k = place->longest;
	struct pcm_huge_list *list = &set->list[k];

	if (k == 0)
		return;
	if (huge->prev != NULL)
		huge->prev->next = huge->next;
	else
		list->first = huge->next;
	if (huge->next != NULL)
		huge->next->prev = huge->prev;
	else
		list->last = huge->prev;
	if (list->first == NULL)
		set->nonempty[k / 64] &= ~((uint64_t)1 << (k % 64));
}

/* Warm ones first: what has memory is used, and found to be released. */
static void
list_add(struct pcm_hugepage *huge, const struct place *place)
{
	struct pcm_huge_set *set = set_of(place);
	unsigned k = place->longest;
	struct pcm_huge_list *list = &set->list[k];

	if (k == 0)
		return;
	huge->prev = place->behind ? list->last : NULL;
	huge->next = place->behind ? NULL : list->first;
	if (huge->prev != NULL)
		huge->prev->next = huge;
	else
		list->first = huge;
	if (huge->next != NULL)
		huge->next->prev = huge;
	else
		list->last = huge;
	set->nonempty[k / 64] |= (uint64_t)1 << (k % 64);
}

/* What is on the right list stays there: its neighbours may be in another CPU's cache. */
static void
change_list_locked(struct pcm_hugepage *huge, const struct place *before)
{
	struct place now = place_of(huge);

	if (now.kind != before->kind) {
		heap.nkind[before->kind]--;
		heap.nkind[now.kind]++;
	} else if (now.longest == before->longest &&
		   now.behind == before->behind) {
		return;
	}
	list_remove(huge, before);
	list_add(huge, &now);
}

void
pcm_page_heap_unlist_locked(struct pcm_hugepage *huge)
{
	struct place place = place_of(huge);

	heap.nkind[place.kind]--;
	heap.npages_free -= huge->nfree;
	heap.npages_cold -= huge->ncold;
	heap.npages_extra -= huge->nextra;
	heap.nbacked -= huge->backed;
	heap.nadvised -= huge->advice == PCM_ADVICE_HUGE;
	list_remove(huge, &place);
}

void
pcm_page_heap_list_locked(struct pcm_hugepage *huge)
{
	struct place place = place_of(huge);

	heap.nkind[place.kind]++;
	heap.npages_free += huge->nfree;
	heap.npages_cold += huge->ncold;
	heap.npages_extra += huge->nextra;
	heap.nbacked += huge->backed;
	heap.nadvised += huge->advice == PCM_ADVICE_HUGE;
	list_add(huge, &place);
}

static void
note_low_locked(void)
{
	if (pcm_page_heap_warm_locked() < heap.low_warm)
		heap.low_warm = pcm_page_heap_warm_locked();
}

void
pcm_page_heap_enter_locked(struct pcm_hugepage *huge)
{
	huge->all_prev = NULL;
	huge->all_next = heap.all;
	if (heap.all != NULL)
		heap.all->all_prev = huge;
	heap.all = huge;
	heap.nhuge++;
	pcm_page_heap_list_locked(huge);
}

void
pcm_page_heap_remove_locked(struct pcm_hugepage *huge)
{
	pcm_page_heap_unlist_locked(huge);
	heap.nhuge--;
	if (heap.cursor == huge)
		heap.cursor = huge->all_next;
	if (huge->all_prev != NULL)
		huge->all_prev->all_next = huge->all_next;
	else
		heap.all = huge->all_next;
	if (huge->all_next != NULL)
		huge->all_next->all_prev = huge->all_prev;
	note_low_locked();
}

unsigned
pcm_page_heap_take_locked(struct pcm_hugepage *huge, struct pcm_run run)
{
	struct place before = place_of(huge);
	unsigned ncold = pcm_hugepage_take(huge, run);

	heap.npages_free -= run.npages;
	heap.npages_cold -= ncold;
	change_list_locked(huge, &before);
	note_low_locked();
	pcm_page_heap_note_record_locked();
	return ncold;
}

/*
 * The system has taken memory from behind the hugepage. With nothing left
 * behind it, it is as good as new: its next page may bring a huge one.
 */
static void
note_released(struct pcm_hugepage *huge)
{
	huge->backed = false;
	huge->nextra = 0;
	huge->dense = 0;
	huge->not_yet = heap.ticks + BROKEN_TICKS;
	if (huge->ncold == PCM_HUGE_NPAGES)
		huge->broken = false;
	else if (!pcm_hugepage_is_whole(huge))
		huge->broken = true;
}

void
pcm_page_heap_give_locked(struct pcm_hugepage *huge, struct pcm_run run,
			  bool cold)
{
	struct place before = place_of(huge);

	if (cold) {
		/* It is told more than what is free. */
		pcm_page_heap_unlist_locked(huge);
		pcm_hugepage_give(huge, run, cold);
		note_released(huge);
		pcm_page_heap_list_locked(huge);
	} else {
		pcm_hugepage_give(huge, run, cold);
		heap.npages_free += run.npages;
		change_list_locked(huge, &before);
	}
	pcm_page_heap_note_record_locked();
}

unsigned
pcm_page_heap_longest_locked(const struct pcm_huge_set *set, unsigned most)
{
	unsigned w = most / 64;
	uint64_t word = set->nonempty[w] &
		(~(uint64_t)0 >> (63 - most % 64));

	while (word == 0 && w > 0)
		word = set->nonempty[--w];
	if (word == 0)
		return 0;
	return w * 64 + 63 - (unsigned)__builtin_clzll(word);
}
