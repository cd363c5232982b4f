/*
 * Loading through an engine that serves: lines go as they are, in arrays, each waited for before the next one, so their order
 * holds. What the engine did not take for now (429, 503) is sent again, from the first such line on.
 */
#include <inttypes.h>
#include <poll.h>
#include <stdlib.h>
#include <time.h>

#include "engine/api/command_json.h"
#include "engine/client/http_client.h"
#include "engine/commands/commands.h"
#include "engine/commands/load.h"
#include "schemas/wire/ensure.h"

enum {
	LINES_MAX = 1000,
	ANSWER_WAIT_MS = 60000,
	PATIENCE_TRIES = 60, /* with a second between: then it gives up */
	TRY_AGAIN_MS = 1000,
};
#define BODY_BYTES_MAX ((size_t)7 << 20) /* but for one long line alone */

struct sending {
	struct load *load;
	struct http_client *client;
	struct json_reader reader; /* of lines, then of answers */
	struct buffer body;
	struct {
		uint64_t number;
		size_t at, size; /* in `body` */
	} lines[LINES_MAX];
	size_t count, done; /* lines of this array; answered ones of them */
	unsigned tries;
	struct buffer part; /* what is sent again */
};

static const char *path_of(const struct load *load)
{
	return load->keep_going ? "/api/commands" : "/api/commands?onRejected=stop";
}

/* ---- answers ---- */

static struct slice text_of(const struct json_reader *reader, const struct json_node *node, const char *name)
{
	const struct json_node *member = json_member(reader, node, slice_text(name));
	return member && member->type == JSON_STRING ? member->text : SLICE_EMPTY;
}

static uint16_t code_number(struct slice name)
{
	for (unsigned code = 1; code < LOAD_CODES_MAX; code++)
		if (code_info((uint16_t)code) && slice_equal(slice_text(code_info((uint16_t)code)->name), name))
			return (uint16_t)code;
	return 0;
}

static void tell_rejected(struct sending *s, uint64_t number, const struct json_node *body)
{
	const struct json_node *details = json_member(&s->reader, body, SLICE("details"));
	struct slice code = text_of(&s->reader, body, "code"), field = SLICE_EMPTY;
	if (details)
		field = text_of(&s->reader, details, "field");
	if (!field.size) {
		load_bad_code(s->load, number, code, text_of(&s->reader, body, "message"));
		return;
	}
	struct slice reason = text_of(&s->reader, details, "reason");
	load_bad(s->load, number, "%.*s %.*s", (int)field.size, (const char *)field.at, (int)reason.size,
		 (const char *)reason.at);
}

/* What became of one line. false: it was not taken for now. */
static bool take_receipt(struct sending *s, uint64_t number, const struct json_node *receipt)
{
	struct load *load = s->load;
	const struct json_node *hit = json_member(&s->reader, receipt, SLICE("hit"));
	const struct json_node *status = json_member(&s->reader, receipt, SLICE("status"));
	const struct json_node *body = json_member(&s->reader, receipt, SLICE("body"));
	struct slice outcome = text_of(&s->reader, receipt, "outcome");
	if (hit && hit->yes) {
		load->repeated++;
	} else if (slice_equal(outcome, SLICE("accepted"))) {
		load->accepted++;
	} else if (slice_equal(outcome, SLICE("refused"))) {
		load_refused(load, number, body ? code_number(text_of(&s->reader, body, "code")) : 0);
	} else if (slice_equal(outcome, SLICE("read"))) {
		load->reads++;
	} else {
		int64_t number_of_status = status ? status->integer : 0;
		if (number_of_status == 429 || number_of_status == 503)
			return false;
		if (body && code_number(text_of(&s->reader, body, "code")) != CODE_SKIPPED)
			tell_rejected(s, number, body);
	}
	return true;
}

static void take_position(struct load *load, const struct http_reply *reply)
{
	struct slice value;
	char text[24];
	if (!http_reply_header(reply, "Ledger-Position", &value) || value.size < 3 || memcmp(value.at, "0:", 2) != 0)
		return;
	snprintf(text, sizeof text, "%.*s", (int)(value.size - 2), (const char *)value.at + 2);
	uint64_t position = strtoull(text, NULL, 10);
	if (load->position == LOAD_NO_POSITION || position > load->position)
		load->position = position;
}

/* The receipts of lines done.. of the array. */
static enum ll_code take_answer(struct sending *s, const struct http_reply *reply, struct error *error)
{
	const struct json_node *root;
	enum ll_code code = json_read(&s->reader, reply->body, &root, error);
	if (code == LL_OK && (root->type != JSON_ARRAY || root->children != s->count - s->done))
		code = error_set(error, LL_CORRUPT, "it is not one receipt for each command");
	if (code != LL_OK)
		return error_prefix(error, "what the engine answered is not understood");
	size_t before = s->done;
	for (const struct json_node *receipt = json_first(&s->reader, root); receipt;
	     receipt = json_next(&s->reader, receipt)) {
		if (!take_receipt(s, s->lines[s->done].number, receipt))
			break;
		s->done++;
	}
	take_position(s->load, reply);
	load_progress(s->load);
	s->tries = s->done > before ? 0 : s->tries;
	return LL_OK;
}

/* ---- sending ---- */

static void join(struct sending *s)
{
	buffer_clear(&s->part);
	buffer_append_byte(&s->part, '[');
	for (size_t i = s->done; i < s->count; i++) {
		if (i > s->done)
			buffer_append_byte(&s->part, ',');
		buffer_append(&s->part, s->body.at + s->lines[i].at, s->lines[i].size);
	}
	buffer_append_byte(&s->part, ']');
}

