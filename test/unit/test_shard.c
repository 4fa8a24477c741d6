/*
 * shard: the locked slabs of threads without rseq. Stickiness, re-entrance from
 * a signal handler, the single-threaded short cut, and that nothing is lost.
 */
#include "percpu_bank.h"

#include <pthread.h>

#include "outgoing.h"
#include "shard.h"

#define STACK 3
#define NSLOTS 7
#define NSHARDS 3

static void setup(void)
{
	pcm_percpu_init(lab_alloc, NSHARDS);
	pcm_rseq_process_init(false, PCM_RSEQ_INDEX_AUTO);
	(void)pcm_rseq_arm();
	must(pcm_rseq_denied());
}

static void drain(void (*take)(unsigned int stack, void **top))
{
	unsigned int stack;
	void **top;

	pcm_shard_drain();
	while ((top = pcm_outgoing_take(&stack)) != PCM_MAG_NONE)
		take(stack, top);
}

static void *number(uintptr_t n)
{
	return (void *)n;
}

static void **magazine(unsigned int n)
{
	void **mag = pcm_mag_new(NSLOTS);
	unsigned int i;

	must(mag != PCM_MAG_NONE);
	for (i = 1; i <= n; i++)
		pcm_mag_push(&mag, number(i));
	return mag;
}

/* The shard that the calling thread has chosen. */
static struct pcm_shard *mine(void)
{
	must(pcm_shard_thread.mine != NULL);
	return pcm_shard_thread.mine;
}

START_TEST(empty_and_full_at_first)
{
	unsigned int stack;
	void *obj;

	must(pcm_shard_thread.mine == NULL);
	for (stack = 0; stack < PCM_NSTACKS; stack++) {
		must(!pcm_shard_pop_fast(stack, &obj));
		must(!pcm_shard_push_fast(stack, number(1)));
		must(!pcm_shard_pop(stack, &obj));
		must(!pcm_shard_push(stack, number(1)));
	}
	must(pcm_shard_thread.mine != NULL);
	must(!pcm_shard_pop_fast(STACK, &obj));
	must(!pcm_shard_push_fast(STACK, number(1)));
	must(!pcm_shard_inside());
}
END_TEST

START_TEST(a_stack)
{
	void **mag = magazine(2), *obj;
	unsigned int i;

	must(pcm_shard_exchange(PCM_LOADED, STACK, mag) == PCM_MAG_NONE);
	for (i = 3; i <= NSLOTS; i++)
		must(i % 2 ? pcm_shard_push(STACK, number(i)) :
			     pcm_shard_push_fast(STACK, number(i)));
	must(!pcm_shard_push(STACK, number(99)));
	must(!pcm_shard_push_fast(STACK, number(99)));
	for (i = NSLOTS; i >= 1; i--) {
		must(i % 2 ? pcm_shard_pop(STACK, &obj) :
			     pcm_shard_pop_fast(STACK, &obj));
		must(obj == number(i));
	}
	must(!pcm_shard_pop(STACK, &obj));
	must(!pcm_shard_pop_fast(STACK, &obj));
	must(pcm_shard_exchange(PCM_LOADED, STACK, PCM_MAG_NONE) == mag - 2);
	must(atomic_load(&mine()->lock.state) == PCM_LOCK_FREE);
}
END_TEST

/* A thread that may have rseq later takes the slow path. */
START_TEST(no_fast_path_for_others)
{
	void *obj;

	pcm_rseq_process_init(true, PCM_RSEQ_INDEX_AUTO);
	pcm_rseq_process.owner = PCM_RSEQ_OWNER_LIBC;
	pcm_rseq_held = 1; /* a state that is not for good */
	(void)pcm_rseq_arm();
	must(!pcm_rseq_denied());
	must(pcm_shard_exchange(PCM_LOADED, STACK, magazine(2)) ==
	     PCM_MAG_NONE);
	must(pcm_shard_thread.mine == NULL);
	must(!pcm_shard_pop_fast(STACK, &obj));
	must(pcm_shard_pop(STACK, &obj) && obj == number(2));
}
END_TEST

START_TEST(sticks_to_its_shard)
{
	struct pcm_shard *first;
	unsigned int i;
	void *obj;

	must(!pcm_shard_pop(STACK, &obj));
	first = mine();
	for (i = 0; i < 100; i++) {
		(void)pcm_shard_exchange(PCM_SPARE, STACK, PCM_MAG_NONE);
		must(mine() == first);
	}
	/* Somebody else has it: another one, and that one from then on. */
	pcm_lock_unchecked(&first->lock);
	must(!pcm_shard_pop(STACK, &obj));
	must(mine() != first);
	pcm_unlock_unchecked(&first->lock);
	first = mine();
	must(!pcm_shard_pop(STACK, &obj));
	must(mine() == first);
}
END_TEST

