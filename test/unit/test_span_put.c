/*
 * span_put: several blocks at once go back as they would one by one, in any order and in runs,
 * and a fault stops them where it is.
 */
#include "span_kit.h"

/* What stops a put of several, and what is said of it. */
enum stop { NOTHING, OUTSIDE, TWICE, INTERIOR, NSTOPS };

static void *stopper(const struct pcm_span *span, enum stop stop, void *put_before)
{
	switch (stop) {
	case OUTSIDE:
		return BASE + span->nbytes;
	case TWICE:
		return put_before;
	default:
		return BASE + 1;
	}
}

static enum pcm_span_fault said_of(enum stop stop)
{
	return stop == TWICE	? PCM_SPAN_FREE_ALREADY :
	       stop == INTERIOR ? PCM_SPAN_NOT_A_BLOCK :
				  PCM_SPAN_OK;
}

static void shuffle(void **p, unsigned int n, uint64_t *state)
{
	for (; n > 1; n--) {
		unsigned int k = (unsigned int)rnd_between(state, 0, n - 1);
		void *swap = p[k];

		p[k] = p[n - 1];
		p[n - 1] = swap;
	}
}

/* All are taken, and `before` of them put with one call that something stops. */
static void put_until(struct pcm_span *span, enum stop stop, uint64_t *state)
{
	static void *objs[NOBJS_MAX + 1];
	unsigned int n = span->nobjs, before, i;
	enum pcm_span_fault fault;

	must(pcm_span_take(span, objs, NOBJS_MAX) == n);
	shuffle(objs, n, state);
	/* The first one lies in the span. */
	before = (unsigned int)rnd_between(state, stop == INTERIOR ? 0 : 1, n);
	if (stop != NOTHING) {
		objs[n] = objs[before];
		objs[before] = stopper(span, stop, objs[0]);
	}
	must(put_some(span, objs, stop == NOTHING ? before : n + 1, &fault) ==
	     before);
	must(fault == said_of(stop));
	for (i = 0; i < span->nobjs; i++)
		is_free[i] = false;
	for (i = 0; i < before; i++)
		is_free[(size_t)((char *)objs[i] - BASE) / size_of(span->class)] =
			true;
	nfree = before;
	must_agree(span);
}

/* The first one stops it, whatever comes next. */
static void put_none(struct pcm_span *span)
{
	void *objs[2] = { BASE, BASE + span->nbytes };
	enum pcm_span_fault fault;

	must(put_some(span, objs, 2, &fault) == 0);
	must(fault == PCM_SPAN_FREE_ALREADY);
	objs[1] = BASE + size_of(span->class) * (span->nobjs - 1u);
	must(put_some(span, objs, 2, &fault) == 0);
	must(fault == PCM_SPAN_FREE_ALREADY);
	objs[0] = BASE + 1;
	must(put_some(span, objs, 2, &fault) == 0);
	must(fault == PCM_SPAN_NOT_A_BLOCK);
	must_agree(span);
}

/* In no order, also from a full span, and one alone before what stops it. */
START_TEST(several_at_once)
{
	uint64_t state = testing_seed();
	unsigned int class, i, stop;

	longest = _i != 0;
	for (class = 1; class < PCM_NCLASSES; class++)
		for (stop = 0; stop < NSTOPS; stop++)
			for (i = 0; i < 4; i++) {
				struct pcm_span *span = new_span(class);

				put_none(span);
				put_until(span, (enum stop)stop, &state);
				pcm_span_delete(span);
			}
}
END_TEST

/* ---- runs ---- */

#define FARTHEST 9u /* blocks from one to the next: some distances are masks, some are not */

/*
 * What the model says of the objects: how many come before the first that is a fault or lies
 * outside; those are free now.
 */
static unsigned int model_put(const struct pcm_span *span, void *const *objs,
			      unsigned int n, enum pcm_span_fault *fault)
{
	size_t size = size_of(span->class), offset;
	unsigned int i;

	*fault = PCM_SPAN_OK;
	for (i = 0; i < n; i++) {
		offset = (size_t)((char *)objs[i] - BASE);
		if (offset >= span->nbytes)
			return i;
		if (offset % size != 0 || offset / size >= span->nobjs)
			*fault = PCM_SPAN_NOT_A_BLOCK;
		else if (is_free[offset / size])
			*fault = PCM_SPAN_FREE_ALREADY;
		if (*fault != PCM_SPAN_OK)
			return i;
		is_free[offset / size] = true;
		nfree++;
	}
	return i;
}

