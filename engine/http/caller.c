#include "engine/http/caller.h"

#include <http_parser.h>
#include <stdio.h>
#include <stdlib.h>

#include "engine/http/tls.h"
#include "engine/log/log.h"
#include "schemas/wire/buffer.h"
#include "schemas/wire/ensure.h"

enum {
	CONNECTIONS_DEFAULT = 64,
	WAITING_DEFAULT = 1024,
	IDLE_MS_DEFAULT = 20000,
	FIELDS_MAX = 64,
	BUFFER_KEPT_MAX = 256 * 1024,
	ORIGIN_MAX = HTTP_CALL_ADDRESS_MAX + 8, /* with https:// before it */
	TELL_EVERY_MS = 10000,                  /* whom it does not trust, at most so often */
};

struct asked {
	struct asked *next;
	char origin[ORIGIN_MAX + 1]; /* the URL without a slash at its end */
	struct buffer bytes;
	uint64_t deadline_ms;
	http_called_fn *done;
	void *context;
};

enum line_state { LINE_RESOLVING, LINE_CONNECTING, LINE_SHAKES_HANDS, LINE_SENT, LINE_IDLE, LINE_CLOSING };

/* Where a header stands in `head`. */
struct place {
	uint32_t name_at, name_size, value_at, value_size;
};

/* One connection. */
struct line {
	struct http_caller *caller;
	struct line *next;
	enum line_state state;
	char origin[ORIGIN_MAX + 1];
	struct tls *tls; /* NULL: http:// */
	struct buffer plain;
	uv_tcp_t tcp;
	uv_timer_t timer; /* the call's deadline; idle: when it is closed */
	unsigned handles;
	bool resolving; /* the loop still has the request below */
	uv_getaddrinfo_t resolve;
	uv_connect_t connect;
	struct asked *asked; /* NULL: idle, or its call has ended */
	http_parser parser;
	struct buffer head, body;
	struct place places[FIELDS_MAX];
	unsigned place_count;
	bool value_begun, whole, keep;
	bool over;        /* of TLS: nothing more comes on it */
	unsigned writing; /* writes that the loop still has */
	char read_buffer[16 * 1024];
};

struct http_caller {
	uv_loop_t *loop;
	struct http_caller_options options;
	struct line *lines;
	unsigned line_count;
	struct asked *first, *last; /* waiting */
	unsigned waiting, open;
	uv_timer_t timer;   /* deadlines of those that wait */
	uv_async_t refuser; /* ends what was refused inside http_caller_ask */
	struct asked *refused;
	uint64_t told_ms;
	unsigned handles;
	bool closing;
	void (*freed)(void *);
	void *freed_context;
};

/* ---- ends ---- */

static void asked_end(struct http_caller *caller, struct asked *asked, enum http_call_end end,
		      const struct http_call_answer *answer)
{
	caller->open--;
	asked->done(asked->context, end, answer);
	buffer_release(&asked->bytes);
	free(asked);
}

static void caller_closed_one(struct http_caller *caller)
{
	if (!caller->closing || caller->handles || caller->lines)
		return;
	if (caller->freed)
		caller->freed(caller->freed_context);
	free(caller);
}

static void line_drop_if_done(struct line *line)
{
	struct http_caller *caller = line->caller;
	if (line->handles || line->resolving || line->writing)
		return;
	struct line **link = &caller->lines;
	while (*link != line)
		link = &(*link)->next;
	*link = line->next;
	caller->line_count--;
	buffer_release(&line->head);
	buffer_release(&line->body);
	buffer_release(&line->plain);
	tls_free(line->tls);
	free(line);
	caller_closed_one(caller);
}

static void on_line_closed(uv_handle_t *handle)
{
	struct line *line = handle->data;
	line->handles--;
	line_drop_if_done(line);
}

static void serve_waiting(struct http_caller *caller);

/* A last word to a server that speaks TLS, when it can be said at once. */
static void part(struct line *line)
{
	struct buffer bytes = {0};
	if (!line->tls || line->writing)
		return;
	tls_say_end(line->tls, &bytes);
	uv_buf_t last = uv_buf_init((char *)bytes.at, (unsigned)bytes.size);
	if (last.len)
		(void)uv_try_write((uv_stream_t *)&line->tcp, &last, 1);
	buffer_release(&bytes);
}

