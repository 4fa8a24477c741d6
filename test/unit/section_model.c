/*
 * The record of section_model.h.
 */
#include "section_model.h"

#define NOBJS (MODEL_ARRAYS * MODEL_SLOTS + MODEL_HELD)
#define FILLER 0x55

/* Failures in a row that no preemption explains. */
#define ABORTS_MAX 200

const char *const section_names[NSECTIONS] = { "pop", "push", "exchange",
					       "pop spare", "push spare" };
const char *const model_fill_names[NFILLS] = { "empty", "middle",
					       "full", "both empty",
					       "both full", "absent" };

/* Objects in the two arrays of each copy. */
enum { FIRST, SECOND, NPAIR };

static const unsigned int fills[NFILLS][NPAIR] = {
	[EMPTY] = { 0, MODEL_SLOTS / 2 },
	[MIDDLE] = { MODEL_SLOTS / 2, MODEL_SLOTS / 2 },
	[FULL] = { MODEL_SLOTS, MODEL_SLOTS / 2 },
	[EMPTY_BOTH] = { 0, 0 },
	[FULL_BOTH] = { MODEL_SLOTS, MODEL_SLOTS },
	[ABSENT] = { MODEL_SLOTS / 2, MODEL_SLOTS / 2 },
};

static struct {
	void *slot[MODEL_SLOTS]; /* those above n: as they were left */
	unsigned int n;
} arrays[MODEL_ARRAYS];

static unsigned int in_copy[MODEL_COPIES][NPAIR]; /* numbers of the arrays */
static bool in_word[MODEL_ARRAYS];
static bool in_hand[NOBJS];
static const void *reserved; /* model_input()'s last */
static bool live;

static void *object(unsigned int number)
{
	return (void *)(uintptr_t)(0x1000 + 16 * number);
}

static unsigned int number_of(const void *obj)
{
	uintptr_t n = ((uintptr_t)obj - 0x1000) / 16;

	must((uintptr_t)obj >= 0x1000 && n < NOBJS && object(n) == obj);
	return (unsigned int)n;
}

static void **bottom(unsigned int array)
{
	return lab_bottom(array, MODEL_SLOTS);
}

static void **top(unsigned int array)
{
	return bottom(array) + arrays[array].n;
}

static void **word(unsigned int copy, unsigned int which)
{
	return (void **)__atomic_load_n(&lab_copies[copy].word[LAB_WORD + which],
					__ATOMIC_RELAXED);
}

static void init_array(unsigned int array, unsigned int nobjs)
{
	unsigned int i;

	lab_fill(array, MODEL_SLOTS, 0);
	memset(arrays[array].slot, FILLER, sizeof(arrays[array].slot));
	arrays[array].n = nobjs;
	for (i = 0; i < MODEL_SLOTS; i++) {
		unsigned int number = array * MODEL_SLOTS + i;

		in_hand[number] = i >= nobjs;
		if (i < nobjs)
			bottom(array)[i] = arrays[array].slot[i] =
				object(number);
	}
}

void model_table(bool on)
{
	unsigned int i;

	live = on;
	for (i = 0; i < LAB_NINDEXES; i++)
		__atomic_store_n(&lab_table[i],
				 on ? lab_distance(i % MODEL_COPIES) : 0,
				 __ATOMIC_RELEASE);
}

void model_init(enum model_fill fill)
{
	unsigned int i, which;

	lab_init();
	reserved = NULL;
	for (i = 0; i < MODEL_ARRAYS; i++) {
		in_word[i] = i < NPAIR * MODEL_COPIES;
		init_array(i, in_word[i] ? fills[fill][i % NPAIR] :
					   MODEL_SLOTS / 3);
	}
	for (i = 0; i < MODEL_COPIES; i++) {
		for (which = FIRST; which < NPAIR; which++) {
			in_copy[i][which] = NPAIR * i + which;
			lab_copies[i].word[LAB_WORD + which] =
				top(NPAIR * i + which);
		}
		lab_copies[i].word[LAB_OTHER] = lab_copies[i].word[LAB_FAR] =
			lab_fence;
	}
	for (i = MODEL_ARRAYS * MODEL_SLOTS; i < NOBJS; i++)
		in_hand[i] = true;
	model_table(fill != ABSENT);
}

