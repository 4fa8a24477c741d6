/*
 * meta: the allocator's own memory. Aligned, disjoint, handed out again.
 */
#include "unit.h"

#include <sys/resource.h>

#include "meta.h"
#include "storm.h"

#define MANY 3000

static struct piece {
	unsigned char *p;
	size_t nbytes;
	uint64_t seed;
} pieces[MANY];

static void allocate(struct piece *piece, size_t nbytes, uint64_t seed)
{
	piece->p = pcm_meta_alloc(nbytes);
	must(piece->p != NULL);
	must((uintptr_t)piece->p % 64 == 0);
	piece->nbytes = nbytes;
	piece->seed = seed;
	fill(piece->p, nbytes, seed);
}

START_TEST(every_size)
{
	size_t n;

	for (n = 1; n <= PCM_META_MAX; n++)
		allocate(&pieces[n], n, n);
	for (n = 1; n <= PCM_META_MAX; n++)
		must(filled(pieces[n].p, n, n));
}
END_TEST

START_TEST(handed_out_again)
{
	void *p = pcm_meta_alloc(200), *q;
	size_t nbytes = pcm_meta_bytes();

	pcm_meta_free(p, 200);
	q = pcm_meta_alloc(200);
	must(q == p);
	pcm_meta_free(q, 200);
	must(pcm_meta_alloc(256) == p); /* of the same 64-byte units */
	must(pcm_meta_bytes() == nbytes);
	must(pcm_meta_alloc(257) != p);
	must(pcm_meta_bytes() >= nbytes + 257 || nbytes == pcm_meta_bytes());
}
END_TEST

START_TEST(random_operations)
{
	uint64_t state = testing_seed();
	unsigned int i;

	for (i = 0; i < 200000; i++) {
		struct piece *piece = &pieces[rnd(&state) % MANY];

		if (piece->p == NULL) {
			allocate(piece, rnd_between(&state, 1, PCM_META_MAX),
				 rnd(&state));
			continue;
		}
		must(filled(piece->p, piece->nbytes, piece->seed));
		pcm_meta_free(piece->p, piece->nbytes);
		piece->p = NULL;
	}
}
END_TEST

/* Zeroed, aligned, any size; also after others were freed. */
START_TEST(forever)
{
	size_t align, n, before = pcm_meta_bytes(), sum = 0;

	for (n = 64; n <= PCM_META_MAX; n += 64) {
		void *p = pcm_meta_alloc(n);

		memset(p, 0xff, n);
		pcm_meta_free(p, n);
	}
	before = pcm_meta_bytes();
	for (align = 1; align <= 4096; align *= 2) {
		for (n = 1; n <= (size_t)1 << 21; n = n * 3 + 1) {
			unsigned char *p = pcm_meta_alloc_forever(n, align);

			must(p != NULL && (uintptr_t)p % align == 0);
			must(all_bytes(p, n, 0));
			memset(p, 0xff, n);
			sum += n;
		}
	}
	must(pcm_meta_bytes() - before >= sum);
}
END_TEST

START_TEST(no_memory)
{
	struct rlimit limit;
	unsigned int i;

	must(getrlimit(RLIMIT_AS, &limit) == 0);
	limit.rlim_cur = testing_memory("VmSize");
	must(setrlimit(RLIMIT_AS, &limit) == 0);
	must(pcm_meta_alloc_forever((size_t)1 << 30, 64) == NULL);
	for (i = 0; i < 1000000 && pcm_meta_alloc(PCM_META_MAX) != NULL; i++)
		;
	must(i < 1000000);
	must(pcm_meta_alloc(PCM_META_MAX) == NULL);
}
END_TEST

/* What is not needed gives its memory back, and serves again. */
START_TEST(released)
{
	size_t most, n;
	unsigned int i, round;

	(void)pcm_meta_release(0);
	for (round = 0; round < 3; round++) {
		for (i = 0; i < MANY; i++)
			allocate(&pieces[i], 1 + i % 600, round * 9 + i);
		most = pcm_meta_bytes();
		for (i = 0; i < MANY; i++) {
			must(filled(pieces[i].p, pieces[i].nbytes,
				    round * 9 + i));
			pcm_meta_free(pieces[i].p, pieces[i].nbytes);
		}
		must(pcm_meta_release(SIZE_MAX) == 0);
		must(pcm_meta_bytes() == most);
		n = pcm_meta_release(0);
		must(n > MANY / 2 * 300 && n <= most);
		/* Addresses need a page for each few hundred. */
		must(pcm_meta_bytes() <= most - n + n / 256 + 4096);
	}
}
END_TEST

static void release_now_and_then(void)
{
	(void)pcm_meta_release(0);
}

static void storm_work(unsigned int self)
{
	static __thread unsigned int round;
	struct piece piece;

	round++;
	allocate(&piece, 1 + (round * 97 + self) % PCM_META_MAX,
		 self * 1000u + round);
	must(filled(piece.p, piece.nbytes, piece.seed));
	pcm_meta_free(piece.p, piece.nbytes);
}

START_TEST(threads)
{
	struct storm storm = { .nthreads = storm_threads(),
			       .seconds = 0.5,
			       .work = storm_work,
			       .meanwhile = release_now_and_then };

	storm_run(&storm);
}
END_TEST

int main(void)
{
	TCase *tests = unit_begin("meta");

	tcase_add_test(tests, every_size);
	tcase_add_test(tests, handed_out_again);
	tcase_add_test(tests, random_operations);
	tcase_add_test(tests, forever);
	tcase_add_test(tests, released);
	tcase_add_test(tests, no_memory);
	tcase_add_test(tests, threads);
	return unit_end();
}
