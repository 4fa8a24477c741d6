/*
 * rseq_section: the contract of the sections.
 *
 * Most tests use an area that the kernel does not know of: what it shows is then
 * the test's choice, and no section is ever aborted. The storm uses the
 * thread's real area.
 */
#include "section_lab.h"
#include "storm.h"

#include <stdatomic.h>
#include <sys/mman.h>

#include "rseq_process.h"
#include "rseq_thread.h"

/* What the area shows: a registered thread on CPU 3, concurrency id 5. */
#define ON_CPU 3
#define ON_CID 5

static struct pcm_rseq_area area = { .cpu_id_start = ON_CPU,
				     .cpu_id = ON_CPU,
				     .mm_cid = ON_CID };

static void setup(void)
{
	lab_init();
	pcm_rseq_index_field = offsetof(struct pcm_rseq_area, cpu_id);
	lab_table[ON_CPU] = lab_distance(0);
}

static void *number(uintptr_t n)
{
	return (void *)n;
}

static void must_be_untouched(void)
{
	must(lab_copies[0].word[LAB_OTHER] == lab_fence);
	must(lab_copies[0].word[LAB_FAR] == lab_fence);
	lab_check_dummy();
}

/* A stack of n slots, filled and emptied one by one. */
static void fill_and_empty(unsigned int n)
{
	void **bottom = lab_bottom(0, n), ***word = &lab_copies[0].word[LAB_WORD];
	unsigned int i;
	void *obj = NULL;

	lab_fill(0, n, 0);
	must(!lab_pop(&area, &obj));
	must(*word == bottom);
	for (i = 1; i <= n; i++) {
		must(lab_push(&area, number(i)));
		must(*word == bottom + i);
		must(bottom[i - 1] == number(i));
	}
	must(**word == (void *)PCM_STACK_GUARD);
	must(!lab_push(&area, number(n + 1)));
	must(*word == bottom + n);
	for (i = n; i >= 1; i--) {
		must(lab_pop(&area, &obj));
		must(obj == number(i));
		must(*word == bottom + i - 1);
	}
	must(!lab_pop(&area, &obj));
	must(*word == bottom);
	must(bottom[-1] == NULL);
	must_be_untouched();
}

START_TEST(push_and_pop)
{
	unsigned int n;

	for (n = 1; n < LAB_SLOTS - 1; n++)
		fill_and_empty(n);
}
END_TEST

/* Two stacks of n slots; they change places when one is empty or full. */
static void swap_and_swap(unsigned int n)
{
	void **a = lab_bottom(0, n), **b, ***word = &lab_copies[0].word[LAB_WORD];
	void *obj = NULL;

	lab_fill(1, n, n);
	b = lab_bottom(1, n);
	lab_fill(0, n, 0);
	must(!lab_pop_spare(&area, &obj)); /* there is no spare one */
	must(!lab_push_spare(&area, number(7))); /* not full */
	word[1] = b + n;
	must(!lab_push_spare(&area, number(7)));
	must(word[0] == a && word[1] == b + n);
	must(lab_pop_spare(&area, &obj) && obj == number(n));
	must(word[0] == b + n - 1 && word[1] == a);
	must(!lab_push_spare(&area, number(7)));
	must(lab_push(&area, obj)); /* full again */
	must(!lab_pop_spare(&area, &obj));
	must(lab_push_spare(&area, number(7)));
	must(word[0] == a + 1 && a[0] == number(7) && word[1] == b + n);
	must(lab_pop(&area, &obj) && obj == number(7));
	word[1] = a; /* both are one, and empty: it is not taken from */
	must(!lab_pop_spare(&area, &obj));
	must(word[0] == a && word[1] == a && a[-1] == NULL);
	must_be_untouched();
}

START_TEST(spare_ones)
{
	unsigned int n;

	for (n = 1; n < LAB_SLOTS - 1; n++)
		swap_and_swap(n);
}
END_TEST

