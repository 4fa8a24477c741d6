/*
 * percpu.c - the table of slabs: populating, stopping, and who serves a call.
 *
 * What becomes of an index changes under stop_lock only:
 *
 *	ABSENT -> LIVE		by the first thread that finds the dummy there
 *	LIVE <-> STOPPED	by whoever stops CPUs: trim, fork
 *
 * The table entry is the distance to the slab while LIVE, else 0; STOPPED is all that was
 * LIVE, as long as the stopper holds the lock. Publishing is
 * a store-release; sections load the entry and then what it leads to (an
 * address dependency). Taking back is a store and a fence: the fence is
 * membarrier's, see rseq_fence.h.
 */
#include "percpu.h"

#include <stdatomic.h>

#include "outgoing.h"
#include "rseq_fence.h"
#include "shard.h"
#include "single_thread.h"

/* Sections tried before a shard is used instead: debuggers, signal storms. */
#define TRIES 8

/* What initialises a pair of words of the dummy. */
#define NO_MAGAZINES { PCM_MAG_NONE, PCM_MAG_NONE }

const struct pcm_slab pcm_slab_dummy = {
	.word = { [0 ... PCM_NSTACKS - 1] = NO_MAGAZINES },
};

/* What the sections that work on both words of a pair store by one instruction. */
_Static_assert(offsetof(struct pcm_slab, word) % 16 == 0 && PCM_NWORDS == 2,
	       "pairs, aligned to 16 bytes");

pcm_rseq_distance pcm_slab_distance[PCM_NINDEXES] PCM_LINE_ALIGNED PCM_TABLE("3");

static struct pcm_lock stop_lock = PCM_LOCK_INIT(PCM_RANK_STOP);

/* All slabs. Written under stop_lock; never shrinks. */
static struct pcm_slab *_Atomic slabs;
static atomic_uint nslabs;

static void *(*memory_alloc)(size_t nbytes, size_t align);

void *
pcm_percpu_alloc(size_t nbytes, size_t align)
{
	return memory_alloc(nbytes, align);
}

/* The table's entries are read by assembly: write them as one access. Under stop_lock. */
static void
table_set(uint32_t index, const struct pcm_slab *slab)
{
	pcm_rseq_distance d = slab == NULL ? 0 :
		(pcm_rseq_distance)((uintptr_t)slab -
				    (uintptr_t)&pcm_slab_dummy);

	__atomic_store_n(&pcm_slab_distance[index], d, __ATOMIC_RELEASE);
}

static void
slab_clear(struct pcm_slab *slab)
{
	unsigned w, stack;

	for (w = 0; w < PCM_NWORDS; w++)
		for (stack = 0; stack < PCM_NSTACKS; stack++)
			slab->word[stack][w] = PCM_MAG_NONE;
}

/* The table is written before it is read: one page fault instead of two. */
void
pcm_percpu_init(void *(*alloc)(size_t nbytes, size_t align), unsigned nshards)
{
	table_set(0, NULL);
	memory_alloc = alloc;
	pcm_shard_init(nshards);
}

/* With acquire: what the entry leads to is there. */
static bool
is_live(uint32_t index)
{
	return __atomic_load_n(&pcm_slab_distance[index], __ATOMIC_ACQUIRE) != 0;
}

/* Nobody is stopping CPUs: the stopper holds the lock. */
static bool
populate_locked(uint32_t index)
{
	struct pcm_slab *slab;

	if (is_live(index))
		return true;
	slab = memory_alloc(sizeof(*slab), _Alignof(struct pcm_slab));
	if (slab == NULL)
		return false;
	slab_clear(slab);
	slab->index = index;
	slab->next = atomic_load_explicit(&slabs, memory_order_relaxed);
	atomic_store_explicit(&slabs, slab, memory_order_release);
	atomic_fetch_add_explicit(&nslabs, 1, memory_order_relaxed);
	table_set(index, slab);
	return true;
}

/* Makes a slab for an index that is not LIVE, unless somebody is stopping CPUs. */
static PCM_COLD bool
populate(uint32_t index)
{
	bool live;

	if (!pcm_trylock(&stop_lock))
		return false;
	live = populate_locked(index);
	pcm_unlock(&stop_lock);
	return live;
}

