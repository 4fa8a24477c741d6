/*
 * text.c - appending to a buffer, writing it out.
 */
#include "text.h"

#include <string.h>

#include "raw_syscall.h"

#define INTERRUPTED (-4L) /* -EINTR */

void
pcm_text_strn(struct pcm_text *text, const char *s, size_t n)
{
	size_t room = sizeof(text->buf) - text->len;

	if (n > room)
		n = room;
	memcpy(text->buf + text->len, s, n);
	text->len += n;
}

void
pcm_text_str(struct pcm_text *text, const char *s)
{
	pcm_text_strn(text, s, strlen(s));
}

static void
number(struct pcm_text *text, uint64_t n, unsigned base)
{
	char digits[24];
	size_t i = sizeof(digits);

	do {
		digits[--i] = "0123456789abcdef"[n % base];
		n /= base;
	} while (n != 0);
	pcm_text_strn(text, digits + i, sizeof(digits) - i);
}

void
pcm_text_dec(struct pcm_text *text, uint64_t n)
{
	number(text, n, 10);
}

void
pcm_text_hex(struct pcm_text *text, uint64_t n)
{
	pcm_text_str(text, "0x");
	number(text, n, 16);
}

void
pcm_text_write(struct pcm_text *text, int fd)
{
	size_t done = 0;

	while (done < text->len) {
		long n = pcm_syscall3(SYS_write, fd, text->buf + done,
				      text->len - done);

		if (n == INTERRUPTED)
			continue;
		if (n <= 0)
			break;
		done += (size_t)n;
	}
	text->len = 0;
}
