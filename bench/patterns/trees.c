/*
 * Binary trees: two threads build trees of small nodes, look at all of them
 * and free them; many small and short-lived ones while a large one lives.
 */
#include "harness.h"

#define DEPTH_LARGE 16
#define DEPTH_LOW 4
#define DEPTH_HIGH 12
#define NODES 20000000

struct node {
	uint32_t mark;		/* the harness's */
	uint32_t depth;
	struct node *left, *right;
	uint64_t last;		/* its upper half is the harness's */
};

static struct node *build(uint32_t depth, uint32_t tag)
{
	struct node *node = harness_get(sizeof(*node), tag);

	node->depth = depth;
	node->left = depth > 0 ? build(depth - 1, tag + 1) : NULL;
	node->right = depth > 0 ? build(depth - 1, tag + 2) : NULL;
	return node;
}

static long count(const struct node *node)
{
	if (node == NULL)
		return 0;
	return 1 + count(node->left) + count(node->right);
}

static void drop(struct node *node, uint32_t tag)
{
	if (node == NULL)
		return;
	drop(node->left, tag + 1);
	drop(node->right, tag + 2);
	harness_put(node, sizeof(*node), tag);
}

static long nodes_of(uint32_t depth)
{
	return (2l << depth) - 1;
}

static void check(const struct node *tree, uint32_t depth)
{
	if (count(tree) != nodes_of(depth))
		measure_die("a tree has not the nodes that it had");
}

static void work(int index)
{
	uint64_t random = harness_stream(index);
	uint32_t tag = (uint32_t)index << 24;
	struct node *large = build(DEPTH_LARGE, tag);
	long left = harness_scaled(NODES);

	while (left > 0) {
		uint32_t depth = (uint32_t)harness_between(&random, DEPTH_LOW,
							   DEPTH_HIGH);
		struct node *tree = build(depth, tag + depth);

		check(tree, depth);
		drop(tree, tag + depth);
		left -= nodes_of(depth);
	}
	check(large, DEPTH_LARGE);
	drop(large, tag);
}

int main(int argc, char **argv)
{
	harness_options(argc, argv, 2, NULL);
	harness_start();
	harness_threads(work);
	harness_stop();
	return harness_report();
}