/* Ends the line and, unless NULL, its call. */
static void line_end(struct line *line, enum http_call_end end, const struct http_call_answer *answer)
{
	struct http_caller *caller = line->caller;
	struct asked *asked = line->asked;
	if (line->state == LINE_CLOSING)
		return;
	line->state = LINE_CLOSING;
	line->asked = NULL;
	part(line);
	if (line->resolving)
		uv_cancel((uv_req_t *)&line->resolve);
	uv_close((uv_handle_t *)&line->tcp, on_line_closed);
	uv_close((uv_handle_t *)&line->timer, on_line_closed);
	if (asked)
		asked_end(caller, asked, end, answer);
}

/* ---- the answer ---- */

static int on_field(http_parser *parser, const char *at, size_t size)
{
	struct line *line = parser->data;
	bool is_new = !line->place_count || line->value_begun;
	if (line->head.size + size > HTTP_CALL_HEAD_BYTES_MAX || (is_new && line->place_count == FIELDS_MAX))
		return -1;
	if (is_new) {
		line->places[line->place_count++] = (struct place){.name_at = (uint32_t)line->head.size};
		line->value_begun = false;
	}
	buffer_append(&line->head, at, size);
	line->places[line->place_count - 1].name_size += (uint32_t)size;
	return 0;
}

static int on_value(http_parser *parser, const char *at, size_t size)
{
	struct line *line = parser->data;
	if (line->head.size + size > HTTP_CALL_HEAD_BYTES_MAX || !line->place_count)
		return -1;
	struct place *place = &line->places[line->place_count - 1];
	if (!line->value_begun)
		place->value_at = (uint32_t)line->head.size;
	line->value_begun = true;
	buffer_append(&line->head, at, size);
	place->value_size += (uint32_t)size;
	return 0;
}

static int on_body(http_parser *parser, const char *at, size_t size)
{
	struct line *line = parser->data;
	if (line->body.size + size > HTTP_CALL_ANSWER_BYTES_MAX)
		return -1;
	buffer_append(&line->body, at, size);
	return 0;
}

static int on_whole(http_parser *parser)
{
	struct line *line = parser->data;
	if (parser->status_code < 200) { /* 100 Continue: the answer is still to come */
		line->place_count = 0;
		buffer_clear(&line->head);
		return 0;
	}
	line->whole = true;
	line->keep = http_should_keep_alive(parser);
	http_parser_pause(parser, 1); /* nothing may come behind it */
	return 0;
}

static const http_parser_settings settings = {
	.on_header_field = on_field,
	.on_header_value = on_value,
	.on_body = on_body,
	.on_message_complete = on_whole,
};

static void line_answered(struct line *line, bool more_came)
{
	struct http_caller *caller = line->caller;
	struct http_call_field fields[FIELDS_MAX];
	struct asked *asked = line->asked;
	for (unsigned i = 0; i < line->place_count; i++) {
		const struct place *place = &line->places[i];
		fields[i].name = slice_of(line->head.at + place->name_at, place->name_size);
		fields[i].value = slice_of(line->head.at + place->value_at, place->value_size);
	}
	const struct http_call_answer answer = {.status = (int)line->parser.status_code,
						.fields = fields,
						.field_count = line->place_count,
						.body = buffer_slice(&line->body)};
	if (!line->keep || line->over || more_came || line->writing || caller->closing) {
		line_end(line, HTTP_CALL_ANSWERED, &answer);
		return;
	}
	line->asked = NULL;
	asked_end(caller, asked, HTTP_CALL_ANSWERED, &answer);
	if (line->state == LINE_CLOSING) /* by the one who was told */
		return;
	line->state = LINE_IDLE;
	if (line->body.capacity > BUFFER_KEPT_MAX)
		buffer_release(&line->body);
}

/* ---- the loop's callbacks ---- */

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
	struct line *line = handle->data;
	(void)suggested;
	*buf = uv_buf_init(line->read_buffer, sizeof line->read_buffer);
}

