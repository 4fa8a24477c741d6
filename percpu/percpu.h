/*
 * percpu.h - stacks of pointers, one set per CPU.
 *
 * A *slab* belongs to an index (CPU or concurrency id) and holds, per stack,
 * two words: the top of the loaded magazine, which pop and push use, and the
 * top of a spare one. Threads without rseq use *shards*: slabs of the same
 * layout behind a lock. Which of the two serves a call is decided here.
 *
 * This layer knows nothing of malloc: stacks are numbers, objects are non-zero
 * words, and memory is handed in.
 *
 * Life of an index (percpu.c):
 *	ABSENT -> LIVE <-> STOPPED
 */
#ifndef PCM_PERCPU_H
#define PCM_PERCPU_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "compiler.h"
#include "magazine.h"
#include "rseq_section.h"
#include "rseq_thread.h"

/* Stacks per slab; stack 0 is never given a magazine: always empty and full. */
#define PCM_NSTACKS 104

/*
 * Every index the kernel can give: NR_CPUS of x86-64's MAXSMP. Sections do not
 * compare an index with it, so whoever builds with fewer keeps threads out of
 * sections on kernels with more CPU ids.
 */
#ifndef PCM_NINDEXES
#define PCM_NINDEXES 8192
#endif

enum pcm_slab_word {
	PCM_LOADED,
	PCM_SPARE,
	PCM_NWORDS,
};

struct pcm_slab {
	void **word[PCM_NSTACKS][PCM_NWORDS]; /* pairs, for the sections */
	void **seen[PCM_NSTACKS][PCM_NWORDS]; /* at the last look for idle ones */
	struct pcm_slab *next; /* all slabs, newest first; never changes */
	uint32_t index;
} PCM_LINE_ALIGNED;

/* Read-only: every word is PCM_MAG_NONE. What table entry 0 leads to. */
extern PCM_HIDDEN const struct pcm_slab pcm_slab_dummy;

/* Bytes from the dummy to index i's slab; 0: no slab, or stopped. */
extern PCM_HIDDEN pcm_rseq_distance pcm_slab_distance[PCM_NINDEXES];

/*
 * pcm_percpu_init() - before the first other call.
 *
 * alloc	returns nbytes of zeroed memory that is never freed, aligned to
 *		`align` (a power of two), or NULL; may take locks above
 *		PCM_RANK_MAGAZINE
 * nshards	shards to use, 1 to PCM_NSHARDS_MAX
 */
#define PCM_NSHARDS_MAX 32
void pcm_percpu_init(void *(*alloc)(size_t nbytes, size_t align),
		     unsigned nshards);

/* The memory handed in. */
void *pcm_percpu_alloc(size_t nbytes, size_t align);

/*
 * pcm_percpu_pop_fast(), pcm_percpu_push_fast() - one section, no second try.
 *
 * False: take the slow path. Async-signal-safe.
 */
PCM_ALWAYS_INLINE bool
pcm_percpu_pop_fast(unsigned stack, void **obj)
{
	struct pcm_rseq_area *area = pcm_rseq_armed;

	return PCM_LIKELY(area != NULL) &&
		pcm_rseq_pop(area, &pcm_slab_dummy.word[stack][PCM_LOADED],
			     pcm_slab_distance, obj);
}

PCM_ALWAYS_INLINE bool
pcm_percpu_push_fast(unsigned stack, void *obj)
{
	struct pcm_rseq_area *area = pcm_rseq_armed;

	return PCM_LIKELY(area != NULL) &&
		pcm_rseq_push(area, &pcm_slab_dummy.word[stack][PCM_LOADED],
			      pcm_slab_distance, obj);
}

/*
 * pcm_percpu_pop_spare(), pcm_percpu_push_spare() - the loaded magazine is empty
 * (full), and the spare one not: they change places, and it serves. One section, no
 * second try. False: take the slow path. Async-signal-safe.
 */
