/*
 * realloc and reallocarray: content through growth and shrinking, what stays
 * in place, sizes 0 and too large.
 */
#include "suite.h"

/* Changes the size of a filled block and checks what both sizes share. */
static unsigned char *resize(unsigned char *p, size_t from, size_t to)
{
	unsigned char *q = realloc(p, to);

	ck_assert_msg(q != NULL, "realloc from %zu to %zu", from, to);
	ck_assert_msg(filled(q, from < to ? from : to, 42),
		      "content lost from %zu to %zu", from, to);
	ck_assert_uint_eq((uintptr_t)q % (to <= 8 ? 8 : 16), 0);
	fill(q, to, 42);
	return q;
}

START_TEST(grows_byte_by_byte)
{
	unsigned char *p = malloc(1);
	size_t n;

	fill(p, 1, 42);
	for (n = 1; n < 5000; n++)
		p = resize(p, n, n + 1);
	free(p);
}
END_TEST

START_TEST(shrinks_byte_by_byte)
{
	unsigned char *p = malloc(5000);
	size_t n;

	fill(p, 5000, 42);
	for (n = 5000; n > 1; n--)
		p = resize(p, n, n - 1);
	free(p);
}
END_TEST

static void up_and_down(size_t top, size_t divisor)
{
	unsigned char *p = malloc(1);
	size_t n = 1, next;

	fill(p, 1, 42);
	for (; n < top; n = next) {
		next = n + n / divisor + 1;
		p = resize(p, n, next);
	}
	for (; n > 1; n = next) {
		next = n - n / (divisor + 1);
		if (next == n)
			next--;
		p = resize(p, n, next);
	}
	free(p);
}

START_TEST(grows_and_shrinks_by_factors)
{
	up_and_down(16 * MIB, 1);
	up_and_down(8 * MIB, 2);
	up_and_down(2 * MIB, 7);
	up_and_down(400 * KIB, 50);
}
END_TEST

START_TEST(between_any_two_sizes)
{
	uint64_t state = testing_seed();
	size_t turn, n = 100, next;
	unsigned char *p = malloc(n);

	fill(p, n, 42);
	for (turn = 0; turn < 3000; turn++, n = next) {
		next = rnd(&state) & ((1u << rnd_between(&state, 1, 22)) - 1);
		next += next == 0;
		p = resize(p, n, next);
	}
	free(p);
}
END_TEST

/* Two blocks that grow in turns stand in each other's way. */
START_TEST(large_neighbours_grow_in_turns)
{
	unsigned char *a = malloc(MIB), *b = malloc(MIB);
	size_t n;

	fill(a, MIB, 42);
	fill(b, MIB, 42);
	for (n = MIB; n < 24 * MIB; n += MIB + 4096) {
		a = resize(a, n, n + MIB + 4096);
		b = resize(b, n, n + MIB + 4096);
	}
	free(a);
	free(b);
}
END_TEST

START_TEST(of_null_is_malloc)
{
	unsigned char *p = realloc(NULL, 100);

	ck_assert_ptr_nonnull(p);
	memset(p, 1, 100);
	free(p);
	p = realloc(NULL, 0);
	ck_assert_ptr_nonnull(p);
	free(p);
	p = reallocarray(NULL, 10, 10);
	ck_assert_ptr_nonnull(p);
	memset(p, 1, 100);
	free(p);
}
END_TEST

/* realloc(p, 0) frees and returns NULL; no error, and nothing leaks. */
START_TEST(to_zero_frees)
{
	size_t turn, before;

	for (turn = 0; turn < 3000; turn++) {
		size_t n = turn % 3 == 2 ? 400 * KIB :
			   turn % 3 == 1 ? 100 * KIB : 100;
		unsigned char *p = malloc(n);

		memset(p, 1, n);
		errno = 4711;
		ck_assert_ptr_null(realloc(p, opaque_size(0)));
		ck_assert_int_eq(errno, 4711);
		p = malloc(n);
		ck_assert_ptr_null(reallocarray(p, opaque_size(0), 8));
		if (turn == 100)
			before = testing_memory("VmRSS");
	}
	ck_assert_uint_lt(testing_memory("VmRSS"), before + 32 * MIB);
}
END_TEST

static void expect_no_memory(size_t from, size_t to)
{
	unsigned char *p = malloc(from);

	fill(p, from, 7);
	errno = 0;
	ck_assert_ptr_null(realloc(p, opaque_size(to)));
	ck_assert_int_eq(errno, ENOMEM);
	ck_assert_msg(filled(p, from, 7), "%zu -> %zx: old block is gone",
		      from, to);
	p = resize(p, 0, from + 1);
	free(p);
}

START_TEST(to_too_large_keeps_the_old_block)
{
	static const size_t from[] = { 1, 100, 5000, 100000, 300000, 5000000,
				       64000000 };
	size_t i;

	for (i = 0; i < sizeof(from) / sizeof(from[0]); i++) {
		expect_no_memory(from[i], SIZE_MAX);
		expect_no_memory(from[i], SIZE_MAX - 8192);
		expect_no_memory(from[i], (size_t)PTRDIFF_MAX + 1);
		expect_no_memory(from[i], PTRDIFF_MAX);
		expect_no_memory(from[i], (size_t)1 << 48);
	}
	errno = 0;
	ck_assert_ptr_null(realloc(NULL, opaque_size(SIZE_MAX)));
	ck_assert_int_eq(errno, ENOMEM);
}
END_TEST

