/*
 * lock: mutual exclusion, sleeping and waking, the forking thread's passage,
 * and, in builds that check it, the order of ranks.
 */
#include "storm.h"
#include "unit.h"

#include <pthread.h>
#include <stdatomic.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "lock.h"

static struct pcm_lock lock = PCM_LOCK_INIT(PCM_RANK_DEPOT);

/* Under the lock, and not atomic: lost updates show. */
static volatile unsigned long counter;
static volatile unsigned long twin;
static unsigned long mine[STORM_THREADS_MAX];

static void critical(unsigned int self)
{
	unsigned long n = counter;

	must(twin == n);
	counter = n + 1;
	twin = n + 1;
	mine[self]++;
}

static void lock_and_count(unsigned int self)
{
	pcm_lock(&lock);
	critical(self);
	pcm_unlock(&lock);
}

static void try_and_count(unsigned int self)
{
	if (self % 2 == 0) {
		lock_and_count(self);
	} else if (pcm_trylock(&lock)) {
		critical(self);
		pcm_unlock(&lock);
	}
}

/* Holds the lock for long now and then, so that the others go to sleep. */
static void sleep_and_count(unsigned int self)
{
	pcm_lock(&lock);
	critical(self);
	if (mine[self] % 50 == 0)
		usleep(200);
	pcm_unlock(&lock);
}

static void (*const works[])(unsigned int) = { lock_and_count, try_and_count,
					       sleep_and_count };

START_TEST(mutual_exclusion)
{
	struct storm storm = { .nthreads = storm_threads(),
			       .seconds = 1,
			       .work = works[_i] };
	unsigned long sum = 0;
	unsigned int i;

	storm_run(&storm);
	for (i = 0; i < storm.nthreads; i++)
		sum += mine[i];
	must(sum == counter && sum > 0);
	must(atomic_load(&lock.state) == PCM_LOCK_FREE);
}
END_TEST

START_TEST(states)
{
	must(pcm_trylock(&lock));
	must(atomic_load(&lock.state) == PCM_LOCK_HELD);
	must(!pcm_trylock(&lock));
	pcm_unlock(&lock);
	must(atomic_load(&lock.state) == PCM_LOCK_FREE);
	pcm_lock_unchecked(&lock);
	must(!pcm_trylock(&lock));
	pcm_unlock_unchecked(&lock);
	must(atomic_load(&lock.state) == PCM_LOCK_FREE);
	pcm_lock(&lock);
	pcm_lock_reset(&lock);
	must(atomic_load(&lock.state) == PCM_LOCK_FREE);
}
END_TEST

static atomic_int got;

static void *lock_in_thread(void *arg)
{
	(void)arg;
	pcm_lock(&lock);
	atomic_store(&got, 1);
	pcm_unlock(&lock);
	return NULL;
}