/* No magazine at all in the word: the spare one moves up. */
START_TEST(none_loaded)
{
	void ***word = &lab_copies[0].word[LAB_WORD], *obj = NULL;

	lab_fill(0, 10, 4);
	word[1] = word[0];
	word[0] = LAB_NONE;
	must(lab_pop_spare(&area, &obj) && obj == number(4));
	must(word[0] == lab_bottom(0, 10) + 3 && word[1] == LAB_NONE);
	word[1] = word[0];
	word[0] = LAB_NONE;
	must(lab_push_spare(&area, number(9)));
	must(word[0] == lab_bottom(0, 10) + 4 && word[1] == LAB_NONE);
	must(lab_pop(&area, &obj) && obj == number(9));
	must_be_untouched();
}
END_TEST

START_TEST(exchange_swaps)
{
	void *old = NULL;

	lab_fill(0, 10, 4);
	must(lab_exchange(&area, number(0x1234), &old));
	must(old == lab_bottom(0, 10) + 4);
	must(lab_copies[0].word[LAB_WORD] == number(0x1234));
	must(lab_exchange(&area, number(0), &old));
	must(old == number(0x1234));
	must(lab_copies[0].word[LAB_WORD] == NULL);
	must_be_untouched();
}
END_TEST

/* Where there is no copy nothing works, and nothing is written, whatever. */
START_TEST(dummy)
{
	void *obj, *old;

	lab_table[ON_CPU] = 0;
	must(!lab_pop(&area, &obj));
	must(!lab_push(&area, number(1)));
	must(!lab_exchange(&area, number(1), &old));
	must(!lab_pop_spare(&area, &obj));
	must(!lab_push_spare(&area, number(1)));
	lab_copies[0].word[LAB_OTHER] = lab_copies[0].word[LAB_FAR] = lab_fence;
	must_be_untouched();
}
END_TEST

/* The library's dummy is const: a write to it would kill the process. */
START_TEST(dummy_read_only)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	char *map = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	void ***word = (void ***)map;
	void *obj, *old;

	must(map != MAP_FAILED);
	word[0] = word[1] = (void **)(map + 2 * page) - 1;
	*word[0] = (void *)PCM_STACK_GUARD;
	must(mprotect(map, 2 * page, PROT_READ) == 0);
	lab_table[ON_CPU] = 0;
	must(!pcm_rseq_pop(&area, word, lab_table, &obj));
	must(!pcm_rseq_push(&area, word, lab_table, number(1)));
	must(!pcm_rseq_exchange(&area, word, lab_table, number(1), &old));
	must(!pcm_rseq_pop_spare(&area, word, lab_table, &obj));
	must(!pcm_rseq_push_spare(&area, word, lab_table, number(1)));
}
END_TEST

static const int32_t not_registered[] = { -1, -2, INT32_MIN };

/*
 * Not registered: index 0 is what mm_cid reads then, so it has a copy with
 * objects in it that must not be touched.
 */
START_TEST(unregistered)
{
	struct pcm_rseq_area gone = { .cpu_id = not_registered[_i] };
	void **top, *obj, *old;

	pcm_rseq_index_field = offsetof(struct pcm_rseq_area, mm_cid);
	lab_table[0] = lab_distance(0);
	lab_fill(0, 10, 5);
	top = lab_copies[0].word[LAB_WORD];
	must(!lab_pop(&gone, &obj));
	must(!lab_push(&gone, number(9)));
	must(!lab_exchange(&gone, number(9), &old));
	lab_copies[0].word[LAB_SPARE] = top;
	must(!lab_pop_spare(&gone, &obj));
	must(!lab_push_spare(&gone, number(9)));
	must(lab_copies[0].word[LAB_WORD] == top);
	must(top[-1] == number(5) && top[0] != number(9));
	must_be_untouched();
}
END_TEST

