/*
 * Scenario 15: the cpuset of a running process is changed, as a container's is.
 * Its control group shrinks to one CPU, to another, grows again, under load;
 * the kernel moves the threads by itself. No block is handed out twice, and
 * every thread stays on per-CPU caches. Needs a control group to write to.
 */
#include "cpu_lab.h"
#include "rseq_raw.h"

#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>
#include <sys/wait.h>

#define NTHREADS 8
#define NTURNS 30

/* Version 1 has a tree for cpusets, often here; version 2 one for all. */
static const char *const trees[] = {
	"/sys/fs/cgroup/cpuset", "/sys/fs/cgroup", "/sys/fs/cgroup/unified",
};
static char group[PATH_MAX / 2];

/* False, if the file is not there or the kernel refuses. */
static bool put(const char *directory, const char *file, const char *text)
{
	char path[PATH_MAX];
	bool done;
	int fd;

	snprintf(path, sizeof(path), "%s/%s", directory, file);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	done = write(fd, text, strlen(text)) == (ssize_t)strlen(text);
	close(fd);
	return done;
}

static bool put_cpus(const int *ids, int n)
{
	char text[16 * 1024];
	size_t used = 0;
	int i;

	for (i = 0; i < n; i++)
		used += (size_t)snprintf(text + used, sizeof(text) - used,
					 i ? ",%d" : "%d", ids[i]);
	return put(group, "cpuset.cpus", text);
}

/* A group of our own, with these CPUs, and the calling process in it. */
static bool enter_group(const char *tree, const struct cpus *cpus)
{
	char self[16];

	put(tree, "cgroup.subtree_control", "+cpuset");
	snprintf(group, sizeof(group), "%s/pcmalloc.%d", tree, (int)getpid());
	if (mkdir(group, 0755))
		return false;
	put(group, "cpuset.mems", "0");
	snprintf(self, sizeof(self), "%d", (int)getpid());
	return put_cpus(cpus->id, cpus->n) && put(group, "cgroup.procs", self);
}

static bool enter_any_group(const struct cpus *cpus)
{
	size_t i;

	for (i = 0; i < sizeof(trees) / sizeof(trees[0]); i++) {
		if (enter_group(trees[i], cpus))
			return true;
		rmdir(group);
	}
	return false;
}

/* Is the process where its group says? */
static bool is_on(const int *ids, int n)
{
	struct cpus now;

	cpus_allowed(&now);
	return now.n == n && memcmp(now.id, ids, (size_t)n * sizeof(*ids)) == 0;
}

static void move_to(const int *ids, int n)
{
	must(put_cpus(ids, n));
	must(is_on(ids, n));
	crowd_wait(2);
}

static void change_cpuset(const struct cpus *cpus)
{
	int i;

	for (i = 0; i < NTURNS; i++) {
		move_to(&cpus->id[i % cpus->n], 1);
		move_to(cpus->id, cpus->n);
	}
}

/* Before the crowd: a process is moved here with all of its threads. */
static int in_group(const struct cpus *cpus)
{
	testing_start(100);
	raw_prepare();
	claims_start();
	if (!enter_any_group(cpus))
		return TEST_SKIPPED;
	crowd_start(NTHREADS);
	change_cpuset(cpus);
	crowd_stop(cpus);
	must(raw_stats().nslabs <= (size_t)cpus->n);
	if (on_per_cpu()) {
		must(raw_stats().nslabs >= 1);
		raw_must_be_registered();
	}
	printf("%s: %d changes of cpuset, %zu slabs, %lu blocks\n", raw_mode(),
	       2 * NTURNS, raw_stats().nslabs, claims_count());
	fflush(stdout);
	return 0;
}

/* The group can be removed once nobody is in it. */
static void remove_group(pid_t pid)
{
	size_t i;

	for (i = 0; i < sizeof(trees) / sizeof(trees[0]); i++) {
		snprintf(group, sizeof(group), "%s/pcmalloc.%d", trees[i],
			 (int)pid);
		rmdir(group);
	}
}

int main(void)
{
	static struct cpus cpus;
	int status;
	pid_t pid;

	cpus_allowed(&cpus);
	pid = fork();
	must(pid >= 0);
	if (pid == 0)
		_exit(in_group(&cpus));
	must(waitpid(pid, &status, 0) == pid);
	remove_group(pid);
	if (WIFEXITED(status) && WEXITSTATUS(status) == TEST_SKIPPED)
		testing_skip("no control group with cpusets to write to");
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}
