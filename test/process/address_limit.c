/*
 * `ulimit -v` of 256 MiB, and of data: allocate until NULL and ENOMEM, free,
 * and go on as if nothing had been. The limit is set before the program starts,
 * so that pcmalloc's own start is under it too.
 */
#include "testing.h"

#include <pthread.h>
#include <sys/resource.h>
#include <sys/wait.h>

#define LIMIT (256 * MIB) /* ulimit -v 262144 */

/* Of the limit, at least so much must be had in blocks. */
#define SHARE_MIN (150 * MIB)

#define NTHREADS 3

/* Chains the blocks through themselves: no memory but theirs is needed. */
struct block {
	struct block *next;
	size_t n;
};

static size_t allocate_until_null(size_t n, struct block **chain)
{
	size_t total = 0;

	*chain = NULL;
	for (;;) {
		struct block *block;

		errno = 0;
		block = malloc(n);
		if (!block)
			break;
		block->next = *chain;
		block->n = n;
		memset(block + 1, (int)n, n - sizeof(*block));
		*chain = block;
		total += n;
	}
	must(errno == ENOMEM);
	return total;
}

static void free_chain(struct block *chain)
{
	while (chain) {
		struct block *next = chain->next;

		must(all_bytes(chain + 1, chain->n - sizeof(*chain),
			       (unsigned char)chain->n));
		free(chain);
		chain = next;
	}
}

/* Every function says NULL and ENOMEM while there is nothing. */
static void all_functions_fail(size_t n)
{
	void *p = &n;

	errno = 0;
	must(!calloc(1, n) && errno == ENOMEM);
	errno = 0;
	must(!realloc(NULL, n) && errno == ENOMEM);
	errno = 0;
	must(!memalign(64, n) && errno == ENOMEM);
	errno = 0;
	must(!aligned_alloc(4096, n) && errno == ENOMEM);
	errno = 0;
	must(!valloc(n) && errno == ENOMEM);
	must(posix_memalign(&p, 64, n) == ENOMEM && p == &n);
}

/* A block that cannot grow stays what it is. */
static void growth_fails(struct block *block)
{
	if (!block)
		return;
	errno = 0;
	must(!realloc(block, 400 * MIB) && errno == ENOMEM);
	must(all_bytes(block + 1, block->n - sizeof(*block),
		       (unsigned char)block->n));
}

static void exhaust_with(size_t n)
{
	struct block *chain;
	size_t first, second;

	first = allocate_until_null(n, &chain);
	printf("%zu bytes: %zu MiB\n", n, first / MIB);
	all_functions_fail(n > 64 * MIB ? n : 64 * MIB);
	growth_fails(chain);
	free_chain(chain);
	second = allocate_until_null(n, &chain);
	free_chain(chain);
	printf("%zu bytes: %zu MiB again\n", n, second / MIB);
	must(n >= 32 * MIB || first >= SHARE_MIN);
	must(second >= first - first / 8);
}

static pthread_barrier_t go;

static void *exhaust_in_thread(void *arg)
{
	size_t turn, n = (size_t)(uintptr_t)arg;
	struct block *chain;

	pthread_barrier_wait(&go);
	for (turn = 0; turn < 3; turn++) {
		allocate_until_null(n, &chain);
		free_chain(chain);
	}
	return NULL;
}

/*
 * Several threads meet the end of memory together. They are started before it
 * is exhausted for the first time, so that all are there when it is.
 */
static void start_threads(pthread_t thread[NTHREADS])
{
	static const size_t size[NTHREADS] = { 500, 50000, 5000000 };
	pthread_attr_t attr;
	size_t i;

	must(!pthread_barrier_init(&go, NULL, NTHREADS + 1));
	must(!pthread_attr_init(&attr));
	must(!pthread_attr_setstacksize(&attr, 256 * KIB));
	for (i = 0; i < NTHREADS; i++)
		must(!pthread_create(&thread[i], &attr, exhaust_in_thread,
				     (void *)size[i]));
	must(!pthread_attr_destroy(&attr));
}

static void let_them_go(pthread_t thread[NTHREADS])
{
	size_t i;

	pthread_barrier_wait(&go);
	for (i = 0; i < NTHREADS; i++)
		must(!pthread_join(thread[i], NULL));
}

static void fork_works(void)
{
	int status;
	pid_t pid = fork();

	must(pid >= 0);
	if (pid == 0) {
		free(malloc(MIB));
		_exit(0);
	}
	must(waitpid(pid, &status, 0) == pid);
	must(status == 0);
}

static void *do_nothing(void *arg)
{
	return arg;
}

/* Under `ulimit -v` what was freed makes room for a stack of 8 MiB. */
static void thread_starts(void)
{
	struct rlimit limit;
	pthread_t thread;

	must(!getrlimit(RLIMIT_AS, &limit));
	if (limit.rlim_cur != LIMIT)
		return;
	must(!pthread_create(&thread, NULL, do_nothing, NULL));
	must(!pthread_join(thread, NULL));
}

static int under_limit(void)
{
	const char *wrong = testing_identity();
	pthread_t thread[NTHREADS];

	if (wrong) {
		fprintf(stderr, "%s\n", wrong);
		return 1;
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	start_threads(thread);
	/* Few large blocks, then many small: these need more metadata. */
	exhaust_with(MIB);
	exhaust_with(48);
	exhaust_with(100);
	exhaust_with(1000);
	exhaust_with(10000);
	exhaust_with(100000);
	exhaust_with(40 * MIB);
	exhaust_with(1000);
	let_them_go(thread);
	exhaust_with(3000);
	thread_starts();
	fork_works();
	return 0;
}

static void start_under(void *resource)
{
	const struct rlimit limit = { LIMIT, LIMIT };

	must(!setrlimit((__rlimit_resource_t)(intptr_t)resource, &limit));
	execl("/proc/self/exe", "address_limit", "limited", (char *)NULL);
	_exit(125);
}

static void run_under(int resource, const char *name)
{
	static struct child child;

	testing_child(&child, 50, start_under, (void *)(intptr_t)resource);
	printf("%s:\n%s%s", name, child.out, child.err);
	if (child.status != 0)
		printf("status %x\n", (unsigned int)child.status);
	must(child.status == 0);
}

int main(int argc, char **argv)
{
	if (argc == 2 && strcmp(argv[1], "limited") == 0)
		return under_limit();
	testing_start(100);
	run_under(RLIMIT_AS, "ulimit -v 262144");
	run_under(RLIMIT_DATA, "ulimit -d 262144");
	return 0;
}
