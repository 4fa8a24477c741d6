/*
 * conf: PCMALLOC_CONF parsed; what is wrong with it reported word for word.
 */
#include "unit.h"

#include "conf.h"

static struct child child;

/* Writes the configuration as PCMALLOC_CONF would have it to fd 1. */
static void print_conf(void)
{
	const char *key, *value = "";
	size_t i;

	for (i = 0; (key = pcm_conf_key(i, &value)) != NULL; i++)
		printf("%s%s:%s", i == 0 ? "" : ",", key, value);
}

static void parse(void *arg)
{
	pcm_conf_parse(arg);
	print_conf();
}

#define UNKNOWN(key) "pcmalloc: PCMALLOC_CONF: unknown key '" key "'\n"
#define BAD(value, key) \
	"pcmalloc: PCMALLOC_CONF: bad value '" value "' for key '" key "'\n"
/* The keys after these. */
#define REST ",background:false,limit:auto,hard_limit:none,cache:auto"
#define DEFAULTS "rseq:auto,index:auto,fence:auto,thp:auto,stats:off" REST
#define NUMBERS(background, limit, hard_limit, cache)                       \
	"rseq:auto,index:auto,fence:auto,thp:auto,stats:off,background:"     \
	background ",limit:" limit ",hard_limit:" hard_limit ",cache:" cache

static const struct {
	const char *text, *conf, *messages;
} cases[] = {
	{ "", DEFAULTS, "" },
	{ DEFAULTS, DEFAULTS, "" },
	/* each value */
	{ "rseq:off", "rseq:off,index:auto,fence:auto,thp:auto,stats:off" REST,
	  "" },
	{ "index:cpu_id",
	  "rseq:auto,index:cpu_id,fence:auto,thp:auto,stats:off" REST, "" },
	{ "index:mm_cid",
	  "rseq:auto,index:mm_cid,fence:auto,thp:auto,stats:off" REST, "" },
	{ "fence:off", "rseq:auto,index:auto,fence:off,thp:auto,stats:off" REST,
	  "" },
	{ "thp:always", "rseq:auto,index:auto,fence:auto,thp:always,stats:off" REST,
	  "" },
	{ "thp:never", "rseq:auto,index:auto,fence:auto,thp:never,stats:off" REST,
	  "" },
	{ "stats:exit",
	  "rseq:auto,index:auto,fence:auto,thp:auto,stats:exit" REST, "" },
	{ "background:true", NUMBERS("true", "auto", "none", "auto"), "" },
	{ "limit:1", NUMBERS("false", "1", "none", "auto"), "" },
	{ "limit:none", NUMBERS("false", "none", "none", "auto"), "" },
	{ "limit:64K,hard_limit:3M,cache:2G",
	  NUMBERS("false", "64K", "3M", "2G"), "" },
	{ "limit:16777215T", NUMBERS("false", "16777215T", "none", "auto"),
	  "" },
	{ "limit:5,limit:auto", DEFAULTS, "" },
	/* numbers that are none */
	{ "limit:0", DEFAULTS, BAD("0", "limit") },
	{ "limit:", DEFAULTS, BAD("", "limit") },
	{ "limit:K", DEFAULTS, BAD("K", "limit") },
	{ "limit:1k", DEFAULTS, BAD("1k", "limit") },
	{ "limit:-1", DEFAULTS, BAD("-1", "limit") },
	{ "limit:1KK", DEFAULTS, BAD("1KK", "limit") },
	{ "limit:16777216T", DEFAULTS, BAD("16777216T", "limit") },
	{ "limit:18446744073709551615", DEFAULTS,
	  BAD("18446744073709551615", "limit") },
	{ "limit:18446744073709551616", DEFAULTS,
	  BAD("18446744073709551616", "limit") },
	{ "hard_limit:auto", DEFAULTS, BAD("auto", "hard_limit") },
	{ "cache:none", DEFAULTS, BAD("none", "cache") },
	{ "background:1", DEFAULTS, BAD("1", "background") },
	/* several, in any order; the last one counts */
	{ "stats:exit,thp:never,fence:off,index:cpu_id,rseq:off",
	  "rseq:off,index:cpu_id,fence:off,thp:never,stats:exit" REST, "" },
	{ "rseq:off,rseq:auto", DEFAULTS, "" },
	{ "thp:never,thp:always",
	  "rseq:auto,index:auto,fence:auto,thp:always,stats:off" REST, "" },
	/* empty pieces are nothing */
	{ ",", DEFAULTS, "" },
	{ ",,,", DEFAULTS, "" },
	{ ",rseq:off,,thp:never,",
	  "rseq:off,index:auto,fence:auto,thp:never,stats:off" REST, "" },
	/* keys that there are not */
	{ "foo", DEFAULTS, UNKNOWN("foo") },
	{ "foo:bar", DEFAULTS, UNKNOWN("foo") },
	{ ":off", DEFAULTS, UNKNOWN("") },
	{ ":", DEFAULTS, UNKNOWN("") },
	{ "RSEQ:off", DEFAULTS, UNKNOWN("RSEQ") },
	{ " rseq:off", DEFAULTS, UNKNOWN(" rseq") },
	{ "rse:off", DEFAULTS, UNKNOWN("rse") },
	{ "rseqq:off", DEFAULTS, UNKNOWN("rseqq") },
	{ "rseq=off", DEFAULTS, UNKNOWN("rseq=off") },
	/* values that there are not */
	{ "rseq", DEFAULTS, BAD("", "rseq") },
	{ "rseq:", DEFAULTS, BAD("", "rseq") },
	{ "rseq:on", DEFAULTS, BAD("on", "rseq") },
	{ "rseq:OFF", DEFAULTS, BAD("OFF", "rseq") },
	{ "rseq:of", DEFAULTS, BAD("of", "rseq") },
	{ "rseq:offf", DEFAULTS, BAD("offf", "rseq") },
	{ "rseq:off:off", DEFAULTS, BAD("off:off", "rseq") },
	{ "rseq: off", DEFAULTS, BAD(" off", "rseq") },
	{ "index:0", DEFAULTS, BAD("0", "index") },
	{ "stats:auto", DEFAULTS, BAD("auto", "stats") },
	/* a bad value leaves the key as it is, and the others count */
	{ "rseq:off,rseq:x",
	  "rseq:off,index:auto,fence:auto,thp:auto,stats:off" REST,
	  BAD("x", "rseq") },
	{ "a,thp:never,b:c,index:x,fence:off,d",
	  "rseq:auto,index:auto,fence:off,thp:never,stats:off" REST,
	  UNKNOWN("a") UNKNOWN("b") BAD("x", "index") UNKNOWN("d") },
};

