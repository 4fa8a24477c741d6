/*
 * A small malloc with faults to order, for the self-test of the stress
 * programs: preloaded, it must pass them with no fault and must fail them
 * with each fault. Environment: BROKEN=FAULT,
 *
 *	none	no fault
 *	twice	malloc hands out a block and leaves it on the free list
 *	corrupt	malloc flips a bit of the block handed out before
 *	dirty	calloc does not clear
 *	short	realloc forgets the last byte
 *	usable	malloc_usable_size promises 32 bytes too many
 *	align	aligned blocks are aligned to 16 only
 *	race	free lists by CPU, used without lock or restart
 *	fork	the lock is not released in a forked child
 *	leak	blocks up to 16 KiB are never freed
 *
 * twice, corrupt, dirty, short and align happen once in PERIOD calls, after
 * WARM_UP calls that let programs start.
 *
 * A block has 2^class bytes, is aligned to them, and returns to the free list
 * of its class. What describes it stands apart, out of the reach of programs,
 * one struct meta per 64 bytes of arena. One spinlock guards everything.
 */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define EXPORT __attribute__((visibility("default")))
#define ARENA_NBYTES ((size_t)16 << 30)
#define ARENA_ALIGN ((size_t)64 << 20)
#define MIN_CLASS 6
#define NCLASSES 40
#define NCPUS 1024
#define PERIOD 997
#define WARM_UP 2000
#define OVERSTATED 32
#define MISALIGNED 16
#define LEAK_CLASS 14

enum fault {
	NONE, TWICE, CORRUPT, DIRTY, SHORT, USABLE, ALIGN, RACE, FORK, LEAK,
	NFAULTS
};

static const char *const fault_names[NFAULTS] = {
	"none", "twice", "corrupt", "dirty", "short", "usable", "align",
	"race", "fork", "leak",
};

struct meta {
	struct meta *next;	/* on the free list */
	size_t n;		/* as asked for */
	unsigned class;
	bool live;
};

struct list {
	struct meta *first;
};

static struct list lists[NCLASSES];
static struct list cpu_lists[NCPUS][NCLASSES];
static atomic_flag lock = ATOMIC_FLAG_INIT;
static unsigned char *arena;
static struct meta *metas;
static _Atomic(size_t) arena_used;
static _Atomic(unsigned long) ncalls;
static struct meta *before;
static enum fault fault;

static void acquire(void)
{
	if (fault == RACE)
		return;
	while (atomic_flag_test_and_set_explicit(&lock, memory_order_acquire))
		sched_yield();
}

static void release(void)
{
	if (fault != RACE)
		atomic_flag_clear_explicit(&lock, memory_order_release);
}

static void release_in_child(void)
{
	if (fault != FORK)
		release();
}

