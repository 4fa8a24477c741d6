/*
 * cache_mixed.c - what is freed of mixed spans waits until there is a magazine of it.
 *
 * Which class such a block has is told by the bits of its page, a cache miss, mostly. So free()
 * pushes it on a stack that these blocks have for themselves, as any other block on its
 * class's. When that is full the classes of all are looked up, so that one miss does not wait
 * for the other, and each block goes to its class's cache. A look-up in each free() instead
 * is a branch that nobody can predict, as blocks of both kinds are freed in turns, at a place
 * where a program waits for the block itself: it kept the CPU from fetching the next one.
 */
#include "cache_mixed.h"

#include "cache.h"
#include "central_lists.h"
#include "limit.h"
#include "mixed.h"
#include "pagemap.h"
#include "percpu.h"
#include "size_class.h"

/*
 * Blocks that wait, for each CPU: their places are nobody's meanwhile. Going by the last ones,
 * they have at most as much as a magazine, and on all CPUs together a part of the heap.
 */
#define LEAST 4u
#define MOST 32u
#define MOST_BYTES ((size_t)64 << 10)
#define HEAP_DIVISOR 64u

static unsigned
slots_after(unsigned n, size_t nbytes)
{
	size_t most = pcm_limit_held() / HEAP_DIVISOR / (pcm_percpu_nsets() + 1);

	if (most > MOST_BYTES)
		most = MOST_BYTES;
	if (n * most >= MOST * nbytes)
		return MOST;
	n = (unsigned)(n * most / nbytes);
	return n < LEAST ? LEAST : n;
}

static void
fetch(void *const *objs, unsigned n)
{
	unsigned i;

	for (i = 0; i < n; i++)
		pcm_pagemap_fetch(objs[i]);
}

/* While a block waits its span stays mixed: what has no class was freed twice, or is none. */
unsigned
pcm_cache_mixed_class(const void *p)
{
	unsigned class = pcm_mixed_class(p);
	const struct pcm_span *span;
	enum pcm_span_fault fault;

	if (PCM_LIKELY(class != 0))
		return class;
	span = pcm_pagemap_span(p);
	fault = span == NULL ? PCM_SPAN_FREE_ALREADY : pcm_mixed_check(span, p);
	pcm_central_report(p, fault == PCM_SPAN_OK ? PCM_SPAN_FREE_ALREADY :
						     fault);
}

/* Returns the magazine, empty. */
static void **
sort(void **mag)
{
	unsigned i, n = pcm_mag_count(mag);
	void **objs = mag - n;
	size_t nbytes = 0;

	fetch(objs, n);
	for (i = 0; i < n; i++) {
		unsigned class = pcm_cache_mixed_class(objs[i]);

		nbytes += pcm_size_class[class].size;
		if (!pcm_percpu_push_fast(class, objs[i]))
			pcm_cache_free(class, objs[i]);
	}
	return pcm_mag_resize(objs, slots_after(n, nbytes));
}

void
pcm_cache_free_mixed(void *p)
{
	void **mag;

	if (pcm_percpu_push(PCM_CLASS_MIXED, p))
		return;
	mag = pcm_percpu_exchange(PCM_LOADED, PCM_CLASS_MIXED, PCM_MAG_NONE);
	mag = mag == PCM_MAG_NONE ? pcm_mag_new(LEAST) : sort(mag);
	if (PCM_UNLIKELY(mag == PCM_MAG_NONE)) {
		pcm_cache_send_home(PCM_CLASS_MIXED, p);
		return;
	}
	pcm_mag_push(&mag, p);
	mag = pcm_percpu_exchange(PCM_LOADED, PCM_CLASS_MIXED, mag);
	if (mag != PCM_MAG_NONE) /* of another CPU, or somebody has freed since */
		pcm_mag_delete(sort(mag));
}

void
pcm_cache_flush_mixed(void **mag)
{
	unsigned i, n = pcm_mag_count(mag);
	void **objs = mag - n;

	fetch(objs, n);
	for (i = 0; i < n; i++)
		pcm_cache_send_home(PCM_CLASS_MIXED, objs[i]);
	pcm_mag_delete(objs);
}
