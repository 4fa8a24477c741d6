/*
 * thp.c - huge pages where they pay, and only there.
 *
 * A collapse (MADV_COLLAPSE) is transparent to whoever uses the memory, so the
 * hugepage stays in use meanwhile. It is `pinned`: nobody unmaps it or releases
 * memory behind it, which the collapse would put back unseen.
 */
#define _GNU_SOURCE
#include "thp.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdint.h>
#include <time.h>

#include "limit.h"
#include "page_heap_lists.h"
#include "raw_syscall.h"
#include "sys.h"

#define heap pcm_page_heap

/* The only size of OS pages for which a huge page is PCM_HUGEPAGE. */
#define SMALL_PAGE 4096u
#define NSMALL (PCM_HUGEPAGE / SMALL_PAGE)
_Static_assert(SMALL_PAGE == PCM_PAGE, "what is not resident is so many pages");

/*
 * Of what is used, the part that may be added by huge pages alone. Spans in a
 * hugepage that is just begun are touched bit by bit, and add as much again.
 */
#define ROOM_DIVISOR 64u

/* Dense: at most this part of a hugepage is free or was never touched. */
#define SPARSE_DIVISOR 8u

/*
 * It must have been dense for so many ticks, half a second: memory that comes and goes is
 * dense for a moment, too. After failure: not for so many.
 */
#define DENSE_TICKS 10u
#define RETRY_TICKS 20u
#define FAILED_TICKS 100u
#define UNSUPPORTED_TICKS 1200u

/* A tick's work: hugepages looked at, time after which no collapse begins. */
#define VISITS 256u
#define TICK_US 4000

/*
 * A collapse takes as long as a good many misses of the TLB, and pays only if the process
 * goes on. How long it will nobody knows; as a rule, about as long as it has been there. So
 * each tick earns a fiftieth of its length for collapses, that of a second at most is
 * saved, and a process that is over soon has spent little.
 */
#define EARNED_US 1000
#define SAVED_US 20000

/* The system has to make room for huge pages: a while without them. */
#define SLOW_US 10000u

/*
 * Each hugepage whose advice is not its neighbours' splits a mapping in three;
 * a process may have 65530 mappings (vm.max_map_count).
 */
#define MAX_ISLANDS 8192u

static atomic_int system_setting = PCM_THP_SYSTEM_UNKNOWN;
static atomic_bool no_collapse; /* before Linux 6.1 */

/* Ticks; the holder of heap.pinned's. */
static uint32_t pause_until;

/* For collapses; below 0 after one that took longer. Under the page heap's lock. */
static int64_t us_left;

/* "always [madvise] never": the first letter in brackets. */
static enum pcm_thp_system
read_setting(void)
{
	long fd = pcm_syscall4(SYS_openat, AT_FDCWD,
			       "/sys/kernel/mm/transparent_hugepage/enabled",
			       O_RDONLY | O_CLOEXEC, 0);
	char text[64];
	long i, n;

	if (pcm_syscall_failed(fd))
		return PCM_THP_SYSTEM_MADVISE;
	n = pcm_syscall3(SYS_read, fd, text, sizeof(text));
	pcm_syscall1(SYS_close, fd);
	for (i = 0; !pcm_syscall_failed(n) && i + 1 < n; i++) {
		if (text[i] != '[')
			continue;
		if (text[i + 1] == 'a')
			return PCM_THP_SYSTEM_ALWAYS;
		if (text[i + 1] == 'n')
			return PCM_THP_SYSTEM_NEVER;
	}
	return PCM_THP_SYSTEM_MADVISE;
}

static enum pcm_thp_system
setting_known(void)
{
	return (enum pcm_thp_system)atomic_load_explicit(&system_setting,
							 memory_order_relaxed);
}

enum pcm_thp_system
pcm_thp_system(void)
{
	enum pcm_thp_system setting = setting_known();

	if (setting == PCM_THP_SYSTEM_UNKNOWN) {
		setting = read_setting();
		atomic_store_explicit(&system_setting, (int)setting,
				      memory_order_relaxed);
	}
	return setting;
}

