/*
 * hugepage: find, take, give, next_warm, against a model that has one byte for
 * each page.
 */
#include "unit.h"

#include "hugepage.h"

#define N ((unsigned int)PCM_HUGE_NPAGES)
#define STEPS 60000
#define NOWNERS 3

enum { USED, WARM, COLD };

static unsigned char model[N];
static struct pcm_hugepage huge;

static bool bit(const uint64_t *bits, unsigned int i)
{
	return bits[i / 64] >> (i % 64) & 1;
}

/* The state and the invariants of hugepage.h. */
static void must_agree(void)
{
	unsigned int i, nfree = 0, ncold = 0, run = 0, longest = 0;

	for (i = 0; i < N; i++) {
		must(bit(huge.used, i) == (model[i] == USED));
		must(bit(huge.cold, i) == (model[i] == COLD));
		run = model[i] == USED ? 0 : run + 1;
		if (run > longest)
			longest = run;
		nfree += model[i] != USED;
		ncold += model[i] == COLD;
	}
	must(!pcm_hugepage_check(&huge));
	must(huge.nfree == nfree);
	must(huge.ncold == ncold);
	must(huge.longest == longest);
}

static bool model_free(unsigned int first, unsigned int npages)
{
	unsigned int i;

	if (first + npages > N)
		return false;
	for (i = first; i < first + npages; i++)
		if (model[i] == USED)
			return false;
	return true;
}

static bool model_warm(unsigned int first, unsigned int npages)
{
	unsigned int i;

	for (i = first; i < first + npages; i++)
		if (model[i] != WARM)
			return false;
	return true;
}

/* The first that is free, or free and warm; N: none. */
static unsigned int model_find(unsigned int npages, unsigned int align,
			       bool (*is)(unsigned int, unsigned int))
{
	unsigned int i;

	for (i = 0; i + npages <= N; i += align)
		if (is(i, npages))
			return i;
	return N;
}

static void check_find(unsigned int npages, unsigned int align)
{
	unsigned int first = N;

	must(pcm_hugepage_find(&huge, npages, align, &first) == (first < N));
	must(first == model_find(npages, align, model_free));
	first = N;
	must(pcm_hugepage_find_warm(&huge, npages, align, &first) ==
	     (first < N));
	must(first == model_find(npages, align, model_warm));
}

/* Whose the sectors of the run are, at worst; see pcm_hugepage_find_for(). */
static enum pcm_whose model_whose(unsigned int home, unsigned int first,
				  unsigned int npages)
{
	enum pcm_whose worst = PCM_WHOSE_OWN, whose;
	unsigned int w;

	for (w = first / 64; w <= (first + npages - 1) / 64; w++) {
		whose = huge.owner[w] == home ? PCM_WHOSE_OWN :
			model_free(64 * w, 64) ? PCM_WHOSE_FREE : PCM_WHOSE_ANY;
		if (whose < worst)
			worst = whose;
	}
	return worst;
}

/* The best that there is and will do, and the first of these. */
static enum pcm_whose model_find_for(unsigned int npages, unsigned int align,
				     unsigned int home, enum pcm_whose least,
				     bool (*is)(unsigned int, unsigned int),
				     unsigned int *first)
{
	enum pcm_whose best = PCM_WHOSE_NONE, whose;
	unsigned int i;

	for (i = 0; i + npages <= N; i += align) {
		whose = is(i, npages) ? model_whose(home, i, npages) :
					PCM_WHOSE_NONE;
		if (whose >= least && whose > best) {
			best = whose;
			*first = i;
		}
	}
	return best;
}

static void check_find_for(unsigned int npages, unsigned int align,
			   unsigned int home, enum pcm_whose least)
{
	unsigned int first = N, found = N;
	enum pcm_whose whose;

	whose = model_find_for(npages, align, home, least, model_warm, &first);
	must(pcm_hugepage_find_warm_for(&huge, npages, align, home, least,
					&found) == whose);
	must(found == first);
	first = found = N;
	if (least < PCM_WHOSE_FREE)
		least = PCM_WHOSE_FREE;
	whose = model_find_for(npages, align, home, least, model_free, &first);
	must(pcm_hugepage_find_for(&huge, npages, align, home, least, &found) ==
	     whose);
	must(found == first);
}

static void check_next_warm(void)
{
	unsigned int from, i, end;
	struct pcm_run run;

	for (from = 0; from <= N; from++) {
		for (i = from; i < N && model[i] != WARM; i++)
			;
		if (i == N) {
			must(!pcm_hugepage_next_warm(&huge, from, &run));
			continue;
		}
		for (end = i; end < N && model[end] == WARM; end++)
			;
		must(pcm_hugepage_next_warm(&huge, from, &run));
		must(run.first == i && run.npages == end - i);
	}
}

static struct pcm_run random_run(uint64_t *state, unsigned int longest)
{
	struct pcm_run run = {
		.npages = (unsigned int)rnd_between(state, 1, longest)
	};

	run.first = (unsigned int)rnd_between(state, 0, N - run.npages);
	return run;
}

static void take(struct pcm_run run)
{
	unsigned int i, ncold = 0;

	for (i = run.first; i < run.first + run.npages; i++) {
		ncold += model[i] == COLD;
		model[i] = USED;
	}
	must(pcm_hugepage_take(&huge, run) == ncold);
}

