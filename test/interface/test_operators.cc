/*
 * Every form of operator new and operator delete, the new-handler, and
 * std::bad_alloc.
 */
#include "suite.h"

#include <cstdint>
#include <dlfcn.h>
#include <new>
#include <vector>

namespace {

const std::align_val_t align64{ 64 };

/* A size that no address space holds, unknown to the compiler. */
size_t too_large()
{
	return opaque_size(static_cast<size_t>(PTRDIFF_MAX) - 4096);
}

/* Is the function at @address one of libpcmalloc.so's? */
bool is_ours(void *address)
{
	Dl_info info, ours;

	return dladdr(address, &info) &&
	       dladdr(dlsym(RTLD_DEFAULT, "malloc"), &ours) &&
	       info.dli_fbase == ours.dli_fbase;
}

void *volatile dropped;

/* Takes what must not have been allocated. */
void drop(void *p)
{
	dropped = p;
}

void use(void *p, size_t n, size_t alignment)
{
	ck_assert_ptr_nonnull(p);
	ck_assert_uint_eq(reinterpret_cast<uintptr_t>(p) % alignment, 0);
	ck_assert_uint_ge(malloc_usable_size(p), n);
	fill(p, n, n);
	ck_assert(filled(p, n, n));
}

} // namespace

/* By their mangled names: all forms that C++17 has. */
START_TEST(every_form_is_exported)
{
	static const char *const name[] = {
		"_Znwm", "_Znam", "_ZnwmRKSt9nothrow_t", "_ZnamRKSt9nothrow_t",
		"_ZnwmSt11align_val_t", "_ZnamSt11align_val_t",
		"_ZnwmSt11align_val_tRKSt9nothrow_t",
		"_ZnamSt11align_val_tRKSt9nothrow_t", "_ZdlPv", "_ZdaPv",
		"_ZdlPvm", "_ZdaPvm", "_ZdlPvRKSt9nothrow_t",
		"_ZdaPvRKSt9nothrow_t", "_ZdlPvSt11align_val_t",
		"_ZdaPvSt11align_val_t", "_ZdlPvmSt11align_val_t",
		"_ZdaPvmSt11align_val_t",
		"_ZdlPvSt11align_val_tRKSt9nothrow_t",
		"_ZdaPvSt11align_val_tRKSt9nothrow_t",
	};

	for (const char *symbol : name)
		ck_assert_msg(is_ours(dlsym(RTLD_DEFAULT, symbol)), "%s",
			      symbol);
}
END_TEST

START_TEST(plain_forms)
{
	for (size_t n = 0; n < 600000; n += n / 4 + 1) {
		size_t natural = n <= 8 ? 8 : 16;
		void *p = ::operator new(n);

		use(p, n, natural);
		::operator delete(p);
		p = ::operator new(n);
		use(p, n, natural);
		::operator delete(p, n);
		p = ::operator new[](n);
		use(p, n, natural);
		::operator delete[](p);
		p = ::operator new[](n);
		use(p, n, natural);
		::operator delete[](p, n);
	}
}
END_TEST

START_TEST(nothrow_forms)
{
	for (size_t n = 0; n < 600000; n += n / 4 + 1) {
		size_t natural = n <= 8 ? 8 : 16;
		void *p = ::operator new(n, std::nothrow);

		use(p, n, natural);
		::operator delete(p, std::nothrow);
		p = ::operator new[](n, std::nothrow);
		use(p, n, natural);
		::operator delete[](p, std::nothrow);
		p = ::operator new(n, std::nothrow);
		use(p, n, natural);
		::operator delete(p, n);
	}
}
END_TEST

namespace {

void use_aligned(size_t n, size_t alignment)
{
	const std::align_val_t align{ alignment };
	void *p = ::operator new(n, align);

	use(p, n, alignment);
	::operator delete(p, align);
	p = ::operator new(n, align);
	use(p, n, alignment);
	::operator delete(p, n, align);
	p = ::operator new[](n, align);
	use(p, n, alignment);
	::operator delete[](p, align);
	p = ::operator new[](n, align);
	use(p, n, alignment);
	::operator delete[](p, n, align);
	p = ::operator new(n, align, std::nothrow);
	use(p, n, alignment);
	::operator delete(p, align, std::nothrow);
	p = ::operator new[](n, align, std::nothrow);
	use(p, n, alignment);
	::operator delete[](p, align, std::nothrow);
}

} // namespace

START_TEST(aligned_forms)
{
	for (size_t alignment = 1; alignment <= 4 * MIB; alignment *= 2)
		for (size_t n = 0; n < 600000; n = n * 5 + 1)
			use_aligned(n, alignment);
}
END_TEST

START_TEST(deleting_null_does_nothing)
{
	::operator delete(opaque(nullptr));
	::operator delete[](opaque(nullptr));
	::operator delete(opaque(nullptr), opaque_size(8));
	::operator delete[](opaque(nullptr), opaque_size(8));
	::operator delete(opaque(nullptr), std::nothrow);
	::operator delete[](opaque(nullptr), std::nothrow);
	::operator delete(opaque(nullptr), align64);
	::operator delete[](opaque(nullptr), align64);
	::operator delete(opaque(nullptr), opaque_size(64), align64);
	::operator delete[](opaque(nullptr), opaque_size(64), align64);
	::operator delete(opaque(nullptr), align64, std::nothrow);
	::operator delete[](opaque(nullptr), align64, std::nothrow);
}
END_TEST

START_TEST(of_zero_is_unique)
{
	void *p = ::operator new(0), *q = ::operator new[](0);

	ck_assert_ptr_nonnull(p);
	ck_assert_ptr_nonnull(q);
	ck_assert_ptr_ne(p, q);
	::operator delete(p);
	::operator delete[](q);
}
END_TEST

