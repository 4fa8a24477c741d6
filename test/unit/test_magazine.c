/*
 * magazine: where slots, sentinel, guard and link lie, for every number of slots, in
 * magazines of both sizes; the pool.
 */
#include "percpu_lab.h"

#include "magazine.h"
#include "storm.h"

#include <pthread.h>

#define MANY 1000

static void setup(void)
{
	pcm_percpu_init(lab_alloc, 1);
}

static void *number(uintptr_t n)
{
	return (void *)n;
}

START_TEST(none)
{
	must(pcm_mag_full(PCM_MAG_NONE));
	must(pcm_mag_empty(PCM_MAG_NONE));
	must(pcm_mag_count(PCM_MAG_NONE) == 0);
}
END_TEST

static void must_lie_in(void **base, void **top, unsigned int n,
			unsigned int count)
{
	must(pcm_mag_base(top) == base);
	must(pcm_mag_count(top) == count);
	must(pcm_mag_empty(top) == (count == 0));
	must(pcm_mag_full(top) == (count == n));
}

static size_t bytes_for(unsigned int nslots)
{
	return nslots <= PCM_MAG_NSLOTS_SMALL ? PCM_MAG_SMALL_BYTES :
						PCM_MAG_LARGE_BYTES;
}

static void check_geometry(unsigned int n)
{
	unsigned int i;
	size_t nbytes = bytes_for(n);
	void **top = pcm_mag_new(n), **bottom = top, **base, **end;

	must(top != PCM_MAG_NONE);
	must(pcm_mag_bytes() == nbytes);
	base = (void **)((uintptr_t)top & ~(uintptr_t)(nbytes - 1));
	end = base + nbytes / sizeof(void *) - 1;
	must(top == end - n && pcm_mag_end(top) == end);
	must(top - base >= 4); /* mask, link, number, and sentinel fit below */
	must(pcm_mag_nslots(top) == n);
	must((void **)pcm_mag_link(top) == base + 1);
	*pcm_mag_link(top) = number(0xabc);
	for (i = 0; i < n; i++) {
		must_lie_in(base, top, n, i);
		pcm_mag_push(&top, number(i + 1));
		must(bottom[i] == number(i + 1));
	}
	must_lie_in(base, top, n, n);
	must(top == end && *top == (void *)PCM_STACK_GUARD);
	for (i = n; i > 0; i--) {
		must(pcm_mag_pop(&top) == number(i));
		must_lie_in(base, top, n, i - 1);
	}
	must(top == bottom && top[-1] == NULL);
	must(*pcm_mag_link(top) == number(0xabc));
	pcm_mag_delete(top);
}

START_TEST(geometry)
{
	unsigned int n;

	for (n = 1; n <= PCM_MAG_NSLOTS_MAX; n++)
		check_geometry(n);
}
END_TEST

/* The pool hands out the last one that came back: now with other slots. */
static void check_sentinel(unsigned int n)
{
	unsigned int most = PCM_MAG_SLOTS(bytes_for(n));
	void **a = pcm_mag_new(most), **b, **top = a;

	while (!pcm_mag_full(top))
		pcm_mag_push(&top, number(0x5555));
	while (!pcm_mag_empty(top))
		(void)pcm_mag_pop(&top);
	pcm_mag_delete(top);
	b = pcm_mag_new(n);
	must(pcm_mag_base(b) == pcm_mag_base(a));
	must(pcm_mag_empty(b));
	must(pcm_mag_count(b) == 0);
	pcm_mag_delete(b);
}

static void **fill_and_empty(void **top)
{
	unsigned int i;

	for (i = pcm_mag_nslots(top); i > 0; i--)
		pcm_mag_push(&top, number(0x5555));
	must(pcm_mag_full(top));
	while (!pcm_mag_empty(top))
		(void)pcm_mag_pop(&top);
	return top;
}

/* An empty one with other slots, whatever it had before: it stays if they fit. */
START_TEST(resized)
{
	unsigned int n, slots, before = PCM_MAG_NSLOTS_MAX;
	void **top = pcm_mag_new(before), **base = pcm_mag_base(top);

	for (n = 1; n <= 4 * PCM_MAG_NSLOTS_MAX; n++) {
		top = fill_and_empty(top);
		slots = n * 37 % PCM_MAG_NSLOTS_MAX + 1;
		top = pcm_mag_resize(top, slots);
		must((base == pcm_mag_base(top)) ==
		     (bytes_for(slots) == bytes_for(before)));
		base = pcm_mag_base(top);
		before = slots;
		must_lie_in(base, top, slots, 0);
		must(pcm_mag_bytes() == bytes_for(slots));
	}
	pcm_mag_delete(top);
	must(pcm_mag_bytes() == 0);
}
END_TEST

