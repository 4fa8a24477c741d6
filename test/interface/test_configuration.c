/*
 * PCMALLOC_CONF: what its keys do, what is said about mistakes, and the
 * statistics at exit. The test starts itself again with the configuration.
 */
#include "suite.h"

#include <pcmalloc/pcmalloc.h>
#include <pthread.h>
#include <stdbool.h>
#include <sys/wait.h>

static struct child child;

struct start {
	const char *conf;	  /* NULL = not set */
	const char *how;	  /* first argument of this program */
	const char *tunables;	  /* GLIBC_TUNABLES or NULL */
};

static void start_again(void *arg)
{
	const struct start *start = arg;

	unsetenv("PCMALLOC_CONF");
	unsetenv("GLIBC_TUNABLES");
	if (start->conf)
		setenv("PCMALLOC_CONF", start->conf, 1);
	if (start->tunables)
		setenv("GLIBC_TUNABLES", start->tunables, 1);
	execl("/proc/self/exe", "again", start->how, (char *)NULL);
	_exit(125);
}

static void start(const char *conf, const char *how, const char *tunables)
{
	struct start start = { conf, how, tunables };

	testing_child(&child, 20, start_again, &start);
	ck_assert_msg(WIFEXITED(child.status) && !WEXITSTATUS(child.status),
		      "%s: status %x, stderr '%s'", conf ? conf : "(none)",
		      (unsigned int)child.status, child.err);
}

/* The program that is started: works a little and says in which mode. */
static void *work(void *arg)
{
	uint64_t state = 1;
	size_t i;

	for (i = 0; i < 3000; i++) {
		size_t n = rnd_between(&state, 1, i % 100 ? 2000 : 500000);
		void *p = malloc(n);

		must(p);
		fill(p, n, i);
		must(filled(p, n, i));
		free(p);
	}
	return arg;
}

static void work_in_threads(void)
{
	pthread_t thread[3];
	size_t i;

	for (i = 0; i < 3; i++)
		must(!pthread_create(&thread[i], NULL, work, NULL));
	for (i = 0; i < 3; i++)
		pthread_join(thread[i], NULL);
}

static int again(const char *how)
{
	work(NULL);
	work_in_threads();
	if (strcmp(how, "fork") == 0) {
		pid_t pid = fork();

		if (pid == 0) {
			work(NULL);
			_exit(0);
		}
		must(waitpid(pid, NULL, 0) == pid);
	}
	printf("%s", pcm_mode());
	if (strcmp(how, "closed") == 0)
		close(2);
	if (strcmp(how, "_exit") == 0) {
		fflush(stdout);
		_exit(0);
	}
	return 0;
}

static bool mode_is_per_cpu(void)
{
	return strncmp(child.out, "per-CPU, ", 9) == 0;
}

/* Whether this machine can run per-CPU at all. */
static bool default_is_per_cpu(void)
{
	start(NULL, "run", NULL);
	return mode_is_per_cpu();
}

START_TEST(nothing_is_said_without_mistakes)
{
	static const char *const good[] = {
		NULL,	      "",	     "rseq:auto",     "rseq:off",
		"index:auto", "index:mm_cid", "index:cpu_id", "fence:auto",
		"fence:off",  "thp:auto",    "thp:always",    "thp:never",
		"stats:off",  "rseq:auto,index:auto,fence:auto,thp:auto",
	};
	size_t i;

	for (i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		start(good[i], "run", NULL);
		ck_assert_str_eq(child.err, "");
	}
}
END_TEST

START_TEST(rseq_off_switches_rseq_off)
{
	start("rseq:off", "run", NULL);
	ck_assert_str_eq(child.out, "fallback, rseq switched off");
}
END_TEST

/* Not there before glibc 2.35, and 0 if libc has not registered. */
extern const unsigned int __rseq_size __attribute__((weak));

START_TEST(index_chooses_the_index)
{
	if (!default_is_per_cpu())
		return;
	start("index:cpu_id", "run", NULL);
	ck_assert_str_eq(child.out, &__rseq_size && __rseq_size ?
		"per-CPU, glibc's registration, cpu_id" :
		"per-CPU, own registration, cpu_id");
	start("index:cpu_id", "run", "glibc.pthread.rseq=0");
	ck_assert_str_eq(child.out, "per-CPU, own registration, cpu_id");
}
END_TEST

static void expect_complaint(const char *conf, const char *complaint)
{
	start(conf, "run", NULL);
	ck_assert_str_eq(child.err, complaint);
}

START_TEST(unknown_keys_are_reported)
{
	expect_complaint("foo:1",
			 "pcmalloc: PCMALLOC_CONF: unknown key 'foo'\n");
	expect_complaint("rseqx:off",
			 "pcmalloc: PCMALLOC_CONF: unknown key 'rseqx'\n");
	expect_complaint("rse:off",
			 "pcmalloc: PCMALLOC_CONF: unknown key 'rse'\n");
	expect_complaint("RSEQ:off",
			 "pcmalloc: PCMALLOC_CONF: unknown key 'RSEQ'\n");
}
END_TEST

