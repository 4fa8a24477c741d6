/*
 * Scenario 10: the area holds the address of a descriptor that is gone when
 * pcmalloc registers it. The kernel would follow it at the next preemption
 * (SIGSEGV), so it is cleared before the system call: the caller's memory is
 * looked at while it waits in each. (Kernels since 6.15 clear it as well.)
 */
#include "claims.h"
#include "rseq_raw.h"
#include "syscall_filter.h"

#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <sys/wait.h>

#define NTURNS 50
#define NTHREADS 4
#define UNREGISTER 1

static unsigned int nregistered, ndirty;

/* args: area, length, flags, signature. */
static void look(struct watch *watch, pid_t tid, const uint64_t *args)
{
	struct raw_area area;
	struct iovec here = { &area, sizeof(area) };
	struct iovec there = { (void *)(uintptr_t)args[0], sizeof(area) };

	(void)watch;
	if (args[2] == UNREGISTER)
		return;
	must(process_vm_readv(tid, &here, 1, &there, 1, 0) == sizeof(area));
	/* A question of the test's, not a registration. */
	if (area.cpu_id >= 0)
		return;
	nregistered++;
	ndirty += area.rseq_cs != 0;
}

/* Moved about and preempted: the kernel looks at rseq_cs each time. */
static void be_preempted(void)
{
	uint64_t state = 1;
	int i;

	for (i = 0; i < 4; i++) {
		raw_must_be_registered();
		sched_yield();
		claims_step(&state);
	}
}

static uint64_t dangling_address(unsigned int i)
{
	static char *gone;

	if (!gone) {
		gone = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS,
			    -1, 0);
		must(gone != MAP_FAILED);
		must(munmap(gone, 4096) == 0);
	}
	/* Unmapped; misaligned; not an address at all. */
	switch (i % 3) {
	case 0:
		return (uint64_t)(uintptr_t)gone;
	case 1:
		return 0x1001;
	default:
		return 0xdeadbeef00000000u;
	}
}

static void *in_thread(void *arg)
{
	struct raw_area *area = raw_used_area();
	unsigned int i;

	(void)arg;
	raw_visits_to_recover();
	for (i = 0; i < NTURNS; i++) {
		must(raw_unregister(area, raw_used_size(), RAW_SIG) == 0);
		area->rseq_cs = dangling_address(i);
		raw_visit_once();
		must(raw_per_cpu());
		if (i % 10 == 0)
			be_preempted();
	}
	return NULL;
}

/* Threads whose area was dirty before pcmalloc has ever seen it. */
static void *fresh_thread(void *arg)
{
	struct raw_area *area = raw_used_area();

	if (raw_libc_area())
		must(raw_unregister(area, raw_used_size(), RAW_SIG) == 0);
	must(raw_state() == PCM_RSEQ_UNARMED);
	area->rseq_cs = dangling_address((unsigned int)(uintptr_t)arg);
	raw_visit_once();
	be_preempted();
	return NULL;
}

static void run(void *arg)
{
	pthread_t thread[2 * NTHREADS];
	uintptr_t i;

	if (*(bool *)arg)
		watch_begin(SYS_rseq);
	for (i = 0; i < 2 * NTHREADS; i++)
		must(!pthread_create(&thread[i], NULL,
				     i % 2 ? in_thread : fresh_thread,
				     (void *)i));
	for (i = 0; i < 2 * NTHREADS; i++)
		must(!pthread_join(thread[i], NULL));
	claims_end();
}

int main(void)
{
	bool watched = true, plain = false;
	struct watch watch = { .look = look };
	const char *why;
	int status;

	testing_start(60);
	raw_prepare();
	claims_start();
	run(&plain);
	if (!filter_works(&why))
		testing_skip(why);
	status = watch_child(&watch, run, &watched);
	must(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	must(nregistered >= NTHREADS * (NTURNS + 1));
	must(ndirty == 0);
	printf("%s: %u registrations seen, none dirty\n", raw_mode(),
	       nregistered);
	return 0;
}
