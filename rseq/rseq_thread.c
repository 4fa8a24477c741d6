/*
 * rseq_thread.c - arming a thread: registration found, made, or made again.
 */
#include "rseq_thread.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "raw_syscall.h"
#include "rseq_process.h"
#include "rseq_section.h"
#include "single_thread.h"

/* Visits of the slow path between two tries of a refused thread, at most. */
#define BACKOFF_MAX 8

/* Bytes of the kernel's signal set, for rt_sigprocmask(2). */
#define KERNEL_SIGSET_BYTES 8
#define SIG_SETMASK_NR 2

PCM_TLS struct pcm_rseq_area *pcm_rseq_armed;
PCM_TLS uint32_t pcm_rseq_held;

/*
 * Our own area has the name of the protocol that came before glibc's
 * registration (librseq to 2021): a library that brings a definition of its own
 * is bound to this one, and both use the same registration. It starts as "not
 * registered", so that whoever reads it before it is registered sees the truth.
 *
 * __rseq_refcount counts the users of a thread's registration: whoever raises it
 * from 0 registers, whoever lowers it to 0 unregisters. Ours is never lowered.
 */
PCM_EXPORT PCM_TLS struct pcm_rseq_area __rseq_abi __attribute__((weak)) = {
	.cpu_id = PCM_RSEQ_UNINITIALIZED,
};
PCM_EXPORT PCM_TLS uint32_t __rseq_refcount __attribute__((weak));

static PCM_TLS struct {
	enum pcm_rseq_thread_state state;
	int32_t tid;	    /* of the thread that this TLS belongs to */
	uint8_t was_armed;  /* for the statistics: armed before */
	uint8_t lost;	    /* what the area shows is not to be believed */
	uint8_t forks_shared; /* forking just now, out of a shared TLS */
	uint8_t counted;    /* in __rseq_refcount */
	uint8_t registering; /* in the system call; a handler may run in it */
	uint8_t backoff;    /* visits to skip after the next refusal */
	uint8_t skip;	    /* visits left to skip */
} self;

/*
 * musl unmaps a detached thread's TLS before the thread ends, and the kernel
 * would write to an area that is gone: there our own registration ends with a
 * key's destructor, and the thread spends its last moments on the fallback.
 * glibc keeps the TLS until the kernel has reported the thread's end.
 */
#if defined(__GLIBC__)

static void
unregister_at_exit(void)
{
}

#else

static pthread_key_t exit_key;
static pthread_once_t exit_key_once = PTHREAD_ONCE_INIT;

static void
unregister(void *area)
{
	pcm_rseq_held++;
	pcm_rseq_armed = NULL;
	atomic_signal_fence(memory_order_seq_cst);
	pcm_syscall4(SYS_rseq, area, sizeof(__rseq_abi),
		     PCM_RSEQ_FLAG_UNREGISTER, PCM_RSEQ_SIG);
}

static void
make_exit_key(void)
{
	pthread_key_create(&exit_key, unregister);
}

static void
unregister_at_exit(void)
{
	pthread_once(&exit_key_once, make_exit_key);
	pthread_setspecific(exit_key, &__rseq_abi);
}

#endif

static struct {
	atomic_ulong armed, rearmed, refused;
} counts;

static struct pcm_rseq_area *
thread_area(void)
{
	if (pcm_rseq_process.owner == PCM_RSEQ_OWNER_LIBC)
		return (struct pcm_rseq_area *)((uintptr_t)
			pcm_thread_pointer() +
			(uintptr_t)pcm_rseq_process.libc_offset);
	return &__rseq_abi;
}

/* The kernel writes the area whenever it likes: read it as it is in memory. */
static int32_t
area_cpu_id(const struct pcm_rseq_area *area)
{
	return *(const volatile int32_t *)&area->cpu_id;
}

static bool
disarm(enum pcm_rseq_thread_state state)
{
	pcm_rseq_armed = NULL;
	self.state = state;
	return false;
}

static bool
armed(struct pcm_rseq_area *area)
{
	bool own = area == &__rseq_abi;

	self.state = own ? PCM_RSEQ_THREAD_OWN : PCM_RSEQ_THREAD_LIBC;
	if (own && !self.counted) {
		self.counted = true;
		__rseq_refcount++;
		unregister_at_exit();
	}
	self.backoff = 0;
	self.skip = 0;
	pcm_rseq_armed = area;
	atomic_fetch_add_explicit(self.was_armed ? &counts.rearmed :
						   &counts.armed,
				  1, memory_order_relaxed);
	self.was_armed = true;
	return true;
}

/*
 * A task that finds another thread's id in its TLS shares that TLS: a vfork or
 * CLONE_VM child. The area is then not its own.
 */
static bool
shares_tls(void)
{
	int32_t tid = (int32_t)pcm_syscall0(SYS_gettid);

	if (self.tid == 0)
		self.tid = tid;
	return self.tid != tid;
}

