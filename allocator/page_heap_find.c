/*
 * page_heap_find.c - where a run is cut from.
 *
 * What one CPU has written to another one has to fetch, at 40 to 200 ns a cache line: a home
 * takes its pages from sectors (hugepage.h) that it owns, or else that nobody uses, which
 * are its own then. Of what others use it takes what has memory, rather than let the heap grow;
 * but not while it is busy with visits (capacity.h), as in long runs of blocks, if as much has
 * been in use before.
 */
#include "capacity.h"
#include "page_heap_lists.h"

#define NLISTS ((unsigned)PCM_HUGE_NLISTS)

#define heap pcm_page_heap

/*
 * Smallest k >= from with a hugepage on list[k]; NLISTS: none. Lists of broken ones are
 * pages that small processes never touch.
 */
static unsigned
next_list(const struct pcm_huge_set *set, unsigned from)
{
	if (set == &heap.set[PCM_SET_BROKEN] &&
	    heap.nkind[PCM_HUGE_BROKEN] == 0)
		return NLISTS;
	while (from < NLISTS) {
		uint64_t word = set->nonempty[from / 64] &
			(~(uint64_t)0 << (from % 64));

		if (word != 0)
			return from / 64 * 64 +
				(unsigned)__builtin_ctzll(word);
		from = (from / 64 + 1) * 64;
	}
	return NLISTS;
}

/*
 * Hugepages of a set that are looked at for a run with memory; and for one without, or for a
 * better one when there is one that is not the caller's own.
 */
#define LOOKS 32u
#define MORE_LOOKS 8u

/*
 * In a small heap any pages will do: all of it is in the caches, and packed densely it is
 * smaller. So will they for runs that are longer than spans of several blocks: of one large
 * block few lines are written to again.
 */
#define OWN_AT ((size_t)8 << 20)
#define OWN_NPAGES 16u

static bool
any_will_do(const struct pcm_wanted *wanted)
{
	return wanted->npages > OWN_NPAGES ||
		heap.record < OWN_AT >> PCM_PAGE_SHIFT;
}

static bool
find(const struct pcm_huge_set *set, struct pcm_wanted *wanted)
{
	struct pcm_hugepage *huge;
	unsigned k;

	for (k = next_list(set, wanted->npages); k < NLISTS;
	     k = next_list(set, k + 1))
		for (huge = set->list[k].first; huge != NULL; huge = huge->next)
			if (pcm_hugepage_find(huge, wanted->npages,
					      wanted->align, &wanted->first)) {
				wanted->huge = huge;
				wanted->whose = PCM_WHOSE_ANY;
				return true;
			}
	return false;
}

/* A run of the hugepage that is better than what there is. */
static enum pcm_whose
find_better(struct pcm_hugepage *huge, bool warm, const struct pcm_wanted *wanted,
	    unsigned *first)
{
	unsigned n = wanted->npages, align = wanted->align, home = wanted->home;
	enum pcm_whose least = (enum pcm_whose)(wanted->whose + 1);

	if (!warm)
		return pcm_hugepage_find_for(huge, n, align, home, least, first);
	if (!any_will_do(wanted))
		return pcm_hugepage_find_warm_for(huge, n, align, home, least, first);
	return pcm_hugepage_find_warm(huge, n, align, first) ? PCM_WHOSE_OWN :
							       PCM_WHOSE_NONE;
}

/*
 * A better one than there is, of the next *left > 0 hugepages. With memory not from whole
 * ones, which may soon go back as such.
 */
static void
look(const struct pcm_huge_set *set, bool warm, struct pcm_wanted *wanted,
     unsigned *left)
{
	unsigned first, k, end = warm ? PCM_HUGE_NPAGES : NLISTS;
	struct pcm_hugepage *huge;

	for (k = next_list(set, wanted->npages); k < end; k = next_list(set, k + 1))
		for (huge = set->list[k].first;
		     huge != NULL && !(warm && pcm_hugepage_all_cold(huge));
		     huge = huge->next) {
			enum pcm_whose whose = find_better(huge, warm, wanted, &first);

			if (whose > wanted->whose) {
				wanted->whose = whose;
				wanted->huge = huge;
				wanted->first = first;
				if (whose == PCM_WHOSE_OWN)
					return;
				if (*left > MORE_LOOKS)
					*left = MORE_LOOKS;
			}
			if (--*left == 0)
				return;
		}
}

/* False: there is none that is as good as `least`. */
static bool
look_in_either(const struct pcm_huge_set *one, const struct pcm_huge_set *other,
	       bool warm, enum pcm_whose least, struct pcm_wanted *wanted)
{
	unsigned most = warm ? LOOKS : MORE_LOOKS, left = most;

	wanted->whose = (enum pcm_whose)(least - 1);
	look(one, warm, wanted, &left);
	if (wanted->whose < least)
		left = most;
	if (wanted->whose < PCM_WHOSE_FREE && left > 0)
		look(other, warm, wanted, &left);
	return wanted->whose >= least;
}

/*
 * In a large heap in which much is free in pieces that are too short, that is a cache miss
 * or two for each hugepage, under the lock: after a search in vain some are left out.
 */
static bool
look_for_warm(const struct pcm_huge_set *one, const struct pcm_huge_set *other,
	      enum pcm_whose least, struct pcm_wanted *wanted)
{
	if (pcm_page_heap_warm_locked() < wanted->npages)
		return false;
	if (heap.skip > 0 && wanted->npages >= heap.vain) {
		heap.skip--;
		return false;
	}
	if (look_in_either(one, other, true, least, wanted))
		return true;
	if (least == PCM_WHOSE_ANY) {
		heap.vain = (uint16_t)wanted->npages;
		heap.skip = PCM_WARM_SKIP;
	}
	return false;
}

/* Not of sectors that others use. */
static bool
look_for_new(const struct pcm_huge_set *one, const struct pcm_huge_set *other,
	     struct pcm_wanted *wanted)
{
	return !any_will_do(wanted) &&
		look_in_either(one, other, false, PCM_WHOSE_FREE, wanted);
}

/* Rather new memory than what others have? */
static bool
keeps_apart(const struct pcm_wanted *wanted)
{
	return !any_will_do(wanted) && pcm_capacity_spends(1u << wanted->home);
}

bool
pcm_page_heap_find_locked(struct pcm_wanted *wanted)
{
	bool small = wanted->npages <= PCM_SMALL_RUN_NPAGES;
	const struct pcm_huge_set *broken = &heap.set[PCM_SET_BROKEN];
	const struct pcm_huge_set *intact = &heap.set[PCM_SET_INTACT];
	const struct pcm_huge_set *one = small ? broken : intact;
	const struct pcm_huge_set *other = small ? intact : broken;
	bool apart = keeps_apart(wanted);

	if (look_for_warm(one, other, apart ? PCM_WHOSE_FREE : PCM_WHOSE_ANY, wanted) ||
	    look_for_new(one, other, wanted) ||
	    (apart && look_for_warm(one, other, PCM_WHOSE_ANY, wanted)))
		return true;
	if (!find(one, wanted))
		return find(other, wanted);
	if (!small && pcm_hugepage_is_whole(wanted->huge)) {
		struct pcm_wanted whole = *wanted;

		if (!find(other, wanted))
			*wanted = whole;
	}
	return true;
}
