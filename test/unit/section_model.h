/*
 * What the copies of a word hold, by the book: a second record of every object,
 * kept in plain C, that the memory on which the sections work is compared with.
 *
 * Index i leads to copy i % MODEL_COPIES; each copy starts with two arrays of its
 * own, one for each word of its pair, and an exchange brings in a loose one. Every
 * object is there once: in an array, or in the program's hand.
 */
#ifndef PCM_TEST_SECTION_MODEL_H
#define PCM_TEST_SECTION_MODEL_H

#include "section_lab.h"

#define MODEL_COPIES 16
#define MODEL_LOOSE 4
#define MODEL_ARRAYS (2 * MODEL_COPIES + MODEL_LOOSE)
#define MODEL_SLOTS 12

/* Objects that the program holds at first: what it pushes. */
#define MODEL_HELD 4

enum section { POP, PUSH, EXCHANGE, POP_SPARE, PUSH_SPARE, NSECTIONS };

/* Of the first array of each copy; the second is half full, except of those BOTH. */
enum model_fill { EMPTY, MIDDLE, FULL, EMPTY_BOTH, FULL_BOTH, ABSENT, NFILLS };

extern const char *const section_names[NSECTIONS];
extern const char *const model_fill_names[NFILLS];

/* The state in which the section has something to do. */
enum model_fill model_typical(enum section section);

/* Does it do something then? */
bool model_works(enum section section, enum model_fill fill);

/* Does it put an object in? */
static inline bool model_pushes(enum section section)
{
	return section == PUSH || section == PUSH_SPARE;
}

/* Starts anew. ABSENT: middle, but the table leads every index to the dummy. */
void model_init(enum model_fill fill);

/* Every index to its copy, or to the dummy. */
void model_table(bool live);

/*
 * What a section puts in: the next object in hand, or the next loose array. It
 * is kept for this use: model_run() by itself chooses another.
 */
void *model_input(enum section section);

/* One run of the section on the area. */
bool section_run(enum section section, struct pcm_rseq_area *area, void *in,
		 void **out);

/* The copy that a section on this area would use now; -1: not registered. */
int model_current(const struct pcm_rseq_area *area);

/* Is there a word that is not as recorded? */
bool model_changed(void);

/*
 * A section has committed: finds where, notes it, and says what it must return.
 * Returns the copy.
 */
unsigned int model_observe(enum section section, void *in, void **out);

/*
 * Runs the section until it is done or has failed too often for aborts to be
 * the reason, and notes it. Where the index could be told, it must have worked
 * on that index's copy, and must have failed only if that had to.
 *
 * in	what it puts in; NULL: something new
 */
bool model_run(enum section section, struct pcm_rseq_area *area, void *in);

/* Takes all objects out of the copies' stacks into the hand, in plain C. */
void model_drain(void);

/*
 * Memory is what the record says: words, their neighbours, slots, the dummy;
 * and every object is there exactly once.
 *
 * written	what an interrupted push may have left above a top
 */
void model_check(const void *written);

#endif
