/*
 * size_class: every size, every class, every offset in a span.
 */
#include "unit.h"

#include "magazine.h"
#include "page.h"
#include "size_class.h"

/* What allocator/size_class.h promises. */
#define NO_WASTE_BOUND_TO 128
#define WASTE_DIVISOR 8
#define TAIL_DIVISOR 16
#define SPAN_LONG ((size_t)64 << 10)
#define SPAN_PAGES_MAX 64
#define NFEW 29 /* 8, 16, 32, 48, 64, 96, 128, 192, 256 ... 196608, 262144 */
#define IN_A_ROW 16

static void setup(void)
{
	pcm_size_class_init(SIZE_MAX);
}

START_TEST(sizes_ascend)
{
	unsigned int c;

	must(pcm_size_class[1].size == 8);
	must(pcm_size_class[PCM_NCLASSES - 1].size == PCM_SMALL_MAX);
	for (c = 2; c < PCM_NCLASSES; c++) {
		must(pcm_size_class[c].size > pcm_size_class[c - 1].size);
		must(pcm_size_class[c].size % 16 == 0);
	}
}
END_TEST

START_TEST(powers_of_two)
{
	size_t n;

	for (n = 8; n <= PCM_SMALL_MAX; n *= 2)
		must(pcm_size_class[pcm_size_class_of(n)].size == n);
}
END_TEST

/* At first few sizes are used; none is more than half as large again as the size below. */
START_TEST(few_sizes)
{
	unsigned int c, used = 0, last = 0, least = 1;
	size_t n;

	must(!pcm_size_class_all);
	for (n = 1; n <= PCM_SMALL_MAX; n++) {
		while (pcm_size_class[least].size < n)
			least++;
		c = pcm_size_class_of(n);
		must(c >= least && c - least <= pcm_size_class_nfiner(c));
		must(pcm_size_class[c].size <= n + n / 2 || n <= 32);
		must(c >= last);
		used += c != last;
		last = c;
	}
	must(used == NFEW);
}
END_TEST

static void ask(size_t n, int times)
{
	while (times-- > 0)
		pcm_size_class_asked(pcm_size_class_of(n), n);
}

/* Who asks for one size gets a class for it, and its neighbours theirs; nobody else. */
START_TEST(one_size)
{
	unsigned int c = pcm_size_class_of(4360), other = pcm_size_class_of(6200);

	must(pcm_size_class[c].size == 6144);
	ask(4360, IN_A_ROW - 1);
	must(pcm_size_class_of(4360) == c);
	ask(4360, 1);
	must(pcm_size_class[pcm_size_class_of(4360)].size == 4608);
	must(pcm_size_class[pcm_size_class_of(4609)].size == 5120);
	must(pcm_size_class_of(6144) == c);
	must(pcm_size_class[pcm_size_class_of(4096)].size == 4096);
	must(pcm_size_class_nfiner(c) == 0);
	must(pcm_size_class_of(6200) == other && pcm_size_class_nfiner(other) > 0);
	must(!pcm_size_class_all);
}
END_TEST

/* Sizes of several finer classes, or of the class itself, change nothing. */
START_TEST(many_sizes)
{
	unsigned int c = pcm_size_class_of(4360);
	int i;

	for (i = 0; i < 10 * IN_A_ROW; i++) {
		ask(4360, IN_A_ROW - 1);
		ask(5000, 1);
	}
	ask(6144, 10 * IN_A_ROW);
	for (i = 0; i < 10 * IN_A_ROW; i++)
		pcm_size_class_asked(c, 100); /* aligned to a page, say */
	must(pcm_size_class_of(4360) == c);
}
END_TEST

START_TEST(within)
{
	unsigned int c = 0, all;
	size_t n;

	for (all = 0; all < 2; all++) {
		for (n = 0, c = 0; n <= PCM_SMALL_MAX; n++) {
			if (c + 1 < PCM_NCLASSES &&
			    pcm_size_class[c + 1].size == n)
				c++;
			must(pcm_size_class_within(n) == c);
		}
		pcm_size_class_use_all();
	}
}
END_TEST

/* The smallest class that serves, and not too large. */
START_TEST(every_size)
{
	unsigned int c, expected = 1;
	size_t n, size;

	pcm_size_class_use_all();
	must(pcm_size_class_all);
	for (n = 0; n <= PCM_SMALL_MAX; n++) {
		while (pcm_size_class[expected].size < n)
			expected++;
		c = pcm_size_class_of(n);
		must(c == expected);
		size = pcm_size_class[c].size;
		if (n > NO_WASTE_BOUND_TO)
			must(size - n <= size / WASTE_DIVISOR);
		else if (n > 8)
			must(size - n < 16);
	}
}
END_TEST

/* Before set-up every look-up says "not a small object". */
START_TEST(before_init)
{
	memset(pcm_size_class_fine, 0, sizeof(pcm_size_class_fine));
	memset(pcm_size_class_coarse, 0, sizeof(pcm_size_class_coarse));
	must(pcm_size_class_of(0) == 0);
	must(pcm_size_class_of(PCM_FINE_MAX) == 0);
	must(pcm_size_class_of(PCM_SMALL_MAX) == 0);
	pcm_size_class_init(SIZE_MAX);
}
END_TEST

