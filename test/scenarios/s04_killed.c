/*
 * Scenario 4: a seccomp filter that kills the process for a late rseq(2) or
 * membarrier(2): in which configurations the process survives, from the start
 * and in mid-run. For each there is one that does not, to show that the filter
 * bites.
 */
#include "claims.h"
#include "owner_lab.h"
#include "rseq_raw.h"
#include "syscall_filter.h"

#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/resource.h>
#include <sys/wait.h>

#define NEACH 3

/* Who allocates after the filter has come, beside the first thread. */
enum {
	ARMED = 1,  /* threads on per-CPU caches */
	FRESH = 2,  /* threads that had not allocated */
	LATER = 4,  /* threads that did not exist */
	LOST = 8,   /* a thread whose registration was taken away before */
	TRIM = 16,  /* malloc_trim() */
	FORKS = 32, /* fork() with all these threads, and work in the child */
};

#define OWN "glibc.pthread.rseq=0"

static const struct row {
	const char *name;
	long nr;
	bool at_start, survives;
	int who;
	const char *tunables, *conf;
} rows[] = {
	{ "rseq in mid-run, libc's registration", SYS_rseq, false, true,
	  ARMED | FRESH | TRIM | FORKS, "", "" },
	{ "rseq in mid-run, libc's registration, fence:off", SYS_rseq, false,
	  true, ARMED | FRESH | TRIM | FORKS, "", "fence:off" },
	{ "rseq in mid-run, libc's registration, lost", SYS_rseq, false, false,
	  LOST, "", "" },
	{ "rseq in mid-run, own registration", SYS_rseq, false, true,
	  ARMED | TRIM | FORKS, OWN, "" },
	{ "rseq in mid-run, own registration, new threads", SYS_rseq, false,
	  false, LATER, OWN, "" },
	{ "rseq in mid-run, rseq:off, new threads", SYS_rseq, false, true,
	  ARMED | FRESH | LATER | TRIM | FORKS, OWN, "rseq:off" },
	{ "rseq from the start, rseq:off", SYS_rseq, true, true,
	  LATER | TRIM | FORKS, OWN, "rseq:off" },
	{ "rseq from the start, rseq:auto", SYS_rseq, true, false, 0, OWN,
	  "" },
	{ "membarrier in mid-run, fence:off", SYS_membarrier, false, true,
	  ARMED | FRESH | LATER | LOST | TRIM | FORKS, "", "fence:off" },
	{ "membarrier in mid-run, own registration, fence:off",
	  SYS_membarrier, false, true,
	  ARMED | FRESH | LATER | LOST | TRIM | FORKS, OWN, "fence:off" },
	{ "membarrier in mid-run, no malloc_trim or fork", SYS_membarrier,
	  false, true, ARMED | FRESH | LATER | LOST, "", "" },
	{ "membarrier in mid-run, malloc_trim", SYS_membarrier, false, false,
	  TRIM, "", "" },
	{ "membarrier in mid-run, fork", SYS_membarrier, false, false,
	  ARMED | FORKS, "", "" },
	{ "membarrier from the start, fence:off", SYS_membarrier, true, true,
	  ARMED | LATER | LOST | TRIM | FORKS, "", "fence:off" },
	{ "membarrier from the start, rseq:off", SYS_membarrier, true, true,
	  LATER | TRIM | FORKS, "", "rseq:off" },
	{ "membarrier from the start, fence:auto", SYS_membarrier, true, false,
	  0, "", "" },
};

#define NROWS (sizeof(rows) / sizeof(rows[0]))

static pthread_barrier_t ready, filtered, worked, done;

static void take_away(void)
{
	must(raw_unregister(raw_used_area(), raw_used_size(), RAW_SIG) == 0);
}

static void *early_thread(void *arg)
{
	int kind = (int)(intptr_t)arg;
	uint64_t state = (uintptr_t)arg;

	if (kind != FRESH)
		claims_steps(5, &state);
	if (kind == LOST)
		take_away();
	pthread_barrier_wait(&ready);
	pthread_barrier_wait(&filtered);
	claims_steps(20, &state);
	pthread_barrier_wait(&worked);
	pthread_barrier_wait(&done);
	return NULL;
}

