/*
 * background.c - a thread with all signals blocked, which sleeps on a futex.
 *
 * pthread_create is bound weakly: a program without threads in an old glibc or a
 * static binary may not have it, and there is no thread then.
 */
#define _GNU_SOURCE
#include "background.h"

#include <errno.h>
#include <limits.h>
#include <link.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>

#include "conf.h"
#include "fork.h"
#include "pulse.h"
#include "raw_syscall.h"
#include "rseq_thread.h"
#include "slow.h"

#define MS_NS 1000000L

/* uapi/linux/futex.h, with FUTEX_PRIVATE_FLAG; musl has no such header. */
#define FUTEX_WAIT_PRIVATE 128
#define FUTEX_WAKE_PRIVATE 129

enum { NONE, STARTING, RUNS, FAILED };

atomic_bool pcm_background_due;

static atomic_int state = NONE;

/* The thread sleeps while it is 0; a futex word. */
static atomic_uint awake;

/* Code of libc and of the dynamic linker, found at load. */
#define NTEXTS 8u

static struct {
	uintptr_t start, end;
} libc_texts[NTEXTS];

static unsigned nlibc_texts;

extern int create_thread(pthread_t *thread, const pthread_attr_t *attr,
			 void *(*fn)(void *), void *arg)
	__attribute__((weak));

#if defined(__GLIBC__) && defined(__x86_64__)
__asm__(".symver create_thread, pthread_create@GLIBC_2.2.5");
#elif defined(__GLIBC__) && defined(__aarch64__)
__asm__(".symver create_thread, pthread_create@GLIBC_2.17");
#else
#pragma weak pthread_create
#define create_thread pthread_create
#endif

static void
sleep_until_called(void)
{
	pcm_syscall4(SYS_futex, &awake, FUTEX_WAIT_PRIVATE, 0, NULL);
}

static void
sleep_for_a_tick(void)
{
	const struct timespec tick = { 0, (long)PCM_TICK_MS * MS_NS };

	pcm_syscall2(SYS_nanosleep, &tick, NULL);
}

/* `awake` is lowered before the last look: a call in between is not lost. */
static void *
run(void *arg)
{
	pcm_syscall2(SYS_prctl, PR_SET_NAME, "pcmalloc");
	for (;;) {
		while (pcm_pulse_active()) {
			sleep_for_a_tick();
			if (pcm_slow_enter()) {
				pcm_pulse_look();
				pcm_slow_leave();
			}
		}
		atomic_store_explicit(&awake, 0, memory_order_seq_cst);
		if (!pcm_pulse_active())
			sleep_until_called();
	}
	return arg;
}

static bool
is_libc(const char *path)
{
	static const char *const names[] = { "libc.so", "libc-", "libpthread",
					     "libdl", "ld-", "ld.so",
					     "libc.musl" };
	const char *slash = strrchr(path, '/');
	const char *name = slash == NULL ? path : slash + 1;
	size_t i;

	for (i = 0; i < PCM_ARRAY_LEN(names); i++)
		if (strncmp(name, names[i], strlen(names[i])) == 0)
			return true;
	return false;
}

/* The first one is the program itself, whatever its name. */
static int
note_texts(struct dl_phdr_info *info, size_t size, void *nobjects)
{
	size_t i;

	(void)size;
	if ((*(unsigned *)nobjects)++ == 0 || !is_libc(info->dlpi_name))
		return 0;
	for (i = 0; i < info->dlpi_phnum && nlibc_texts < NTEXTS; i++) {
		const ElfW(Phdr) *part = &info->dlpi_phdr[i];

		if (part->p_type != PT_LOAD || !(part->p_flags & PF_X))
			continue;
		libc_texts[nlibc_texts].start = info->dlpi_addr + part->p_vaddr;
		libc_texts[nlibc_texts].end = libc_texts[nlibc_texts].start +
			part->p_memsz;
		nlibc_texts++;
	}
	return 0;
}

/* Who asks for no thread does not pay for it. */
__attribute__((constructor(102))) static void
find_libc(void)
{
	unsigned nobjects = 0;

	if (pcm_conf.background != 0 || pcm_conf_text() != NULL)
		dl_iterate_phdr(note_texts, &nobjects);
}

/* Is it neither libc's code nor unknown? */
static bool
holds_no_locks(const void *caller)
{
	uintptr_t at = (uintptr_t)caller;
	unsigned i;

	for (i = 0; i < nlibc_texts; i++)
		if (at >= libc_texts[i].start && at < libc_texts[i].end)
			return false;
	return caller != NULL && nlibc_texts > 0;
}

/*
 * Never joined, because it never ends. Returns the state that follows: without memory
 * for it, or in a thread that cannot tell whether it would live, it may be had later.
 */
static int
start(void)
{
	uint64_t all = ~(uint64_t)0, old;
	pthread_t thread;
	int error;

	if (create_thread == NULL)
		return FAILED;
	if (!pcm_rseq_lets_threads_start())
		return NONE;
	pcm_syscall4(SYS_rt_sigprocmask, SIG_SETMASK, &all, &old, sizeof(all));
	error = create_thread(&thread, NULL, run, NULL);
	pcm_syscall4(SYS_rt_sigprocmask, SIG_SETMASK, &old, NULL, sizeof(old));
	return error == 0 ? RUNS : error == EAGAIN ? NONE : FAILED;
}

static void
wake(void)
{
	if (atomic_exchange_explicit(&awake, 1, memory_order_seq_cst) == 0)
		pcm_syscall3(SYS_futex, &awake, FUTEX_WAKE_PRIVATE, INT_MAX);
}

static void
start_once(void)
{
	int expected = NONE, now;

	if (!atomic_compare_exchange_strong_explicit(
		    &state, &expected, STARTING, memory_order_relaxed,
		    memory_order_relaxed))
		return;
	atomic_store_explicit(&awake, 1, memory_order_relaxed);
	now = start();
	atomic_store_explicit(&state, now, memory_order_seq_cst);
	/* Calls since then have found STARTING. */
	if (now == RUNS && pcm_pulse_active())
		wake();
}

/* A handler may have interrupted anything, and what it interrupted hold locks. */
void
pcm_background_call(const void *caller)
{
	int now = atomic_load_explicit(&state, memory_order_relaxed);
	int saved = errno;

	if (pcm_fork_alone)
		return; /* still due when the fork is over */
	if (now == NONE && (pcm_slow_interrupted() || !holds_no_locks(caller)))
		return; /* due for somebody else */
	atomic_store_explicit(&pcm_background_due, false,
			      memory_order_relaxed);
	if (now == RUNS)
		wake();
	else if (now == NONE)
		start_once();
	errno = saved;
}

bool
pcm_background_runs(void)
{
	return atomic_load_explicit(&state, memory_order_relaxed) == RUNS;
}

void
pcm_background_fork_child(void)
{
	int now = atomic_load_explicit(&state, memory_order_relaxed);

	if (now != FAILED && now != NONE)
		atomic_store_explicit(&state, NONE, memory_order_relaxed);
	/* A pulse that is active has nobody who looks after it. */
	if (pcm_conf.background != 0 && pcm_pulse_active())
		atomic_store_explicit(&pcm_background_due, true,
				      memory_order_relaxed);
}