static void on_line_timer(uv_timer_t *timer)
{
	struct line *line = timer->data;
	struct http_caller *caller = line->caller;
	line_end(line, line->state == LINE_SENT ? HTTP_CALL_BROKEN : HTTP_CALL_NOT_SENT, NULL);
	serve_waiting(caller);
}

static void line_idles(struct line *line)
{
	if (line->state == LINE_IDLE)
		uv_timer_start(&line->timer, on_line_timer, line->caller->options.idle_ms, 0);
}

/* Plain bytes of an answer; size < 0: the end, as of uv_read_cb. */
static void take(struct line *line, const char *bytes, ssize_t size)
{
	struct http_caller *caller = line->caller;
	if (line->state != LINE_SENT) { /* idle: it was closed, or says what nobody asked for */
		line_end(line, line->state == LINE_IDLE ? HTTP_CALL_BROKEN : HTTP_CALL_NOT_SENT, NULL);
		serve_waiting(caller);
		return;
	}
	size_t given = size < 0 ? 0 : (size_t)size;
	size_t taken = size < 0 && size != UV_EOF ? 0 : http_parser_execute(&line->parser, &settings, bytes, given);
	if (line->whole)
		line_answered(line, taken < given || size < 0);
	else if (size < 0 || HTTP_PARSER_ERRNO(&line->parser) != HPE_OK)
		line_end(line, HTTP_CALL_BROKEN, NULL);
	else
		return;
	if (line->state != LINE_CLOSING)
		line_idles(line);
	serve_waiting(caller);
}

/* ---- writing ---- */

/* A write, with its bytes when they are its own. */
struct writing {
	uv_write_t write;
	struct buffer bytes;
};

static void on_written(uv_write_t *write, int status)
{
	struct writing *writing = (struct writing *)write;
	struct line *line = write->handle->data;
	buffer_release(&writing->bytes);
	free(writing);
	line->writing--;
	if (line->state == LINE_CLOSING)
		line_drop_if_done(line);
	else if (status < 0 && line->state == LINE_SENT)
		line_end(line, HTTP_CALL_BROKEN, NULL);
}

/* Takes the bytes, which may be none. false: they cannot be written. */
static bool line_write(struct line *line, struct buffer *bytes)
{
	if (!bytes->size) {
		buffer_release(bytes);
		return true;
	}
	struct writing *writing = calloc(1, sizeof *writing);
	ENSURE(writing);
	writing->bytes = *bytes;
	*bytes = (struct buffer){0};
	uv_buf_t whole = uv_buf_init((char *)writing->bytes.at, (unsigned)writing->bytes.size);
	if (uv_write(&writing->write, (uv_stream_t *)&line->tcp, &whole, 1, on_written) == 0) {
		line->writing++;
		return true;
	}
	buffer_release(&writing->bytes);
	free(writing);
	return false;
}

static void line_send(struct line *line)
{
	struct asked *asked = line->asked;
	struct buffer sealed = {0};
	http_parser_init(&line->parser, HTTP_RESPONSE);
	line->parser.data = line;
	line->place_count = 0;
	line->value_begun = line->whole = false;
	buffer_clear(&line->head);
	buffer_clear(&line->body);
	uint64_t now = uv_now(line->caller->loop);
	uv_timer_start(&line->timer, on_line_timer, asked->deadline_ms > now ? asked->deadline_ms - now : 1, 0);
	if (line->tls)
		tls_seal(line->tls, &asked->bytes, &sealed);
	if (!line_write(line, line->tls ? &sealed : &asked->bytes)) {
		line_end(line, HTTP_CALL_NOT_SENT, NULL);
		return;
	}
	line->state = LINE_SENT;
}

/* ---- TLS ---- */

/* Nobody is told through the call: it is one that is missed by whoever runs the engine. */
static void tell_untrusted(struct line *line)
{
	struct http_caller *caller = line->caller;
	uint64_t now = uv_now(caller->loop);
	if (caller->told_ms && now - caller->told_ms < TELL_EVERY_MS)
		return;
	caller->told_ms = now;
	log_error("peer.untrusted", LOG_TEXT("address", line->origin), LOG_TEXT("reason", tls_reason(line->tls)),
		  LOG_TEXT("message",
			   "nothing was sent there: its certificate must be valid for that host, and signed by whom "
			   "--tls-ca (else the system) trusts"));
}