START_TEST(spans)
{
	unsigned int c;

	for (c = 1; c < PCM_NCLASSES; c++) {
		const struct pcm_size_class *sc = &pcm_size_class[c];
		size_t nbytes = (size_t)sc->npages << PCM_PAGE_SHIFT;
		size_t tail = nbytes - (size_t)sc->nobjs * sc->size;

		must(sc->npages >= 1 && sc->npages <= SPAN_PAGES_MAX);
		must(sc->npages <= PCM_HUGE_NPAGES);
		must(sc->nobjs >= 1 && sc->nobjs == nbytes / sc->size);
		must(tail < sc->size);
		must(tail <= nbytes / TAIL_DIVISOR);
		must(sc->longest >= 1);
		must(sc->longest == 1 || sc->longest * nbytes <= SPAN_LONG);
		must(sc->size < 16 || sc->size > 16384 ?
			     sc->longest == 1 :
			     2 * sc->longest * nbytes > SPAN_LONG);
	}
}
END_TEST

START_TEST(magazines)
{
	unsigned int c;

	for (c = 1; c < PCM_NCLASSES; c++) {
		const struct pcm_size_class *sc = &pcm_size_class[c];

		must(sc->nslots >= 1 && sc->nslots <= PCM_MAG_NSLOTS_MAX);
		must(sc->nslots == 1 ||
		     (size_t)sc->nslots * sc->size <= 65536);
		must(c == 1 || sc->nslots <= pcm_size_class[c - 1].nslots);
		must((sc->nslots > PCM_MAG_NSLOTS_SMALL) == (sc->size <= 64));
	}
	must(pcm_size_class[pcm_size_class_of(64)].nslots ==
	     PCM_MAG_NSLOTS_MAX);
}
END_TEST

/* Blocks are found, everything between them is not; also behind the last. */
static void check_offsets(unsigned int c)
{
	const struct pcm_size_class *sc = &pcm_size_class[c];
	uint32_t nbytes = (uint32_t)sc->npages << PCM_PAGE_SHIFT;
	uint32_t offset, block = 0, next = 0;

	for (offset = 0; offset < nbytes; offset++) {
		uint32_t j = pcm_size_class_index(&pcm_size_class[c], offset);

		if (offset == next) {
			must(j == block);
			block++;
			next += sc->size;
		} else {
			must(j * sc->size != offset);
		}
	}
	must(block >= sc->nobjs);
}

START_TEST(every_offset)
{
	unsigned int c;

	for (c = 1; c < PCM_NCLASSES; c++)
		check_offsets(c);
}
END_TEST

/* The smallest class with enough room whose every block is aligned. */
static unsigned int expected_aligned(size_t n, size_t align)
{
	unsigned int c;

	for (c = 1; c < PCM_NCLASSES; c++)
		if (pcm_size_class[c].size >= n &&
		    pcm_size_class[c].size % align == 0)
			return c;
	return 0;
}

START_TEST(aligned)
{
	uint64_t state = testing_seed();
	size_t align, n;
	unsigned int i;

	pcm_size_class_use_all();
	for (align = 1; align <= PCM_PAGE; align *= 2) {
		for (n = 0; n <= 20000; n++)
			must(pcm_size_class_of_aligned(n, align) ==
			     expected_aligned(n, align));
		for (i = 0; i < 20000; i++) {
			n = rnd_between(&state, 0, PCM_SMALL_MAX);
			must(pcm_size_class_of_aligned(n, align) ==
			     expected_aligned(n, align));
		}
		must(pcm_size_class_of_aligned(PCM_SMALL_MAX, align) ==
		     PCM_NCLASSES - 1);
		must(pcm_size_class_of_aligned(PCM_SMALL_MAX + 1, align) == 0);
		must(pcm_size_class_of_aligned(SIZE_MAX, align) == 0);
	}
}
END_TEST

/* Of the few sizes, too, one that is large enough and aligned. */
START_TEST(few_aligned)
{
	size_t align, n;
	unsigned int c;

	for (align = 1; align <= PCM_PAGE; align *= 2)
		for (n = 0; n <= 20000; n++) {
			c = pcm_size_class_of_aligned(n, align);
			must(c >= expected_aligned(n, align));
			must(pcm_size_class[c].size % align == 0);
			must(pcm_size_class_of(pcm_size_class[c].size) == c);
		}
}
END_TEST

START_TEST(aligned_to_more_than_a_page)
{
	size_t align;

	for (align = 2 * PCM_PAGE; align != 0; align *= 2) {
		must(pcm_size_class_of_aligned(0, align) == 0);
		must(pcm_size_class_of_aligned(1, align) == 0);
		must(pcm_size_class_of_aligned(PCM_SMALL_MAX, align) == 0);
		must(pcm_size_class_of_aligned(SIZE_MAX, align) == 0);
	}
}
END_TEST

int main(void)
{
	TCase *tests = unit_begin("size_class");

	tcase_add_checked_fixture(tests, setup, NULL);
	tcase_add_test(tests, sizes_ascend);
	tcase_add_test(tests, powers_of_two);
	tcase_add_test(tests, few_sizes);
	tcase_add_test(tests, one_size);
	tcase_add_test(tests, many_sizes);
	tcase_add_test(tests, within);
	tcase_add_test(tests, every_size);
	tcase_add_test(tests, before_init);
	tcase_add_test(tests, spans);
	tcase_add_test(tests, magazines);
	tcase_add_test(tests, every_offset);
	tcase_add_test(tests, aligned);
	tcase_add_test(tests, few_aligned);
	tcase_add_test(tests, aligned_to_more_than_a_page);
	return unit_end();
}
