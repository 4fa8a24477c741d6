/*
 * cgroup.c - reading small files of numbers.
 *
 * In a container the path in /proc/self/cgroup may be that of the host while
 * only the group itself is mounted: if its directory is not there, the root's
 * files are the group's.
 */
#define _GNU_SOURCE
#include "cgroup.h"

#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "raw_syscall.h"

#define PATH_BYTES 512u
#define NUMBERS_BYTES 64u /* a file with a number or two */
#define GROUPS_BYTES 2048u

/* v1 says "no limit" with a number near 2^63, rounded down to pages. */
#define V1_NO_LIMIT ((size_t)1 << 60)

struct path {
	char s[PATH_BYTES];
	size_t n; /* length without the NUL */
};

static bool
append(struct path *path, const char *s, size_t n)
{
	if (path->n + n >= PATH_BYTES)
		return false;
	memcpy(path->s + path->n, s, n);
	path->n += n;
	path->s[path->n] = '\0';
	return true;
}

/* The file's beginning as a string; false: it cannot be read. */
static bool
read_file(const char *name, char *text, size_t size)
{
	long n, len = 0;
	long fd = pcm_syscall4(SYS_openat, AT_FDCWD, name,
			       O_RDONLY | O_CLOEXEC, 0);

	if (pcm_syscall_failed(fd))
		return false;
	do {
		n = pcm_syscall3(SYS_read, fd, text + len,
				 size - 1 - (size_t)len);
		len += pcm_syscall_failed(n) ? 0 : n;
	} while (!pcm_syscall_failed(n) && n > 0 && (size_t)len < size - 1);
	pcm_syscall1(SYS_close, fd);
	text[len] = '\0';
	return true;
}

/* A decimal number at *s, and moves on; `none` if there is something else. */
static size_t
number(const char **s, size_t none)
{
	size_t value = 0;

	while (**s == ' ')
		(*s)++;
	if (**s < '0' || **s > '9')
		return none;
	for (; **s >= '0' && **s <= '9'; (*s)++)
		value = value * 10 + (size_t)(**s - '0');
	return value;
}

/* The number in DIRECTORY/NAME; `none` if it is "max" or not there. */
static size_t
number_in(const struct path *directory, const char *name, size_t none)
{
	struct path path = *directory;
	char text[NUMBERS_BYTES];
	const char *s = text;

	if (!append(&path, "/", 1) || !append(&path, name, strlen(name)) ||
	    !read_file(path.s, text, sizeof(text)))
		return none;
	return number(&s, none);
}

static void
at_most(size_t *value, size_t limit)
{
	if (limit < *value)
		*value = limit;
}

static unsigned
cpus_worth(size_t quota, size_t period)
{
	size_t n;

	if (quota == SIZE_MAX || period == 0 || period == SIZE_MAX)
		return UINT_MAX;
	n = (quota + period - 1) / period;
	if (n > UINT_MAX)
		return UINT_MAX;
	return n == 0 ? 1 : (unsigned)n;
}

/* cpu.max: "QUOTA PERIOD", QUOTA may be "max". */
static unsigned
cpu_max(const struct path *directory)
{
	struct path path = *directory;
	char text[NUMBERS_BYTES];
	const char *s = text;
	size_t quota;

	if (!append(&path, "/cpu.max", 8) ||
	    !read_file(path.s, text, sizeof(text)))
		return UINT_MAX;
	quota = number(&s, SIZE_MAX);
	return cpus_worth(quota, number(&s, SIZE_MAX));
}

static void
look_v2(struct pcm_cgroup *out, const struct path *directory)
{
	unsigned ncpus = cpu_max(directory);

	at_most(&out->memory, number_in(directory, "memory.max", SIZE_MAX));
	at_most(&out->memory, number_in(directory, "memory.high", SIZE_MAX));
	if (ncpus < out->ncpus)
		out->ncpus = ncpus;
}