/* True if the calling thread can use a CPU's slab just now. */
static bool
on_cpu(void)
{
	int index;

	if (!pcm_rseq_arm())
		return false;
	index = pcm_rseq_hint();
	if (index < 0 || index >= PCM_NINDEXES)
		return false;
	return PCM_LIKELY(is_live((uint32_t)index)) || populate((uint32_t)index);
}

/*
 * One try more than the caller's: a section that fails twice on a live slab has
 * met an empty or full magazine, or aborts all the time. Both mean the same to
 * the caller: exchange magazines.
 */
bool
pcm_percpu_pop(unsigned stack, void **obj)
{
	if (!on_cpu())
		return pcm_shard_pop(stack, obj);
	return pcm_percpu_pop_fast(stack, obj);
}

bool
pcm_percpu_push(unsigned stack, void *obj)
{
	if (!on_cpu())
		return pcm_shard_push(stack, obj);
	return pcm_percpu_push_fast(stack, obj);
}

/* One section, as the fast path's: it finds out itself whether it may. */
static bool
exchange(enum pcm_slab_word which, unsigned stack, void **top, void **old)
{
	struct pcm_rseq_area *area = pcm_rseq_armed;

	return area != NULL &&
		pcm_rseq_exchange(area, &pcm_slab_dummy.word[stack][which],
				  pcm_slab_distance, top, old);
}

void **
pcm_percpu_exchange(enum pcm_slab_word which, unsigned stack, void **top)
{
	void *old;
	int i;

	if (PCM_LIKELY(exchange(which, stack, top, &old)))
		return old;
	for (i = 0; i < TRIES && on_cpu(); i++)
		if (exchange(which, stack, top, &old))
			return old;
	return pcm_shard_exchange(which, stack, top);
}

unsigned
pcm_percpu_home(void)
{
	int index = pcm_rseq_hint();

	if (index < 0)
		index = pcm_shard_thread.chosen;
	return (unsigned)index % PCM_NHOMES;
}

unsigned
pcm_percpu_nsets(void)
{
	return atomic_load_explicit(&nslabs, memory_order_relaxed) +
		pcm_shard_nready();
}

size_t
pcm_percpu_home_share(size_t of_all)
{
	unsigned n = pcm_percpu_nsets();

	if (n > PCM_NHOMES)
		n = PCM_NHOMES;
	return n > 1 ? of_all / n : of_all;
}

bool
pcm_percpu_inside(void)
{
	return pcm_shard_inside();
}

/* All slabs can be used, or none. Under stop_lock. */
static void
set_all(bool usable)
{
	struct pcm_slab *s;

	for (s = atomic_load_explicit(&slabs, memory_order_relaxed); s != NULL;
	     s = s->next)
		table_set(s->index, usable ? s : NULL);
}

/* Under stop_lock. True: the slabs are out, and nobody is in a section. */
static bool
stop_locked(void)
{
	if (!pcm_rseq_fence_available())
		return false;
	set_all(false);
	if (pcm_rseq_fence())
		return true;
	set_all(true);
	return false;
}

bool
pcm_percpu_stop(void)
{
	if (pcm_lock_passes)
		return false; /* fork() has stopped them, and resumes them */
	pcm_lock(&stop_lock);
	if (stop_locked())
		return true;
	pcm_unlock(&stop_lock);
	return false;
}

void
pcm_percpu_resume(void)
{
	set_all(true);
	pcm_unlock(&stop_lock);
}

/* Without a fence: what the calling thread can reach by itself. */
static void
drain_here(void (*take)(unsigned stack, void **top))
{
	unsigned w, stack;

	for (stack = 1; stack < PCM_NSTACKS; stack++) {
		for (w = 0; w < PCM_NWORDS; w++) {
			void **top = pcm_percpu_exchange(
				(enum pcm_slab_word)w, stack, PCM_MAG_NONE);

			if (top != PCM_MAG_NONE)
				take(stack, top);
		}
	}
}

