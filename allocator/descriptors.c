/*
 * descriptors.c - stacks of descriptors by home, bounded, that are empty after each tick.
 */
#include "descriptors.h"

#include <stdatomic.h>
#include <stdbool.h>

#include "compiler.h"
#include "lock.h"
#include "meta.h"
#include "percpu.h"

/*
 * Two sizes wait, those of spans of up to 128 blocks and of all others but few; of each, as
 * many as a long run of blocks frees spans.
 */
#define UNIT 64u
#define NSIZES 2u
#define MOST 64u

static struct stacks {
	struct pcm_lock lock;
	atomic_uchar n[NSIZES]; /* relaxed: whether a look under the lock is worth it */
	void *top[NSIZES]; /* linked through the first word */
} PCM_LINE_ALIGNED stacks[PCM_NHOMES] PCM_TABLE("0") = {
	[0 ... PCM_NHOMES - 1] = { .lock = PCM_LOCK_INIT(PCM_RANK_DESCRIPTORS) },
};

static unsigned
get_n(const struct stacks *s, unsigned i)
{
	return atomic_load_explicit(&s->n[i], memory_order_relaxed);
}

static void
set_n(struct stacks *s, unsigned i, unsigned n)
{
	atomic_store_explicit(&s->n[i], (unsigned char)n, memory_order_relaxed);
}

/* Its stack; NSIZES: none is for it. */
static unsigned
size_of(size_t nbytes)
{
	size_t i = (nbytes - 1) / UNIT;

	return i < NSIZES ? (unsigned)i : NSIZES;
}

static void *
pop_locked(struct stacks *s, unsigned i)
{
	void **p = s->top[i];

	if (p != NULL) {
		s->top[i] = *p;
		set_n(s, i, get_n(s, i) - 1);
	}
	return p;
}

static bool
push_locked(struct stacks *s, unsigned i, void *p)
{
	if (get_n(s, i) >= MOST)
		return false;
	*(void **)p = s->top[i];
	s->top[i] = p;
	set_n(s, i, get_n(s, i) + 1);
	return true;
}

void *
pcm_descriptor_alloc(size_t nbytes)
{
	struct stacks *s = &stacks[pcm_percpu_home()];
	unsigned i = size_of(nbytes);
	void *p = NULL;

	if (i < NSIZES && get_n(s, i) > 0) {
		pcm_lock(&s->lock);
		p = pop_locked(s, i);
		pcm_unlock(&s->lock);
	}
	return p != NULL ? p : pcm_meta_alloc(nbytes);
}

void
pcm_descriptor_free(void *p, size_t nbytes)
{
	struct stacks *s = &stacks[pcm_percpu_home()];
	unsigned i = size_of(nbytes);
	bool kept = false;

	if (i < NSIZES) {
		pcm_lock(&s->lock);
		kept = push_locked(s, i, p);
		pcm_unlock(&s->lock);
	}
	if (!kept)
		pcm_meta_free(p, nbytes);
}

static void
drain(struct stacks *s, unsigned i)
{
	void *p;

	while (get_n(s, i) > 0) {
		pcm_lock(&s->lock);
		p = pop_locked(s, i);
		pcm_unlock(&s->lock);
		if (p != NULL)
			pcm_meta_free(p, (i + 1) * UNIT);
	}
}

void
pcm_descriptor_drain(void)
{
	unsigned h, i;

	for (h = 0; h < PCM_NHOMES; h++)
		for (i = 0; i < NSIZES; i++)
			drain(&stacks[h], i);
}

/* ---- fork ---- */

static void
for_each_lock(void (*f)(struct pcm_lock *lock))
{
	unsigned h;

	for (h = 0; h < PCM_NHOMES; h++)
		f(&stacks[h].lock);
}

void
pcm_descriptor_fork_lock(void)
{
	for_each_lock(pcm_lock_unchecked);
}

void
pcm_descriptor_fork_unlock(void)
{
	for_each_lock(pcm_unlock_unchecked);
}

void
pcm_descriptor_fork_child(void)
{
	for_each_lock(pcm_lock_reset);
}