START_TEST(reallocarray_multiplies)
{
	unsigned char *p = reallocarray(NULL, 100, 10), *q;

	fill(p, 1000, 42);
	p = reallocarray(p, 1000, 10);
	ck_assert_ptr_nonnull(p);
	ck_assert_uint_ge(malloc_usable_size(p), 10000);
	ck_assert(filled(p, 1000, 42));
	errno = 0;
	q = reallocarray(p, opaque_size(SIZE_MAX / 4), 8);
	ck_assert_ptr_null(q);
	ck_assert_int_eq(errno, ENOMEM);
	errno = 0;
	q = reallocarray(p, opaque_size((size_t)1 << 32), (size_t)1 << 32);
	ck_assert_ptr_null(q);
	ck_assert_int_eq(errno, ENOMEM);
	errno = 0;
	q = reallocarray(p, opaque_size(PTRDIFF_MAX), 1);
	ck_assert_ptr_null(q);
	ck_assert_int_eq(errno, ENOMEM);
	ck_assert(filled(p, 1000, 42));
	free(p);
}
END_TEST

/* Nothing moves as long as the new size fits the block that is there. */
START_TEST(within_the_usable_size_stays_in_place)
{
	size_t n;

	for (n = 1; n < 5 * MIB; n += n / 7 + 1) {
		unsigned char *p = malloc(n);

		ck_assert_ptr_eq(realloc(p, n), p);
		ck_assert_ptr_eq(realloc(p, malloc_usable_size(p)), p);
		ck_assert_ptr_eq(realloc(p, n), p);
		free(p);
	}
}
END_TEST

/* A block that shrinks a lot gives the rest back. */
START_TEST(shrinking_gives_memory_back)
{
	unsigned char *p = malloc(128 * MIB);
	size_t full;

	fill(p, 128 * MIB, 42);
	full = testing_memory("VmRSS");
	p = realloc(p, MIB);
	ck_assert_ptr_nonnull(p);
	ck_assert(filled(p, MIB, 42));
	malloc_trim(0);
	ck_assert_uint_lt(testing_memory("VmRSS"), full - 100 * MIB);
	free(p);
}
END_TEST

/* A very large block grows without a second copy of itself. */
START_TEST(growing_a_very_large_block_does_not_copy)
{
	unsigned char *p = malloc(128 * MIB);
	size_t before;

	fill(p, 128 * MIB, 42);
	before = testing_memory("VmHWM");
	p = realloc(p, 192 * MIB);
	ck_assert_ptr_nonnull(p);
	ck_assert_uint_lt(testing_memory("VmHWM"), before + 32 * MIB);
	ck_assert(filled(p, 128 * MIB, 42));
	free(p);
}
END_TEST

/* Aligned blocks may be resized; content counts, alignment need not stay. */
START_TEST(of_aligned_blocks)
{
	size_t alignment, n;

	for (alignment = 16; alignment <= 4 * MIB; alignment *= 4)
		for (n = 1; n < 3 * MIB; n *= 5) {
			unsigned char *p = memalign(alignment, n);

			fill(p, n, 42);
			p = resize(p, n, n + n / 2 + 1);
			p = resize(p, n + n / 2 + 1, n / 2 + 1);
			free(p);
		}
}
END_TEST

START_TEST(keeps_errno_when_it_succeeds)
{
	unsigned char *p = NULL;
	size_t n;

	for (n = 1; n < 200 * MIB; n *= 3) {
		errno = 4711;
		p = realloc(p, n);
		ck_assert_ptr_nonnull(p);
		ck_assert_int_eq(errno, 4711);
	}
	for (; n > 0; n /= 3) {
		errno = 4711;
		p = realloc(p, n);
		ck_assert_ptr_nonnull(p);
		ck_assert_int_eq(errno, 4711);
	}
	free(p);
}
END_TEST

int main(void)
{
	TCase *tests = suite_begin("realloc");

	tcase_add_test(tests, grows_byte_by_byte);
	tcase_add_test(tests, shrinks_byte_by_byte);
	tcase_add_test(tests, grows_and_shrinks_by_factors);
	tcase_add_test(tests, between_any_two_sizes);
	tcase_add_test(tests, large_neighbours_grow_in_turns);
	tcase_add_test(tests, of_null_is_malloc);
	tcase_add_test(tests, to_zero_frees);
	tcase_add_test(tests, to_too_large_keeps_the_old_block);
	tcase_add_test(tests, reallocarray_multiplies);
	tcase_add_test(tests, within_the_usable_size_stays_in_place);
	tcase_add_test(tests, shrinking_gives_memory_back);
	tcase_add_test(tests, growing_a_very_large_block_does_not_copy);
	tcase_add_test(tests, of_aligned_blocks);
	tcase_add_test(tests, keeps_errno_when_it_succeeds);
	return suite_end();
}
