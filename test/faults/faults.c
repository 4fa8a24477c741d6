/*
 * faults.c - the same work with every fault, each in a process of its own.
 */
#include "faults.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "rseq_fence.h"

/* Seconds that a process may take. */
#define CHILD_LIMIT 60

#define MAX_JOBS 16

/* What a process has to say. Shared with it. */
struct result {
	unsigned long calls[FAULT_NKINDS];
	unsigned long failed, nulls;
};

struct job {
	pid_t pid; /* 0: none */
	struct fault_plan plan;
};

static const struct fault_work *the_work;
static struct result *results; /* one per job */
static struct job jobs[MAX_JOBS];
static unsigned njobs;

static struct {
	unsigned long runs, faulty, nulls, bad;
} total;

static void describe(const struct fault_plan *plan, char text[64])
{
	unsigned k;

	for (k = 0; k < FAULT_NKINDS; k++)
		if (plan->kinds == 1u << k)
			break;
	snprintf(text, 64, "%s:%lu%s%s",
		 plan->mode == FAULT_FROM ? "from" : "one", plan->n,
		 k < FAULT_NKINDS ? ":" : "",
		 k < FAULT_NKINDS ? fault_names[k] : "");
}

static void for_all_banks(void (*fn)(struct bank *bank))
{
	unsigned i;

	for (i = 0; i < NBANKS; i++)
		fn(&banks[i]);
}

static void seed(struct bank *bank)
{
	bank->state = (uint64_t)(bank - banks) + 1;
}

static void check(struct bank *bank)
{
	bank_check(bank);
}

static void do_work(void)
{
	for_all_banks(seed);
	the_work->work();
}

static void carry_out(const struct fault_plan *plan, struct result *result)
{
	static const struct fault_plan none = { .mode = FAULT_NONE };
	unsigned k;

	if (the_work->prepare != NULL)
		the_work->prepare();
	faults_check_begin();
	fault_arm(plan);
	do_work();
	fault_disarm();
	for (k = 0; k < FAULT_NKINDS; k++)
		result->calls[k] = fault_calls(1u << k);
	result->failed = fault_failed();
	result->nulls = bank_nulls();
	must(the_work->limited || result->nulls <= result->failed);
	for_all_banks(check);
	for_all_banks(bank_free_all);
	faults_check_end(the_work->threads);
	fault_arm(&none);
	do_work();
	must(the_work->limited || bank_nulls() == result->nulls);
	for_all_banks(check);
	for_all_banks(bank_free_all);
	faults_check_end(the_work->threads);
}

static void start(unsigned j, const struct fault_plan *plan)
{
	jobs[j].plan = *plan;
	results[j] = (struct result){ .failed = 0 };
	jobs[j].pid = fork();
	must(jobs[j].pid >= 0);
	if (jobs[j].pid != 0)
		return;
	alarm(CHILD_LIMIT);
	carry_out(plan, &results[j]);
	_exit(0);
}

