/*
 * Scenario 6: a library's private area is registered on all threads before
 * pcmalloc has a chance; they work on the fallback. Then the library is closed
 * and lets go of some of them: those are back on per-CPU caches within 8 visits
 * of the slow path. The others work on, and follow when they are free.
 *
 * The first thread is taken before main(), and before any constructor.
 */
#include "claims.h"
#include "owner_lab.h"
#include "rseq_raw.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#define NTHREADS 12
#define NVISITS 80

/* The first thread's foreign area: the program's own. */
static struct raw_area early_area = { .cpu_id = -1 };
static int early_unregistered = -1, early_registered = -1;

static struct foreign foreign;
static pthread_barrier_t taken, closed;
static atomic_ulong recovered_after[RAW_VISITS_MAX + 1];

static void take_first_thread(void)
{
	struct raw_area *libc = raw_libc_area();

	if (libc)
		early_unregistered =
			raw_unregister(libc, raw_libc_size(), RAW_SIG);
	early_registered = raw_register(&early_area, RAW_SIZE, RAW_SIG);
}

__attribute__((section(".preinit_array"), used)) static void (*preinit)(void) =
	take_first_thread;

static void must_be_foreign(void)
{
	must(raw_state() == PCM_RSEQ_FOREIGN);
	must(!raw_is_registered(raw_used_area(), raw_used_size()));
}

/* By visits alone, or by the visits that malloc makes. */
static void must_recover(bool by_malloc)
{
	int visits = 0;

	must_be_foreign();
	if (!by_malloc) {
		visits = raw_visits_to_recover();
		must(visits > 0);
		atomic_fetch_add(&recovered_after[visits], 1);
	}
	while (!raw_per_cpu()) {
		must(visits < RAW_VISITS_MAX);
		free(malloc(100));
		/* At least one for each of the two. */
		visits += 2;
	}
	raw_must_be_registered();
}

/*
 * A refused thread asks the kernel now and then: with the backoff at its cap,
 * at every eighth visit.
 */
static void must_back_off(void)
{
	size_t before;
	int i;

	for (i = 0; i < 3 * RAW_VISITS_MAX; i++)
		raw_visit_once();
	before = raw_stats().nrefused;
	for (i = 0; i < NVISITS; i++)
		raw_visit_once();
	must(raw_stats().nrefused - before == NVISITS / RAW_VISITS_MAX);
	must_be_foreign();
}

static void first_thread(void)
{
	uint64_t state = 1;

	must(early_unregistered == (raw_libc_area() ? 0 : -1));
	must(early_registered == 0);
	must(raw_is_registered(&early_area, RAW_SIZE));
	claims_steps(20, &state);
	must_be_foreign();
	must_back_off();
	must(raw_unregister(&early_area, RAW_SIZE, RAW_SIG) == 0);
	must_recover(false);
	claims_steps(20, &state);
	raw_must_be_registered();
}

static void stay_foreign(struct raw_area *area, uint64_t *state)
{
	claims_steps(20, state);
	must_be_foreign();
	must(raw_is_registered(area, RAW_SIZE));
	must(raw_unregister(area, RAW_SIZE, RAW_SIG) == 0);
	must_recover(true);
}

static void *in_thread(void *arg)
{
	uintptr_t i = (uintptr_t)arg;
	bool goes = i % 2;
	struct raw_area *libc = raw_libc_area(), *area;
	uint64_t state = i;

	/* Nothing has been allocated here so far. */
	must(raw_state() == PCM_RSEQ_UNARMED);
	must(!libc || raw_unregister(libc, raw_libc_size(), RAW_SIG) == 0);
	must(foreign.take() == 0);
	area = foreign.area();
	if (goes)
		foreign.let_go_at_close();
	claims_steps(20 + (int)i, &state);
	must_be_foreign();
	pthread_barrier_wait(&taken);
	pthread_barrier_wait(&closed);
	if (goes)
		must_recover(false);
	else
		stay_foreign(area, &state);
	claims_steps(20, &state);
	raw_must_be_registered();
	return NULL;
}

static void other_threads(void)
{
	pthread_t thread[NTHREADS];
	uint64_t state = 2;
	uintptr_t i;

	foreign_open(&foreign);
	must(!pthread_barrier_init(&taken, NULL, NTHREADS + 1));
	must(!pthread_barrier_init(&closed, NULL, NTHREADS + 1));
	for (i = 0; i < NTHREADS; i++)
		must(!pthread_create(&thread[i], NULL, in_thread, (void *)i));
	pthread_barrier_wait(&taken);
	claims_steps(20, &state);
	foreign_close(&foreign);
	pthread_barrier_wait(&closed);
	for (i = 0; i < NTHREADS; i++)
		must(!pthread_join(thread[i], NULL));
}

int main(void)
{
	struct pcm_stats stats;
	int i;

	raw_prepare();
	claims_start();
	first_thread();
	/* It wants per-CPU caches. */
	testing_start(60);
	other_threads();
	claims_end();
	stats = raw_stats();
	must(stats.narmed == NTHREADS + 1);
	printf("%s: armed %zu, again %zu, refused %zu; recovered after visits",
	       raw_mode(), stats.narmed, stats.nrearmed, stats.nrefused);
	for (i = 1; i <= RAW_VISITS_MAX; i++)
		printf(" %d:%lu", i, atomic_load(&recovered_after[i]));
	printf("; %lu blocks\n", claims_count());
	return 0;
}