static void line_broke(struct line *line)
{
	struct http_caller *caller = line->caller;
	bool in_handshake = line->state == LINE_SHAKES_HANDS;
	if (in_handshake)
		tell_untrusted(line);
	line_end(line, in_handshake ? HTTP_CALL_UNTRUSTED : HTTP_CALL_BROKEN, NULL);
	serve_waiting(caller);
}

/* What TLS itself has to say. */
static void line_say(struct line *line)
{
	struct buffer own = {0};
	tls_seal(line->tls, NULL, &own);
	if (!line_write(line, &own))
		take(line, NULL, UV_EPIPE);
}

/* Everything that came in one piece is taken in one: what follows an answer in it must not be taken for the next one. */
static void unseal(struct line *line, const char *bytes, size_t size)
{
	enum tls_read read;
	size_t got;
	buffer_clear(&line->plain);
	tls_feed(line->tls, bytes, size);
	while ((read = tls_read(line->tls, buffer_reserve(&line->plain, TLS_READ_BYTES), TLS_READ_BYTES, &got)) ==
	       TLS_GOT)
		buffer_commit(&line->plain, got);
	if (line->state == LINE_SHAKES_HANDS && read != TLS_BROKEN && tls_is_ready(line->tls))
		line_send(line);
	if (read == TLS_CLOSED || read == TLS_BROKEN)
		line->over = true;
	if (line->plain.size && line->state != LINE_CLOSING)
		take(line, (const char *)line->plain.at, (ssize_t)line->plain.size);
	if (line->state == LINE_CLOSING)
		return;
	if (read == TLS_BROKEN)
		line_broke(line);
	else if (read == TLS_CLOSED)
		take(line, NULL, UV_EOF);
	else
		line_say(line);
}

static void on_read(uv_stream_t *stream, ssize_t size, const uv_buf_t *buf)
{
	struct line *line = stream->data;
	if (size == 0 || line->state == LINE_CLOSING)
		return;
	if (line->tls && size > 0)
		unseal(line, buf->base, (size_t)size);
	else
		take(line, buf->base, size);
}

/* ---- connecting ---- */

static void on_connected(uv_connect_t *connect, int status)
{
	struct line *line = connect->handle->data;
	struct http_caller *caller = line->caller;
	if (line->state == LINE_CLOSING)
		return;
	if (status != 0) {
		line_end(line, status == UV_ECONNREFUSED ? HTTP_CALL_REFUSED : HTTP_CALL_NOT_SENT, NULL);
		serve_waiting(caller);
		return;
	}
	uv_tcp_nodelay(&line->tcp, 1);
	ENSURE(uv_read_start((uv_stream_t *)&line->tcp, on_alloc, on_read) == 0);
	if (!line->tls) {
		line_send(line);
		return;
	}
	line->state = LINE_SHAKES_HANDS;
	unseal(line, NULL, 0); /* the handshake's first word is this side's */
}

static void line_connect(struct line *line, const struct sockaddr *to)
{
	line->state = LINE_CONNECTING;
	int problem = uv_tcp_connect(&line->connect, &line->tcp, to, on_connected);
	if (problem)
		line_end(line, problem == UV_ECONNREFUSED ? HTTP_CALL_REFUSED : HTTP_CALL_NOT_SENT, NULL);
}

static void on_resolved(uv_getaddrinfo_t *resolve, int status, struct addrinfo *found)
{
	struct line *line = resolve->data;
	struct http_caller *caller = line->caller;
	line->resolving = false;
	if (line->state == LINE_CLOSING) {
		line_drop_if_done(line);
	} else if (status != 0) {
		line_end(line, HTTP_CALL_NOT_SENT, NULL);
		serve_waiting(caller);
	} else {
		line_connect(line, found->ai_addr);
	}
	uv_freeaddrinfo(found);
}

/* ---- lines ---- */

