/*
 * percpu, around fork(): while the process is copied no index leads to a slab,
 * and no thread is in a section that began before; without a fence the child
 * forgets what the slabs held.
 */
#include "unit.h"

#include <pthread.h>
#include <stdatomic.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "magazine.h"
#include "percpu.h"
#include "rseq_fence.h"
#include "rseq_process.h"
#include "rseq_thread.h"
#include "single_thread.h"

#define STACK 5
#define NSLOTS 100
#define NOBJS 60
#define NROUNDS 20

/* So long nothing may move; some of the time another thread wants the CPU. */
#define MOMENT_US 300

/* MEMBARRIER_CMD_PRIVATE_EXPEDITED_RSEQ, of the kernel's headers since 5.10. */
#define MEMBARRIER_RSEQ (1 << 7)

static void *memory(size_t nbytes, size_t align)
{
	void *p = NULL;

	must(posix_memalign(&p, align < 64 ? 64 : align, nbytes) == 0);
	memset(p, 0, nbytes);
	return p;
}

static atomic_bool stop;

static void *sleep_in_thread(void *arg)
{
	while (!atomic_load(&stop))
		usleep(1000);
	return arg;
}

/* A process of two threads with NOBJS objects in the slab that is used here. */
static void begin(bool fence)
{
	pthread_t thread;
	void **mag;
	uintptr_t i;

	pcm_percpu_init(memory, 2);
	pcm_rseq_process_init(true, PCM_RSEQ_INDEX_CPU_ID);
	pcm_rseq_fence_init(fence);
	must(pthread_create(&thread, NULL, sleep_in_thread, NULL) == 0);
	must(!pcm_single_threaded());
	mag = pcm_mag_new(NSLOTS);
	must(mag != PCM_MAG_NONE);
	for (i = 1; i <= NOBJS; i++)
		pcm_mag_push(&mag, (void *)i);
	must(pcm_percpu_exchange(PCM_LOADED, STACK, mag) == PCM_MAG_NONE);
}

static size_t count(void)
{
	struct pcm_percpu_stats stats;

	pcm_percpu_stats_get(&stats);
	return stats.nobjs[STACK];
}

static bool any_slab_in_reach(void)
{
	unsigned int i;

	for (i = 0; i < PCM_NINDEXES; i++)
		if (__atomic_load_n(&pcm_slab_distance[i], __ATOMIC_ACQUIRE))
			return true;
	return false;
}

/* What fork() does, and what the child counts then. */
static void fork_and_count(bool quiet, size_t expected)
{
	int status;
	pid_t pid;

	must(pcm_percpu_fork_lock() == quiet);
	must(!any_slab_in_reach());
	pid = (pid_t)syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, NULL);
	must(pid >= 0);
	if (pid == 0) {
		pcm_rseq_thread_forked();
		pcm_percpu_fork_child(quiet);
		must(count() == expected);
		must(any_slab_in_reach());
		_exit(0);
	}
	pcm_percpu_fork_unlock();
	must(any_slab_in_reach());
	must(waitpid(pid, &status, 0) == pid);
	must(status == 0);
	must(count() == NOBJS);
}

START_TEST(child_keeps)
{
	begin(true);
	if (pcm_rseq_armed == NULL || !pcm_rseq_fence_available())
		return;
	fork_and_count(true, NOBJS);
	fork_and_count(true, NOBJS);
}
END_TEST

START_TEST(child_forgets_without_fence)
{
	begin(false);
	if (pcm_rseq_armed == NULL)
		return;
	fork_and_count(false, 0);
	fork_and_count(false, 0);
}
END_TEST

#if defined(__x86_64__)

static atomic_int go;	     /* 1: into the section, once */
static atomic_ulong beats; /* written by the section only */

/* A section without an end: only an abort leads out of it. */
static void stay_in_section(struct pcm_rseq_area *area)
{
	__asm__ volatile(
		".pushsection __rseq_cs, \"aw\"\n\t"
		".balign 32\n"
		"77:	.long 0, 0\n\t"
		".quad 1f, 2f - 1f, 4f\n\t"
		".popsection\n\t"
		"leaq 77b(%%rip), %%rax\n\t"
		"movq %%rax, %[rseq_cs]\n"
		"1:\n"
		"3:	incq %[beats]\n\t"
		"jmp 3b\n"
		"2:	ud2\n\t"
		".long 0x53053053\n"
		"4:"
		: [rseq_cs] "=m"(area->rseq_cs), [beats] "+m"(beats)
		:
		: "rax", "memory", "cc");
}

static void *stay_in_sections(void *arg)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET((int)(intptr_t)arg, &set);
	must(sched_setaffinity(0, sizeof(set), &set) == 0);
	must(pcm_rseq_arm());
	while (!atomic_load(&stop))
		if (atomic_exchange(&go, 0) == 1)
			stay_in_section(pcm_rseq_armed);
	return NULL;
}

/* What a section that began before writes is seen before, or never. */
static void one_round(void)
{
	unsigned long begun = atomic_load(&beats), before;

	atomic_store(&go, 1);
	while (atomic_load(&beats) == begun)
		;
	must(pcm_percpu_fork_lock());
	before = atomic_load(&beats);
	usleep(MOMENT_US);
	must(atomic_load(&beats) == before);
	pcm_percpu_fork_unlock();
}

/* The fence itself: somebody who is in a section just then leaves it. */
START_TEST(nobody_is_in_a_section)
{
	cpu_set_t set, mine;
	pthread_t thread;
	int i, cpu = 0;

	begin(true);
	must(sched_getaffinity(0, sizeof(set), &set) == 0);
	if (pcm_rseq_armed == NULL || !pcm_rseq_fence_available() ||
	    CPU_COUNT(&set) < 2)
		return;
	while (!CPU_ISSET(cpu, &set))
		cpu++;
	mine = set;
	CPU_CLR(cpu, &mine);
	must(sched_setaffinity(0, sizeof(mine), &mine) == 0);
	must(pthread_create(&thread, NULL, stay_in_sections,
			    (void *)(intptr_t)cpu) == 0);
	for (i = 0; i < NROUNDS; i++)
		one_round();
	atomic_store(&stop, true);
	must(pcm_rseq_fence());
	must(pthread_join(thread, NULL) == 0);
}
END_TEST

#endif

int main(void)
{
	TCase *tests;

	if (syscall(SYS_membarrier, 0, 0, 0) < 0 ||
	    !(syscall(SYS_membarrier, 0, 0, 0) & MEMBARRIER_RSEQ))
		testing_skip("no membarrier with RSEQ here");
	tests = unit_begin("fork_stop");
	tcase_add_test(tests, child_keeps);
	tcase_add_test(tests, child_forgets_without_fence);
#if defined(__x86_64__)
	tcase_add_test(tests, nobody_is_in_a_section);
#endif
	return unit_end();
}
