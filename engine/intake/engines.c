#include "engine/intake/engines.h"

#include <stdio.h>
#include <stdlib.h>

void engines_turn(struct engines *engines)
{
	engines->current = (engines->current + 1) % engines->count;
}

void engines_release(struct engines *engines)
{
	json_reader_release(&engines->reader);
}

static struct slice text_of(const struct engines *engines, const struct json_node *node, const char *name)
{
	const struct json_node *member = node ? json_member(&engines->reader, node, slice_text(name)) : NULL;
	return member && member->type == JSON_STRING ? member->text : SLICE_EMPTY;
}

/* "VALIDATION_ERROR: amount must be ..." of an error's body. */
static void describe(const struct engines *engines, const struct json_node *body, char reason[ENGINES_REASON_MAX])
{
	const struct json_node *details = body ? json_member(&engines->reader, body, SLICE("details")) : NULL;
	struct slice code = text_of(engines, body, "code"), message = text_of(engines, body, "message");
	struct slice field = text_of(engines, details, "field"), why = text_of(engines, details, "reason");
	if (field.size)
		snprintf(reason, ENGINES_REASON_MAX, "%.*s: %.*s %.*s", SLICE_PRINT(code), SLICE_PRINT(field),
			 SLICE_PRINT(why));
	else
		snprintf(reason, ENGINES_REASON_MAX, "%.*s: %.*s", SLICE_PRINT(code), SLICE_PRINT(message));
}

static int64_t retry_after_ms(const struct http_reply *reply)
{
	struct slice value;
	char text[12];
	if (!http_reply_header(reply, "Retry-After", &value) || value.size >= sizeof text)
		return 0;
	snprintf(text, sizeof text, "%.*s", SLICE_PRINT(value));
	long seconds = strtol(text, NULL, 10);
	return seconds > 0 && seconds < 3600 ? seconds * 1000 : 0;
}

void engines_post(struct engines *engines, struct slice array, size_t count, struct post_answer *answer)
{
	struct http_reply reply;
	struct error error;
	const struct json_node *root = NULL;
	*answer = (struct post_answer){.end = POSTED_AGAIN};
	enum ll_code code = http_client_ask(engines->clients[engines->current], "POST", "/api/commands", array,
					    engines->timeout_ms, &reply, &error);
	if (code == LL_OK) {
		answer->status = reply.status;
		answer->retry_after_ms = retry_after_ms(&reply);
		code = json_read(&engines->reader, reply.body, &root, &error);
		if (code != LL_OK)
			error_prefix(&error, "what it answered is not understood");
	}
	bool has_code = code == LL_OK && root->type == JSON_OBJECT && text_of(engines, root, "code").size;
	answer->by_another = answer->status == 413 && !has_code;
	if (answer->by_another)
		snprintf(answer->reason, sizeof answer->reason,
			 "413, too large for a proxy before the engine: it should take 8 MiB");
	else if (code != LL_OK)
		snprintf(answer->reason, sizeof answer->reason, "%s", error.text);
	else if (reply.status == 200 && root->type == JSON_ARRAY && root->children == count)
		*answer = (struct post_answer){.end = POSTED_ANSWERED, .status = 200, .receipts = root};
	else if (reply.status == 200)
		snprintf(answer->reason, sizeof answer->reason, "what it answered is not a receipt for each command");
	else
		describe(engines, root, answer->reason);
	if (answer->by_another || (code == LL_OK && (reply.status == 400 || reply.status == 413)))
		answer->end = POSTED_REFUSED;
}

/* ---- receipts ---- */

static void copy_without_hit(const struct engines *engines, const struct json_node *node, struct buffer *json)
{
	struct json_writer writer;
	buffer_clear(json);
	json_writer_init(&writer, json, false);
	json_object_begin(&writer);
	for (const struct json_node *member = json_first(&engines->reader, node); member;
	     member = json_next(&engines->reader, member)) {
		if (slice_equal(member->key, SLICE("hit")))
			continue;
		json_key_slice(&writer, member->key);
		if (member->type == JSON_STRING)
			json_string(&writer, member->text);
		else
			json_raw(&writer, member->text);
	}
	json_object_end(&writer);
}

void receipt_read(const struct engines *engines, const struct json_node *node, struct receipt *receipt,
		  struct buffer *json)
{
	const struct json_reader *reader = &engines->reader;
	const struct json_node *status = json_member(reader, node, SLICE("status"));
	const struct json_node *hit = json_member(reader, node, SLICE("hit"));
	*receipt = (struct receipt){
		.id = text_of(engines, node, "commandId"),
		.outcome = text_of(engines, node, "outcome"),
		.status = status ? (int)status->integer : 0,
		.hit = hit && hit->yes,
	};
	bool taken = slice_equal(receipt->outcome, SLICE("accepted")) ||
		     slice_equal(receipt->outcome, SLICE("refused")) || slice_equal(receipt->outcome, SLICE("read"));
	receipt->again = !taken && (receipt->status == 429 || receipt->status >= 500 || receipt->status < 400);
	receipt->rejected = !taken && !receipt->again;
	if (!taken)
		describe(engines, json_member(reader, node, SLICE("body")), receipt->reason);
	copy_without_hit(engines, node, json);
}
