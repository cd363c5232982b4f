#include "engine/relay/kafka_position.h"

#include <string.h>

#include "schemas/wire/json.h"

struct looking {
	const char *ledger;
	struct kept_position *position;
};

static bool on_record(void *context, size_t index, const rd_kafka_message_t *message)
{
	struct looking *looking = context;
	struct json_reader reader = {0};
	const struct json_node *root, *run, *next, *by;
	bool good = false;
	(void)index;
	if (!slice_equal(slice_of(message->key, message->key_len), slice_text(looking->ledger)))
		return false;
	if (json_read(&reader, slice_of(message->payload, message->len), &root, NULL) == LL_OK &&
	    (run = json_member(&reader, root, SLICE("run"))) && (next = json_member(&reader, root, SLICE("next"))) &&
	    run->is_integer && next->is_integer && run->integer >= 0 && next->integer >= 0) {
		good = true;
		*looking->position = (struct kept_position){.any = true,
							    .run = (uint64_t)run->integer,
							    .next = (uint64_t)next->integer,
							    .offset = message->offset};
		by = json_member(&reader, root, SLICE("by"));
		if (by && by->type == JSON_STRING && by->text.size == UUID_TEXT_SIZE - 1)
			memcpy(looking->position->by, by->text.at, UUID_TEXT_SIZE - 1);
	}
	json_reader_release(&reader);
	return good;
}

enum ll_code position_read(struct outside_client *reader, const char *topic, const char *ledger,
			   struct kept_position *position, struct error *error)
{
	struct looking looking = {ledger, position};
	struct topic_end end = {.topic = topic};
	*position = (struct kept_position){.offset = -1};
	return topic_ends_read(reader, &end, 1, false, on_record, &looking, error);
}

void position_write(const struct kept_position *position, const char *ledger_name, struct buffer *json)
{
	struct json_writer writer;
	json_writer_init(&writer, json, false);
	json_object_begin(&writer);
	json_member_text(&writer, "ledger", ledger_name);
	json_member_uint64(&writer, "run", position->run);
	json_member_uint64(&writer, "next", position->next);
	if (*position->by)
		json_member_text(&writer, "by", position->by);
	else
		json_member_null(&writer, "by");
	json_object_end(&writer);
}
