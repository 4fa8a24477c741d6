/*
 * text: numbers, the bound, writing whole.
 */
#include "unit.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>

#include "text.h"

static struct pcm_text text;

static void must_read(const char *expected)
{
	must(text.len == strlen(expected));
	must(memcmp(text.buf, expected, text.len) == 0);
	text.len = 0;
}

START_TEST(strings)
{
	pcm_text_str(&text, "");
	must_read("");
	pcm_text_str(&text, "abc");
	pcm_text_str(&text, "def");
	pcm_text_strn(&text, "ghijkl", 2);
	pcm_text_strn(&text, "xyz", 0);
	must_read("abcdefgh");
}
END_TEST

START_TEST(decimal)
{
	char expected[32];
	uint64_t n;

	pcm_text_dec(&text, 0);
	must_read("0");
	for (n = 1; n < UINT64_MAX / 10; n = n * 10 + n % 7) {
		pcm_text_dec(&text, n);
		snprintf(expected, sizeof(expected), "%llu",
			 (unsigned long long)n);
		must_read(expected);
	}
	pcm_text_dec(&text, UINT64_MAX);
	must_read("18446744073709551615");
}
END_TEST

START_TEST(hexadecimal)
{
	char expected[32];
	unsigned int shift;

	pcm_text_hex(&text, 0);
	must_read("0x0");
	for (shift = 0; shift < 64; shift++) {
		uint64_t n = 0xfedcba9876543210u >> shift;

		pcm_text_hex(&text, n);
		snprintf(expected, sizeof(expected), "0x%llx",
			 (unsigned long long)n);
		must_read(expected);
	}
}
END_TEST

/* What does not fit is dropped; nothing is written behind the buffer. */
START_TEST(bounded)
{
	static struct {
		struct pcm_text text;
		char behind[64];
	} guarded;
	size_t i;

	memset(guarded.behind, 0x55, sizeof(guarded.behind));
	for (i = 0; i < 200; i++) {
		pcm_text_str(&guarded.text, "0123456789");
		must(guarded.text.len <= sizeof(guarded.text.buf));
	}
	must(guarded.text.len == sizeof(guarded.text.buf));
	pcm_text_dec(&guarded.text, 12345);
	pcm_text_hex(&guarded.text, 12345);
	must(guarded.text.len == sizeof(guarded.text.buf));
	for (i = 0; i < sizeof(guarded.text.buf); i++)
		must(guarded.text.buf[i] == (char)('0' + i % 10));
	/* One byte too many, for every rest of the room. */
	for (i = 0; i < 12; i++) {
		guarded.text.len = sizeof(guarded.text.buf) - i;
		pcm_text_strn(&guarded.text, "0123456789abc", i + 1);
		must(guarded.text.len == sizeof(guarded.text.buf));
		must(all_bytes(guarded.behind, sizeof(guarded.behind), 0x55));
	}
}
END_TEST

START_TEST(written)
{
	char got[64];
	int fds[2];

	must(pipe(fds) == 0);
	pcm_text_str(&text, "one line\n");
	errno = 4711;
	pcm_text_write(&text, fds[1]);
	must(errno == 4711 && text.len == 0);
	pcm_text_write(&text, fds[1]); /* nothing */
	must(read(fds[0], got, sizeof(got)) == 9);
	must(memcmp(got, "one line\n", 9) == 0);
}
END_TEST

/* A descriptor that is closed, full, or nobody reads: lost, without harm. */
START_TEST(not_written)
{
	int fds[2];

	errno = 4711;
	pcm_text_str(&text, "x");
	pcm_text_write(&text, -1);
	must(text.len == 0);
	signal(SIGPIPE, SIG_IGN);
	must(pipe2(fds, O_NONBLOCK) == 0);
	close(fds[0]);
	pcm_text_str(&text, "x");
	pcm_text_write(&text, fds[1]);
	must(text.len == 0 && errno == 4711);
}
END_TEST

static void nothing(int sig)
{
	(void)sig;
}

static void *read_slowly(void *arg)
{
	char c[100];
	size_t n = 0;
	ssize_t got;

	while ((got = read(*(int *)arg, c, sizeof(c))) > 0) {
		n += (size_t)got;
		usleep(100);
	}
	return (void *)n;
}

static volatile int done;

static void *interrupt(void *arg)
{
	while (!done) {
		pthread_kill(*(pthread_t *)arg, SIGUSR1);
		usleep(100);
	}
	return NULL;
}

/* Interrupted and short writes are continued. */
START_TEST(written_whole)
{
	struct sigaction action = { .sa_handler = nothing };
	pthread_t reader, pest, self = pthread_self();
	unsigned int i;
	void *n;
	int fds[2];

	must(sigaction(SIGUSR1, &action, NULL) == 0);
	must(pipe(fds) == 0);
	(void)fcntl(fds[1], F_SETPIPE_SZ, 4096);
	must(pthread_create(&reader, NULL, read_slowly, &fds[0]) == 0);
	must(pthread_create(&pest, NULL, interrupt, &self) == 0);
	for (i = 0; i < 100; i++) {
		text.len = sizeof(text.buf);
		pcm_text_write(&text, fds[1]);
	}
	close(fds[1]);
	done = 1;
	must(pthread_join(pest, NULL) == 0);
	must(pthread_join(reader, &n) == 0);
	must((size_t)n == 100 * sizeof(text.buf));
}
END_TEST

int main(void)
{
	TCase *tests = unit_begin("text");

	tcase_add_test(tests, strings);
	tcase_add_test(tests, decimal);
	tcase_add_test(tests, hexadecimal);
	tcase_add_test(tests, bounded);
	tcase_add_test(tests, written);
	tcase_add_test(tests, not_written);
	tcase_add_test(tests, written_whole);
	return unit_end();
}
