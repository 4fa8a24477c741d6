/*
 * magazine.c - the pool of magazines that serve no stack at the moment.
 */
#include "magazine.h"

#include "percpu.h"

/* Magazines asked for at a time: one page of memory. */
#define BATCH 4

void *const pcm_mag_dummy[PCM_MAG_WORDS]
	__attribute__((aligned(PCM_MAG_BYTES))) = { NULL };

/* Not on a line with what every malloc reads. */
struct pcm_lock pcm_mag_lock PCM_LINE_ALIGNED = PCM_LOCK_INIT(PCM_RANK_MAGAZINE);

/* Under pcm_mag_lock; linked through w[0] by base address. */
static void **pool;
static size_t nout;

/* Puts BATCH fresh magazines into the pool. */
static void
grow_locked(void)
{
	char *memory = pcm_percpu_alloc(BATCH * PCM_MAG_BYTES, PCM_MAG_BYTES);
	int i;

	if (memory == NULL)
		return;
	for (i = BATCH - 1; i >= 0; i--) {
		void **base = (void **)(memory + i * PCM_MAG_BYTES);

		base[0] = pool;
		pool = base;
	}
}

void **
pcm_mag_new(unsigned nslots)
{
	void **base;

	pcm_lock(&pcm_mag_lock);
	if (pool == NULL)
		grow_locked();
	base = pool;
	if (base != NULL) {
		pool = base[0];
		nout++;
	}
	pcm_unlock(&pcm_mag_lock);
	if (base == NULL)
		return PCM_MAG_NONE;
	return pcm_mag_resize(base + PCM_MAG_WORDS, nslots);
}

void
pcm_mag_delete(void **top)
{
	void **base = pcm_mag_base(top);

	pcm_lock(&pcm_mag_lock);
	base[0] = pool;
	pool = base;
	nout--;
	pcm_unlock(&pcm_mag_lock);
}

size_t
pcm_mag_bytes(void)
{
	size_t nbytes;

	pcm_lock(&pcm_mag_lock);
	nbytes = nout * PCM_MAG_BYTES;
	pcm_unlock(&pcm_mag_lock);
	return nbytes;
}
