/*
 * text.h - text without stdio: a bounded buffer, numbers, and write(2).
 *
 * For diagnostics and statistics, which must work inside malloc. Appending to a
 * full buffer drops what does not fit. Async-signal-safe.
 */
#ifndef PCM_TEXT_H
#define PCM_TEXT_H

#include <stddef.h>
#include <stdint.h>

struct pcm_text {
	size_t len;
	char buf[1024];
};

void pcm_text_str(struct pcm_text *text, const char *s);
void pcm_text_strn(struct pcm_text *text, const char *s, size_t n);
void pcm_text_dec(struct pcm_text *text, uint64_t n);
void pcm_text_hex(struct pcm_text *text, uint64_t n); /* with 0x */

/* Writes the buffer to fd, whole, and empties it. Keeps errno. */
void pcm_text_write(struct pcm_text *text, int fd);

#endif
