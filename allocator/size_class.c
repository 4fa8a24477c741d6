/*
 * size_class.c - the list of sizes, and everything computed from it.
 */
#include "size_class.h"

#include <stdbool.h>

#include "magazine.h"
#include "page.h"

/*
 * Above 128 eight steps a doubling: at most 1/9 of a block is unused,
 * (next - size - 1) / next < 1/9; every power of two is there for the aligned
 * functions. To 2048 multiples of 16, above of 128.
 */
static const uint32_t sizes[PCM_NCLASSES] = {
	0,	8,	16,	32,	48,	64,	80,	96,
	112,	128,	144,	160,	176,	192,	208,	224,
	240,	256,	288,	320,	352,	384,	416,	448,
	480,	512,	576,	640,	704,	768,	832,	896,
	960,	1024,	1152,	1280,	1408,	1536,	1664,	1792,
	1920,	2048,	2304,	2560,	2816,	3072,	3328,	3584,
	3840,	4096,	4608,	5120,	5632,	6144,	6656,	7168,
	7680,	8192,	9216,	10240,	11264,	12288,	13312,	14336,
	15360,	16384,	18432,	20480,	22528,	24576,	26624,	28672,
	30720,	32768,	36864,	40960,	45056,	49152,	53248,	57344,
	61440,	65536,	73728,	81920,	90112,	98304,	106496,	114688,
	122880,	131072,	147456,	163840,	180224,	196608,	212992,	229376,
	245760,	262144,
};

/* Bytes in a magazine: bounds what a CPU can hold of a class. */
#define MAGAZINE_BYTES 65536u

/* Larger blocks are worth more memory than visits for them cost time: small magazines. */
#define LARGE_MAGAZINE_SIZE 64u

/*
 * A span of blocks of up to SPAN_SMALL bytes has 16 KiB, so that visits to the page heap
 * are rare: what lies free in it serves other sizes too, as holes of mixed spans. But
 * not more than SPAN_NOBJS blocks. Of larger ones it has as many as fit in a page. This is
 * the shortest span of a class.
 */
#define SPAN_NOBJS 512u
#define SPAN_BYTES 16384u
#define SPAN_SMALL 1024u
#define SPAN_MAX_BYTES ((size_t)512 << 10)
#define SPAN_MAX_PAGES ((unsigned)(SPAN_MAX_BYTES >> PCM_PAGE_SHIFT))

/*
 * A class that has much has longer spans: fewer visits, and a magazine is filled from one.
 * Not where what lies free in them would serve nobody else.
 */
#define SPAN_LONG_BYTES ((size_t)64 << 10)

/* Largest part of a span that may lie unused behind the last block. */
#define TAIL_WASTE_DIVISOR 32u

struct pcm_size_class pcm_size_class[PCM_NCLASSES + 1] PCM_LINE_ALIGNED PCM_TABLE("0");
uint8_t pcm_size_class_fine[PCM_FINE_LEN] PCM_LINE_ALIGNED;
uint8_t pcm_size_class_coarse[(PCM_SMALL_MAX >> PCM_COARSE_SHIFT) + 1]
	PCM_LINE_ALIGNED PCM_TABLE("0");

static uint16_t
span_pages(uint32_t size)
{
	uint32_t n, least = size * SPAN_NOBJS;

	if (least > SPAN_BYTES)
		least = size > SPAN_SMALL ? size : SPAN_BYTES;
	for (n = (uint32_t)pcm_pages_of(least); n < SPAN_MAX_PAGES; n++) {
		uint32_t nbytes = n << PCM_PAGE_SHIFT;

		if (nbytes >= size &&
		    nbytes % size <= nbytes / TAIL_WASTE_DIVISOR)
			break;
	}
	return (uint16_t)n;
}

static uint8_t
longest(const struct pcm_size_class *sc)
{
	size_t nbytes = (size_t)sc->npages << PCM_PAGE_SHIFT;

	if (sc->size < PCM_MIXABLE_MIN || sc->size > PCM_MIXABLE_MAX ||
	    nbytes > SPAN_LONG_BYTES)
		return 1;
	return (uint8_t)(SPAN_LONG_BYTES / nbytes);
}

static uint16_t
slots(uint32_t size, size_t magazine_bytes)
{
	size_t most = magazine_bytes < MAGAZINE_BYTES ? magazine_bytes :
							MAGAZINE_BYTES;
	uint32_t n = (uint32_t)(most / size);
	uint32_t nslots = size <= LARGE_MAGAZINE_SIZE ? PCM_MAG_NSLOTS_MAX :
							PCM_MAG_NSLOTS_SMALL;

	if (n < 1)
		return most == MAGAZINE_BYTES;
	return (uint16_t)(n > nslots ? nslots : n);
}

