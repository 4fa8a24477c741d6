/*
 * mallinfo, mallinfo2, malloc_info, malloc_stats, malloc_trim and mallopt.
 */
#include "suite.h"
#include "xml.h"

#include <limits.h>
#include <sys/wait.h>

#pragma GCC diagnostic ignored "-Wdeprecated-declarations"

/* What per-CPU caches may still count after everything was freed. */
#define CACHED_MAX (4 * MIB)

static size_t in_use(void)
{
	return mallinfo2().uordblks + mallinfo2().hblkhd;
}

START_TEST(mallinfo2_counts_small_blocks)
{
	static void *p[20000];
	size_t before = mallinfo2().uordblks, full, i;

	for (i = 0; i < 20000; i++)
		p[i] = malloc(1000);
	full = mallinfo2().uordblks;
	ck_assert_uint_ge(full, before + 20000 * 1000);
	ck_assert_uint_le(full, before + 20000 * 1125 + CACHED_MAX);
	for (i = 0; i < 20000; i++)
		free(p[i]);
	ck_assert_uint_le(mallinfo2().uordblks, before + CACHED_MAX);
}
END_TEST

START_TEST(mallinfo2_counts_large_blocks)
{
	size_t before = in_use();
	void *p = malloc(3 * MIB), *q = malloc(96 * MIB);

	ck_assert_uint_ge(in_use(), before + 99 * MIB);
	ck_assert_uint_le(in_use(), before + 103 * MIB);
	free(q);
	ck_assert_uint_le(in_use(), before + 7 * MIB);
	free(p);
	ck_assert_uint_le(in_use(), before + CACHED_MAX);
}
END_TEST

/* hblks and hblkhd, mappings and their bytes, come and go together. */
START_TEST(mallinfo2_counts_mappings)
{
	struct mallinfo2 a = mallinfo2(), b, c;
	void *p = malloc(256 * MIB);

	b = mallinfo2();
	free(p);
	c = mallinfo2();
	ck_assert(b.hblks == a.hblks || b.hblkhd >= a.hblkhd + 256 * MIB);
	ck_assert_uint_eq(c.hblks, a.hblks);
	ck_assert_uint_eq(c.hblkhd, a.hblkhd);
}
END_TEST

START_TEST(mallinfo2_adds_up)
{
	void *p = malloc(100000);
	struct mallinfo2 now = mallinfo2();

	ck_assert_uint_ge(now.uordblks + now.hblkhd, 100000);
	ck_assert_uint_ge(now.arena, now.uordblks);
	ck_assert_uint_ge(now.arena, now.fordblks);
	ck_assert_uint_eq(now.arena, now.uordblks + now.fordblks);
	ck_assert_uint_ge(now.fordblks, now.keepcost);
	free(p);
}
END_TEST

START_TEST(mallinfo_agrees_with_mallinfo2)
{
	void *p = malloc(5 * MIB);
	struct mallinfo2 wide = mallinfo2();
	struct mallinfo narrow = mallinfo();

	ck_assert_uint_lt(wide.arena, INT_MAX);
	ck_assert_int_eq(narrow.arena, (int)wide.arena);
	ck_assert_int_eq(narrow.hblks, (int)wide.hblks);
	ck_assert_int_eq(narrow.hblkhd, (int)wide.hblkhd);
	ck_assert_int_eq(narrow.uordblks, (int)wide.uordblks);
	ck_assert_int_eq(narrow.fordblks, (int)wide.fordblks);
	free(p);
}
END_TEST

static char *info_text(void)
{
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);

	ck_assert_int_eq(malloc_info(0, out), 0);
	ck_assert_int_eq(fclose(out), 0);
	ck_assert_ptr_nonnull(text);
	return text;
}

START_TEST(malloc_info_is_well_formed)
{
	void *p[3] = { malloc(100), malloc(100000), malloc(50 * MIB) };
	char *text = info_text();
	const char *error = xml_error(text);

	ck_assert_msg(error == NULL, "not XML from here on: %.60s", error);
	ck_assert_ptr_nonnull(strstr(text, "<malloc"));
	ck_assert_ptr_nonnull(strstr(text, "<hugepages whole="));
	ck_assert_ptr_nonnull(strstr(text, "<pages free="));
	ck_assert_uint_gt(strlen(text), 100);
	free(text);
	free(p[0]);
	free(p[1]);
	free(p[2]);
}
END_TEST

/* A second opinion, where xmllint is installed. */
START_TEST(malloc_info_pleases_xmllint)
{
	char *text = info_text();
	FILE *lint;
	int status;

	if (system("command -v xmllint >/dev/null") != 0)
		return;
	lint = popen("xmllint --noout -", "w");
	ck_assert_ptr_nonnull(lint);
	ck_assert_int_ge(fputs(text, lint), 0);
	status = pclose(lint);
	ck_assert_msg(status == 0, "xmllint: status %d", status);
	free(text);
}
END_TEST

START_TEST(malloc_info_refuses_options)
{
	char text[100] = "";
	FILE *out = fmemopen(text, sizeof(text), "w");

	ck_assert_int_ne(malloc_info(1, out), 0);
	fclose(out);
	ck_assert_str_eq(text, "");
}
END_TEST

