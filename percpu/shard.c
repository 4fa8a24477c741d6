/*
 * shard.c - the fallback: the same slab, a lock instead of a section.
 *
 * The lock is held for a few loads and stores, and never across a system call; across
 * another lock only to make magazines outgoing.
 */
#include "shard.h"

#include "outgoing.h"

static struct pcm_shard shards[PCM_NSHARDS_MAX] PCM_TABLE("7");
static unsigned nshards = 1;
static atomic_uint next_thread;
static atomic_uint nready;

PCM_TLS struct pcm_shard_thread pcm_shard_thread;

/* The chosen shard is busy: take another, or wait for the chosen one. */
static PCM_COLD struct pcm_shard *
enter_slow(unsigned chosen, bool was_inside)
{
	struct pcm_shard_thread *self = &pcm_shard_thread;
	unsigned i, first = chosen != 0 ? chosen - 1 :
		atomic_fetch_add_explicit(&next_thread, 1,
					  memory_order_relaxed) % nshards;

	for (i = 0; i < nshards; i++) {
		unsigned n = (first + i) % nshards;

		if (pcm_shard_try_enter(&shards[n])) {
			self->chosen = (uint8_t)(n + 1);
			return &shards[n];
		}
	}
	if (was_inside)
		return NULL; /* one of them is held by this very thread */
	self->chosen = (uint8_t)(first + 1);
	pcm_lock(&shards[first].lock);
	return &shards[first];
}

static void
initialise(struct pcm_shard *s)
{
	unsigned w, stack;

	for (w = 0; w < PCM_NWORDS; w++)
		for (stack = 0; stack < PCM_NSTACKS; stack++)
			s->slab.word[stack][w] = PCM_MAG_NONE;
	s->ready = true;
	atomic_fetch_add_explicit(&nready, 1, memory_order_relaxed);
}

/* *was_inside goes to leave(): operations nest in signal handlers only. */
static struct pcm_shard *
enter(bool *was_inside)
{
	struct pcm_shard_thread *self = &pcm_shard_thread;
	unsigned chosen = self->chosen; /* read once: a TLS may be shared */
	struct pcm_shard *s = chosen != 0 ? &shards[chosen - 1] : NULL;

	*was_inside = self->inside;
	if (s == NULL || !pcm_shard_try_enter(s))
		s = enter_slow(chosen, *was_inside);
	if (s == NULL) {
		self->inside = *was_inside;
		return NULL;
	}
	if (!s->ready)
		initialise(s);
	self->mine = pcm_rseq_denied() ? s : NULL;
	return s;
}

bool
pcm_shard_pop(unsigned stack, void **obj)
{
	bool inside;
	struct pcm_shard *s = enter(&inside);

	return s != NULL && pcm_shard_pop_and_leave(s, inside, stack, obj);
}

bool
pcm_shard_push(unsigned stack, void *obj)
{
	bool inside;
	struct pcm_shard *s = enter(&inside);

	return s != NULL && pcm_shard_push_and_leave(s, inside, stack, obj);
}

void **
pcm_shard_exchange(enum pcm_slab_word which, unsigned stack, void **top)
{
	bool inside;
	struct pcm_shard *s = enter(&inside);
	void **old;

	if (s == NULL)
		return top; /* re-entrant: excluded by the contract */
	old = s->slab.word[stack][which];
	s->slab.word[stack][which] = top;
	pcm_shard_leave(s, inside);
	return old;
}

unsigned
pcm_shard_nready(void)
{
	return atomic_load_explicit(&nready, memory_order_relaxed);
}

bool
pcm_shard_inside(void)
{
	return pcm_shard_thread.inside;
}

/* All words, or those that are where they were at the last look. */
static void
drain_one(struct pcm_shard *s, bool idle)
{
	unsigned w, stack;

	/*
	 * A tick waits for nobody, and a vfork child must not wait: its parent may
	 * hold the shard.
	 */
	if (!idle && pcm_rseq_held == 0)
		pcm_lock(&s->lock);
	else if (!pcm_trylock(&s->lock))
		return;
	for (w = 0; s->ready && w < PCM_NWORDS; w++) {
		for (stack = 1; stack < PCM_NSTACKS; stack++) {
			void ***word = &s->slab.word[stack][w];

			if (*word != PCM_MAG_NONE &&
			    (!idle || *word == s->slab.seen[stack][w])) {
				pcm_outgoing_put(stack, *word);
				*word = PCM_MAG_NONE;
			}
			s->slab.seen[stack][w] = *word;
		}
	}
	pcm_unlock(&s->lock);
}

/* Where no shard was ever used, their memory is not touched. */
static void
drain(bool idle)
{
	unsigned i;

	if (pcm_shard_nready() == 0)
		return;
	for (i = 0; i < nshards; i++)
		drain_one(&shards[i], idle);
}

void
pcm_shard_drain(void)
{
	drain(false);
}

void
pcm_shard_drain_idle(void)
{
	drain(true);
}

void
pcm_shard_stats_add(struct pcm_percpu_stats *stats)
{
	unsigned i, w, stack;

	for (i = 0; i < nshards; i++) {
		struct pcm_shard *s = &shards[i];

		pcm_lock(&s->lock);
		stats->nshards += s->ready;
		for (w = 0; s->ready && w < PCM_NWORDS; w++)
			for (stack = 1; stack < PCM_NSTACKS; stack++)
				stats->nobjs[stack] += pcm_mag_count(
					s->slab.word[stack][w]);
		pcm_unlock(&s->lock);
	}
}

void
pcm_shard_init(unsigned n)
{
	unsigned i;

	nshards = n;
	for (i = 0; i < n; i++)
		pcm_lock_set_rank(&shards[i].lock, PCM_RANK_SHARD);
}

void
pcm_shard_fork_lock(void)
{
	unsigned i;

	for (i = 0; i < nshards; i++)
		pcm_lock_unchecked(&shards[i].lock);
}

void
pcm_shard_fork_unlock(void)
{
	unsigned i;

	for (i = nshards; i-- > 0;)
		pcm_unlock_unchecked(&shards[i].lock);
}

void
pcm_shard_fork_child(void)
{
	unsigned i;

	for (i = 0; i < nshards; i++)
		pcm_lock_reset(&shards[i].lock);
	pcm_shard_thread.inside = false;
}
