/*
 * The functions of <pcmalloc/pcmalloc.h>.
 */
#include "suite.h"

#include <pcmalloc/pcmalloc.h>
#include <pthread.h>
#include <stdbool.h>
#include <sys/wait.h>

#define NBLOCKS 16384 /* of 4 KiB: 64 MiB */

START_TEST(the_version_is_the_header_s)
{
	char text[32];

	ck_assert_str_eq(pcm_version(), PCM_VERSION_STRING);
	snprintf(text, sizeof(text), "%d.%d.%d", PCM_VERSION_MAJOR,
		 PCM_VERSION_MINOR, PCM_VERSION_PATCH);
	ck_assert_str_eq(pcm_version(), text);
}
END_TEST

static void allocate_a_little(void)
{
	size_t i;

	for (i = 0; i < 1000; i++)
		free(malloc(i));
}

/* What a thread's state must be once it has allocated. */
static enum pcm_rseq_state expected_state(void)
{
	if (strncmp(pcm_mode(), "per-CPU, glibc's", 16) == 0)
		return PCM_RSEQ_LIBC;
	if (strncmp(pcm_mode(), "per-CPU, own", 12) == 0)
		return PCM_RSEQ_OWN;
	return PCM_RSEQ_OFF;
}

static void *state_of_thread(void *arg)
{
	allocate_a_little();
	*(enum pcm_rseq_state *)arg = pcm_rseq_state();
	return (void *)pcm_mode();
}

START_TEST(mode_and_state_agree_in_all_threads)
{
	enum pcm_rseq_state state;
	pthread_t thread;
	void *mode;

	allocate_a_little();
	ck_assert_int_eq(pcm_rseq_state(), expected_state());
	ck_assert(!pthread_create(&thread, NULL, state_of_thread, &state));
	ck_assert(!pthread_join(thread, &mode));
	ck_assert_int_eq(state, expected_state());
	ck_assert_str_eq(mode, pcm_mode());
}
END_TEST

static void state_in_child(void *arg)
{
	(void)arg;
	allocate_a_little();
	printf("%d %s", pcm_rseq_state(), pcm_mode());
}

START_TEST(mode_and_state_agree_in_a_child)
{
	static struct child child;
	char text[200];

	snprintf(text, sizeof(text), "%d %s", expected_state(), pcm_mode());
	testing_child(&child, 10, state_in_child, NULL);
	ck_assert_int_eq(child.status, 0);
	ck_assert_str_eq(child.out, text);
}
END_TEST

/* A vfork child shares its parent's TLS; the parent is as before. */
START_TEST(a_vfork_child_is_told_apart)
{
	volatile enum pcm_rseq_state state = PCM_RSEQ_UNARMED;
	enum pcm_rseq_state expected = expected_state();
	pid_t pid;

	allocate_a_little();
	pid = vfork();
	if (pid == 0) {
		allocate_a_little();
		state = pcm_rseq_state();
		_exit(0);
	}
	ck_assert_int_gt(pid, 0);
	ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
	ck_assert(state == PCM_RSEQ_SHARED_TLS || expected == PCM_RSEQ_OFF);
	allocate_a_little();
	ck_assert_int_eq(pcm_rseq_state(), expected);
}
END_TEST

static void *block[NBLOCKS];

static void allocate_64_mib(void)
{
	size_t i;

	for (i = 0; i < NBLOCKS; i++) {
		block[i] = malloc(4096);
		ck_assert_ptr_nonnull(block[i]);
		memset(block[i], 1, 4096);
	}
}

static void free_64_mib(void)
{
	size_t i;

	for (i = 0; i < NBLOCKS; i++)
		free(block[i]);
}

START_TEST(release_gives_back_what_is_asked_for)
{
	size_t full, done;

	allocate_64_mib();
	free_64_mib();
	full = testing_memory("VmRSS");
	done = pcm_release(16 * MIB);
	ck_assert_uint_ge(done, 16 * MIB);
	ck_assert_uint_lt(done, 24 * MIB);
	ck_assert_uint_lt(testing_memory("VmRSS"), full - 14 * MIB);
	ck_assert_uint_gt(testing_memory("VmRSS"), full - 26 * MIB);
	done = pcm_release(SIZE_MAX);
	ck_assert_uint_gt(done, 30 * MIB);
	ck_assert_uint_lt(testing_memory("VmRSS"), full - 50 * MIB);
	allocate_64_mib();
	free_64_mib();
}
END_TEST

START_TEST(release_keeps_what_is_in_use)
{
	unsigned char *p = malloc(5 * MIB), *q = malloc(1000);

	fill(p, 5 * MIB, 3);
	fill(q, 1000, 4);
	free(malloc(3 * MIB));
	ck_assert_uint_eq(pcm_release(0), 0);
	pcm_release(SIZE_MAX);
	ck_assert(filled(p, 5 * MIB, 3));
	ck_assert(filled(q, 1000, 4));
	free(p);
	free(q);
}
END_TEST

