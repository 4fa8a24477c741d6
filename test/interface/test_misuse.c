/*
 * Misuse that is noticed: one fixed line on fd 2, then SIGABRT. The text is
 * compared word for word.
 *
 * An interior pointer and a second free of a small block are noticed when the
 * block reaches its span: after malloc_trim(0), which empties the caches, or
 * after enough other blocks of the class were freed.
 */
#include "suite.h"

#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <sys/wait.h>

#define NEVER_ALLOCATED "pointer was never allocated"
#define INTERIOR "pointer into the middle of a block"
#define ALREADY_FREE "block is already free"

/* What a child does wrong: the bad pointer, and with which function. */
struct misuse {
	const char *function;
	void *bad;
	size_t size;
	void (*act)(struct misuse *);
};

static struct child child;

static void act(void *arg)
{
	struct misuse *misuse = arg;

	misuse->act(misuse);
}

static void line_of(char *text, size_t size, const struct misuse *misuse,
		    const char *fault)
{
	snprintf(text, size, "pcmalloc: %s(%p): %s\n", misuse->function,
		 misuse->bad, fault);
}

static void expect_abort(struct misuse *misuse, const char *fault)
{
	testing_child(&child, 20, act, misuse);
	ck_assert_msg(WIFSIGNALED(child.status),
		      "not noticed: %s(%p) of %zu: %s (status %x, stderr '%s')",
		      misuse->function, misuse->bad, misuse->size, fault,
		      (unsigned int)child.status, child.err);
	ck_assert_int_eq(WTERMSIG(child.status), SIGABRT);
	ck_assert_uint_eq(child.out_len, 0);
}

/* Runs the misuse in a child and compares its end with the fixed text. */
static void expect(struct misuse misuse, const char *fault)
{
	char text[200];

	expect_abort(&misuse, fault);
	line_of(text, sizeof(text), &misuse, fault);
	ck_assert_str_eq(child.err, text);
}

/* A block that filled a span alone may have left no trace when it is free. */
static void expect_already_free(struct misuse misuse)
{
	char already[200], never[200];

	expect_abort(&misuse, ALREADY_FREE);
	line_of(already, sizeof(already), &misuse, ALREADY_FREE);
	line_of(never, sizeof(never), &misuse, NEVER_ALLOCATED);
	ck_assert_msg(!strcmp(child.err, already) || !strcmp(child.err, never),
		      "'%s' is neither '%s' nor '%s'", child.err, already,
		      never);
}

static void free_bad(struct misuse *misuse)
{
	free(opaque(misuse->bad));
}

static void realloc_bad(struct misuse *misuse)
{
	free(realloc(opaque(misuse->bad), 200));
}

/* It stays, and is freed, or moves, and what it was is: noticed as that either way. */
static void realloc_bad_then_trim(struct misuse *misuse)
{
	realloc_bad(misuse);
	malloc_trim(0);
}

static void realloc_bad_to_zero(struct misuse *misuse)
{
	free(realloc(opaque(misuse->bad), 0));
}

static void usable_size_of_bad(struct misuse *misuse)
{
	if (malloc_usable_size(opaque(misuse->bad)) == 42)
		puts("42");
}

static void free_bad_then_trim(struct misuse *misuse)
{
	free(opaque(misuse->bad));
	malloc_trim(0);
}

/* As many blocks as certainly fill every cache before the spans. */
static size_t many_of(size_t size)
{
	size_t count = 8 * MIB / size;

	return count < 200 ? 200 : count;
}

/* Other CPUs' caches would keep what was freed there. */
static void stay_on_this_cpu(void)
{
	cpu_set_t one;

	CPU_ZERO(&one);
	CPU_SET(sched_getcpu(), &one);
	sched_setaffinity(0, sizeof(one), &one);
}

/*
 * Frees the bad pointer @times times when the caches are full and goes on, so
 * that it passes through all of them to its span.
 */