static void *late_thread(void *arg)
{
	uint64_t state = 99;

	claims_steps(20, &state);
	return arg;
}

static void fork_and_work(void)
{
	uint64_t state = 7;
	int status;
	pid_t pid = fork();

	must(pid >= 0);
	if (pid == 0) {
		claims_steps(20, &state);
		malloc_trim(0);
		claims_steps(20, &state);
		_exit(0);
	}
	must(waitpid(pid, &status, 0) == pid && status == 0);
}

static size_t start_early(int who, pthread_t *thread)
{
	static const int kinds[] = { ARMED, FRESH, LOST };
	size_t n = 0, kind, i;

	for (kind = 0; kind < sizeof(kinds) / sizeof(kinds[0]); kind++)
		n += who & kinds[kind] ? NEACH : 0;
	must(!pthread_barrier_init(&ready, NULL, (unsigned int)n + 1));
	must(!pthread_barrier_init(&filtered, NULL, (unsigned int)n + 1));
	must(!pthread_barrier_init(&worked, NULL, (unsigned int)n + 1));
	must(!pthread_barrier_init(&done, NULL, (unsigned int)n + 1));
	for (kind = 0, n = 0; kind < sizeof(kinds) / sizeof(kinds[0]); kind++)
		for (i = 0; i < NEACH && who & kinds[kind]; i++)
			must(!pthread_create(&thread[n++], NULL, early_thread,
					     (void *)(intptr_t)kinds[kind]));
	return n;
}

/* With everybody still there: a process of many threads. */
static void after_filter(int who, uint64_t *state)
{
	pthread_t thread;
	int i;

	claims_steps(20, state);
	for (i = 0; i < NEACH && who & LATER; i++) {
		must(!pthread_create(&thread, NULL, late_thread, NULL));
		must(!pthread_join(thread, NULL));
	}
	if (who & TRIM)
		must(malloc_trim(0) >= 0);
	if (who & FORKS)
		fork_and_work();
	claims_steps(20, state);
}

static void play(const struct row *row)
{
	pthread_t thread[3 * NEACH];
	uint64_t state = 1;
	const char *mode;
	size_t n, i;

	raw_prepare();
	claims_start();
	claims_steps(5, &state);
	mode = raw_mode();
	n = start_early(row->who, thread);
	pthread_barrier_wait(&ready);
	if (!row->at_start)
		filter_install(row->nr, FILTER_KILL);
	pthread_barrier_wait(&filtered);
	pthread_barrier_wait(&worked);
	after_filter(row->who, &state);
	pthread_barrier_wait(&done);
	for (i = 0; i < n; i++)
		must(!pthread_join(thread[i], NULL));
	claims_end();
	printf("%s: %s\n", row->name, mode);
}

static void become_row(void *arg)
{
	const struct row *row = arg;
	const struct rlimit no_core = { 0, 0 };
	char number[16];
	struct again again = { .argument = number,
			       .conf = row->conf,
			       .tunables = row->tunables };

	snprintf(number, sizeof(number), "%d", (int)(row - rows));
	setrlimit(RLIMIT_CORE, &no_core);
	if (row->at_start)
		filter_install(row->nr, FILTER_KILL);
	become_again(&again);
}

static void must_end_as_it_says(const struct row *row)
{
	struct watch watch = { .error = 0 };
	int status = watch_child(&watch, become_row, (void *)(uintptr_t)row);

	if (row->survives ? status == 0 :
			    WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS) {
		if (!row->survives)
			printf("%s: killed, as it must be\n", row->name);
		return;
	}
	fprintf(stderr, "%s: wait status 0x%x\n", row->name, status);
	exit(1);
}

int main(int argc, char **argv)
{
	const char *why;
	size_t i;

	if (argc == 2) {
		play(&rows[strtoul(argv[1], NULL, 10) % NROWS]);
		return 0;
	}
	testing_start(60);
	if (!filter_works(&why))
		testing_skip(why);
	if (!raw_libc_area())
		testing_skip("libc has registered no rseq");
	for (i = 0; i < NROWS; i++)
		must_end_as_it_says(&rows[i]);
	return 0;
}
