/*
 * aligned_alloc, memalign, posix_memalign, valloc and pvalloc.
 */
#include "suite.h"

#define ALIGNMENT_MAX (8 * MIB)

typedef void *aligned_fn(size_t alignment, size_t size);

static void *by_posix_memalign(size_t alignment, size_t size)
{
	void *p = NULL;

	if (alignment < sizeof(void *))
		alignment = sizeof(void *);
	ck_assert_int_eq(posix_memalign(&p, alignment, size), 0);
	return p;
}

static aligned_fn *const functions[] = { aligned_alloc, memalign,
					 by_posix_memalign };

#define NFUNCTIONS (sizeof(functions) / sizeof(functions[0]))

/* Four live blocks of one shape: aligned, apart, writable, resizable. */
static void expect_aligned(aligned_fn *fn, size_t alignment, size_t n)
{
	unsigned char *p[4];
	size_t i;

	for (i = 0; i < 4; i++) {
		p[i] = fn(alignment, n);
		ck_assert_msg(p[i] && (uintptr_t)p[i] % alignment == 0,
			      "alignment %zu, size %zu: %p", alignment, n,
			      (void *)p[i]);
		ck_assert_uint_ge(malloc_usable_size(p[i]), n);
		fill(p[i], n, alignment + n + i);
	}
	for (i = 0; i < 4; i++)
		ck_assert(filled(p[i], n, alignment + n + i));
	free(p[0]);
	free_aligned_sized(p[1], alignment, n);
	free(p[2]);
	p[3] = realloc(p[3], n + 1);
	ck_assert(filled(p[3], n, alignment + n + 3));
	free(p[3]);
}

START_TEST(every_alignment_and_size)
{
	static const size_t size[] = { 0,     1,    7,	   8,	  9,	 16,
				       24,    48,   100,   1000,  4095,	 4096,
				       4097,  8192, 12288, 33000, 65536, 100000,
				       262144, 262145, 300000, 1000000 };
	size_t alignment, i, k;

	for (alignment = 1; alignment <= 64 * KIB; alignment *= 2)
		for (i = 0; i < sizeof(size) / sizeof(size[0]); i++)
			for (k = 0; k < NFUNCTIONS; k++)
				expect_aligned(functions[k], alignment,
					       size[i]);
}
END_TEST

START_TEST(large_alignments)
{
	size_t alignment, k;

	for (alignment = 128 * KIB; alignment <= ALIGNMENT_MAX; alignment *= 2)
		for (k = 0; k < NFUNCTIONS; k++) {
			expect_aligned(functions[k], alignment, 0);
			expect_aligned(functions[k], alignment, 1);
			expect_aligned(functions[k], alignment, 5000);
			expect_aligned(functions[k], alignment, 300000);
			expect_aligned(functions[k], alignment, alignment - 1);
			expect_aligned(functions[k], alignment, alignment);
			expect_aligned(functions[k], alignment, alignment + 1);
		}
}
END_TEST

START_TEST(a_thousand_at_once)
{
	static unsigned char *p[1000];
	uint64_t state = testing_seed();
	size_t i;

	for (i = 0; i < 1000; i++) {
		size_t alignment = (size_t)8 << (i % 12);

		p[i] = memalign(alignment, 1 + i * 3);
		ck_assert_uint_eq((uintptr_t)p[i] % alignment, 0);
		fill(p[i], 1 + i * 3, i);
	}
	for (i = 0; i < 1000; i++)
		ck_assert(filled(p[i], 1 + i * 3, i));
	for (i = 0; i < 5000; i++)
		free(memalign((size_t)8 << rnd_between(&state, 0, 18),
			      rnd_between(&state, 0, 100000)));
	for (i = 0; i < 1000; i++)
		ck_assert(filled(p[i], 1 + i * 3, i));
	for (i = 0; i < 1000; i++)
		free(p[i]);
}
END_TEST

/* The memory cut off before an aligned block is not lost. */
START_TEST(aligned_blocks_do_not_leak)
{
	size_t turn, before = 0;

	for (turn = 0; turn < 3000; turn++) {
		unsigned char *p = memalign(2 * MIB, 100 * KIB);
		unsigned char *q = memalign(64 * KIB, 400 * KIB);

		memset(p, 1, 100 * KIB);
		memset(q, 1, 400 * KIB);
		free(p);
		free(q);
		if (turn == 100)
			before = testing_memory("VmRSS");
	}
	ck_assert_uint_lt(testing_memory("VmRSS"), before + 16 * MIB);
	ck_assert_uint_lt(testing_memory("VmSize"), 16 * GIB);
}
END_TEST

START_TEST(a_huge_alignment_is_honoured_or_refused)
{
	size_t alignment;

	for (alignment = 16 * MIB; alignment; alignment *= 2) {
		void *p;

		errno = 0;
		p = memalign(opaque_size(alignment), 100);
		if (p)
			ck_assert_uint_eq((uintptr_t)p % alignment, 0);
		else
			ck_assert_int_eq(errno, ENOMEM);
		ck_assert(p || alignment >= GIB);
		free(p);
	}
}
END_TEST

static void expect_einval(aligned_fn *fn, size_t alignment)
{
	errno = 0;
	ck_assert_ptr_null(fn(opaque_size(alignment), 64));
	ck_assert_msg(errno == EINVAL, "alignment %zu: errno %d", alignment,
		      errno);
}

START_TEST(bad_alignments_give_einval)
{
	static const size_t bad[] = { 0,  3,  5,   6,	  7,	  9,
				      12, 24, 100, 4095, 4097, SIZE_MAX };
	size_t i;

	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		expect_einval(aligned_alloc, bad[i]);
	expect_einval(memalign, SIZE_MAX);
	expect_einval(memalign, SIZE_MAX / 2 + 2);
}
END_TEST

