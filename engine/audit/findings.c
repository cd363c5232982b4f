#include "engine/audit/findings.h"

#include "engine/audit/row_json.h"
#include "projections/certify/rows.h"

void findings_init(struct findings *findings)
{
	*findings = (struct findings){.count = 0};
	json_writer_init(&findings->writer, &findings->json, false);
	json_array_begin(&findings->writer);
}

void findings_release(struct findings *findings)
{
	buffer_release(&findings->words);
	buffer_release(&findings->json);
}

/* A member that stands in both: in the words behind `label`. */
static void add_part(struct findings *findings, const char *member, const char *label, enum table_id table,
		     struct slice bytes, void (*write)(struct json_writer *, enum table_id, struct slice))
{
	json_key(&findings->writer, member);
	size_t begin = findings->json.size;
	write(&findings->writer, table, bytes);
	buffer_append_text(&findings->words, label);
	buffer_append(&findings->words, findings->json.at + begin, findings->json.size - begin);
}

/* The row that is in use, which may be of an earlier layout. */
static void add_left(struct findings *findings, const struct difference *difference)
{
	json_key(&findings->writer, "projected");
	size_t begin = findings->json.size;
	if (difference->left_version == projection_layouts[table_places[difference->table].projection].version ||
	    difference->left.size == 0 ||
	    !row_json_of(&findings->writer, difference->table, difference->left_version, difference->left))
		row_value_json(&findings->writer, difference->table, difference->left);
	buffer_append_text(&findings->words, "\n  is        ");
	buffer_append(&findings->words, findings->json.at + begin, findings->json.size - begin);
}

void findings_add(void *context, const struct difference *difference)
{
	struct findings *findings = context;
	const struct table_place *table = &table_places[difference->table];
	const char *projection = projection_layouts[table->projection].name;
	if (findings->count == FINDINGS_MAX)
		return;
	findings->count++;
	json_object_begin(&findings->writer);
	json_member_text(&findings->writer, "projection", projection);
	json_member_text(&findings->writer, "table", table->name);
	buffer_printf(&findings->words, "projection %s, table %s, ", projection, table->name);
	add_part(findings, "key", "key ", difference->table, difference->key, row_key_json);
	add_left(findings, difference);
	add_part(findings, "replayed", "\n  replayed  ", difference->table, difference->right, row_value_json);
	buffer_append_byte(&findings->words, '\n');
	json_object_end(&findings->writer);
}

struct slice findings_json(struct findings *findings)
{
	if (findings->writer.depth)
		json_array_end(&findings->writer);
	return buffer_slice(&findings->json);
}
