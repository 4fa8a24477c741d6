/*
 * vfork children that allocate and free, read a directory, and end or exec,
 * while other threads of the parent work and vfork too. The child shares the
 * parent's memory: what it allocates the parent checks and frees.
 */
#include "load.h"

#include <dirent.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/wait.h>

#define NCHILDREN 200 /* of each thread */
#define NVFORKERS 3
#define NBLOCKS 40
#define NBUSY 2
#define HAMMERS 300 /* of a child */

struct share {
	unsigned char *by_parent[NBLOCKS], *by_child[NBLOCKS];
	uint64_t state;
};

static size_t size_of(size_t i)
{
	return i % 10 == 9 ? i * 20000 : i * i * 3 + 1;
}

static size_t part_of(size_t i)
{
	return size_of(i) < 5000 ? size_of(i) : 5000;
}

static void allocate(unsigned char **p, uint64_t seed)
{
	size_t i;

	for (i = 0; i < NBLOCKS; i++) {
		p[i] = i % 2 ? malloc(size_of(i)) : calloc(1, size_of(i));
		must(p[i]);
		fill(p[i], part_of(i), seed + i);
	}
}

static void check_and_free(unsigned char **p, uint64_t seed)
{
	size_t i;

	for (i = 0; i < NBLOCKS; i++) {
		must(filled(p[i], part_of(i), seed + i));
		free(p[i]);
	}
}

/*
 * Small blocks as fast as they come, few at a time: a child that used a cache
 * which is another thread's just then would hand out a block twice.
 */
static void hammer(int turns, uint64_t seed)
{
	uint64_t *p[8];
	size_t i, k;

	while (turns-- > 0) {
		for (i = 0; i < 8; i++) {
			p[i] = malloc(32);
			must(p[i]);
			for (k = 0; k < 4; k++)
				p[i][k] = seed + i;
		}
		for (i = 0; i < 8; i++) {
			for (k = 0; k < 4; k++)
				must(p[i][k] == seed + i);
			free(p[i]);
		}
	}
}

static atomic_bool stopping;

static void *keep_hammering(void *arg)
{
	while (!atomic_load(&stopping))
		hammer(1000, (uint64_t)(uintptr_t)arg << 32);
	return NULL;
}

static void read_directory(void)
{
	DIR *dir = opendir("/");

	must(dir && readdir(dir));
	must(!closedir(dir));
}

/* What runs in the child, on its parent's stack and with its TLS. */
__attribute__((noinline)) static void in_child(struct share *share)
{
	check_and_free(share->by_parent, 1);
	allocate(share->by_child, 2);
	hammer(HAMMERS, share->state);
	read_directory();
	load_steps(10, &share->state);
	free(realloc(malloc(100), 300000));
}

__attribute__((noinline)) static void vfork_once(struct share *share, int exec)
{
	int status;
	pid_t pid;

	allocate(share->by_parent, 1);
	pid = vfork();
	if (pid == 0) {
		in_child(share);
		if (exec)
			execl("/bin/true", "true", (char *)NULL);
		_exit(exec ? 125 : 0);
	}
	must(pid > 0);
	check_and_free(share->by_child, 2);
	must(waitpid(pid, &status, 0) == pid);
	must(status == 0);
}

static void *vfork_often(void *arg)
{
	struct share *share = calloc(1, sizeof(*share));
	uint64_t state = (uint64_t)(uintptr_t)arg;
	int i;

	share->state = state;
	for (i = 0; i < NCHILDREN; i++) {
		vfork_once(share, i % 8 == 0);
		load_steps(5, &state);
	}
	free(share);
	return NULL;
}

static void vfork_in_threads(void)
{
	pthread_t thread[NVFORKERS];
	size_t i;

	for (i = 0; i < NVFORKERS; i++)
		must(!pthread_create(&thread[i], NULL, vfork_often,
				     (void *)i));
	for (i = 0; i < NVFORKERS; i++)
		must(!pthread_join(thread[i], NULL));
}

/* Other threads do nothing but allocate. */
static void vfork_beside_busy_threads(void)
{
	pthread_t thread[NBUSY];
	size_t i;

	for (i = 0; i < NBUSY; i++)
		must(!pthread_create(&thread[i], NULL, keep_hammering,
				     (void *)(i + 1)));
	vfork_often((void *)8);
	atomic_store(&stopping, true);
	for (i = 0; i < NBUSY; i++)
		must(!pthread_join(thread[i], NULL));
}

int main(void)
{
	testing_start(60);
	vfork_often((void *)7);
	vfork_beside_busy_threads();
	load_start(-1, 3);
	vfork_in_threads();
	load_stop();
	return 0;
}