enum pcm_huge_advice
pcm_thp_new_region(void *p, size_t nbytes, size_t nhuge)
{
	if (pcm_sys_thp == PCM_THP_ALWAYS) {
		pcm_sys_ask_huge(p, nbytes);
		return PCM_ADVICE_HUGE;
	}
	/* Under `always` the system would decide by itself. */
	if (pcm_sys_thp == PCM_THP_NEVER || nhuge < PCM_THP_SMALL_HEAP ||
	    (pcm_sys_page == SMALL_PAGE &&
	     pcm_thp_system() == PCM_THP_SYSTEM_ALWAYS)) {
		pcm_sys_forbid_huge(p, nbytes);
		return PCM_ADVICE_SMALL;
	}
	return PCM_ADVICE_NONE;
}

/*
 * A mapping of its own is touched as the program likes, so while all is small,
 * the kernel is kept from filling it in under `always`; when all is large, it
 * may do as it is set.
 */
#define LARGE_ENOUGH ((size_t)64 << 20)

void
pcm_thp_new_mapping(void *p, size_t nbytes)
{
	if (pcm_sys_thp == PCM_THP_ALWAYS)
		pcm_sys_ask_huge(p, nbytes);
	else if (pcm_sys_thp == PCM_THP_NEVER ||
		 pcm_limit_held() < LARGE_ENOUGH)
		pcm_sys_forbid_huge(p, nbytes);
}

/* What was forbidden when it was small can only be asked for. */
void
pcm_thp_grown_mapping(void *p, size_t nbytes)
{
	if (pcm_sys_thp == PCM_THP_AUTO && nbytes >= LARGE_ENOUGH &&
	    pcm_thp_system() == PCM_THP_SYSTEM_ALWAYS)
		pcm_sys_ask_huge(p, nbytes);
}

/*
 * Memory that is there for huge pages alone is free and warm (what is left of
 * one that was just begun), or extra (used by spans, but never touched; filled
 * in by a collapse). With npages more of it, is it still at most 1/64 of what
 * is used?
 */
static bool
room_locked(size_t npages)
{
	return pcm_page_heap_warm_locked() + heap.npages_extra + npages <=
		pcm_page_heap_used_locked() / ROOM_DIVISOR;
}

/* One more hugepage's advice changes. */
static bool
islands_locked(void)
{
	return heap.nadvised < MAX_ISLANDS ||
		heap.nhuge - heap.nadvised < MAX_ISLANDS;
}

/* Near a limit nothing is filled in. */
static bool
limit_allows(size_t npages)
{
	size_t hard = pcm_limit_hard();

	return !atomic_load_explicit(&pcm_limit_near, memory_order_relaxed) &&
		pcm_limit_held() + (npages << PCM_PAGE_SHIFT) <=
			hard - hard / 16;
}

static bool
decides(void)
{
	return pcm_sys_thp == PCM_THP_AUTO && pcm_sys_page == SMALL_PAGE;
}

/* Runs that are small against it will fill the hugepage. */
static bool
dense_soon_locked(unsigned npages)
{
	return npages <= PCM_SMALL_RUN_NPAGES &&
		heap.nhuge > PCM_THP_SMALL_HEAP &&
		room_locked(PCM_HUGE_NPAGES - npages) && islands_locked() &&
		limit_allows(PCM_HUGE_NPAGES - npages);
}

enum pcm_thp_choice
pcm_thp_choose_cold_locked(const struct pcm_hugepage *huge, unsigned npages)
{
	enum pcm_thp_system setting = setting_known();

	if (!decides())
		return PCM_THP_AS_IT_IS;
	if (setting != PCM_THP_SYSTEM_UNKNOWN &&
	    setting != PCM_THP_SYSTEM_NEVER && dense_soon_locked(npages))
		return huge->advice == PCM_ADVICE_HUGE ?
			PCM_THP_HUGE_AS_IT_IS :
			PCM_THP_TO_HUGE;
	if (huge->advice == PCM_ADVICE_HUGE && islands_locked())
		return PCM_THP_TO_SMALL;
	return PCM_THP_AS_IT_IS;
}

static void
set_advice(struct pcm_hugepage *huge, enum pcm_huge_advice advice)
{
	pcm_lock(&heap.lock);
	pcm_page_heap_unlist_locked(huge);
	huge->advice = (uint8_t)advice;
	pcm_page_heap_list_locked(huge);
	pcm_unlock(&heap.lock);
}

/* One huge page is behind it now: what was cold is not. Returns those pages. */
static unsigned
become_backed_locked(struct pcm_hugepage *huge, unsigned nextra)
{
	unsigned ncold = huge->ncold;

	pcm_page_heap_unlist_locked(huge);
	huge->backed = true;
	huge->broken = false;
	huge->nextra = (uint16_t)nextra;
	pcm_hugepage_warm_up(huge);
	pcm_page_heap_list_locked(huge);
	return ncold;
}

