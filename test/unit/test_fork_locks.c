/*
 * The functions by which fork() takes, releases and resets every lock: each of
 * the locks is really taken, and is free again in the parent and in the child.
 */
#include "unit.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "central_kit.h"
#include "depot.h"
#include "magazine.h"
#include "mapping.h"
#include "meta.h"
#include "page_heap.h"
#include "pagemap.h"
#include "percpu.h"
#include "rseq_thread.h"
#include "size_class.h"

/* ---- what takes which lock ---- */

static void lock_magazine(void)
{
	pcm_lock_unchecked(&pcm_mag_lock);
}

static void unlock_magazine(void)
{
	pcm_unlock_unchecked(&pcm_mag_lock);
}

static void reset_magazine(void)
{
	pcm_lock_reset(&pcm_mag_lock);
}

static void lock_meta(void)
{
	pcm_lock_unchecked(&pcm_meta_lock);
}

static void unlock_meta(void)
{
	pcm_unlock_unchecked(&pcm_meta_lock);
}

static void reset_meta(void)
{
	pcm_lock_reset(&pcm_meta_lock);
}

static bool quiet;

static void lock_percpu(void)
{
	quiet = pcm_percpu_fork_lock();
}

static void reset_percpu(void)
{
	pcm_rseq_thread_forked();
	pcm_percpu_fork_child(quiet);
}

static void use_central(unsigned int class)
{
	struct pcm_central_stats stats;

	pcm_central_stats_get(class, &stats);
}

/* The last class that has lists, and locks: 30,720 bytes. */
#define LAST_LISTED 72

/* The lock of a home that every class with lists has since lock_homes(). */
#define HOME 5

static void use_home(unsigned int class)
{
	void *p;

	if (pcm_central_fill_aligned(class, HOME, &p, 1) == 1)
		pcm_central_flush(class, &p, 1);
}

static void lock_homes(void)
{
	static bool done;
	unsigned int c;

	for (c = 1; c <= LAST_LISTED && !done; c++) {
		if (pcm_central_is_single(c))
			continue;
		crowd_used(c);
		use_home(c);
		must(pcm_central_homes(c) >> HOME & 1);
	}
	done = true;
	pcm_central_fork_lock();
}

/* A home that the class does not have yet. */
static void new_home(unsigned int class)
{
	static atomic_uint home = HOME;
	void *p;

	home = HOME + 1 + (home - HOME) % 2;
	if (pcm_central_fill_aligned(class, home, &p, 1) == 1)
		pcm_central_flush(class, &p, 1);
}

/* The lock of a home that has had a mixed span. */
static void lock_mixed(void)
{
	static bool done;
	void *p;

	if (!done) {
		must(pcm_central_fill(unused_class(8), 0, &p, 1) == 1);
		must(mix(pcm_pagemap_class(p)));
	}
	done = true;
	pcm_mixed_fork_lock();
}

static void use_mixed(unsigned int class)
{
	(void)pcm_mixed_nout(class);
}

static void use_depot(unsigned int class)
{
	(void)pcm_depot_nobjs(class);
}

static void use_depot_of(unsigned int class, unsigned int home)
{
	void **mag = pcm_depot_get_empty(class, home, PCM_MAG_NONE);

	if (mag != PCM_MAG_NONE)
		pcm_depot_put(class, home, mag);
}

static void use_depot_of_home(unsigned int class)
{
	use_depot_of(class, HOME);
}

static void lock_depots(void)
{
	use_depot_of_home(1);
	pcm_depot_fork_lock();
}

/* A home that has no depots yet. */
static void new_depots(unsigned int class)
{
	static atomic_uint home = HOME;

	use_depot_of(class, HOME + 1 + (++home - HOME) % 2);
}

static void use_mapping(unsigned int class)
{
	struct pcm_mapping_stats stats;

	(void)class;
	pcm_mapping_stats_get(&stats);
}

static void use_page_heap(unsigned int class)
{
	struct pcm_page_heap_stats stats;

	(void)class;
	pcm_page_heap_stats_get(&stats);
}

static void use_magazine(unsigned int class)
{
	(void)class;
	(void)pcm_mag_bytes();
}

static void use_meta(unsigned int class)
{
	(void)class;
	(void)pcm_meta_bytes();
}

/* The stop lock. */
static void use_stop(unsigned int class)
{
	(void)class;
	if (pcm_percpu_stop())
		pcm_percpu_resume();
}

/* Every shard's lock. */
static void use_shards(unsigned int class)
{
	struct pcm_percpu_stats stats;

	(void)class;
	pcm_percpu_stats_get(&stats);
}

