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
#define QUOTE_MAX 200

struct pcm_conf pcm_conf = {
	.rseq = 1,
	.index = PCM_RSEQ_INDEX_AUTO,
	.fence = 1,
	.thp = PCM_THP_AUTO,
	.stats = 0,
};

static const struct key {
	const char *name;
	int *setting;
	struct {
		const char *name; /* NULL: no further values */
		int value;
	} values[NVALUES];
} keys[] = {
	{ "rseq", &pcm_conf.rseq, { { "auto", 1 }, { "off", 0 } } },
	{ "index",
	  &pcm_conf.index,
	  { { "auto", PCM_RSEQ_INDEX_AUTO },
	    { "cpu_id", PCM_RSEQ_INDEX_CPU_ID },
	    { "mm_cid", PCM_RSEQ_INDEX_MM_CID } } },
	{ "fence", &pcm_conf.fence, { { "auto", 1 }, { "off", 0 } } },
	{ "thp",
	  &pcm_conf.thp,
	  { { "auto", PCM_THP_AUTO },
	    { "always", PCM_THP_ALWAYS },
	    { "never", PCM_THP_NEVER } } },
	{ "stats", &pcm_conf.stats, { { "off", 0 }, { "exit", 1 } } },
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
	pcm_text_str(text, "'");
	pcm_text_strn(text, piece.s, piece.n < QUOTE_MAX ? piece.n : QUOTE_MAX);
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

static void
set(struct piece name, struct piece value)
{
	size_t i, v;

	for (i = 0; i < PCM_ARRAY_LEN(keys); i++) {
		if (!equals(name, keys[i].name))
			continue;
		for (v = 0; v < NVALUES; v++) {
			if (keys[i].values[v].name == NULL ||
			    !equals(value, keys[i].values[v].name))
				continue;
			*keys[i].setting = keys[i].values[v].value;
			return;
		}
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

void
pcm_conf_read(void)
{
	const size_t len = strlen(VARIABLE "=");
	char **env = environment();

	if (env == NULL || getauxval(AT_SECURE))
		return;
	for (; *env != NULL; env++) {
		if (strncmp(*env, VARIABLE "=", len) == 0) {
			pcm_conf_parse(*env + len);
			return;
		}
	}
}

const char *
pcm_conf_key(size_t n, const char **value)
{
	size_t v;

	if (n >= PCM_ARRAY_LEN(keys))
		return NULL;
	for (v = 0; v < NVALUES && keys[n].values[v].name != NULL; v++)
		if (keys[n].values[v].value == *keys[n].setting)
			*value = keys[n].values[v].name;
	return keys[n].name;
}
