/*
 * Scenario 12, vfork: children that allocate and free, read a directory, move
 * to the CPUs on which their parent's threads allocate, and end or exec, while
 * these threads go on and vfork too. The child shares the parent's memory:
 * what it allocates the parent checks and frees.
 */
#include "hammer.h"
#include "load.h"
#include "rseq_raw.h"

#include <dirent.h>
#include <pthread.h>
#include <sys/wait.h>

#define NCHILDREN 40 /* of each thread */
#define NVFORKERS 3
#define NBLOCKS 40
#define NBUSY 2
#define HAMMERS 300 /* of a child */

struct share {
	unsigned char *by_parent[NBLOCKS], *by_child[NBLOCKS];
	uint64_t state;
	int rseq_state; /* the parent's, before and after */
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
	hammer_moving(HAMMERS, share->state << 40);
	read_directory();
	load_steps(10, &share->state);
	free(realloc(malloc(100), 300000));
}

/* glibc's other name for vfork. */
extern pid_t __vfork(void) __attribute__((weak, returns_twice));

__attribute__((noinline)) static void vfork_once(struct share *share, int exec,
						 bool other_name)
{
	int status;
	pid_t pid;

	allocate(share->by_parent, 1);
	share->rseq_state = raw_state();
	pid = other_name && __vfork ? __vfork() : vfork();
	if (pid == 0) {
		in_child(share);
		if (exec)
			execl("/bin/true", "true", (char *)NULL);
		_exit(exec ? 125 : 0);
	}
	must(pid > 0);
	must(raw_state() == share->rseq_state);
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
		vfork_once(share, i % 8 == 0, i % 2);
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

/* Other threads do nothing but allocate, on CPUs of their own, or on any. */
static void vfork_beside_busy_threads(bool bound)
{
	hammer_start(NBUSY, bound);
	vfork_often((void *)8);
	hammer_stop();
}

int main(void)
{
	testing_start(60);
	must(hammer_ncpus() > 0);
	vfork_often((void *)7);
	vfork_beside_busy_threads(true);
	vfork_beside_busy_threads(false);
	load_start(-1, 3);
	vfork_in_threads();
	load_stop();
	return 0;
}