static const struct layer {
	void (*lock)(void), (*unlock)(void), (*reset)(void);
	void (*use)(unsigned int class);
	unsigned int nlocks; /* of which the first and the last are tried */
} layers[] = {
	{ lock_percpu, pcm_percpu_fork_unlock, reset_percpu, use_stop, 1 },
	{ lock_percpu, pcm_percpu_fork_unlock, reset_percpu, use_shards, 1 },
	{ pcm_depot_fork_lock, pcm_depot_fork_unlock, pcm_depot_fork_child,
	  use_depot, PCM_NCLASSES - 1 },
	{ lock_depots, pcm_depot_fork_unlock, pcm_depot_fork_child,
	  use_depot_of_home, PCM_NCLASSES - 1 },
	{ pcm_depot_fork_lock, pcm_depot_fork_unlock, pcm_depot_fork_child,
	  new_depots, 2 },
	{ pcm_central_fork_lock, pcm_central_fork_unlock,
	  pcm_central_fork_child, use_central, LAST_LISTED },
	{ lock_homes, pcm_central_fork_unlock, pcm_central_fork_child,
	  use_home, LAST_LISTED },
	{ pcm_central_fork_lock, pcm_central_fork_unlock,
	  pcm_central_fork_child, new_home, 2 },
	{ lock_mixed, pcm_mixed_fork_unlock, pcm_mixed_fork_child, use_mixed, 1 },
	{ pcm_mapping_fork_lock, pcm_mapping_fork_unlock,
	  pcm_mapping_fork_child, use_mapping, 1 },
	{ pcm_page_heap_fork_lock, pcm_page_heap_fork_unlock,
	  pcm_page_heap_fork_child, use_page_heap, 1 },
	{ lock_magazine, unlock_magazine, reset_magazine, use_magazine, 1 },
	{ lock_meta, unlock_meta, reset_meta, use_meta, 1 },
};

#define NLAYERS ((int)(sizeof(layers) / sizeof(layers[0])))

/* ---- somebody else wants it ---- */

static const struct layer *layer;
static unsigned int instance;
static atomic_int started, got;

static void *use_in_thread(void *arg)
{
	atomic_store(&started, 1);
	layer->use(instance);
	atomic_store(&got, 1);
	return arg;
}

static void must_block_and_go_on(unsigned int i)
{
	pthread_t thread;

	instance = i;
	atomic_store(&started, 0);
	atomic_store(&got, 0);
	layer->lock();
	must(pthread_create(&thread, NULL, use_in_thread, NULL) == 0);
	while (!atomic_load(&started))
		usleep(1000);
	usleep(30000);
	must(!atomic_load(&got));
	layer->unlock();
	must(pthread_join(thread, NULL) == 0);
	must(atomic_load(&got));
}

/* One thread made beforehand: its stack needs no memory under the locks. */
static void warm_up(void)
{
	pthread_t thread;

	layer = &layers[NLAYERS - 1];
	must(pthread_create(&thread, NULL, use_in_thread, NULL) == 0);
	must(pthread_join(thread, NULL) == 0);
}

START_TEST(blocks_others)
{
	unsigned int i;

	warm_up();
	must(!pcm_central_is_single(LAST_LISTED));
	for (i = LAST_LISTED + 1; i < PCM_NCLASSES; i++)
		must(pcm_central_is_single(i));
	layer = &layers[_i];
	for (i = 1; i <= layer->nlocks; i++)
		if (i <= 2 || i == layer->nlocks)
			must_block_and_go_on(i);
}
END_TEST

/* Every lock of the layer, after it was released or reset. */
static void use_all(void)
{
	unsigned int i;

	for (i = 1; i <= layer->nlocks; i++)
		layer->use(i);
}

START_TEST(free_in_parent)
{
	unsigned int i;

	layer = &layers[_i];
	for (i = 0; i < 10; i++) {
		layer->lock();
		layer->unlock();
		use_all();
	}
}
END_TEST

/* The copy of a process whose locks are held: no handler of fork() runs. */
static pid_t bare_fork(void)
{
	return (pid_t)syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, NULL);
}

START_TEST(free_in_child)
{
	int status;
	pid_t pid;

	layer = &layers[_i];
	layer->lock();
	pid = bare_fork();
	must(pid >= 0);
	if (pid == 0) {
		signal(SIGALRM, SIG_DFL);
		alarm(10);
		layer->reset();
		use_all();
		_exit(0);
	}
	layer->unlock();
	must(waitpid(pid, &status, 0) == pid);
	must(status == 0);
	use_all();
}
END_TEST

/* ---- the whole: fork() while other threads are in every slow path ---- */

static atomic_bool stop;

static void *churn(void *arg)
{
	uint64_t state = (uintptr_t)arg;
	static __thread void *held[64];
	size_t i;

	while (!atomic_load_explicit(&stop, memory_order_relaxed)) {
		i = rnd(&state) % 64;
		free(held[i]);
		held[i] = malloc(rnd_between(&state, 1,
					     rnd(&state) % 8 ? 3000 :
							       2 << 20));
		must(held[i] != NULL);
	}
	for (i = 0; i < 64; i++)
		free(held[i]);
	return NULL;
}

START_TEST(all_of_them)
{
	pthread_t thread[3];
	uintptr_t i;
	int n, k, status;

	for (i = 0; i < 3; i++)
		must(pthread_create(&thread[i], NULL, churn,
				    (void *)(i + 1)) == 0);
	for (n = 0; n < 100; n++) {
		pid_t pid = fork();

		must(pid >= 0);
		if (pid == 0) {
			alarm(10);
			for (k = 0; k < NLAYERS; k++) {
				layer = &layers[k];
				use_all();
			}
			free(malloc(100));
			free(malloc(3 << 20));
			_exit(0);
		}
		must(waitpid(pid, &status, 0) == pid);
		must(status == 0);
	}
	atomic_store(&stop, true);
	for (i = 0; i < 3; i++)
		must(pthread_join(thread[i], NULL) == 0);
}
END_TEST

int main(void)
{
	TCase *tests = unit_begin("fork_locks");

	tcase_add_loop_test(tests, blocks_others, 0, NLAYERS);
	tcase_add_loop_test(tests, free_in_parent, 0, NLAYERS);
	tcase_add_loop_test(tests, free_in_child, 0, NLAYERS);
	tcase_add_test(tests, all_of_them);
	return unit_end();
}
