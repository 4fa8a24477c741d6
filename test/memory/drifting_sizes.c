/*
 * A program whose sizes drift, up and down again, while most of its blocks die young
 * and some live for long: after millions of operations its resident memory is at most
 * LIMIT times what it holds, 1.20 times as a rule. If the page heap releases nothing it
 * is 2.3 times that, without ticks 3.2.
 */
#include "testing.h"

#include <math.h>
#include <time.h>

#define LIMIT 1.3

#define NSLOTS 50000
#define BUDGET (64 << 20)
#define PICKS 36000000
#define PICKS_AT_ONCE 65536
#define LEAST_MS 5000
#define PAGE 4096

/* Powers of two: where the middle of the sizes is, and how far they go from it. */
#define MIDDLE_LOW 10.0
#define MIDDLE_HIGH 14.0
#define SPREAD 2.0
#define PI 3.14159265358979323846

static struct slot {
	char *block;
	size_t nbytes;
} slots[NSLOTS];

static size_t live;
static uint64_t state;

static double uniform(void)
{
	return (double)(rnd(&state) >> 11) / (double)(1ull << 53);
}

static void put_block(struct slot *slot, double middle)
{
	double power = middle + SPREAD * (2 * uniform() - 1);
	size_t i;

	slot->nbytes = (size_t)exp2(power);
	slot->block = malloc(slot->nbytes);
	must(slot->block);
	for (i = 0; i < slot->nbytes; i += PAGE)
		slot->block[i] = (char)slot->nbytes;
	slot->block[slot->nbytes - 1] = (char)slot->nbytes;
	live += slot->nbytes;
}

static void free_block(struct slot *slot)
{
	must(slot->block[0] == (char)slot->nbytes);
	must(slot->block[slot->nbytes - 1] == (char)slot->nbytes);
	free(slot->block);
	slot->block = NULL;
	live -= slot->nbytes;
}

/* Slot r as often as 1 / (r + 1): what is in a slot lives for r log NSLOTS picks. */
static struct slot *any_slot(void)
{
	return &slots[(int)exp(uniform() * log(NSLOTS)) - 1];
}

/* A fast machine waits: memory goes back as time passes. */
static void keep_pace(const struct timespec *start, int i)
{
	struct timespec t = *start;

	t.tv_nsec += (long)((double)i / PICKS * LEAST_MS) % 1000 * 1000000;
	t.tv_sec += (long)((double)i / PICKS * LEAST_MS) / 1000;
	if (t.tv_nsec >= 1000000000) {
		t.tv_nsec -= 1000000000;
		t.tv_sec++;
	}
	clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL);
}

static void run(void)
{
	double middle = MIDDLE_LOW;
	struct timespec start;
	int i;

	clock_gettime(CLOCK_MONOTONIC, &start);

	for (i = 0; i < PICKS; i++) {
		struct slot *slot = any_slot();

		if (i % PICKS_AT_ONCE == 0) {
			middle = MIDDLE_LOW + (MIDDLE_HIGH - MIDDLE_LOW) *
				 (1 - cos(2 * PI * i / PICKS)) / 2;
			keep_pace(&start, i);
		}
		if (slot->block)
			free_block(slot);
		if (live < BUDGET)
			put_block(slot, middle);
	}
}

int main(void)
{
	size_t rss;

	testing_start(100);
	state = testing_seed();
	run();
	rss = testing_memory("VmRSS");
	printf("%zu KiB live, %zu KiB resident: %.2f\n", live / 1024,
	       rss / 1024, (double)rss / (double)live);
	must((double)rss <= LIMIT * (double)live);
	return 0;
}