START_TEST(parsed)
{
	testing_child(&child, 10, parse, (void *)(uintptr_t)cases[_i].text);
	must(child.status == 0);
	ck_assert_str_eq(child.err, cases[_i].messages);
	ck_assert_str_eq(child.out, cases[_i].conf);
}
END_TEST

static size_t count(const char *text, char c)
{
	size_t n = 0;

	for (; *text != '\0'; text++)
		n += *text == c;
	return n;
}

/* A key and a value of n bytes that there are not, and one that there is. */
static void parse_long(size_t n)
{
	static char text[20000];

	memset(text, 'x', n);
	strcpy(text + n, ",rseq:");
	memset(text + n + 6, 'y', n);
	strcpy(text + 2 * n + 6, ",thp:never");
	testing_child(&child, 10, parse, text);
	must(child.status == 0);
}

/* However long a key or a value is, its message is one whole line. */
START_TEST(long_pieces)
{
	size_t n;

	for (n = 100; n < 8000; n += 321) {
		parse_long(n);
		ck_assert_str_eq(child.out, "rseq:auto,index:auto,fence:auto,"
					    "thp:never,stats:off" REST);
		must(count(child.err, '\n') == 2);
		must(child.err[child.err_len - 1] == '\n');
		must(strncmp(child.err, "pcmalloc: PCMALLOC_CONF: unknown key "
			     "'xxx", 40) == 0);
	}
}
END_TEST

/* ---- the environment ---- */

static void read_env(void *arg)
{
	(void)arg;
	pcm_conf_read();
	print_conf();
}

START_TEST(from_environment)
{
	clearenv();
	must(setenv("PCMALLOC_CONF_NOT", "rseq:off", 1) == 0);
	must(setenv("XPCMALLOC_CONF", "rseq:off", 1) == 0);
	must(setenv("PCMALLOC_CON", "rseq:off", 1) == 0);
	testing_child(&child, 10, read_env, NULL);
	ck_assert_str_eq(child.out, DEFAULTS);
	must(setenv("PCMALLOC_CONF", "thp:never,bad", 1) == 0);
	testing_child(&child, 10, read_env, NULL);
	ck_assert_str_eq(child.out,
			 "rseq:auto,index:auto,fence:auto,thp:never,stats:off" REST);
	ck_assert_str_eq(child.err, UNKNOWN("bad"));
	must(setenv("PCMALLOC_CONF", "", 1) == 0);
	testing_child(&child, 10, read_env, NULL);
	ck_assert_str_eq(child.out, DEFAULTS);
	clearenv(); /* environ is NULL now: as before libc is set up */
	testing_child(&child, 10, read_env, NULL);
	must(child.status == 0 && child.err_len == 0);
	ck_assert_str_eq(child.out, DEFAULTS);
}
END_TEST

START_TEST(no_more_keys)
{
	const char *value = NULL;
	size_t i;

	for (i = 0; pcm_conf_key(i, &value) != NULL; i++)
		must(value != NULL && *value != '\0');
	must(i == 9);
	must(pcm_conf_key(i + 1, &value) == NULL);
	must(pcm_conf_key(SIZE_MAX, &value) == NULL);
}
END_TEST

int main(void)
{
	TCase *tests = unit_begin("conf");

	tcase_add_loop_test(tests, parsed, 0,
			    sizeof(cases) / sizeof(cases[0]));
	tcase_add_test(tests, long_pieces);
	tcase_add_test(tests, from_environment);
	tcase_add_test(tests, no_more_keys);
	return unit_end();
}
