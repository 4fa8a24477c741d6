/*
 * A little of everything, for a build of the library that is to be tried out:
 * threads that allocate and free each other's blocks of all sizes, fork() from
 * one of them, malloc_trim() in between. Exit status 0 if every block was what
 * it should be.
 */
#define _GNU_SOURCE
#include <malloc.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define NTHREADS 4
#define NSLOTS 512
#define NSTEPS 60000

/* A block carries its size and a check in its first words. */
struct block {
	size_t nbytes, check;
};

static struct block *slots[NSLOTS];

static void fail(const char *what)
{
	if (write(2, what, strlen(what)) < 0)
		_exit(2);
	_exit(1);
}

static size_t random_size(unsigned int *seed)
{
	switch (rand_r(seed) % 64) {
	case 0:
		return (size_t)rand_r(seed) % (2 << 20);
	case 1:
	case 2:
		return (size_t)rand_r(seed) % 262144;
	default:
		return (size_t)rand_r(seed) % 2000;
	}
}

static struct block *new_block(unsigned int *seed)
{
	size_t nbytes = sizeof(struct block) + random_size(seed);
	struct block *b = malloc(nbytes);

	if (b == NULL)
		fail("no memory\n");
	b->nbytes = nbytes;
	b->check = ~nbytes ^ (uintptr_t)b;
	return b;
}

static void delete_block(struct block *b)
{
	if (b == NULL)
		return;
	if (b->check != (~b->nbytes ^ (uintptr_t)b) ||
	    malloc_usable_size(b) < b->nbytes)
		fail("a block is not what it was\n");
	b->check = 0;
	free(b);
}

/* The child uses every layer once. */
static void fork_once(unsigned int *seed)
{
	int status, i;
	pid_t pid = fork();

	if (pid < 0)
		fail("no fork\n");
	if (pid == 0) {
		alarm(20);
		for (i = 0; i < 1000; i++)
			delete_block(new_block(seed));
		malloc_trim(0);
		_exit(0);
	}
	if (waitpid(pid, &status, 0) != pid || status != 0)
		fail("a forked child failed\n");
}

static void *work(void *arg)
{
	unsigned int seed = (unsigned int)(uintptr_t)arg;
	int i;

	for (i = 0; i < NSTEPS; i++) {
		struct block **slot = &slots[rand_r(&seed) % NSLOTS];
		struct block *b = rand_r(&seed) % 2 ? new_block(&seed) : NULL;

		delete_block(__atomic_exchange_n(slot, b, __ATOMIC_ACQ_REL));
		if (i % 10000 == 0)
			malloc_trim(0);
		if (i % 20000 == 5000)
			fork_once(&seed);
	}
	return NULL;
}

int main(void)
{
	pthread_t thread[NTHREADS];
	uintptr_t i;

	for (i = 0; i < NTHREADS; i++)
		if (pthread_create(&thread[i], NULL, work, (void *)(i + 1)))
			fail("no thread\n");
	for (i = 0; i < NTHREADS; i++)
		pthread_join(thread[i], NULL);
	for (i = 0; i < NSLOTS; i++)
		delete_block(slots[i]);
	malloc_trim(0);
	return 0;
}
