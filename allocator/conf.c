/*
 * conf.c - one table of keys, one parser.
 */
#define _GNU_SOURCE
#include "conf.h"

#include <stdbool.h>
#include <string.h>
#include <sys/auxv.h>
#include <unistd.h>

#include "compiler.h"
#include "rseq_process.h"
#include "sys.h"
#include "text.h"

#define VARIABLE "PCMALLOC_CONF"
#define NVALUES 3
#define NWORDS 2
#define QUOTE_MAX 200

struct pcm_conf pcm_conf = {
	.rseq = 1,
	.index = PCM_RSEQ_INDEX_AUTO,
	.fence = 1,
	.thp = PCM_THP_AUTO,
	.stats = 0,
	.background = 0,
	.limit = PCM_CONF_AUTO,
	.hard_limit = PCM_CONF_NONE,
	.cache = PCM_CONF_AUTO,
};

/* Keys whose value is a number of bytes, "64M", or a word. */
#define NUMBER_BYTES 24

static struct number {
	size_t *setting;
	char text[NUMBER_BYTES]; /* as it was given */
} limit = { &pcm_conf.limit, "auto" },
  hard_limit = { &pcm_conf.hard_limit, "none" },
  cache = { &pcm_conf.cache, "auto" };

static const struct key {
	const char *name;
	int *setting; /* NULL: a number */
	struct {
		const char *name; /* NULL: no further values */
		int value;
	} values[NVALUES];
	struct number *number;
	struct word {
		const char *name;
		size_t value;
	} words[NWORDS]; /* that stand for a number */
} keys[] = {
	{ .name = "rseq",
	  .setting = &pcm_conf.rseq,
	  .values = { { "auto", 1 }, { "off", 0 } } },
	{ .name = "index",
	  .setting = &pcm_conf.index,
	  .values = { { "auto", PCM_RSEQ_INDEX_AUTO },
		      { "cpu_id", PCM_RSEQ_INDEX_CPU_ID },
		      { "mm_cid", PCM_RSEQ_INDEX_MM_CID } } },
	{ .name = "fence",
	  .setting = &pcm_conf.fence,
	  .values = { { "auto", 1 }, { "off", 0 } } },
	{ .name = "thp",
	  .setting = &pcm_conf.thp,
	  .values = { { "auto", PCM_THP_AUTO },
		      { "always", PCM_THP_ALWAYS },
		      { "never", PCM_THP_NEVER } } },
	{ .name = "stats",
	  .setting = &pcm_conf.stats,
	  .values = { { "off", 0 }, { "exit", 1 } } },
	{ .name = "background",
	  .setting = &pcm_conf.background,
	  .values = { { "false", 0 }, { "true", 1 } } },
	{ .name = "limit",
	  .number = &limit,
	  .words = { { "auto", PCM_CONF_AUTO }, { "none", PCM_CONF_NONE } } },
	{ .name = "hard_limit",
	  .number = &hard_limit,
	  .words = { { "none", PCM_CONF_NONE } } },
	{ .name = "cache",
	  .number = &cache,
	  .words = { { "auto", PCM_CONF_AUTO } } },
};

/* A piece of the variable's text. */
struct piece {
	const char *s;
	size_t n;
};

static bool
equals(struct piece piece, const char *s)
{
	return strlen(s) == piece.n && memcmp(s, piece.s, piece.n) == 0;
}

/* At most QUOTE_MAX bytes of it, so that the line ends where it should. */
static void
quote(struct pcm_text *text, struct piece piece)
{
	size_t i;

	pcm_text_str(text, "'");
	for (i = 0; i < piece.n && i < QUOTE_MAX; i++)
		pcm_text_strn(text, (unsigned char)piece.s[i] < ' ' ? "?" : &piece.s[i], 1);
	pcm_text_str(text, "'");
}

static void
report_key(struct piece key)
{
	struct pcm_text text = { .len = 0 };

	pcm_text_str(&text, "pcmalloc: " VARIABLE ": unknown key ");
	quote(&text, key);
	pcm_text_str(&text, "\n");
	pcm_text_write(&text, STDERR_FILENO);
}

static void
report_value(struct piece key, struct piece value)
{
	struct pcm_text text = { .len = 0 };

	pcm_text_str(&text, "pcmalloc: " VARIABLE ": bad value ");
	quote(&text, value);
	pcm_text_str(&text, " for key ");
	quote(&text, key);
	pcm_text_str(&text, "\n");
	pcm_text_write(&text, STDERR_FILENO);
}

