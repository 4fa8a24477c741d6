/*
 * libcheck for the interface tests: every suite is one test case, runs each
 * test in a process of its own, and begins with the proof that malloc is
 * pcmalloc's.
 */
#ifndef PCM_TEST_SUITE_H
#define PCM_TEST_SUITE_H

#include "testing.h"

#include <check.h>

/* Seconds that one libcheck test may take. */
#define SUITE_LIMIT 50

static Suite *suite_current;

START_TEST(malloc_is_pcmalloc)
{
	const char *wrong = testing_identity();

	ck_assert_msg(wrong == NULL, "%s", wrong);
}
END_TEST

static inline TCase *suite_begin(const char *name)
{
	TCase *tests = tcase_create(name);

	setvbuf(stdout, NULL, _IOLBF, 0);
	testing_seed();
	suite_current = suite_create(name);
	suite_add_tcase(suite_current, tests);
	tcase_set_timeout(tests, SUITE_LIMIT);
	tcase_add_test(tests, malloc_is_pcmalloc);
	return tests;
}

/* Runs the suite and returns the exit status of the program. */
static inline int suite_end(void)
{
	SRunner *runner = srunner_create(suite_current);
	int failed;

	srunner_set_fork_status(runner, CK_FORK);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

#endif
