/*
 * mixed_verify.c - do the bitmaps, lists and sums of mixed spans agree? For tests and
 * debug builds.
 */
#include "bits.h"
#include "mixed_home.h"

/* Walks from block to hole to block. */
static const char *
verify_holes(const struct pcm_mixed *mixed)
{
	const uint64_t *begin = mixed->bits, *used = begin + 1;
	unsigned at, end, nfree = 0, longest = 0;

	for (at = 0; at < mixed->nunits; at = end) {
		if (pcm_bits_has(used, 2, at)) {
			end = pcm_bits_next(begin, 2, at + 1, mixed->nunits, true);
			if (!pcm_bits_has(begin, 2, at))
				return "a used unit lies in a block";
			if (pcm_bits_next(used, 2, at, end, false) != end)
				return "all units of a block are used";
			continue;
		}
		end = pcm_bits_next(used, 2, at, mixed->nunits, true);
		if (pcm_bits_next(begin, 2, at + 1, end, true) != end)
			return "nothing begins within a hole";
		if (pcm_bits_has(begin, 2, at) != (at > 0))
			return "a hole begins behind a block";
		nfree += end - at;
		longest = end - at > longest ? end - at : longest;
	}
	if (nfree != mixed->nfree || nfree == mixed->nunits)
		return "nfree units are free, and not all";
	return longest == mixed->longest ? NULL : "the longest hole";
}

static const char *
verify_list(const struct pcm_mixed_home *home, unsigned list, size_t *nlisted)
{
	const struct pcm_mixed *mixed = home->list[list];
	const char *wrong = NULL;

	if (pcm_bits_has(home->nonempty, 1, list) != (mixed != NULL))
		return "nonempty has a bit for each list that is not empty";
	for (; wrong == NULL && mixed != NULL; mixed = mixed->next, ++*nlisted) {
		size_t longest = (size_t)mixed->longest * PCM_MIXED_UNIT;

		if (mixed->list != list || longest < pcm_size_class[list].size ||
		    (list + 1 < PCM_NCLASSES &&
		     longest >= pcm_size_class[list + 1].size))
			return "a span is on the list of its longest hole";
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