/* It stays what it is, with as many slots as it can have. */
START_TEST(resized_without_memory)
{
	void **small = pcm_mag_new(3), **large;

	atomic_store(&lab_no_memory, true);
	must(pcm_mag_resize(small, PCM_MAG_NSLOTS_MAX) + PCM_MAG_NSLOTS_SMALL ==
	     pcm_mag_end(small));
	must(pcm_mag_nslots(small) == PCM_MAG_NSLOTS_SMALL);
	must(pcm_mag_bytes() == PCM_MAG_SMALL_BYTES);
	atomic_store(&lab_no_memory, false);
	while (pcm_mag_new(1) != PCM_MAG_NONE) /* none is left in the pool */
		if (atomic_load(&lab_allocations) >= 2)
			atomic_store(&lab_no_memory, true);
	atomic_store(&lab_no_memory, false);
	large = pcm_mag_new(PCM_MAG_NSLOTS_MAX);
	must(large != PCM_MAG_NONE);
	atomic_store(&lab_no_memory, true);
	large = pcm_mag_resize(large, 5);
	must(large != PCM_MAG_NONE && pcm_mag_nslots(large) == 5);
	must(pcm_mag_end(large) - large == 5);
	(void)fill_and_empty(large);
}
END_TEST

START_TEST(sentinel_written_anew)
{
	unsigned int n;

	for (n = 1; n <= PCM_MAG_NSLOTS_MAX; n++)
		check_sentinel(n);
}
END_TEST

static int compare(const void *a, const void *b)
{
	uintptr_t x = *(const uintptr_t *)a, y = *(const uintptr_t *)b;

	return x < y ? -1 : x > y;
}

START_TEST(pool)
{
	static void **mags[MANY], **bases[MANY];
	unsigned long allocations;
	unsigned int i;
	size_t nbytes = 0;

	must(pcm_mag_bytes() == 0);
	for (i = 0; i < MANY; i++) {
		mags[i] = pcm_mag_new(1 + i % PCM_MAG_NSLOTS_MAX);
		must(mags[i] != PCM_MAG_NONE);
		bases[i] = pcm_mag_base(mags[i]);
		nbytes += bytes_for(1 + i % PCM_MAG_NSLOTS_MAX);
		must(pcm_mag_bytes() == nbytes);
	}
	qsort(bases, MANY, sizeof(bases[0]), compare);
	for (i = 1; i < MANY; i++)
		must((char *)bases[i] - (char *)bases[i - 1] >=
		     (ptrdiff_t)(pcm_mag_mask(bases[i - 1]) + 1));
	for (i = 0; i < MANY; i++)
		pcm_mag_delete(mags[i]);
	must(pcm_mag_bytes() == 0);
	allocations = atomic_load(&lab_allocations);
	for (i = 0; i < MANY; i++)
		must(pcm_mag_new(1 + i % PCM_MAG_NSLOTS_MAX) != PCM_MAG_NONE);
	must(atomic_load(&lab_allocations) == allocations);
}
END_TEST

START_TEST(no_memory)
{
	void **mag;

	atomic_store(&lab_no_memory, true);
	must(pcm_mag_new(10) == PCM_MAG_NONE);
	must(pcm_mag_bytes() == 0);
	atomic_store(&lab_no_memory, false);
	mag = pcm_mag_new(10);
	must(mag != PCM_MAG_NONE);
	pcm_mag_delete(mag);
	atomic_store(&lab_no_memory, true);
	must(pcm_mag_new(10) != PCM_MAG_NONE); /* from the pool */
}
END_TEST

/* Each thread owns what it was given: nobody else writes there. */
static void use_pool(unsigned int self)
{
	static __thread unsigned int round;
	unsigned int n = 1 + (self * 31 + round++) % PCM_MAG_NSLOTS_MAX, i;
	void **top = pcm_mag_new(n);

	must(top != PCM_MAG_NONE);
	for (i = 0; i < n; i++)
		pcm_mag_push(&top, number(self * 1000 + i + 1));
	for (i = n; i > 0; i--)
		must(pcm_mag_pop(&top) == number(self * 1000 + i));
	must(pcm_mag_empty(top));
	pcm_mag_delete(top);
}

START_TEST(pool_of_threads)
{
	struct storm storm = { .nthreads = storm_threads(),
			       .seconds = 0.5,
			       .work = use_pool };

	storm_run(&storm);
	must(pcm_mag_bytes() == 0);
}
END_TEST

int main(void)
{
	TCase *tests = unit_begin("magazine");

	tcase_add_checked_fixture(tests, setup, NULL);
	tcase_add_test(tests, none);
	tcase_add_test(tests, geometry);
	tcase_add_test(tests, sentinel_written_anew);
	tcase_add_test(tests, resized);
	tcase_add_test(tests, resized_without_memory);
	tcase_add_test(tests, pool);
	tcase_add_test(tests, no_memory);
	tcase_add_test(tests, pool_of_threads);
	return unit_end();
}