START_TEST(bad_values_are_reported)
{
	expect_complaint("rseq:x", "pcmalloc: PCMALLOC_CONF: bad value 'x' for "
				   "key 'rseq'\n");
	expect_complaint("rseq:", "pcmalloc: PCMALLOC_CONF: bad value '' for "
				  "key 'rseq'\n");
	expect_complaint("rseq:offf", "pcmalloc: PCMALLOC_CONF: bad value "
				      "'offf' for key 'rseq'\n");
	expect_complaint("index:cpu", "pcmalloc: PCMALLOC_CONF: bad value "
				      "'cpu' for key 'index'\n");
	expect_complaint("thp:maybe", "pcmalloc: PCMALLOC_CONF: bad value "
				      "'maybe' for key 'thp'\n");
	expect_complaint("fence:on1", "pcmalloc: PCMALLOC_CONF: bad value "
				      "'on1' for key 'fence'\n");
	expect_complaint("stats:enter", "pcmalloc: PCMALLOC_CONF: bad value "
					"'enter' for key 'stats'\n");
}
END_TEST

/* Threads and a forked child do not say it again. */
START_TEST(mistakes_are_reported_once)
{
	start("foo:1", "fork", NULL);
	ck_assert_str_eq(child.err,
			 "pcmalloc: PCMALLOC_CONF: unknown key 'foo'\n");
}
END_TEST

START_TEST(what_is_right_beside_a_mistake_counts)
{
	start("foo:1,rseq:off", "run", NULL);
	ck_assert_str_eq(child.out, "fallback, rseq switched off");
	start("rseq:off,foo:1", "run", NULL);
	ck_assert_str_eq(child.out, "fallback, rseq switched off");
	start("index:x,rseq:off", "run", NULL);
	ck_assert_str_eq(child.out, "fallback, rseq switched off");
}
END_TEST

START_TEST(a_bad_value_leaves_the_default)
{
	bool per_cpu = default_is_per_cpu();

	start("rseq:x", "run", NULL);
	ck_assert_int_eq(mode_is_per_cpu(), per_cpu);
}
END_TEST

START_TEST(nonsense_does_no_harm)
{
	static char text[100001];
	static const char *const nonsense[] = {
		",",	   ",,,,", ":",	    "::",	   "rseq",
		",rseq",   ":off", "rseq:off:on", "rseq:off,", "\377\1\n:\t",
		"%s%n:%s", " ",	   "a:b:c:d,e",
	};
	size_t i;

	for (i = 0; i < sizeof(nonsense) / sizeof(nonsense[0]); i++)
		start(nonsense[i], "run", NULL);
	memset(text, 'x', sizeof(text) - 1);
	start(text, "run", NULL);
	memset(text, ',', sizeof(text) - 1);
	start(text, "run", NULL);
	memset(text, ':', sizeof(text) - 1);
	start(text, "run", NULL);
}
END_TEST

static void expect_statistics(const char *conf)
{
	char first[200];

	start(conf, "run", NULL);
	snprintf(first, sizeof(first), "pcmalloc: mode: %s\n", child.out);
	ck_assert_msg(strncmp(child.err, first, strlen(first)) == 0,
		      "statistics begin with '%.100s'", child.err);
	ck_assert_uint_gt(child.err_len, strlen(first));
	ck_assert_int_eq(child.err[child.err_len - 1], '\n');
}

START_TEST(statistics_are_printed_at_exit)
{
	expect_statistics("stats:exit");
	expect_statistics("stats:exit,rseq:off");
	expect_statistics("index:cpu_id,stats:exit");
}
END_TEST

START_TEST(statistics_need_an_exit)
{
	start("stats:exit", "_exit", NULL);
	ck_assert_str_eq(child.err, "");
}
END_TEST

/* As programs of coreutils do: they close fd 2 in an exit handler. */
START_TEST(statistics_survive_a_closed_fd_2)
{
	start("stats:exit", "closed", NULL);
	ck_assert(strncmp(child.err, "pcmalloc: mode: ", 16) == 0);
	start("stats:off", "closed", NULL);
	ck_assert_str_eq(child.err, "");
}
END_TEST

int main(int argc, char **argv)
{
	TCase *tests;

	if (argc == 2)
		return again(argv[1]);
	tests = suite_begin("configuration");
	tcase_add_test(tests, nothing_is_said_without_mistakes);
	tcase_add_test(tests, rseq_off_switches_rseq_off);
	tcase_add_test(tests, index_chooses_the_index);
	tcase_add_test(tests, unknown_keys_are_reported);
	tcase_add_test(tests, bad_values_are_reported);
	tcase_add_test(tests, mistakes_are_reported_once);
	tcase_add_test(tests, what_is_right_beside_a_mistake_counts);
	tcase_add_test(tests, a_bad_value_leaves_the_default);
	tcase_add_test(tests, nonsense_does_no_harm);
	tcase_add_test(tests, statistics_are_printed_at_exit);
	tcase_add_test(tests, statistics_need_an_exit);
	tcase_add_test(tests, statistics_survive_a_closed_fd_2);
	return suite_end();
}