static void line_begin(struct line *line)
{
	char host[HTTP_CALL_ADDRESS_MAX + 1], service[8];
	uint16_t port;
	bool is_tls;
	struct sockaddr_storage to;
	ENSURE(http_call_split(line->origin, host, &port, &is_tls)); /* as it could be when it was asked */
	if (is_tls)
		line->tls = tls_connect(line->caller->options.tls, host);
	if (uv_ip4_addr(host, port, (struct sockaddr_in *)&to) == 0 ||
	    uv_ip6_addr(host, port, (struct sockaddr_in6 *)&to) == 0) {
		line_connect(line, (struct sockaddr *)&to);
		return;
	}
	const struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV};
	snprintf(service, sizeof service, "%u", port);
	line->resolve.data = line;
	if (uv_getaddrinfo(line->caller->loop, &line->resolve, on_resolved, host, service, &hints) == 0)
		line->resolving = true;
	else
		line_end(line, HTTP_CALL_NOT_SENT, NULL);
}

static struct line *line_new(struct http_caller *caller, struct asked *asked)
{
	struct line *line = calloc(1, sizeof *line);
	ENSURE(line);
	line->caller = caller;
	line->asked = asked;
	memcpy(line->origin, asked->origin, sizeof line->origin);
	ENSURE(uv_tcp_init(caller->loop, &line->tcp) == 0);
	ENSURE(uv_timer_init(caller->loop, &line->timer) == 0);
	line->tcp.data = line->timer.data = line;
	line->handles = 2;
	line->next = caller->lines;
	caller->lines = line;
	caller->line_count++;
	return line;
}

/* An idle one to that address; NULL: none. *other: an idle one to another address, which may give way. */
static struct line *find_idle(struct http_caller *caller, const char *origin, struct line **other)
{
	*other = NULL;
	for (struct line *line = caller->lines; line; line = line->next) {
		if (line->state != LINE_IDLE)
			continue;
		if (strcmp(line->origin, origin) == 0)
			return line;
		*other = line;
	}
	return NULL;
}

/* Whether a call to that address can begin now. If not, an idle line to another one gives way: when it is closed, it can. */
static bool has_room(struct http_caller *caller, const char *origin)
{
	struct line *other;
	if (find_idle(caller, origin, &other) || caller->line_count < caller->options.connections_max)
		return true;
	if (other)
		line_end(other, HTTP_CALL_BROKEN, NULL);
	return false;
}

static void begin(struct http_caller *caller, struct asked *asked)
{
	struct line *other, *line = find_idle(caller, asked->origin, &other);
	if (line) {
		line->asked = asked;
		line_send(line);
		return;
	}
	line = line_new(caller, asked);
	uint64_t now = uv_now(caller->loop);
	uv_timer_start(&line->timer, on_line_timer, asked->deadline_ms > now ? asked->deadline_ms - now : 1, 0);
	line_begin(line);
}

/* ---- those that wait ---- */

static void on_wait_timer(uv_timer_t *timer)
{
	serve_waiting(timer->data);
}

static void serve_waiting(struct http_caller *caller)
{
	enum { LOOK_EVERY_MS = 20 };
	while (caller->first && !caller->closing) {
		struct asked *asked = caller->first;
		bool late = asked->deadline_ms <= uv_now(caller->loop);
		if (!late && !has_room(caller, asked->origin))
			break;
		caller->first = asked->next;
		caller->last = caller->first ? caller->last : NULL;
		caller->waiting--;
		if (late)
			asked_end(caller, asked, HTTP_CALL_NOT_SENT, NULL);
		else
			begin(caller, asked);
	}
	if (caller->first && !caller->closing)
		uv_timer_start(&caller->timer, on_wait_timer, LOOK_EVERY_MS, 0);
}

static void on_refuser(uv_async_t *async)
{
	struct http_caller *caller = async->data;
	while (caller->refused) {
		struct asked *asked = caller->refused;
		caller->refused = asked->next;
		asked_end(caller, asked, HTTP_CALL_NOT_SENT, NULL);
	}
	serve_waiting(caller);
}

static bool goes_on_a_line(struct slice text)
{
	return !text.size || (!memchr(text.at, '\r', text.size) && !memchr(text.at, '\n', text.size));
}

