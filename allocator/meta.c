/*
 * meta.c - a bump pointer, and lists of what came back.
 */
#include "meta.h"

#include "sys.h"

#define UNIT 64u
#define CHUNK ((size_t)256 << 10) /* address space; pages come when touched */

struct pcm_lock pcm_meta_lock = PCM_LOCK_INIT(PCM_RANK_META);

/* All under pcm_meta_lock. */
static char *bump, *bump_end;
static size_t total;
static void *free_lists[PCM_META_MAX / UNIT + 1]; /* by units; linked */

static void *
cut_locked(size_t nbytes, size_t align)
{
	char *p = (char *)pcm_round_up((uintptr_t)bump, align);

	if (bump == NULL || p > bump_end || (size_t)(bump_end - p) < nbytes) {
		size_t chunk = pcm_round_up(nbytes > CHUNK ? nbytes : CHUNK,
					    pcm_sys_page);

		p = pcm_sys_map(chunk, pcm_sys_page);
		if (p == NULL && nbytes < CHUNK) {
			/* Little address space is left: take no more than this. */
			chunk = pcm_round_up(nbytes, pcm_sys_page);
			p = pcm_sys_map(chunk, pcm_sys_page);
		}
		if (p == NULL)
			return NULL;
		pcm_sys_forbid_huge(p, chunk);
		bump_end = p + chunk;
	}
	bump = p + nbytes;
	total += nbytes;
	return p;
}

void *
pcm_meta_alloc_forever(size_t nbytes, size_t align)
{
	void *p;

	pcm_lock(&pcm_meta_lock);
	p = cut_locked(nbytes, align);
	pcm_unlock(&pcm_meta_lock);
	return p;
}

void *
pcm_meta_alloc(size_t nbytes)
{
	size_t units = (nbytes + UNIT - 1) / UNIT;
	void **p;

	pcm_lock(&pcm_meta_lock);
	p = free_lists[units];
	if (p != NULL)
		free_lists[units] = *p;
	else
		p = cut_locked(units * UNIT, UNIT);
	pcm_unlock(&pcm_meta_lock);
	return p;
}

void
pcm_meta_free(void *p, size_t nbytes)
{
	size_t units = (nbytes + UNIT - 1) / UNIT;

	pcm_lock(&pcm_meta_lock);
	*(void **)p = free_lists[units];
	free_lists[units] = p;
	pcm_unlock(&pcm_meta_lock);
}

size_t
pcm_meta_bytes(void)
{
	size_t nbytes;

	pcm_lock(&pcm_meta_lock);
	nbytes = total;
	pcm_unlock(&pcm_meta_lock);
	return nbytes;
}
