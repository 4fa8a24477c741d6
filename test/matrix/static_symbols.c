/*
 * dlsym() and dladdr() for programs that are linked statically with
 * libpcmalloc.a: the tests look pcmalloc's functions up by name, because they
 * otherwise run on a preloaded library. Everything belongs to one object here.
 */
#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

#include <pcmalloc/pcmalloc.h>

static const struct {
	const char *name;
	void *address;
} symbols[] = {
	{ "malloc", (void *)malloc },
	{ "pcm_mode", (void *)pcm_mode },
	{ "pcm_release", (void *)pcm_release },
	{ "pcm_rseq_state", (void *)pcm_rseq_state },
	{ "pcm_version", (void *)pcm_version },
};

void *dlsym(void *handle, const char *name)
{
	size_t i;

	(void)handle;
	for (i = 0; i < sizeof(symbols) / sizeof(*symbols); i++)
		if (strcmp(symbols[i].name, name) == 0)
			return symbols[i].address;
	return NULL;
}

int dladdr(const void *address, Dl_info *info)
{
	memset(info, 0, sizeof(*info));
	info->dli_fname = "the program";
	return address != NULL;
}
