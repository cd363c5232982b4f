#include "engine/proof/merkle.h"

#include <stdlib.h>

#include "schemas/wire/ensure.h"

enum { RUN = 256 };

/* Leaves of one run that are kept. */
struct run {
	uint64_t number; /* of the run: its first leaf is number * RUN */
	struct hash leaves[RUN];
};

struct merkle {
	uint64_t size;
	struct hash *roots; /* of full runs */
	size_t roots_capacity;
	struct run *kept;
	size_t kept_count, kept_capacity;
	uint64_t *wanted; /* numbers of runs that are not full yet */
	size_t wanted_count, wanted_capacity;
	struct hash last[RUN];   /* leaves of the run that is not full */
	struct hash before[RUN]; /* and of the one before it */
};

struct hash merkle_leaf(struct slice bytes)
{
	static const uint8_t prefix = 0;
	return hash_of_two(slice_of(&prefix, 1), bytes);
}

static struct hash node(const struct hash *left, const struct hash *right)
{
	uint8_t bytes[1 + 2 * HASH_BYTES];
	bytes[0] = 1;
	memcpy(bytes + 1, left->bytes, HASH_BYTES);
	memcpy(bytes + 1 + HASH_BYTES, right->bytes, HASH_BYTES);
	return hash_of(slice_of(bytes, sizeof bytes));
}

static void *grow(void *array, size_t *capacity, size_t size)
{
	*capacity = *capacity ? *capacity * 2 : 16;
	array = reallocarray(array, *capacity, size);
	ENSURE(array && "memory is used up");
	return array;
}

struct merkle *merkle_new(void)
{
	struct merkle *tree = calloc(1, sizeof *tree);
	ENSURE(tree && "memory is used up");
	return tree;
}

void merkle_free(struct merkle *tree)
{
	if (!tree)
		return;
	free(tree->roots);
	free(tree->kept);
	free(tree->wanted);
	free(tree);
}

uint64_t merkle_size(const struct merkle *tree)
{
	return tree->size;
}

static void keep_run(struct merkle *tree, uint64_t number, const struct hash leaves[RUN])
{
	for (size_t i = 0; i < tree->kept_count; i++)
		if (tree->kept[i].number == number)
			return;
	if (tree->kept_count == tree->kept_capacity)
		tree->kept = grow(tree->kept, &tree->kept_capacity, sizeof *tree->kept);
	struct run *run = &tree->kept[tree->kept_count++];
	run->number = number;
	memcpy(run->leaves, leaves, sizeof run->leaves);
}

void merkle_keep(struct merkle *tree, uint64_t index)
{
	ENSURE(index / RUN + 1 >= tree->size / RUN);
	if (index / RUN + 1 == tree->size / RUN) {
		keep_run(tree, index / RUN, tree->before);
		return;
	}
	if (tree->wanted_count == tree->wanted_capacity)
		tree->wanted = grow(tree->wanted, &tree->wanted_capacity, sizeof *tree->wanted);
	tree->wanted[tree->wanted_count++] = index / RUN;
}

static void run_is_full(struct merkle *tree)
{
	uint64_t number = tree->size / RUN - 1;
	bool wanted = false;
	size_t left = 0;
	for (size_t i = 0; i < tree->wanted_count; i++) {
		if (tree->wanted[i] == number)
			wanted = true;
		else
			tree->wanted[left++] = tree->wanted[i];
	}
	tree->wanted_count = left;
	if (wanted)
		keep_run(tree, number, tree->last);
	memcpy(tree->before, tree->last, sizeof tree->before);
}

void merkle_add(struct merkle *tree, struct slice leaf)
{
	tree->last[tree->size % RUN] = merkle_leaf(leaf);
	tree->size++;
	if (tree->size % RUN != 0)
		return;
	struct hash level[RUN];
	memcpy(level, tree->last, sizeof level);
	for (size_t count = RUN; count > 1; count /= 2)
		for (size_t i = 0; i < count / 2; i++)
			level[i] = node(&level[2 * i], &level[2 * i + 1]);
	size_t number = tree->size / RUN - 1;
	if (number == tree->roots_capacity)
		tree->roots = grow(tree->roots, &tree->roots_capacity, sizeof *tree->roots);
	tree->roots[number] = level[0];
	run_is_full(tree);
}

/* ---- reading ---- */

static struct hash leaf_at(const struct merkle *tree, uint64_t index)
{
	uint64_t number = index / RUN;
	if (number == tree->size / RUN)
		return tree->last[index % RUN];
	for (size_t i = 0; i < tree->kept_count; i++)
		if (tree->kept[i].number == number)
			return tree->kept[i].leaves[index % RUN];
	ENSURE(!"the leaf was not kept");
	return (struct hash){{0}};
}

/* The largest power of two below n, n > 1. */
static uint64_t split_of(uint64_t n)
{
	return UINT64_C(1) << (63 - __builtin_clzll(n - 1));
}

