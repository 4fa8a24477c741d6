/*
 * fault_crash.c - says so when a program crashes inside the library: in the
 * shared library of test/faults/ only. What happens in the program's own code
 * after it was given NULL is its own affair.
 */
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <ucontext.h>
#include <unistd.h>

/* The linker's: where the library begins, and where its code ends. */
extern const char __ehdr_start[] __attribute__((visibility("hidden")));
extern const char etext[] __attribute__((visibility("hidden")));

static uintptr_t program_counter(const ucontext_t *context)
{
#if defined(__x86_64__)
	return (uintptr_t)context->uc_mcontext.gregs[REG_RIP];
#else
	return (uintptr_t)context->uc_mcontext.pc;
#endif
}

/* The instruction is tried again and then does what it does by default. */
static void crashed(int signo, siginfo_t *info, void *context)
{
	static const char text[] = "pcmalloc: crashed inside the library\n";
	uintptr_t at = program_counter(context);

	(void)info;
	if (at >= (uintptr_t)__ehdr_start && at < (uintptr_t)etext &&
	    write(STDERR_FILENO, text, sizeof(text) - 1) < 0)
		_exit(3);
	signal(signo, SIG_DFL);
}

__attribute__((constructor)) static void watch(void)
{
	const int signals[] = { SIGSEGV, SIGBUS, SIGILL, SIGTRAP };
	struct sigaction action = { .sa_sigaction = crashed,
				    .sa_flags = SA_SIGINFO };
	unsigned i;

	if (getenv("PCM_FAULTS") == NULL)
		return;
	for (i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
		sigaction(signals[i], &action, NULL);
}
