/*
 * A plugin in C++ that a program in C loads with RTLD_LOCAL: the C++ runtime
 * comes with it and is in nobody else's scope. See test_plugin.c.
 */
#include <cstddef>
#include <new>
#include <string>
#include <vector>

/* Returns 0 if containers work, and 1 to 3 for what does not. */
extern "C" int plugin_works(size_t too_large)
{
	std::vector<std::string> strings;

	for (size_t i = 0; i < 10000; i++)
		strings.push_back(std::string(i % 300, 'x'));
	for (size_t i = 0; i < 10000; i++)
		if (strings[i].size() != i % 300)
			return 1;
	if (::operator new(too_large, std::nothrow))
		return 2;
	try {
		::operator delete(::operator new(too_large));
	} catch (const std::bad_alloc &) {
		return 0;
	}
	return 3;
}

static int calls;

static void give_up_at_three()
{
	if (++calls == 3)
		std::set_new_handler(nullptr);
}

/* Returns how often the new-handler was called; 3 is right. */
extern "C" int plugin_handler_calls(size_t too_large)
{
	calls = 0;
	std::set_new_handler(give_up_at_three);
	try {
		::operator delete(::operator new(too_large));
	} catch (const std::bad_alloc &) {
		return calls;
	}
	return -1;
}