static void account(const struct job *job, const struct result *result,
		    int status)
{
	char text[64];

	total.runs++;
	total.faulty += result->failed != 0;
	total.nulls += result->nulls;
	if (status == 0)
		return;
	total.bad++;
	describe(&job->plan, text);
	printf("%s %s: %s %d\n", the_work->name, text,
	       WIFSIGNALED(status) ? "signal" : "exit status",
	       WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
}

static void await_one(void)
{
	int status;
	pid_t pid = waitpid(-1, &status, 0);
	unsigned j;

	must(pid > 0);
	for (j = 0; j < njobs; j++) {
		if (jobs[j].pid == pid) {
			jobs[j].pid = 0;
			account(&jobs[j], &results[j], status);
		}
	}
}

static unsigned free_job(void)
{
	unsigned j;

	for (;;) {
		for (j = 0; j < njobs; j++)
			if (jobs[j].pid == 0)
				return j;
		await_one();
	}
}

static void await_all(void)
{
	unsigned j;

	for (j = 0; j < njobs; j++)
		while (jobs[j].pid != 0)
			await_one();
}

/* All n from 1 to `last`, or `most` of them at equal distances. */
static void try_all(enum fault_mode mode, unsigned kinds, unsigned long last,
		    unsigned long most)
{
	struct fault_plan plan = { .mode = mode, .kinds = kinds };
	unsigned long i, n = most == 0 || most > last ? last : most;

	for (i = 1; i <= n; i++) {
		plan.n = i * last / n;
		start(free_job(), &plan);
	}
}

static unsigned long sum(const unsigned long calls[FAULT_NKINDS])
{
	unsigned long n = 0;
	unsigned k;

	for (k = 0; k < FAULT_NKINDS; k++)
		n += calls[k];
	return n;
}

/* Where threads take turns as they like, no two runs have as many calls. */
#define COUNTS 3

/* The calls of the run without a fault that has the fewest: most others have these, too. */
static void count_calls(unsigned long calls[FAULT_NKINDS])
{
	const struct fault_plan none = { .mode = FAULT_NONE };
	unsigned k, i, seen = 0, expected = the_work->kinds;

	for (i = 0; i < COUNTS; i++) {
		start(0, &none);
		await_all();
		must(total.bad == 0);
		for (k = 0; k < FAULT_NKINDS; k++)
			seen |= (unsigned)(results[0].calls[k] > 0) << k;
		if (i == 0 || sum(results[0].calls) < sum(calls))
			memcpy(calls, results[0].calls, sizeof(results[0].calls));
	}
	total.runs = 0;
	if (!pcm_rseq_fence_available())
		expected &= ~(1u << FAULT_MEMBARRIER);
	for (k = 0; k < FAULT_NKINDS; k++)
		if (!(seen >> k & 1) && (expected >> k & 1)) {
			printf("%s: no %s at all\n", the_work->name,
			       fault_names[k]);
			total.bad++;
		}
}

/* How many n of one kind are tried in the short form. */
#define FEW 3

static void try_everything(void)
{
	const char *full = getenv("PCM_FAULTS_FULL");
	bool all = full != NULL && strcmp(full, "1") == 0;
	unsigned long calls[FAULT_NKINDS], n;
	unsigned k;

	count_calls(calls);
	n = sum(calls);
	try_all(FAULT_ONE, FAULT_ALL, n, all ? 0 : the_work->most);
	try_all(FAULT_FROM, FAULT_ALL, n, all ? 0 : the_work->most);
	for (k = 0; k < FAULT_NKINDS; k++) {
		try_all(FAULT_ONE, 1u << k, calls[k], all ? 0 : FEW);
		try_all(FAULT_FROM, 1u << k, calls[k], all ? 0 : FEW);
	}
	await_all();
	printf("%s: %lu calls (mmap %lu, munmap %lu, mremap %lu, madvise %lu, "
	       "membarrier %lu): %lu runs, %lu with a fault, %lu NULLs, "
	       "%lu bad\n",
	       the_work->name, n, calls[0], calls[1], calls[2], calls[3],
	       calls[4], total.runs, total.faulty, total.nulls, total.bad);
}

int faults_main(int argc, char **argv, const struct fault_work *work)
{
	static struct result alone;
	static char buffer[BUFSIZ];
	struct fault_plan plan;

	setvbuf(stdout, buffer, _IOLBF, sizeof(buffer));
	the_work = work;
	if (argc == 2) {
		must(fault_parse(argv[1], &plan));
		carry_out(&plan, &alone);
		printf("failed %lu, NULLs %lu\n", alone.failed, alone.nulls);
		return 0;
	}
	njobs = work->jobs == 0 ? 2 : work->jobs;
	must(njobs <= MAX_JOBS);
	results = mmap(NULL, sizeof(*results) * njobs, PROT_READ | PROT_WRITE,
		       MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	must(results != MAP_FAILED);
	try_everything();
	/* Calls must have failed, and that must have been noticed. */
	must(total.faulty > total.runs / 2 && total.nulls > 0);
	return total.bad == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
