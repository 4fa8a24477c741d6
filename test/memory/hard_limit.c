/*
 * hard_limit:128M: allocations fail with ENOMEM before the heap is larger, small
 * ones, large ones and mappings; nothing is lost, and what is freed can be had
 * again.
 */
#include "testing.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <unistd.h>

#define LIMIT (128 * MIB)

struct block {
	struct block *next;
};

/* Takes blocks of n bytes until there are no more; returns the bytes. */
static size_t take_all(struct block **list, size_t n)
{
	struct block *block;
	size_t sum = 0;

	errno = 0;
	while ((block = malloc(n))) {
		memset(block, 1, n);
		block->next = *list;
		*list = block;
		sum += n;
		must(sum <= LIMIT);
	}
	must(errno == ENOMEM);
	return sum;
}

static void free_all(struct block *list)
{
	while (list) {
		struct block *next = list->next;

		free(list);
		list = next;
	}
}

static void reaches_the_limit(size_t n)
{
	struct block *list = NULL;
	size_t sum = take_all(&list, n);

	printf("blocks of %zu: %zu MiB\n", n, sum / MIB);
	must(sum >= LIMIT / 4 * 3);
	must(testing_memory("VmRSS") <= LIMIT + 16 * MIB);
	errno = 0;
	must(!malloc(LIMIT));
	must(errno == ENOMEM);
	free_all(list);
}

static void realloc_keeps_the_block(void)
{
	unsigned char *p = malloc(64 * MIB);

	must(p);
	memset(p, 5, 64 * MIB);
	must(!realloc(p, 256 * MIB));
	must(all_bytes(p, 64 * MIB, 5));
	free(p);
}

static atomic_bool stop;

/* Asks for what nobody can have. */
static void *greedy(void *arg)
{
	while (!atomic_load(&stop))
		must(!malloc(opaque_size(LIMIT + 1)));
	return arg;
}

/* Has a large block all the time. */
static void *busy(void *arg)
{
	while (!atomic_load(&stop)) {
		void *p = malloc(opaque_size(40 * MIB));

		must(p);
		free(opaque(p));
	}
	return arg;
}

static __attribute__((noreturn)) void allocate_in_child(void)
{
	void *p = malloc(opaque_size(80 * MIB));

	_exit(p == NULL);
}

/*
 * A handler from .preinit_array, before any library's constructor, runs while pcmalloc
 * is prepared for the fork: here it forks, too, and its child goes on with the fork.
 */
static bool forks_twice, is_inner;
static pid_t inner;

static void early_prepare(void)
{
	if (!forks_twice)
		return;
	forks_twice = false;
	inner = fork();
	is_inner = inner == 0;
}

static void register_early(void)
{
	must(!pthread_atfork(early_prepare, NULL, NULL));
}

__attribute__((used, section(".preinit_array"))) static void (
	*const preinit)(void) = register_early;

static void fork_and_allocate(void)
{
	pid_t pid;

	forks_twice = true;
	pid = fork();
	if (pid == 0)
		allocate_in_child();
	testing_wait_for(pid);
	if (is_inner)
		allocate_in_child();
	testing_wait_for(inner);
}

/* What fails for others, or is only about to be had, takes no room. */
static void others_have_room(void)
{
	double end = testing_seconds() + 1;
	pthread_t threads[2];
	unsigned int n = 0;

	must(pthread_create(&threads[0], NULL, greedy, NULL) == 0);
	must(pthread_create(&threads[1], NULL, busy, NULL) == 0);
	for (; testing_seconds() < end; n++) {
		void *p = malloc(opaque_size(20 * MIB));

		must(p);
		free(opaque(p));
		if (n % 100 == 0)
			fork_and_allocate();
	}
	atomic_store(&stop, true);
	for (int i = 0; i < 2; i++)
		must(pthread_join(threads[i], NULL) == 0);
	printf("%u blocks beside others\n", n);
}

int main(void)
{
	static const size_t sizes[] = { 48, 1000, 20000, 200000, 700000,
					3 * MIB };
	size_t i, turn;

	testing_start(60);
	for (turn = 0; turn < 2; turn++)
		for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
			reaches_the_limit(sizes[i]);
	realloc_keeps_the_block();
	others_have_room();
	return 0;
}
