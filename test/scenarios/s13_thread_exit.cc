/*
 * Scenario 13, what is allocated and freed in every stage of a thread's end:
 * in destructors of C++ thread_local objects, in all rounds of key destructors
 * that there are, in cleanup handlers; of threads that return, call
 * pthread_exit, are cancelled, or are detached; and blocks of threads that are
 * gone. In each stage the thread still is what it was: on per-CPU caches or
 * not.
 */
#include "testing.h"

extern "C" {
#include "hammer.h"
#include "load.h"
#include "rseq_raw.h"
}

#include <atomic>
#include <climits>
#include <pthread.h>
#include <string>
#include <time.h>

namespace {

const int nthreads = 240;
const int ntogether = 8;
const int nrounds = PTHREAD_DESTRUCTOR_ITERATIONS;
const size_t block_size = 700;
const int nleft = 200;

enum end { RETURN, EXIT, CANCEL, CANCEL_SELF, NENDS };

bool per_cpu;
pthread_key_t keys[2];
std::atomic<int> ndestroyed, nrounds_seen, ncleaned;

/* Blocks that outlive the thread that allocated them. */
std::atomic<unsigned char *> left_behind[nleft];

unsigned char *new_block(uint64_t seed)
{
	unsigned char *p = static_cast<unsigned char *>(malloc(block_size));

	must(p);
	fill(p, block_size, seed);
	return p;
}

void drop_block(unsigned char *p, uint64_t seed)
{
	must(p && filled(p, block_size, seed));
	free(p);
}

/* Work as everywhere, and the thread is what it was. */
void stage(uint64_t seed)
{
	uint64_t state = seed;

	hammer(4, seed << 32 | 5);
	load_steps(6, &state);
	raw_visit_slow_path();
	must(raw_per_cpu() == per_cpu);
}

void leave_block(uint64_t number)
{
	unsigned char *p = new_block(77);

	p = left_behind[number % nleft].exchange(p);
	if (p)
		drop_block(p, 77);
}

/* What a key's value points to. */
struct value {
	unsigned char *block;
	uint64_t seed;
	int round;
	size_t key;
};

void set_key(size_t key, uint64_t seed, int round)
{
	value *v = static_cast<value *>(calloc(1, sizeof(*v)));

	must(v);
	v->block = new_block(seed + static_cast<uint64_t>(round));
	v->seed = seed;
	v->round = round;
	v->key = key;
	must(!pthread_setspecific(keys[key], v));
}

/* Sets its key again, as often as there are rounds. */
void destroy_value(void *arg)
{
	value *v = static_cast<value *>(arg);

	drop_block(v->block, v->seed + static_cast<uint64_t>(v->round));
	stage(v->seed);
	if (v->round < nrounds)
		set_key(v->key, v->seed, v->round + 1);
	else
		nrounds_seen++;
	leave_block(v->seed);
	free(v);
}

struct object {
	std::string text = std::string(900, 'o');
	unsigned char *block = new_block(3);

	~object()
	{
		must(text == std::string(900, 'o'));
		drop_block(block, 3);
		stage(9);
		leave_block(9);
		ndestroyed++;
	}
};

thread_local object first, second;

void clean(void *arg)
{
	drop_block(static_cast<unsigned char *>(arg), 5);
	stage(4);
	ncleaned++;
}

void wait_for_cancellation()
{
	const timespec moment = { 0, 1000000 };

	for (;;) {
		stage(2);
		nanosleep(&moment, nullptr);
	}
}

void end_so(end how)
{
	switch (how) {
	case EXIT:
		pthread_exit(nullptr);
	case CANCEL_SELF:
		must(!pthread_cancel(pthread_self()));
		stage(3);
		pthread_testcancel();
		must(false);
		break;
	case CANCEL:
		wait_for_cancellation();
		break;
	default:
		break;
	}
}

void *run(void *arg)
{
	uint64_t number = reinterpret_cast<uintptr_t>(arg);
	unsigned char *p = new_block(5);

	pthread_cleanup_push(clean, p);
	must(first.text.size() == second.text.size());
	set_key(0, number * 16, 1);
	set_key(1, number * 16 + 8, 1);
	stage(number);
	leave_block(number);
	end_so(static_cast<end>(number % NENDS));
	pthread_cleanup_pop(1);
	return nullptr;
}

void wait_until_all_have_ended(int nended)
{
	const timespec moment = { 0, 100000 };

	while (nrounds_seen.load() < 2 * nended)
		nanosleep(&moment, nullptr);
}

/* Half of them are detached: their end is seen by what their last round did. */
void run_together(int firstone)
{
	pthread_t thread[ntogether];

	for (int i = 0; i < ntogether; i++)
		must(!pthread_create(&thread[i], nullptr, run,
				     reinterpret_cast<void *>(
					     static_cast<uintptr_t>(firstone +
								    i))));
	for (int i = 0; i < ntogether; i++)
		if ((firstone + i) % NENDS == CANCEL)
			must(!pthread_cancel(thread[i]));
	for (int i = 0; i < ntogether; i++)
		if (i < ntogether / 2)
			must(!pthread_detach(thread[i]));
		else
			must(!pthread_join(thread[i], nullptr));
	wait_until_all_have_ended(firstone + ntogether);
}

void free_what_is_left()
{
	for (auto &left : left_behind) {
		unsigned char *p = left.exchange(nullptr);

		if (p)
			drop_block(p, 77);
	}
}

} // namespace

int main()
{
	testing_start(60);
	raw_visit_slow_path();
	per_cpu = raw_per_cpu();
	for (auto &key : keys)
		must(!pthread_key_create(&key, destroy_value));
	hammer_start(1, false);
	for (int i = 0; i < nthreads; i += ntogether)
		run_together(i);
	hammer_stop();
	free_what_is_left();
	load_clear();
	must(ndestroyed.load() == 2 * nthreads);
	must(nrounds_seen.load() == 2 * nthreads);
	must(ncleaned.load() == nthreads);
	printf("%d threads, %d rounds of destructors each\n", nthreads,
	       nrounds);
	return 0;
}
