/*
 * central_mix.c - blocks of mixed spans, and which span becomes one: when.
 *
 * A class needs a new span. What lies in holes is taken instead, and spans of other classes
 * that are mostly free become mixed, if the heap is large, and
 *	- *tight*: more pages would be in use than ever before, lately; or
 *	- *wasteful*: a part of it lies free in spans.
 * These classes take from mixed spans, too, once theirs are full.
 *
 * Blocks of mixed spans cost more to free: a cache miss or two. And a program that frees
 * all that it has of a size, and asks for another, frees whole spans in a moment. So what is
 * taken from them while the heap is not tight is bounded, from one tick to the next, and
 * none of it is small.
 */
#include "bits.h"
#include "central_lists.h"
#include "mixed.h"
#include "page_heap.h"

/* Of a class and a home: this much is free, and this part of all. */
#define FREE_MIN ((size_t)32 << 10)
#define FREE_DIVISOR 8u

/* In a smaller heap there is less to win than what it costs. */
#define HEAP_MIN ((size_t)16 << 20)

/* Wasteful: more than this part lies free. */
#define WASTE_DIVISOR 64u

/*
 * Blocks of a tick, and the least that they have. Each costs 0.1 us when it is freed, and
 * as much again in the program, whose blocks lie scattered then; small ones save little for
 * that.
 */
#define BLOCKS_A_TICK 32768
#define SCATTERED_MIN 512u

/* New spans of a class after a search in vain until the next one. */
#define SKIP 4u

/* Spans that become mixed for one class at a time. */
#define MOST 4u

/* For tests: whenever a class needs a new span. */
#ifndef PCM_MIX_ALWAYS
#define PCM_MIX_ALWAYS 0
#endif

/* Lists of spans of which more than three of eight parts are free. */
#define SPARSE (~(uint32_t)0 << (PCM_CENTRAL_FIRST + 2 * 3))

/* All relaxed: only when a span becomes mixed follows from them. */
static atomic_uint turn;
static atomic_uchar skip[PCM_NCLASSES];
static atomic_bool wasteful;
static atomic_int nleft; /* blocks until the next tick */

#define LOAD(x) atomic_load_explicit(&(x), memory_order_relaxed)
#define STORE(x, value) atomic_store_explicit(&(x), value, memory_order_relaxed)

static bool
is_sparse_locked(const struct pcm_central *central, unsigned class)
{
	size_t nfree = pcm_central_nfree(central);

	return PCM_MIX_ALWAYS ||
		(nfree >= pcm_central_nall(central) / FREE_DIVISOR &&
		 nfree * pcm_size_class[class].size >= FREE_MIN);
}

/* Are so many bytes free together? */
static bool
has_hole(const struct pcm_span *span, size_t nbytes)
{
	unsigned size = pcm_size_class[span->class].size;
	unsigned wanted = (unsigned)((nbytes + size - 1) / size);
	unsigned first, end = 0;

	do {
		first = pcm_bits_next(span->free, 1, end, span->nobjs, true);
		end = pcm_bits_next(span->free, 1, first, span->nobjs, false);
	} while (end - first < wanted && end < span->nobjs);
	return end - first >= wanted;
}

/*
 * The emptiest span, if it can serve so many bytes, nobody gives its pages back, and it has
 * not just been made.
 */
static struct pcm_span *
find_locked(struct pcm_central *central, unsigned class, size_t nbytes)
{
	struct pcm_span *span;

	if (!is_sparse_locked(central, class))
		return NULL;
	span = pcm_central_emptiest_locked(central);
	if (span == NULL || span->nreleasing > 0 || span->nfree == span->nobjs ||
	    !has_hole(span, nbytes))
		return NULL;
	return span;
}

/*
 * Of how many bytes is the one that there will be? 0: there will be none, for which no
 * structure is made.
 */
static size_t
length_of_next(struct pcm_central *central, unsigned class, size_t nbytes)
{
	const struct pcm_span *span;
	size_t length = 0;

	if ((__atomic_load_n(&central->nonempty, __ATOMIC_RELAXED) & SPARSE) == 0)
		return 0;
	pcm_lock(&central->lock);
	span = find_locked(central, class, nbytes);
	if (span != NULL)
		length = span->nbytes;
	pcm_unlock(&central->lock);
	return length;
}

