/*
 * A program in C++ to be linked with libpcmalloc.a: the operators, exceptions,
 * containers, threads with thread_local objects. Prints the mode of pcmalloc.
 */
#include "pattern.h"

#include <cstdlib>
#include <map>
#include <memory>
#include <new>
#include <pcmalloc/pcmalloc.h>
#include <string>
#include <thread>
#include <vector>

namespace {

struct alignas(256) wide {
	unsigned char bytes[256];
};

std::string text_of(size_t i)
{
	return std::string(i % 300, 'x') + std::to_string(i);
}

struct of_thread {
	std::vector<std::string> texts;

	~of_thread()
	{
		for (size_t i = 0; i < texts.size(); i++)
			must(texts[i] == text_of(i));
	}
};

thread_local of_thread here;
volatile size_t too_large = static_cast<size_t>(PTRDIFF_MAX) - 4096;
void *volatile sink;

int handler_calls;

void give_up_at_three()
{
	if (++handler_calls == 3)
		std::set_new_handler(nullptr);
}

void exceptions()
{
	bool caught = false;

	handler_calls = 0;
	std::set_new_handler(give_up_at_three);
	try {
		sink = ::operator new(too_large);
	} catch (const std::bad_alloc &) {
		caught = true;
	}
	must(caught && handler_calls == 3);
	must(!::operator new(too_large, std::nothrow));
}

void work()
{
	std::map<size_t, std::string> map;
	std::vector<std::unique_ptr<wide>> wides;

	for (size_t i = 0; i < 3000; i++) {
		map[i] = text_of(i);
		here.texts.push_back(text_of(i));
		wides.emplace_back(new wide);
		must(reinterpret_cast<uintptr_t>(wides.back().get()) % 256 ==
		     0);
		fill(wides.back().get(), sizeof(wide), i);
	}
	for (size_t i = 0; i < 3000; i++) {
		must(map[i] == text_of(i));
		must(filled(wides[i].get(), sizeof(wide), i));
	}
}

} // namespace

int main()
{
	std::vector<std::thread> threads;

	alarm(60);
	must(strcmp(pcm_version(), PCM_VERSION_STRING) == 0);
	work();
	exceptions();
	for (int i = 0; i < 4; i++)
		threads.emplace_back(work);
	for (std::thread &thread : threads)
		thread.join();
	exceptions();
	printf("%s\nended\n", pcm_mode());
	return 0;
}
