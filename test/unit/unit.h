/*
 * libcheck for the unit tests: every program is one suite of one test case, and
 * runs each test in a process of its own, so each starts with fresh globals.
 *
 * Checks are must() of pattern.h rather than ck_assert(): it does not allocate
 * when it succeeds, so it may stand in loops, in threads, in signal handlers,
 * and between two looks at the allocator's statistics.
 */
#ifndef PCM_TEST_UNIT_H
#define PCM_TEST_UNIT_H

#include "testing.h"

#include <check.h>
#include <stdbool.h>

/* Seconds that one test may take before libcheck kills it. */
#define UNIT_LIMIT 60

static Suite *unit_suite;

static inline TCase *unit_begin(const char *name)
{
	TCase *tests = tcase_create(name);

	setvbuf(stdout, NULL, _IOLBF, 0);
	testing_seed();
	unit_suite = suite_create(name);
	suite_add_tcase(unit_suite, tests);
	tcase_set_timeout(tests, UNIT_LIMIT);
	return tests;
}

/* Runs the suite and returns the exit status of the program. */
static inline int unit_end(void)
{
	SRunner *runner = srunner_create(unit_suite);
	int failed;

	srunner_set_fork_status(runner, CK_FORK);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

#endif