/* The reader that the tests above rely on does see errors. */
START_TEST(the_xml_reader_sees_errors)
{
	static const char *const bad[] = {
		"",	    "<a>",	   "<a></b>",	   "<a b=1/>",
		"<a/><b/>", "<a b='1' b='2'/>", "<a>&</a>",	   "<a>&x;</a>",
		"<a",	    "text",	   "<a b='<'/>",   "<a></a>x",
		"<1/>",	    "<a><b></a></b>", "<a b='1'c='2'/>", "<!-- <a/>",
	};
	static const char *const good[] = {
		"<a/>", "<?xml version=\"1.0\"?>\n<a b=\"1\" c='2'>x<b/></a>\n",
		"<!-- c --><a><!-- d -->&lt;&#65;</a >",
	};
	size_t i;

	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		ck_assert_msg(xml_error(bad[i]) != NULL, "%s", bad[i]);
	for (i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		ck_assert_msg(xml_error(good[i]) == NULL, "%s", good[i]);
}
END_TEST

static void print_statistics(void *arg)
{
	(void)arg;
	malloc_stats();
}

START_TEST(malloc_stats_writes_to_stderr)
{
	static struct child child;

	testing_child(&child, 10, print_statistics, NULL);
	ck_assert(WIFEXITED(child.status) && !WEXITSTATUS(child.status));
	ck_assert_uint_eq(child.out_len, 0);
	ck_assert_uint_gt(child.err_len, 50);
	ck_assert_int_eq(child.err[child.err_len - 1], '\n');
	ck_assert_ptr_nonnull(strstr(child.err, "pcmalloc: broken hugepages: "));
	ck_assert_ptr_nonnull(strstr(child.err,
				     "pcmalloc: longest free range bytes: "));
}
END_TEST

static void *free_all[16384];

/* 64 MiB in 4 KiB blocks, written and freed again. */
static size_t use_64_mib(void)
{
	size_t i, full;

	for (i = 0; i < 16384; i++) {
		free_all[i] = malloc(4096);
		memset(free_all[i], 1, 4096);
	}
	full = testing_memory("VmRSS");
	for (i = 0; i < 16384; i++)
		free(free_all[i]);
	return full;
}

START_TEST(malloc_trim_gives_memory_back)
{
	size_t before = testing_memory("VmRSS"), full = use_64_mib();

	ck_assert_uint_ge(full, before + 64 * MIB);
	ck_assert_int_eq(malloc_trim(0), 1);
	ck_assert_uint_lt(testing_memory("VmRSS"), before + 4 * MIB);
	ck_assert_uint_ge(use_64_mib(), before + 64 * MIB);
}
END_TEST

START_TEST(malloc_trim_says_when_there_is_nothing)
{
	int first, second; /* an assertion allocates */

	use_64_mib();
	first = malloc_trim(0);
	second = malloc_trim(0);
	ck_assert_int_eq(first, 1);
	ck_assert_int_eq(second, 0);
}
END_TEST

/* What is in use is never given back. */
START_TEST(malloc_trim_keeps_what_is_in_use)
{
	static unsigned char *p[5000];
	size_t i;

	for (i = 0; i < 5000; i++) {
		p[i] = malloc(i * 3);
		fill(p[i], i * 3, i);
	}
	for (i = 0; i < 5000; i += 2)
		free(p[i]);
	malloc_trim(0);
	malloc_trim(opaque_size(SIZE_MAX));
	malloc_trim(64 * MIB);
	for (i = 1; i < 5000; i += 2) {
		ck_assert(filled(p[i], i * 3, i));
		free(p[i]);
	}
}
END_TEST

START_TEST(malloc_trim_keeps_errno)
{
	use_64_mib();
	errno = 4711;
	malloc_trim(0);
	ck_assert_int_eq(errno, 4711);
}
END_TEST

START_TEST(mallopt_knows_its_parameters)
{
	ck_assert_int_eq(mallopt(M_MXFAST, 64), 1);
	ck_assert_int_eq(mallopt(M_TRIM_THRESHOLD, 1 << 20), 1);
	ck_assert_int_eq(mallopt(M_TOP_PAD, 4096), 1);
	ck_assert_int_eq(mallopt(M_MMAP_THRESHOLD, 1 << 20), 1);
	ck_assert_int_eq(mallopt(M_MMAP_MAX, 100), 1);
	ck_assert_int_eq(mallopt(M_CHECK_ACTION, 3), 1);
	ck_assert_int_eq(mallopt(M_PERTURB, 0), 1);
	ck_assert_int_eq(mallopt(M_ARENA_TEST, 1), 1);
	ck_assert_int_eq(mallopt(M_ARENA_MAX, 1), 1);
	ck_assert_int_eq(mallopt(12345, 1), 0);
	ck_assert_int_eq(mallopt(-12345, 1), 0);
	free(malloc(100));
}
END_TEST

int main(void)
{
	TCase *tests = suite_begin("statistics");

	tcase_add_test(tests, mallinfo2_counts_small_blocks);
	tcase_add_test(tests, mallinfo2_counts_large_blocks);
	tcase_add_test(tests, mallinfo2_counts_mappings);
	tcase_add_test(tests, mallinfo2_adds_up);
	tcase_add_test(tests, mallinfo_agrees_with_mallinfo2);
	tcase_add_test(tests, malloc_info_is_well_formed);
	tcase_add_test(tests, malloc_info_pleases_xmllint);
	tcase_add_test(tests, malloc_info_refuses_options);
	tcase_add_test(tests, the_xml_reader_sees_errors);
	tcase_add_test(tests, malloc_stats_writes_to_stderr);
	tcase_add_test(tests, malloc_trim_gives_memory_back);
	tcase_add_test(tests, malloc_trim_says_when_there_is_nothing);
	tcase_add_test(tests, malloc_trim_keeps_what_is_in_use);
	tcase_add_test(tests, malloc_trim_keeps_errno);
	tcase_add_test(tests, mallopt_knows_its_parameters);
	return suite_end();
}
