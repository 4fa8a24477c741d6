/*
 * calloc: zeros, whatever the memory was used for before, and overflow.
 */
#include "suite.h"

static void expect_zeros(size_t count, size_t size)
{
	unsigned char *p = calloc(count, size);

	ck_assert_ptr_nonnull(p);
	ck_assert_msg(all_bytes(p, count * size, 0),
		      "calloc(%zu, %zu) is not zero", count, size);
	memset(p, 0xff, count * size);
	free(p);
}

START_TEST(of_every_small_size)
{
	size_t n;

	for (n = 0; n < 3000; n++) {
		expect_zeros(1, n);
		expect_zeros(n, 1);
	}
	for (n = 3000; n < 300 * KIB; n += 997)
		expect_zeros(1, n);
}
END_TEST

/* Dirties a good many blocks of each size, frees them, asks for zeros. */
static void reuse(size_t n, size_t count)
{
	unsigned char **p = malloc(count * sizeof(*p));
	size_t i, turn;

	for (i = 0; i < count; i++) {
		p[i] = malloc(n);
		memset(p[i], 0xa5, n);
	}
	for (i = 0; i < count; i++)
		free(p[i]);
	for (turn = 0; turn < 2; turn++) {
		for (i = 0; i < count; i++) {
			p[i] = calloc(1, n);
			ck_assert_ptr_nonnull(p[i]);
			ck_assert_msg(all_bytes(p[i], n, 0),
				      "calloc(1, %zu) is not zero", n);
			memset(p[i], 0x5a, n);
		}
		for (i = count; i-- > 0;)
			free(p[i]);
	}
	free(p);
}

START_TEST(of_memory_used_before)
{
	size_t n;

	for (n = 1; n < 9 * MIB; n += n / 6 + 1) {
		size_t count = 2 * MIB / n + 3;

		reuse(n, count > 3000 ? 3000 : count);
	}
}
END_TEST

/* A large block that was used, then became a part of something else. */
START_TEST(of_parts_of_large_blocks)
{
	size_t n, i;

	for (n = 1 * MIB; n <= 32 * MIB; n *= 2) {
		unsigned char *p = malloc(n);

		memset(p, 0xcc, n);
		free(p);
		for (i = 2; i < 20; i += 3)
			expect_zeros(1, n / i);
		expect_zeros(1, n);
		expect_zeros(1, n + MIB);
	}
}
END_TEST

/* Back from realloc, aligned requests and trim. */
START_TEST(of_memory_that_came_back_otherwise)
{
	size_t turn;

	for (turn = 0; turn < 30; turn++) {
		size_t n = (turn + 1) * 150 * KIB;
		unsigned char *p = malloc(n);

		memset(p, 0xee, n);
		p = realloc(p, n / 3);
		expect_zeros(1, n / 2);
		p = realloc(p, 2 * n);
		memset(p, 0xee, 2 * n);
		free(p);
		p = memalign(64 * KIB, n);
		memset(p, 0xee, n);
		free(p);
		if (turn % 4 == 0)
			malloc_trim(0);
		expect_zeros(1, n);
		expect_zeros(3, n);
	}
}
END_TEST

START_TEST(mixed_with_everything)
{
	static unsigned char *p[400];
	static size_t size[400];
	uint64_t state = testing_seed();
	size_t turn, i;

	for (turn = 0; turn < 20000; turn++) {
		size_t bits = rnd_between(&state, 1, turn % 16 ? 14 : 21);

		i = rnd_between(&state, 0, 399);
		free(p[i]);
		size[i] = rnd(&state) & (((size_t)1 << bits) - 1);
		if (turn % 2) {
			p[i] = calloc(1, size[i]);
			ck_assert_msg(all_bytes(p[i], size[i], 0),
				      "calloc(1, %zu) is not zero", size[i]);
		} else {
			p[i] = malloc(size[i]);
		}
		ck_assert_ptr_nonnull(p[i]);
		memset(p[i], 0x99, size[i]);
	}
	for (i = 0; i < 400; i++)
		free(p[i]);
}
END_TEST

START_TEST(of_zero_is_unique)
{
	void *p[3] = { calloc(0, 0), calloc(0, 100), calloc(100, 0) };
	size_t i;

	for (i = 0; i < 3; i++) {
		ck_assert_ptr_nonnull(p[i]);
		ck_assert_ptr_ne(p[i], p[(i + 1) % 3]);
	}
	for (i = 0; i < 3; i++)
		free(p[i]);
	p[0] = calloc(opaque_size(0), opaque_size(SIZE_MAX));
	ck_assert_ptr_nonnull(p[0]);
	free(p[0]);
}
END_TEST

