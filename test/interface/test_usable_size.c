/*
 * malloc_usable_size: all of it may be used, and little of it is waste.
 */
#include "suite.h"

#define SMALL_MAX ((size_t)256 * 1024)

START_TEST(of_null_is_zero)
{
	ck_assert_uint_eq(malloc_usable_size(NULL), 0);
}
END_TEST

START_TEST(is_at_least_the_size)
{
	size_t n;

	for (n = 0; n < 70000; n++) {
		void *p = malloc(n);

		ck_assert_uint_ge(malloc_usable_size(p), n);
		free(p);
	}
	for (; n < 64 * MIB; n += n / 9) {
		void *p = malloc(n);

		ck_assert_uint_ge(malloc_usable_size(p), n);
		free(p);
	}
}
END_TEST

static void check_waste(unsigned divisor)
{
	size_t n;

	for (n = 0; n <= SMALL_MAX; n++) {
		void *p = malloc(n);
		size_t usable = malloc_usable_size(p);

		ck_assert_msg(usable <= n + usable / divisor + 15,
			      "malloc(%zu) has %zu bytes", n, usable);
		free(p);
	}
}

/* In a small heap, which has few sizes (docs/DESIGN.md). */
START_TEST(wastes_no_more_than_a_third)
{
	void *p = malloc(600);

	ck_assert_uint_eq(malloc_usable_size(p), 768);
	free(p);
	check_waste(3);
}
END_TEST

/* An eighth of the block, or what rounding up to 16 takes. */
START_TEST(wastes_no_more_than_an_eighth)
{
	static void *heap[9000];
	size_t i;

	for (i = 0; i < 9000; i++)
		heap[i] = malloc(1000);
	check_waste(8);
	for (i = 0; i < 9000; i++)
		free(heap[i]);
}
END_TEST

/* Neighbours filled to the last usable byte do not touch each other. */
START_TEST(all_of_it_belongs_to_the_block)
{
	unsigned char *p[16];
	size_t n, i;

	for (n = 0; n < 600000; n += n / 20 + 1) {
		for (i = 0; i < 16; i++) {
			p[i] = malloc(n);
			fill(p[i], malloc_usable_size(p[i]), n + i);
		}
		for (i = 0; i < 16; i++) {
			ck_assert(filled(p[i], malloc_usable_size(p[i]),
					 n + i));
			free(p[i]);
		}
	}
}
END_TEST

START_TEST(of_blocks_from_every_function)
{
	void *p;
	size_t n;

	for (n = 1; n < 20 * MIB; n *= 7) {
		p = calloc(n, 1);
		ck_assert_uint_ge(malloc_usable_size(p), n);
		p = realloc(p, 2 * n);
		ck_assert_uint_ge(malloc_usable_size(p), 2 * n);
		p = realloc(p, n);
		ck_assert_uint_ge(malloc_usable_size(p), n);
		memset(p, 1, malloc_usable_size(p));
		free(p);
		p = memalign(4096, n);
		ck_assert_uint_ge(malloc_usable_size(p), n);
		memset(p, 1, malloc_usable_size(p));
		free(p);
		p = aligned_alloc(64, n);
		ck_assert_uint_ge(malloc_usable_size(p), n);
		memset(p, 1, malloc_usable_size(p));
		free(p);
	}
}
END_TEST

START_TEST(does_not_change_and_keeps_errno)
{
	size_t n;

	for (n = 1; n < 64 * MIB; n = n * 2 + 1) {
		void *p = malloc(n);
		size_t usable = malloc_usable_size(p);

		errno = 4711;
		ck_assert_uint_eq(malloc_usable_size(p), usable);
		ck_assert_int_eq(errno, 4711);
		free(p);
	}
}
END_TEST

int main(void)
{
	TCase *tests = suite_begin("malloc_usable_size");

	tcase_add_test(tests, of_null_is_zero);
	tcase_add_test(tests, is_at_least_the_size);
	tcase_add_test(tests, wastes_no_more_than_a_third);
	tcase_add_test(tests, wastes_no_more_than_an_eighth);
	tcase_add_test(tests, all_of_it_belongs_to_the_block);
	tcase_add_test(tests, of_blocks_from_every_function);
	tcase_add_test(tests, does_not_change_and_keeps_errno);
	return suite_end();
}
