/*
 * Scenario 12, pthread_atfork handlers that allocate and free: those that run
 * while pcmalloc's own handlers hold its locks, and those that run outside
 * them.
 *
 * prepare handlers run last-registered first, the others in the order of
 * registration. Handlers registered before any library's constructor (from
 * .preinit_array) are thus the innermost, those of main() the outermost.
 */
#include "load.h"

#include <pthread.h>
#include <signal.h>
#include <stdbool.h>

#define NFORKS 100
#define CHILD_LIMIT 20

enum { EARLY, LATE, NPLACES };

/* Blocks that one handler leaves to the next. */
static void *left[NPLACES];
static int ncalls[NPLACES][3];

/* Every size of block there is, for a handler. */
static void churn(void)
{
	static const size_t size[] = { 8,     100,     5000,	  70000,
				       200000, 1 << 20, 20 << 20 };
	size_t i, k;

	for (i = 0; i < sizeof(size) / sizeof(size[0]); i++) {
		void *p[20];
		size_t count = size[i] > 100000 ? 2 : 20;

		for (k = 0; k < count; k++) {
			p[k] = malloc(size[i]);
			must(p[k]);
			fill(p[k], size[i] < 8192 ? size[i] : 8192, i + k);
		}
		for (k = 0; k < count; k++) {
			must(filled(p[k], size[i] < 8192 ? size[i] : 8192,
				    i + k));
			free(p[k]);
		}
	}
}

static void prepare(int place)
{
	ncalls[place][0]++;
	left[place] = malloc(1000);
	must(left[place]);
	fill(left[place], 1000, (uint64_t)place);
	churn();
}

static void after(int place, int which)
{
	ncalls[place][which]++;
	must(filled(left[place], 1000, (uint64_t)place));
	free(left[place]);
	left[place] = NULL;
	churn();
}

static void early_prepare(void)
{
	prepare(EARLY);
}

static void early_parent(void)
{
	after(EARLY, 1);
}

static void early_child(void)
{
	after(EARLY, 2);
}

static void late_prepare(void)
{
	prepare(LATE);
}

static void late_parent(void)
{
	after(LATE, 1);
}

static void late_child(void)
{
	after(LATE, 2);
}

static void register_early(void)
{
	must(!pthread_atfork(early_prepare, early_parent, early_child));
}

__attribute__((used, section(".preinit_array"))) static void (
	*const preinit)(void) = register_early;

static void fork_once(void)
{
	uint64_t state = 3;
	pid_t pid = fork();

	if (pid == 0) {
		signal(SIGALRM, SIG_DFL);
		alarm(CHILD_LIMIT);
		load_steps(30, &state);
		must(ncalls[EARLY][2] == 1 && ncalls[LATE][2] == 1);
		_exit(0);
	}
	testing_wait_for(pid);
}

int main(void)
{
	int i;

	/* An alarm in the child comes too late for its handlers. */
	testing_start(30);
	must(!pthread_atfork(late_prepare, late_parent, late_child));
	fork_once();
	load_start(-1, 3);
	for (i = 1; i < NFORKS; i++)
		fork_once();
	load_stop();
	must(ncalls[EARLY][0] == NFORKS && ncalls[LATE][0] == NFORKS);
	must(ncalls[EARLY][1] == NFORKS && ncalls[LATE][1] == NFORKS);
	return 0;
}
