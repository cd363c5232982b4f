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

rd_kafka_headers_t *letter_headers(const rd_kafka_message_t *message, const struct letter_why *why, struct slice *value)
{
	char now[TIME_TEXT_SIZE + 1];
	struct timespec at;
	rd_kafka_headers_t *headers = headers_copied(message, not_of_letters);
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
	*value = slice_of(message->payload, message->len);
	if (message->len > LETTER_BYTES_MAX) {
		add_number(headers, "dlq-bytes", (int64_t)message->len);
		value->size = LETTER_CUT_BYTES;
	}
	return headers;
}