/* True: it is. */
static bool
mix(struct pcm_central *central, unsigned class, size_t nbytes)
{
	size_t length = length_of_next(central, class, nbytes);
	struct pcm_mixed *mixed;
	struct pcm_span *span;

	if (length == 0)
		return false;
	mixed = pcm_mixed_new(length);
	if (mixed == NULL)
		return false;
	pcm_lock(&central->lock);
	span = find_locked(central, class, nbytes);
	if (span != NULL && span->nbytes != length)
		span = NULL;
	if (span != NULL) {
		pcm_central_drop_locked(central, span);
		pcm_mixed_adopt(mixed, span);
	}
	pcm_unlock(&central->lock);
	if (span == NULL)
		pcm_mixed_delete(mixed, length);
	return span != NULL;
}

/* Of the homes that have a bit. Another class comes first each time. */
static bool
mix_one_of(unsigned homes, unsigned class)
{
	unsigned first = atomic_fetch_add_explicit(&turn, 1, memory_order_relaxed);
	unsigned i, c, left;

	for (i = 0; i < PCM_NCLASSES - 1; i++) {
		c = 1 + (first + i) % (PCM_NCLASSES - 1);
		if (c == class || !pcm_mixed_suits(c))
			continue;
		left = pcm_central_homes(c) & homes;
		for (; left != 0; left &= left - 1)
			if (mix(&pcm_centrals[__builtin_ctz(left)][c], c,
				pcm_size_class[class].size))
				return true;
	}
	return false;
}

/* Of the home's spans; for what is large, of others', too. */
static bool
mix_one(unsigned class, unsigned home)
{
	unsigned own = 1u << home;

	return mix_one_of(own, class) ||
		(pcm_mixed_shares(class) && mix_one_of(~own, class));
}

/* True: one more span is mixed. */
static bool
search(unsigned class, unsigned home)
{
	unsigned n = LOAD(skip[class]);

	if ((n == 0 || PCM_MIX_ALWAYS) && mix_one(class, home))
		return true;
	STORE(skip[class], (unsigned char)(n == 0 ? SKIP : n - 1));
	return false;
}

static unsigned
take(unsigned class, unsigned home, void **objs, unsigned n)
{
	unsigned taken, nmixed = 0;

	do
		taken = pcm_mixed_take(class, home, objs, n, false);
	while (taken == 0 && nmixed++ < MOST && search(class, home));
	return taken;
}

unsigned
pcm_central_take_mixed(unsigned class, unsigned home, size_t npages, void **objs,
		       unsigned n)
{
	unsigned taken;

	if (!pcm_mixed_suits(class))
		return 0;
	if (PCM_MIX_ALWAYS || pcm_page_heap_tight(npages, HEAP_MIN >> PCM_PAGE_SHIFT))
		return take(class, home, objs, n);
	if (!LOAD(wasteful) || LOAD(nleft) <= 0 ||
	    pcm_size_class[class].size < SCATTERED_MIN)
		return 0;
	taken = take(class, home, objs, n);
	atomic_fetch_sub_explicit(&nleft, (int)taken, memory_order_relaxed);
	return taken;
}

static size_t
bytes_free(unsigned class)
{
	unsigned left;
	size_t n = 0;

	for (left = pcm_central_homes(class); left != 0; left &= left - 1) {
		struct pcm_central *central =
			&pcm_centrals[__builtin_ctz(left)][class];

		pcm_lock(&central->lock);
		n += pcm_central_nfree(central);
		pcm_unlock(&central->lock);
	}
	return n * pcm_size_class[class].size;
}

void
pcm_central_mix_tick(size_t used)
{
	struct pcm_mixed_stats mixed;
	size_t nfree;
	unsigned c;

	STORE(nleft, BLOCKS_A_TICK);
	if (used < HEAP_MIN) {
		STORE(wasteful, false);
		return;
	}
	pcm_mixed_stats_get(&mixed);
	nfree = mixed.nfree;
	for (c = 1; c < PCM_NCLASSES; c++)
		if (pcm_mixed_suits(c))
			nfree += bytes_free(c);
	STORE(wasteful, nfree > used / WASTE_DIVISOR);
}