/* The field that pcm_rseq_index_field names decides, and no other. */
START_TEST(index_field)
{
	void *obj = NULL, *old = NULL;

	lab_fill(1, 10, 7);
	lab_fill(2, 10, 9);
	lab_table[ON_CPU] = lab_distance(1);
	lab_table[ON_CID] = lab_distance(2);
	must(lab_pop(&area, &obj) && obj == number(7));
	pcm_rseq_index_field = offsetof(struct pcm_rseq_area, mm_cid);
	must(lab_pop(&area, &obj) && obj == number(9));
	must(lab_push(&area, number(99)));
	must(lab_bottom(2, 10)[8] == number(99));
	must(lab_exchange(&area, lab_bottom(2, 10), &old));
	must(old == lab_bottom(2, 10) + 9);
	must(lab_copies[1].word[LAB_WORD] == lab_bottom(1, 10) + 6);
}
END_TEST

/* The last index that there can be. */
START_TEST(highest_index)
{
	void *obj = NULL;

	area.cpu_id = LAB_NINDEXES - 1;
	lab_table[LAB_NINDEXES - 1] = lab_distance(3);
	lab_fill(3, 4, 2);
	must(lab_pop(&area, &obj) && obj == number(2));
}
END_TEST

/* Of the area only rseq_cs is written: Linux 7.1 kills for the others. */
START_TEST(area_read_only)
{
	struct pcm_rseq_area before = area;
	void *obj, *old;

	lab_fill(0, 10, 5);
	must(lab_pop(&area, &obj));
	must(lab_push(&area, obj));
	must(lab_exchange(&area, LAB_NONE, &old));
	lab_copies[0].word[LAB_SPARE] = old;
	must(lab_pop_spare(&area, &obj));
	lab_copies[0].word[LAB_SPARE] = lab_copies[0].word[LAB_WORD];
	lab_copies[0].word[LAB_WORD] = LAB_NONE;
	must(lab_push_spare(&area, obj));
	must(area.rseq_cs != 0);
	area.rseq_cs = before.rseq_cs;
	must(memcmp(&area, &before, sizeof(area)) == 0);
}
END_TEST

/* struct rseq_cs of the kernel. */
struct descriptor {
	uint32_t version, flags;
	uint64_t start, length, abort;
};

extern const struct descriptor *const __start___rseq_cs_ptr_array[];
extern const struct descriptor *const __stop___rseq_cs_ptr_array[];
extern const uint64_t __start___rseq_exit_point_array[];
extern const uint64_t __stop___rseq_exit_point_array[];

static void must_be_sound(const struct descriptor *d)
{
	uint32_t signature;

	must((uintptr_t)d % 32 == 0);
	must(d->version == 0 && d->flags == 0);
	must(d->length > 0 && d->length < 256);
	must(d->abort < d->start || d->abort >= d->start + d->length);
	memcpy(&signature, (const char *)(uintptr_t)d->abort - 4, 4);
	must(signature == PCM_RSEQ_SIG);
}

/* What the kernel and debuggers are told of every section in this program. */
START_TEST(descriptors)
{
	const struct descriptor *const *d = __start___rseq_cs_ptr_array;
	const uint64_t *exits = __start___rseq_exit_point_array;
	size_t n = 0;

	for (; d < __stop___rseq_cs_ptr_array; d++, n++)
		must_be_sound(*d);
	must(n >= 5);
	must((size_t)(__stop___rseq_exit_point_array - exits) == 2 * n);
	for (; exits < __stop___rseq_exit_point_array; exits += 2)
		must(exits[1] > exits[0] && exits[1] - exits[0] < 256);
}
END_TEST

/* ---- the storm: every token is somewhere exactly once ---- */

#define NTOKENS (LAB_NCOPIES * 64)
#define HELD_MAX 8

static atomic_uint owner[NTOKENS + 1];

static struct hand {
	unsigned int n;
	void *held[HELD_MAX];
	unsigned long done;
} PCM_LINE_ALIGNED hands[STORM_THREADS_MAX], interrupt_hands[STORM_THREADS_MAX];