static void expect_no_memory(size_t count, size_t size)
{
	errno = 0;
	ck_assert_msg(calloc(opaque_size(count), opaque_size(size)) == NULL,
		      "calloc(%zx, %zx)", count, size);
	ck_assert_msg(errno == ENOMEM, "calloc(%zx, %zx): errno %d", count,
		      size, errno);
}

START_TEST(of_overflowing_products_fails)
{
	expect_no_memory(SIZE_MAX, 2);
	expect_no_memory(2, SIZE_MAX);
	expect_no_memory(SIZE_MAX, SIZE_MAX);
	expect_no_memory(SIZE_MAX / 2 + 1, 2);
	expect_no_memory((size_t)1 << 32, (size_t)1 << 32);
	expect_no_memory(((size_t)1 << 32) + 1, (size_t)1 << 32);
	expect_no_memory(SIZE_MAX / 16 + 1, 16);
	expect_no_memory(SIZE_MAX / 100 + 1, 100);
	/* No overflow, but more than PTRDIFF_MAX or than there is. */
	expect_no_memory(SIZE_MAX, 1);
	expect_no_memory(1, SIZE_MAX);
	expect_no_memory((size_t)PTRDIFF_MAX / 2 + 1, 2);
	expect_no_memory(1, PTRDIFF_MAX);
	expect_no_memory((size_t)1 << 31, (size_t)1 << 31);
}
END_TEST

START_TEST(keeps_errno_when_it_succeeds)
{
	size_t n;

	for (n = 1; n < 100 * MIB; n = n * 3 + 1) {
		void *p;

		errno = 4711;
		p = calloc(1, n);
		ck_assert_ptr_nonnull(p);
		ck_assert_int_eq(errno, 4711);
		free(p);
	}
}
END_TEST

/* Memory straight from the kernel is zero: nobody needs to touch it. */
START_TEST(of_fresh_memory_does_not_touch_it)
{
	size_t before = testing_memory("VmRSS");
	unsigned char *p = calloc(1, 512 * MIB);

	ck_assert_ptr_nonnull(p);
	ck_assert_uint_lt(testing_memory("VmRSS"), before + 16 * MIB);
	ck_assert(all_bytes(p, MIB, 0));
	ck_assert(all_bytes(p + 511 * MIB, MIB, 0));
	memset(p, 1, 20 * MIB);
	free(p);
	expect_zeros(1, 20 * MIB);
}
END_TEST

/* So it is with the first blocks of a size below those. */
START_TEST(of_fresh_small_memory_does_not_touch_it)
{
	size_t before = testing_rollup("Anonymous");
	unsigned char *p[16];
	size_t i;

	for (i = 0; i < 16; i++) {
		p[i] = calloc(1, 240 * KIB);
		ck_assert_ptr_nonnull(p[i]);
	}
	ck_assert_uint_lt(testing_rollup("Anonymous"), before + MIB);
	for (i = 0; i < 16; i++) {
		ck_assert(all_bytes(p[i], 240 * KIB, 0));
		free(p[i]);
	}
}
END_TEST

START_TEST(blocks_are_aligned)
{
	size_t n;

	for (n = 0; n < 2 * MIB; n += n / 5 + 1) {
		void *p = calloc(1, n);

		ck_assert_uint_eq((uintptr_t)p % (n <= 8 ? 8 : 16), 0);
		free(p);
	}
}
END_TEST

int main(void)
{
	TCase *tests = suite_begin("calloc");

	tcase_add_test(tests, of_every_small_size);
	tcase_add_test(tests, of_memory_used_before);
	tcase_add_test(tests, of_parts_of_large_blocks);
	tcase_add_test(tests, of_memory_that_came_back_otherwise);
	tcase_add_test(tests, mixed_with_everything);
	tcase_add_test(tests, of_zero_is_unique);
	tcase_add_test(tests, of_overflowing_products_fails);
	tcase_add_test(tests, keeps_errno_when_it_succeeds);
	tcase_add_test(tests, of_fresh_memory_does_not_touch_it);
	tcase_add_test(tests, of_fresh_small_memory_does_not_touch_it);
	tcase_add_test(tests, blocks_are_aligned);
	return suite_end();
}
