/*
 * stats.c - collecting, and the text that malloc_stats() and stats:exit write.
 *
 * Blocks in use are those outside of their spans less those in caches. Both are
 * counted while others allocate: a difference below zero counts as 0.
 */
#define _GNU_SOURCE
#include "stats.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "central.h"
#include "conf.h"
#include "depot.h"
#include "large.h"
#include "leftover.h"
#include "magazine.h"
#include "mapping.h"
#include "meta.h"
#include "mixed.h"
#include "page_heap.h"
#include "percpu.h"
#include "raw_syscall.h"
#include "rseq_process.h"
#include "rseq_thread.h"
#include "slow.h"
#include "text.h"

static void
collect_class(struct pcm_stats_class *out, unsigned class, size_t in_slabs)
{
	struct pcm_central_stats central;

	pcm_central_stats_get(class, &central);
	out->size = pcm_size_class[class].size;
	out->nspans = central.nspans;
	out->span_bytes = central.nbytes;
	out->cached = in_slabs + pcm_depot_nobjs(class);
	out->allocated = central.nout > out->cached ?
		central.nout - out->cached : 0;
}

static void
collect_small(struct pcm_stats_all *all)
{
	struct pcm_percpu_stats percpu;
	struct pcm_mixed_stats mixed;
	unsigned c;

	pcm_percpu_stats_get(&percpu);
	all->sum.nslabs = percpu.nslabs;
	all->sum.nshards = percpu.nshards;
	for (c = 1; c < PCM_NCLASSES; c++) {
		struct pcm_stats_class *class = &all->class[c];

		collect_class(class, c, percpu.nobjs[c]);
		all->sum.allocated += class->allocated * class->size;
		all->sum.cached += class->cached * class->size;
	}
	pcm_mixed_stats_get(&mixed);
	all->sum.nmixed = mixed.nspans;
	all->sum.mixed = mixed.nbytes;
	all->sum.mixed_free = mixed.nfree;
}

static void
collect_page_heap(struct pcm_stats *sum, const struct pcm_page_heap_stats *heap)
{
	sum->heap_free = heap->free_warm + heap->free_cold;
	sum->heap_unbacked = heap->free_cold;
	sum->heap_longest = heap->longest_free;
	sum->nhuge_whole = heap->nhuge_free;
	sum->nhuge_partial = heap->nhuge_partial;
	sum->nhuge_broken = heap->nhuge_broken;
	sum->nhuge_backed = heap->nhuge_backed;
}

static void
collect_large(struct pcm_stats_all *all)
{
	struct pcm_page_heap_stats heap;
	struct pcm_mapping_stats maps;
	struct pcm_large_stats large;

	pcm_page_heap_stats_get(&heap);
	pcm_mapping_stats_get(&maps);
	pcm_large_stats_get(&large);
	all->nlarge = large.nlive;
	all->large = large.live;
	all->nmappings = maps.nlive;
	all->mappings = maps.live;
	all->cached_mappings = maps.cached;
	all->sum.allocated += large.live + maps.live;
	all->sum.active = heap.used + maps.live;
	all->sum.retained = heap.free_warm + maps.cached + pcm_leftover_warm();
	all->sum.mapped = heap.mapped + maps.live + maps.cached +
		pcm_leftover_bytes();
	all->sum.metadata = pcm_meta_bytes();
	collect_page_heap(&all->sum, &heap);
}

void
pcm_stats_collect(struct pcm_stats_all *all)
{
	struct pcm_rseq_counts counts;

	memset(all, 0, sizeof(*all));
	if (!pcm_slow_enter())
		return;
	collect_small(all);
	collect_large(all);
	pcm_slow_leave();
	pcm_rseq_counts_get(&counts);
	all->sum.narmed = counts.armed;
	all->sum.nrearmed = counts.rearmed;
	all->sum.nrefused = counts.refused;
}

static void
line(struct pcm_text *text, int fd, const char *name, size_t n)
{
	pcm_text_str(text, "pcmalloc: ");
	pcm_text_str(text, name);
	pcm_text_str(text, ": ");
	pcm_text_dec(text, n);
	pcm_text_str(text, "\n");
	pcm_text_write(text, fd);
}