static void wait_a_little(void)
{
	struct timespec pause = {TRY_AGAIN_MS / 1000, TRY_AGAIN_MS % 1000 * 1000000};
	nanosleep(&pause, NULL);
}

/* A whole array that was refused: what the engine said. */
static enum ll_code refused_whole(struct sending *s, const struct http_reply *reply, struct error *error)
{
	const struct json_node *root;
	struct slice code = SLICE_EMPTY, message = SLICE_EMPTY;
	if (reply->status == 200)
		return error_set(
			error, LL_UNAVAILABLE,
			"the engine has not taken a command for %d tries; load again: what was taken is not taken twice",
			PATIENCE_TRIES);
	if (json_read(&s->reader, reply->body, &root, NULL) == LL_OK) {
		code = text_of(&s->reader, root, "code");
		message = text_of(&s->reader, root, "message");
	}
	bool may_pass = reply->status >= 500 || reply->status == 429;
	const char *advice = may_pass ? " Load again: what was taken is not taken twice"
			     : reply->status == 401 || reply->status == 403
				     ? " Give a key that may, by --access-key FILE"
			     : !code.size && reply->status == 413
				     ? "too large for a proxy before the engine, which should take 8 MiB"
			     : !code.size ? "is that an engine, and at http://?"
					  : "";
	return error_set(error, may_pass ? LL_UNAVAILABLE : LL_DENIED, "the engine answered %d%s%.*s: %.*s%s",
			 reply->status, code.size ? " " : "", (int)code.size, (const char *)code.at, (int)message.size,
			 (const char *)message.at, advice);
}

static enum ll_code send_lines(struct sending *s, struct error *error)
{
	struct http_reply reply;
	for (s->done = 0, s->tries = 0; s->done < s->count; s->tries++) {
		if (s->tries)
			wait_a_little();
		join(s);
		enum ll_code code = http_client_ask(s->client, "POST", path_of(s->load), buffer_slice(&s->part),
						    ANSWER_WAIT_MS, &reply, error);
		if (code != LL_OK)
			return (uint16_t)code;
		if (reply.status == 200)
			code = take_answer(s, &reply, error);
		else if (reply.status != 429 && reply.status != 503)
			return refused_whole(s, &reply, error);
		if (code != LL_OK)
			return (uint16_t)code;
		if (s->done < s->count && s->tries >= PATIENCE_TRIES)
			return refused_whole(s, &reply, error);
	}
	s->count = 0;
	buffer_clear(&s->body);
	return LL_OK;
}

/* ---- lines ---- */

static void take_line(struct sending *s, struct slice line)
{
	struct load *load = s->load;
	const struct json_node *root;
	struct error error;
	if (!load_command_of(load, &line))
		return;
	if (json_read(&s->reader, line, &root, &error) != LL_OK) {
		load_bad(load, load->lines.number, "%s", error.text);
	} else if (root->type == JSON_OBJECT && !text_of(&s->reader, root, "id").size) {
		load_bad(load, load->lines.number,
			 "it has no id: by its id a command is applied once, however often it is loaded");
	} else {
		s->lines[s->count].number = load->lines.number;
		s->lines[s->count].at = s->body.size;
		s->lines[s->count++].size = line.size;
		buffer_append_slice(&s->body, line);
	}
}

/* Would reading on keep one waiting? Then what was gathered goes first. */
static bool has_come(const struct lines *lines)
{
	struct pollfd one = {.fd = lines->descriptor, .events = POLLIN};
	return lines->is_file || poll(&one, 1, 0) != 0;
}

static enum ll_code send_all(struct sending *s, struct error *error)
{
	struct load *load = s->load;
	struct slice line;
	enum ll_code code = LL_OK;
	while (code == LL_OK && !load_is_over(load)) {
		enum line state = lines_next(&load->lines, &line);
		if (state == LINE_NONE)
			break;
		if (state == LINE_TOO_LONG) {
			load_bad(load, load->lines.number, "it has more than %d bytes", LINE_BYTES_MAX);
		} else if (state == LINE_READY) {
			if (s->count == LINES_MAX || (s->count && s->body.size + line.size > BODY_BYTES_MAX))
				code = send_lines(s, error);
			if (code == LL_OK && !load_is_over(load))
				take_line(s, line);
		} else {
			if (s->count && !has_come(&load->lines))
				code = send_lines(s, error);
			if (code == LL_OK && !load_is_over(load))
				code = lines_fill(&load->lines, error);
		}
	}
	return code == LL_OK && s->count ? send_lines(s, error) : code;
}

enum ll_code load_over_http(struct load *load, const char *url, struct error *error)
{
	struct http_reply reply;
	struct sending *s = calloc(1, sizeof *s);
	ENSURE(s);
	s->load = load;
	enum ll_code code = command_client(load->options, url, &s->client, error);
	if (code == LL_OK)
		code = send_all(s, error);
	if (code == LL_OK && load->position == LOAD_NO_POSITION &&
	    http_client_ask(s->client, "GET", "/api/concerts", SLICE_EMPTY, ANSWER_WAIT_MS, &reply, error) == LL_OK)
		take_position(load, &reply);
	http_client_free(s->client);
	json_reader_release(&s->reader);
	buffer_release(&s->body);
	buffer_release(&s->part);
	free(s);
	return code;
}
