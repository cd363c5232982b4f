#include "engine/sink/kafka_letters.h"

#include <inttypes.h>
#include <stdio.h>
#include <time.h>

#include "schemas/wire/json.h"
#include "schemas/wire/time.h"

bool event_id_of(struct slice value, char id[LETTER_ID_MAX + 1])
{
	static const char known[] = "0123456789abcdefABCDEFghijklmnopqrstuvwxyzGHIJKLMNOPQRSTUVWXYZ-_.";
	struct json_reader reader = {0};
	const struct json_node *root, *text, *type, *payload;
	bool good = false;
	if (json_read(&reader, value, &root, NULL) == LL_OK && (text = json_member(&reader, root, SLICE("eventId"))) &&
	    (type = json_member(&reader, root, SLICE("eventType"))) &&
	    (payload = json_member(&reader, root, SLICE("payload"))) && text->type == JSON_STRING &&
	    type->type == JSON_STRING && payload->type == JSON_OBJECT && text->text.size > 0 &&
	    text->text.size <= LETTER_ID_MAX) {
		memcpy(id, text->text.at, text->text.size);
		id[text->text.size] = 0;
		good = strspn(id, known) == text->text.size;
	}
	json_reader_release(&reader);
	return good;
}

rd_kafka_headers_t *headers_copied(const rd_kafka_message_t *message, bool (*take)(const char *name))
{
	rd_kafka_headers_t *headers = NULL, *copied = rd_kafka_headers_new(16);
	const char *name;
	const void *value;
	size_t size;
	if (rd_kafka_message_headers(message, &headers))
		return copied;
	for (size_t i = 0; rd_kafka_header_get_all(headers, i, &name, &value, &size) == RD_KAFKA_RESP_ERR_NO_ERROR; i++)
		if (take(name))
			rd_kafka_header_add(copied, name, -1, value, (ssize_t)size);
	return copied;
}

static bool not_of_letters(const char *name)
{
	return strncmp(name, "dlq-", 4) != 0;
}

static void add_number(rd_kafka_headers_t *headers, const char *name, int64_t number)
{
	char text[24];
	snprintf(text, sizeof text, "%" PRId64, number);
	rd_kafka_header_add(headers, name, -1, text, -1);
}

static void add_why(rd_kafka_headers_t *headers, const rd_kafka_message_t *message, const struct letter_why *why)
{
	char now[TIME_TEXT_SIZE + 1];
	struct timespec at;
	clock_gettime(CLOCK_REALTIME, &at);
	time_format((int64_t)at.tv_sec * 1000 + at.tv_nsec / 1000000, now);
	rd_kafka_header_add(headers, "dlq-reason", -1, why->reason, -1);
	add_number(headers, "dlq-status", why->status);
	add_number(headers, "dlq-attempts", why->attempts);
	rd_kafka_header_add(headers, "dlq-topic", -1, rd_kafka_topic_name(message->rkt), -1);
	add_number(headers, "dlq-partition", message->partition);
	add_number(headers, "dlq-offset", message->offset);
	rd_kafka_header_add(headers, "dlq-group", -1, why->group, -1);
	rd_kafka_header_add(headers, "dlq-time", -1, now, -1);
	if (why->permanent)
		rd_kafka_header_add(headers, "dlq-permanent", -1, "yes", -1);
}

/* What a record takes on its way, at most: as it is, whatever compression makes of it. */
static size_t size_of(const struct letter_parts *letter)
{
	enum { RECORD_MORE = 512, HEADER_MORE = 16 };
	size_t size = letter->key.size + letter->value.size + RECORD_MORE, header;
	const char *name;
	const void *value;
	for (size_t i = 0; !rd_kafka_header_get_all(letter->headers, i, &name, &value, &header); i++)
		size += strlen(name) + header + HEADER_MORE;
	return size;
}

struct letter_parts letter_of(const rd_kafka_message_t *message, const struct letter_why *why, size_t bytes)
{
	struct letter_parts letter = {
		.key = slice_of(message->key, message->key_len),
		.value = slice_of(message->payload, message->len),
		.headers = headers_copied(message, not_of_letters),
	};
	bytes = bytes < OUTSIDE_RECORD_BYTES_MAX ? bytes : OUTSIDE_RECORD_BYTES_MAX;
	add_why(letter.headers, message, why);
	if (size_of(&letter) <= bytes)
		return letter;
	if (letter.value.size > LETTER_CUT_BYTES)
		letter.value.size = LETTER_CUT_BYTES;
	add_number(letter.headers, "dlq-bytes", (int64_t)message->len);
	if (size_of(&letter) <= bytes)
		return letter;
	rd_kafka_headers_destroy(letter.headers);
	letter.headers = rd_kafka_headers_new(16);
	letter.key = SLICE_EMPTY;
	add_why(letter.headers, message, why);
	add_number(letter.headers, "dlq-bytes", (int64_t)message->len);
	add_number(letter.headers, "dlq-key-bytes", (int64_t)message->key_len);
	return letter;
}