static inline bool
pcm_percpu_pop_spare(unsigned stack, void **obj)
{
	struct pcm_rseq_area *area = pcm_rseq_armed;

	return area != NULL &&
		pcm_rseq_pop_spare(area, pcm_slab_dummy.word[stack],
				   pcm_slab_distance, obj);
}

static inline bool
pcm_percpu_push_spare(unsigned stack, void *obj)
{
	struct pcm_rseq_area *area = pcm_rseq_armed;

	return area != NULL &&
		pcm_rseq_push_spare(area, pcm_slab_dummy.word[stack],
				    pcm_slab_distance, obj);
}

/*
 * pcm_percpu_pop(), pcm_percpu_push() - with arming, populating and, where
 * there is no rseq, a shard.
 *
 * False: the loaded magazine here was empty (full), or too many aborts. Keep
 * errno. Not for a signal handler that interrupted a shard operation of its own
 * thread (pcm_percpu_inside()).
 */
bool pcm_percpu_pop(unsigned stack, void **obj);
bool pcm_percpu_push(unsigned stack, void *obj);

/*
 * pcm_percpu_exchange() - put a magazine into a word, take out the old one.
 *
 * top		a magazine, or PCM_MAG_NONE; the caller gives it away
 *
 * Returns the old top, which the caller now owns; always succeeds: after a few
 * aborts the exchange takes place in a shard.
 */
void **pcm_percpu_exchange(enum pcm_slab_word which, unsigned stack,
			   void **top);

/*
 * pcm_percpu_home() - which of PCM_NHOMES groups of CPUs, or of shards, the caller
 * is in. Stale as soon as it returns: for keeping together what one CPU uses, never
 * for access. Async-signal-safe.
 */
#define PCM_NHOMES 8u
unsigned pcm_percpu_home(void);

/* Of so many bytes for all, what each home that is in use may have. Any context. */
size_t pcm_percpu_home_share(size_t of_all);

/* Slabs and shards in use: how many sets of magazines there are. Any context. */
unsigned pcm_percpu_nsets(void);

/* True if this thread is (interrupted) within a shard operation. */
bool pcm_percpu_inside(void);

/*
 * pcm_percpu_stop() - keep every thread out of every CPU's slab.
 *
 * Returns true when nobody is in a section on any slab, and the caller owns
 * them all until pcm_percpu_resume(); the other threads use shards. False: there
 * is no fence here; nothing has changed. Takes the stop lock, and keeps it on
 * success.
 */
bool pcm_percpu_stop(void);
void pcm_percpu_resume(void);

/*
 * pcm_percpu_drain() - take every magazine out of the slabs and shards.
 *
 * take		gets each magazine, and owns it. It is called without locks
 *		but the stop lock.
 *
 * Where there is no fence only the shards and the calling CPU are drained.
 */
void pcm_percpu_drain(void (*take)(unsigned stack, void **top));

/*
 * pcm_percpu_drain_idle() - take out the magazines whose top is where it was at
 * the last such call: nothing happened to them, or a loop that is balanced. Stops
 * the CPUs for the look; without a fence only the shards are looked through.
 */
void pcm_percpu_drain_idle(void (*take)(unsigned stack, void **top));

struct pcm_percpu_stats {
	unsigned nslabs;		/* populated */
	unsigned nshards;		/* used at least once */
	size_t nobjs[PCM_NSTACKS];	/* in magazines of slabs and shards */
};

/* Counts as they are in passing: exact only while nobody allocates. */
void pcm_percpu_stats_get(struct pcm_percpu_stats *stats);

/*
 * Around fork(): take every lock of this layer and stop the slabs; undo that in
 * the parent; or in the child, where no other thread exists.
 *
 * pcm_percpu_fork_lock() returns whether nothing could touch a slab while the
 * process is copied: there is a single thread, or a fence; the child is told. If not, it forgets what the slabs held.
 */
bool pcm_percpu_fork_lock(void);
void pcm_percpu_fork_unlock(void);
void pcm_percpu_fork_child(bool quiet);

#endif