/* Of the leaves from `begin` to before `end`: `begin` is a multiple of every power of two that is split off within them. */
static struct hash root_of(const struct merkle *tree, uint64_t begin, uint64_t end)
{
	uint64_t n = end - begin;
	if (n == 1)
		return leaf_at(tree, begin);
	if (n == RUN)
		return tree->roots[begin / RUN];
	uint64_t middle = begin + split_of(n);
	struct hash left = root_of(tree, begin, middle), right = root_of(tree, middle, end);
	return node(&left, &right);
}

struct hash merkle_root(const struct merkle *tree, uint64_t size)
{
	ENSURE(size <= tree->size);
	return size ? root_of(tree, 0, size) : hash_of(SLICE_EMPTY);
}

static void put(struct merkle_path *path, struct hash hash)
{
	ENSURE(path->count < MERKLE_PATH_MAX);
	path->at[path->count++] = hash;
}

static void include(const struct merkle *tree, uint64_t index, uint64_t begin, uint64_t end, struct merkle_path *path)
{
	if (end - begin == 1)
		return;
	uint64_t middle = begin + split_of(end - begin);
	if (index < middle) {
		include(tree, index, begin, middle, path);
		put(path, root_of(tree, middle, end));
	} else {
		include(tree, index, middle, end, path);
		put(path, root_of(tree, begin, middle));
	}
}

void merkle_inclusion(const struct merkle *tree, uint64_t index, uint64_t size, struct merkle_path *path)
{
	ENSURE(index < size && size <= tree->size);
	path->count = 0;
	include(tree, index, 0, size, path);
}

/* `whole`: the old tree's root is what begins here, which its holder knows. */
static void extend(const struct merkle *tree, uint64_t from, uint64_t begin, uint64_t end, bool whole,
		   struct merkle_path *path)
{
	if (from == end) {
		if (!whole)
			put(path, root_of(tree, begin, end));
		return;
	}
	uint64_t middle = begin + split_of(end - begin);
	if (from <= middle) {
		extend(tree, from, begin, middle, whole, path);
		put(path, root_of(tree, middle, end));
	} else {
		extend(tree, from, middle, end, false, path);
		put(path, root_of(tree, begin, middle));
	}
}

void merkle_consistency(const struct merkle *tree, uint64_t from, uint64_t to, struct merkle_path *path)
{
	ENSURE(0 < from && from <= to && to <= tree->size);
	path->count = 0;
	extend(tree, from, 0, to, true, path);
}

/* ---- checking ---- */

/* The way up from a leaf, or from a subtree: `at` is its number among those of its level, `last` that of the last one. */
struct climb {
	uint64_t at, last;
};

/* One step, which takes one hash of the path. *left: that hash stands to the left. false: the root was reached already. */
static bool step(struct climb *climb, bool *left)
{
	if (climb->last == 0)
		return false;
	/* Levels at which there is no neighbour: the last one of an odd number goes up as it is. */
	while (!(climb->at & 1) && climb->at == climb->last) {
		climb->at >>= 1;
		climb->last >>= 1;
	}
	*left = climb->at & 1;
	climb->at >>= 1;
	climb->last >>= 1;
	return true;
}

bool merkle_includes(const struct hash *leaf, uint64_t index, uint64_t size, const struct hash *root,
		     const struct merkle_path *path)
{
	if (index >= size)
		return false;
	struct climb climb = {index, size - 1};
	struct hash hash = *leaf;
	for (size_t i = 0; i < path->count; i++) {
		bool left;
		if (!step(&climb, &left))
			return false;
		hash = left ? node(&path->at[i], &hash) : node(&hash, &path->at[i]);
	}
	return climb.last == 0 && memcmp(hash.bytes, root->bytes, HASH_BYTES) == 0;
}

bool merkle_extends(uint64_t from, const struct hash *from_root, uint64_t to, const struct hash *to_root,
		    const struct merkle_path *path)
{
	if (from == 0 || from > to)
		return false;
	if (from == to)
		return path->count == 0 && memcmp(from_root->bytes, to_root->bytes, HASH_BYTES) == 0;
	struct climb climb = {from - 1, to - 1};
	while (climb.at & 1) {
		climb.at >>= 1;
		climb.last >>= 1;
	}
	/* The largest subtree that ends with the old tree: the old root itself when the old tree is one. */
	size_t next = climb.at ? 1 : 0;
	if (path->count < next)
		return false;
	struct hash old = climb.at ? path->at[0] : *from_root, new = old;
	for (; next < path->count; next++) {
		/* What stands to the left, or has no neighbour to its right in the old tree, is in both. */
		bool left;
		if (!step(&climb, &left))
			return false;
		if (left) {
			old = node(&path->at[next], &old);
			new = node(&path->at[next], &new);
		} else {
			new = node(&new, &path->at[next]);
		}
	}
	return climb.last == 0 && memcmp(old.bytes, from_root->bytes, HASH_BYTES) == 0 &&
	       memcmp(new.bytes, to_root->bytes, HASH_BYTES) == 0;
}
