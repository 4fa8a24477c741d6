/*
 * The library of foreign_library.h. A thread is found by its id: thread-local
 * storage of a library that was opened late may need memory, and so malloc.
 */
#include "foreign_library.h"

#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "rseq_raw.h"

#define LET_GO_SIGNAL (SIGRTMIN + 5)

struct slot {
	struct raw_area area;
	atomic_int tid; /* 0: free */
	bool at_close;
};

/* A mapping: it outlives the library, for the threads that stay. */
static struct slot *slots;
static atomic_int npending;

static long system_call(long nr, long a, long b, long c, long d)
{
	int saved = errno;
	long ret = syscall(nr, a, b, c, d);

	if (ret < 0)
		ret = -errno;
	errno = saved;
	return ret;
}

static struct slot *find(int tid)
{
	int i;

	for (i = 0; i < FOREIGN_NTHREADS; i++)
		if (atomic_load(&slots[i].tid) == tid)
			return &slots[i];
	return NULL;
}

static struct slot *claim(int tid)
{
	int i, none;

	for (i = 0; i < FOREIGN_NTHREADS; i++) {
		none = 0;
		if (atomic_compare_exchange_strong(&slots[i].tid, &none, tid))
			return &slots[i];
	}
	return NULL;
}

static int self(void)
{
	return (int)system_call(SYS_gettid, 0, 0, 0, 0);
}

__attribute__((visibility("default"))) int foreign_take(void)
{
	struct slot *slot = claim(self());
	long ret;

	if (!slot)
		return ENOMEM;
	slot->at_close = false;
	slot->area = (struct raw_area){ .cpu_id = -1 };
	ret = system_call(SYS_rseq, (long)&slot->area, RAW_SIZE, 0, RAW_SIG);
	if (ret)
		atomic_store(&slot->tid, 0);
	return (int)-ret;
}

__attribute__((visibility("default"))) int foreign_let_go(void)
{
	struct slot *slot = find(self());
	long ret;

	if (!slot)
		return ESRCH;
	ret = system_call(SYS_rseq, (long)&slot->area, RAW_SIZE, 1, RAW_SIG);
	if (ret == 0)
		atomic_store(&slot->tid, 0);
	return (int)-ret;
}

__attribute__((visibility("default"))) void foreign_let_go_at_close(void)
{
	struct slot *slot = find(self());

	if (slot)
		slot->at_close = true;
}

__attribute__((visibility("default"))) struct raw_area *foreign_area(void)
{
	struct slot *slot = find(self());

	return slot ? &slot->area : NULL;
}

static void on_let_go(int signo)
{
	(void)signo;
	(void)foreign_let_go();
	atomic_fetch_sub(&npending, 1);
}

__attribute__((constructor)) static void open_library(void)
{
	slots = mmap(NULL, FOREIGN_NTHREADS * sizeof(*slots),
		     PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
		     0);
}

/* Nobody can unregister another thread: each is asked to do it. */
__attribute__((destructor)) static void close_library(void)
{
	struct sigaction action = { .sa_handler = on_let_go,
				    .sa_flags = SA_RESTART };
	struct sigaction before;
	long pid = system_call(SYS_getpid, 0, 0, 0, 0);
	int i, tid;

	if (sigaction(LET_GO_SIGNAL, &action, &before))
		return;
	for (i = 0; i < FOREIGN_NTHREADS; i++) {
		tid = atomic_load(&slots[i].tid);
		if (tid == 0 || !slots[i].at_close)
			continue;
		atomic_fetch_add(&npending, 1);
		if (system_call(SYS_tgkill, pid, tid, LET_GO_SIGNAL, 0))
			atomic_fetch_sub(&npending, 1);
	}
	while (atomic_load(&npending) > 0)
		usleep(100);
	sigaction(LET_GO_SIGNAL, &before, NULL);
}
