/*
 * misuse.c - the diagnostics.
 */
#include "misuse.h"

#include <stdlib.h>

#include "compiler.h"
#include "text.h"

static const char *const descriptions[] = {
	[PCM_MISUSE_NEVER_ALLOCATED] = "pointer was never allocated",
	[PCM_MISUSE_INTERIOR] = "pointer into the middle of a block",
	[PCM_MISUSE_ALREADY_FREE] = "block is already free",
};

PCM_COLD _Noreturn void
pcm_misuse(const char *function, const void *p, enum pcm_misuse what)
{
	struct pcm_text text = { .len = 0 };

	pcm_text_str(&text, "pcmalloc: ");
	pcm_text_str(&text, function);
	pcm_text_str(&text, "(");
	pcm_text_hex(&text, (uint64_t)(uintptr_t)p);
	pcm_text_str(&text, "): ");
	pcm_text_str(&text, descriptions[what]);
	pcm_text_str(&text, "\n");
	pcm_text_write(&text, 2);
	abort();
}
