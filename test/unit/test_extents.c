/*
 * extents: ranges are cut, merged and found again; nothing is in two of them, and
 * nothing is lost. The addresses are numbers: nothing is mapped there.
 */
#include "unit.h"

#include "extents.h"
#include "sys.h"

#define BASE ((char *)((uintptr_t)1 << 40))
#define UNIT ((size_t)64 << 10)
#define NUNITS 512
#define NHELD 40

static struct pcm_extents set;

static struct pcm_span *describe(size_t first, size_t nunits)
{
	struct pcm_span *span = calloc(1, sizeof(*span));

	must(span != NULL);
	span->start = BASE + first * UNIT;
	span->nbytes = nunits * UNIT;
	span->kind = PCM_SPAN_CACHED;
	return span;
}

static void free_list(struct pcm_span *span)
{
	while (span != NULL) {
		struct pcm_span *next = span->next;

		free(span);
		span = next;
	}
}

static void add(size_t first, size_t nunits)
{
	free_list(pcm_extents_add(&set, describe(first, nunits)));
}

/* Takes one, gives its descriptor away; returns the address, or NULL. */
static char *take(size_t nunits, size_t align)
{
	struct pcm_span *spare[2] = { describe(0, 0), describe(0, 0) };
	struct pcm_span *span =
		pcm_extents_take(&set, nunits * UNIT, align, spare);
	char *start = NULL;

	free(spare[0]);
	free(spare[1]);
	if (span != NULL) {
		must(span->nbytes == nunits * UNIT);
		start = span->start;
	}
	free(span);
	return start;
}

START_TEST(neighbours_merge)
{
	add(0, 2);
	add(5, 1);
	must(set.list.n == 2 && set.list.nbytes == 3 * UNIT);
	add(2, 3); /* between them */
	must(set.list.n == 1 && set.list.nbytes == 6 * UNIT);
	must(take(6, 1) == BASE);
	must(set.list.n == 0 && set.list.nbytes == 0);
}
END_TEST

START_TEST(best_fit)
{
	add(0, 8);
	add(100, 3);
	add(200, 5);
	must(take(4, 1) == BASE + 200 * UNIT);
	must(take(3, 1) == BASE + 100 * UNIT);
	must(take(9, 1) == NULL);
	must(take(1, 1) == BASE + 204 * UNIT); /* what was left */
	must(set.list.n == 1 && set.list.nbytes == 8 * UNIT);
}
END_TEST

START_TEST(aligned)
{
	add(3, 20);
	must(take(4, 16 * UNIT) == BASE + 16 * UNIT);
	must(set.list.n == 2 && set.list.nbytes == 16 * UNIT);
	must(pcm_extents_contain(&set, BASE + 3 * UNIT));
	must(!pcm_extents_contain(&set, BASE + 16 * UNIT));
	must(!pcm_extents_contain(&set, BASE + 20 * UNIT - 1));
	must(pcm_extents_contain(&set, BASE + 23 * UNIT - 1));
	must(!pcm_extents_contain(&set, BASE + 23 * UNIT));
	must(take(4, 16 * UNIT) == NULL);
}
END_TEST

/* Without descriptors a range is not cut. */
START_TEST(no_descriptors)
{
	struct pcm_span *none[2] = { NULL, NULL }, *span;

	add(3, 20);
	must(pcm_extents_take(&set, UNIT, 16 * UNIT, none) == NULL);
	span = pcm_extents_take(&set, UNIT, 1, none);
	must(span != NULL && span->nbytes == 20 * UNIT && set.list.n == 0);
	free(span);
}
END_TEST

/* A rest that is not worth it stays with the block. */
START_TEST(small_rest)
{
	struct pcm_span *spare[2] = { NULL, describe(0, 0) }, *span;

	add(0, 4);
	span = pcm_extents_take(&set, 4 * UNIT - 4096, 1, spare);
	must(span != NULL && span->nbytes == 4 * UNIT && set.list.n == 0);
	must(spare[1] != NULL);
	free(spare[1]);
	free(span);
}
END_TEST

START_TEST(at_an_address)
{
	struct pcm_span *superfluous = NULL;

	add(10, 4);
	must(!pcm_extents_take_at(&set, BASE + 11 * UNIT, UNIT, &superfluous));
	must(!pcm_extents_take_at(&set, BASE + 10 * UNIT, 5 * UNIT,
				  &superfluous));
	must(pcm_extents_take_at(&set, BASE + 10 * UNIT, 3 * UNIT,
				 &superfluous));
	must(superfluous == NULL && set.list.nbytes == UNIT);
	must(pcm_extents_take_at(&set, BASE + 13 * UNIT, UNIT, &superfluous));
	must(superfluous != NULL && set.list.n == 0 && set.list.nbytes == 0);
	free(superfluous);
}
END_TEST

