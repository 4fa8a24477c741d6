/*
 * rseq_section_none.h - an architecture whose sections are not written.
 *
 * Every section reports failure, so every operation is served by the fallback.
 * The contract is in rseq_section.h.
 */
#ifndef PCM_RSEQ_SECTION_NONE_H
#define PCM_RSEQ_SECTION_NONE_H

PCM_ALWAYS_INLINE bool
pcm_rseq_pop(struct pcm_rseq_area *area, const void *word,
	     const pcm_rseq_distance *table, void **obj)
{
	(void)area, (void)word, (void)table;
	*obj = NULL;
	return false;
}

PCM_ALWAYS_INLINE bool
pcm_rseq_push(struct pcm_rseq_area *area, const void *word,
	      const pcm_rseq_distance *table, void *obj)
{
	(void)area, (void)word, (void)table, (void)obj;
	return false;
}

PCM_ALWAYS_INLINE bool
pcm_rseq_exchange(struct pcm_rseq_area *area, const void *word,
		  const pcm_rseq_distance *table, void *new, void **old)
{
	(void)area, (void)word, (void)table, (void)new;
	*old = NULL;
	return false;
}

PCM_ALWAYS_INLINE bool
pcm_rseq_pop_spare(struct pcm_rseq_area *area, const void *words,
		   const pcm_rseq_distance *table, void **obj)
{
	return pcm_rseq_pop(area, words, table, obj);
}

PCM_ALWAYS_INLINE bool
pcm_rseq_push_spare(struct pcm_rseq_area *area, const void *words,
		    const pcm_rseq_distance *table, void *obj)
{
	return pcm_rseq_push(area, words, table, obj);
}

#endif