/* As glibc does it. */
START_TEST(memalign_rounds_alignments_up)
{
	static const size_t aligns[][2] = { { 0, 1 }, { 3, 4 }, { 24, 32 },
					    { 100, 128 }, { 4097, 8192 } };
	size_t i;

	for (i = 0; i < sizeof(aligns) / sizeof(aligns[0]); i++) {
		void *p = memalign(opaque_size(aligns[i][0]), 64);

		ck_assert_ptr_nonnull(p);
		ck_assert_uint_eq((uintptr_t)p % aligns[i][1], 0);
		free(p);
	}
}
END_TEST

START_TEST(posix_memalign_refuses_bad_alignments)
{
	static const size_t bad[] = { 0,  1,  2,   3,	 4,    5,    6,
				      7,  9,  12,  24,	 40,   100,  4095,
				      4097, SIZE_MAX, SIZE_MAX / 2 };
	static char mark;
	size_t i;

	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		void *p = &mark;

		errno = 4711;
		ck_assert_int_eq(posix_memalign(&p, opaque_size(bad[i]), 64),
				 EINVAL);
		ck_assert_ptr_eq(p, &mark);
		ck_assert_int_eq(errno, 4711);
	}
}
END_TEST

START_TEST(posix_memalign_out_of_memory)
{
	static const size_t large[] = { SIZE_MAX, SIZE_MAX - 4096,
					(size_t)PTRDIFF_MAX + 1, PTRDIFF_MAX,
					(size_t)1 << 48 };
	static char mark;
	size_t i, alignment;

	for (i = 0; i < sizeof(large) / sizeof(large[0]); i++)
		for (alignment = 8; alignment <= 4 * MIB; alignment *= 8) {
			void *p = &mark;

			ck_assert_int_eq(posix_memalign(&p, alignment,
							opaque_size(large[i])),
					 ENOMEM);
			ck_assert_ptr_eq(p, &mark);
		}
}
END_TEST

START_TEST(posix_memalign_keeps_errno)
{
	size_t n;

	for (n = 0; n < 64 * MIB; n = n * 3 + 1) {
		void *p;

		errno = 4711;
		ck_assert_int_eq(posix_memalign(&p, 256, n), 0);
		ck_assert_int_eq(errno, 4711);
		free(p);
	}
}
END_TEST

static void expect_no_memory(aligned_fn *fn, size_t alignment, size_t n)
{
	errno = 0;
	ck_assert_ptr_null(fn(opaque_size(alignment), opaque_size(n)));
	ck_assert_msg(errno == ENOMEM, "alignment %zu, size %zx: errno %d",
		      alignment, n, errno);
}

START_TEST(too_large_sizes_give_enomem)
{
	size_t alignment;

	for (alignment = 1; alignment <= 4 * MIB; alignment *= 2) {
		expect_no_memory(aligned_alloc, alignment, SIZE_MAX);
		expect_no_memory(aligned_alloc, alignment,
				 (size_t)PTRDIFF_MAX + 1);
		expect_no_memory(memalign, alignment, SIZE_MAX);
		expect_no_memory(memalign, alignment, SIZE_MAX - alignment);
		expect_no_memory(memalign, alignment, (size_t)1 << 62);
	}
	expect_no_memory(memalign, (size_t)1 << 63, 1);
	expect_no_memory(aligned_alloc, (size_t)1 << 63, (size_t)1 << 63);
}
END_TEST

START_TEST(valloc_aligns_to_pages)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE), n;

	for (n = 0; n < 3 * MIB; n += n / 3 + 1) {
		unsigned char *p = valloc(n);

		ck_assert_ptr_nonnull(p);
		ck_assert_uint_eq((uintptr_t)p % page, 0);
		ck_assert_uint_ge(malloc_usable_size(p), n);
		memset(p, 1, n);
		free(p);
	}
	errno = 0;
	ck_assert_ptr_null(valloc(opaque_size(SIZE_MAX)));
	ck_assert_int_eq(errno, ENOMEM);
}
END_TEST

START_TEST(pvalloc_rounds_up_to_pages)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE), n;

	for (n = 0; n < 3 * MIB; n += n / 3 + 1) {
		size_t whole = (n + page - 1) / page * page;
		unsigned char *p = pvalloc(n);

		ck_assert_ptr_nonnull(p);
		ck_assert_uint_eq((uintptr_t)p % page, 0);
		ck_assert_uint_ge(malloc_usable_size(p), whole);
		memset(p, 1, whole);
		free(p);
	}
	for (n = 0; n < 3 * page; n += 100) {
		errno = 0;
		ck_assert_ptr_null(pvalloc(opaque_size(SIZE_MAX - n)));
		ck_assert_int_eq(errno, ENOMEM);
	}
}
END_TEST

int main(void)
{
	TCase *tests = suite_begin("alignment");

	tcase_add_test(tests, every_alignment_and_size);
	tcase_add_test(tests, large_alignments);
	tcase_add_test(tests, a_thousand_at_once);
	tcase_add_test(tests, aligned_blocks_do_not_leak);
	tcase_add_test(tests, a_huge_alignment_is_honoured_or_refused);
	tcase_add_test(tests, bad_alignments_give_einval);
	tcase_add_test(tests, memalign_rounds_alignments_up);
	tcase_add_test(tests, posix_memalign_refuses_bad_alignments);
	tcase_add_test(tests, posix_memalign_out_of_memory);
	tcase_add_test(tests, posix_memalign_keeps_errno);
	tcase_add_test(tests, too_large_sizes_give_enomem);
	tcase_add_test(tests, valloc_aligns_to_pages);
	tcase_add_test(tests, pvalloc_rounds_up_to_pages);
	return suite_end();
}
