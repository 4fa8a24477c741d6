/*
 * rseq_fence: after the fence nobody is in a section that began before it.
 *
 * A thread on another CPU pushes and pops all the time; it is shut out by the
 * dummy and the fence, and from then on its words may not move any more.
 */
#include "section_lab.h"

#include <pthread.h>
#include <stdatomic.h>
#include <sys/syscall.h>

#include "rseq_fence.h"
#include "rseq_process.h"
#include "rseq_thread.h"

/* MEMBARRIER_CMD_PRIVATE_EXPEDITED_RSEQ, of the kernel's headers since 5.10. */
#define MEMBARRIER_RSEQ (1 << 7)

#define SECONDS 2.0
#define NTHREADS 2

static atomic_bool stop;
static atomic_ulong done;
static unsigned int nindexes; /* CPUs that there are */

START_TEST(off)
{
	must(!pcm_rseq_fence_available());
	must(!pcm_rseq_fence());
	pcm_rseq_fence_init(false);
	must(!pcm_rseq_fence_available());
	must(!pcm_rseq_fence());
}
END_TEST

START_TEST(on)
{
	errno = 4711;
	pcm_rseq_fence_init(true);
	must(pcm_rseq_fence_available());
	must(pcm_rseq_fence());
	must(pcm_rseq_fence());
	must(errno == 4711);
}
END_TEST

static void *work(void *arg)
{
	void *obj = NULL, *popped;
	unsigned int n = 0;

	(void)arg;
	must(pcm_rseq_arm());
	while (!atomic_load_explicit(&stop, memory_order_relaxed)) {
		/* None is lost: else the stacks would be empty in the end. */
		if (!obj && lab_pop(pcm_rseq_armed, &popped)) {
			obj = popped;
			n++;
		}
		if (obj && lab_push(pcm_rseq_armed, obj)) {
			obj = NULL;
			n++;
		}
		if (n >= 100) {
			atomic_fetch_add_explicit(&done, n,
						  memory_order_relaxed);
			n = 0;
		}
	}
	return NULL;
}

static void set_table(bool in)
{
	unsigned int i;

	for (i = 0; i < nindexes; i++)
		__atomic_store_n(&lab_table[i], in ? lab_distance(i) : 0,
				 __ATOMIC_RELEASE);
}

static void remember(void **tops[LAB_NCOPIES])
{
	unsigned int i;

	for (i = 0; i < nindexes; i++)
		tops[i] = __atomic_load_n(&lab_copies[i].word[LAB_WORD],
					  __ATOMIC_RELAXED);
}

static void wait_a_moment(unsigned int n)
{
	while (n-- > 0)
		__asm__ volatile("" : : : "memory");
}

/* Shuts the threads out, looks twice, lets them in again. */
static void one_round(unsigned int i)
{
	void **before[LAB_NCOPIES] = { NULL }, **after[LAB_NCOPIES] = { NULL };

	set_table(false);
	must(pcm_rseq_fence()); /* the test's subject */
	remember(before);
	wait_a_moment(i % 300);
	remember(after);
	must(memcmp(before, after, sizeof(before)) == 0);
	set_table(true);
	wait_a_moment(i % 500);
}

START_TEST(shuts_out)
{
	pthread_t thread[NTHREADS];
	unsigned int i;
	double end;

	pcm_rseq_process_init(true, PCM_RSEQ_INDEX_CPU_ID);
	nindexes = (unsigned int)sysconf(_SC_NPROCESSORS_CONF);
	if (!pcm_rseq_arm() || nindexes > LAB_NCOPIES)
		return;
	pcm_rseq_fence_init(true);
	lab_init();
	for (i = 0; i < LAB_NCOPIES; i++)
		lab_fill(i, 100, 50);
	for (i = 0; i < NTHREADS; i++)
		must(pthread_create(&thread[i], NULL, work, NULL) == 0);
	end = testing_seconds() + SECONDS;
	for (i = 0; testing_seconds() < end; i++)
		one_round(i);
	set_table(true);
	while (atomic_load(&done) < 1000)
		usleep(1000);
	atomic_store(&stop, true);
	for (i = 0; i < NTHREADS; i++)
		must(pthread_join(thread[i], NULL) == 0);
}
END_TEST

int main(void)
{
	TCase *tests;

	if (syscall(SYS_membarrier, 0, 0, 0) < 0 ||
	    !(syscall(SYS_membarrier, 0, 0, 0) & MEMBARRIER_RSEQ))
		testing_skip("no membarrier with RSEQ here");
	tests = unit_begin("rseq_fence");
	tcase_add_test(tests, off);
	tcase_add_test(tests, on);
	tcase_add_test(tests, shuts_out);
	return unit_end();
}
