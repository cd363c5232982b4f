#include "projections/store/overlay.h"

#include <stdlib.h>

#include "schemas/wire/ensure.h"

enum { SLOTS_MIN = 1024, PIECE_BYTES = 64 << 10, KEPT_BYTES_MAX = 32 << 20 };

struct arena_piece {
	struct arena_piece *next;
	size_t size;
	_Alignas(16) uint8_t bytes[];
};

void overlay_init(struct overlay *overlay)
{
	memset(overlay, 0, sizeof *overlay);
	overlay->block = 1;
	overlay->mask = SLOTS_MIN - 1;
	overlay->slots = calloc(SLOTS_MIN, sizeof *overlay->slots);
	ENSURE(overlay->slots && "memory is used up");
}

static void free_pieces(struct arena_piece *piece)
{
	while (piece) {
		struct arena_piece *next = piece->next;
		free(piece);
		piece = next;
	}
}

void overlay_release(struct overlay *overlay)
{
	free(overlay->slots);
	free_pieces(overlay->first);
	memset(overlay, 0, sizeof *overlay);
}

void overlay_drop(struct overlay *overlay)
{
	size_t kept = 0;
	overlay->open = false;
	overlay->count = 0;
	overlay->used = 0;
	overlay->piece = overlay->first;
	for (unsigned i = 0; i < STORE_TABLES_MAX; i++)
		RB_INIT(&overlay->trees[i]);
	for (struct arena_piece *piece = overlay->first; piece; piece = piece->next) {
		kept += piece->size;
		if (kept > KEPT_BYTES_MAX) {
			free_pieces(piece->next);
			piece->next = NULL;
		}
	}
	if (++overlay->block == 0) { /* once in four thousand million blocks */
		memset(overlay->slots, 0, ((size_t)overlay->mask + 1) * sizeof *overlay->slots);
		overlay->block = 1;
	}
}

static void *allocate(struct overlay *overlay, size_t size)
{
	size = (size + 15) & ~(size_t)15;
	while (!overlay->piece || overlay->used + size > overlay->piece->size) {
		struct arena_piece **next = overlay->piece ? &overlay->piece->next : &overlay->first;
		if (!*next || (*next)->size < size) {
			size_t bytes = size > PIECE_BYTES ? size : PIECE_BYTES;
			struct arena_piece *piece = malloc(sizeof *piece + bytes);
			ENSURE(piece && "memory is used up");
			piece->size = bytes;
			piece->next = *next;
			*next = piece;
		}
		overlay->piece = *next;
		overlay->used = 0;
	}
	void *at = overlay->piece->bytes + overlay->used;
	overlay->used += size;
	return at;
}

/* The slot with that key, or the empty one where it belongs. */
static struct overlay_slot *slot_find(const struct overlay *overlay, unsigned table, uint32_t tag, struct slice key)
{
	for (uint32_t i = (tag + table) & overlay->mask;; i = (i + 1) & overlay->mask) {
		struct overlay_slot *slot = &overlay->slots[i];
		if (slot->block != overlay->block)
			return slot;
		if (slot->tag == tag && slot->row->table == table && slice_equal(row_key(slot->row), key))
			return slot;
	}
}

static void grow(struct overlay *overlay)
{
	struct overlay old = *overlay;
	overlay->mask = old.mask * 2 + 1;
	overlay->slots = calloc((size_t)overlay->mask + 1, sizeof *overlay->slots);
	ENSURE(overlay->slots && "memory is used up");
	for (size_t i = 0; i <= old.mask; i++)
		if (old.slots[i].block == old.block)
			*slot_find(overlay, old.slots[i].row->table, old.slots[i].tag, row_key(old.slots[i].row)) =
				old.slots[i];
	free(old.slots);
}

struct row *overlay_find(const struct overlay *overlay, unsigned table, uint32_t tag, struct slice key)
{
	if (overlay->count == 0)
		return NULL;
	const struct overlay_slot *slot = slot_find(overlay, table, tag, key);
	return slot->block == overlay->block ? slot->row : NULL;
}

static size_t row_room(size_t key_size, size_t value_size, bool ordered)
{
	return (ROW_HEADER_BYTES + key_size + value_size + (ordered ? ROW_NODE_BYTES : 0) + 15) & ~(size_t)15;
}

void overlay_put(struct overlay *overlay, unsigned table, bool ordered, uint32_t tag, struct slice key,
		 struct slice value, bool deleted)
{
	struct overlay_slot *slot = slot_find(overlay, table, tag, key);
	struct row *old = slot->block == overlay->block ? slot->row : NULL;
	if (old && row_room(key.size, value.size, ordered) <= row_room(key.size, old->value_size, ordered)) {
		row_set_value(old, value, deleted);
		return;
	}
	if (!old && overlay->count >= overlay->mask / 4 * 3) {
		grow(overlay);
		slot = slot_find(overlay, table, tag, key);
	}
	uint8_t *at = allocate(overlay, row_room(key.size, value.size, ordered));
	struct row *row = (struct row *)(at + (ordered ? ROW_NODE_BYTES : 0));
	memset(row, 0, ROW_HEADER_BYTES);
	row->tag = tag;
	row->table = table;
	row->key_size = (uint16_t)key.size;
	row->node = ordered ? NODE_OUTSIDE : NODE_NONE;
	memcpy(row->bytes, key.at, key.size);
	row_set_value(row, value, deleted);
	if (ordered) {
		if (old)
			row_tree_remove(&overlay->trees[table], old);
		row_tree_insert(&overlay->trees[table], row);
	}
	if (!old)
		overlay->count++;
	*slot = (struct overlay_slot){row, tag, overlay->block};
}
