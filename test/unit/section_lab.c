/*
 * The words, stacks and sections of section_lab.h. A file of its own, so that
 * the compiler makes of each section one function and no other copy.
 */
#include "section_lab.h"

void *lab_nothing[LAB_SLOTS];
struct lab_copy lab_dummy, lab_copies[LAB_NCOPIES];
pcm_rseq_distance lab_table[LAB_NINDEXES];
void *lab_slots[LAB_NCOPIES][LAB_SLOTS];
void *lab_fence[LAB_SLOTS];

void lab_fill(unsigned int copy, unsigned int n, unsigned int nobjs)
{
	void **bottom = lab_bottom(copy, n);
	unsigned int i;

	memset(lab_slots[copy], 0x55, sizeof(lab_slots[copy]));
	bottom[-1] = NULL;
	bottom[n] = (void *)PCM_STACK_GUARD;
	for (i = 0; i < nobjs; i++)
		bottom[i] = (void *)(uintptr_t)(i + 1);
	lab_copies[copy].word[LAB_WORD] = bottom + nobjs;
	lab_copies[copy].word[LAB_SPARE] = LAB_NONE;
	lab_copies[copy].word[LAB_OTHER] = lab_copies[copy].word[LAB_FAR] =
		lab_fence;
}

void lab_init(void)
{
	unsigned int i;

	*LAB_NONE = (void *)PCM_STACK_GUARD;
	for (i = 0; i < LAB_NWORDS; i++)
		lab_dummy.word[i] = LAB_NONE;
	memset(lab_table, 0, sizeof(lab_table));
}

void lab_check_dummy(void)
{
	unsigned int i;

	for (i = 0; i < LAB_NWORDS; i++)
		must(lab_dummy.word[i] == LAB_NONE);
	must(*LAB_NONE == (void *)PCM_STACK_GUARD);
	must(all_bytes(lab_nothing, sizeof(lab_nothing) - sizeof(void *), 0));
	must(all_bytes(lab_fence, sizeof(lab_fence), 0));
}

void lab_all_to(unsigned int copy)
{
	unsigned int i;

	for (i = 0; i < LAB_NINDEXES; i++)
		lab_table[i] = lab_distance(copy);
}

bool lab_pop(struct pcm_rseq_area *area, void **obj)
{
	return pcm_rseq_pop(area, lab_word(), lab_table, obj);
}

bool lab_push(struct pcm_rseq_area *area, void *obj)
{
	return pcm_rseq_push(area, lab_word(), lab_table, obj);
}

bool lab_exchange(struct pcm_rseq_area *area, void *new, void **old)
{
	return pcm_rseq_exchange(area, lab_word(), lab_table, new, old);
}

bool lab_pop_spare(struct pcm_rseq_area *area, void **obj)
{
	return pcm_rseq_pop_spare(area, lab_word(), lab_table, obj);
}

bool lab_push_spare(struct pcm_rseq_area *area, void *obj)
{
	return pcm_rseq_push_spare(area, lab_word(), lab_table, obj);
}
