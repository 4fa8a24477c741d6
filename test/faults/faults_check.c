/*
 * faults_check.c - the allocator's books, before and after.
 *
 * Nothing is in use but what was before, and nothing is lost:
 *
 *	held   = pages that are used or warm + mappings, alive or kept
 *		 + leftovers that have memory
 *	mapped = hugepages + mappings + leftovers + leaves of the pagemap
 *		 + metadata's chunks
 *	used   = spans + large blocks; a span without live blocks has gone
 *		 once the caches are empty
 */
#include <malloc.h>
#include <time.h>

#include "background.h"
#include "faults.h"
#include "leftover.h"
#include "limit.h"
#include "magazine.h"
#include "mapping.h"
#include "meta.h"
#include "mixed.h"
#include "page_heap.h"
#include "pagemap.h"
#include "pulse.h"
#include "rseq_fence.h"
#include "size_class.h"
#include "stats.h"
#include "sys.h"

/* Metadata's chunk, and what may be left of the one before it. */
#define META_SLACK ((size_t)(256 + 64) << 10)

struct books {
	struct pcm_stats_all stats;
	struct pcm_page_heap_stats heap;
	struct pcm_mapping_stats maps;
	size_t magazines;
	struct pcm_mixed_stats mixed;
};

static struct books before;

/*
 * A tick of the background thread between two of the readings would make them disagree:
 * it sleeps when the pulse is over.
 */
static void await_quiet(void)
{
	const struct timespec ts = { 0, 10 * 1000000L };
	int tries = 1000;

	while (pcm_background_runs() && pcm_pulse_active() && tries-- > 0)
		nanosleep(&ts, NULL);
	must(tries > 0);
}

static void read_books(struct books *books)
{
	await_quiet();
	pcm_stats_collect(&books->stats);
	pcm_page_heap_stats_get(&books->heap);
	pcm_mapping_stats_get(&books->maps);
	pcm_mixed_stats_get(&books->mixed);
	books->magazines = pcm_mag_bytes();
}

static void check_held(const struct books *now)
{
	must(pcm_limit_held() == now->heap.used + now->heap.free_warm +
					 now->maps.live + now->maps.cached +
					 pcm_leftover_warm());
}

static void check_mapped(const struct books *now)
{
	size_t known = now->heap.mapped + now->maps.live + now->maps.cached +
		pcm_leftover_bytes() + pcm_pagemap_bytes() +
		pcm_meta_bytes() + pcm_meta_cold_bytes();

	must(fault_mapped() >= known);
	must(fault_mapped() - known < META_SLACK);
}

static void check_used(const struct books *now)
{
	size_t used = now->stats.large + now->mixed.nbytes;
	unsigned c;

	for (c = 1; c < PCM_NCLASSES; c++)
		used += now->stats.class[c].span_bytes;
	must(now->heap.used == used);
}

/* With the caches empty. */
static void check_spans(const struct books *now, unsigned spare)
{
	unsigned c;

	for (c = 1; c < PCM_NCLASSES; c++)
		must(now->stats.class[c].nspans <=
		     now->stats.class[c].allocated + spare);
}

static void check_always(const struct books *now)
{
	check_held(now);
	check_mapped(now);
	check_used(now);
}

void faults_check_begin(void)
{
	malloc_trim(0);
	read_books(&before);
	check_always(&before);
}

/* Without a fence the caches of other CPUs are not emptied. */
void faults_check_end(unsigned spare_spans)
{
	struct books now;

	read_books(&now);
	check_always(&now);
	must(now.stats.sum.allocated == before.stats.sum.allocated);
	malloc_trim(0);
	read_books(&now);
	check_always(&now);
	must(now.stats.sum.allocated == before.stats.sum.allocated);
	must(now.heap.free_warm == 0 && pcm_leftover_bytes() == 0);
	must(now.maps.ncached == 0 && now.maps.nlive == before.maps.nlive);
	if (now.stats.sum.cached != 0) {
		must(!pcm_rseq_fence_available());
		return;
	}
	check_spans(&now, spare_spans);
	must(now.magazines == before.magazines);
}
