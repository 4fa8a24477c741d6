/*
 * The record of section_model.h.
 */
#include "section_model.h"

#define NOBJS (MODEL_ARRAYS * MODEL_SLOTS + MODEL_HELD)
#define FILLER 0x55

/* Failures in a row that no preemption explains. */
#define ABORTS_MAX 200

const char *const section_names[NSECTIONS] = { "pop", "push", "exchange" };
const char *const model_fill_names[NFILLS] = { "empty", "middle", "full",
					       "absent" };

static struct {
	void *slot[MODEL_SLOTS]; /* those above n: as they were left */
	unsigned int n;
} arrays[MODEL_ARRAYS];

static unsigned int in_copy[MODEL_COPIES]; /* number of the array */
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

static void **word(unsigned int copy)
{
	return (void **)__atomic_load_n(&lab_copies[copy].word[LAB_WORD],
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
	static const unsigned int nobjs[NFILLS] = { 0, MODEL_SLOTS / 2,
						    MODEL_SLOTS,
						    MODEL_SLOTS / 2 };
	unsigned int i;

	lab_init();
	reserved = NULL;
	for (i = 0; i < MODEL_ARRAYS; i++) {
		in_word[i] = i < MODEL_COPIES;
		init_array(i, in_word[i] ? nobjs[fill] : MODEL_SLOTS / 3);
		if (in_word[i]) {
			in_copy[i] = i;
			lab_copies[i].word[LAB_WORD] = top(i);
		}
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

static void *next_spare(void)
{
	unsigned int i;

	for (i = MODEL_ARRAYS; i-- > 0;)
		if (!in_word[i] && top(i) != reserved)
			return top(i);
	must(!"a spare array");
	return NULL;
}

static void *input(enum section section)
{
	if (section == POP)
		return NULL;
	return section == PUSH ? next_held() : next_spare();
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
	default:
		return lab_exchange(area, in, out);
	}
}

/* The copy whose word has changed; MODEL_COPIES: none. */
static unsigned int changed_copy(void)
{
	unsigned int i, found = MODEL_COPIES;

	for (i = 0; i < MODEL_COPIES; i++) {
		if (word(i) == top(in_copy[i]))
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

unsigned int model_observe(enum section section, void *in, void **out)
{
	unsigned int copy = changed_copy(), array;
	void **now, **before;

	must(copy < MODEL_COPIES);
	array = in_copy[copy];
	now = word(copy);
	before = top(array);
	if (section == POP) {
		must(now == before - 1);
		*out = arrays[array].slot[--arrays[array].n];
		in_hand[number_of(*out)] = true;
	} else if (section == PUSH) {
		must(now == before + 1 && now[-1] == in);
		arrays[array].slot[arrays[array].n++] = in;
		must(in_hand[number_of(in)]);
		in_hand[number_of(in)] = false;
	} else {
		must(now == in);
		*out = before;
		in_word[array] = false;
		in_copy[copy] = array_of(in);
		in_word[in_copy[copy]] = true;
	}
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

static bool possible(enum section section, int copy)
{
	unsigned int n;

	if (copy < 0 || !live)
		return false;
	n = arrays[in_copy[copy]].n;
	return section == EXCHANGE ||
		(section == POP ? n > 0 : n < MODEL_SLOTS);
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
	must(section == PUSH || out == expected);
	return true;
}

void model_drain(void)
{
	unsigned int i, array;

	for (i = 0; i < MODEL_COPIES; i++) {
		array = in_copy[i];
		while (arrays[array].n > 0) {
			void *obj = *--lab_copies[i].word[LAB_WORD];

			must(obj == arrays[array].slot[--arrays[array].n]);
			in_hand[number_of(obj)] = true;
		}
		must(lab_copies[i].word[LAB_WORD] == bottom(array));
	}
}

static void check_array(unsigned int array, const void *written,
			unsigned char *seen)
{
	void **slot = bottom(array);
	unsigned int i;

	must(slot[-1] == NULL);
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

static void check_dummy(void)
{
	must(lab_dummy.word[LAB_WORD] == lab_nothing + LAB_SLOTS);
	must(lab_dummy.word[LAB_OTHER] == lab_nothing + LAB_SLOTS);
	must(all_bytes(lab_nothing, sizeof(lab_nothing), 0));
	must(all_bytes(lab_fence, sizeof(lab_fence), 0));
}

void model_check(const void *written)
{
	unsigned char seen[NOBJS] = { 0 };
	unsigned int i;

	for (i = 0; i < MODEL_COPIES; i++) {
		must(word(i) == top(in_copy[i]));
		must(lab_copies[i].word[LAB_OTHER] == (void **)lab_fence);
	}
	for (i = 0; i < MODEL_ARRAYS; i++)
		check_array(i, written, seen);
	for (i = 0; i < NOBJS; i++)
		must(seen[i] + in_hand[i] == 1);
	check_dummy();
}