/*
 * If others have taken pages meanwhile they may have touched them: the system
 * then has small pages there.
 */
static void
begin_huge(struct pcm_hugepage *huge, unsigned npages)
{
	unsigned rest = (unsigned)PCM_HUGE_NPAGES - npages;
	size_t nbytes = (size_t)rest << PCM_PAGE_SHIFT;
	bool alone;

	if (!pcm_limit_take(nbytes))
		return;
	pcm_lock(&heap.lock);
	alone = huge->nfree == rest && huge->ncold == rest;
	if (alone)
		(void)become_backed_locked(huge, 0);
	pcm_unlock(&heap.lock);
	if (!alone)
		pcm_limit_give(nbytes);
}

PCM_COLD void
pcm_thp_first_use(struct pcm_hugepage *huge, unsigned npages,
		  enum pcm_thp_choice choice)
{
	if (choice == PCM_THP_TO_SMALL) {
		pcm_sys_forbid_huge(huge->base, PCM_HUGEPAGE);
		set_advice(huge, PCM_ADVICE_SMALL);
		return;
	}
	if (choice == PCM_THP_TO_HUGE) {
		pcm_sys_ask_huge(huge->base, PCM_HUGEPAGE);
		set_advice(huge, PCM_ADVICE_HUGE);
	}
	begin_huge(huge, npages);
}

bool
pcm_thp_breaks_locked(struct pcm_hugepage *huge)
{
	if (!decides() || huge->advice != PCM_ADVICE_HUGE ||
	    pcm_hugepage_is_whole(huge) || !islands_locked())
		return false;
	pcm_page_heap_unlist_locked(huge);
	huge->advice = PCM_ADVICE_SMALL;
	pcm_page_heap_list_locked(huge);
	return true;
}

void
pcm_thp_keep_small(const struct pcm_hugepage *huge)
{
	pcm_sys_forbid_huge(huge->base, PCM_HUGEPAGE);
}

/*
 * ------------------------------------------------------------- collapsing ---
 */