static void free_among_many(struct misuse *misuse, int times)
{
	size_t count = many_of(misuse->size), i;
	void **p = malloc(count * sizeof(*p));

	stay_on_this_cpu();
	for (i = 0; i < count; i++)
		p[i] = malloc(misuse->size);
	for (i = 0; i < count / 2; i++)
		free(p[i]);
	while (times-- > 0)
		free(opaque(misuse->bad));
	for (; i < count; i++)
		free(p[i]);
}

static void free_bad_then_many(struct misuse *misuse)
{
	free_among_many(misuse, 1);
}

static void free_twice_then_many(struct misuse *misuse)
{
	free_among_many(misuse, 2);
}

static void free_twice_then_trim(struct misuse *misuse)
{
	free(misuse->bad);
	free_bad_then_trim(misuse);
}

static void free_twice(struct misuse *misuse)
{
	free(misuse->bad);
	free(opaque(misuse->bad));
}

static void never_allocated(void *p)
{
	expect((struct misuse){ "free", p, 0, free_bad }, NEVER_ALLOCATED);
	expect((struct misuse){ "realloc", p, 0, realloc_bad },
	       NEVER_ALLOCATED);
	expect((struct misuse){ "malloc_usable_size", p, 0,
				usable_size_of_bad },
	       NEVER_ALLOCATED);
}

START_TEST(a_stack_address)
{
	long here = 0;

	never_allocated(&here);
	never_allocated((char *)&here + 1);
}
END_TEST

START_TEST(a_static_address)
{
	static long here;

	never_allocated(&here);
}
END_TEST

START_TEST(a_code_address)
{
	never_allocated((void *)(uintptr_t)printf);
}
END_TEST

