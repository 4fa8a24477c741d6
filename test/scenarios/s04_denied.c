/*
 * Scenario 4: a seccomp filter answers rseq(2) with ENOSYS or EPERM, from the
 * start of the process (for libc too) or from some moment on; or it sends
 * SIGSYS, and the handler makes the answer ENOSYS.
 *
 * Who is registered stays on per-CPU caches. Whoever would need a registration
 * works on the fallback for good, and does not ask again: every call is
 * counted, by thread, from outside.
 */
#include "claims.h"
#include "owner_lab.h"
#include "rseq_raw.h"
#include "syscall_filter.h"

#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <ucontext.h>

/* Threads of each kind: what they were when the filter came. */
#define NEACH 3
enum kind {
	ARMED,	 /* on per-CPU caches */
	FRESH,	 /* had not allocated */
	LOST,	 /* their registration was just taken away */
	FOREIGN, /* another area was registered */
	LATER,	 /* did not exist; made by a LOST one */
	NKINDS
};

enum how { WATCHED, FILTERED, TRAPPED };

struct plan {
	enum how how;
	int error;
};

/* What the threads expect that was counted of them; shared with the parent. */
struct report {
	atomic_uint n;
	struct {
		pid_t tid;
		unsigned int ncalls;
	} thread[NKINDS * NEACH];
};

static struct report *report;
static struct plan plan;
static pthread_barrier_t ready, denied;
static atomic_uint ntrapped;

/* The first one says no; after EPERM a second one tells that from others. */
static unsigned int calls_of_denied(void)
{
	return plan.error == EPERM ? 2 : 1;
}

static void on_sigsys(int signo, siginfo_t *info, void *context)
{
	mcontext_t *machine = &((ucontext_t *)context)->uc_mcontext;

	(void)signo, (void)info;
#if defined(__x86_64__)
	machine->gregs[REG_RAX] = -plan.error;
#else
	machine->regs[0] = (unsigned long)-(long)plan.error;
#endif
	/* Right in the middle of an allocation. */
	free(malloc(100));
	atomic_fetch_add(&ntrapped, 1);
}

static void deny(void)
{
	struct sigaction action = { .sa_sigaction = on_sigsys,
				    .sa_flags = SA_SIGINFO };

	switch (plan.how) {
	case WATCHED:
		watch_begin(SYS_rseq);
		break;
	case FILTERED:
		filter_install(SYS_rseq, FILTER_ERROR((uint32_t)plan.error));
		break;
	case TRAPPED:
		must(sigaction(SIGSYS, &action, NULL) == 0);
		filter_install(SYS_rseq, FILTER_TRAP);
	}
}

/* Processes that a denied thread starts are denied as well, and do not ask. */
static void fork_and_vfork(uint64_t *state)
{
	int status;
	pid_t pid = fork();

	must(pid >= 0);
	if (pid == 0) {
		claims_steps(5, state);
		_exit(0);
	}
	must(waitpid(pid, &status, 0) == pid && status == 0);
	pid = vfork();
	must(pid >= 0);
	if (pid == 0) {
		free(malloc(100));
		_exit(0);
	}
	must(waitpid(pid, &status, 0) == pid && status == 0);
}

static bool is_denied(enum kind kind)
{
	return kind == FRESH ? !raw_libc_area() : kind != ARMED;
}

static void live_on(enum kind kind, uint64_t *state)
{
	int expected = is_denied(kind) ? PCM_RSEQ_DENIED : raw_per_cpu_state();
	unsigned int i = atomic_fetch_add(&report->n, 1);

	report->thread[i].tid = (pid_t)syscall(SYS_gettid);
	report->thread[i].ncalls = is_denied(kind) ? calls_of_denied() : 0;
	claims_steps(20, state);
	must(raw_state() == expected);
	fork_and_vfork(state);
	malloc_trim(0);
	claims_steps(20, state);
	raw_visit_once();
	must(raw_state() == expected);
}

static void *later(void *arg)
{
	uint64_t state = (uintptr_t)arg;

	must(raw_state() == PCM_RSEQ_UNARMED);
	live_on(LATER, &state);
	return NULL;
}

static struct raw_area private_area[NEACH];

static void get_ready(enum kind kind, uintptr_t i, uint64_t *state)
{
	struct raw_area *area = raw_used_area();

	if (kind == FRESH)
		return;
	claims_steps(2, state);
	raw_must_be_registered();
	if (kind == LOST || kind == FOREIGN)
		must(raw_unregister(area, raw_used_size(), RAW_SIG) == 0);
	if (kind == FOREIGN) {
		must(raw_register(&private_area[i], RAW_SIZE, RAW_SIG) == 0);
		raw_visit_once();
		must(raw_state() == PCM_RSEQ_FOREIGN);
	}
}

static void *before(void *arg)
{
	enum kind kind = (enum kind)((uintptr_t)arg / NEACH);
	uint64_t state = (uintptr_t)arg;
	pthread_t thread;

	get_ready(kind, (uintptr_t)arg % NEACH, &state);
	pthread_barrier_wait(&ready);
	pthread_barrier_wait(&denied);
	if (kind == LOST)
		must(!pthread_create(&thread, NULL, later, arg));
	live_on(kind, &state);
	if (kind == LOST)
		must(!pthread_join(thread, NULL));
	return NULL;
}

