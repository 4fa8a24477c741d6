/*
 * A cache that runs for long: keys after Zipf's law, values of a size each, a
 * budget in bytes, and the least recently used entry goes. The sizes of values
 * drift up and down again in the course of the run, so that what fitted the
 * first million of them does not fit the next. Each thread has a cache of its
 * own, as a server has that shards its keys.
 *
 * Prints also active_kib: resident memory with the cache full, at the end.
 */
#include "harness.h"

#include <math.h>

#define REQUESTS 2500000
#define BUDGET (24 << 20)
#define NKEYS 2000000
#define BUCKETS (1 << 16)
#define UPDATE_ONE_IN 16
#define CYCLES 2		/* of the drift */
#define SMALLEST_MEAN 64
#define LARGEST_MEAN 2048
#define PI 3.14159265358979323846

struct entry {
	struct entry *newer, *older;	/* by use */
	struct entry *chain;		/* of its bucket */
	char *value;
	uint32_t key;
	uint32_t nbytes;
};

static struct cache {
	struct entry **buckets;
	struct entry ends;		/* ends.older: the newest entry */
	int64_t used;
	uint64_t random;
	double mean;
} caches[HARNESS_MAX_THREADS];

static double log_nkeys;

static struct entry **bucket_of(struct cache *c, uint32_t key)
{
	return &c->buckets[key * 0x9e3779b1u >> 16 & (BUCKETS - 1)];
}

static struct entry *find(struct cache *c, uint32_t key)
{
	struct entry *e = *bucket_of(c, key);

	while (e != NULL && e->key != key)
		e = e->chain;
	return e;
}

static void unlink_entry(struct entry *e)
{
	e->newer->older = e->older;
	e->older->newer = e->newer;
}

static void link_newest(struct cache *c, struct entry *e)
{
	e->newer = &c->ends;
	e->older = c->ends.older;
	e->older->newer = e;
	c->ends.older = e;
}

/* Most values are near the mean, some are eight times as long. */
static uint32_t value_size(struct cache *c)
{
	uint32_t mean = (uint32_t)c->mean;

	if (measure_random(&c->random) % 32 == 0)
		mean *= 8;
	return (uint32_t)harness_between(&c->random, mean / 2, mean * 3 / 2);
}

static void set_value(struct cache *c, struct entry *e)
{
	e->nbytes = value_size(c);
	e->value = harness_get(e->nbytes, e->key);
	memset(e->value + sizeof(uint32_t), (int)e->key,
	       e->nbytes - 2 * sizeof(uint32_t));
	c->used += e->nbytes + (int64_t)sizeof(*e);
}

static void drop_value(struct cache *c, struct entry *e)
{
	if (e->value[e->nbytes / 2] != (char)e->key)
		measure_die("a value has lost its content");
	harness_put(e->value, e->nbytes, e->key);
	c->used -= e->nbytes + (int64_t)sizeof(*e);
}

static void evict(struct cache *c)
{
	struct entry *e = c->ends.newer;
	struct entry **at = bucket_of(c, e->key);

	while (*at != e)
		at = &(*at)->chain;
	*at = e->chain;
	unlink_entry(e);
	drop_value(c, e);
	free(e);
	harness_account(-(int64_t)sizeof(*e));
}

static void insert(struct cache *c, uint32_t key)
{
	struct entry *e = harness_got(malloc(sizeof(*e)), sizeof(*e));
	struct entry **bucket = bucket_of(c, key);

	e->key = key;
	e->chain = *bucket;
	*bucket = e;
	set_value(c, e);
	link_newest(c, e);
	while (c->used > BUDGET)
		evict(c);
}

/* Zipf's law with exponent 1: the logarithm of the rank is uniform. */
static uint32_t next_key(struct cache *c)
{
	double u = (double)(measure_random(&c->random) >> 11) / (1ull << 53);

	return (uint32_t)exp(u * log_nkeys);
}

static void request(struct cache *c)
{
	uint32_t key = next_key(c);
	struct entry *e = find(c, key);

	if (e == NULL) {
		insert(c, key);
		return;
	}
	unlink_entry(e);
	link_newest(c, e);
	if (measure_random(&c->random) % UPDATE_ONE_IN == 0) {
		drop_value(c, e);
		set_value(c, e);
	}
}

/* The mean as the run is at part 0 ... 1. */
static double mean_at(double part)
{
	double up = (1 - cos(2 * PI * CYCLES * part)) / 2;

	return SMALLEST_MEAN * pow((double)LARGEST_MEAN / SMALLEST_MEAN, up);
}

static void work(int index)
{
	struct cache *c = &caches[index];
	long n = harness_scaled(REQUESTS);

	for (long i = 0; i < n; i++) {
		if (i % 1024 == 0)
			c->mean = mean_at((double)i / (double)n);
		request(c);
		if (index == 0)
			harness_tick();
	}
}

static void empty(int index)
{
	struct cache *c = &caches[index];

	while (c->ends.newer != &c->ends)
		evict(c);
}

static void prepare(struct cache *c, int index)
{
	c->buckets = harness_map(BUCKETS * sizeof(*c->buckets));
	c->ends.newer = &c->ends;
	c->ends.older = &c->ends;
	c->random = harness_stream(index);
}

int main(int argc, char **argv)
{
	harness_options(argc, argv, 2, NULL);
	log_nkeys = log(NKEYS);
	for (int i = 0; i < harness.nthreads; i++)
		prepare(&caches[i], i);
	harness_start();
	harness_threads(work);
	harness_stop();
	harness_print("active_kib", measure_rss_kib());
	harness_start();
	harness_threads(empty);
	harness_stop();
	return harness_report();
}
