/*
 * Scenario 1: glibc owns the registration and pcmalloc uses it where it is: in
 * the main thread, in others, in the child of a fork and its threads.
 */
#include "load.h"
#include "rseq_raw.h"

#include <pcmalloc/pcmalloc.h>

#include <pthread.h>
#include <sys/wait.h>

#define NTHREADS 20

static void must_use_libcs(void)
{
	struct raw_area *area = raw_libc_area();

	free(malloc(100));
	must(area && area->cpu_id >= 0);
	must(raw_state() == PCM_RSEQ_LIBC);
	must(raw_is_registered(area, raw_libc_size()));
	must(raw_own_area()->cpu_id < 0);
}

static void *in_thread(void *arg)
{
	uint64_t state = (uint64_t)(uintptr_t)arg;

	must_use_libcs();
	load_steps(50, &state);
	must_use_libcs();
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
}

static void in_child(void)
{
	int status;
	pid_t pid = fork();

	must(pid >= 0);
	if (pid == 0) {
		must_use_libcs();
		in_threads();
		_exit(0);
	}
	must(waitpid(pid, &status, 0) == pid);
	must(status == 0);
}

int main(void)
{
	testing_start(60);
	if (!raw_libc_area())
		testing_skip("libc has registered no rseq");
	must_use_libcs();
	in_threads();
	in_child();
	load_start(-1, 2);
	in_child();
	load_stop();
	return 0;
}