/* CPU time of this process, seconds. */
static double cpu_seconds(void)
{
	struct rusage usage;

	must(getrusage(RUSAGE_SELF, &usage) == 0);
	return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
	       (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

/* Who waits sleeps: no spinning for longer than a short hold. */
START_TEST(waiters_sleep)
{
	pthread_t thread[4];
	double before;
	unsigned int i;

	pcm_lock(&lock);
	for (i = 0; i < 4; i++)
		must(pthread_create(&thread[i], NULL, lock_in_thread, NULL) ==
		     0);
	usleep(50000);
	before = cpu_seconds();
	usleep(300000);
	must(cpu_seconds() - before < 0.1);
	must(atomic_load(&got) == 0);
	must(atomic_load(&lock.state) == PCM_LOCK_CONTENDED);
	pcm_unlock(&lock);
	for (i = 0; i < 4; i++)
		must(pthread_join(thread[i], NULL) == 0);
	must(atomic_load(&got) == 1);
	must(atomic_load(&lock.state) == PCM_LOCK_FREE);
}
END_TEST

/*
 * The thread that forks holds every lock and passes them; for the others they
 * are held.
 */
START_TEST(fork_passage)
{
	pthread_t thread;

	must(!pcm_lock_passes);
	pcm_lock_unchecked(&lock);
	pcm_lock_fork_begin();
	must(pcm_lock_passes);
	pcm_lock(&lock);
	pcm_unlock(&lock);
	must(atomic_load(&lock.state) != PCM_LOCK_FREE);
	must(pthread_create(&thread, NULL, lock_in_thread, NULL) == 0);
	usleep(50000);
	must(atomic_load(&got) == 0);
	pcm_lock(&lock);
	pcm_unlock(&lock);
	usleep(50000);
	must(atomic_load(&got) == 0);
	pcm_lock_fork_end();
	must(!pcm_lock_passes);
	pcm_unlock_unchecked(&lock);
	must(pthread_join(thread, NULL) == 0);
	must(atomic_load(&got) == 1);
}
END_TEST

static void *look_at_passage(void *arg)
{
	must(!pcm_lock_passes);
	return arg;
}

START_TEST(fork_passage_is_one_threads)
{
	pthread_t thread;

	pcm_lock_fork_begin();
	must(pthread_create(&thread, NULL, look_at_passage, NULL) == 0);
	must(pthread_join(thread, NULL) == 0);
	must(pcm_lock_passes);
	pcm_lock_fork_end();
}
END_TEST

/* ---- ranks: a build with DEBUG=1 checks them ---- */

static struct pcm_lock low = PCM_LOCK_INIT(PCM_RANK_SHARD);
static struct pcm_lock high = PCM_LOCK_INIT(PCM_RANK_META);

static void ascending(void)
{
	pcm_lock(&low);
	pcm_lock(&lock);
	must(pcm_trylock(&high));
	pcm_unlock(&lock);
	pcm_unlock(&high);
	pcm_unlock(&low);
	pcm_lock(&high);
	pcm_unlock(&high);
	pcm_lock(&low);
	pcm_unlock(&low);
}

static void descending(void)
{
	pcm_lock(&high);
	pcm_lock(&low);
}

static void same_rank(void)
{
	static struct pcm_lock other = PCM_LOCK_INIT(PCM_RANK_SHARD);

	pcm_lock(&low);
	pcm_lock(&other);
}

/* Who does not wait cannot be part of a deadlock. */
static void try_descending(void)
{
	pcm_lock(&high);
	must(pcm_trylock(&low));
	pcm_unlock(&low);
	pcm_unlock(&high);
	ascending();
}

/* What was taken by a try-lock counts for what is taken after it. */
static void try_then_descending(void)
{
	must(pcm_trylock(&high));
	pcm_lock(&low);
}

/* fork() takes every lock there is, two of a rank too. */
static void unchecked(void)
{
	pcm_lock_unchecked(&high);
	pcm_lock_unchecked(&low);
	pcm_unlock_unchecked(&low);
	pcm_unlock_unchecked(&high);
}

static const struct {
	void (*act)(void);
	bool allowed;
} orders[] = { { ascending, true },
	       { descending, false },
	       { same_rank, false },
	       { try_descending, true },
	       { try_then_descending, false },
	       { unchecked, true } };

START_TEST(ranks)
{
	int status;
	pid_t pid = fork();

	must(pid >= 0);
	if (pid == 0) {
		const struct rlimit no_core = { 0, 0 };

		setrlimit(RLIMIT_CORE, &no_core);
		orders[_i].act();
		_exit(0);
	}
	must(waitpid(pid, &status, 0) == pid);
	if (orders[_i].allowed || !PCM_DEBUG)
		must(status == 0);
	else
		must(WIFSIGNALED(status));
}
END_TEST

START_TEST(rank_numbers)
{
	must(PCM_RANK_STOP < PCM_RANK_SHARD);
	must(PCM_RANK_SHARD < PCM_RANK_DEPOTS);
	must(PCM_RANK_DEPOTS < PCM_RANK_DEPOT);
	must(PCM_RANK_DEPOT < PCM_RANK_CENTRAL);
	must(PCM_RANK_CENTRAL < PCM_RANK_PAGE_HEAP);
	must(PCM_RANK_PAGE_HEAP < PCM_RANK_META);
	must(PCM_RANK_MAGAZINE < PCM_RANK_META);
	must(PCM_NRANKS == PCM_RANK_META + 1);
	must(PCM_NRANKS <= 32); /* bits of the record of held ranks */
}
END_TEST

int main(void)
{
	TCase *tests = unit_begin("lock");

	tcase_add_test(tests, states);
	tcase_add_loop_test(tests, mutual_exclusion, 0,
			    sizeof(works) / sizeof(works[0]));
	tcase_add_test(tests, waiters_sleep);
	tcase_add_test(tests, fork_passage);
	tcase_add_test(tests, fork_passage_is_one_threads);
	tcase_add_loop_test(tests, ranks, 0,
			    sizeof(orders) / sizeof(orders[0]));
	tcase_add_test(tests, rank_numbers);
	return unit_end();
}
