/*
 * Scenario 11, allocation in every stage of a program's life: .preinit_array,
 * constructors (with priorities, of C++ objects), main, threads with key
 * destructors and C++ thread_local destructors, atexit, on_exit, destructors,
 * .fini_array.
 *
 * Each stage writes its name; blocks are handed from stage to stage. The
 * program runs itself and compares what was written.
 */
#include "testing.h"

extern "C" {
#include "rseq_raw.h"
}

#include <dlfcn.h>
#include <pthread.h>
#include <string>
#include <sys/wait.h>

namespace {

const size_t sizes[] = { 8, 100, 5000, 40000, 300000, 3 << 20, 40 << 20 };
const size_t nsizes = sizeof(sizes) / sizeof(sizes[0]);

/* One block of each size, of the stage before. */
unsigned char *kept[nsizes];
uint64_t kept_seed;

size_t part(size_t n)
{
	return n < 8192 ? n : 8192;
}

void write_line(const char *name)
{
	must(write(1, name, strlen(name)) >= 0);
	must(write(1, "\n", 1) == 1);
}

/*
 * No stage is too early or too late for small blocks and per-CPU caches.
 * PCMALLOC_CONF cannot be asked: libc has no environment yet at first.
 */
void must_be_served_as_always()
{
	const char *(*mode)(void);
	void *p = malloc(100);

	must(malloc_usable_size(p) >= 100 && malloc_usable_size(p) <= 128);
	free(p);
	raw_visit_slow_path();
	*reinterpret_cast<void **>(&mode) = dlsym(RTLD_DEFAULT, "pcm_mode");
	must(mode);
	must(raw_per_cpu() == (strncmp(mode(), "per-CPU", 7) == 0));
}

/* Checks and frees what the stage before left, leaves new blocks. */
void stage(const char *name)
{
	for (size_t i = 0; i < nsizes; i++) {
		if (kept[i])
			must(filled(kept[i], part(sizes[i]), kept_seed + i));
		if (i % 2)
			kept[i] = static_cast<unsigned char *>(
				realloc(kept[i], sizes[i]));
		else {
			free(kept[i]);
			kept[i] = static_cast<unsigned char *>(
				calloc(1, sizes[i]));
		}
		must(kept[i]);
		fill(kept[i], part(sizes[i]), kept_seed + 1 + i);
	}
	kept_seed++;
	for (size_t i = 0; i < 2000; i++)
		free(malloc(i));
	must_be_served_as_always();
	write_line(name);
}

/* Only the program that was started with an argument goes through them. */
bool is_run(int argc)
{
	return argc == 2;
}

bool active;

void preinit(int argc, char **, char **)
{
	active = is_run(argc);
	if (active)
		stage("preinit");
}

__attribute__((used, section(".preinit_array"))) void (
	*const preinit_entry)(int, char **, char **) = preinit;

__attribute__((constructor(101))) void first_constructor()
{
	if (active)
		stage("constructor 101");
}

__attribute__((constructor(65534))) void last_constructor()
{
	if (active)
		stage("constructor 65534");
}

__attribute__((destructor(65534))) void first_destructor()
{
	if (active)
		stage("destructor 65534");
}

__attribute__((destructor(101))) void last_destructor()
{
	if (active)
		stage("destructor 101");
}

struct object {
	std::string text;

	object() : text(1000, 'x')
	{
		if (active)
			stage("object constructed");
	}
	~object()
	{
		must(text == std::string(1000, 'x'));
		if (active)
			stage("object destroyed");
	}
};

__attribute__((init_priority(1000))) object static_object;

struct thread_object {
	std::string text = std::string(500, 'y');

	void touch()
	{
		must(text.size() == 500);
	}
	~thread_object()
	{
		must(text == std::string(500, 'y'));
		stage("thread_local destroyed");
	}
};

thread_local thread_object of_this_thread;
pthread_key_t key;
int key_rounds;

/* Sets itself again: a second round of destructors must find all intact. */
void destroy_key(void *p)
{
	must(filled(p, 700, 3));
	free(p);
	stage("key destroyed");
	if (++key_rounds == 1) {
		p = malloc(700);
		fill(p, 700, 3);
		must(!pthread_setspecific(key, p));
	}
}

void *run_thread(void *)
{
	void *p = malloc(700);

	fill(p, 700, 3);
	must(!pthread_setspecific(key, p));
	of_this_thread.touch();
	stage("thread");
	return nullptr;
}

void in_atexit()
{
	stage("atexit");
}

void in_on_exit(int status, void *text)
{
	must(status == 0);
	must(strcmp(static_cast<char *>(text), "on_exit") == 0);
	stage(static_cast<char *>(text));
	free(text);
}

void in_quick_exit()
{
	stage("at_quick_exit");
}

void live(const char *how)
{
	pthread_t thread;

	stage("main");
	must(!atexit(in_atexit));
	must(!on_exit(in_on_exit, strdup("on_exit")));
	must(!at_quick_exit(in_quick_exit));
	must(!pthread_key_create(&key, destroy_key));
	must(!pthread_create(&thread, nullptr, run_thread, nullptr));
	must(!pthread_join(thread, nullptr));
	of_this_thread.touch();
	if (strcmp(how, "quick") == 0)
		quick_exit(0);
}

const char expected_begin[] = "preinit\n"
			      "constructor 101\n"
			      "object constructed\n"
			      "constructor 65534\n"
			      "main\n"
			      "thread\n"
			      "thread_local destroyed\n"
			      "key destroyed\n"
			      "key destroyed\n";
const char expected_exit[] = "thread_local destroyed\n"
			     "on_exit\n"
			     "atexit\n"
			     "object destroyed\n"
			     "destructor 65534\n"
			     "destructor 101\n";
const char expected_quick[] = "at_quick_exit\n";

void run_self(void *how)
{
	execl("/proc/self/exe", "stages", static_cast<char *>(how),
	      static_cast<char *>(nullptr));
	_exit(125);
}

void expect(const char *how, const std::string &expected)
{
	static struct child child;

	testing_child(&child, 20, run_self, const_cast<char *>(how));
	if (child.status != 0 || child.out != expected) {
		printf("%s: status %x\nstderr: %s\nwritten:\n%sexpected:\n%s",
		       how, static_cast<unsigned int>(child.status), child.err,
		       child.out, expected.c_str());
		exit(1);
	}
}

} // namespace

int main(int argc, char **argv)
{
	if (is_run(argc)) {
		live(argv[1]);
		return 0;
	}
	testing_start(60);
	expect("exit", std::string(expected_begin) + expected_exit);
	expect("quick", std::string(expected_begin) + expected_quick);
	return 0;
}
