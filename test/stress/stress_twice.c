/*
 * Duplicate-pointer stress: 4 threads per CPU churn a few size classes, so
 * that magazines overflow and underflow, and hand batches to each other.
 * Whoever receives an object claims it in two places:
 *
 *	in the object	every word holds its holder's tag
 *	in a table	an entry by address, which no stray write forges
 *
 * An object that is handed out while somebody holds it, or whose tag changes
 * while it is held, ends the run with the names of both holders. The first
 * half of the time the threads float and are moved between CPUs, the second
 * half all of them are bound to one CPU. Half of either, malloc_trim(0) is
 * called in a loop, which stops and drains the CPUs' slabs under them.
 */
#include "stress.h"

#include <malloc.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#define THREADS_PER_CPU 4
#define NCLASSES 5
#define MAX_HELD 900
#define BATCH 128
#define NMAILS 32
/* Trimming stops and starts again after so many trims and seconds. */
#define TRIMS 200
#define PAUSE_SECONDS 0.02
#define WORD sizeof(uint64_t)
/* Live bytes of one burst stay below this for the larger classes. */
#define BURST_BYTES ((size_t)1 << 20)

/* A tag: mark (from the seed), thread, operation. 0 = nobody. */
#define MARK_SHIFT 48
#define THREAD_SHIFT 36
#define THREAD_MASK 0xfffu
#define OP_MASK ((1ull << THREAD_SHIFT) - 1)

#define CLAIMS_PER_BUCKET 3

struct claim {
	uintptr_t p;
	uint64_t tag;
};

struct bucket {
	_Atomic(uint32_t) lock;
	uint32_t used;
	uint64_t lost;		/* claims that found no room */
	struct claim claims[CLAIMS_PER_BUCKET];
};

struct held {
	uint64_t *p;
	uint64_t tag;
	uint32_t nwords;
};

/* A batch on its way to another thread; busy is a try-lock. */
struct mail {
	_Atomic(bool) busy;
	unsigned count;
	struct held held[BATCH];
};

struct hoard {
	struct held held[MAX_HELD];
	unsigned count;
	uint64_t op;
};

static struct bucket *buckets;
static size_t nbuckets;
static struct mail *mails;
static uint64_t mark;
static size_t class_nbytes[NCLASSES];

static struct bucket *lock_bucket(uintptr_t p)
{
	struct bucket *b = &buckets[mix64(p) & (nbuckets - 1)];

	while (atomic_exchange_explicit(&b->lock, 1, memory_order_acquire))
		sched_yield();
	return b;
}

static void unlock_bucket(struct bucket *b)
{
	atomic_store_explicit(&b->lock, 0, memory_order_release);
}

static int tag_thread(uint64_t tag)
{
	return (int)(tag >> THREAD_SHIFT & THREAD_MASK);
}

_Noreturn __attribute__((cold))
static void twice(const struct held *h, uint64_t other, const char *where)
{
	stress_fail("%p (%zu bytes) was handed out twice: to thread %d "
		    "(operation %llu) and to thread %d (operation %llu), "
		    "seen in %s", (void *)h->p, h->nwords * WORD,
		    tag_thread(h->tag), (unsigned long long)(h->tag & OP_MASK),
		    tag_thread(other), (unsigned long long)(other & OP_MASK),
		    where);
}

static void claim_in_table(const struct held *h)
{
	struct bucket *b = lock_bucket((uintptr_t)h->p);

	for (uint32_t i = 0; i < b->used; i++)
		if (b->claims[i].p == (uintptr_t)h->p)
			twice(h, b->claims[i].tag, "the table");
	if (b->used < CLAIMS_PER_BUCKET)
		b->claims[b->used++] =
			(struct claim){ (uintptr_t)h->p, h->tag };
	else
		b->lost++;
	unlock_bucket(b);
}

static void unclaim_in_table(const struct held *h)
{
	struct bucket *b = lock_bucket((uintptr_t)h->p);
	uint32_t i = 0;

	while (i < b->used && b->claims[i].p != (uintptr_t)h->p)
		i++;
	if (i == b->used && b->lost == 0)
		stress_fail("the table has no claim on %p", (void *)h->p);
	if (i == b->used)
		b->lost--;
	else if (b->claims[i].tag != h->tag)
		twice(h, b->claims[i].tag, "the table");
	else
		b->claims[i] = b->claims[--b->used];
	unlock_bucket(b);
}

