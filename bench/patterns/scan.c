/*
 * A mixed set of small blocks, scanned again and again by one thread: how near
 * to each other an allocator puts what is used together. Blocks of 32 to 256
 * bytes form lists of some dozens of nodes; a scan walks all lists and reads
 * and writes every node, and between scans some lists are made anew.
 */
#include "harness.h"

#define LISTS 4000
#define LENGTH_LOW 10
#define LENGTH_HIGH 60
#define LOW 32
#define HIGH 256
#define SCANS 100
#define REMADE_PERCENT 5

struct node {
	uint32_t mark;		/* the harness's */
	uint32_t nbytes;
	struct node *next;
	uint32_t count;		/* of scans that came by */
};

static struct list {
	struct node *first;
	uint32_t born;		/* before this scan */
} *lists[HARNESS_MAX_THREADS];

static void make(struct list *list, uint32_t tag, uint32_t scan,
		 uint64_t *random)
{
	size_t length = harness_between(random, LENGTH_LOW, LENGTH_HIGH);

	list->first = NULL;
	list->born = scan;
	for (size_t i = 0; i < length; i++) {
		size_t n = harness_between(random, LOW, HIGH);
		struct node *node = harness_get(n, tag);

		node->nbytes = (uint32_t)n;
		node->count = 0;
		node->next = list->first;
		list->first = node;
	}
}

static void drop(struct list *list, uint32_t tag)
{
	struct node *next;

	for (struct node *node = list->first; node != NULL; node = next) {
		next = node->next;
		harness_put(node, node->nbytes, tag);
	}
}

/* Every node has been seen by as many scans as there were in its life. */
static void walk(const struct list *list, uint32_t scan)
{
	for (struct node *node = list->first; node != NULL; node = node->next)
		if (node->count++ != scan - list->born)
			measure_die("a node has lost its content");
}

static void work(int index)
{
	struct list *mine = lists[index];
	uint64_t random = harness_stream(index);
	uint32_t nscans = (uint32_t)harness_scaled(SCANS);

	for (uint32_t i = 0; i < LISTS; i++)
		make(&mine[i], i, 0, &random);
	for (uint32_t scan = 0; scan < nscans; scan++) {
		for (uint32_t i = 0; i < LISTS; i++)
			walk(&mine[i], scan);
		for (uint32_t i = 0; i < LISTS * REMADE_PERCENT / 100; i++) {
			uint32_t at = (uint32_t)harness_between(&random, 0,
								LISTS - 1);

			drop(&mine[at], at);
			make(&mine[at], at, scan + 1, &random);
		}
		harness_sample();
	}
	for (uint32_t i = 0; i < LISTS; i++)
		drop(&mine[i], i);
}

int main(int argc, char **argv)
{
	harness_options(argc, argv, 1, NULL);
	for (int i = 0; i < harness.nthreads; i++)
		lists[i] = harness_map(LISTS * sizeof(struct list));
	harness_start();
	harness_threads(work);
	harness_stop();
	return harness_report();
}
