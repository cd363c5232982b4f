/*
 * GET /console and /console/{file}: the page for people. Its files are the program's own, need no key and tell nothing of the ledger; what the
 * page shows it asks of the API like any other client.
 */
#include "engine/console/console.h"
#include "engine/api/internal.h"
#include "schemas/wire/hash.h"

/* Own files alone: no inline script, nobody else's host, no frame around it. */
#define POLICY                                                                                                         \
	"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "                \
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

enum { TAG_SIZE = 2 * SHORT_HASH_BYTES + 2 };

/* The hash of its bytes, in quotes. */
static void make_tag(char tag[TAG_SIZE + 1], struct slice bytes)
{
	struct short_hash hash = short_hash_of(bytes);
	tag[0] = '"';
	hex_text(tag + 1, hash.bytes, sizeof hash.bytes);
	memcpy(tag + TAG_SIZE - 1, "\"", 2);
}

static struct slice trimmed(const uint8_t *at, const uint8_t *end)
{
	while (at < end && (*at == ' ' || *at == '\t'))
		at++;
	while (at < end && (end[-1] == ' ' || end[-1] == '\t'))
		end--;
	return slice_of(at, (size_t)(end - at));
}

/* Whether If-None-Match names the tag, as one of several, as a weak one, or by `*`. */
static bool has_already(const struct http_request *request, struct slice tag)
{
	struct slice value;
	if (!http_header(request, "If-None-Match", &value))
		return false;
	const uint8_t *end = value.at + value.size;
	for (const uint8_t *at = value.at; at < end;) {
		const uint8_t *comma = memchr(at, ',', (size_t)(end - at));
		struct slice one = trimmed(at, comma ? comma : end);
		if (slice_begins(one, SLICE("W/")))
			one = slice_of(one.at + 2, one.size - 2);
		if (slice_equal(one, tag) || slice_equal(one, SLICE("*")))
			return true;
		at = comma ? comma + 1 : end;
	}
	return false;
}

static void answer_file(struct api *api, struct http_request *request, struct slice name)
{
	const struct console_file *file = console_file(name);
	char tag[TAG_SIZE + 1];
	if (!file) {
		answer_code(api, request, CODE_NOT_FOUND, NULL, NULL, NULL);
		return;
	}
	struct slice bytes = slice_of(file->begin, (size_t)(file->end - file->begin));
	make_tag(tag, bytes);
	const struct http_field fields[] = {
		{"ETag", slice_text(tag)},
		{"Cache-Control", SLICE("no-cache")}, /* kept, but asked about: a new program has new files */
		{"Content-Security-Policy", SLICE(POLICY)},
		{"Cross-Origin-Opener-Policy", SLICE("same-origin")},
		{"Referrer-Policy", SLICE("no-referrer")},
		{"X-Content-Type-Options", SLICE("nosniff")},
	};
	const struct http_response response = {
		.status = has_already(request, slice_text(tag)) ? 304 : 200,
		.content_type = file->type,
		.body = bytes,
		.fields = fields,
		.field_count = sizeof fields / sizeof *fields,
	};
	http_respond(request, &response);
}

void handle_console(struct http_request *request, void *context)
{
	if (!http_refuse_query(request))
		answer_file(((const struct route_context *)context)->api, request, SLICE(CONSOLE_PAGE));
}

void handle_console_file(struct http_request *request, void *context)
{
	if (!http_refuse_query(request))
		answer_file(((const struct route_context *)context)->api, request, http_param(request, "file"));
}