/* From the group's directory up to the root's. */
static void
walk_v2(struct pcm_cgroup *out, struct path path, size_t root_len)
{
	for (;;) {
		look_v2(out, &path);
		if (path.n <= root_len)
			return;
		while (path.n > root_len && path.s[path.n - 1] != '/')
			path.n--;
		if (path.n > root_len)
			path.n--;
		path.s[path.n] = '\0';
	}
}

static void
look_v1(struct pcm_cgroup *out, const struct path *directory, bool memory)
{
	unsigned ncpus;
	size_t limit;

	if (memory) {
		limit = number_in(directory, "memory.limit_in_bytes", SIZE_MAX);
		if (limit < V1_NO_LIMIT)
			at_most(&out->memory, limit);
		return;
	}
	ncpus = cpus_worth(number_in(directory, "cpu.cfs_quota_us", SIZE_MAX),
			   number_in(directory, "cpu.cfs_period_us", SIZE_MAX));
	if (ncpus < out->ncpus)
		out->ncpus = ncpus;
}

static bool
is_directory(const char *name)
{
	long fd = pcm_syscall4(SYS_openat, AT_FDCWD, name,
			       O_PATH | O_DIRECTORY | O_CLOEXEC, 0);

	if (pcm_syscall_failed(fd))
		return false;
	pcm_syscall1(SYS_close, fd);
	return true;
}

/* ROOT[/CONTROLLER]PATH, or without PATH if that is not there. */
static bool
directory_of(struct path *path, const char *root, const char *controller,
	     const char *group, size_t group_len)
{
	size_t base;

	path->n = 0;
	if (!append(path, root, strlen(root)) ||
	    (controller[0] != '\0' && (!append(path, "/", 1) ||
		    !append(path, controller, strlen(controller)))))
		return false;
	base = path->n;
	if (group_len > 1 && append(path, group, group_len) &&
	    is_directory(path->s))
		return true;
	path->n = base;
	path->s[base] = '\0';
	return true;
}

/* Is NAME one of the comma-separated LIST? */
static bool
in_list(const char *list, size_t n, const char *name)
{
	size_t len = strlen(name);

	while (n >= len) {
		const char *comma = memchr(list, ',', n);
		size_t word = comma == NULL ? n : (size_t)(comma - list);

		if (word == len && memcmp(list, name, len) == 0)
			return true;
		if (comma == NULL)
			return false;
		n -= word + 1;
		list = comma + 1;
	}
	return false;
}

/* A line of /proc/self/cgroup: ID:CONTROLLERS:PATH. */
static void
look_at_line(struct pcm_cgroup *out, const char *line, size_t n,
	     const char *root)
{
	const char *list = memchr(line, ':', n), *group;
	struct path path;
	size_t rest;

	if (list == NULL)
		return;
	list++;
	rest = n - (size_t)(list - line);
	group = memchr(list, ':', rest);
	if (group == NULL)
		return;
	group++;
	rest -= (size_t)(group - list);
	if (group == list + 1) {
		if (directory_of(&path, root, "", group, rest))
			walk_v2(out, path, strlen(root));
		return;
	}
	if (in_list(list, (size_t)(group - 1 - list), "memory") &&
	    directory_of(&path, root, "memory", group, rest))
		look_v1(out, &path, true);
	if (in_list(list, (size_t)(group - 1 - list), "cpu") &&
	    directory_of(&path, root, "cpu", group, rest))
		look_v1(out, &path, false);
}

void
pcm_cgroup_read(struct pcm_cgroup *out, const char *groups, const char *root)
{
	char text[GROUPS_BYTES];
	const char *line = text;

	*out = (struct pcm_cgroup){ .memory = SIZE_MAX, .ncpus = UINT_MAX };
	if (!read_file(groups, text, sizeof(text)))
		return;
	while (*line != '\0') {
		size_t n = strcspn(line, "\n");

		look_at_line(out, line, n, root);
		line += n + (line[n] == '\n');
	}
}
