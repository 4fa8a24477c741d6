/*
 * A program that has freed much and goes on with a few small blocks is small again soon,
 * by whichever function it allocates them.
 */
#include "hoard.h"

#include <dlfcn.h>
#include <stdlib.h>
#include <time.h>

#define FULL (64 * MIB)
#define BLOCK 1000
#define NBLOCKS (FULL / BLOCK)
#define SMALL (16 * MIB) /* resident afterwards, at most */
#define MOST_MS 5000
#define NBYTES 64

static void *by_malloc(void)
{
	return malloc(NBYTES);
}

static void *by_malloc_coarse(void)
{
	return malloc(3000);
}

static void *by_calloc(void)
{
	return calloc(1, NBYTES);
}

static void *by_realloc(void)
{
	return realloc(NULL, NBYTES);
}

static void *by_realloc_that_moves(void)
{
	return realloc(malloc(NBYTES / 4), NBYTES);
}

static void *by_aligned_alloc(void)
{
	return aligned_alloc(NBYTES, NBYTES);
}

static void *by_posix_memalign(void)
{
	void *p;

	return posix_memalign(&p, NBYTES, NBYTES) == 0 ? p : NULL;
}

static void *(*new)(size_t nbytes);
static void *(*new_aligned)(size_t nbytes, size_t align);
static void *(*new_aligned_nothrow)(size_t nbytes, size_t align, const void *tag);

static void *(*mallocx)(size_t nbytes, int flags);

static void *by_mallocx(void)
{
	return mallocx(NBYTES, 0);
}

static void *by_new(void)
{
	return new(NBYTES);
}

static void *by_new_aligned(void)
{
	return new_aligned(NBYTES, NBYTES);
}

static void *by_new_hardly_aligned(void)
{
	return new_aligned(NBYTES, 8);
}

static void *by_new_aligned_nothrow(void)
{
	return new_aligned_nothrow(NBYTES, NBYTES, "");
}

static const struct {
	const char *name;
	void *(*get)(void);
} ways[] = {
	{ "malloc", by_malloc },
	{ "malloc of 3000 bytes", by_malloc_coarse },
	{ "calloc", by_calloc },
	{ "realloc", by_realloc },
	{ "realloc that moves", by_realloc_that_moves },
	{ "aligned_alloc", by_aligned_alloc },
	{ "posix_memalign", by_posix_memalign },
	{ "mallocx", by_mallocx },
	{ "new", by_new },
	{ "new, aligned", by_new_aligned },
	{ "new, aligned to 8", by_new_hardly_aligned },
	{ "new, aligned, nothrow", by_new_aligned_nothrow },
};

static void fill_and_free(void **blocks)
{
	size_t i;

	for (i = 0; i < NBLOCKS; i++) {
		blocks[i] = malloc(BLOCK);
		must(blocks[i] != NULL);
		memset(blocks[i], 1, BLOCK);
	}
	must(testing_memory("VmRSS") >= FULL);
	for (i = 0; i < NBLOCKS; i++)
		free(blocks[i]);
}

static void pair(void *(*get)(void))
{
	void *p = get();

	must(p != NULL);
	free(p);
}

static void go_on(const char *name, void *(*get)(void))
{
	const struct timespec a_ms = { 0, 1000000 };
	int ms;

	for (ms = 0; ms < 200; ms++)
		pair(get); /* its magazines have what it needs */
	for (ms = 0; ms < MOST_MS && testing_memory("VmRSS") > SMALL; ms++) {
		pair(get);
		nanosleep(&a_ms, NULL);
	}
	printf("%s: %zu KiB resident after %d pairs\n", name,
	       testing_memory("VmRSS") / KIB, ms);
	must(testing_memory("VmRSS") <= SMALL);
}

int main(void)
{
	void **blocks = calloc(NBLOCKS, sizeof(*blocks));
	size_t i;

	testing_start(100);
	must(blocks != NULL);
	*(void **)&mallocx = dlsym(RTLD_DEFAULT, "mallocx");
	*(void **)&new = dlsym(RTLD_DEFAULT, "_Znwm");
	*(void **)&new_aligned =
		dlsym(RTLD_DEFAULT, "_ZnwmSt11align_val_t");
	*(void **)&new_aligned_nothrow =
		dlsym(RTLD_DEFAULT, "_ZnwmSt11align_val_tRKSt9nothrow_t");
	must(mallocx != NULL && new != NULL);
	must(new_aligned != NULL && new_aligned_nothrow != NULL);
	for (i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
		fill_and_free(blocks);
		go_on(ways[i].name, ways[i].get);
	}
	free(blocks);
	return 0;
}