START_TEST(a_mapping_of_the_program)
{
	char *p = mmap(NULL, 8 * MIB, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	ck_assert_ptr_ne(p, MAP_FAILED);
	never_allocated(p);
	never_allocated(p + 4 * MIB);
	never_allocated(p + 64);
	munmap(p, 8 * MIB);
}
END_TEST

/* Wide, tagged, kernel and nearly-null pointers index no pagemap. */
START_TEST(an_address_outside_the_address_space)
{
	void *p = malloc(100);
	uintptr_t tagged = (uintptr_t)p | (uintptr_t)0xa5 << 56;

	never_allocated((void *)8);
	never_allocated((void *)4096);
	never_allocated((void *)0xdeadbeef);
	never_allocated((void *)tagged);
	never_allocated((void *)((uintptr_t)1 << 47));
	never_allocated((void *)((uintptr_t)1 << 48));
	never_allocated((void *)0x00dead0000000000);
	never_allocated((void *)0xffff800000000000);
	never_allocated((void *)UINTPTR_MAX);
	never_allocated((void *)(UINTPTR_MAX - 7));
	free(p);
}
END_TEST

static const size_t small_size[] = { 16,    24,	   64,	  120,	 1000,
				     4096,  10000, 34000, 65536, 100000,
				     200000, 262144 };

/* Blocks of this size on may have a span of their own. */
#define ALONE_MIN 32768

#define NSMALL (sizeof(small_size) / sizeof(small_size[0]))

START_TEST(an_interior_pointer_of_a_small_block)
{
	size_t i;

	for (i = 0; i < NSMALL; i++) {
		size_t n = small_size[i];
		char *p = malloc(n);

		expect((struct misuse){ "free", p + 8, n, free_bad_then_trim },
		       INTERIOR);
		expect((struct misuse){ "free", p + n / 2 / 8 * 8, n,
					free_bad_then_trim },
		       INTERIOR);
		expect((struct misuse){ "free", p + 1, n, free_bad_then_trim },
		       INTERIOR);
		free(p);
	}
}
END_TEST

/* A small heap has few sizes: what is freed later would be of another one. */
static void grow_heap(void)
{
	int i;

	for (i = 0; i < 1000; i++)
		ck_assert_ptr_nonnull(opaque(malloc(1000)));
}

START_TEST(an_interior_pointer_of_a_small_block_after_many_frees)
{
	size_t i;

	grow_heap();
	for (i = 0; i < NSMALL; i += 3) {
		size_t n = small_size[i];
		char *p = malloc(n);

		expect((struct misuse){ "free", p + 8, n, free_bad_then_many },
		       INTERIOR);
		free(p);
	}
}
END_TEST

START_TEST(an_interior_pointer_given_to_realloc)
{
	size_t i;

	for (i = 0; i < NSMALL; i++) {
		char *p = malloc(small_size[i]);

		expect((struct misuse){ "free", p + 8, 0, realloc_bad_then_trim },
		       INTERIOR);
		expect((struct misuse){ "free", p + 1, 0, realloc_bad_then_trim },
		       INTERIOR);
		expect((struct misuse){ "malloc_usable_size", p + 8, 0,
					usable_size_of_bad },
		       INTERIOR);
		free(p);
	}
}
END_TEST

START_TEST(a_small_block_freed_twice)
{
	size_t i;

	for (i = 0; i < NSMALL; i++) {
		size_t n = small_size[i];
		void *keep = malloc(n), *p = malloc(n);
		struct misuse misuse = { "free", p, n, free_twice_then_trim };

		if (n < ALONE_MIN)
			expect(misuse, ALREADY_FREE);
		else
			expect_already_free(misuse);
		free(p);
		free(keep);
	}
}
END_TEST

START_TEST(a_small_block_freed_twice_and_many_others)
{
	size_t i;

	grow_heap();
	for (i = 0; i < NSMALL; i += 3) {
		size_t n = small_size[i];
		void *keep = malloc(n), *p = malloc(n);

		expect((struct misuse){ "free", p, n, free_twice_then_many },
		       ALREADY_FREE);
		free(p);
		free(keep);
	}
}
END_TEST

/* Frees a block and empties the caches, so that its span knows it is free. */
static void free_and_trim(struct misuse *misuse)
{
	free(misuse->bad);
	malloc_trim(0);
}

static void realloc_after_free(struct misuse *misuse)
{
	free_and_trim(misuse);
	realloc_bad_then_trim(misuse);
}

static void usable_size_after_free(struct misuse *misuse)
{
	free_and_trim(misuse);
	usable_size_of_bad(misuse);
}

static void free_after_free_and_trim(struct misuse *misuse)
{
	free_and_trim(misuse);
	free_bad_then_trim(misuse);
}

START_TEST(a_small_block_used_after_it_reached_its_span)
{
	size_t i;

	for (i = 0; i < 6; i++) {
		size_t n = small_size[i];
		void *keep = malloc(n), *p = malloc(n);

		/* One that had its span for itself has none: realloc itself sees that. */
		expect((struct misuse){ n < 4096 ? "free" : "realloc", p, n,
					realloc_after_free },
		       ALREADY_FREE);
		expect((struct misuse){ "malloc_usable_size", p, n,
					usable_size_after_free },
		       ALREADY_FREE);
		expect((struct misuse){ "free", p, n,
					free_after_free_and_trim },
		       ALREADY_FREE);
		free(p);
		free(keep);
	}
}
END_TEST

static const size_t large_size[] = { 262145, 300000, 1000000, 3000000,
				     9000000, 64000000 };

#define NLARGE (sizeof(large_size) / sizeof(large_size[0]))

START_TEST(an_interior_pointer_of_a_large_block)
{
	static const size_t offset[] = { 1, 8, 16, 4096, 8192, 65536, 262144 };
	size_t i, k;

	for (i = 0; i < NLARGE; i++) {
		char *p = malloc(large_size[i]);

		for (k = 0; k < sizeof(offset) / sizeof(offset[0]); k++)
			expect((struct misuse){ "free", p + offset[k], 0,
						free_bad },
			       INTERIOR);
		expect((struct misuse){ "realloc", p + 8192, 0, realloc_bad },
		       INTERIOR);
		expect((struct misuse){ "malloc_usable_size", p + 16, 0,
					usable_size_of_bad },
		       INTERIOR);
		free(p);
	}
}
END_TEST

START_TEST(a_large_block_freed_twice)
{
	size_t i;

	for (i = 0; i < NLARGE; i++) {
		char *p = malloc(large_size[i]);

		expect_already_free(
			(struct misuse){ "free", p, 0, free_twice });
		free(p);
	}
}
END_TEST

START_TEST(realloc_to_zero_of_a_bad_pointer)
{
	static long here;
	char *p = malloc(1000000);

	expect((struct misuse){ "realloc", &here, 0, realloc_bad_to_zero },
	       NEVER_ALLOCATED);
	expect((struct misuse){ "realloc", p + 16, 0, realloc_bad_to_zero },
	       INTERIOR);
	free(p);
}
END_TEST

static void cfree_bad(struct misuse *misuse)
{
	cfree(opaque(misuse->bad));
}

static void free_sized_bad(struct misuse *misuse)
{
	free_sized(opaque(misuse->bad), 100);
}

static void free_aligned_sized_bad(struct misuse *misuse)
{
	free_aligned_sized(opaque(misuse->bad), 64, 128);
}

/* All that free calls itself free. */
START_TEST(other_names_of_free)
{
	static long here;

	expect((struct misuse){ "free", &here, 0, cfree_bad },
	       NEVER_ALLOCATED);
	expect((struct misuse){ "free", &here, 0, free_sized_bad },
	       NEVER_ALLOCATED);
	expect((struct misuse){ "free", &here, 0, free_aligned_sized_bad },
	       NEVER_ALLOCATED);
}
END_TEST

/* A crash reporter allocates in its handler of SIGABRT. */
static void report(int sig)
{
	void *p = malloc(100), *q = malloc(10 * MIB);

	(void)sig;
	memset(p, 1, 100);
	memset(q, 1, 10 * MIB);
	free(p);
	free(q);
	_exit(7);
}

static void free_twice_with_reporter(void *arg)
{
	signal(SIGABRT, report);
	free(arg);
	free(opaque(arg));
	malloc_trim(0);
}

START_TEST(a_handler_of_sigabrt_may_allocate)
{
	void *keep = malloc(64);

	testing_child(&child, 20, free_twice_with_reporter, malloc(64));
	ck_assert_msg(WIFEXITED(child.status), "status %x", child.status);
	ck_assert_int_eq(WEXITSTATUS(child.status), 7);
	testing_child(&child, 20, free_twice_with_reporter, malloc(10 * MIB));
	ck_assert_msg(WIFEXITED(child.status), "status %x", child.status);
	ck_assert_int_eq(WEXITSTATUS(child.status), 7);
	free(keep);
}
END_TEST

static void add_small(TCase *tests)
{
	tcase_add_test(tests, an_interior_pointer_of_a_small_block);
	tcase_add_test(tests,
		       an_interior_pointer_of_a_small_block_after_many_frees);
	tcase_add_test(tests, an_interior_pointer_given_to_realloc);
	tcase_add_test(tests, a_small_block_freed_twice);
	tcase_add_test(tests, a_small_block_freed_twice_and_many_others);
	tcase_add_test(tests, a_small_block_used_after_it_reached_its_span);
}

int main(void)
{
	TCase *tests = suite_begin("misuse");

	tcase_add_test(tests, a_stack_address);
	tcase_add_test(tests, a_static_address);
	tcase_add_test(tests, a_code_address);
	tcase_add_test(tests, a_mapping_of_the_program);
	tcase_add_test(tests, an_address_outside_the_address_space);
	add_small(tests);
	tcase_add_test(tests, an_interior_pointer_of_a_large_block);
	tcase_add_test(tests, a_large_block_freed_twice);
	tcase_add_test(tests, realloc_to_zero_of_a_bad_pointer);
	tcase_add_test(tests, other_names_of_free);
	tcase_add_test(tests, a_handler_of_sigabrt_may_allocate);
	return suite_end();
}
