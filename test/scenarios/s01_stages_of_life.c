/*
 * Scenario 1, the odd moments: with glibc's registration threads are on per-CPU
 * caches in atfork handlers, key destructors, C++ TLS destructors, signal
 * handlers and exit handlers, and glibc's area is still registered there.
 */
#include "claims.h"
#include "rseq_raw.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/wait.h>

#define NTHREADS 8
/* Rounds of key destructors: PTHREAD_DESTRUCTOR_ITERATIONS. */
#define NROUNDS 4
#define CHILD_FAILED 9

/* What a C++ compiler calls for a thread_local object with a destructor. */
int __cxa_thread_atexit_impl(void (*destroy)(void *), void *object,
			     void *dso_handle);
extern void *__dso_handle;

static atomic_int nprepare, nparent, nchild, nkey, ncxx, nsignal;
static pthread_key_t key;

/* Also the first allocation of a thread, or of a stage. */
static void must_be_per_cpu(uint64_t seed)
{
	uint64_t state = seed;

	claims_steps(2, &state);
	raw_visit_slow_path();
	must(raw_state() == PCM_RSEQ_LIBC);
	must(raw_libc_area()->cpu_id >= 0);
	must(raw_is_registered(raw_libc_area(), raw_libc_size()));
}

static void on_prepare(void)
{
	must_be_per_cpu(1);
	atomic_fetch_add(&nprepare, 1);
}

static void on_parent(void)
{
	must_be_per_cpu(2);
	atomic_fetch_add(&nparent, 1);
}

static void on_child(void)
{
	must_be_per_cpu(3);
	atomic_fetch_add(&nchild, 1);
}

static void on_signal(int signo)
{
	void *p = malloc((size_t)signo * 100);

	must(p);
	free(p);
	must(raw_state() == PCM_RSEQ_LIBC);
	atomic_fetch_add(&nsignal, 1);
}

static void destroy_key(void *value)
{
	uintptr_t round = (uintptr_t)value;

	must_be_per_cpu(round);
	atomic_fetch_add(&nkey, 1);
	if (round < NROUNDS)
		must(!pthread_setspecific(key, (void *)(round + 1)));
}

static void destroy_cxx(void *object)
{
	must_be_per_cpu((uintptr_t)object);
	atomic_fetch_add(&ncxx, 1);
}

/* The even threads' first allocation is made by a signal handler. */
static void *in_thread(void *arg)
{
	uintptr_t i = (uintptr_t)arg;

	must(raw_state() == PCM_RSEQ_UNARMED);
	if (i % 2 == 0)
		must(raise(SIGUSR1) == 0);
	else
		must_be_per_cpu(i);
	must(raw_state() == PCM_RSEQ_LIBC);
	must(!pthread_setspecific(key, (void *)1));
	must(!__cxa_thread_atexit_impl(destroy_cxx, arg, &__dso_handle));
	if (i % 3 == 0)
		pthread_exit(NULL);
	return NULL;
}

static void in_threads(void)
{
	pthread_t thread[NTHREADS];
	size_t i;

	for (i = 0; i < NTHREADS; i++)
		must(!pthread_create(&thread[i], NULL, in_thread, (void *)i));
	for (i = 0; i < NTHREADS; i++)
		must(!pthread_join(thread[i], NULL));
	must(atomic_load(&nkey) == NTHREADS * NROUNDS);
	must(atomic_load(&ncxx) == NTHREADS);
	must(atomic_load(&nsignal) == NTHREADS / 2);
}

static void forks(void)
{
	int status;
	pid_t pid = fork();

	must(pid >= 0);
	if (pid == 0) {
		must(atomic_load(&nprepare) == 1 && atomic_load(&nchild) == 1);
		must_be_per_cpu(4);
		_exit(0);
	}
	must(waitpid(pid, &status, 0) == pid && status == 0);
	must(atomic_load(&nprepare) == 1 && atomic_load(&nparent) == 1);
}

/* The process that goes through them tells by its exit status. */
static void at_exit(void)
{
	must_be_per_cpu(5);
	claims_end();
	printf("atfork %d+%d, key destructors %d, TLS destructors %d, "
	       "signal handlers %d, %lu blocks\n", atomic_load(&nprepare),
	       atomic_load(&nparent), atomic_load(&nkey), atomic_load(&ncxx),
	       atomic_load(&nsignal), claims_count());
	fflush(stdout);
	_exit(0);
}

int main(void)
{
	testing_start(60);
	if (!raw_libc_area())
		testing_skip("libc has registered no rseq");
	raw_prepare();
	claims_start();
	must(!pthread_key_create(&key, destroy_key));
	must(signal(SIGUSR1, on_signal) != SIG_ERR);
	must(!pthread_atfork(on_prepare, on_parent, on_child));
	must(!atexit(at_exit));
	forks();
	in_threads();
	/* at_exit() turns this into 0. */
	return CHILD_FAILED;
}
