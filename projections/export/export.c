#include "projections/export/export.h"

#include "projections/export/lines.h"
#include "schemas/wire/record_json.h"

/* Lines are handed on in runs of about this size: enough that the receiver's own cost does not count. */
enum { RUN_BYTES = 64 * 1024 };

struct json_writer *line_begin(struct lines *lines, const char *type)
{
	/* What the rows of the last line pointed to. */
	arena_reset(lines->view->arena);
	json_writer_init(&lines->writer, &lines->buffer, false);
	json_object_begin(&lines->writer);
	json_member_text(&lines->writer, "type", type);
	return &lines->writer;
}

static void hand_on(struct lines *lines)
{
	if (lines->buffer.size && !lines->stopped)
		lines->stopped = !lines->receive(lines->context, buffer_slice(&lines->buffer));
	buffer_clear(&lines->buffer);
}

bool line_end(struct lines *lines)
{
	json_object_end(&lines->writer);
	buffer_append_byte(&lines->buffer, '\n');
	if (lines->buffer.size >= RUN_BYTES)
		hand_on(lines);
	return !lines->stopped;
}

bool line_unreadable(struct lines *lines, enum table_id table)
{
	view_fail(lines->view, LL_CORRUPT, "projection %s, table %s: a key cannot be read; rebuild %s",
		  projection_layouts[table_places[table].projection].name, table_places[table].name,
		  projection_layouts[table_places[table].projection].name);
	return false;
}

void member_text(struct json_writer *writer, const char *key, struct slice text)
{
	json_key(writer, key);
	if (text.size)
		json_string(writer, text);
	else
		json_null(writer);
}

void member_time(struct json_writer *writer, const char *key, int64_t ms)
{
	json_key(writer, key);
	json_time(writer, ms);
}

void member_day(struct json_writer *writer, const char *key, int32_t day)
{
	json_key(writer, key);
	json_day(writer, day);
}

void member_reference(struct json_writer *writer, const char *key, const char *kind, uint64_t id)
{
	json_key(writer, key);
	json_reference(writer, kind, id);
}

void member_enum(struct json_writer *writer, const char *key, const struct enumeration *e, uint8_t value)
{
	json_member_text(writer, key, value ? enumeration_text(e, value) : NULL);
}

enum ll_code export_state(struct view *view, export_lines_fn *receive, void *context, struct error *error)
{
	static void (*const parts[])(struct lines *) = {export_points, export_sales, export_queue, export_rankings};
	struct arena arena = {0};
	struct arena *arena_of_view = view->arena;
	struct lines lines = {.view = view, .receive = receive, .context = context};
	view->arena = &arena;
	for (size_t i = 0; i < sizeof parts / sizeof *parts && !lines.stopped && view->failure.code == LL_OK; i++)
		parts[i](&lines);
	if (view->failure.code == LL_OK)
		hand_on(&lines);
	view->arena = arena_of_view;
	arena_release(&arena);
	buffer_release(&lines.buffer);
	if (view->failure.code != LL_OK)
		return error_set(error, view->failure.code, "%s", view->failure.text);
	if (lines.stopped)
		return error_set(error, LL_END, "the export was stopped");
	return LL_OK;
}

static bool add_to_hash(void *context, struct slice lines)
{
	hash_stream_add(context, lines);
	return true;
}

enum ll_code digest_of_view(struct view *view, char text[DIGEST_TEXT_SIZE + 1], struct error *error)
{
	struct hash_stream *stream = hash_stream_new();
	enum ll_code code = export_state(view, add_to_hash, stream, error);
	struct hash hash = hash_stream_end(stream);
	if (code == LL_OK)
		hex_text(text, hash.bytes, HASH_BYTES);
	return code;
}
