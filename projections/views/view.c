#include "projections/views/view.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "projections/views/rows.h"
#include "schemas/wire/ensure.h"

void view_scan(struct view *view, enum table_id table, struct slice from, struct slice to, bool backwards,
	       store_visit_fn *visit, void *context)
{
	if (view->ops)
		view->ops->scan(view, table, from, to, backwards, visit, context);
	else
		store_scan(view_store(view, table), table_places[table].index, from, to, backwards, view->overlay,
			   visit, context);
}

void view_scan_prefix(struct view *view, enum table_id table, struct slice prefix, bool backwards,
		      store_visit_fn *visit, void *context)
{
	struct key after = {.size = 0};
	key_add_bytes(&after, prefix);
	key_after_prefix(&after);
	view_scan(view, table, prefix, key_slice(&after), backwards, visit, context);
}

void view_put(struct view *view, enum table_id table, struct slice key, struct slice value)
{
	if (view->ops) {
		ENSURE(view->ops->put);
		view->ops->put(view, table, key, value);
	} else if (value.size) {
		store_put(view_store(view, table), table_places[table].index, key, value);
	} else {
		store_delete(view_store(view, table), table_places[table].index, key);
	}
}

void view_put_large(struct view *view, enum table_id table, struct slice key, row_encode_fn *encode, const void *row)
{
	for (size_t size = (size_t)8 * ROW_BYTES_USUAL;; size *= 4) {
		uint8_t *room = malloc(size);
		ENSURE(room);
		struct packer p = packer_over(room, size);
		encode(&p, row);
		if (!p.full)
			view_put(view, table, key, slice_of(room, (size_t)(p.at - room)));
		free(room);
		if (!p.full)
			return;
	}
}

void view_fail(struct view *view, enum ll_code code, const char *format, ...)
{
	if (view->failure.code != LL_OK)
		return;
	va_list args;
	va_start(args, format);
	view->failure.code = code;
	vsnprintf(view->failure.text, sizeof view->failure.text, format, args);
	va_end(args);
}

void view_fail_row(struct view *view, enum table_id table, struct slice key, const struct cursor *cursor)
{
	char hex[2 * KEY_BYTES_MAX + 1] = "";
	struct slice shown = key.size > KEY_BYTES_MAX ? slice_of(key.at, KEY_BYTES_MAX) : key;
	for (size_t i = 0; i < shown.size; i++)
		snprintf(hex + 2 * i, 3, "%02x", shown.at[i]);
	const struct table_place *place = &table_places[table];
	view_fail(view, LL_CORRUPT, "projection %s, table %s: the row with key %s cannot be decoded (%s); rebuild %s",
		  projection_layouts[place->projection].name, place->name, hex,
		  cursor->failed ? cursor->failed : "bytes left over", projection_layouts[place->projection].name);
}
