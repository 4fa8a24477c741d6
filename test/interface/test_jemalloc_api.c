/*
 * jemalloc's own functions, mixed with malloc's on the same block.
 */
#include "suite.h"

/* jemalloc(3): MALLOCX_LG_ALIGN, MALLOCX_ZERO. */
#define LG_ALIGN(la) (la)
#define ZERO 0x40

void *mallocx(size_t n, int flags);
void *rallocx(void *p, size_t n, int flags);
size_t xallocx(void *p, size_t n, size_t extra, int flags);
size_t sallocx(const void *p, int flags);
void dallocx(void *p, int flags);
void sdallocx(void *p, size_t n, int flags);
size_t nallocx(size_t n, int flags);

static const size_t sizes[] = { 1, 8, 9, 100, 4096, 70000, 300000, 3000000 };
#define NSIZES (sizeof(sizes) / sizeof(sizes[0]))

START_TEST(blocks_are_everybodys)
{
	size_t i;

	for (i = 0; i < NSIZES; i++) {
		unsigned char *p = mallocx(sizes[i], 0);

		ck_assert_ptr_nonnull(p);
		ck_assert_uint_ge(malloc_usable_size(p), sizes[i]);
		ck_assert_uint_eq(sallocx(p, 0), malloc_usable_size(p));
		fill(p, sizes[i], i);
		p = realloc(p, 2 * sizes[i]);
		ck_assert(filled(p, sizes[i], i));
		p = rallocx(p, 3 * sizes[i], 0);
		ck_assert(filled(p, sizes[i], i));
		ck_assert_uint_eq(xallocx(p, 1, 0, 0), malloc_usable_size(p));
		free(p);
		sdallocx(malloc(sizes[i]), sizes[i], 0);
		dallocx(malloc(sizes[i]), 0);
	}
}
END_TEST

START_TEST(alignment_and_zeroing)
{
	size_t i;
	int lg;

	for (i = 0; i < NSIZES; i++) {
		for (lg = 0; lg < 23; lg++) {
			unsigned char *p = mallocx(sizes[i],
						   LG_ALIGN(lg) | ZERO);
			size_t k, n = sallocx(p, 0);

			ck_assert_uint_eq((uintptr_t)p % ((size_t)1 << lg), 0);
			for (k = 0; k < sizes[i] && p[k] == 0; k++)
				;
			ck_assert_uint_eq(k, sizes[i]);
			memset(p, 0xa5, n);
			p = rallocx(p, sizes[i], LG_ALIGN(lg));
			ck_assert_uint_eq((uintptr_t)p % ((size_t)1 << lg), 0);
			ck_assert_uint_eq(p[sizes[i] - 1], 0xa5);
			dallocx(p, LG_ALIGN(lg));
		}
	}
}
END_TEST

START_TEST(nallocx_foretells_the_size_of_small_blocks)
{
	size_t n;

	for (n = 1; n <= 262144; n += n / 50 + 1) {
		void *p = mallocx(n, 0);

		ck_assert_uint_eq(nallocx(n, 0), sallocx(p, 0));
		free(p);
	}
	ck_assert_uint_ge(nallocx(5000000, 0), 5000000);
	ck_assert_uint_eq(nallocx(SIZE_MAX, 0), 0);
	ck_assert_ptr_null(mallocx(SIZE_MAX, 0));
}
END_TEST

/* From the first call on, whatever the heap does meanwhile. */
START_TEST(nallocx_foretells_the_size_of_blocks_in_a_larger_heap)
{
	static void *heap[1000];
	size_t foretold, i;
	void *p;

	free(malloc(1));
	foretold = nallocx(600, 0);
	for (i = 0; i < 1000; i++)
		heap[i] = malloc(900);
	p = mallocx(600, 0);
	ck_assert_uint_eq(sallocx(p, 0), foretold);
	free(p);
	for (i = 0; i < 1000; i++)
		free(heap[i]);
}
END_TEST

int main(void)
{
	TCase *tests = suite_begin("jemalloc_api");

	tcase_add_test(tests, blocks_are_everybodys);
	tcase_add_test(tests, alignment_and_zeroing);
	tcase_add_test(tests, nallocx_foretells_the_size_of_small_blocks);
	tcase_add_test(tests,
		       nallocx_foretells_the_size_of_blocks_in_a_larger_heap);
	return suite_end();
}
