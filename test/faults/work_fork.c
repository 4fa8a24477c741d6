/*
 * work_fork: fork() while other threads allocate. Parent and children go on; a
 * child finds every block of its parent's as it was.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <sys/wait.h>

#include "faults.h"

#define NTHREADS 2
#define NFORKS 3

static atomic_int turns[NTHREADS];
static atomic_bool stop;

/* At least so many turns, and until told to stop. */
#define LEAST 4

static void *churn(void *arg)
{
	unsigned self = (unsigned)(uintptr_t)arg;
	struct bank *bank = &banks[1 + self];

	while (!stop || turns[self] < LEAST) {
		unsigned i;

		for (i = 0; i < 25; i++)
			bank_malloc(bank, rnd_between(&bank->state, 1, 9000));
		bank_malloc(bank, rnd_between(&bank->state, 1, 3 * MIB));
		bank_free_all(bank);
		turns[self]++;
	}
	return NULL;
}

static void some(void)
{
	unsigned i;

	for (i = 0; i < 100; i++)
		bank_malloc(&banks[0], 20 + 70 * i);
	bank_malloc(&banks[0], 400 * KIB);
	bank_malloc(&banks[0], 2 * MIB);
}

static void be_child(void)
{
	bank_check(&banks[0]);
	bank_thin(&banks[0]);
	some();
	bank_check(&banks[0]);
	bank_free_all(&banks[0]);
	_exit(0);
}

static void fork_one(void)
{
	pid_t pid;
	int status;

	some();
	pid = fork();
	must(pid >= 0);
	if (pid == 0)
		be_child();
	some();
	must(waitpid(pid, &status, 0) == pid);
	must(status == 0);
	bank_thin(&banks[0]);
}

static void work(void)
{
	pthread_t thread[NTHREADS];
	uintptr_t i;

	stop = false;
	for (i = 0; i < NTHREADS; i++) {
		turns[i] = 0;
		must(pthread_create(&thread[i], NULL, churn, (void *)i) == 0);
	}
	for (i = 0; i < NFORKS; i++)
		fork_one();
	stop = true;
	for (i = 0; i < NTHREADS; i++)
		pthread_join(thread[i], NULL);
}

/* libc keeps what it allocates for a thread. */
static void prepare(void)
{
	stop = true;
	work();
	bank_free_all(&banks[0]);
}

int main(int argc, char **argv)
{
	static const struct fault_work forks = {
		.name = "fork",
		.prepare = prepare,
		.work = work,
		.kinds = 1u << FAULT_MMAP | 1u << FAULT_MEMBARRIER,
		.threads = NTHREADS,
		.most = 20,
	};

	return faults_main(argc, argv, &forks);
}
