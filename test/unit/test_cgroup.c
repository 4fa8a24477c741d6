/*
 * cgroup: limits read from files of the test's own making, as the kernel has them
 * for version 2 and version 1.
 */
#include "unit.h"

#include <limits.h>
#include <sys/stat.h>

#include "cgroup.h"

#define V1_NONE "9223372036854771712"

static char root[64], groups[80];
static struct pcm_cgroup found;

static void setup(void)
{
	strcpy(root, "/tmp/pcmalloc-cgroup-XXXXXX");
	must(mkdtemp(root));
	snprintf(groups, sizeof(groups), "%s/groups", root);
}

static void teardown(void)
{
	char command[100];

	snprintf(command, sizeof(command), "rm -rf %s", root);
	must(system(command) == 0);
}

static void make_directory(const char *name)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/%s", root, name);
	must(mkdir(path, 0700) == 0);
}

static void write_file(const char *name, const char *text)
{
	char path[256];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", root, name);
	file = fopen(path, "w");
	must(file && fputs(text, file) >= 0 && fclose(file) == 0);
}

static void expect(size_t memory, unsigned ncpus)
{
	pcm_cgroup_read(&found, groups, root);
	must(found.memory == memory);
	must(found.ncpus == ncpus);
}

START_TEST(nothing_there)
{
	expect(SIZE_MAX, UINT_MAX);
	write_file("groups", "");
	expect(SIZE_MAX, UINT_MAX);
	write_file("groups", "0::/gone\n");
	expect(SIZE_MAX, UINT_MAX);
	write_file("groups", "nonsense\n::::\n7:\n");
	expect(SIZE_MAX, UINT_MAX);
}
END_TEST

START_TEST(version_2)
{
	write_file("groups", "0::/a/b\n");
	make_directory("a");
	make_directory("a/b");
	write_file("a/b/memory.max", "max\n");
	write_file("a/b/memory.high", "max\n");
	write_file("a/b/cpu.max", "max 100000\n");
	expect(SIZE_MAX, UINT_MAX);
	write_file("a/b/memory.max", "1000000\n");
	expect(1000000, UINT_MAX);
	write_file("a/b/memory.high", "900000\n");
	expect(900000, UINT_MAX);
	write_file("a/b/cpu.max", "250000 100000\n");
	expect(900000, 3);
}
END_TEST

/* The least of the group and those above it, the root included. */
START_TEST(version_2_above)
{
	write_file("groups", "1:name=systemd:/x\n0::/a/b\n");
	make_directory("a");
	make_directory("a/b");
	write_file("a/b/memory.max", "5000\n");
	write_file("a/memory.max", "4000\n");
	write_file("memory.max", "6000\n");
	write_file("a/cpu.max", "100000 100000\n");
	write_file("a/b/cpu.max", "50000 100000\n");
	expect(4000, 1);
	write_file("memory.high", "3000\n");
	expect(3000, 1);
}
END_TEST

/* In a container the group's directory is the root. */
START_TEST(version_2_only_the_group_is_mounted)
{
	write_file("groups", "0::/docker/0123\n");
	write_file("memory.max", "7000\n");
	expect(7000, UINT_MAX);
}
END_TEST

START_TEST(version_1)
{
	write_file("groups", "9:name=systemd:/\n4:memory:/a\n"
			     "3:cpuset:/a\n1:cpu,cpuacct:/\n0::/\n");
	make_directory("memory");
	make_directory("memory/a");
	make_directory("cpu");
	write_file("memory/a/memory.limit_in_bytes", V1_NONE "\n");
	write_file("cpu/cpu.cfs_quota_us", "-1\n");
	write_file("cpu/cpu.cfs_period_us", "100000\n");
	expect(SIZE_MAX, UINT_MAX);
	write_file("memory/a/memory.limit_in_bytes", "123456\n");
	write_file("cpu/cpu.cfs_quota_us", "150000\n");
	expect(123456, 2);
}
END_TEST

/* Longer than what is read: what is cut off is no limit, and nothing breaks. */
START_TEST(long_files)
{
	static char text[20000];

	memset(text, 'x', sizeof(text) - 1);
	write_file("groups", text);
	expect(SIZE_MAX, UINT_MAX);
	memcpy(text, "0::/", 4);
	write_file("groups", text);
	write_file("memory.max", "7000\n");
	expect(7000, UINT_MAX);
	memset(text, '9', sizeof(text) - 1);
	write_file("memory.high", text);
	pcm_cgroup_read(&found, groups, root);
	must(found.ncpus == UINT_MAX);
}
END_TEST

int main(void)
{
	TCase *tests = unit_begin("cgroup");

	tcase_add_checked_fixture(tests, setup, teardown);
	tcase_add_test(tests, nothing_there);
	tcase_add_test(tests, version_2);
	tcase_add_test(tests, version_2_above);
	tcase_add_test(tests, version_2_only_the_group_is_mounted);
	tcase_add_test(tests, version_1);
	tcase_add_test(tests, long_files);
	return unit_end();
}