static struct pcm_stats stats(void)
{
	struct pcm_stats now;

	ck_assert_int_eq(pcm_stats_get(&now, sizeof(now)), 0);
	return now;
}

START_TEST(statistics_follow_the_blocks)
{
	struct pcm_stats before = stats(), full, after;

	allocate_64_mib();
	full = stats();
	free_64_mib();
	malloc_trim(0);
	after = stats();
	ck_assert_uint_ge(full.allocated, before.allocated + 64 * MIB);
	ck_assert_uint_le(full.allocated, before.allocated + 65 * MIB);
	ck_assert_uint_ge(full.active, full.allocated);
	ck_assert_uint_ge(full.mapped, full.active + full.retained);
	ck_assert_uint_le(after.allocated, before.allocated + MIB);
	ck_assert_uint_le(after.active, before.active + 8 * MIB);
	ck_assert_uint_gt(after.metadata, 0);
	ck_assert_uint_lt(after.metadata, 16 * MIB);
}
END_TEST

START_TEST(statistics_count_caches)
{
	static void *p[2000];
	size_t i, cached = stats().cached;

	for (i = 0; i < 2000; i++)
		p[i] = malloc(100);
	for (i = 0; i < 2000; i++)
		free(p[i]);
	ck_assert_uint_gt(stats().cached, 0);
	malloc_trim(0);
	ck_assert_uint_le(stats().cached, cached + 4096);
	if (expected_state() == PCM_RSEQ_OFF) {
		ck_assert_uint_ge(stats().nshards, 1);
	} else {
		ck_assert_uint_ge(stats().nslabs, 1);
		ck_assert_uint_ge(stats().narmed, 1);
	}
}
END_TEST

/* Memory that is freed in part shows in the page heap's figures. */
START_TEST(statistics_of_hugepages)
{
	struct pcm_stats full, half;
	size_t i;

	allocate_64_mib();
	full = stats();
	for (i = 0; i < NBLOCKS; i++) {
		if (i / 64 % 2 == 0) {
			free(block[i]);
			block[i] = NULL;
		}
	}
	malloc_trim(0);
	half = stats();
	ck_assert_uint_le(full.heap_unbacked, full.heap_free);
	ck_assert_uint_ge(full.nhuge_whole + full.nhuge_partial +
			  full.nhuge_broken, 32);
	ck_assert_uint_ge(half.heap_free, full.heap_free + 16 * MIB);
	ck_assert_uint_ge(half.heap_unbacked, full.heap_unbacked + 16 * MIB);
	ck_assert_uint_ge(half.nhuge_broken, 16);
	ck_assert_uint_gt(half.heap_longest, 0);
	ck_assert_uint_eq(full.nhuge_whole + full.nhuge_partial +
			  full.nhuge_broken,
			  half.nhuge_whole + half.nhuge_partial +
			  half.nhuge_broken);
	free_64_mib();
	malloc_trim(0);
	ck_assert_uint_lt(stats().nhuge_broken, 8);
	ck_assert_uint_ge(stats().nhuge_whole, 24);
	ck_assert_uint_eq(stats().heap_longest, 2 * MIB);
}
END_TEST

/* A caller that knows fewer fields, and one that knows more. */
START_TEST(statistics_of_any_size)
{
	struct {
		struct pcm_stats known;
		unsigned char more[64];
	} out;

	memset(&out, 0xa5, sizeof(out));
	ck_assert_int_eq(pcm_stats_get(&out.known, 2 * sizeof(size_t)), 0);
	ck_assert(all_bytes((char *)&out + 2 * sizeof(size_t),
			    sizeof(out) - 2 * sizeof(size_t), 0xa5));
	ck_assert_int_eq(pcm_stats_get(&out.known, sizeof(out)), 0);
	ck_assert_uint_gt(out.known.mapped, 0);
	ck_assert(all_bytes(out.more, sizeof(out.more), 0));
	memset(&out, 0xa5, sizeof(out));
	ck_assert_int_eq(pcm_stats_get(&out.known, 0), 0);
	ck_assert(all_bytes(&out, sizeof(out), 0xa5));
}
END_TEST

int main(void)
{
	TCase *tests = suite_begin("public");

	tcase_add_test(tests, the_version_is_the_header_s);
	tcase_add_test(tests, mode_and_state_agree_in_all_threads);
	tcase_add_test(tests, mode_and_state_agree_in_a_child);
	tcase_add_test(tests, a_vfork_child_is_told_apart);
	tcase_add_test(tests, release_gives_back_what_is_asked_for);
	tcase_add_test(tests, release_keeps_what_is_in_use);
	tcase_add_test(tests, statistics_follow_the_blocks);
	tcase_add_test(tests, statistics_count_caches);
	tcase_add_test(tests, statistics_of_hugepages);
	tcase_add_test(tests, statistics_of_any_size);
	return suite_end();
}