static void
class_line(struct pcm_text *text, int fd, const struct pcm_stats_class *class)
{
	const char *const names[] = { "pcmalloc: class ", ": spans ", ", bytes ",
				      ", allocated ", ", cached " };
	const size_t values[] = { class->size, class->nspans, class->span_bytes,
				  class->allocated, class->cached };
	size_t i;

	for (i = 0; i < PCM_ARRAY_LEN(values); i++) {
		pcm_text_str(text, names[i]);
		pcm_text_dec(text, values[i]);
	}
	pcm_text_str(text, "\n");
	pcm_text_write(text, fd);
}

static void
write_head(struct pcm_text *text, int fd)
{
	const char *key, *value = "";
	size_t i;

	pcm_text_str(text, "pcmalloc: mode: ");
	pcm_text_str(text, pcm_rseq_mode());
	pcm_text_str(text, "\npcmalloc: configuration: ");
	for (i = 0; (key = pcm_conf_key(i, &value)) != NULL; i++) {
		pcm_text_str(text, i == 0 ? "" : ",");
		pcm_text_str(text, key);
		pcm_text_str(text, ":");
		pcm_text_str(text, value);
	}
	pcm_text_str(text, "\n");
	pcm_text_write(text, fd);
}

void
pcm_stats_write(int fd)
{
	struct pcm_text text = { .len = 0 };
	struct pcm_stats_all all;
	size_t i;

	pcm_stats_collect(&all);
	write_head(&text, fd);
	{
		const struct {
			const char *name;
			size_t value;
		} lines[] = {
			{ "allocated bytes", all.sum.allocated },
			{ "cached bytes", all.sum.cached },
			{ "active bytes", all.sum.active },
			{ "retained bytes", all.sum.retained },
			{ "mapped bytes", all.sum.mapped },
			{ "metadata bytes", all.sum.metadata },
			{ "free page bytes", all.sum.heap_free },
			{ "unbacked page bytes", all.sum.heap_unbacked },
			{ "longest free range bytes", all.sum.heap_longest },
			{ "whole hugepages", all.sum.nhuge_whole },
			{ "partial hugepages", all.sum.nhuge_partial },
			{ "broken hugepages", all.sum.nhuge_broken },
			{ "backed hugepages", all.sum.nhuge_backed },
			{ "mixed spans", all.sum.nmixed },
			{ "mixed span bytes", all.sum.mixed },
			{ "mixed span free bytes", all.sum.mixed_free },
			{ "large blocks", all.nlarge },
			{ "large bytes", all.large },
			{ "mapping blocks", all.nmappings },
			{ "mapping bytes", all.mappings },
			{ "kept mapping bytes", all.cached_mappings },
			{ "slabs", all.sum.nslabs },
			{ "shards", all.sum.nshards },
			{ "threads armed", all.sum.narmed },
			{ "threads armed again", all.sum.nrearmed },
			{ "registrations refused", all.sum.nrefused },
		};

		for (i = 0; i < PCM_ARRAY_LEN(lines); i++)
			line(&text, fd, lines[i].name, lines[i].value);
	}
	for (i = 1; i < PCM_NCLASSES; i++)
		if (pcm_stats_class_used(&all.class[i]))
			class_line(&text, fd, &all.class[i]);
}

/* A copy of fd 2, out of the way of programs that count on low numbers. */
#define COPY_MIN 200

static int exit_fd = -1;
static struct stat exit_file;

/* Not fstat(), which glibc before 2.33 does not have. */
static bool
file_of(int fd, struct stat *file)
{
	return pcm_syscall2(SYS_fstat, fd, file) == 0;
}

void
pcm_stats_at_exit(void)
{
	long fd = pcm_syscall3(SYS_fcntl, STDERR_FILENO, F_DUPFD_CLOEXEC,
			       COPY_MIN);

	if (pcm_syscall_failed(fd))
		fd = STDERR_FILENO;
	if (file_of((int)fd, &exit_file))
		exit_fd = (int)fd;
}

/* A program that closes all that it finds may have a file of its own there. */
static bool
is_still_ours(void)
{
	struct stat now;

	return exit_fd >= 0 && file_of(exit_fd, &now) &&
		now.st_dev == exit_file.st_dev && now.st_ino == exit_file.st_ino;
}

/* After the program's own destructors and exit handlers. */
__attribute__((destructor(101))) static void
write_at_exit(void)
{
	if (is_still_ours())
		pcm_stats_write(exit_fd);
}
