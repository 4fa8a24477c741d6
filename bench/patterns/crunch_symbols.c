/*
 * Derivatives of random expressions in x: a tree of sums and products is
 * derived by the rules, the outcome simplified and derived again. No subtree
 * is shared, so the product rule copies. Check: the derivative at some x,
 * modulo a prime, against one that is computed along with the value.
 */
#include "crunch.h"

#define EXPRESSIONS 3000
#define DEPTH 8
#define TIMES_DERIVED 3
#define VARIABLE_PERCENT 50
#define CONSTANT_HIGH 5

enum op { CONSTANT, VARIABLE, SUM, PRODUCT };

struct node {
	struct node *left, *right;
	enum op op;
	uint32_t value;		/* of a constant */
};

static struct node *new_node(enum op op, struct node *left,
			     struct node *right)
{
	struct node *node = harness_got(malloc(sizeof(*node)), sizeof(*node));

	node->left = left;
	node->right = right;
	node->op = op;
	node->value = 0;
	return node;
}

static struct node *constant(uint32_t value)
{
	struct node *node = new_node(CONSTANT, NULL, NULL);

	node->value = value;
	return node;
}

static void drop_node(struct node *node)
{
	free(node);
	harness_account(-(int64_t)sizeof(*node));
}

static void drop(struct node *node)
{
	if (node == NULL)
		return;
	drop(node->left);
	drop(node->right);
	drop_node(node);
}

static struct node *copy(const struct node *node)
{
	struct node *twin;

	if (node == NULL)
		return NULL;
	twin = new_node(node->op, copy(node->left), copy(node->right));
	twin->value = node->value;
	return twin;
}

static struct node *random_leaf(uint64_t *random)
{
	if (harness_between(random, 1, 100) <= VARIABLE_PERCENT)
		return new_node(VARIABLE, NULL, NULL);
	return constant((uint32_t)harness_between(random, 0, CONSTANT_HIGH));
}

static struct node *random_tree(int depth, uint64_t *random)
{
	enum op op = depth % 3 == 0 ? PRODUCT : SUM;

	if (depth == 0)
		return random_leaf(random);
	return new_node(op, random_tree(depth - 1, random),
			random_tree(depth - 1, random));
}

static struct node *derive(const struct node *f)
{
	switch (f->op) {
	case CONSTANT:
		return constant(0);
	case VARIABLE:
		return constant(1);
	case SUM:
		return new_node(SUM, derive(f->left), derive(f->right));
	default:
		return new_node(SUM, new_node(PRODUCT, derive(f->left),
					      copy(f->right)),
				new_node(PRODUCT, copy(f->left),
					 derive(f->right)));
	}
}

static bool is_constant(const struct node *f, uint32_t value)
{
	return f->op == CONSTANT && f->value == value;
}

/* The one of f's two subtrees that stays; the rest of f goes. */
static struct node *keep(struct node *f, struct node *which)
{
	drop(which == f->left ? f->right : f->left);
	drop_node(f);
	return which;
}

static struct node *fold(struct node *f)
{
	uint32_t a = f->left->value, b = f->right->value;
	uint32_t value = f->op == SUM ? crunch_add(a, b) : crunch_mul(a, b);

	drop(f);
	return constant(value);
}

/* Takes f over; returns an expression of the same value. */
static struct node *simplify(struct node *f)
{
	uint32_t neutral = f->op == SUM ? 0 : 1;

	if (f->op != SUM && f->op != PRODUCT)
		return f;
	f->left = simplify(f->left);
	f->right = simplify(f->right);
	if (f->left->op == CONSTANT && f->right->op == CONSTANT)
		return fold(f);
	if (is_constant(f->left, neutral))
		return keep(f, f->right);
	if (is_constant(f->right, neutral))
		return keep(f, f->left);
	if (f->op == PRODUCT && is_constant(f->left, 0))
		return keep(f, f->left);
	if (f->op == PRODUCT && is_constant(f->right, 0))
		return keep(f, f->right);
	return f;
}

/* A value and, computed by numbers alone, its derivative. */
struct dual {
	uint32_t value, slope;
};

static struct dual evaluate(const struct node *f, uint32_t x)
{
	struct dual a, b;

	if (f->op == CONSTANT)
		return (struct dual){ f->value, 0 };
	if (f->op == VARIABLE)
		return (struct dual){ x, 1 };
	a = evaluate(f->left, x);
	b = evaluate(f->right, x);
	if (f->op == SUM)
		return (struct dual){ crunch_add(a.value, b.value),
				      crunch_add(a.slope, b.slope) };
	return (struct dual){
		crunch_mul(a.value, b.value),
		crunch_add(crunch_mul(a.slope, b.value),
			   crunch_mul(a.value, b.slope)),
	};
}

static void crunch(uint64_t *random)
{
	uint32_t x = (uint32_t)harness_between(random, 2, CRUNCH_PRIME - 1);
	struct node *f = simplify(random_tree(DEPTH, random));

	for (int i = 0; i < TIMES_DERIVED; i++) {
		struct node *g = simplify(derive(f));

		if (evaluate(g, x).value != evaluate(f, x).slope)
			measure_die("a derivative is wrong");
		drop(f);
		f = g;
	}
	drop(f);
}

void crunch_symbols(int index)
{
	uint64_t random = harness_stream(index);
	long n = harness_scaled(EXPRESSIONS);

	for (long i = 0; i < n; i++)
		crunch(&random);
}
