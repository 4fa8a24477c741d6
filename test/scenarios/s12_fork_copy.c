/*
 * Scenario 12, the copy that a forked child gets. The kernel copies pages that
 * somebody holds for direct access (io_uring's buffers, RDMA) one after the
 * other while other threads go on writing; all others it shares, and there the
 * copy is of one instant. So with such pages the child could find a cache's
 * new top beside the magazine's old slots, and hand out a block twice: the
 * caches are stopped first. Here all of the allocator's own pages are held
 * like that.
 */
#include "hammer.h"

#include <linux/io_uring.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>

#define NFORKS 60
#define CHILD_LIMIT 20
#define NTHREADS 3
#define NSIZES 6
#define NHELD 120
#define NBLOCKS 1500

/* Larger mappings are stacks, and memory for blocks. */
#define MAPPING_MAX ((size_t)4 << 20)
#define NBUFFERS 64

static const size_t sizes[NSIZES] = { 16, 48, 64, 112, 256, 640 };
static atomic_bool stopping;

/*
 * Frees in another order than it allocates, so that a magazine's slots above
 * the top hold blocks that lie below it, too.
 */
static void *shuffle(void *arg)
{
	uint64_t state = (uint64_t)(uintptr_t)arg;
	void *held[NHELD];
	size_t i, k, n;

	while (!atomic_load_explicit(&stopping, memory_order_relaxed)) {
		size_t size = sizes[rnd(&state) % NSIZES];

		n = rnd_between(&state, 2, NHELD);
		for (i = 0; i < n; i++) {
			held[i] = malloc(size);
			must(held[i]);
		}
		for (; n > 0; n--) {
			k = rnd(&state) % n;
			free(held[k]);
			held[k] = held[n - 1];
		}
	}
	return NULL;
}

/* No block is given out twice in the child. */
static void child(void)
{
	static uint64_t *p[NSIZES][NBLOCKS];
	size_t s, i;

	signal(SIGALRM, SIG_DFL);
	alarm(CHILD_LIMIT);
	for (s = 0; s < NSIZES; s++) {
		for (i = 0; i < NBLOCKS; i++) {
			p[s][i] = malloc(sizes[s]);
			must(p[s][i]);
			p[s][i][0] = s * NBLOCKS + i;
			p[s][i][1] = ~p[s][i][0];
		}
	}
	for (s = 0; s < NSIZES; s++) {
		for (i = 0; i < NBLOCKS; i++) {
			must(p[s][i][0] == s * NBLOCKS + i);
			must(p[s][i][1] == ~p[s][i][0]);
			free(p[s][i]);
		}
	}
	_exit(0);
}

static void fork_once(void)
{
	int status;
	pid_t pid = fork();

	if (pid == 0)
		child();
	must(pid > 0);
	must(waitpid(pid, &status, 0) == pid);
	must(status == 0);
}

/* The next private mapping of memory, writable and without a name, or false. */
static bool next_mapping(FILE *maps, struct iovec *found)
{
	unsigned long start, end, offset, inode;
	char line[512], mode[8], device[16], name[256];

	while (fgets(line, sizeof(line), maps)) {
		name[0] = '\0';
		if (sscanf(line, "%lx-%lx %7s %lx %15s %lu %255s", &start, &end,
			   mode, &offset, device, &inode, name) < 6)
			continue;
		if (strcmp(mode, "rw-p") != 0 || name[0] || inode ||
		    end - start > MAPPING_MAX)
			continue;
		found->iov_base = (void *)start;
		found->iov_len = end - start;
		return true;
	}
	return false;
}

static size_t find_pages(struct iovec *buffer)
{
	FILE *maps = fopen("/proc/self/maps", "r");
	size_t n = 0;

	if (!maps)
		testing_skip("no /proc");
	while (n < NBUFFERS && next_mapping(maps, &buffer[n]))
		n++;
	must(!fclose(maps));
	return n;
}

/* What is held stays held as long as the ring, which is never closed. */
static void hold_pages(void)
{
	struct iovec buffer[NBUFFERS];
	struct io_uring_params params;
	size_t i, n = find_pages(buffer), total = 0;
	int ring;

	memset(&params, 0, sizeof(params));
	ring = (int)syscall(SYS_io_uring_setup, 1, &params);
	if (ring < 0)
		testing_skip("no io_uring here");
	if (syscall(SYS_io_uring_register, ring, IORING_REGISTER_BUFFERS,
		    buffer, n) < 0)
		testing_skip("io_uring may not hold pages here");
	for (i = 0; i < n; i++)
		total += buffer[i].iov_len;
	printf("%zu mappings of %zu KiB held\n", n, total / KIB);
}

int main(void)
{
	pthread_t thread[NTHREADS];
	size_t i;

	testing_start(60);
	if (hammer_ncpus() < 2)
		testing_skip("one CPU: nothing runs while a process is copied");
	for (i = 0; i < NTHREADS; i++)
		must(!pthread_create(&thread[i], NULL, shuffle,
				     (void *)(i + 1)));
	/* By now there are the caches and their magazines. */
	usleep(50000);
	hold_pages();
	for (i = 0; i < NFORKS; i++)
		fork_once();
	atomic_store(&stopping, true);
	for (i = 0; i < NTHREADS; i++)
		must(!pthread_join(thread[i], NULL));
	printf("%d forks\n", NFORKS);
	return 0;
}