static void *note_shard(void *arg)
{
	void *obj;

	must(pcm_rseq_denied() || !pcm_rseq_arm());
	must(!pcm_shard_pop(STACK, &obj));
	*(struct pcm_shard **)arg = mine();
	return NULL;
}

/* Threads spread over the shards, one after the other. */
START_TEST(threads_spread)
{
	struct pcm_shard *chosen[NSHARDS];
	pthread_t thread;
	unsigned int i, k;

	for (i = 0; i < NSHARDS; i++) {
		must(pthread_create(&thread, NULL, note_shard, &chosen[i]) ==
		     0);
		must(pthread_join(thread, NULL) == 0);
		for (k = 0; k < i; k++)
			must(chosen[i] != chosen[k]);
	}
}
END_TEST

/*
 * A handler that has interrupted its thread within a shard: another shard if
 * there is one that is free, else a refusal; it never waits.
 */
START_TEST(interrupted)
{
	struct pcm_shard *first;
	void *obj = NULL;
	bool inside;

	must(pcm_shard_exchange(PCM_LOADED, STACK, magazine(2)) ==
	     PCM_MAG_NONE);
	first = mine();
	must(pcm_shard_try_enter(first));
	must(pcm_shard_inside());
	must(!pcm_shard_pop_fast(STACK, &obj));
	must(!pcm_shard_push_fast(STACK, number(1)));
	must(!pcm_shard_pop(STACK, &obj)); /* another one's, and empty */
	must(!pcm_shard_push(STACK, number(1)));
	must(pcm_shard_inside());
	inside = false;
	pcm_shard_leave(first, inside);
	must(!pcm_shard_inside());
	must(atomic_load(&first->lock.state) == PCM_LOCK_FREE);
}
END_TEST

START_TEST(interrupted_with_all_locked)
{
	struct pcm_shard *all[NSHARDS];
	pthread_t thread;
	void *obj = NULL;
	unsigned int i;

	for (i = 0; i < NSHARDS; i++) {
		must(pthread_create(&thread, NULL, note_shard, &all[i]) == 0);
		must(pthread_join(thread, NULL) == 0);
	}
	must(!pcm_shard_pop(STACK, &obj));
	for (i = 0; i < NSHARDS; i++)
		pcm_lock_unchecked(&all[i]->lock);
	pcm_shard_thread.inside = true;
	must(!pcm_shard_pop(STACK, &obj));
	must(!pcm_shard_push(STACK, number(1)));
	must(pcm_shard_inside());
	pcm_shard_thread.inside = false;
	for (i = 0; i < NSHARDS; i++)
		pcm_unlock_unchecked(&all[i]->lock);
}
END_TEST

/* A lock that is held refuses, with one thread and with several. */
START_TEST(try_enter)
{
	static struct pcm_shard shard = { .lock = { .rank = PCM_RANK_SHARD } };

	atomic_store(&pcm_clone_used, _i != 0); /* not single-threaded */
	must(pcm_shard_try_enter(&shard));
	must(atomic_load(&shard.lock.state) == PCM_LOCK_HELD);
	must(!pcm_shard_try_enter(&shard));
	pcm_shard_leave(&shard, false);
	must(atomic_load(&shard.lock.state) == PCM_LOCK_FREE);
	must(pcm_shard_try_enter(&shard));
	pcm_shard_leave(&shard, true);
	must(pcm_shard_inside());
	pcm_shard_leave(&shard, false);
	must(!pcm_shard_inside());
}
END_TEST

static unsigned int ntaken, nobjs_taken;

static void take(unsigned int stack, void **mag)
{
	must(stack == STACK && mag != PCM_MAG_NONE);
	ntaken++;
	nobjs_taken += pcm_mag_count(mag);
}

static void *fill_shard(void *arg)
{
	must(!pcm_rseq_arm());
	must(pcm_shard_exchange(PCM_LOADED, STACK, magazine(2)) ==
	     PCM_MAG_NONE);
	must(pcm_shard_exchange(PCM_SPARE, STACK, magazine(5)) ==
	     PCM_MAG_NONE);
	return arg;
}

