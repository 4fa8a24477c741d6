/*
 * malloc and free: sizes, alignment, content, errno.
 */
#include "suite.h"

#define SWEEP_MAX ((size_t)300 * 1024)
#define WINDOW 64

struct live {
	unsigned char *p;
	size_t n;
	uint64_t seed;
};

static size_t natural_alignment(size_t n)
{
	return n <= 8 ? 8 : 16;
}

/* Puts a new block of @n bytes in the place of the oldest of the window. */
static void replace(struct live *slot, size_t n, uint64_t seed)
{
	if (slot->p)
		ck_assert_msg(filled(slot->p, slot->n, slot->seed),
			      "a block of %zu bytes changed", slot->n);
	free(slot->p);
	slot->p = malloc(n);
	slot->n = n;
	slot->seed = seed;
	ck_assert_ptr_nonnull(slot->p);
	ck_assert_msg((uintptr_t)slot->p % natural_alignment(n) == 0,
		      "malloc(%zu) = %p", n, (void *)slot->p);
	fill(slot->p, n, seed);
}

static void sweep(size_t from, size_t to, size_t step)
{
	static struct live window[WINDOW];
	size_t n, turn = 0, i;

	for (n = from; n <= to; n += step, turn++)
		replace(&window[turn % WINDOW], n, rnd(&(uint64_t){ n }));
	for (i = 0; i < WINDOW; i++) {
		replace(&window[i], 0, 0);
		free(window[i].p);
		window[i].p = NULL;
	}
}

START_TEST(every_size_to_4_kib)
{
	sweep(0, 4096, 1);
	sweep(0, 4096, 1);
}
END_TEST

START_TEST(sizes_to_300_kib)
{
	sweep(4096, 40000, 7);
	sweep(32768, SWEEP_MAX, 509);
	sweep(1, SWEEP_MAX, 1021);
}
END_TEST

/* One byte below, at and above every multiple of 1/8 of a power of two. */
START_TEST(sizes_around_class_borders)
{
	size_t power, eighth;

	for (power = 64; power <= 8 * MIB; power *= 2)
		for (eighth = 0; eighth < 8; eighth++) {
			size_t n = power + eighth * power / 8;

			sweep(n - 1, n + 1, 1);
		}
}
END_TEST

START_TEST(large_sizes)
{
	uint64_t state = testing_seed();
	size_t i;

	for (i = 0; i < 200; i++) {
		size_t n = rnd_between(&state, 256 * KIB, 6 * MIB);

		sweep(n, n, 1);
	}
	sweep(64 * MIB, 64 * MIB + 1, 1);
}
END_TEST

START_TEST(of_zero_is_unique)
{
	void *p[1000];
	size_t i, k;

	for (i = 0; i < 1000; i++) {
		p[i] = malloc(0);
		ck_assert_ptr_nonnull(p[i]);
	}
	for (i = 0; i < 1000; i++)
		for (k = 0; k < i; k++)
			ck_assert_ptr_ne(p[i], p[k]);
	for (i = 0; i < 1000; i++)
		free(p[i]);
}
END_TEST

/* All blocks of one size at once: none may share a byte with another. */
static void many_of(size_t n, size_t count)
{
	unsigned char **p = calloc(count, sizeof(*p));
	size_t i;

	for (i = 0; i < count; i++) {
		p[i] = malloc(n);
		ck_assert_ptr_nonnull(p[i]);
		fill(p[i], n, n * 1000003 + i);
	}
	for (i = 0; i < count; i++)
		ck_assert_msg(filled(p[i], n, n * 1000003 + i),
			      "block %zu of %zu bytes changed", i, n);
	for (i = 0; i < count; i += 2)
		free(p[i]);
	for (i = 1; i < count; i += 2)
		ck_assert(filled(p[i], n, n * 1000003 + i));
	for (i = count; i-- > 0;)
		if (i % 2)
			free(p[i]);
	free(p);
}

START_TEST(many_at_once)
{
	static const size_t size[] = {
		1,     8,     9,     16,    24,	   32,	   48,	   64,
		80,    100,   128,   200,   256,   500,	   1000,   1024,
		2000,  4096,  8192,  9000,  16384, 30000,  34816,  65536,
		131072, 172032, 262144, 262145, 500000,
	};
	size_t i;

	for (i = 0; i < sizeof(size) / sizeof(size[0]); i++) {
		size_t count = 8 * MIB / size[i];

		many_of(size[i], count > 20000 ? 20000 : count);
	}
}
END_TEST

START_TEST(random_sizes_and_lifetimes)
{
	static struct live block[2000];
	uint64_t state = testing_seed();
	size_t i, turn;

	for (turn = 0; turn < 200000; turn++) {
		size_t bits = rnd_between(&state, 1, turn % 64 ? 11 : 18);

		i = rnd_between(&state, 0, 1999);
		replace(&block[i], rnd(&state) & (((size_t)1 << bits) - 1),
			rnd(&state));
	}
	for (i = 0; i < 2000; i++) {
		replace(&block[i], 0, 0);
		free(block[i].p);
	}
}
END_TEST

static void expect_no_memory(size_t n)
{
	errno = 0;
	ck_assert_msg(malloc(opaque_size(n)) == NULL, "malloc(%zx)", n);
	ck_assert_msg(errno == ENOMEM, "malloc(%zx): errno %d", n, errno);
}