/* The thread's own time: what others do meanwhile is not the collapse's cost. */
static uint64_t
now_us(void)
{
	struct timespec ts = { 0, 0 };

	pcm_syscall2(SYS_clock_gettime, CLOCK_THREAD_CPUTIME_ID, &ts);
	return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

static bool
before(uint32_t a, uint32_t b)
{
	return (int32_t)(a - b) < 0;
}

static bool
is_candidate_locked(struct pcm_hugepage *huge)
{
	if (huge->backed || huge->nfree > PCM_HUGE_NPAGES / SPARSE_DIVISOR) {
		huge->dense = 0;
		return false;
	}
	if (huge->dense == 0) {
		huge->dense = heap.ticks;
		return false;
	}
	return !before(heap.ticks, huge->dense + DENSE_TICKS) &&
		!before(heap.ticks, huge->not_yet);
}

/* The next hugepage to be collapsed, pinned; NULL: none in so many visits. */
static struct pcm_hugepage *
next_candidate(size_t *visits)
{
	struct pcm_hugepage *found = NULL;

	pcm_lock(&heap.lock);
	while (found == NULL && heap.pinned == NULL && *visits > 0) {
		struct pcm_hugepage *huge = heap.cursor;

		if (huge == NULL)
			huge = heap.all;
		if (huge == NULL)
			break;
		heap.cursor = huge->all_next;
		--*visits;
		if (is_candidate_locked(huge))
			found = huge;
	}
	if (found != NULL)
		heap.pinned = found;
	pcm_unlock(&heap.lock);
	return found;
}

/* Ends a try that has not made it huge. */
static void
put_off(struct pcm_hugepage *huge, uint32_t ticks)
{
	pcm_lock(&heap.lock);
	huge->dense = 0;
	huge->not_yet = heap.ticks + ticks;
	heap.pinned = NULL;
	pcm_unlock(&heap.lock);
}

/*
 * Pages that were taken meanwhile have been counted when they were. More cold
 * ones than were promised: an allocation failed at a limit, and they shall stay
 * cold.
 */
static void
succeed(struct pcm_hugepage *huge, unsigned nextra, unsigned promised)
{
	unsigned ncold = 0;

	pcm_lock(&heap.lock);
	if (huge->ncold <= promised)
		ncold = become_backed_locked(huge, nextra);
	heap.pinned = NULL;
	pcm_unlock(&heap.lock);
	pcm_limit_give((size_t)(promised - ncold) << PCM_PAGE_SHIFT);
}

/* May a collapse fill in npages, of which ncold are free? */
static bool
may_fill(const struct pcm_hugepage *huge, unsigned npages, unsigned *ncold)
{
	bool may;

	pcm_lock(&heap.lock);
	*ncold = huge->ncold;
	may = (npages == 0 || room_locked(npages)) && islands_locked();
	pcm_unlock(&heap.lock);
	return may && npages <= PCM_HUGE_NPAGES / SPARSE_DIVISOR &&
		limit_allows(npages);
}

/* Under advice against it, the kernel refuses. */
static void
ask(struct pcm_hugepage *huge)
{
	pcm_sys_ask_huge(huge->base, PCM_HUGEPAGE);
	set_advice(huge, PCM_ADVICE_HUGE);
}

static long
try_collapse(struct pcm_hugepage *huge)
{
	if (atomic_load_explicit(&no_collapse, memory_order_relaxed))
		return -EINVAL;
	return pcm_sys_collapse(huge->base, PCM_HUGEPAGE);
}

/*
 * Without MADV_COLLAPSE the kernel's own thread may do it: the books then say
 * small pages, and what it fills in, little, is not in them.
 */
static void
fail(struct pcm_hugepage *huge, long error)
{
	if (error != -EINVAL) {
		put_off(huge, FAILED_TICKS);
		return;
	}
	atomic_store_explicit(&no_collapse, true, memory_order_relaxed);
	if (huge->advice != PCM_ADVICE_HUGE)
		ask(huge);
	put_off(huge, UNSUPPORTED_TICKS);
}

static void
collapse(struct pcm_hugepage *huge)
{
	size_t nsmall = pcm_sys_nresident(huge->base, PCM_HUGEPAGE);
	unsigned missing = (unsigned)(NSMALL - nsmall);
	unsigned ncold, nextra;
	long error;

	if (!may_fill(huge, missing, &ncold) ||
	    !pcm_limit_take((size_t)ncold << PCM_PAGE_SHIFT)) {
		put_off(huge, RETRY_TICKS);
		return;
	}
	if (huge->advice == PCM_ADVICE_SMALL)
		ask(huge);
	error = try_collapse(huge);
	if (error != 0) {
		pcm_limit_give((size_t)ncold << PCM_PAGE_SHIFT);
		fail(huge, error);
		return;
	}
	nextra = missing > ncold ? missing - ncold : 0;
	succeed(huge, nextra, ncold);
}

/* Returns how many hugepages may be looked at now, and for how long. */
static size_t
begin_tick(int64_t *us)
{
	size_t visits = 0;

	pcm_lock(&heap.lock);
	heap.ticks++;
	if (heap.ticks == 0)
		heap.ticks = 1; /* 0 is no tick */
	us_left += EARNED_US;
	if (us_left > SAVED_US)
		us_left = SAVED_US;
	*us = us_left < TICK_US ? us_left : TICK_US;
	if (heap.nhuge > PCM_THP_SMALL_HEAP && us_left > 0 &&
	    !before(heap.ticks, pause_until))
		visits = heap.nhuge < VISITS ? heap.nhuge : VISITS;
	pcm_unlock(&heap.lock);
	return visits;
}

static void
spend(int64_t us)
{
	pcm_lock(&heap.lock);
	us_left -= us;
	pcm_unlock(&heap.lock);
}

static void
pause_collapsing(void)
{
	pcm_lock(&heap.lock);
	pause_until = heap.ticks + FAILED_TICKS;
	pcm_unlock(&heap.lock);
}

void
pcm_thp_tick(void)
{
	int64_t us;
	size_t visits = begin_tick(&us);
	struct pcm_hugepage *huge;
	uint64_t last, now;

	if (visits == 0 || !decides() ||
	    pcm_thp_system() == PCM_THP_SYSTEM_NEVER)
		return;
	now = now_us();
	while (us > 0) {
		huge = next_candidate(&visits);
		if (huge == NULL)
			return;
		collapse(huge);
		last = now;
		now = now_us();
		us -= (int64_t)(now - last);
		spend((int64_t)(now - last));
		if (now - last > SLOW_US)
			pause_collapsing();
	}
}
