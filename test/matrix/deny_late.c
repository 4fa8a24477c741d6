/*
 * A library to be preloaded: refuses system calls in the middle of a run, from
 * PCM_DENY_AFTER milliseconds after the start, as PCM_DENY says (rules with
 * commas between them: deny_filter.h).
 *
 * The thread that does it stays: a thread that ends frees memory, which is a
 * reason for a late rseq call.
 */
#include "deny_filter.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static struct deny_rules rules;
static long after;

static void *deny(void *arg)
{
	struct timespec left = { after / 1000, after % 1000 * 1000000 };

	while (nanosleep(&left, &left) != 0)
		;
	if (!deny_install(&rules))
		_exit(2);
	for (;;)
		pause();
	return arg;
}

__attribute__((constructor)) static void start(void)
{
	const char *text = getenv("PCM_DENY");
	const char *ms = getenv("PCM_DENY_AFTER");
	pthread_attr_t attr;
	sigset_t all, old;
	pthread_t thread;

	if (!text)
		return;
	while (*text) {
		size_t n = strcspn(text, ",");

		if (!deny_parse(&rules, text, (unsigned int)n))
			_exit(2);
		text += n + (text[n] == ',');
	}
	after = ms ? atol(ms) : 0;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	if (pthread_create(&thread, &attr, deny, NULL))
		_exit(2);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
}