static void *map(size_t nbytes)
{
	void *p = mmap(NULL, nbytes, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (p == MAP_FAILED)
		abort();
	return p;
}

static void set_up(void)
{
	const char *text = getenv("BROKEN");
	uintptr_t start = (uintptr_t)map(ARENA_NBYTES + ARENA_ALIGN);

	for (int i = 0; i < NFAULTS && text != NULL; i++)
		if (strcmp(text, fault_names[i]) == 0)
			fault = (enum fault)i;
	metas = map((ARENA_NBYTES >> MIN_CLASS) * sizeof(struct meta));
	start = (start + ARENA_ALIGN - 1) & ~(ARENA_ALIGN - 1);
	arena = (unsigned char *)start;
}

__attribute__((constructor))
static void set_up_fork(void)
{
	pthread_atfork(acquire, release, release_in_child);
}

/* True once in PERIOD calls. */
static bool due(enum fault which)
{
	unsigned long n;

	if (fault != which)
		return false;
	n = atomic_fetch_add_explicit(&ncalls, 1, memory_order_relaxed);
	return n > WARM_UP && n % PERIOD == 0;
}

static struct meta *meta_of(void *p)
{
	return &metas[(size_t)((unsigned char *)p - arena) >> MIN_CLASS];
}

static void *block_of(struct meta *m)
{
	return arena + ((size_t)(m - metas) << MIN_CLASS);
}

static struct list *list_of(unsigned class)
{
	if (fault == RACE)
		return &cpu_lists[sched_getcpu() % NCPUS][class];
	return &lists[class];
}

static struct meta *carve(unsigned class)
{
	size_t nbytes = (size_t)1 << class;
	size_t at = atomic_load(&arena_used);
	size_t start;

	do {
		start = (at + nbytes - 1) & ~(nbytes - 1);
		if (start + nbytes > ARENA_NBYTES)
			return NULL;
	} while (!atomic_compare_exchange_weak(&arena_used, &at,
					       start + nbytes));
	meta_of(arena + start)->class = class;
	return meta_of(arena + start);
}

static struct meta *pop(unsigned class)
{
	struct list *list = list_of(class);
	struct meta *m = list->first;

	if (m == NULL)
		return carve(class);
	if (!due(TWICE))
		list->first = m->next;
	return m;
}

static void push(struct meta *m)
{
	struct list *list = list_of(m->class);

	m->next = list->first;
	list->first = m;
}

static unsigned class_of(size_t n)
{
	unsigned class = MIN_CLASS;

	while (((size_t)1 << class) < n)
		class++;
	return class;
}

/* Flips a bit in the block that was handed out before this one. */
static void corrupt(struct meta *m)
{
	if (due(CORRUPT) && before != NULL && before->live && before->n > 0)
		*(unsigned char *)block_of(before) ^= 0x10;
	before = m;
}

EXPORT void *malloc(size_t n)
{
	struct meta *m = NULL;

	if (arena == NULL)
		set_up();
	acquire();
	if (n <= ARENA_NBYTES / 2)
		m = pop(class_of(n));
	if (m != NULL) {
		m->live = true;
		m->n = n;
	}
	if (fault == CORRUPT)
		corrupt(m);
	release();
	if (m != NULL)
		return block_of(m);
	errno = ENOMEM;
	return NULL;
}

EXPORT void free(void *p)
{
	struct meta *m;

	if (p == NULL)
		return;
	acquire();
	m = meta_of(p);
	m->live = false;
	if (fault != LEAK || m->class > LEAK_CLASS)
		push(m);
	release();
}

EXPORT size_t malloc_usable_size(void *p)
{
	struct meta *m;

	if (p == NULL)
		return 0;
	m = meta_of(p);
	if (fault == USABLE)
		return ((size_t)1 << m->class) + OVERSTATED;
	return ((size_t)1 << m->class) - ((uintptr_t)p & (MISALIGNED));
}

EXPORT void *calloc(size_t n, size_t size)
{
	size_t nbytes;
	void *p;

	if (__builtin_mul_overflow(n, size, &nbytes)) {
		errno = ENOMEM;
		return NULL;
	}
	p = malloc(nbytes);
	if (p != NULL && !due(DIRTY))
		memset(p, 0, nbytes);
	return p;
}

EXPORT void *realloc(void *old, size_t n)
{
	size_t usable, ncopied;
	void *p;

	if (old == NULL)
		return malloc(n);
	if (n == 0) {
		free(old);
		return NULL;
	}
	p = malloc(n);
	if (p == NULL)
		return NULL;
	usable = malloc_usable_size(old);
	ncopied = n < usable ? n : usable;
	if (due(SHORT))
		ncopied--;
	memcpy(p, old, ncopied);
	free(old);
	return p;
}

EXPORT void *reallocarray(void *old, size_t n, size_t size)
{
	size_t nbytes;

	if (__builtin_mul_overflow(n, size, &nbytes)) {
		errno = ENOMEM;
		return NULL;
	}
	return realloc(old, nbytes);
}

EXPORT void *memalign(size_t align, size_t n)
{
	unsigned char *p = malloc(n > align ? n : align);

	if (p != NULL && align > MISALIGNED && due(ALIGN))
		p += MISALIGNED;
	return p;
}

EXPORT void *aligned_alloc(size_t align, size_t n)
{
	return memalign(align, n);
}

EXPORT int posix_memalign(void **out, size_t align, size_t n)
{
	void *p = memalign(align, n);

	if (p == NULL)
		return ENOMEM;
	*out = p;
	return 0;
}
