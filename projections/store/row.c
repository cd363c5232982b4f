#include "projections/store/row.h"

#include <stdlib.h>

#include "schemas/wire/ensure.h"

static int compare_nodes(const struct row_node *a, const struct row_node *b)
{
	return slice_compare(row_key(a->row), row_key(b->row));
}

RB_GENERATE_INTERNAL(row_tree, row_node, entry, compare_nodes, __attribute__((unused)) static)

void row_tree_insert(struct row_tree *tree, struct row *row)
{
	struct row_node *there = RB_INSERT(row_tree, tree, row_node_of(row));
	ENSURE(!there);
	row->node = NODE_IN_TREE;
}

void row_tree_remove(struct row_tree *tree, struct row *row)
{
	RB_REMOVE(row_tree, tree, row_node_of(row));
	row->node = NODE_OUTSIDE;
}

struct row *row_tree_at_or_after(struct row_tree *tree, struct slice key)
{
	struct row_node *node = RB_ROOT(tree), *found = NULL;
	while (node) {
		if (slice_compare(row_key(node->row), key) >= 0) {
			found = node;
			node = RB_LEFT(node, entry);
		} else {
			node = RB_RIGHT(node, entry);
		}
	}
	return found ? found->row : NULL;
}

struct row *row_tree_before(struct row_tree *tree, struct slice key)
{
	struct row_node *node = RB_ROOT(tree), *found = NULL;
	while (node) {
		if (key.size == 0 || slice_compare(row_key(node->row), key) < 0) {
			found = node;
			node = RB_RIGHT(node, entry);
		} else {
			node = RB_LEFT(node, entry);
		}
	}
	return found ? found->row : NULL;
}

struct row *row_tree_next(struct row *row)
{
	struct row_node *node = row_tree_RB_NEXT(row_node_of(row));
	return node ? node->row : NULL;
}

struct row *row_tree_previous(struct row *row)
{
	struct row_node *node = row_tree_RB_PREV(row_node_of(row));
	return node ? node->row : NULL;
}

void handles_grow(struct handles *handles)
{
	uint32_t capacity = handles->capacity ? handles->capacity * 2 : 256;
	handles->at = realloc(handles->at, capacity * sizeof *handles->at);
	ENSURE(handles->at && "memory is used up");
	handles->capacity = capacity;
}

void handles_release(struct handles *handles)
{
	free(handles->at);
	*handles = (struct handles){0};
}
