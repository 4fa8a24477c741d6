/*
 * lock.c - what a lock does when it is contended, and the fork's passage.
 */
#include "lock.h"

#include <linux/futex.h>
#include <stddef.h>

#include "raw_syscall.h"

/* Looks at a held lock before sleeping: about the length of a short hold. */
#define SPINS 60

_Atomic int32_t pcm_lock_forking;

static inline void
relax(void)
{
#if defined(__x86_64__)
	__builtin_ia32_pause();
#else
	__asm__ volatile("yield");
#endif
}

bool
pcm_lock_passes(void)
{
	int32_t tid = atomic_load_explicit(&pcm_lock_forking,
					   memory_order_relaxed);

	return tid != 0 && tid == (int32_t)pcm_syscall0(SYS_gettid);
}

void
pcm_lock_fork_begin(void)
{
	atomic_store_explicit(&pcm_lock_forking,
			      (int32_t)pcm_syscall0(SYS_gettid),
			      memory_order_relaxed);
}

void
pcm_lock_fork_end(void)
{
	atomic_store_explicit(&pcm_lock_forking, 0, memory_order_relaxed);
}

/*
 * Three states (Drepper, "Futexes Are Tricky", mutex 2): a thread that goes to
 * sleep leaves CONTENDED behind, so that the holder knows to wake one.
 */
PCM_COLD void
pcm_lock_slow(struct pcm_lock *lock)
{
	int i;

	for (i = 0; i < SPINS; i++) {
		uint32_t expected = PCM_LOCK_FREE;

		if (atomic_load_explicit(&lock->state, memory_order_relaxed) ==
			    PCM_LOCK_FREE &&
		    atomic_compare_exchange_strong_explicit(
			    &lock->state, &expected, PCM_LOCK_HELD,
			    memory_order_acquire, memory_order_relaxed))
			return;
		relax();
	}
	if (pcm_lock_passes())
		return;
	while (atomic_exchange_explicit(&lock->state, PCM_LOCK_CONTENDED,
					memory_order_acquire) != PCM_LOCK_FREE)
		pcm_syscall4(SYS_futex, &lock->state, FUTEX_WAIT_PRIVATE,
			     PCM_LOCK_CONTENDED, NULL);
}

PCM_COLD void
pcm_unlock_slow(struct pcm_lock *lock)
{
	pcm_syscall3(SYS_futex, &lock->state, FUTEX_WAKE_PRIVATE, 1);
}

#if PCM_DEBUG

/* Bit r: this thread holds a lock of rank r. */
static PCM_TLS uint32_t held_ranks;

void
pcm_lock_check_acquire(const struct pcm_lock *lock)
{
	if (pcm_lock_passes())
		return;
	if (held_ranks >> lock->rank)
		__builtin_trap(); /* out of order: see docs/LOCKING.md */
	held_ranks |= 1u << lock->rank;
}

void
pcm_lock_check_release(const struct pcm_lock *lock)
{
	held_ranks &= ~(1u << lock->rank);
}

#endif