START_TEST(counted_and_drained)
{
	struct pcm_percpu_stats stats = { 0 };
	pthread_t thread;
	unsigned int i;
	void *obj;

	for (i = 0; i < NSHARDS; i++) {
		must(pthread_create(&thread, NULL, fill_shard, NULL) == 0);
		must(pthread_join(thread, NULL) == 0);
	}
	pcm_shard_stats_add(&stats);
	must(stats.nshards == NSHARDS && stats.nslabs == 0);
	must(stats.nobjs[STACK] == NSHARDS * 7);
	drain(take);
	must(ntaken == 2 * NSHARDS && nobjs_taken == NSHARDS * 7);
	must(!pcm_shard_pop(STACK, &obj));
	stats = (struct pcm_percpu_stats){ 0 };
	pcm_shard_stats_add(&stats);
	must(stats.nobjs[STACK] == 0);
}
END_TEST

/* ---- the storm ---- */

static struct bank_hand interrupt_hands[STORM_THREADS_MAX];

static void withdraw(struct bank_hand *hand, unsigned int s)
{
	void *token, **mag;

	if (pcm_shard_pop_fast(s, &token) || pcm_shard_pop(s, &token)) {
		bank_claim(hand, s, token);
		return;
	}
	mag = pcm_shard_exchange(PCM_SPARE, s, bank_find(s, BANK_FULL));
	bank_store(s, pcm_shard_exchange(PCM_LOADED, s, mag));
}

static void deposit(struct bank_hand *hand)
{
	unsigned int s;
	void *token = bank_let_go(hand, &s), **mag;

	if (pcm_shard_push_fast(s, token) || pcm_shard_push(s, token))
		return;
	bank_claim(hand, s, token);
	mag = pcm_shard_exchange(PCM_SPARE, s, bank_find(s, BANK_ROOM));
	bank_store(s, pcm_shard_exchange(PCM_LOADED, s, mag));
}

static void work(unsigned int self)
{
	static __thread uint64_t state;
	struct bank_hand *hand = &bank_hands[self];

	if (state == 0) {
		state = testing_seed() + self;
		(void)pcm_rseq_arm();
	}
	if (rnd(&state) % 256 == 0)
		usleep(100); /* whoever waits for a lock gets it */
	if (hand->n < BANK_HAND && rnd(&state) % BANK_HAND >= hand->n)
		withdraw(hand, (unsigned int)rnd_between(&state, 1,
							 BANK_NSTACKS));
	else
		deposit(hand);
}

/* Wherever its thread is: the handler's pop and push return. */
static void interrupt(unsigned int self)
{
	struct bank_hand *hand = &interrupt_hands[self];
	unsigned int s = 1 + self % BANK_NSTACKS;
	bool inside = pcm_shard_inside();
	void *token;

	if (hand->n < BANK_HAND / 2) {
		if (pcm_shard_pop(s, &token))
			bank_claim(hand, s, token);
	} else {
		token = bank_let_go(hand, &s);
		if (!pcm_shard_push(s, token))
			bank_claim(hand, s, token);
	}
	must(pcm_shard_inside() == inside);
}

static void meanwhile(void)
{
	static unsigned long n;

	if (n++ % 128 == 0)
		drain(bank_store);
}

START_TEST(nothing_lost_nor_twice)
{
	struct storm storm = { .nthreads = storm_threads(),
			       .seconds = 1.5,
			       .work = work,
			       .interrupt = interrupt,
			       .meanwhile = meanwhile };
	unsigned int i, s;

	bank_open();
	for (i = 0; i < STORM_THREADS_MAX; i++)
		interrupt_hands[i].who = 1000 + i;
	storm_run(&storm);
	for (i = 0; i < storm.nthreads; i++)
		must(bank_hands[i].taken > 0);
	drain(bank_store);
	for (i = 0; i < STORM_THREADS_MAX; i++)
		while (interrupt_hands[i].n > 0) {
			void *token = bank_let_go(&interrupt_hands[i], &s);

			must(++bank_seen[(uintptr_t)token] == 1);
		}
	bank_close();
}
END_TEST

int main(void)
{
	TCase *tests = unit_begin("shard");

	tcase_add_checked_fixture(tests, setup, NULL);
	tcase_add_test(tests, empty_and_full_at_first);
	tcase_add_test(tests, a_stack);
	tcase_add_test(tests, no_fast_path_for_others);
	tcase_add_test(tests, sticks_to_its_shard);
	tcase_add_test(tests, threads_spread);
	tcase_add_test(tests, interrupted);
	tcase_add_test(tests, interrupted_with_all_locked);
	tcase_add_loop_test(tests, try_enter, 0, 2);
	tcase_add_test(tests, counted_and_drained);
	tcase_add_test(tests, nothing_lost_nor_twice);
	return unit_end();
}