static void write_request(struct buffer *out, const struct http_call *call, const char *address)
{
	buffer_printf(out, "%s ", call->method);
	buffer_append_slice(out, call->target);
	buffer_printf(out, " HTTP/1.1\r\nHost: %s\r\n", address);
	for (size_t i = 0; i < call->field_count; i++) {
		const struct http_call_field *field = &call->fields[i];
		if (!goes_on_a_line(field->name) || !goes_on_a_line(field->value))
			continue;
		buffer_append_slice(out, field->name);
		buffer_append(out, ": ", 2);
		buffer_append_slice(out, field->value);
		buffer_append(out, "\r\n", 2);
	}
	if (call->body.size || call->method[0] == 'P')
		buffer_printf(out, "Content-Length: %zu\r\n", call->body.size);
	buffer_append(out, "\r\n", 2);
	buffer_append_slice(out, call->body);
}

void http_caller_ask(struct http_caller *caller, const struct http_call *call)
{
	char host[HTTP_CALL_ADDRESS_MAX + 1];
	uint16_t port;
	bool is_tls;
	struct asked *asked = calloc(1, sizeof *asked);
	ENSURE(asked && !caller->closing);
	asked->done = call->done;
	asked->context = call->context;
	asked->deadline_ms = uv_now(caller->loop) + call->timeout_ms;
	caller->open++;
	if (!http_call_split(call->url, host, &port, &is_tls) || !goes_on_a_line(call->target) ||
	    (is_tls && !caller->options.tls) || caller->waiting >= caller->options.waiting_max) {
		asked->next = caller->refused;
		caller->refused = asked;
	} else {
		size_t scheme = is_tls ? 8 : 7;
		memcpy(asked->origin, call->url, scheme + strcspn(call->url + scheme, "/"));
		write_request(&asked->bytes, call, asked->origin + scheme);
		*(caller->last ? &caller->last->next : &caller->first) = asked;
		caller->last = asked;
		caller->waiting++;
	}
	uv_async_send(&caller->refuser); /* the loop goes on from there: nothing ends inside this call */
}

unsigned http_caller_open_calls(const struct http_caller *caller)
{
	return caller->open;
}

/* ---- life ---- */

struct http_caller *http_caller_new(uv_loop_t *loop, const struct http_caller_options *options)
{
	struct http_caller *caller = calloc(1, sizeof *caller);
	ENSURE(caller);
	caller->loop = loop;
	if (options)
		caller->options = *options;
	struct http_caller_options *set = &caller->options;
	set->connections_max = set->connections_max ? set->connections_max : CONNECTIONS_DEFAULT;
	set->waiting_max = set->waiting_max ? set->waiting_max : WAITING_DEFAULT;
	set->idle_ms = set->idle_ms ? set->idle_ms : IDLE_MS_DEFAULT;
	ENSURE(uv_timer_init(loop, &caller->timer) == 0);
	ENSURE(uv_async_init(loop, &caller->refuser, on_refuser) == 0);
	caller->timer.data = caller->refuser.data = caller;
	caller->handles = 2;
	return caller;
}

static void on_closed(uv_handle_t *handle)
{
	struct http_caller *caller = handle->data;
	caller->handles--;
	caller_closed_one(caller);
}

void http_caller_free(struct http_caller *caller, void (*freed)(void *), void *context)
{
	if (!caller)
		return;
	caller->closing = true;
	caller->freed = freed;
	caller->freed_context = context;
	while (caller->first) {
		struct asked *asked = caller->first;
		caller->first = asked->next;
		asked_end(caller, asked, HTTP_CALL_NOT_SENT, NULL);
	}
	while (caller->refused) {
		struct asked *asked = caller->refused;
		caller->refused = asked->next;
		asked_end(caller, asked, HTTP_CALL_NOT_SENT, NULL);
	}
	for (struct line *line = caller->lines; line; line = line->next)
		line_end(line, line->state == LINE_SENT ? HTTP_CALL_BROKEN : HTTP_CALL_NOT_SENT, NULL);
	uv_close((uv_handle_t *)&caller->timer, on_closed);
	uv_close((uv_handle_t *)&caller->refuser, on_closed);
}
