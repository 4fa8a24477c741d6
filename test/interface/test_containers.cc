/*
 * The standard library's containers and smart pointers, in several threads.
 */
#include "suite.h"

#include <deque>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <unordered_map>
#include <vector>

namespace {

const int nthreads = 4;

std::string text_of(size_t i)
{
	return std::string(i % 200, static_cast<char>('a' + i % 26)) +
	       std::to_string(i);
}

void in_threads(const std::function<void()> &work)
{
	std::vector<std::thread> threads;

	for (int i = 0; i < nthreads; i++)
		threads.emplace_back(work);
	for (std::thread &thread : threads)
		thread.join();
}

template <typename Map> void fill_map(Map &map)
{
	for (size_t i = 0; i < 5000; i++)
		map[i] = text_of(i);
	for (size_t i = 0; i < 5000; i += 3)
		map.erase(i);
	for (size_t i = 0; i < 5000; i++) {
		auto found = map.find(i);

		must((found == map.end()) == (i % 3 == 0));
		must(found == map.end() || found->second == text_of(i));
	}
}

struct alignas(128) wide {
	unsigned char bytes[128];
};

} // namespace

START_TEST(maps)
{
	in_threads([] {
		std::map<size_t, std::string> ordered;
		std::unordered_map<size_t, std::string> hashed;

		fill_map(ordered);
		fill_map(hashed);
	});
}
END_TEST

START_TEST(sequences)
{
	in_threads([] {
		std::vector<std::string> vector;
		std::deque<std::string> deque;
		std::list<std::string> list;

		for (size_t i = 0; i < 5000; i++) {
			vector.push_back(text_of(i));
			deque.push_front(text_of(i));
			list.push_back(text_of(i));
		}
		for (size_t i = 0; i < 5000; i++) {
			must(vector[i] == text_of(i));
			must(deque[4999 - i] == text_of(i));
			must(list.front() == text_of(i));
			list.pop_front();
		}
	});
}
END_TEST

START_TEST(one_growing_vector)
{
	std::vector<size_t> numbers;

	for (size_t i = 0; i < 2000000; i++)
		numbers.push_back(i);
	for (size_t i = 0; i < 2000000; i++)
		must(numbers[i] == i);
	numbers.resize(10);
	numbers.shrink_to_fit();
	ck_assert_uint_eq(numbers[9], 9);
}
END_TEST

START_TEST(shared_between_threads)
{
	std::vector<std::shared_ptr<std::string>> shared;

	for (size_t i = 0; i < 5000; i++)
		shared.push_back(std::make_shared<std::string>(text_of(i)));
	in_threads([shared] {
		for (size_t i = 0; i < shared.size(); i++)
			must(*shared[i] == text_of(i));
	});
	for (const auto &pointer : shared)
		ck_assert_int_eq(pointer.use_count(), 1);
}
END_TEST

START_TEST(over_aligned_types)
{
	in_threads([] {
		std::vector<wide> vector(100);
		std::vector<std::unique_ptr<wide>> pointers;

		for (int i = 0; i < 1000; i++) {
			pointers.emplace_back(new wide);
			wide *p = pointers.back().get();

			must(reinterpret_cast<uintptr_t>(p) % 128 == 0);
			memset(p, i, sizeof(wide));
		}
		for (int i = 0; i < 1000; i++)
			must(all_bytes(pointers[i].get(), sizeof(wide),
				       static_cast<unsigned char>(i)));
		std::unique_ptr<wide[]> array(new wide[50]);
		must(reinterpret_cast<uintptr_t>(array.get()) % 128 == 0);
	});
}
END_TEST

int main()
{
	TCase *tests = suite_begin("containers");

	tcase_add_test(tests, maps);
	tcase_add_test(tests, sequences);
	tcase_add_test(tests, one_growing_vector);
	tcase_add_test(tests, shared_between_threads);
	tcase_add_test(tests, over_aligned_types);
	return suite_end();
}
