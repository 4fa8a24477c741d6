/*
 * descriptors.h - memory for descriptors of spans, by home.
 *
 * What a home frees waits there for its next span: it is in that CPU's cache, and takes
 * neither the lock nor the lists of all metadata (meta.h), which every CPU writes to. Lock:
 * PCM_RANK_DESCRIPTORS, one for each home, never two.
 */
#ifndef PCM_DESCRIPTORS_H
#define PCM_DESCRIPTORS_H

#include <stddef.h>

/* pcm_meta_alloc(), pcm_meta_free(), for any number of bytes that these are for. */
void *pcm_descriptor_alloc(size_t nbytes);
void pcm_descriptor_free(void *p, size_t nbytes);

/* What waits goes back to the metadata. At each tick, and before pages of it are released. */
void pcm_descriptor_drain(void);

void pcm_descriptor_fork_lock(void);
void pcm_descriptor_fork_unlock(void);
void pcm_descriptor_fork_child(void);

#endif