static bool is_tag(uint64_t word)
{
	return word >> MARK_SHIFT == mark;
}

/* The first word is swapped, so that of two claimers one sees the other. */
static void claim_in_object(const struct held *h)
{
	uint64_t old = __atomic_exchange_n(h->p, h->tag, __ATOMIC_ACQ_REL);

	if (is_tag(old))
		twice(h, old, "the object");
	for (uint32_t i = 1; i < h->nwords; i++)
		__atomic_store_n(&h->p[i], h->tag, __ATOMIC_RELAXED);
}

_Noreturn __attribute__((cold))
static void overwritten(const struct held *h, uint32_t i, uint64_t word)
{
	if (is_tag(word))
		stress_fail("word %u of %p (%zu bytes, thread %d, operation "
			    "%llu) holds the tag of thread %d, operation %llu",
			    i, (void *)h->p, h->nwords * WORD,
			    tag_thread(h->tag),
			    (unsigned long long)(h->tag & OP_MASK),
			    tag_thread(word),
			    (unsigned long long)(word & OP_MASK));
	stress_fail("word %u of %p (%zu bytes, thread %d, operation %llu) was "
		    "overwritten with 0x%llx", i, (void *)h->p,
		    h->nwords * WORD, tag_thread(h->tag),
		    (unsigned long long)(h->tag & OP_MASK),
		    (unsigned long long)word);
}

/* Leaves 0 in every word: a tag in free memory would look like a holder. */
static void unclaim_in_object(const struct held *h)
{
	for (uint32_t i = 0; i < h->nwords; i++) {
		uint64_t old = __atomic_exchange_n(&h->p[i], 0,
						   __ATOMIC_ACQ_REL);

		if (old != h->tag)
			overwritten(h, i, old);
	}
}

static void take(struct hoard *hoard, size_t nbytes)
{
	struct held *h = &hoard->held[hoard->count++];

	h->p = malloc(nbytes);
	if (h->p == NULL)
		stress_fail("malloc of %zu bytes gave NULL", nbytes);
	h->nwords = (uint32_t)(nbytes / WORD);
	h->tag = mark << MARK_SHIFT |
		 (uint64_t)stress_thread << THREAD_SHIFT |
		 (++hoard->op & OP_MASK);
	claim_in_table(h);
	claim_in_object(h);
}

static void give_back(const struct held *h)
{
	unclaim_in_table(h);
	unclaim_in_object(h);
	free(h->p);
}

static void shed_oldest(struct hoard *hoard, unsigned keep)
{
	unsigned gone = hoard->count - keep;

	for (unsigned i = 0; i < gone; i++)
		give_back(&hoard->held[i]);
	memmove(hoard->held, hoard->held + gone, keep * sizeof(struct held));
	hoard->count = keep;
}

/* Frees down to keep objects: the oldest, the newest, or any first. */
static void shed(struct hoard *hoard, struct rng *r, unsigned keep)
{
	size_t order = rng_below(r, 3);

	hoard->op += hoard->count - keep;
	if (order == 0)
		shed_oldest(hoard, keep);
	while (hoard->count > keep) {
		unsigned i = hoard->count - 1;

		if (order == 1)
			i = (unsigned)rng_below(r, hoard->count);
		give_back(&hoard->held[i]);
		hoard->held[i] = hoard->held[--hoard->count];
	}
}

static void post(struct hoard *hoard, struct mail *m)
{
	while (hoard->count > 0 && m->count < BATCH)
		m->held[m->count++] = hoard->held[--hoard->count];
}

static void collect(struct hoard *hoard, struct mail *m)
{
	while (m->count > 0 && hoard->count < MAX_HELD)
		hoard->held[hoard->count++] = m->held[--m->count];
}

static void exchange_mail(struct hoard *hoard, struct rng *r)
{
	struct mail *m = &mails[rng_below(r, NMAILS)];

	if (atomic_exchange_explicit(&m->busy, true, memory_order_acquire))
		return;
	if (m->count == 0)
		post(hoard, m);
	else
		collect(hoard, m);
	atomic_store_explicit(&m->busy, false, memory_order_release);
}

