/*
 * percpu under a storm: no object is ever lost or there twice, in the process
 * and in its forks' children; and a stopped slab stands still.
 */
#include "percpu_bank.h"

#include <sched.h>
#include <sys/wait.h>

#define NSLOTS 7

static struct bank_hand interrupt_hands[STORM_THREADS_MAX];
static atomic_ulong ndrains, nforks;

/* Through the slow path as allocator/cache.c has it. */
static void withdraw(struct bank_hand *hand, unsigned int s)
{
	void *token, **mag;

	if (pcm_percpu_pop_fast(s, &token) || pcm_percpu_pop_spare(s, &token) ||
	    pcm_percpu_pop(s, &token)) {
		bank_claim(hand, s, token);
		return;
	}
	mag = pcm_percpu_exchange(PCM_SPARE, s, PCM_MAG_NONE);
	if (pcm_mag_empty(mag)) {
		bank_store(s, mag);
		mag = bank_find(s, BANK_FULL);
	}
	if (mag == PCM_MAG_NONE)
		return;
	bank_claim(hand, s, pcm_mag_pop(&mag));
	bank_store(s, pcm_percpu_exchange(PCM_LOADED, s, mag));
}

static void deposit(struct bank_hand *hand)
{
	unsigned int s;
	void *token = bank_let_go(hand, &s), **mag;

	if (pcm_percpu_push_fast(s, token) || pcm_percpu_push_spare(s, token) ||
	    pcm_percpu_push(s, token))
		return;
	mag = pcm_percpu_exchange(PCM_SPARE, s, PCM_MAG_NONE);
	if (pcm_mag_full(mag)) {
		bank_store(s, mag);
		mag = bank_find(s, BANK_ROOM);
	}
	if (mag == PCM_MAG_NONE)
		mag = pcm_mag_new(bank_nslots_of(s));
	must(mag != PCM_MAG_NONE);
	pcm_mag_push(&mag, token);
	bank_store(s, pcm_percpu_exchange(
			      rand() % 2 ? PCM_LOADED : PCM_SPARE, s, mag));
}

static void storm_work(unsigned int self)
{
	static __thread uint64_t state;
	struct bank_hand *hand = &bank_hands[self];

	if (state == 0)
		state = testing_seed() + self;
	if (rnd(&state) % 256 == 0)
		usleep(100); /* whoever waits for a lock gets it */
	if (hand->n < BANK_HAND && rnd(&state) % BANK_HAND >= hand->n)
		withdraw(hand, (unsigned int)rnd_between(&state, 1,
							 BANK_NSTACKS));
	else
		deposit(hand);
}

/* In a handler: the sections, and the others unless a shard was interrupted. */
static void storm_interrupt(unsigned int self)
{
	struct bank_hand *hand = &interrupt_hands[self];
	unsigned int s = 1 + self % BANK_NSTACKS;
	bool inside = pcm_percpu_inside();
	void *token;

	if (hand->n < BANK_HAND / 2) {
		if (pcm_percpu_pop_fast(s, &token) ||
		    pcm_percpu_pop_spare(s, &token) ||
		    (!inside && pcm_percpu_pop(s, &token)))
			bank_claim(hand, s, token);
	} else {
		token = bank_let_go(hand, &s);
		if (!pcm_percpu_push_fast(s, token) &&
		    !pcm_percpu_push_spare(s, token) &&
		    !(!inside && pcm_percpu_push(s, token)))
			bank_claim(hand, s, token);
	}
}

/* In a fork's child: nobody's tokens but what the slabs and shards hold. */
static void child_sees(bool quiet)
{
	pcm_rseq_thread_forked();
	pcm_lock_reset(&pcm_mag_lock);
	pcm_percpu_fork_child(quiet);
	pcm_percpu_drain(bank_see);
}

static void fork_once(void)
{
	bool quiet = pcm_percpu_fork_lock();
	int status;
	pid_t pid;

	must(quiet == lab_can_stop() || !lab_mode->rseq);
	pid = fork();
	must(pid >= 0);
	if (pid == 0) {
		child_sees(quiet);
		_exit(0);
	}
	pcm_percpu_fork_unlock();
	must(waitpid(pid, &status, 0) == pid);
	must(status == 0);
	atomic_fetch_add(&nforks, 1);
}