/*
 * Signals are masked, because a handler that allocates in between would find
 * the area half registered: those that come from outside. Signals that an
 * instruction or a system call of the thread itself raises kill the process if
 * they are masked; a sandbox sends SIGSYS for rseq(2) and expects its handler to
 * run. rseq_cs is cleared first: the kernel would follow a dangling descriptor
 * at the next preemption.
 */
#define SIGNAL_BIT(signo) ((uint64_t)1 << ((signo) - 1))
#define SYNCHRONOUS                                                          \
	(SIGNAL_BIT(SIGILL) | SIGNAL_BIT(SIGTRAP) | SIGNAL_BIT(SIGBUS) |     \
	 SIGNAL_BIT(SIGFPE) | SIGNAL_BIT(SIGSEGV) | SIGNAL_BIT(SIGSYS))

static long
register_masked(struct pcm_rseq_area *area, uint32_t nbytes)
{
	uint64_t all = ~SYNCHRONOUS, old;
	long ret;

	pcm_syscall4(SYS_rt_sigprocmask, SIG_SETMASK_NR, &all, &old,
		     KERNEL_SIGSET_BYTES);
	*(volatile uint64_t *)&area->rseq_cs = 0;
	self.registering = true;
	ret = pcm_syscall4(SYS_rseq, area, nbytes, 0, PCM_RSEQ_SIG);
	self.registering = false;
	pcm_syscall4(SYS_rt_sigprocmask, SIG_SETMASK_NR, &old, NULL,
		     KERNEL_SIGSET_BYTES);
	return ret;
}

/*
 * What registering says of an area that shows a CPU, so is registered already:
 * EBUSY if it is as we would do it, EPERM with another signature, EINVAL with
 * another length. glibc's length is not told by glibc, so that the first thread
 * finds it out: the expected one or the least.
 */
static long
register_libc(struct pcm_rseq_area *area)
{
	struct pcm_rseq_process *process = &pcm_rseq_process;
	bool confirmed = atomic_load_explicit(&process->libc_confirmed,
					      memory_order_relaxed);
	long ret = register_masked(area, process->libc_size);

	if (ret == -EINVAL && !confirmed) {
		ret = register_masked(area, PCM_RSEQ_MIN_SIZE);
		if (ret == -EBUSY)
			process->libc_size = PCM_RSEQ_MIN_SIZE;
	}
	if (ret == -EBUSY)
		atomic_store_explicit(&process->libc_confirmed, true,
				      memory_order_relaxed);
	return ret;
}

static long
register_area(struct pcm_rseq_area *area)
{
	if (area == &__rseq_abi)
		return register_masked(area, sizeof(__rseq_abi));
	return register_libc(area);
}

/* A call that the kernel always answers with EINVAL: did it get there? */
static bool
filtered(void)
{
	return pcm_syscall4(SYS_rseq, NULL, 0, 0, 0) != -EINVAL;
}

/* Registering again what is registered, which a filter would not let through. */
static bool
is_busy(struct pcm_rseq_area *area, uint32_t nbytes)
{
	return pcm_syscall4(SYS_rseq, area, nbytes, 0, PCM_RSEQ_SIG) == -EBUSY;
}

bool
pcm_rseq_lets_threads_start(void)
{
	struct pcm_rseq_area *area;
	intptr_t offset;
	uint32_t nbytes;

	if (!pcm_rseq_libc_area(&offset, &nbytes))
		return true;
	area = (struct pcm_rseq_area *)((uintptr_t)pcm_thread_pointer() +
					(uintptr_t)offset);
	return area_cpu_id(area) >= 0 &&
		(is_busy(area, nbytes) || is_busy(area, PCM_RSEQ_MIN_SIZE));
}

static bool
refused_foreign(void)
{
	atomic_fetch_add_explicit(&counts.refused, 1, memory_order_relaxed);
	self.lost = true;
	self.backoff = self.backoff == 0 ? 1 : (uint8_t)(self.backoff * 2);
	if (self.backoff > BACKOFF_MAX)
		self.backoff = BACKOFF_MAX;
	self.skip = (uint8_t)(self.backoff - 1);
	return disarm(PCM_RSEQ_THREAD_FOREIGN);
}

static bool
refused_denied(long ret)
{
	unsigned long before = atomic_fetch_add_explicit(&counts.refused, 1,
							 memory_order_relaxed);

	/* The process's first try: nobody here will ever get one. */
	if (before == 0 && atomic_load_explicit(&counts.armed,
						memory_order_relaxed) == 0)
		pcm_rseq_process_absent(ret == -ENOSYS ?
						PCM_RSEQ_NO_KERNEL :
						PCM_RSEQ_DENIED_BY_OS);
	return disarm(PCM_RSEQ_THREAD_DENIED);
}

