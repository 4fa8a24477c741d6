/*
 * magazine.c - the pools of magazines that serve no stack at the moment.
 */
#include "magazine.h"

#include "percpu.h"

const uintptr_t pcm_mag_dummy[2] = { 0, PCM_STACK_GUARD };

/* Behind pcm_lock_nsleeps: not on a line with what every malloc reads. */
struct pcm_lock pcm_mag_lock PCM_TABLE("0") = PCM_LOCK_INIT(PCM_RANK_MAGAZINE);

enum size {
	SMALL,
	LARGE,
	NSIZES,
};

static const size_t bytes[NSIZES] = { PCM_MAG_SMALL_BYTES, PCM_MAG_LARGE_BYTES };

/* Under pcm_mag_lock; linked through w[1] by base address. */
static void **pool[NSIZES];
static size_t nout;

static enum size
size_for(unsigned nslots)
{
	return nslots <= PCM_MAG_NSLOTS_SMALL ? SMALL : LARGE;
}

static enum size
size_of(void **top)
{
	return pcm_mag_mask(top) == PCM_MAG_SMALL_BYTES - 1 ? SMALL : LARGE;
}

/* Puts a page of fresh magazines into the pool. */
static void
grow_locked(enum size size)
{
	size_t at, nbytes = bytes[size];
	char *page = pcm_percpu_alloc(PCM_MAG_PAGE, PCM_MAG_PAGE);

	if (page == NULL)
		return;
	*(uintptr_t *)page = nbytes - 1;
	for (at = PCM_MAG_PAGE; at > 0; at -= nbytes) {
		void **base = (void **)(page + at - nbytes);

		base[nbytes / sizeof(void *) - 1] = (void *)PCM_STACK_GUARD;
		base[1] = pool[size];
		pool[size] = base;
	}
}

/* Empty, with so many slots, which it has room for. */
static void **
set_up(void **base, enum size size, unsigned nslots)
{
	void **top = base + bytes[size] / sizeof(void *) - 1 - nslots;

	__atomic_store_n(&base[2], (void *)(uintptr_t)nslots, __ATOMIC_RELAXED);
	top[-1] = NULL;
	return top;
}

void **
pcm_mag_new(unsigned nslots)
{
	enum size size = size_for(nslots);
	void **base;

	pcm_lock(&pcm_mag_lock);
	if (pool[size] == NULL)
		grow_locked(size);
	base = pool[size];
	if (base != NULL) {
		pool[size] = base[1];
		nout += bytes[size];
	}
	pcm_unlock(&pcm_mag_lock);
	return base == NULL ? PCM_MAG_NONE : set_up(base, size, nslots);
}

void **
pcm_mag_resize(void **top, unsigned nslots)
{
	enum size size = size_of(top);
	void **other;

	if (PCM_LIKELY(size == size_for(nslots)))
		return set_up(pcm_mag_base(top), size, nslots);
	other = pcm_mag_new(nslots);
	if (other == PCM_MAG_NONE) {
		if (nslots > PCM_MAG_SLOTS(bytes[size]))
			nslots = PCM_MAG_SLOTS(bytes[size]);
		return set_up(pcm_mag_base(top), size, nslots);
	}
	pcm_mag_delete(top);
	return other;
}

void
pcm_mag_delete(void **top)
{
	enum size size = size_of(top);
	void **base = pcm_mag_base(top);

	pcm_lock(&pcm_mag_lock);
	base[1] = pool[size];
	pool[size] = base;
	nout -= bytes[size];
	pcm_unlock(&pcm_mag_lock);
}

size_t
pcm_mag_bytes(void)
{
	size_t nbytes;

	pcm_lock(&pcm_mag_lock);
	nbytes = nout;
	pcm_unlock(&pcm_mag_lock);
	return nbytes;
}
