/*
 * Any bytes are JSON or are refused with a sentence; nothing is read beyond them. What was taken can be written, and
 * what was written is JSON again. Times on the way.
 */
#include <stdlib.h>

#include "schemas/wire/ensure.h"
#include "schemas/wire/json.h"
#include "schemas/wire/time.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void write_all(const struct json_reader *reader, struct buffer *out)
{
	struct json_writer writer;
	json_writer_init(&writer, out, false);
	json_array_begin(&writer);
	for (uint32_t i = 0; i < reader->count; i++) {
		if (reader->nodes[i].type == JSON_STRING)
			json_string(&writer, reader->nodes[i].text);
		else if (reader->nodes[i].is_integer)
			json_int64(&writer, reader->nodes[i].integer);
	}
	json_array_end(&writer);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct json_reader reader, again;
	const struct json_node *root;
	struct buffer out = {0};
	struct error error;
	int64_t time_ms;
	char text[TIME_TEXT_SIZE + 1];
	if (json_read(&reader, slice_of(data, size), &root, &error) == LL_OK) {
		for (uint32_t i = 0; i < reader.count; i++) {
			const struct json_node *node = &reader.nodes[i];
			ENSURE(node->type == JSON_STRING || data + node->offset == node->text.at);
		}
		write_all(&reader, &out);
		ENSURE(json_read(&again, buffer_slice(&out), NULL, &error) == LL_OK);
	} else {
		ENSURE(error.text[0]);
	}
	if (time_parse(slice_of(data, size), &time_ms, &error) == LL_OK)
		time_format(time_ms, text);
	buffer_release(&out);
	return 0;
}