/* A letter's power of 2; 0 if it is none of them. */
static unsigned
unit_shift(char letter)
{
	switch (letter) {
	case 'K':
		return 10;
	case 'M':
		return 20;
	case 'G':
		return 30;
	case 'T':
		return 40;
	default:
		return 0;
	}
}

/* "123", "64K", "1G": at least 1, less than PCM_CONF_NONE. */
static bool
parse_bytes(struct piece value, size_t *nbytes)
{
	unsigned shift = value.n == 0 ? 0 : unit_shift(value.s[value.n - 1]);
	size_t i, n = 0;

	if (shift != 0)
		value.n--;
	for (i = 0; i < value.n; i++) {
		if (value.s[i] < '0' || value.s[i] > '9' ||
		    __builtin_mul_overflow(n, (size_t)10, &n) ||
		    __builtin_add_overflow(n, (size_t)(value.s[i] - '0'), &n))
			return false;
	}
	*nbytes = n << shift;
	return n != 0 && *nbytes >> shift == n && *nbytes != PCM_CONF_NONE;
}

static bool
set_number(const struct key *key, struct piece value)
{
	size_t nbytes = 0, i;
	bool known = parse_bytes(value, &nbytes);

	for (i = 0; !known && i < NWORDS && key->words[i].name != NULL; i++) {
		known = equals(value, key->words[i].name);
		nbytes = key->words[i].value;
	}
	if (!known || value.n >= NUMBER_BYTES)
		return false;
	*key->number->setting = nbytes;
	memcpy(key->number->text, value.s, value.n);
	key->number->text[value.n] = '\0';
	return true;
}

static bool
set_word(const struct key *key, struct piece value)
{
	size_t v;

	for (v = 0; v < NVALUES && key->values[v].name != NULL; v++) {
		if (equals(value, key->values[v].name)) {
			*key->setting = key->values[v].value;
			return true;
		}
	}
	return false;
}

static void
set(struct piece name, struct piece value)
{
	size_t i;

	for (i = 0; i < PCM_ARRAY_LEN(keys); i++) {
		if (!equals(name, keys[i].name))
			continue;
		if (!(keys[i].setting == NULL ? set_number(&keys[i], value) :
						set_word(&keys[i], value)))
			report_value(name, value);
		return;
	}
	report_key(name);
}

void
pcm_conf_parse(const char *text)
{
	while (*text != '\0') {
		size_t n = strcspn(text, ",");
		struct piece name = { text, n }, value = { text + n, 0 };
		const char *colon = memchr(text, ':', n);

		if (colon != NULL) {
			name.n = (size_t)(colon - text);
			value.s = colon + 1;
			value.n = n - name.n - 1;
		}
		if (n != 0)
			set(name, value);
		text += n;
		if (*text == ',')
			text++;
	}
}

/* glibc's ld.so: the address of argc on the initial stack. */
extern void *__libc_stack_end __attribute__((weak));

/*
 * Before libc is initialised (IFUNC resolvers allocate that early) environ is
 * NULL; the environment is found behind the arguments on the initial stack.
 */
static char **
environment(void)
{
	long *stack;

	if (environ != NULL)
		return environ;
	if (&__libc_stack_end == NULL || __libc_stack_end == NULL)
		return NULL;
	stack = __libc_stack_end;
	return (char **)(stack + 1 + stack[0] + 1);
}

const char *
pcm_conf_text(void)
{
	const size_t len = strlen(VARIABLE "=");
	char **env = environment();

	if (env == NULL || getauxval(AT_SECURE))
		return NULL;
	for (; *env != NULL; env++)
		if (strncmp(*env, VARIABLE "=", len) == 0)
			return *env + len;
	return NULL;
}

void
pcm_conf_read(void)
{
	const char *text = pcm_conf_text();

	if (text != NULL)
		pcm_conf_parse(text);
}

const char *
pcm_conf_key(size_t n, const char **value)
{
	size_t v;

	if (n >= PCM_ARRAY_LEN(keys))
		return NULL;
	if (keys[n].setting == NULL) {
		*value = keys[n].number->text;
		return keys[n].name;
	}
	for (v = 0; v < NVALUES && keys[n].values[v].name != NULL; v++)
		if (keys[n].values[v].value == *keys[n].setting)
			*value = keys[n].values[v].name;
	return keys[n].name;
}