static bool
register_thread(struct pcm_rseq_area *area)
{
	long ret = register_area(area);

	switch (ret) {
	case 0:
	case -EBUSY: /* exactly this registration stands already */
		return armed(area);
	case -EINVAL: /* another area is registered, or another length */
		return refused_foreign();
	case -EPERM: /* another signature, or a filter */
		if (!filtered())
			return refused_foreign();
		return refused_denied(ret);
	default: /* ENOSYS */
		return refused_denied(ret);
	}
}

/*
 * The area shows a CPU, so it is registered; but with our signature? The kernel
 * kills whoever is aborted in a section under another one. glibc uses ours, and
 * a thread that it has just registered is believed: a system call that late may
 * meet a sandbox. Asked is for the first thread of the process, where somebody
 * else made the registration, and where one was lost before.
 */
static bool
arm_registered(struct pcm_rseq_area *area)
{
	bool libcs = area != &__rseq_abi;
	long ret;

	if (libcs && !self.lost &&
	    atomic_load_explicit(&pcm_rseq_process.libc_confirmed,
				 memory_order_relaxed))
		return armed(area);
	if (!libcs || self.lost)
		return register_thread(area);
	ret = register_libc(area);
	if (ret == -EPERM && !filtered())
		return refused_foreign();
	/* A length that cannot be guessed, or a filter: what is there counts. */
	atomic_store_explicit(&pcm_rseq_process.libc_confirmed, true,
			      memory_order_relaxed);
	return armed(area);
}

/* Not of the compiler's making: a program may define `__rseq_abi` itself. */
static bool
misaligned(const struct pcm_rseq_area *area)
{
	return (uintptr_t)area % PCM_RSEQ_MIN_ALIGN != 0;
}

static bool
arm_slow(struct pcm_rseq_area *area)
{
	bool registered = area_cpu_id(area) >= 0;

	if (self.was_armed ? !registered :
	    atomic_load_explicit(&pcm_clone_tls_used, memory_order_relaxed))
		self.lost = true;
	if (self.state == PCM_RSEQ_THREAD_DENIED || self.registering)
		return disarm(self.state);
	if (self.skip > 0) {
		self.skip--;
		return disarm(self.state);
	}
	if (shares_tls())
		return disarm(PCM_RSEQ_THREAD_SHARED_TLS);
	if (misaligned(area)) {
		pcm_rseq_process.absence = PCM_RSEQ_MISALIGNED;
		return disarm(PCM_RSEQ_THREAD_DENIED);
	}
	return registered ? arm_registered(area) : register_thread(area);
}

bool
pcm_rseq_arm(void)
{
	struct pcm_rseq_area *area;

	if (pcm_rseq_held != 0) {
		pcm_rseq_armed = NULL; /* the state is the owner's: untouched */
		return false;
	}
	if (pcm_rseq_process.owner == PCM_RSEQ_OWNER_NONE)
		return disarm(PCM_RSEQ_THREAD_OFF);
	area = thread_area();
	/* A fresh own area reads -1, so >= 0 is the kernel's word. */
	if (pcm_rseq_armed != NULL && area_cpu_id(area) >= 0)
		return true;
	return arm_slow(area);
}

bool
pcm_rseq_denied(void)
{
	/* Where the TLS is shared, its state is another task's. */
	return pcm_rseq_held == 0 &&
		(self.state == PCM_RSEQ_THREAD_DENIED ||
		 self.state == PCM_RSEQ_THREAD_OFF);
}

enum pcm_rseq_thread_state
pcm_rseq_thread_state(void)
{
	struct pcm_rseq_area *area = pcm_rseq_armed;

	if (area != NULL)
		return area == &__rseq_abi ? PCM_RSEQ_THREAD_OWN :
					     PCM_RSEQ_THREAD_LIBC;
	return pcm_rseq_held != 0 ? PCM_RSEQ_THREAD_SHARED_TLS : self.state;
}

void
pcm_rseq_thread_forking(void)
{
	self.forks_shared = pcm_rseq_held != 0 || shares_tls();
}

/*
 * A vfork child has no registration to hand on, and the area in its TLS shows
 * its parent's CPU of then.
 */
void
pcm_rseq_thread_forked(void)
{
	self.tid = (int32_t)pcm_syscall0(SYS_gettid);
	if (!self.forks_shared)
		return;
	self.forks_shared = false;
	self.lost = true;
	self.state = PCM_RSEQ_THREAD_UNARMED;
	pcm_rseq_armed = NULL;
	pcm_rseq_held = 0;
}

int
pcm_rseq_hint(void)
{
	struct pcm_rseq_area *area = pcm_rseq_armed;

	if (area == NULL || area_cpu_id(area) < 0)
		return -1;
	return *(volatile int32_t *)((uintptr_t)area + pcm_rseq_index_field);
}

void
pcm_rseq_counts_get(struct pcm_rseq_counts *out)
{
	out->armed = atomic_load_explicit(&counts.armed, memory_order_relaxed);
	out->rearmed = atomic_load_explicit(&counts.rearmed,
					    memory_order_relaxed);
	out->refused = atomic_load_explicit(&counts.refused,
					    memory_order_relaxed);
}
