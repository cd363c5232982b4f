/* Merkle trees against RFC 6962's own definitions, written down plainly. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "engine/proof/merkle.h"

/* Runs are 256 leaves long: sizes on both sides of one, and of two. */
enum { LEAVES = 530 };

struct plain {
	struct hash leaves[LEAVES];
};

static struct slice leaf_text(size_t i, char text[16])
{
	return slice_of(text, (size_t)snprintf(text, 16, "leaf %zu", i));
}

static struct hash node_of(struct hash left, struct hash right)
{
	uint8_t bytes[65] = {1};
	memcpy(bytes + 1, left.bytes, 32);
	memcpy(bytes + 33, right.bytes, 32);
	return hash_of(slice_of(bytes, sizeof bytes));
}

static size_t half(size_t n)
{
	size_t k = 1;
	while (k * 2 < n)
		k *= 2;
	return k;
}

static struct hash plain_root(const struct plain *plain, size_t begin, size_t end)
{
	if (end == begin)
		return hash_of(SLICE_EMPTY);
	if (end - begin == 1)
		return plain->leaves[begin];
	size_t k = half(end - begin);
	return node_of(plain_root(plain, begin, begin + k), plain_root(plain, begin + k, end));
}

static struct merkle *tree_of(struct plain *plain, size_t count)
{
	struct merkle *tree = merkle_new();
	char text[16];
	for (size_t i = 0; i < count; i++) {
		struct slice leaf = leaf_text(i, text);
		plain->leaves[i] = merkle_leaf(leaf);
		merkle_keep(tree, i);
		merkle_add(tree, leaf);
	}
	return tree;
}

static void assert_same(struct hash a, struct hash b)
{
	assert_memory_equal(a.bytes, b.bytes, HASH_BYTES);
}

static void known_roots(void **state)
{
	/* The leaves that implementations of Certificate Transparency are tried with. */
	static const struct {
		const char *bytes;
		size_t size;
	} inputs[] = {{"", 0},
		      {"\0", 1},
		      {"\x10", 1},
		      {"\x20\x21", 2},
		      {"\x30\x31", 2},
		      {"\x40\x41\x42\x43", 4},
		      {"\x50\x51\x52\x53\x54\x55\x56\x57", 8},
		      {"\x60\x61\x62\x63\x64\x65\x66\x67\x68\x69\x6a\x6b\x6c\x6d\x6e\x6f", 16}};
	struct merkle *tree = merkle_new();
	char text[2 * HASH_BYTES + 1];
	struct hash root = merkle_root(tree, 0);
	(void)state;
	hex_text(text, root.bytes, HASH_BYTES);
	assert_string_equal(text, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
	for (size_t i = 0; i < sizeof inputs / sizeof *inputs; i++)
		merkle_add(tree, slice_of(inputs[i].bytes, inputs[i].size));
	root = merkle_root(tree, 8);
	hex_text(text, root.bytes, HASH_BYTES);
	assert_string_equal(text, "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328");
	merkle_free(tree);
}

static void roots_are_those_of_the_definition(void **state)
{
	static struct plain plain;
	struct merkle *tree = tree_of(&plain, LEAVES);
	(void)state;
	for (size_t n = 0; n <= LEAVES; n++)
		assert_same(merkle_root(tree, n), plain_root(&plain, 0, n));
	merkle_free(tree);
}

static void every_inclusion_is_proven_and_nothing_else(void **state)
{
	static struct plain plain;
	struct merkle *tree = tree_of(&plain, LEAVES);
	struct merkle_path path;
	(void)state;
	for (size_t n = 1; n <= LEAVES; n += n < 70 ? 1 : 23)
		for (size_t i = 0; i < n; i++) {
			struct hash root = merkle_root(tree, n), leaf = plain.leaves[i];
			merkle_inclusion(tree, i, n, &path);
			assert_true(merkle_includes(&leaf, i, n, &root, &path));
			assert_false(merkle_includes(&leaf, n, n, &root, &path));
			assert_false(merkle_includes(&leaf, i + n, n, &root, &path));
			if (n > 1) {
				assert_false(merkle_includes(&leaf, (i + 1) % n, n, &root, &path));
				path.at[i % path.count].bytes[i % HASH_BYTES] ^= 1;
				assert_false(merkle_includes(&leaf, i, n, &root, &path));
				path.at[i % path.count].bytes[i % HASH_BYTES] ^= 1;
				path.count--;
				assert_false(merkle_includes(&leaf, i, n, &root, &path));
				path.count += 2;
				path.at[path.count - 1] = root;
				assert_false(merkle_includes(&leaf, i, n, &root, &path));
				path.count--;
			}
			leaf.bytes[0] ^= 1;
			assert_false(merkle_includes(&leaf, i, n, &root, &path));
		}
	merkle_free(tree);
}

static void every_beginning_is_proven_and_nothing_else(void **state)
{
	static struct plain plain;
	struct merkle *tree = tree_of(&plain, LEAVES);
	struct merkle_path path;
	(void)state;
	for (size_t n = 1; n <= LEAVES; n += n < 70 ? 1 : 23)
		for (size_t m = 1; m <= n; m++) {
			struct hash old = merkle_root(tree, m), new = merkle_root(tree, n);
			merkle_consistency(tree, m, n, &path);
			assert_true(merkle_extends(m, &old, n, &new, &path));
			assert_false(merkle_extends(0, &old, n, &new, &path));
			assert_false(merkle_extends(n + 1, &old, n, &new, &path));
			if (path.count) {
				path.at[m % path.count].bytes[m % HASH_BYTES] ^= 4;
				assert_false(merkle_extends(m, &old, n, &new, &path));
				path.at[m % path.count].bytes[m % HASH_BYTES] ^= 4;
				path.count--;
				assert_false(merkle_extends(m, &old, n, &new, &path));
				path.count++;
			}
			path.at[path.count++] = new;
			assert_false(merkle_extends(m, &old, n, &new, &path));
			path.count--;
			old.bytes[31] ^= 1;
			assert_false(merkle_extends(m, &old, n, &new, &path));
			old.bytes[31] ^= 1;
			new.bytes[0] ^= 1;
			assert_false(merkle_extends(m, &old, n, &new, &path));
		}
	merkle_free(tree);
}

/* A leaf that is kept 256 leaves late. */
static void late_keeping(void **state)
{
	static struct plain plain;
	struct merkle *tree = merkle_new();
	struct merkle_path path;
	char text[16];
	(void)state;
	for (size_t i = 0; i < LEAVES; i++) {
		if (i == 256)
			merkle_keep(tree, 255);
		plain.leaves[i] = merkle_leaf(leaf_text(i, text));
		merkle_add(tree, leaf_text(i, text));
	}
	merkle_inclusion(tree, 255, LEAVES, &path);
	struct hash root = plain_root(&plain, 0, LEAVES);
	assert_true(merkle_includes(&plain.leaves[255], 255, LEAVES, &root, &path));
	merkle_free(tree);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(known_roots),
		cmocka_unit_test(roots_are_those_of_the_definition),
		cmocka_unit_test(every_inclusion_is_proven_and_nothing_else),
		cmocka_unit_test(every_beginning_is_proven_and_nothing_else),
		cmocka_unit_test(late_keeping),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
