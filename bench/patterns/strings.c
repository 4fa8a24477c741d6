/*
 * Text: strings of all lengths are put together piece by piece with realloc,
 * copied to their length, kept for a while in a table, and joined to longer
 * ones now and then; one thread, as in an interpreter or a text formatter.
 */
#include "harness.h"

#define SLOTS 8000
#define PIECES 18000000
#define PIECE_LOW 3
#define PIECE_HIGH 60
#define LENGTH_LOW 4		/* strings of 2^4 ... 2^11 characters */
#define LENGTH_HIGH 11
#define JOINED 16
#define JOIN_ONE_IN 64

struct string {
	char *text;
	uint32_t length;
	char letter;
};

static struct string *tables[HARNESS_MAX_THREADS];

static char *grow(char *text, size_t from, size_t to)
{
	text = harness_got(realloc(text, to), to - from);
	return text;
}

static void drop(struct string *s)
{
	if (s->text == NULL)
		return;
	if (s->text[0] != s->letter || s->text[s->length / 2] != s->letter ||
	    s->text[s->length - 1] != s->letter || s->text[s->length] != '\0')
		measure_die("a string has lost its content");
	free(s->text);
	harness_account(-(int64_t)s->length - 1);
	s->text = NULL;
}

/* The text is as long as its buffer; a string that is kept is copied. */
static void keep(struct string *s, char *text, size_t length, size_t room)
{
	drop(s);
	s->text = harness_got(malloc(length + 1), length + 1);
	memcpy(s->text, text, length);
	s->text[length] = '\0';
	s->length = (uint32_t)length;
	free(text);
	harness_account(-(int64_t)room);
}

/* Returns how many pieces it took. */
static long build(struct string *s, uint64_t *random)
{
	size_t goal = harness_log_between(random, LENGTH_LOW, LENGTH_HIGH);
	char letter = (char)harness_between(random, 'a', 'z');
	char *text = NULL;
	size_t length = 0;
	long npieces = 0;

	for (; length < goal; npieces++) {
		size_t more = harness_between(random, PIECE_LOW, PIECE_HIGH);

		text = grow(text, length, length + more);
		memset(text + length, letter, more);
		length += more;
	}
	keep(s, text, length, length);
	s->letter = letter;
	return npieces;
}

/* One long string of JOINED others, looked at and dropped. */
static void join(struct string *table, uint64_t *random)
{
	char *text = NULL;
	size_t length = 0;

	for (int i = 0; i < JOINED; i++) {
		struct string *s = &table[harness_between(random, 0,
							  SLOTS - 1)];

		if (s->text == NULL)
			continue;
		text = grow(text, length, length + s->length);
		memcpy(text + length, s->text, s->length);
		length += s->length;
		if (text[length - 1] != s->letter)
			measure_die("a joined string is wrong");
	}
	free(text);
	harness_account(-(int64_t)length);
}

static void work(int index)
{
	struct string *table = tables[index];
	uint64_t random = harness_stream(index);
	long left = harness_scaled(PIECES);

	for (long i = 0; left > 0; i++) {
		left -= build(&table[harness_between(&random, 0, SLOTS - 1)],
			      &random);
		if (i % JOIN_ONE_IN == 0)
			join(table, &random);
	}
	for (int i = 0; i < SLOTS; i++)
		drop(&table[i]);
}

int main(int argc, char **argv)
{
	harness_options(argc, argv, 1, NULL);
	for (int i = 0; i < harness.nthreads; i++)
		tables[i] = harness_map(SLOTS * sizeof(struct string));
	harness_start();
	harness_threads(work);
	harness_stop();
	return harness_report();
}
