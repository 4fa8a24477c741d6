/*
 * public.c - the functions of <pcmalloc/pcmalloc.h>.
 */
#include "pcmalloc/pcmalloc.h"

#include <string.h>

#include "mapping.h"
#include "page_heap.h"
#include "rseq_process.h"
#include "rseq_thread.h"
#include "slow.h"
#include "stats.h"

_Static_assert((int)PCM_RSEQ_UNARMED == (int)PCM_RSEQ_THREAD_UNARMED &&
		       (int)PCM_RSEQ_LIBC == (int)PCM_RSEQ_THREAD_LIBC &&
		       (int)PCM_RSEQ_OWN == (int)PCM_RSEQ_THREAD_OWN &&
		       (int)PCM_RSEQ_FOREIGN == (int)PCM_RSEQ_THREAD_FOREIGN &&
		       (int)PCM_RSEQ_DENIED == (int)PCM_RSEQ_THREAD_DENIED &&
		       (int)PCM_RSEQ_OFF == (int)PCM_RSEQ_THREAD_OFF &&
		       (int)PCM_RSEQ_SHARED_TLS ==
			       (int)PCM_RSEQ_THREAD_SHARED_TLS,
	       "the public names of the states");

PCM_EXPORT const char *
pcm_version(void)
{
	return PCM_VERSION_STRING;
}

/* A thread that has not allocated has not found out yet: let it. */
PCM_EXPORT const char *
pcm_mode(void)
{
	if (pcm_slow_enter()) {
		(void)pcm_rseq_arm();
		pcm_slow_leave();
	}
	return pcm_rseq_mode();
}

PCM_EXPORT enum pcm_rseq_state
pcm_rseq_state(void)
{
	return (enum pcm_rseq_state)pcm_rseq_thread_state();
}

PCM_EXPORT size_t
pcm_release(size_t nbytes)
{
	size_t done;

	if (!pcm_slow_enter())
		return 0;
	done = pcm_mapping_cache_release(nbytes);
	if (done < nbytes)
		done += pcm_page_heap_release(nbytes - done);
	pcm_slow_leave();
	return done;
}

PCM_EXPORT int
pcm_stats_get(struct pcm_stats *stats, size_t size)
{
	struct pcm_stats_all all;

	pcm_stats_collect(&all);
	if (size > sizeof(all.sum))
		memset(stats, 0, size);
	memcpy(stats, &all.sum,
	       size < sizeof(all.sum) ? size : sizeof(all.sum));
	return 0;
}