/* The highest object in hand; at the end of the list are those to push. */
static void *next_held(void)
{
	unsigned int i;

	for (i = NOBJS; i-- > 0;)
		if (in_hand[i] && object(i) != reserved)
			return object(i);
	must(!"an object in hand");
	return NULL;
}

static void *next_loose(void)
{
	unsigned int i;

	for (i = MODEL_ARRAYS; i-- > 0;)
		if (!in_word[i] && top(i) != reserved)
			return top(i);
	must(!"a loose array");
	return NULL;
}

static void *input(enum section section)
{
	if (model_pushes(section))
		return next_held();
	return section == EXCHANGE ? next_loose() : NULL;
}

void *model_input(enum section section)
{
	void *in = input(section);

	reserved = in;
	return in;
}

bool section_run(enum section section, struct pcm_rseq_area *area, void *in,
		 void **out)
{
	switch (section) {
	case POP:
		return lab_pop(area, out);
	case PUSH:
		return lab_push(area, in);
	case POP_SPARE:
		return lab_pop_spare(area, out);
	case PUSH_SPARE:
		return lab_push_spare(area, in);
	default:
		return lab_exchange(area, in, out);
	}
}

/* The copy of which a word has changed; MODEL_COPIES: none. */
static unsigned int changed_copy(void)
{
	unsigned int i, found = MODEL_COPIES;

	for (i = 0; i < MODEL_COPIES; i++) {
		if (word(i, FIRST) == top(in_copy[i][FIRST]) &&
		    word(i, SECOND) == top(in_copy[i][SECOND]))
			continue;
		must(found == MODEL_COPIES);
		found = i;
	}
	return found;
}

bool model_changed(void)
{
	return changed_copy() < MODEL_COPIES;
}

static unsigned int array_of(const void *its_top)
{
	unsigned int i;

	for (i = 0; i < MODEL_ARRAYS; i++)
		if (top(i) == its_top)
			return i;
	must(!"the top of an array");
	return 0;
}

static void *note_popped(unsigned int array)
{
	void *obj = arrays[array].slot[--arrays[array].n];

	in_hand[number_of(obj)] = true;
	return obj;
}

static void note_pushed(unsigned int array, void *obj)
{
	arrays[array].slot[arrays[array].n++] = obj;
	must(in_hand[number_of(obj)]);
	in_hand[number_of(obj)] = false;
}

static void note_exchanged(unsigned int copy, void *in)
{
	unsigned int *array = &in_copy[copy][FIRST];

	in_word[*array] = false;
	*array = array_of(in);
	in_word[*array] = true;
}

static void note_swapped(unsigned int copy)
{
	unsigned int first = in_copy[copy][FIRST];

	in_copy[copy][FIRST] = in_copy[copy][SECOND];
	in_copy[copy][SECOND] = first;
}

unsigned int model_observe(enum section section, void *in, void **out)
{
	unsigned int copy = changed_copy();

	must(copy < MODEL_COPIES);
	if (section == POP_SPARE || section == PUSH_SPARE) {
		/* It served because the first one could not. */
		must(arrays[in_copy[copy][FIRST]].n ==
		     (section == POP_SPARE ? 0 : MODEL_SLOTS));
		note_swapped(copy);
	}
	if (section == EXCHANGE) {
		*out = top(in_copy[copy][FIRST]);
		note_exchanged(copy, in);
	} else if (model_pushes(section)) {
		must(word(copy, FIRST)[-1] == in);
		note_pushed(in_copy[copy][FIRST], in);
	} else {
		*out = note_popped(in_copy[copy][FIRST]);
	}
	must(word(copy, FIRST) == top(in_copy[copy][FIRST]));
	must(word(copy, SECOND) == top(in_copy[copy][SECOND]));
	return copy;
}

