/*
 * Scenario 9: on several threads, over and over: the registration is taken
 * away, another area is registered, that goes too, and pcmalloc's comes back.
 * Between any two of these there may be work, or none.
 */
#include "claims.h"
#include "owner_lab.h"
#include "rseq_raw.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#define NTHREADS 4
#define NTURNS 400

static struct foreign foreign;
static atomic_ulong nforeign, nunseen, visits_sum, visits_most;

/* Returns whether the thread has visited the slow path for sure. */
static bool work(uint64_t *state)
{
	int kind = (int)(rnd(state) % 4);

	if (kind == 0)
		return false;
	if (kind == 1)
		free(malloc(rnd_between(state, 1, 1000)));
	else
		claims_step(state);
	return true;
}

static void count_visits(int visits)
{
	unsigned long most = atomic_load(&visits_most);

	atomic_fetch_add(&visits_sum, (unsigned long)visits);
	while ((unsigned long)visits > most &&
	       !atomic_compare_exchange_strong(&visits_most, &most,
					       (unsigned long)visits))
		;
}

static void turn(uint64_t *state)
{
	bool seen;

	must(raw_unregister(raw_used_area(), raw_used_size(), RAW_SIG) == 0);
	/* If there is work in between, pcmalloc is back at once. */
	if (rnd(state) % 4 == 0) {
		free(malloc(100));
		must(raw_is_registered(raw_used_area(), raw_used_size()));
		must(foreign.take() == EINVAL);
		return;
	}
	must(foreign.take() == 0);
	seen = work(state);
	if (seen) {
		must(raw_state() == PCM_RSEQ_FOREIGN);
		atomic_fetch_add(&nforeign, 1);
	} else {
		atomic_fetch_add(&nunseen, 1);
	}
	must(foreign.let_go() == 0);
	if (seen)
		count_visits(raw_visits_to_recover());
	else
		free(malloc(100)); /* as if nothing had been */
	must(raw_state() == raw_per_cpu_state());
	must(raw_is_registered(raw_used_area(), raw_used_size()));
	work(state);
}

static void *in_thread(void *arg)
{
	uint64_t state = testing_seed() + (uintptr_t)arg;
	int i;

	claims_step(&state);
	for (i = 0; i < NTURNS; i++)
		turn(&state);
	raw_must_be_registered();
	return NULL;
}

int main(void)
{
	pthread_t thread[NTHREADS];
	struct pcm_stats stats;
	double mean;
	uintptr_t i;

	testing_start(60);
	raw_prepare();
	claims_start();
	foreign_open(&foreign);
	for (i = 0; i < NTHREADS; i++)
		must(!pthread_create(&thread[i], NULL, in_thread, (void *)i));
	for (i = 0; i < NTHREADS; i++)
		must(!pthread_join(thread[i], NULL));
	in_thread((void *)i);
	foreign_close(&foreign);
	claims_end();
	stats = raw_stats();
	must(stats.narmed == NTHREADS + 1);
	/* Lost and found in every turn. */
	must(stats.nrearmed == (NTHREADS + 1) * NTURNS);
	mean = (double)atomic_load(&visits_sum) /
		(double)atomic_load(&nforeign);
	printf("%s: %d turns: foreign %lu, unseen %lu; visits to recover: "
	       "mean %.1f, most %lu; armed %zu, again %zu, refused %zu; "
	       "%lu blocks\n", raw_mode(), (NTHREADS + 1) * NTURNS,
	       atomic_load(&nforeign), atomic_load(&nunseen),
	       mean, atomic_load(&visits_most), stats.narmed, stats.nrearmed,
	       stats.nrefused, claims_count());
	return 0;
}