START_TEST(blocks_are_malloc_s)
{
	void *p = ::operator new(1000);

	p = realloc(p, 2000);
	free(p);
	p = malloc(100);
	::operator delete(p);
	errno = 4711;
	p = ::operator new(100);
	::operator delete(p);
	ck_assert_int_eq(errno, 4711);
}
END_TEST

namespace {

template <typename Function> bool throws_bad_alloc(Function function)
{
	try {
		function();
	} catch (const std::bad_alloc &error) {
		return error.what() != nullptr;
	}
	return false;
}

} // namespace

namespace {

/* The four forms that throw, with a size that cannot be had. */
void new_one()
{
	drop(::operator new(too_large()));
}

void new_array()
{
	drop(::operator new[](too_large()));
}

void new_aligned()
{
	drop(::operator new(too_large(), align64));
}

void new_aligned_array()
{
	drop(::operator new[](too_large(), align64));
}

void (*const throwing[])() = { new_one, new_array, new_aligned,
			       new_aligned_array };

} // namespace

START_TEST(no_memory_throws_bad_alloc)
{
	for (int turn = 0; turn < 100; turn++)
		for (void (*form)() : throwing)
			ck_assert(throws_bad_alloc(form));
	ck_assert(throws_bad_alloc(
		[] { drop(::operator new(opaque_size(SIZE_MAX))); }));
	ck_assert(throws_bad_alloc(
		[] { drop(::operator new[](opaque_size(SIZE_MAX))); }));
	::operator delete(::operator new(100));
}
END_TEST

START_TEST(no_memory_is_null_for_nothrow)
{
	ck_assert_ptr_null(::operator new(too_large(), std::nothrow));
	ck_assert_ptr_null(::operator new[](too_large(), std::nothrow));
	ck_assert_ptr_null(::operator new(too_large(), align64, std::nothrow));
	ck_assert_ptr_null(
		::operator new[](too_large(), align64, std::nothrow));
	ck_assert_ptr_null(
		::operator new(opaque_size(SIZE_MAX), std::nothrow));
}
END_TEST

namespace {

int handler_calls;

/* Gives up at the fifth call, by removing itself. */
void give_up_at_five()
{
	if (++handler_calls == 5)
		std::set_new_handler(nullptr);
}

struct no_memory_at_all : std::bad_alloc {
	const char *what() const noexcept override
	{
		return "no memory at all";
	}
};

void throw_at_three()
{
	if (++handler_calls == 3)
		throw no_memory_at_all();
}

template <typename Function> int calls_of_five(Function function)
{
	handler_calls = 0;
	std::set_new_handler(give_up_at_five);
	ck_assert(function());
	ck_assert(std::get_new_handler() == nullptr);
	return handler_calls;
}

template <typename Function> bool throws_the_handlers(Function function)
{
	handler_calls = 0;
	std::set_new_handler(throw_at_three);
	try {
		function();
	} catch (const no_memory_at_all &error) {
		std::set_new_handler(nullptr);
		return handler_calls == 3;
	}
	return false;
}

} // namespace

START_TEST(the_handler_is_called_until_it_gives_up)
{
	for (void (*form)() : throwing)
		ck_assert_int_eq(
			calls_of_five([=] { return throws_bad_alloc(form); }),
			5);
}
END_TEST

START_TEST(the_handler_is_called_for_nothrow_too)
{
	ck_assert_int_eq(calls_of_five([] {
		return !::operator new(too_large(), std::nothrow);
	}), 5);
	ck_assert_int_eq(calls_of_five([] {
		return !::operator new[](too_large(), align64, std::nothrow);
	}), 5);
}
END_TEST

START_TEST(what_the_handler_throws_is_passed_on)
{
	for (void (*form)() : throwing)
		ck_assert(throws_the_handlers(form));
}
END_TEST

/* "Otherwise, returns a null pointer" [new.delete.single]. */
START_TEST(what_the_handler_throws_is_null_for_nothrow)
{
	handler_calls = 0;
	std::set_new_handler(throw_at_three);
	ck_assert_ptr_null(::operator new(too_large(), std::nothrow));
	ck_assert_int_eq(handler_calls, 3);
	handler_calls = 0;
	ck_assert_ptr_null(
		::operator new[](too_large(), align64, std::nothrow));
	ck_assert_int_eq(handler_calls, 3);
	std::set_new_handler(nullptr);
}
END_TEST

START_TEST(new_throws_in_a_container)
{
	std::vector<char> bytes;

	ck_assert(throws_bad_alloc([&] {
		bytes.reserve(bytes.max_size() - 4096);
	}));
	bytes.resize(100000);
	ck_assert_uint_eq(bytes.size(), 100000);
}
END_TEST

static void add_exhaustion(TCase *tests)
{
	tcase_add_test(tests, no_memory_throws_bad_alloc);
	tcase_add_test(tests, no_memory_is_null_for_nothrow);
	tcase_add_test(tests, the_handler_is_called_until_it_gives_up);
	tcase_add_test(tests, the_handler_is_called_for_nothrow_too);
	tcase_add_test(tests, what_the_handler_throws_is_passed_on);
	tcase_add_test(tests, what_the_handler_throws_is_null_for_nothrow);
	tcase_add_test(tests, new_throws_in_a_container);
}

int main()
{
	TCase *tests = suite_begin("operators");

	tcase_add_test(tests, every_form_is_exported);
	tcase_add_test(tests, plain_forms);
	tcase_add_test(tests, nothrow_forms);
	tcase_add_test(tests, aligned_forms);
	tcase_add_test(tests, deleting_null_does_nothing);
	tcase_add_test(tests, of_zero_is_unique);
	tcase_add_test(tests, blocks_are_malloc_s);
	add_exhaustion(tests);
	return suite_end();
}
