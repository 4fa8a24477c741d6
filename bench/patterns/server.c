/*
 * A server: every thread has a table of blocks, 8 to 1000 bytes each, and
 * replaces one at random per request. After a number of requests a thread
 * hands its table over to a new thread and ends, as a connection does that
 * moves on to another worker; so blocks are freed by threads which did not
 * allocate them.
 */
#include "harness.h"

#include <pthread.h>
#include <semaphore.h>

#define SLOTS 4000
#define LOW 8
#define HIGH 1000
#define TURNS 40
#define REQUESTS 500000
#define STACK_NBYTES (128 << 10)

struct slot {
	void *block;
	uint32_t nbytes;
};

static struct chain {
	struct slot *slots;
	uint64_t random;
	long nturns;
} chains[HARNESS_MAX_THREADS];

static sem_t ended;
static long nrequests;
static pthread_attr_t attr;

static void fill(struct slot *slot, uint32_t tag, uint64_t *random)
{
	slot->nbytes = (uint32_t)harness_between(random, LOW, HIGH);
	slot->block = harness_get(slot->nbytes, tag);
}

static void serve(struct chain *chain)
{
	for (long i = 0; i < nrequests; i++) {
		uint32_t at = (uint32_t)harness_between(&chain->random, 0,
							SLOTS - 1);
		struct slot *slot = &chain->slots[at];

		harness_put(slot->block, slot->nbytes, at);
		fill(slot, at, &chain->random);
	}
}

static void *turn(void *arg);

static void hand_over(struct chain *chain)
{
	pthread_t next;

	if (pthread_create(&next, &attr, turn, chain) != 0)
		measure_die("pthread_create failed");
}

static void *turn(void *arg)
{
	struct chain *chain = arg;

	serve(chain);
	harness_publish();
	if (--chain->nturns > 0)
		hand_over(chain);
	else
		sem_post(&ended);
	return NULL;
}

static void open_chain(struct chain *chain, int index)
{
	chain->random = harness_stream(index);
	chain->nturns = TURNS;
	for (uint32_t i = 0; i < SLOTS; i++)
		fill(&chain->slots[i], i, &chain->random);
	hand_over(chain);
}

static void close_chain(struct chain *chain)
{
	for (uint32_t i = 0; i < SLOTS; i++)
		harness_put(chain->slots[i].block, chain->slots[i].nbytes, i);
}

int main(int argc, char **argv)
{
	harness_options(argc, argv, 2, NULL);
	nrequests = harness_scaled(REQUESTS);
	for (int i = 0; i < harness.nthreads; i++)
		chains[i].slots = harness_map(SLOTS * sizeof(struct slot));
	sem_init(&ended, 0, 0);
	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	pthread_attr_setstacksize(&attr, STACK_NBYTES);
	harness_start();
	for (int i = 0; i < harness.nthreads; i++)
		open_chain(&chains[i], i);
	for (int i = 0; i < harness.nthreads; i++)
		while (sem_wait(&ended) != 0)
			;
	for (int i = 0; i < harness.nthreads; i++)
		close_chain(&chains[i]);
	harness_stop();
	return harness_report();
}