static void give(struct pcm_run run, bool cold)
{
	unsigned int i;

	for (i = run.first; i < run.first + run.npages; i++)
		model[i] = cold ? COLD : WARM;
	pcm_hugepage_give(&huge, run, cold);
}

/* The longest run of used pages from `first` on. */
static unsigned int used_from(unsigned int first)
{
	unsigned int i = first;

	while (i < N && model[i] == USED)
		i++;
	return i - first;
}

/* Sectors of which all is free are the home's, the others stay whose they are. */
static void own(struct pcm_run run, unsigned int home)
{
	uint8_t owner[PCM_HUGE_NSECTORS];
	unsigned int w;

	memcpy(owner, huge.owner, sizeof(owner));
	pcm_hugepage_own(&huge, run, home);
	for (w = 0; w < PCM_HUGE_NSECTORS; w++) {
		bool touched = 64 * w < run.first + run.npages &&
			64 * (w + 1) > run.first;

		must(huge.owner[w] ==
		     (touched && model_free(64 * w, 64) ? home : owner[w]));
	}
}

static void random_step(uint64_t *state)
{
	unsigned int longest = rnd(state) % 8 ? 12 : N, n;
	struct pcm_run run = random_run(state, longest);

	must(pcm_hugepage_is_free(&huge, run) ==
	     model_free(run.first, run.npages));
	n = used_from(run.first);
	if (model_free(run.first, run.npages)) {
		own(run, (unsigned int)rnd(state) % NOWNERS);
		take(run);
	} else if (n > 0) {
		if (run.npages > n)
			run.npages = n;
		give(run, rnd(state) % 3 == 0);
	}
	check_find((unsigned int)rnd_between(state, 1, longest),
		   1u << rnd_between(state, 0, 8));
	check_find_for((unsigned int)rnd_between(state, 1, longest),
		       rnd(state) % 4 ? 1 : 1u << rnd_between(state, 0, 8),
		       (unsigned int)rnd(state) % NOWNERS,
		       (enum pcm_whose)rnd_between(state, PCM_WHOSE_ANY,
						   PCM_WHOSE_OWN));
}

START_TEST(fresh)
{
	static char memory;

	pcm_hugepage_init(&huge, &memory);
	memset(model, COLD, sizeof(model));
	must(huge.base == &memory);
	must_agree();
	check_next_warm();
}
END_TEST

START_TEST(random_operations)
{
	uint64_t state = testing_seed();
	unsigned int i;

	memset(&huge, 0xff, sizeof(huge));
	pcm_hugepage_init(&huge, NULL);
	memset(model, COLD, sizeof(model));
	for (i = 0; i < STEPS; i++) {
		random_step(&state);
		must_agree();
		if (i % 64 == 0)
			check_next_warm();
	}
}
END_TEST

/* Each run of each length, alone: the borders of words. */
START_TEST(every_run)
{
	unsigned int npages, first;

	for (npages = 1; npages <= N; npages++) {
		for (first = 0; first + npages <= N; first++) {
			struct pcm_run run = { first, npages }, warm;

			pcm_hugepage_init(&huge, NULL);
			must(pcm_hugepage_take(&huge, run) == npages);
			must(huge.nfree == N - npages);
			must(huge.ncold == N - npages);
			must(!pcm_hugepage_is_free(&huge, run));
			pcm_hugepage_give(&huge, run, false);
			must(huge.nfree == N && huge.longest == N);
			must(pcm_hugepage_next_warm(&huge, 0, &warm));
			must(warm.first == first && warm.npages == npages);
		}
	}
}
END_TEST

/* A run that reaches over the end is not free. */
START_TEST(over_the_end)
{
	unsigned int npages;

	pcm_hugepage_init(&huge, NULL);
	for (npages = 1; npages <= N; npages++) {
		must(pcm_hugepage_is_free(
			&huge, (struct pcm_run){ N - npages, npages }));
		must(!pcm_hugepage_is_free(
			&huge, (struct pcm_run){ N - npages, npages + 1 }));
		must(!pcm_hugepage_is_free(&huge,
					   (struct pcm_run){ N, npages }));
	}
}
END_TEST

START_TEST(aligned_find)
{
	unsigned int align, first = 0;

	for (align = 1; align <= N; align *= 2) {
		pcm_hugepage_init(&huge, NULL);
		must(pcm_hugepage_find(&huge, 1, align, &first) && first == 0);
		pcm_hugepage_take(&huge, (struct pcm_run){ 0, 1 });
		must(pcm_hugepage_find(&huge, 1, align, &first) == (align < N));
		must(align == N || first == align);
	}
	/* Room for it, but not where it would be aligned. */
	pcm_hugepage_init(&huge, NULL);
	pcm_hugepage_take(&huge, (struct pcm_run){ 0, 1 });
	pcm_hugepage_take(&huge, (struct pcm_run){ N / 2, 1 });
	must(huge.longest == N / 2 - 1);
	must(!pcm_hugepage_find(&huge, N / 4, N / 2, &first));
	must(pcm_hugepage_find(&huge, N / 4, N / 4, &first) && first == N / 4);
}
END_TEST

int main(void)
{
	TCase *tests = unit_begin("hugepage");

	tcase_add_test(tests, fresh);
	tcase_add_test(tests, random_operations);
	tcase_add_test(tests, every_run);
	tcase_add_test(tests, over_the_end);
	tcase_add_test(tests, aligned_find);
	return unit_end();
}