static void claim(void *obj, unsigned int who)
{
	uintptr_t token = (uintptr_t)obj;
	unsigned int nobody = 0;

	must(token >= 1 && token <= NTOKENS);
	must(atomic_compare_exchange_strong(&owner[token], &nobody, who));
}

/* One pop or push; `hand` is only ever used by one context. */
static void operate(struct hand *hand, unsigned int who)
{
	struct pcm_rseq_area *mine = pcm_rseq_armed;
	void *obj;

	if (hand->n < HELD_MAX && lab_pop(mine, &obj)) {
		claim(obj, who);
		hand->held[hand->n++] = obj;
		hand->done++;
	}
	if (hand->n > HELD_MAX / 2) {
		obj = hand->held[hand->n - 1];
		atomic_store(&owner[(uintptr_t)obj], 0);
		if (lab_push(mine, obj))
			hand->n--;
		else
			claim(obj, who);
	}
}

static void storm_work(unsigned int self)
{
	if (!pcm_rseq_armed)
		must(pcm_rseq_arm());
	operate(&hands[self], self + 1);
}

static void storm_interrupt(unsigned int self)
{
	if (pcm_rseq_armed)
		operate(&interrupt_hands[self], 1000 + self);
}

static void must_have_all(void)
{
	static unsigned char seen[NTOKENS + 1];
	unsigned int i, k, n = 0;
	void **slot;

	for (i = 0; i < STORM_THREADS_MAX; i++) {
		for (k = 0; k < hands[i].n; k++)
			seen[(uintptr_t)hands[i].held[k]]++;
		for (k = 0; k < interrupt_hands[i].n; k++)
			seen[(uintptr_t)interrupt_hands[i].held[k]]++;
	}
	for (i = 0; i < LAB_NCOPIES; i++)
		for (slot = lab_copies[i].word[LAB_WORD]; slot[-1]; slot--)
			seen[(uintptr_t)slot[-1]]++;
	for (i = 1; i <= NTOKENS; i++) {
		must(seen[i] == 1);
		n++;
	}
	must(n == NTOKENS);
}

static const enum pcm_rseq_index indexes[] = { PCM_RSEQ_INDEX_MM_CID,
					       PCM_RSEQ_INDEX_CPU_ID };

START_TEST(storm)
{
	struct storm storm = { .nthreads = storm_threads(),
			       .seconds = 1,
			       .work = storm_work,
			       .interrupt = storm_interrupt };
	unsigned int i, k;

	pcm_rseq_process_init(true, indexes[_i]);
	if (!pcm_rseq_arm())
		return; /* no rseq here */
	for (i = 0; i < LAB_NCOPIES; i++) {
		lab_fill(i, 100, 64);
		for (k = 0; k < 64; k++)
			lab_bottom(i, 100)[k] = number(i * 64 + k + 1);
	}
	for (i = 0; i < LAB_NINDEXES; i++)
		lab_table[i] = i < LAB_NCOPIES ? lab_distance(i) : 0;
	storm_run(&storm);
	for (i = 0; i < storm.nthreads; i++)
		must(hands[i].done > 0);
	must_have_all();
}
END_TEST

int main(void)
{
	TCase *tests;

	if (!PCM_RSEQ_HAVE_SECTIONS)
		testing_skip("no sections for this architecture");
	tests = unit_begin("rseq_section");
	tcase_add_checked_fixture(tests, setup, NULL);
	tcase_add_test(tests, push_and_pop);
	tcase_add_test(tests, spare_ones);
	tcase_add_test(tests, none_loaded);
	tcase_add_test(tests, exchange_swaps);
	tcase_add_test(tests, dummy);
	tcase_add_test(tests, dummy_read_only);
	tcase_add_loop_test(tests, unregistered, 0, 3);
	tcase_add_test(tests, index_field);
	tcase_add_test(tests, highest_index);
	tcase_add_test(tests, area_read_only);
	tcase_add_test(tests, descriptors);
	tcase_add_loop_test(tests, storm, 0, 2);
	return unit_end();
}
