/*
 * descriptors: what a home frees serves its next ones, within bounds, and goes back.
 */
#include "unit.h"

#include <sys/wait.h>

#include "descriptors.h"
#include "meta.h"
#include "storm.h"

#define MOST 64 /* of a size wait at a home */

/* Of both sizes that wait; what lies between them belongs to the larger one. */
static const size_t sizes[] = { 48, 64, 65, 128 };

static void setup(void)
{
	storm_pin(); /* at one home */
	pcm_descriptor_drain();
}

static void *get(size_t nbytes)
{
	void *p = pcm_descriptor_alloc(nbytes);

	must(p != NULL && (uintptr_t)p % 64 == 0);
	return p;
}

/* The last one comes first, and metadata know nothing of it. */
START_TEST(last_one_first)
{
	size_t nbytes = sizes[_i];
	void *p = get(nbytes), *q = get(nbytes), *other;

	pcm_descriptor_free(p, nbytes);
	pcm_descriptor_free(q, nbytes);
	other = pcm_meta_alloc(nbytes);
	must(other != p && other != q);
	must(get(nbytes) == q && get(nbytes) == p);
	pcm_meta_free(other, nbytes);
}
END_TEST

START_TEST(sizes_do_not_mix)
{
	void *small = get(64), *large = get(128), *larger = get(129);

	pcm_descriptor_free(small, 64);
	pcm_descriptor_free(large, 128);
	pcm_descriptor_free(larger, 129);
	must(pcm_meta_alloc(129) == larger); /* which none of them waits for */
	must(get(65) == large && get(1) == small);
}
END_TEST

/* More than can wait is metadata's at once, and all of it after a drain: pages of it go back. */
START_TEST(bounded_and_drained)
{
	size_t nbytes = sizes[_i];
	void *all[2 * MOST];
	unsigned int i;

	for (i = 0; i < 2 * MOST; i++)
		all[i] = get(nbytes);
	for (i = 0; i < 2 * MOST; i++)
		pcm_descriptor_free(all[i], nbytes);
	for (i = MOST; i-- > 0;)
		must(get(nbytes) == all[i]);
	for (i = 0; i < MOST; i++)
		pcm_descriptor_free(all[i], nbytes);
	(void)pcm_meta_release(0);
	must(pcm_meta_release(0) == 0);
	pcm_descriptor_drain();
	must(pcm_meta_release(0) > 0);
}
END_TEST

/* ---- threads ---- */

#define HELD 16

static void work(unsigned int self)
{
	static __thread unsigned int round;
	size_t nbytes = sizes[round++ % 4];
	void *held[HELD];
	unsigned int i, n = 1 + (round * 31 + self) % HELD;

	for (i = 0; i < n; i++) {
		held[i] = get(nbytes);
		fill(held[i], nbytes, self * 100000u + round + i);
	}
	for (i = 0; i < n; i++) {
		must(filled(held[i], nbytes, self * 100000u + round + i));
		pcm_descriptor_free(held[i], nbytes);
	}
}

/* A child finds its stacks whole, and the parent goes on. */
static void fork_and_drain(void)
{
	int status;
	pid_t pid;

	pid = fork();
	if (pid == 0) {
		pcm_descriptor_drain();
		work(0);
		_exit(0);
	}
	must(pid > 0 && waitpid(pid, &status, 0) == pid && status == 0);
	pcm_descriptor_drain();
}

START_TEST(threads)
{
	struct storm storm = { .nthreads = storm_threads(),
			       .seconds = 0.5,
			       .work = work,
			       .meanwhile = fork_and_drain };

	storm_run(&storm);
}
END_TEST

int main(void)
{
	TCase *tests = unit_begin("descriptors");

	tcase_add_checked_fixture(tests, setup, NULL);
	tcase_add_loop_test(tests, last_one_first, 0, 4);
	tcase_add_test(tests, sizes_do_not_mix);
	tcase_add_loop_test(tests, bounded_and_drained, 0, 4);
	tcase_add_test(tests, threads);
	return unit_end();
}