static void burst(struct hoard *hoard, struct rng *r)
{
	size_t nbytes = class_nbytes[rng_below(r, NCLASSES)];
	size_t count = rng_below(r, MAX_HELD);

	if (count > BURST_BYTES / nbytes)
		count = BURST_BYTES / nbytes;
	while (count-- > 0 && hoard->count < MAX_HELD)
		take(hoard, nbytes);
}

/* The tightest case: pop and push of one class, nothing in between. */
static void ping_pong(struct hoard *hoard, struct rng *r)
{
	size_t nbytes = class_nbytes[rng_below(r, NCLASSES - 1)];

	if (hoard->count == MAX_HELD)
		return;
	for (size_t i = rng_below(r, 200); i > 0; i--) {
		take(hoard, nbytes);
		give_back(&hoard->held[--hoard->count]);
	}
}

static void trim(void)
{
	while (stress_running()) {
		for (int i = 0; i < TRIMS && stress_running(); i++)
			malloc_trim(0);
		stress_sleep(PAUSE_SECONDS);
	}
}

static void churn(struct worker *w)
{
	static __thread struct hoard hoard;
	struct rng *r = &w->rng;

	while (stress_running()) {
		burst(&hoard, r);
		exchange_mail(&hoard, r);
		ping_pong(&hoard, r);
		shed(&hoard, r, (unsigned)rng_below(r, hoard.count + 1));
		exchange_mail(&hoard, r);
	}
	shed(&hoard, r, 0);
	w->nops = hoard.op;
}

static void run(struct worker *w)
{
	if (w->index == 0)
		trim();
	else
		churn(w);
}

static void empty_mails(void)
{
	for (unsigned i = 0; i < NMAILS; i++)
		while (mails[i].count > 0)
			give_back(&mails[i].held[--mails[i].count]);
}

static void set_up(unsigned nthreads)
{
	struct rng r = { .state = stress_seed() };
	size_t most = nthreads * MAX_HELD + NMAILS * BATCH;

	/* Four buckets an object keep the buckets almost free of clashes. */
	for (nbuckets = 1024; nbuckets < 4 * most;)
		nbuckets *= 2;
	buckets = stress_memory(nbuckets * sizeof(*buckets));
	mails = stress_memory(NMAILS * sizeof(*mails));
	/* The top bit keeps tags apart from addresses and small numbers. */
	mark = 0x8000 | (rng_next(&r) & 0x7fff);
	for (unsigned i = 0; i < NCLASSES - 1; i++)
		class_nbytes[i] = WORD << rng_below(&r, 8);
	/* One class with short magazines. */
	class_nbytes[NCLASSES - 1] = (size_t)4096 << rng_below(&r, 4);
}

static uint64_t floating(struct worker *w, unsigned n)
{
	struct prodder prodder = { .workers = w, .nworkers = n,
				   .migrate = true,
				   .signo = { SIGUSR1, SIGUSR1 } };
	uint64_t nops;

	prod_start(&prodder);
	nops = stress_run(w, n, stress_seconds() / 2, run, NULL);
	prod_stop(&prodder);
	return nops;
}

static uint64_t on_one_cpu(struct worker *w, unsigned n)
{
	struct prodder prodder = { .workers = w, .nworkers = n,
				   .signo = { SIGUSR1, SIGUSR1 } };
	cpu_set_t set;
	uint64_t nops;

	/* The prodder starts first and stays on all CPUs. */
	memset(w, 0, n * sizeof(*w));
	prod_start(&prodder);
	CPU_ZERO(&set);
	CPU_SET(stress_cpu((unsigned)stress_seed()), &set);
	sched_setaffinity(0, sizeof(set), &set);
	nops = stress_run(w, n, stress_seconds() / 2, run, NULL);
	prod_stop(&prodder);
	return nops;
}

static void on_signal(int signo)
{
	(void)signo;
}

int main(void)
{
	/* The handler does nothing: the signal itself aborts a section. */
	struct sigaction act = { .sa_handler = on_signal,
				 .sa_flags = SA_RESTART };
	struct worker *workers;
	unsigned n;
	uint64_t nops;

	stress_start("stress_twice");
	/* Thread 0 trims. */
	n = 1 + THREADS_PER_CPU * stress_ncpus();
	set_up(n);
	sigaction(SIGUSR1, &act, NULL);
	workers = stress_memory(n * sizeof(*workers));
	nops = floating(workers, n);
	nops += on_one_cpu(workers, n);
	empty_mails();
	return stress_finish(nops);
}