static void
drain_slab(struct pcm_slab *slab, void (*take)(unsigned stack, void **top))
{
	unsigned w, stack;

	for (w = 0; w < PCM_NWORDS; w++) {
		for (stack = 1; stack < PCM_NSTACKS; stack++) {
			void **top = slab->word[stack][w];

			slab->word[stack][w] = PCM_MAG_NONE;
			if (top != PCM_MAG_NONE)
				take(stack, top);
		}
	}
}

/* What idle caches had; that of a process that has forked meanwhile, too. */
static void
send_out(void (*take)(unsigned stack, void **top))
{
	unsigned stack;
	void **top;

	while ((top = pcm_outgoing_take(&stack)) != PCM_MAG_NONE)
		take(stack, top);
}

void
pcm_percpu_drain(void (*take)(unsigned stack, void **top))
{
	struct pcm_slab *s;

	if (pcm_percpu_stop()) {
		s = atomic_load_explicit(&slabs, memory_order_acquire);
		for (; s != NULL; s = s->next)
			drain_slab(s, take);
		pcm_percpu_resume();
	} else {
		drain_here(take);
	}
	pcm_shard_drain();
	send_out(take);
}

static void
take_idle_out(struct pcm_slab *slab)
{
	unsigned w, stack;

	for (w = 0; w < PCM_NWORDS; w++) {
		for (stack = 1; stack < PCM_NSTACKS; stack++) {
			void **top = slab->word[stack][w];

			if (top != PCM_MAG_NONE &&
			    top == slab->seen[stack][w]) {
				slab->word[stack][w] = PCM_MAG_NONE;
				pcm_outgoing_put(stack, top);
			}
			slab->seen[stack][w] = slab->word[stack][w];
		}
	}
}

/* The CPUs are stopped for the look only, not while `take` works. */
void
pcm_percpu_drain_idle(void (*take)(unsigned stack, void **top))
{
	struct pcm_slab *s;

	if (pcm_percpu_stop()) {
		s = atomic_load_explicit(&slabs, memory_order_acquire);
		for (; s != NULL; s = s->next)
			take_idle_out(s);
		pcm_percpu_resume();
	}
	pcm_shard_drain_idle();
	send_out(take);
}

/* Of a slab that is in use: the magazine may be somebody else's by now. */
static unsigned
count_in_passing(void ***word)
{
	unsigned n = pcm_mag_count(__atomic_load_n(word, __ATOMIC_RELAXED));

	return n <= PCM_MAG_NSLOTS_MAX ? n : 0;
}

void
pcm_percpu_stats_get(struct pcm_percpu_stats *stats)
{
	struct pcm_slab *s;
	unsigned w, stack;

	*stats = (struct pcm_percpu_stats){ 0 };
	for (s = atomic_load_explicit(&slabs, memory_order_acquire); s != NULL;
	     s = s->next) {
		stats->nslabs++;
		for (w = 0; w < PCM_NWORDS; w++) {
			for (stack = 1; stack < PCM_NSTACKS; stack++)
				stats->nobjs[stack] +=
					count_in_passing(&s->word[stack][w]);
		}
	}
	pcm_shard_stats_add(stats);
}

/*
 * fork() copies pages that are pinned for DMA one after the other while other
 * threads run: the child could see a slab's new top beside its magazine's old
 * slot. So the slabs are stopped first.
 */
bool
pcm_percpu_fork_lock(void)
{
	bool quiet = true;

	pcm_lock_unchecked(&stop_lock);
	if (!pcm_single_threaded()) {
		set_all(false);
		quiet = pcm_rseq_fence();
	}
	pcm_shard_fork_lock();
	return quiet;
}

void
pcm_percpu_fork_unlock(void)
{
	pcm_shard_fork_unlock();
	set_all(true);
	pcm_unlock_unchecked(&stop_lock);
}

void
pcm_percpu_fork_child(bool quiet)
{
	struct pcm_slab *s;

	pcm_shard_fork_child();
	/* Torn slabs: forget what they held rather than hand it out twice. */
	if (!quiet)
		for (s = atomic_load_explicit(&slabs, memory_order_relaxed);
		     s != NULL; s = s->next)
			slab_clear(s);
	set_all(true);
	pcm_lock_reset(&stop_lock);
}