START_TEST(of_more_than_ptrdiff_max_fails)
{
	static const size_t page = 4096;

	expect_no_memory(SIZE_MAX);
	expect_no_memory(SIZE_MAX - 1);
	expect_no_memory(SIZE_MAX - 15);
	expect_no_memory(SIZE_MAX - page);
	expect_no_memory(SIZE_MAX - 2 * MIB);
	expect_no_memory((size_t)PTRDIFF_MAX + 1);
	expect_no_memory((size_t)PTRDIFF_MAX + page);
	/* Legal, but more than an address space holds. */
	expect_no_memory(PTRDIFF_MAX);
	expect_no_memory(PTRDIFF_MAX - page);
	expect_no_memory((size_t)1 << 62);
	expect_no_memory((size_t)1 << 48);
	free(malloc(100));
}
END_TEST

START_TEST(keeps_errno_when_it_succeeds)
{
	size_t n;

	for (n = 1; n < 300 * MIB; n = n * 3 + 1) {
		void *p;

		errno = 4711;
		p = malloc(n);
		ck_assert_ptr_nonnull(p);
		ck_assert_msg(errno == 4711, "malloc(%zu): errno %d", n, errno);
		free(p);
		ck_assert_msg(errno == 4711, "free of %zu: errno %d", n, errno);
	}
}
END_TEST

START_TEST(free_keeps_errno)
{
	static void *p[20000];
	size_t i;

	for (i = 0; i < 20000; i++)
		p[i] = malloc(i % 32 ? i % 3000 : i * 30);
	errno = 4711;
	for (i = 0; i < 20000; i++) {
		free(p[i]);
		ck_assert_int_eq(errno, 4711);
	}
	free(NULL);
	ck_assert_int_eq(errno, 4711);
}
END_TEST

START_TEST(free_sized_frees)
{
	size_t n, turn, before;

	free_sized(NULL, 0);
	free_sized(NULL, 100);
	for (n = 0; n < 300000; n += n / 8 + 1)
		free_sized(malloc(n), n);
	free_sized(calloc(10, 7), 70);
	free_sized(realloc(malloc(10), 5000), 5000);
	before = testing_memory("VmRSS");
	for (turn = 0; turn < 2000; turn++) {
		unsigned char *p = malloc(200000);

		memset(p, 1, 200000);
		free_sized(p, 200000);
	}
	ck_assert_uint_lt(testing_memory("VmRSS"), before + 32 * MIB);
	errno = 4711;
	free_sized(malloc(100), 100);
	ck_assert_int_eq(errno, 4711);
}
END_TEST

START_TEST(free_aligned_sized_frees)
{
	size_t alignment, n, turn, before;

	free_aligned_sized(NULL, 64, 128);
	for (alignment = 8; alignment <= 4 * MIB; alignment *= 2)
		for (n = alignment; n < 8 * MIB; n *= 4)
			free_aligned_sized(aligned_alloc(alignment, n),
					   alignment, n);
	before = testing_memory("VmRSS");
	for (turn = 0; turn < 2000; turn++) {
		unsigned char *p = aligned_alloc(65536, 196608);

		memset(p, 1, 196608);
		free_aligned_sized(p, 65536, 196608);
	}
	ck_assert_uint_lt(testing_memory("VmRSS"), before + 32 * MIB);
	errno = 4711;
	free_aligned_sized(aligned_alloc(256, 256), 256, 256);
	ck_assert_int_eq(errno, 4711);
}
END_TEST

START_TEST(cfree_frees)
{
	size_t turn, before = testing_memory("VmRSS");

	cfree(NULL);
	for (turn = 0; turn < 2000; turn++) {
		unsigned char *p = malloc(100000);

		memset(p, 1, 100000);
		cfree(p);
	}
	ck_assert_uint_lt(testing_memory("VmRSS"), before + 32 * MIB);
}
END_TEST

/* What was freed is used again: the same work needs no more and more. */
START_TEST(freed_memory_is_used_again)
{
	static void *p[4000];
	size_t turn, i, after_first = 0;

	for (turn = 0; turn < 40; turn++) {
		for (i = 0; i < 4000; i++) {
			p[i] = malloc(1 + (i * 37 + turn) % 4000);
			memset(p[i], 1, 1);
		}
		for (i = 0; i < 4000; i++)
			free(p[(i * 7) % 4000]);
		if (turn == 4)
			after_first = testing_memory("VmRSS");
	}
	ck_assert_uint_lt(testing_memory("VmRSS"), after_first + 8 * MIB);
}
END_TEST

int main(void)
{
	TCase *tests = suite_begin("malloc");

	tcase_add_test(tests, every_size_to_4_kib);
	tcase_add_test(tests, sizes_to_300_kib);
	tcase_add_test(tests, sizes_around_class_borders);
	tcase_add_test(tests, large_sizes);
	tcase_add_test(tests, of_zero_is_unique);
	tcase_add_test(tests, many_at_once);
	tcase_add_test(tests, random_sizes_and_lifetimes);
	tcase_add_test(tests, of_more_than_ptrdiff_max_fails);
	tcase_add_test(tests, keeps_errno_when_it_succeeds);
	tcase_add_test(tests, free_keeps_errno);
	tcase_add_test(tests, free_sized_frees);
	tcase_add_test(tests, free_aligned_sized_frees);
	tcase_add_test(tests, cfree_frees);
	tcase_add_test(tests, freed_memory_is_used_again);
	return suite_end();
}