int model_current(const struct pcm_rseq_area *area)
{
	if (*(const volatile int32_t *)&area->cpu_id < 0)
		return -1;
	return (int)(*(const volatile uint32_t *)((uintptr_t)area +
						  pcm_rseq_index_field) %
		     MODEL_COPIES);
}

/* By the numbers of objects in the two arrays. */
static bool can(enum section section, unsigned int first, unsigned int second)
{
	switch (section) {
	case POP:
		return first > 0;
	case PUSH:
		return first < MODEL_SLOTS;
	case POP_SPARE:
		return first == 0 && second > 0;
	case PUSH_SPARE:
		return first == MODEL_SLOTS && second < MODEL_SLOTS;
	default:
		return true;
	}
}

enum model_fill model_typical(enum section section)
{
	if (section == POP_SPARE)
		return EMPTY;
	return section == PUSH_SPARE ? FULL : MIDDLE;
}

bool model_works(enum section section, enum model_fill fill)
{
	return fill != ABSENT &&
		can(section, fills[fill][FIRST], fills[fill][SECOND]);
}

static bool possible(enum section section, int copy)
{
	return copy >= 0 && live &&
		can(section, arrays[in_copy[copy][FIRST]].n,
		    arrays[in_copy[copy][SECOND]].n);
}

bool model_run(enum section section, struct pcm_rseq_area *area, void *in)
{
	void *out = NULL, *expected = NULL;
	int before, after;
	unsigned int tries = 0, copy;
	bool done;

	if (in == NULL)
		in = input(section);
	do {
		before = model_current(area);
		done = section_run(section, area, in, &out);
		after = model_current(area);
	} while (!done && ++tries < ABORTS_MAX);
	if (before == after)
		must(done == possible(section, before));
	if (!done)
		return false;
	copy = model_observe(section, in, &expected);
	must(before != after || (int)copy == before);
	must(model_pushes(section) || out == expected);
	return true;
}

static void drain(void ***word, unsigned int array)
{
	while (arrays[array].n > 0) {
		void *obj = *--*word;

		must(obj == note_popped(array));
	}
	must(*word == bottom(array));
}

void model_drain(void)
{
	unsigned int i, which;

	for (i = 0; i < MODEL_COPIES; i++)
		for (which = FIRST; which < NPAIR; which++)
			drain(&lab_copies[i].word[LAB_WORD + which],
			      in_copy[i][which]);
}

static void check_array(unsigned int array, const void *written,
			unsigned char *seen)
{
	void **slot = bottom(array);
	unsigned int i;

	must(slot[-1] == NULL && slot[MODEL_SLOTS] == (void *)PCM_STACK_GUARD);
	must(all_bytes(&lab_slots[array][0],
		       (size_t)((char *)(slot - 1) -
				(char *)&lab_slots[array][0]),
		       FILLER));
	for (i = 0; i < MODEL_SLOTS; i++) {
		if (i >= arrays[array].n && slot[i] == written)
			continue;
		must(slot[i] == arrays[array].slot[i]);
	}
	/* Counted where sections find them: below the top that is in memory. */
	for (i = 0; i < arrays[array].n; i++)
		seen[number_of(slot[i])]++;
}

void model_check(const void *written)
{
	unsigned char seen[NOBJS] = { 0 };
	unsigned int i, which;

	for (i = 0; i < MODEL_COPIES; i++) {
		for (which = FIRST; which < NPAIR; which++)
			must(word(i, which) == top(in_copy[i][which]));
		must(lab_copies[i].word[LAB_OTHER] == lab_fence);
		must(lab_copies[i].word[LAB_FAR] == lab_fence);
	}
	for (i = 0; i < MODEL_ARRAYS; i++)
		check_array(i, written, seen);
	for (i = 0; i < NOBJS; i++)
		must(seen[i] + in_hand[i] == 1);
	lab_check_dummy();
}
