/*
 * The C++ operators in a program without a C++ runtime, and after one has come
 * with a plugin, with RTLD_LOCAL as Python and Java load theirs.
 */
#include "suite.h"

#include <dlfcn.h>
#include <limits.h>
#include <pthread.h>

static void *operator_named(const char *name)
{
	void *p = dlsym(RTLD_DEFAULT, name);

	ck_assert_msg(p != NULL, "%s", name);
	return p;
}

static size_t too_large(void)
{
	return opaque_size((size_t)PTRDIFF_MAX - 4096);
}

START_TEST(operators_work_without_a_runtime)
{
	void *(*op_new)(size_t);
	void (*op_delete)(void *);
	void *(*op_new_nothrow)(size_t, const void *);
	size_t n;

	ck_assert_ptr_null(dlsym(RTLD_DEFAULT, "__cxa_throw"));
	*(void **)&op_new = operator_named("_Znwm");
	*(void **)&op_delete = operator_named("_ZdlPv");
	*(void **)&op_new_nothrow = operator_named("_ZnwmRKSt9nothrow_t");
	for (n = 0; n < 3 * MIB; n = n * 2 + 1) {
		unsigned char *p = op_new(n);

		ck_assert_ptr_nonnull(p);
		memset(p, 1, n);
		op_delete(p);
	}
	ck_assert_ptr_null(op_new_nothrow(too_large(), ""));
}
END_TEST

/* build/test/interface/plugin.so beside this program. */
static void *open_plugin(void)
{
	char path[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 20);
	char *slash;
	void *plugin;

	ck_assert_int_gt(n, 0);
	path[n] = '\0';
	slash = strrchr(path, '/');
	strcpy(slash + 1, "plugin.so");
	plugin = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	ck_assert_msg(plugin != NULL, "%s", dlerror());
	return plugin;
}

static int (*plugin_function(void *plugin, const char *name))(size_t)
{
	int (*function)(size_t);

	*(void **)&function = dlsym(plugin, name);
	ck_assert_ptr_nonnull(function);
	return function;
}

START_TEST(a_plugin_catches_bad_alloc)
{
	int (*works)(size_t) = plugin_function(open_plugin(), "plugin_works");

	ck_assert_int_eq(works(too_large()), 0);
	ck_assert_int_eq(works(too_large()), 0);
}
END_TEST

START_TEST(a_plugin_s_new_handler_is_called)
{
	int (*calls)(size_t) =
		plugin_function(open_plugin(), "plugin_handler_calls");

	ck_assert_int_eq(calls(too_large()), 3);
	ck_assert_int_eq(calls(too_large()), 3);
}
END_TEST

static void *run_plugin(void *function)
{
	int (*works)(size_t);

	*(void **)&works = function;
	return (void *)(intptr_t)works(too_large());
}

START_TEST(a_plugin_works_in_threads)
{
	int (*works)(size_t) = plugin_function(open_plugin(), "plugin_works");
	pthread_t thread[3];
	void *result;
	size_t i;

	for (i = 0; i < 3; i++)
		ck_assert(!pthread_create(&thread[i], NULL, run_plugin,
					  *(void **)&works));
	for (i = 0; i < 3; i++) {
		pthread_join(thread[i], &result);
		ck_assert_ptr_null(result);
	}
}
END_TEST

int main(void)
{
	TCase *tests = suite_begin("plugin");

	tcase_add_test(tests, operators_work_without_a_runtime);
	tcase_add_test(tests, a_plugin_catches_bad_alloc);
	tcase_add_test(tests, a_plugin_s_new_handler_is_called);
	tcase_add_test(tests, a_plugin_works_in_threads);
	return suite_end();
}
