/*
 * Hand-made words, stacks and tables for the tests of the restartable sections.
 *
 *	dummy[0 .. NWORDS-1]	the copy that table entry 0 leads to; each word
 *				points to the end of an array of zeros
 *	copy[i]			index i's words, if table[i] says so
 *	stack			one array of slots per copy
 */
#ifndef PCM_TEST_SECTION_LAB_H
#define PCM_TEST_SECTION_LAB_H

#include "unit.h"

#include "rseq_section.h"

#define LAB_NINDEXES 8192
#define LAB_NCOPIES 64
#define LAB_SLOTS (PCM_STACK_ALIGN / sizeof(void *))

/* Two words, so that an access to the wrong one shows. */
enum { LAB_OTHER, LAB_WORD, LAB_NWORDS };

struct lab_copy {
	void **word[LAB_NWORDS];
};

static void *lab_nothing[LAB_SLOTS] __attribute__((aligned(PCM_STACK_ALIGN)));
static struct lab_copy lab_dummy, lab_copies[LAB_NCOPIES];
static pcm_rseq_distance lab_table[LAB_NINDEXES];
static void *lab_slots[LAB_NCOPIES][LAB_SLOTS]
	__attribute__((aligned(PCM_STACK_ALIGN)));
/* What lies behind the last stack: never written. */
static void *lab_fence[LAB_SLOTS] __attribute__((aligned(PCM_STACK_ALIGN)));

static inline const void *lab_word(void)
{
	return &lab_dummy.word[LAB_WORD];
}

/* The lowest slot of a stack of n slots; n < LAB_SLOTS. */
static inline void **lab_bottom(unsigned int copy, unsigned int n)
{
	return &lab_slots[copy][LAB_SLOTS - n];
}

/* Makes copy `copy` a stack of n slots with the objects 1 to nobjs, 1 lowest. */
static inline void lab_fill(unsigned int copy, unsigned int n,
			    unsigned int nobjs)
{
	void **bottom = lab_bottom(copy, n);
	unsigned int i;

	memset(lab_slots[copy], 0x55, sizeof(lab_slots[copy]));
	bottom[-1] = NULL;
	for (i = 0; i < nobjs; i++)
		bottom[i] = (void *)(uintptr_t)(i + 1);
	lab_copies[copy].word[LAB_WORD] = bottom + nobjs;
	lab_copies[copy].word[LAB_OTHER] = (void **)lab_fence;
}

static inline pcm_rseq_distance lab_distance(unsigned int copy)
{
	return (pcm_rseq_distance)((uintptr_t)&lab_copies[copy] -
				   (uintptr_t)&lab_dummy);
}

/* The dummy as percpu/ has it; every index leads to it. */
static inline void lab_init(void)
{
	lab_dummy.word[LAB_OTHER] = lab_dummy.word[LAB_WORD] =
		lab_nothing + LAB_SLOTS;
	memset(lab_table, 0, sizeof(lab_table));
}

/* Every index leads to the copy. */
static inline void lab_all_to(unsigned int copy)
{
	unsigned int i;

	for (i = 0; i < LAB_NINDEXES; i++)
		lab_table[i] = lab_distance(copy);
}

/* The sections, each inlined once: one descriptor, one run of instructions. */
#define LAB_SECTION PCM_NOINLINE __attribute__((unused))

static LAB_SECTION bool lab_pop(struct pcm_rseq_area *area, void **obj)
{
	return pcm_rseq_pop(area, lab_word(), lab_table, obj);
}

static LAB_SECTION bool lab_push(struct pcm_rseq_area *area, void *obj)
{
	return pcm_rseq_push(area, lab_word(), lab_table, obj);
}

static LAB_SECTION bool lab_exchange(struct pcm_rseq_area *area, void *new,
				      void **old)
{
	return pcm_rseq_exchange(area, lab_word(), lab_table, new, old);
}

#endif