/* In a child: everything as usual, until the filter comes. */
static void in_run(void *arg)
{
	const unsigned int n = LATER * NEACH;
	unsigned int ndenied = (raw_libc_area() ? 3 : 4) * NEACH;
	pthread_t thread[LATER * NEACH];
	size_t refused, i;

	(void)arg;
	must(!pthread_barrier_init(&ready, NULL, n + 1));
	must(!pthread_barrier_init(&denied, NULL, n + 1));
	for (i = 0; i < n; i++)
		must(!pthread_create(&thread[i], NULL, before, (void *)i));
	pthread_barrier_wait(&ready);
	refused = raw_stats().nrefused;
	deny();
	pthread_barrier_wait(&denied);
	for (i = 0; i < n; i++)
		must(!pthread_join(thread[i], NULL));
	claims_end();
	must(raw_state() == raw_per_cpu_state());
	must(atomic_load(&report->n) == NKINDS * NEACH);
	must(raw_stats().nrefused - refused == ndenied);
	if (plan.how == TRAPPED)
		must(atomic_load(&ntrapped) == ndenied * calls_of_denied());
}

static void check_counts(const struct watch *watch)
{
	unsigned int i, sum = 0, n = atomic_load(&report->n);

	for (i = 0; i < n; i++) {
		must(watch_count(watch, report->thread[i].tid) ==
		     report->thread[i].ncalls);
		sum += report->thread[i].ncalls;
	}
	must(watch->ncalls == sum);
}

/* How it is called again when it was denied from the start. */
static const char *error_name(void)
{
	return plan.error == EPERM ? "EPERM" : "ENOSYS";
}

static void from_start(void *arg)
{
	struct again again = { .argument = error_name() };

	(void)arg;
	deny();
	become_again(&again);
}

/* libc's own call, and those of the first thread; no others. */
static unsigned int calls_from_start(void)
{
	return (raw_libc_area() ? 1 : 0) + calls_of_denied();
}

static void *started_thread(void *arg)
{
	uint64_t state = (uintptr_t)arg;

	claims_steps(20, &state);
	must(raw_state() == PCM_RSEQ_OFF);
	fork_and_vfork(&state);
	must(raw_state() == PCM_RSEQ_OFF);
	return NULL;
}

static void started(const char *error)
{
	const char *expected = strcmp(error, "EPERM") == 0 ?
				       "fallback, rseq denied" :
				       "fallback, no rseq in the kernel";
	pthread_t thread[NEACH];
	struct pcm_stats stats;
	uintptr_t i;

	raw_prepare();
	claims_start();
	started_thread(NULL);
	for (i = 0; i < NEACH; i++)
		must(!pthread_create(&thread[i], NULL, started_thread,
				     (void *)i));
	for (i = 0; i < NEACH; i++)
		must(!pthread_join(thread[i], NULL));
	malloc_trim(0);
	claims_end();
	must(strcmp(raw_mode(), expected) == 0);
	stats = raw_stats();
	must(stats.narmed == 0 && stats.nrefused == 1);
	printf("%s from the start: %s\n", error, raw_mode());
}

static void play(enum how how, int error, bool at_start)
{
	static const char *const names[] = { "counted", "filter", "SIGSYS" };
	struct watch watch = { .error = error };
	int status;

	plan.how = how;
	plan.error = error;
	memset(report, 0, sizeof(*report));
	status = watch_child(&watch, at_start ? from_start : in_run, NULL);
	if (WIFSIGNALED(status))
		fprintf(stderr, "%s, %s: signal %d\n", names[how], error_name(),
			WTERMSIG(status));
	must(status == 0);
	if (how == WATCHED && at_start)
		must(watch.ncalls == calls_from_start());
	else if (how == WATCHED)
		check_counts(&watch);
	if (at_start || how == TRAPPED)
		printf("%s, %s\n", names[how], error_name());
	else
		printf("%s, %s in mid-run: %s; %u tasks made %u calls\n",
		       names[how], error_name(), raw_mode(), watch.ntasks,
		       watch.ncalls);
}

int main(int argc, char **argv)
{
	const char *why;

	if (argc == 2) {
		started(argv[1]);
		return 0;
	}
	testing_start(60);
	raw_prepare();
	if (!filter_works(&why))
		testing_skip(why);
	claims_start();
	report = mmap(NULL, sizeof(*report), PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	must(report != MAP_FAILED);
	play(WATCHED, EPERM, false);
	play(WATCHED, ENOSYS, false);
	play(FILTERED, EPERM, false);
	play(FILTERED, ENOSYS, false);
	play(WATCHED, EPERM, true);
	play(WATCHED, ENOSYS, true);
	play(FILTERED, EPERM, true);
	play(FILTERED, ENOSYS, true);
	play(TRAPPED, ENOSYS, false);
	play(TRAPPED, EPERM, false);
	return 0;
}
