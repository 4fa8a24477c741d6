/*
 * Hand-made words, stacks and tables for the tests of the restartable sections.
 *
 *	dummy[0 .. NWORDS-1]	the copy that table entry 0 leads to; each word
 *				points to the guard behind an array of zeros
 *	copy[i]			index i's words, if table[i] says so
 *	stack			arrays of slots, each with a guard at its end
 */
#ifndef PCM_TEST_SECTION_LAB_H
#define PCM_TEST_SECTION_LAB_H

#include "unit.h"

#include "rseq_section.h"

#define LAB_NINDEXES 8192
#define LAB_NCOPIES 64
#define LAB_SLOTS 128u /* of an array, with its guard */

/* A pair, and one beside it, so that an access to the wrong word shows. */
enum { LAB_OTHER, LAB_FAR, LAB_WORD, LAB_SPARE, LAB_NWORDS };

struct lab_copy {
	void **word[LAB_NWORDS];
} __attribute__((aligned(16)));

/* struct rseq_cs of the kernel. */
struct lab_descriptor {
	uint32_t version, flags;
	uint64_t start, length, abort;
};

extern void *lab_nothing[LAB_SLOTS];
extern struct lab_copy lab_dummy, lab_copies[LAB_NCOPIES];
extern pcm_rseq_distance lab_table[LAB_NINDEXES];
extern void *lab_slots[LAB_NCOPIES][LAB_SLOTS];
/* What lies behind the last stack: never written. */
extern void *lab_fence[LAB_SLOTS];

static inline const void *lab_word(void)
{
	return &lab_dummy.word[LAB_WORD];
}

/* The top of what is empty and full: in the dummy. */
#define LAB_NONE (&lab_nothing[LAB_SLOTS - 1])

/* The lowest slot of a stack of n slots; n < LAB_SLOTS - 1. */
static inline void **lab_bottom(unsigned int array, unsigned int n)
{
	return &lab_slots[array][LAB_SLOTS - 1 - n];
}

static inline pcm_rseq_distance lab_distance(unsigned int copy)
{
	return (pcm_rseq_distance)((uintptr_t)&lab_copies[copy] -
				   (uintptr_t)&lab_dummy);
}

/*
 * Makes the copy's word a stack of n slots with the objects 1 to nobjs, 1 lowest; its
 * spare one is none.
 */
void lab_fill(unsigned int copy, unsigned int n, unsigned int nobjs);

/* Ends the test if the dummy, what it points to, or the fence was written to. */
void lab_check_dummy(void);

/* The dummy as percpu/ has it; every index leads to it. */
void lab_init(void);

/* Every index leads to the copy. */
void lab_all_to(unsigned int copy);

/* The sections, each inlined once: one descriptor, one run of instructions. */
bool lab_pop(struct pcm_rseq_area *area, void **obj);
bool lab_push(struct pcm_rseq_area *area, void *obj);
bool lab_exchange(struct pcm_rseq_area *area, void *new, void **old);
bool lab_pop_spare(struct pcm_rseq_area *area, void **obj);
bool lab_push_spare(struct pcm_rseq_area *area, void *obj);

#endif