/* The first that came, from its end. */
START_TEST(oldest)
{
	struct pcm_span *spare = describe(0, 0), *span;

	add(0, 6);
	add(50, 2);
	span = pcm_extents_take_oldest(&set, 2 * UNIT, &spare);
	must(span->start == BASE + 4 * UNIT && span->nbytes == 2 * UNIT);
	must(spare == NULL && set.list.n == 2 && set.list.nbytes == 6 * UNIT);
	free(span);
	span = pcm_extents_take_oldest(&set, 2 * UNIT, &spare);
	must(span->start == BASE && span->nbytes == 4 * UNIT);
	free(span);
	span = pcm_extents_take_oldest(&set, SIZE_MAX, &spare);
	must(span->start == BASE + 50 * UNIT && set.list.n == 0);
	free(span);
	must(pcm_extents_take_oldest(&set, SIZE_MAX, &spare) == NULL);
	must(pcm_extents_take_largest(&set) == NULL);
}
END_TEST

/* What nobody asked for since the last window. */
START_TEST(windows)
{
	add(0, 10);
	must(pcm_extents_window(&set) == 0); /* it was not there all along */
	must(pcm_extents_window(&set) == 10 * UNIT);
	must(take(7, 1) != NULL);
	add(20, 7);
	must(pcm_extents_window(&set) == 3 * UNIT);
	must(pcm_extents_window(&set) == 10 * UNIT);
}
END_TEST

/* ---- random: a map of units says who owns them ---- */

static struct held {
	size_t first, nunits;
} held[NHELD];

static bool is_out[NUNITS];

static void check_set(void)
{
	const struct pcm_span *s, *other;
	size_t nbytes = 0, n = 0, unit;

	for (s = set.list.first; s != NULL; s = s->next) {
		must(s->kind == PCM_SPAN_CACHED && s->nbytes > 0);
		for (other = set.list.first; other != s; other = other->next)
			must(other->start + other->nbytes < s->start ||
			     s->start + s->nbytes < other->start);
		nbytes += s->nbytes;
		n++;
	}
	must(n == set.list.n && nbytes == set.list.nbytes && set.low <= set.list.nbytes);
	for (unit = 0; unit < NUNITS; unit++)
		must(pcm_extents_contain(&set, BASE + unit * UNIT) ==
		     !is_out[unit]);
}

static void mark(size_t first, size_t nunits, bool out)
{
	while (nunits-- > 0) {
		must(is_out[first] != out);
		is_out[first++] = out;
	}
}

static void random_step(uint64_t *state)
{
	struct held *h = &held[rnd(state) % NHELD];
	size_t n = rnd_between(state, 1, 30);
	char *start;

	if (h->nunits != 0) {
		mark(h->first, h->nunits, false);
		add(h->first, h->nunits);
		h->nunits = 0;
		return;
	}
	start = take(n, UNIT << rnd(state) % 5);
	if (start == NULL)
		return;
	h->first = (size_t)(start - BASE) / UNIT;
	h->nunits = n;
	mark(h->first, n, true);
}

START_TEST(random_operations)
{
	uint64_t state = testing_seed();
	unsigned int i;

	add(0, NUNITS);
	for (i = 0; i < 20000; i++) {
		random_step(&state);
		check_set();
		if (i % 100 == 0)
			(void)pcm_extents_window(&set);
	}
	for (i = 0; i < NHELD; i++)
		if (held[i].nunits != 0)
			add(held[i].first, held[i].nunits);
	must(set.list.n == 1 && set.list.nbytes == NUNITS * UNIT);
}
END_TEST

int main(void)
{
	TCase *tests = unit_begin("extents");

	tcase_add_test(tests, neighbours_merge);
	tcase_add_test(tests, best_fit);
	tcase_add_test(tests, aligned);
	tcase_add_test(tests, no_descriptors);
	tcase_add_test(tests, small_rest);
	tcase_add_test(tests, at_an_address);
	tcase_add_test(tests, oldest);
	tcase_add_test(tests, windows);
	tcase_add_test(tests, random_operations);
	return unit_end();
}
