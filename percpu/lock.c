/*
 * lock.c - what a lock does when it is contended, and the fork's passage.
 */
#include "lock.h"

#include <stddef.h>

#include "raw_syscall.h"
#include "rseq_thread.h"

/* uapi/linux/futex.h, which musl's headers do not come with. */
#define FUTEX_WAIT_PRIVATE 128
#define FUTEX_WAKE_PRIVATE 129

/* Looks at a held lock before sleeping: about the length of a short hold. */
#define SPINS 60

PCM_TLS bool pcm_lock_passes;

/* Not on a line with what every malloc reads. */
atomic_uint pcm_lock_nsleeps PCM_LINE_ALIGNED PCM_TABLE("0");

static inline void
relax(void)
{
#if defined(__x86_64__)
	__builtin_ia32_pause();
#else
	__asm__ volatile("yield");
#endif
}

void
pcm_lock_fork_begin(void)
{
	pcm_lock_passes = true;
}

void
pcm_lock_fork_end(void)
{
	pcm_lock_passes = false;
}

/*
 * Three states (Drepper, "Futexes Are Tricky", mutex 2): a thread that goes to
 * sleep leaves CONTENDED behind, so that the holder knows to wake one.
 */
PCM_COLD void
pcm_lock_slow(struct pcm_lock *lock)
{
	int i;

	if (pcm_lock_passes)
		return;
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
	while (atomic_exchange_explicit(&lock->state, PCM_LOCK_CONTENDED,
					memory_order_acquire) != PCM_LOCK_FREE) {
		atomic_fetch_add_explicit(&pcm_lock_nsleeps, 1,
					  memory_order_relaxed);
		pcm_syscall4(SYS_futex, &lock->state, FUTEX_WAIT_PRIVATE,
			     PCM_LOCK_CONTENDED, NULL);
	}
}

PCM_COLD void
pcm_unlock_slow(struct pcm_lock *lock)
{
	pcm_syscall3(SYS_futex, &lock->state, FUTEX_WAKE_PRIVATE, 1);
}

#if PCM_DEBUG

/* Locks of each rank that this thread holds; 2 only by way of try-locks. */
static PCM_TLS uint8_t nheld[PCM_NRANKS];

void
pcm_lock_check_acquire(const struct pcm_lock *lock)
{
	uint32_t rank;

	if (pcm_lock_passes)
		return;
	/* Tasks that share a TLS count into the same array: nothing follows. */
	for (rank = lock->rank; rank < PCM_NRANKS; rank++)
		if (nheld[rank] != 0 && pcm_rseq_held == 0)
			__builtin_trap(); /* order: see docs/LOCKING.md */
	pcm_lock_note_acquire(lock);
}

void
pcm_lock_note_acquire(const struct pcm_lock *lock)
{
	nheld[lock->rank]++;
}

void
pcm_lock_note_release(const struct pcm_lock *lock)
{
	nheld[lock->rank]--;
}

#endif