static void put_like_the_model(struct pcm_span *span, void **objs, unsigned int n)
{
	enum pcm_span_fault said, expected;
	unsigned int before = model_put(span, objs, n, &expected);

	must(put_some(span, objs, n, &said) == before);
	must(said == expected);
	must_agree(span);
}

static unsigned int add_run(const struct pcm_span *span, void **objs,
			    unsigned int from, ptrdiff_t step, unsigned int n)
{
	ptrdiff_t size = (ptrdiff_t)size_of(span->class);
	unsigned int i;

	for (i = 0; i < n; i++)
		objs[i] = BASE + ((ptrdiff_t)from + (ptrdiff_t)i * step) * size;
	return n;
}

static void take_all(struct pcm_span *span)
{
	static void *objs[NOBJS_MAX];

	pcm_span_take(span, objs, NOBJS_MAX);
	memset(is_free, 0, sizeof(is_free));
	nfree = 0;
	must_agree(span);
}

/* A run, also across either end of the span; what is outside stops it. */
static void one_run(struct pcm_span *span, ptrdiff_t step, uint64_t *state)
{
	static void *objs[NOBJS_MAX];
	unsigned int from = (unsigned int)rnd_between(state, 0, span->nobjs - 1u);
	unsigned int n = (unsigned int)rnd_between(state, 1, span->nobjs + 9u);

	take_all(span);
	put_like_the_model(span, objs, add_run(span, objs, from, step, n));
}

START_TEST(runs)
{
	uint64_t state = testing_seed();
	unsigned int class, i;
	ptrdiff_t step;

	longest = _i != 0;
	for (class = 1; class < PCM_NCLASSES; class++) {
		struct pcm_span *span = new_span(class);

		for (step = -(ptrdiff_t)FARTHEST; step <= (ptrdiff_t)FARTHEST; step++)
			for (i = 0; i < 8; i++)
				one_run(span, step, &state);
		pcm_span_delete(span);
	}
}
END_TEST

/* One run after the other, with single blocks in between, into what is partly free. */
START_TEST(runs_and_others)
{
	static void *objs[2 * NOBJS_MAX];
	uint64_t state = testing_seed();
	unsigned int class, i, n;

	longest = _i != 0;
	for (class = 1; class < PCM_NCLASSES; class++) {
		struct pcm_span *span = new_span(class);
		unsigned int most = span->nobjs < 64 ? span->nobjs : 64;

		for (i = 0; i < 64; i++) {
			take_all(span);
			for (n = 0; n < span->nobjs;)
				n += add_run(span, objs + n,
					     (unsigned int)rnd_between(&state, 0, span->nobjs - 1u),
					     (ptrdiff_t)rnd_between(&state, 0, 4) - 2,
					     (unsigned int)rnd_between(&state, 1, most));
			put_like_the_model(span, objs, n);
		}
		pcm_span_delete(span);
	}
}
END_TEST

/* In a run each block in turn is what stops it: it is free, or no block. */
START_TEST(stopped_runs)
{
	static void *objs[NOBJS_MAX];
	unsigned int class, i, n;

	longest = _i != 0;
	for (class = 1; class < PCM_NCLASSES; class++) {
		struct pcm_span *span = new_span(class);

		n = span->nobjs < 80 ? span->nobjs : 80;
		for (i = 0; i < n; i++) {
			take_all(span);
			put_like_the_model(span, objs, add_run(span, objs, i, 1, 1));
			put_like_the_model(span, objs, add_run(span, objs, 0, 1, n));
			take_all(span);
			add_run(span, objs, 0, 1, n);
			objs[i] = (char *)objs[i] + 8;
			put_like_the_model(span, objs, n);
		}
		pcm_span_delete(span);
	}
}
END_TEST

int main(void)
{
	TCase *tests = unit_begin("span_put");

	tcase_add_checked_fixture(tests, setup, NULL);
	tcase_add_loop_test(tests, several_at_once, 0, 2);
	tcase_add_loop_test(tests, runs, 0, 2);
	tcase_add_loop_test(tests, runs_and_others, 0, 2);
	tcase_add_loop_test(tests, stopped_runs, 0, 2);
	return unit_end();
}