atomic_bool pcm_size_class_all;

/* Those that are used at first: two a doubling above this. */
#define FEW_FROM 64u

static bool
is_one_of_few(uint32_t size)
{
	uint32_t below;

	if (size <= FEW_FROM)
		return true;
	below = 1u << (31 - __builtin_clz(size - 1)); /* a power of two */
	return size % (below / 2) == 0;
}

/* The class serves what is larger than `above`, up to its own size. */
static void
fill_table(uint8_t *table, unsigned shift, size_t most, uint32_t above,
	   unsigned class)
{
	size_t i, last = sizes[class] < most ? sizes[class] : most;

	for (i = (above >> shift) + (above > 0); i <= last >> shift; i++)
		__atomic_store_n(&table[i], (uint8_t)class, __ATOMIC_RELAXED);
}

static void
serve(uint32_t above, unsigned class)
{
	fill_table(pcm_size_class_fine, PCM_FINE_SHIFT, PCM_FINE_MAX, above,
		   class);
	fill_table(pcm_size_class_coarse, PCM_COARSE_SHIFT, PCM_SMALL_MAX,
		   above, class);
}

static void
set_nfiner(unsigned class, unsigned n)
{
	__atomic_store_n(&pcm_size_class[class].nfiner, (uint8_t)n,
			 __ATOMIC_RELAXED);
}

static void
use_few(void)
{
	unsigned c, before = 0;

	for (c = 1; c < PCM_NCLASSES; c++)
		if (is_one_of_few(sizes[c])) {
			serve(sizes[before], c);
			set_nfiner(c, c - before - 1);
			before = c;
		}
}

static void
refine(unsigned class)
{
	unsigned c;

	for (c = class - pcm_size_class_nfiner(class); c < class; c++)
		serve(sizes[c - 1], c);
	set_nfiner(class, 0);
}

/* So many in a row of one finer class: the program has a size that it prefers. */
#define IN_A_ROW 16u

/* Races lose counts, no more; n of the class itself, which refines nothing, may wrap. */
static struct {
	uint8_t class, n;
} asked[PCM_NCLASSES];

void
pcm_size_class_asked(unsigned class, size_t nbytes)
{
	unsigned n = 1, finest = pcm_size_class_within(nbytes - 1) + 1;

	if (finest < class - pcm_size_class_nfiner(class))
		return; /* a larger one than it needs, for its alignment */
	if (__atomic_load_n(&asked[class].class, __ATOMIC_RELAXED) == finest)
		n += __atomic_load_n(&asked[class].n, __ATOMIC_RELAXED);
	if (n >= IN_A_ROW && finest != class)
		refine(class);
	__atomic_store_n(&asked[class].class, (uint8_t)finest, __ATOMIC_RELAXED);
	__atomic_store_n(&asked[class].n, (uint8_t)n, __ATOMIC_RELAXED);
}

void
pcm_size_class_use_all(void)
{
	unsigned c;

	for (c = 1; c < PCM_NCLASSES; c++)
		refine(c);
	atomic_store_explicit(&pcm_size_class_all, true, memory_order_release);
}

void
pcm_size_class_init(size_t magazine_bytes)
{
	unsigned c;

	for (c = 1; c < PCM_NCLASSES; c++) {
		struct pcm_size_class *sc = &pcm_size_class[c];

		sc->size = sizes[c];
		sc->npages = span_pages(sc->size);
		sc->nobjs = (uint16_t)(((uint32_t)sc->npages
					<< PCM_PAGE_SHIFT) / sc->size);
		sc->longest = longest(sc);
		sc->nslots = slots(sc->size, magazine_bytes);
		sc->reciprocal = (uint32_t)((((uint64_t)1 << 32) + sc->size -
					     1) / sc->size);
	}
	use_few();
}

unsigned
pcm_size_class_within(size_t n)
{
	unsigned c = pcm_size_class_of(n);

	while (sizes[c] > n)
		c--;
	return c;
}

/*
 * Spans begin on a logical page, so block k of a class, at k * size, is aligned
 * wherever the size is a multiple of an alignment of at most a page.
 */
unsigned
pcm_size_class_of_aligned(size_t n, size_t align)
{
	unsigned c;

	if (n > PCM_SMALL_MAX || align > PCM_PAGE)
		return 0;
	for (c = pcm_size_class_of(n < align ? align : n); c < PCM_NCLASSES;
	     c++)
		if (sizes[c] % align == 0 && pcm_size_class_of(sizes[c]) == c)
			return c;
	return 0;
}
