/*
 * malloc_tune.c - mallopt, malloc_trim, and the functions that report.
 *
 * Interfaces: <malloc.h> of glibc, mallopt(3), mallinfo(3), malloc_info(3). Not
 * for signal handlers.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cache.h"
#include "central.h"
#include "descriptors.h"
#include "emergency.h"
#include "glibc_malloc.h"
#include "leftover.h"
#include "mapping.h"
#include "meta.h"
#include "page_heap.h"
#include "rseq_process.h"
#include "slow.h"
#include "stats.h"

/*
 * mallopt() - parameters of glibc's malloc, which have no meaning here. Returns
 * 1 for those that exist, so that programs that insist go on; else 0.
 */
PCM_EXPORT int
mallopt(int parameter, int value)
{
	(void)value;
	switch (parameter) {
	case M_MXFAST:
	case M_TRIM_THRESHOLD:
	case M_TOP_PAD:
	case M_MMAP_THRESHOLD:
	case M_MMAP_MAX:
	case M_CHECK_ACTION:
	case M_PERTURB:
	case M_ARENA_TEST:
	case M_ARENA_MAX:
		return 1;
	default:
		return 0;
	}
}

/*
 * malloc_trim() - empty all caches and give free memory back to the system.
 *
 * pad		bytes of free memory to keep
 *
 * Returns 1 if memory was given back, else 0.
 */
PCM_EXPORT int
malloc_trim(size_t pad)
{
	struct pcm_page_heap_stats heap;
	size_t done;

	if (!pcm_slow_enter())
		return 0;
	pcm_cache_drain();
	done = pcm_central_trim();
	pcm_leftover_retry();
	done += pcm_mapping_cache_release(SIZE_MAX);
	pcm_page_heap_stats_get(&heap);
	if (heap.free_warm > pad)
		done += pcm_page_heap_release(heap.free_warm - pad);
	pcm_descriptor_drain();
	done += pcm_meta_release(0);
	done += pcm_emergency_release();
	pcm_slow_leave();
	return done > 0;
}

/* malloc_stats() - statistics as text on stderr. */
PCM_EXPORT void
malloc_stats(void)
{
	pcm_stats_write(STDERR_FILENO);
}

/*
 * mallinfo2() - the figures of struct mallinfo2 that exist here:
 *	arena	 bytes mapped, but for blocks that are mappings of their own
 *	uordblks bytes of it in use by the program
 *	fordblks bytes of it that are not; fsmblks: in caches
 *	hblks	 blocks that are mappings of their own; hblkhd: their bytes
 *	keepcost bytes that malloc_trim() could give back
 */
PCM_EXPORT struct mallinfo2
mallinfo2(void)
{
	struct pcm_stats_all all;
	size_t arena, used;

	pcm_stats_collect(&all);
	arena = all.sum.mapped - all.mappings;
	used = all.sum.allocated - all.mappings;
	return (struct mallinfo2){
		.arena = arena,
		.hblks = all.nmappings,
		.hblkhd = all.mappings,
		.fsmblks = all.sum.cached,
		.uordblks = used,
		.fordblks = arena > used ? arena - used : 0,
		.keepcost = all.sum.retained,
	};
}

static int
clamp(size_t n)
{
	return n > INT_MAX ? INT_MAX : (int)n;
}

/* mallinfo() - mallinfo2() in ints; what does not fit is INT_MAX. */
PCM_EXPORT struct mallinfo
mallinfo(void)
{
	struct mallinfo2 m = mallinfo2();

	return (struct mallinfo){
		.arena = clamp(m.arena),
		.hblks = clamp(m.hblks),
		.hblkhd = clamp(m.hblkhd),
		.fsmblks = clamp(m.fsmblks),
		.uordblks = clamp(m.uordblks),
		.fordblks = clamp(m.fordblks),
		.keepcost = clamp(m.keepcost),
	};
}

static void
write_classes(FILE *f, const struct pcm_stats_all *all)
{
	unsigned c;

	fputs("<sizes>\n", f);
	for (c = 1; c < PCM_NCLASSES; c++) {
		const struct pcm_stats_class *class = &all->class[c];

		if (!pcm_stats_class_used(class))
			continue;
		fprintf(f,
			"<size bytes=\"%zu\" spans=\"%zu\" span_bytes=\"%zu\""
			" allocated=\"%zu\" cached=\"%zu\"/>\n",
			class->size, class->nspans, class->span_bytes,
			class->allocated, class->cached);
	}
	fputs("</sizes>\n", f);
}

/*
 * malloc_info() - the statistics as XML on `f`.
 *
 * options	must be 0
 *
 * Returns 0, or -1 with errno EINVAL; write errors show in ferror(f).
 */
PCM_EXPORT int
malloc_info(int options, FILE *f)
{
	struct pcm_stats_all all;

	if (options != 0) {
		errno = EINVAL;
		return -1;
	}
	pcm_stats_collect(&all);
	fputs("<malloc version=\"1\">\n", f);
	fprintf(f,
		"<pcmalloc version=\"" PCM_VERSION_STRING "\" mode=\"%s\""
		" slabs=\"%zu\" shards=\"%zu\"/>\n",
		pcm_rseq_mode(), all.sum.nslabs, all.sum.nshards);
	write_classes(f, &all);
	fprintf(f,
		"<hugepages whole=\"%zu\" partial=\"%zu\" broken=\"%zu\""
		" backed=\"%zu\"/>\n",
		all.sum.nhuge_whole, all.sum.nhuge_partial,
		all.sum.nhuge_broken, all.sum.nhuge_backed);
	fprintf(f,
		"<pages free=\"%zu\" unbacked=\"%zu\" longest=\"%zu\"/>\n",
		all.sum.heap_free, all.sum.heap_unbacked,
		all.sum.heap_longest);
	fprintf(f, "<total type=\"large\" count=\"%zu\" size=\"%zu\"/>\n",
		all.nlarge, all.large);
	fprintf(f, "<total type=\"mmap\" count=\"%zu\" size=\"%zu\"/>\n",
		all.nmappings, all.mappings);
	fprintf(f, "<total type=\"rest\" count=\"0\" size=\"%zu\"/>\n",
		all.sum.cached + all.sum.retained);
	fprintf(f, "<system type=\"current\" size=\"%zu\"/>\n",
		all.sum.mapped);
	fprintf(f, "<aspace type=\"total\" size=\"%zu\"/>\n",
		all.sum.mapped + all.sum.metadata);
	fputs("</malloc>\n", f);
	return 0;
}
