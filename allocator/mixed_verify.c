/*
 * mixed_verify.c - do the bitmaps, lists and sums of mixed spans agree? For tests and
 * debug builds.
 */
#include <string.h>

#include "bits.h"
#include "mixed_home.h"

/* What a group's best hole is of, as the hole at ... end - 1 says. */
static void
note_hole(const struct pcm_mixed *mixed, uint8_t *most, unsigned at, unsigned end)
{
	unsigned page = at / (unsigned)PCM_MIXED_UNITS_PER_PAGE;
	unsigned group = mixed->npages > PCM_HOLES_NGROUPS ? page / 2 : page;
	unsigned class = pcm_size_class_within((size_t)(end - at) * PCM_MIXED_UNIT);

	if (most[group] < class)
		most[group] = (uint8_t)class;
}

/* Walks from block to hole to block. */
static const char *
verify_holes(const struct pcm_mixed *mixed)
{
	const uint64_t *begin = mixed->bits, *used = begin + 1;
	unsigned at, end, n = pcm_holes_nunits(mixed), nfree = 0;
	uint8_t most[PCM_HOLES_NGROUPS] = { 0 };

	for (at = 0; at < n; at = end) {
		if (pcm_bits_has(used, 2, at)) {
			end = pcm_bits_next(begin, 2, at + 1, n, true);
			if (!pcm_bits_has(begin, 2, at))
				return "a used unit lies in a block";
			if (pcm_bits_next(used, 2, at, end, false) != end)
				return "all units of a block are used";
			continue;
		}
		end = pcm_bits_next(used, 2, at, n, true);
		if (pcm_bits_next(begin, 2, at + 1, end, true) != end)
			return "nothing begins within a hole";
		if (pcm_bits_has(begin, 2, at) != (at > 0))
			return "a hole begins behind a block";
		nfree += end - at;
		note_hole(mixed, most, at, end);
	}
	if (nfree != mixed->nfree || nfree == n)
		return "nfree units are free, and not all";
	return memcmp(most, mixed->most, sizeof(most)) == 0 ?
		       NULL : "each group's best hole";
}

static const char *
verify_list(const struct pcm_mixed_home *home, unsigned list, size_t *nlisted)
{
	const struct pcm_mixed *mixed = home->list[list];
	const char *wrong = NULL;

	if (pcm_bits_has(home->nonempty, 1, list) != (mixed != NULL))
		return "nonempty has a bit for each list that is not empty";
	for (; wrong == NULL && mixed != NULL; mixed = mixed->next, ++*nlisted) {
		if (mixed->list != list || pcm_holes_best(mixed) != list)
			return "a span is on the list of its best hole";
		if (mixed->next != NULL && mixed->next->prev != mixed)
			return "next and prev agree";
		wrong = verify_holes(mixed);
	}
	return wrong;
}

static const char *
verify_order(const struct pcm_mixed_home *home)
{
	const struct pcm_mixed *mixed, *before = NULL;

	for (mixed = home->oldest; mixed != NULL; mixed = mixed->newer) {
		if (mixed->older != before || mixed->settled)
			return "the order holds spans that are not settled";
		before = mixed;
	}
	return home->newest == before ? NULL : "the newest is the last";
}

static const char *
verify_home(const struct pcm_mixed_home *home)
{
	const char *wrong = verify_order(home);
	size_t nlisted = 0;
	unsigned list;

	for (list = 1; wrong == NULL && list < PCM_NCLASSES; list++)
		wrong = verify_list(home, list, &nlisted);
	if (wrong == NULL && nlisted > home->nspans)
		wrong = "no more spans on lists than there are";
	return wrong;
}

const char *
pcm_mixed_verify(void)
{
	const char *wrong = NULL;
	unsigned h;

	for (h = 0; wrong == NULL && h < PCM_NHOMES; h++) {
		struct pcm_mixed_home *home = &pcm_mixed_homes[h];

		if (!pcm_mixed_in_use(home))
			continue;
		pcm_lock(&home->lock);
		wrong = verify_home(home);
		pcm_unlock(&home->lock);
	}
	return wrong;
}