static void storm_meanwhile(void)
{
	static unsigned long n;
	struct pcm_percpu_stats stats;

	switch (n++ % 64) {
	case 0:
	case 32:
		pcm_percpu_drain(bank_store);
		atomic_fetch_add(&ndrains, 1);
		break;
	case 16:
		if (pcm_percpu_stop()) {
			usleep(50);
			pcm_percpu_resume();
		}
		break;
	case 48:
		pcm_percpu_stats_get(&stats);
		break;
	case 60:
		if (n % 1024 < 64)
			fork_once();
		break;
	}
}

START_TEST(nothing_lost_nor_twice)
{
	struct storm storm = { .nthreads = storm_threads(),
			       .seconds = 1,
			       .work = storm_work,
			       .interrupt = storm_interrupt,
			       .meanwhile = storm_meanwhile };
	unsigned int i;

	lab_start(_i);
	bank_open();
	for (i = 0; i < STORM_THREADS_MAX; i++)
		interrupt_hands[i].who = 1000 + i;
	storm_run(&storm);
	for (i = 0; i < storm.nthreads; i++)
		must(bank_hands[i].taken > 0);
	must(atomic_load(&ndrains) > 0 && atomic_load(&nforks) > 0);
	/* Without a fence the other CPUs' slabs would be out of reach. */
	pcm_rseq_fence_init(true);
	pcm_percpu_drain(bank_store);
	for (i = 0; i < STORM_THREADS_MAX; i++)
		while (interrupt_hands[i].n > 0) {
			unsigned int s;
			void *token = bank_let_go(&interrupt_hands[i], &s);

			must(++bank_seen[(uintptr_t)token] == 1);
		}
	bank_close();
}
END_TEST

#define STILL_SECONDS 0.7
#define SLABS_MAX 64

static atomic_bool hammer_ends;

static void *hammer(void *arg)
{
	unsigned int stack = (unsigned int)(uintptr_t)arg;
	void *obj = (void *)1;

	while (!atomic_load_explicit(&hammer_ends, memory_order_relaxed)) {
		if (pcm_percpu_push_fast(stack, obj))
			(void)pcm_percpu_pop_fast(stack, &obj);
		else if (pcm_mag_empty(pcm_percpu_exchange(
				 PCM_LOADED, stack, pcm_mag_new(NSLOTS))))
			(void)pcm_percpu_pop(stack, &obj);
	}
	return NULL;
}

/* The slabs that are in the table, as percpu.h says where they lie. */
static unsigned int find_slabs(const struct pcm_slab *slabs[SLABS_MAX])
{
	unsigned int i, n = 0;

	for (i = 0; i < PCM_NINDEXES && n < SLABS_MAX; i++)
		if (pcm_slab_distance[i] != 0)
			slabs[n++] = (const struct pcm_slab *)(
				(uintptr_t)&pcm_slab_dummy +
				(uintptr_t)pcm_slab_distance[i]);
	return n;
}

static void look_twice(unsigned int nth)
{
	static struct pcm_slab before[SLABS_MAX];
	const struct pcm_slab *slabs[SLABS_MAX];
	unsigned int n = find_slabs(slabs), i;

	must(pcm_percpu_stop());
	for (i = 0; i < n; i++)
		before[i] = *slabs[i];
	for (i = 0; i < nth % 300; i++)
		__asm__ volatile("" : : : "memory");
	for (i = 0; i < n; i++)
		must(memcmp(before[i].word, slabs[i]->word,
			    sizeof(before[i].word)) == 0);
	pcm_percpu_resume();
}

START_TEST(stopped_slabs_stand_still)
{
	double end = testing_seconds() + STILL_SECONDS;
	cpu_set_t all;
	pthread_t thread[2];
	uintptr_t i;

	must(sched_getaffinity(0, sizeof(all), &all) == 0);
	lab_start(_i);
	if (!lab_can_stop())
		return;
	must(sched_setaffinity(0, sizeof(all), &all) == 0);
	for (i = 0; i < 2; i++)
		must(pthread_create(&thread[i], NULL, hammer,
				    (void *)(i + 1)) == 0);
	for (i = 0; testing_seconds() < end; i++)
		look_twice((unsigned int)i);
	atomic_store(&hammer_ends, true);
	for (i = 0; i < 2; i++)
		must(pthread_join(thread[i], NULL) == 0);
}
END_TEST

int main(void)
{
	TCase *tests = unit_begin("percpu_storm");

	tcase_add_loop_test(tests, stopped_slabs_stand_still, 0, LAB_NMODES);
	tcase_add_loop_test(tests, nothing_lost_nor_twice, 0, LAB_NMODES);
	return unit_end();
}
