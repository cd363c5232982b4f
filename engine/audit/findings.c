#include "engine/audit/findings.h"

#include "engine/audit/row_json.h"

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
	add_part(findings, "projected", "\n  is        ", difference->table, difference->left, row_value_json);
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
