/*
 * conf.h - PCMALLOC_CONF.
 *
 * The keys, their values and defaults are one table, in conf.c, explained for
 * users in docs/TUNING.md.
 */
#ifndef PCM_CONF_H
#define PCM_CONF_H

#include <stddef.h>
#include <stdint.h>

struct pcm_conf {
	int rseq;  /* 0 off, 1 auto */
	int index; /* enum pcm_rseq_index */
	int fence; /* 0 off, 1 auto */
	int thp;   /* enum pcm_thp */
	int stats; /* 0 off, 1 at exit */
	int background; /* 0 false, 1 true */

	/* Bytes; the words stand for PCM_CONF_NONE and PCM_CONF_AUTO. */
	size_t limit, hard_limit, cache;
};

#define PCM_CONF_AUTO ((size_t)0)
#define PCM_CONF_NONE SIZE_MAX

extern struct pcm_conf pcm_conf;

/*
 * pcm_conf_text() - the environment's PCMALLOC_CONF; NULL if there is none, and in a
 * set-user-id program (AT_SECURE).
 */
const char *pcm_conf_text(void);

/*
 * pcm_conf_read() - parse it. What is unknown or malformed is reported on fd 2 and left
 * at its default.
 */
void pcm_conf_read(void);

/* Parses `text`, "key:value,key:value". Reports on fd 2 as above. */
void pcm_conf_parse(const char *text);

/* The n-th key's name and current value; NULL when there are no more. */
const char *pcm_conf_key(size_t n, const char **value);

#endif
