/*
 * The HTTP server, spoken to over raw sockets. Server and clients share one loop and one thread: a client sends, then
 * turns the loop until what it expects has come.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "engine/http/server.h"
#include "schemas/wire/buffer.h"
#include "schemas/wire/ensure.h"

#define PATIENCE_NS UINT64_C(20000000000) /* only reached when the test fails */
#define OK_HEAD "HTTP/1.1 200 OK\r\n"

struct world {
	uv_loop_t loop;
	struct http_server *server;
	uint16_t port;
	struct http_request *held[600];
	unsigned held_count;
	bool stopped;
	uv_timer_t waker; /* so that a turn of the loop never waits long */
};

static struct world *world;

/* ---- handlers ---- */

static void echo(struct http_request *request, void *context)
{
	(void)context;
	struct http_response response = {.status = 200, .content_type = "text/plain", .body = http_body(request)};
	http_respond(request, &response);
}

static void hold(struct http_request *request, void *context)
{
	(void)context;
	world->held[world->held_count++] = request;
}

static void show_param(struct http_request *request, void *context)
{
	const char *name = context;
	struct http_response response = {
		.status = 200, .content_type = "text/plain", .body = http_param(request, name)};
	http_respond(request, &response);
}

static void show_query(struct http_request *request, void *context)
{
	(void)context;
	struct slice value = SLICE("(none)");
	if (http_refuse_query(request))
		return;
	http_query(request, "at", &value);
	struct http_response response = {.status = 200, .content_type = "text/plain", .body = value};
	http_respond(request, &response);
}

static void show_header(struct http_request *request, void *context)
{
	(void)context;
	struct slice value = SLICE("(none)");
	http_header(request, "X-Api-KEY", &value);
	const struct http_field field = {"Ledger-Position", SLICE("0:7")};
	struct http_response response = {.status = 201, .body = value, .fields = &field, .field_count = 1};
	http_respond(request, &response);
}

static void nothing(struct http_request *request, void *context)
{
	(void)context;
	http_respond(request, &(struct http_response){.status = 204, .close = false});
}

static void big(struct http_request *request, void *context)
{
	(void)context;
	uint8_t *bytes = arena_take(http_arena(request), 4 << 20, 1);
	memset(bytes, 'x', 4 << 20);
	http_respond(request, &(struct http_response){.status = 200, .body = slice_of(bytes, 4 << 20)});
}

static char name_id[] = "id", name_seat[] = "seatNo";

static const struct http_route routes[] = {
	{HTTP_VERB_POST, "/echo", echo, NULL, NULL, "application/json text/plain", 0, 0},
	{HTTP_VERB_PUT, "/echo", echo, NULL, NULL, NULL, 8 << 20, 0},
	{HTTP_VERB_GET, "/hold", hold, NULL, "n", NULL, 0, 0},
	{HTTP_VERB_POST, "/hold", hold, NULL, NULL, NULL, 0, 0},
	{HTTP_VERB_GET, "/things/{id}", show_param, name_id, NULL, NULL, 0, 0},
	{HTTP_VERB_GET, "/things/{id}/seats/{seatNo}", show_param, name_seat, NULL, NULL, 0, 0},
	{HTTP_VERB_GET, "/things/dates", show_query, NULL, "at limit", NULL, 0, 0},
	{HTTP_VERB_GET, "/header", show_header, NULL, NULL, NULL, 0, 0},
	{HTTP_VERB_DELETE, "/things/{id}", nothing, NULL, NULL, NULL, 0, 0},
	{HTTP_VERB_GET, "/big", big, NULL, NULL, NULL, 0, 0},
};

/* ---- the world ---- */

static void nobody(uv_timer_t *timer)
{
	(void)timer;
}

static void start(const struct http_options *options)
{
	struct http_address address;
	world = calloc(1, sizeof *world);
	assert_non_null(world);
	assert_int_equal(uv_loop_init(&world->loop), 0);
	uv_timer_init(&world->loop, &world->waker);
	uv_timer_start(&world->waker, nobody, 1, 1);
	uv_unref((uv_handle_t *)&world->waker);
	world->server = http_server_new(&world->loop, routes, sizeof routes / sizeof *routes, options);
	assert_int_equal(http_address_resolve("127.0.0.1:0", &address, NULL), LL_OK);
	assert_true(http_address_is_loopback(&address));
	assert_int_equal(http_server_listen(world->server, &address, &world->port, NULL), LL_OK);
	assert_int_not_equal(world->port, 0);
}

static void on_stopped(void *context)
{
	((struct world *)context)->stopped = true;
}

static void turn_until(const bool *done)
{
	uint64_t began = uv_hrtime();
	while (!*done) {
		assert_true(uv_hrtime() - began < PATIENCE_NS);
		uv_run(&world->loop, UV_RUN_ONCE);
	}
}

static void end(void)
{
	if (!world->stopped) {
		http_server_stop(world->server, 0, on_stopped, world);
		turn_until(&world->stopped);
	}
	http_server_free(world->server);
	uv_close((uv_handle_t *)&world->waker, NULL);
	uv_run(&world->loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&world->loop), 0);
	free(world);
	world = NULL;
}

static int setup(void **state)
{
	(void)state;
	start(NULL);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	end();
	return 0;
}

static struct http_statistics statistics(void)
{
	struct http_statistics now;
	http_server_statistics(world->server, &now);
	return now;
}

/* ---- clients ---- */

struct client {
	int fd;
	bool ended; /* the server closed its side */
	bool reset;
	struct buffer got;
};

static struct client dial(void)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(world->port)};
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	struct client client = {.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
	assert_true(client.fd >= 0);
	assert_int_equal(connect(client.fd, (struct sockaddr *)&address, sizeof address), 0);
	fcntl(client.fd, F_SETFL, O_NONBLOCK);
	return client;
}

static void hang_up(struct client *client)
{
	close(client->fd);
	buffer_release(&client->got);
}

static void receive(struct client *client)
{
	for (;;) {
		ssize_t size = recv(client->fd, buffer_reserve(&client->got, 65536), 65536, 0);
		if (size > 0) {
			buffer_commit(&client->got, (size_t)size);
			continue;
		}
		client->ended |= size == 0 || errno == ECONNRESET;
		client->reset |= size < 0 && errno == ECONNRESET;
		return;
	}
}

static void turn(struct client *client)
{
	uv_run(&world->loop, UV_RUN_ONCE);
	receive(client);
}

static void say_bytes(struct client *client, const void *bytes, size_t size)
{
	uint64_t began = uv_hrtime();
	for (size_t sent = 0; sent < size && !client->ended;) {
		ssize_t now = send(client->fd, (const char *)bytes + sent, size - sent, MSG_NOSIGNAL);
		if (now > 0)
			sent += (size_t)now;
		else
			turn(client);
		assert_true(uv_hrtime() - began < PATIENCE_NS);
	}
}

static void say(struct client *client, const char *text)
{
	say_bytes(client, text, strlen(text));
}

/* What has come, without the Date headers: they are the clock's. */
static const char *heard(struct client *client, struct buffer *text)
{
	buffer_clear(text);
	const char *at = buffer_text(&client->got);
	for (const char *date; (date = strstr(at, "Date: "));
	     at = date + strlen("Date: Sun, 01 Mar 2026 09:00:00 GMT\r\n"))
		buffer_append(text, at, (size_t)(date - at));
	buffer_append_text(text, at);
	return buffer_text(text);
}

/* Turns the loop until exactly `expected` has come since the last time. */
static void hear(struct client *client, const char *expected)
{
	struct buffer text = {0};
	uint64_t began = uv_hrtime();
	while (strlen(heard(client, &text)) < strlen(expected) && !client->ended && uv_hrtime() - began < PATIENCE_NS)
		turn(client);
	assert_string_equal(heard(client, &text), expected);
	buffer_release(&text);
	buffer_clear(&client->got);
}

/* Turns the loop until something with `piece` in it has come, and forgets it. */
static void hear_piece(struct client *client, const char *piece)
{
	uint64_t began = uv_hrtime();
	while (!strstr(buffer_text(&client->got), piece) && !client->ended && uv_hrtime() - began < PATIENCE_NS)
		turn(client);
	if (!strstr(buffer_text(&client->got), piece))
		fail_msg("expected %s, got %s", piece, buffer_text(&client->got));
	buffer_clear(&client->got);
}

static void hear_the_end(struct client *client)
{
	uint64_t began = uv_hrtime();
	while (!client->ended && uv_hrtime() - began < PATIENCE_NS)
		turn(client);
	assert_true(client->ended);
	assert_false(client->reset);
	assert_string_equal(buffer_text(&client->got), "");
}

static void turn_until_held(struct client *client, unsigned count)
{
	uint64_t began = uv_hrtime();
	while (world->held_count < count && uv_hrtime() - began < PATIENCE_NS)
		turn(client);
	assert_int_equal(world->held_count, count);
}

static void answer(unsigned index, const char *body)
{
	http_respond(world->held[index],
		     &(struct http_response){.status = 200, .content_type = "t/p", .body = slice_text(body)});
}

static const char *ok(const char *body)
{
	static char text[512];
	snprintf(text, sizeof text, OK_HEAD "Content-Type: text/plain\r\nContent-Length: %zu\r\n\r\n%s", strlen(body),
		 body);
	return text;
}

/* ---- tests ---- */

/* A request gets its answer, and the connection serves another one after it. */
static void one_connection_serves_many_requests(void **state)
{
	(void)state;
	struct client client = dial();
	for (int i = 0; i < 3; i++) {
		say(&client, "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello");
		hear(&client, ok("hello"));
	}
	assert_int_equal(statistics().connections_total, 1);
	assert_int_equal(statistics().answers[2], 3);
	hang_up(&client);
}

/* Requests in one piece are all handled at once, and answered in order however the handlers answer. */
static void pipelined_answers_keep_their_order(void **state)
{
	(void)state;
	struct client client = dial();
	say(&client,
	    "GET /hold HTTP/1.1\r\nHost: x\r\n\r\nGET /hold HTTP/1.1\r\nHost: x\r\n\r\n"
	    "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\n3GET /hold HTTP/1.1\r\nHost: x\r\n\r\n");
	turn_until_held(&client, 3);
	answer(2, "four");
	answer(1, "two");
	turn(&client);
	assert_int_equal(client.got.size, 0);
	answer(0, "one");
	hear(&client, OK_HEAD "Content-Type: t/p\r\nContent-Length: 3\r\n\r\none" OK_HEAD
			      "Content-Type: t/p\r\nContent-Length: 3\r\n\r\ntwo" OK_HEAD
			      "Content-Type: text/plain\r\nContent-Length: 1\r\n\r\n3" OK_HEAD
			      "Content-Type: t/p\r\nContent-Length: 4\r\n\r\nfour");
	hang_up(&client);
}

/* More requests than may wait are read only as answers make room, and none is lost. */
static void long_pipelines_wait_for_room(void **state)
{
	(void)state;
	struct client client = dial();
	struct buffer all = {0}, expected = {0};
	for (int i = 0; i < 600; i++)
		buffer_append_text(&all, "GET /hold HTTP/1.1\r\nHost: x\r\n\r\n");
	say_bytes(&client, all.at, all.size);
	turn_until_held(&client, HTTP_PIPELINE_MAX);
	for (unsigned answered = 0; answered < 600; answered++) {
		uint64_t began = uv_hrtime();
		while (world->held_count <= answered && uv_hrtime() - began < PATIENCE_NS)
			turn(&client);
		assert_true(world->held_count > answered);
		char body[16];
		snprintf(body, sizeof body, "%u", answered);
		answer(answered, body);
		buffer_printf(&expected, OK_HEAD "Content-Type: t/p\r\nContent-Length: %zu\r\n\r\n%s", strlen(body),
			      body);
	}
	hear(&client, buffer_text(&expected));
	buffer_release(&all);
	buffer_release(&expected);
	hang_up(&client);
}

/* Bytes may come one at a time, in a plain body and in a chunked one with trailers. */
static void slow_bytes_make_a_request(void **state)
{
	(void)state;
	static const char slow[] = "POST /echo HTTP/1.1\r\nHOST: x\r\ncontent-LENGTH: 4\r\n\r\nslow"
				   "POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
				   "3\r\nabc\r\n4;x=y\r\ndefg\r\n0\r\nX-Trailer: z\r\n\r\n";
	struct client client = dial();
	for (const char *at = slow; *at; at++) {
		say_bytes(&client, at, 1);
		turn(&client);
	}
	hear(&client, OK_HEAD "Content-Type: text/plain\r\nContent-Length: 4\r\n\r\nslow" OK_HEAD
			      "Content-Type: text/plain\r\nContent-Length: 7\r\n\r\nabcdefg");
	hang_up(&client);
}

/* A body of exactly the limit is taken; one byte more is 413, by its length or by what comes in chunks; then it
 * closes. */
static void bodies_over_the_limit_are_refused(void **state)
{
	(void)state;
	static uint8_t bytes[HTTP_BODY_BYTES_DEFAULT + 1];
	struct client client = dial();
	memset(bytes, 'b', sizeof bytes);
	char head[160];
	snprintf(head, sizeof head, "POST /hold HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n",
		 HTTP_BODY_BYTES_DEFAULT);
	say(&client, head);
	say_bytes(&client, bytes, HTTP_BODY_BYTES_DEFAULT);
	turn_until_held(&client, 1);
	assert_int_equal(http_body(world->held[0]).size, HTTP_BODY_BYTES_DEFAULT);
	answer(0, "");
	hear(&client, OK_HEAD "Content-Length: 0\r\n\r\n");
	snprintf(head, sizeof head, "POST /hold HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n",
		 HTTP_BODY_BYTES_DEFAULT + 1);
	say(&client, head);
	hear(&client,
	     "HTTP/1.1 413 Payload Too Large\r\nContent-Type: application/json\r\nContent-Length: 90\r\n"
	     "Connection: close\r\n\r\n"
	     "{\"code\":\"BODY_TOO_LARGE\",\"message\":\"the body is larger than this path takes\",\"details\":{}}");
	/* a client that goes on sending must still get the answer, not a reset */
	say_bytes(&client, bytes, sizeof bytes);
	hear_the_end(&client);
	hang_up(&client);

	client = dial();
	snprintf(head, sizeof head, "POST /hold HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n",
		 HTTP_BODY_BYTES_DEFAULT + 1);
	say(&client, head);
	say_bytes(&client, bytes, sizeof bytes);
	hear_piece(&client, "413 Payload Too Large");
	hear_the_end(&client);
	hang_up(&client);
	assert_int_equal(world->held_count, 1);

	client = dial(); /* another route may take more */
	snprintf(head, sizeof head, "PUT /echo HTTP/1.1\r\nHost: x\r\nContent-Length: %zu\r\n\r\n", sizeof bytes);
	say(&client, head);
	say_bytes(&client, bytes, sizeof bytes);
	hear_piece(&client, "Content-Length: 1048577\r\n");
	hang_up(&client);
}

/* A client that waits with its body is told to go on, or told at once why not. */
static void expectations_are_answered(void **state)
{
	(void)state;
	struct client client = dial();
	say(&client, "POST /echo HTTP/1.1\r\nHost: x\r\nExpect: 100-Continue\r\nContent-Length: 2\r\n\r\n");
	hear(&client, "HTTP/1.1 100 Continue\r\n\r\n");
	say(&client, "ok");
	hear(&client, ok("ok"));
	/* behind another request, the word waits for its turn */
	say(&client, "GET /hold HTTP/1.1\r\nHost: x\r\n\r\n"
		     "POST /echo HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n");
	turn_until_held(&client, 1);
	turn(&client);
	assert_int_equal(client.got.size, 0);
	answer(0, "");
	hear(&client, OK_HEAD "Content-Length: 0\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n");
	say(&client, "ko");
	hear(&client, ok("ko"));
	say(&client, "POST /nowhere HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n");
	hear_piece(&client, "404 Not Found");
	hear_the_end(&client);
	hang_up(&client);
	client = dial();
	say(&client, "POST /echo HTTP/1.1\r\nHost: x\r\nExpect: wonders\r\nContent-Length: 2\r\n\r\n");
	hear_piece(&client, "417 Expectation Failed");
	hear_the_end(&client);
	hang_up(&client);
}

/* What the server refuses by itself has the right status and JSON, and leaves the connection usable. */
static void refusals_are_json(void **state)
{
	(void)state;
	struct client client = dial();
	static const struct {
		const char *request, *status, *piece;
	} cases[] = {
		{"GET /nowhere HTTP/1.1\r\nHost: x\r\n\r\n", "404 Not Found", "{\"code\":\"NOT_FOUND\",\"message\":"},
		{"GET /things HTTP/1.1\r\nHost: x\r\n\r\n", "404 Not Found", "NOT_FOUND"},
		{"GET /things/ HTTP/1.1\r\nHost: x\r\n\r\n", "404 Not Found", "NOT_FOUND"},
		{"GET /things/a/ HTTP/1.1\r\nHost: x\r\n\r\n", "404 Not Found", "NOT_FOUND"},
		{"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n", "404 Not Found", "NOT_FOUND"},
		{"CONNECT a:1 HTTP/1.1\r\nHost: x\r\n\r\n", "404 Not Found", "NOT_FOUND"},
		{"PATCH /things/a HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}", "405 Method Not Allowed",
		 "\r\nAllow: GET, HEAD, DELETE\r\n"},
		{"PURGE /echo HTTP/1.1\r\nHost: x\r\n\r\n", "405 Method Not Allowed", "\r\nAllow: POST, PUT\r\n"},
		{"DELETE /things/dates HTTP/1.1\r\nHost: x\r\n\r\n", "204 No Content", "\r\n\r\n"},
		{"PUT /echo HTTP/1.1\r\nHost: x\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\n{}",
		 "415 Unsupported Media Type", "UNSUPPORTED_MEDIA_TYPE"},
		{"GET /things/%zz HTTP/1.1\r\nHost: x\r\n\r\n", "400 Bad Request", "\"field\":\"path\""},
		{"GET /things/%ff HTTP/1.1\r\nHost: x\r\n\r\n", "400 Bad Request", "\"field\":\"path\""},
		{"GET /things/%4 HTTP/1.1\r\nHost: x\r\n\r\n", "400 Bad Request", "\"field\":\"path\""},
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		say(&client, cases[i].request);
		uint64_t began = uv_hrtime();
		while (!strstr(buffer_text(&client.got), cases[i].piece) && uv_hrtime() - began < PATIENCE_NS)
			turn(&client);
		assert_non_null(strstr(buffer_text(&client.got), cases[i].piece));
		assert_true(strncmp(buffer_text(&client.got) + strlen("HTTP/1.1 "), cases[i].status,
				    strlen(cases[i].status)) == 0);
		assert_null(strstr(buffer_text(&client.got), "Connection: close"));
		while (!strstr(buffer_text(&client.got), "\r\n\r\n"))
			turn(&client);
		buffer_clear(&client.got);
	}
	hang_up(&client);
}

/* What is not HTTP gets a bare 400, after the answers before it, and a closed connection. */
static void nonsense_gets_a_bare_400(void **state)
{
	(void)state;
	static const char *const nonsense[] = {
		"hello\r\n\r\n",
		"GET / HTTP/1.1\r\n\r\n", /* no Host */
		"GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n",
		"GET / HTTP/9.9.9\r\n\r\n",
		"GET / HTTP/1.1\r\nHost x\r\n\r\n",
		"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
		"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
		"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		"POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
		"\x16\x03\x01\x02", /* TLS */
	};
	for (size_t i = 0; i < sizeof nonsense / sizeof *nonsense; i++) {
		struct client client = dial();
		say(&client, "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n");
		say(&client, nonsense[i]);
		hear(&client, OK_HEAD "Content-Length: 0\r\n\r\n"
				      "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
		shutdown(client.fd, SHUT_WR);
		hear_the_end(&client);
		hang_up(&client);
	}
}

/* Too long a URL, too large or too many headers: 414 and 431, and a closed connection. */
static void large_heads_are_refused(void **state)
{
	(void)state;
	struct buffer text = {0};
	for (int form = 0; form < 3; form++) {
		struct client client = dial();
		buffer_clear(&text);
		buffer_append_text(&text, "GET /");
		for (int i = 0; form == 0 && i < HTTP_URL_BYTES_MAX; i++)
			buffer_append_byte(&text, 'u');
		buffer_append_text(&text, " HTTP/1.1\r\nHost: x\r\n");
		for (int i = 0; form == 1 && i < HTTP_HEAD_BYTES_MAX; i++)
			buffer_append_text(&text, i == 0 ? "X-Large: " : "v");
		for (int i = 0; form == 2 && i < HTTP_HEADERS_MAX; i++)
			buffer_append_text(&text, "A: b\r\n");
		buffer_append_text(&text, "\r\n\r\n");
		say_bytes(&client, text.at, text.size);
		hear_piece(&client, form == 0 ? "414 URI Too Long" : "431 Request Header Fields Too Large");
		shutdown(client.fd, SHUT_WR);
		hear_the_end(&client);
		hang_up(&client);
	}
	buffer_release(&text);
}

/* Path parameters are decoded after the path is split, and literals go before names. */
static void paths_are_decoded(void **state)
{
	(void)state;
	static const struct {
		const char *path, *expected;
	} cases[] = {
		{"/things/a%2Fb", "a/b"},    {"/things/%EC%84%9C", "\xEC\x84\x9C"}, {"/thin%67s/x?anything=1", "x"},
		{"/things/dates", "(none)"}, {"/things/dates/seats/7", "7"},        {"http://other/things/abs", "abs"},
	};
	struct client client = dial();
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		char text[200];
		snprintf(text, sizeof text, "GET %s HTTP/1.1\r\nHost: x\r\n\r\n", cases[i].path);
		say(&client, text);
		hear(&client, ok(cases[i].expected));
	}
	hang_up(&client);
}

/* Query values are decoded; a name that is unknown or given twice is refused by name. */
static void queries_are_strict(void **state)
{
	(void)state;
	static const struct {
		const char *query, *expected;
	} good[] = {{"", "(none)"},
		    {"?", "(none)"},
		    {"?at=0%3A18&limit=3", "0:18"},
		    {"?limit=&at", ""},
		    {"?&at=a+b%2B=&", "a+b+="}};
	struct client client = dial();
	char text[200];
	for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
		snprintf(text, sizeof text, "GET /things/dates%s HTTP/1.1\r\nHost: x\r\n\r\n", good[i].query);
		say(&client, text);
		if (*good[i].expected)
			hear(&client, ok(good[i].expected));
		else
			hear(&client, OK_HEAD "Content-Length: 0\r\n\r\n");
	}
	static const struct {
		const char *query, *expected;
	} bad[] = {
		{"?at=1&limt=2", "{\"field\":\"limt\",\"reason\":\"is not a known parameter\"}"},
		{"?at=1&limit=2&at=1", "{\"field\":\"at\",\"reason\":\"is given twice\"}"},
		{"?%00=1",
		 "{\"field\":\"\\u0000\",\"reason\":\"is not a known parameter\"}"}, /* found by fuzz_http: it ended the process */
		{"?at=%f", "{\"field\":\"at\",\"reason\":\"is not percent-encoded UTF-8\"}"},
		{"?=", "{\"field\":\"\",\"reason\":\"is not a known parameter\"}"},
		{"?%ff=1", "{\"field\":\"query\",\"reason\":\"has a name that is not percent-encoded UTF-8\"}"},
	};
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		snprintf(text, sizeof text, "GET /things/dates%s HTTP/1.1\r\nHost: x\r\n\r\n", bad[i].query);
		say(&client, text);
		hear_piece(&client, bad[i].expected);
	}
	hang_up(&client);
}

/* Headers are found whatever their case, trimmed; the answer's own headers go out. */
static void headers_are_found(void **state)
{
	(void)state;
	struct client client = dial();
	say(&client, "GET /header HTTP/1.1\r\nHost: x\r\nx-aPI-key:   secret key \t\r\nX-Api-Key: second\r\n\r\n");
	hear(&client, "HTTP/1.1 201 Created\r\nContent-Type: application/json\r\nContent-Length: 10\r\n"
		      "Ledger-Position: 0:7\r\n\r\nsecret key");
	hang_up(&client);
}

/* HEAD gets the head of GET's answer, with its length and without its body. */
static void head_has_no_body(void **state)
{
	(void)state;
	struct client client = dial();
	say(&client, "HEAD /things/abc HTTP/1.1\r\nHost: x\r\n\r\nHEAD /nowhere HTTP/1.1\r\nHost: x\r\n\r\n");
	hear(&client, OK_HEAD "Content-Type: text/plain\r\nContent-Length: 3\r\n\r\n"
			      "HTTP/1.1 404 Not Found\r\nContent-Type: application/json\r\nContent-Length: 75\r\n\r\n");
	hang_up(&client);
}

/* Connection: close and HTTP/1.0 end the connection after the answer; HTTP/1.0 with keep-alive does not. */
static void connections_close_when_asked(void **state)
{
	(void)state;
	struct client client = dial();
	say(&client,
	    "GET /things/a HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\nGET /hold HTTP/1.1\r\nHost: x\r\n\r\n");
	hear(&client, OK_HEAD "Content-Type: text/plain\r\nContent-Length: 1\r\nConnection: close\r\n\r\na");
	shutdown(client.fd, SHUT_WR);
	hear_the_end(&client);
	hang_up(&client);
	client = dial();
	say(&client, "GET /things/a HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
	hear(&client, OK_HEAD "Content-Type: text/plain\r\nContent-Length: 1\r\nConnection: keep-alive\r\n\r\na");
	say(&client, "GET /things/b HTTP/1.0\r\n\r\n");
	hear(&client, OK_HEAD "Content-Type: text/plain\r\nContent-Length: 1\r\nConnection: close\r\n\r\nb");
	hear_the_end(&client);
	hang_up(&client);
	client = dial(); /* an offer to upgrade is ignored */
	say(&client, "GET /things/c HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n");
	hear(&client, ok("c"));
	hang_up(&client);
	assert_int_equal(world->held_count, 0);
}

/* A client that has half-closed its side gets the answer to what it asked; half a request is dropped. */
static void half_closed_clients_get_their_answers(void **state)
{
	(void)state;
	struct client client = dial();
	say(&client, "GET /hold HTTP/1.1\r\nHost: x\r\n\r\nGET /hold HT");
	shutdown(client.fd, SHUT_WR);
	turn_until_held(&client, 1);
	for (int i = 0; i < 5; i++)
		turn(&client);
	assert_false(http_client_is_gone(world->held[0]));
	answer(0, "late");
	hear(&client, OK_HEAD "Content-Type: t/p\r\nContent-Length: 4\r\nConnection: close\r\n\r\nlate");
	hear_the_end(&client);
	hang_up(&client);
	assert_int_equal(world->held_count, 1);
}

/* A client that resets the connection while handlers work: the requests say so, stay readable, and are answered into
 * nothing. */
static void aborted_requests_stay_valid(void **state)
{
	(void)state;
	struct client client = dial(), other = dial();
	say(&client, "GET /hold?n=1 HTTP/1.1\r\nHost: x\r\n\r\nGET /hold?n=2 HTTP/1.1\r\nHost: x\r\n\r\nPOST /hold "
		     "HTTP/1.1\r\n");
	turn_until_held(&client, 2);
	struct linger linger = {.l_onoff = 1};
	setsockopt(client.fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
	hang_up(&client);
	uint64_t began = uv_hrtime();
	while (statistics().connections > 1 && uv_hrtime() - began < PATIENCE_NS)
		turn(&other);
	assert_int_equal(statistics().clients_gone, 2);
	say(&other, "GET /hold?n=3 HTTP/1.1\r\nHost: x\r\n\r\n");
	turn_until_held(&other, 3);
	for (unsigned i = 0; i < 3; i++) {
		struct slice n;
		char digit = (char)('1' + i);
		assert_true(http_query(world->held[i], "n", &n) && n.size == 1 && memcmp(n.at, &digit, 1) == 0);
		assert_int_equal(http_client_is_gone(world->held[i]), i < 2);
	}
	answer(1, "nobody");
	answer(0, "nobody");
	answer(2, "here");
	hear_piece(&other, "here");
	assert_int_equal(statistics().requests_open, 0);
	hang_up(&other);
}

/* An answer far larger than the socket's buffer arrives whole at a client that reads late, with the next one behind
 * it. */
static void large_answers_arrive_whole(void **state)
{
	(void)state;
	struct client client = dial();
	say(&client, "GET /big HTTP/1.1\r\nHost: x\r\n\r\nGET /things/after HTTP/1.1\r\nHost: x\r\n\r\n");
	for (int i = 0; i < 20; i++)
		uv_run(&world->loop, UV_RUN_ONCE);
	uint64_t began = uv_hrtime();
	while (client.got.size < (4 << 20) + 200 && uv_hrtime() - began < PATIENCE_NS) {
		turn(&client);
		if (client.got.size > 5 && memcmp(client.got.at + client.got.size - 5, "after", 5) == 0)
			break;
	}
	const char *body = strstr(buffer_text(&client.got), "\r\n\r\n") + 4;
	for (size_t i = 0; i < 4 << 20; i++)
		assert_int_equal(body[i], 'x');
	assert_true(strncmp(body + (4 << 20), OK_HEAD, strlen(OK_HEAD)) == 0);
	hang_up(&client);
}

/* A client that goes away in the midst of a large answer harms nobody. */
static void clients_that_stop_reading_are_dropped(void **state)
{
	(void)state;
	struct client client = dial();
	say(&client, "GET /big HTTP/1.1\r\nHost: x\r\n\r\nGET /hold HTTP/1.1\r\nHost: x\r\n\r\n");
	for (int i = 0; i < 10; i++)
		uv_run(&world->loop, UV_RUN_ONCE);
	hang_up(&client);
	struct client other = dial();
	uint64_t began = uv_hrtime();
	while (statistics().connections > 1 && uv_hrtime() - began < PATIENCE_NS)
		turn(&other);
	assert_int_equal(statistics().connections, 1);
	hang_up(&other);
}

/* Writing to a client that has closed its socket ends the connection, not the process. */
static void writing_to_the_departed_is_harmless(void **state)
{
	(void)state;
	struct client client = dial(), other = dial();
	say(&client, "GET /hold HTTP/1.1\r\nHost: x\r\n\r\nGET /hold HTTP/1.1\r\nHost: x\r\n\r\n");
	turn_until_held(&client, 2);
	hang_up(&client);
	answer(0, "the kernel takes it, and gets a reset");
	turn(&other);
	turn(&other);
	answer(1, "this meets a broken pipe");
	uint64_t began = uv_hrtime();
	while (statistics().connections > 1 && uv_hrtime() - began < PATIENCE_NS)
		turn(&other);
	assert_int_equal(statistics().connections, 1);
	hang_up(&other);
}

/* A stop answers what was taken with Connection: close, closes idle connections, refuses new ones, and then says so. */
static void stopping_finishes_what_was_taken(void **state)
{
	(void)state;
	struct client busy = dial(), idle = dial();
	say(&busy, "GET /hold HTTP/1.1\r\nHost: x\r\n\r\nGET /hold HTTP/1.1\r\nHost: x\r\n\r\nGET /ho");
	turn_until_held(&busy, 2);
	say(&idle, "GET /things/a HTTP/1.1\r\nHost: x\r\n\r\n");
	hear(&idle, ok("a"));
	http_server_stop(world->server, 60000, on_stopped, world);
	hear_the_end(&idle);
	assert_false(world->stopped);
	answer(1, "two");
	answer(0, "one");
	hear(&busy, OK_HEAD "Content-Type: t/p\r\nContent-Length: 3\r\n\r\none" OK_HEAD
			    "Content-Type: t/p\r\nContent-Length: 3\r\nConnection: close\r\n\r\ntwo");
	turn_until(&world->stopped);
	hang_up(&busy);
	hang_up(&idle);
}

/* After the deadline a stop waits for nobody; the request left over dies with the server. */
static void stopping_has_a_deadline(void **state)
{
	(void)state;
	struct client busy = dial();
	say(&busy, "GET /hold HTTP/1.1\r\nHost: x\r\n\r\nGET /hold HTTP/1.1\r\nHost: x\r\n\r\n");
	turn_until_held(&busy, 2);
	http_server_stop(world->server, 1, on_stopped, world);
	turn_until(&world->stopped);
	assert_true(http_client_is_gone(world->held[0]));
	answer(0, "too late");
	hang_up(&busy);
}

/* One connection too many is told so; when another one has gone there is room again. */
static void connections_are_bounded(void **state)
{
	(void)state;
	start(&(struct http_options){.connections_max = 1});
	struct client first = dial();
	say(&first, "GET /things/a HTTP/1.1\r\nHost: x\r\n\r\n");
	hear(&first, ok("a"));
	struct client second = dial();
	hear_piece(&second, "\r\nRetry-After: 1\r\nConnection: close\r\n\r\n{\"code\":\"OVERLOADED\"");
	hang_up(&second);
	hang_up(&first);
	struct client third = dial();
	uint64_t began = uv_hrtime();
	while (statistics().connections > 1 && uv_hrtime() - began < PATIENCE_NS)
		turn(&third);
	hang_up(&third);
	while (statistics().connections > 0 && uv_hrtime() - began < PATIENCE_NS)
		uv_run(&world->loop, UV_RUN_ONCE);
	struct client fourth = dial();
	say(&fourth, "GET /things/b HTTP/1.1\r\nHost: x\r\n\r\n");
	hear(&fourth, ok("b"));
	hang_up(&fourth);
	end();
}

/* Idle connections are closed, half requests get 408, and a request with a handler may take as long as it likes. */
static void quiet_clients_are_timed_out(void **state)
{
	(void)state;
	start(&(struct http_options){.idle_timeout_ms = 1, .request_timeout_ms = 1});
	struct client busy = dial();
	say(&busy, "GET /hold HTTP/1.1\r\nHost: x\r\n\r\n");
	turn_until_held(&busy, 1);
	struct client idle = dial();
	hear_the_end(&idle);
	hang_up(&idle);
	struct client slow = dial();
	say(&slow, "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nhalf");
	hear_piece(&slow, "408 Request Timeout");
	hang_up(&slow);
	answer(0, "still here");
	hear_piece(&busy, "still here");
	hang_up(&busy);
	end();
}

/* A port that is taken is LL_BUSY, with a sentence; addresses that are none are LL_USAGE. */
static void addresses_are_checked(void **state)
{
	(void)state;
	struct http_address address;
	struct error error;
	char text[32];
	snprintf(text, sizeof text, "127.0.0.1:%u", world->port);
	assert_int_equal(http_address_resolve(text, &address, &error), LL_OK);
	assert_int_equal(http_server_listen(world->server, &address, NULL, &error), LL_BUSY);
	assert_non_null(strstr(error.text, "cannot listen on 127.0.0.1 port"));
	assert_int_equal(http_address_resolve("[::1]:80", &address, &error), LL_OK);
	assert_true(http_address_is_loopback(&address));
	assert_int_equal(http_address_resolve("0.0.0.0:80", &address, &error), LL_OK);
	assert_false(http_address_is_loopback(&address));
	static const char *const bad[] = {"",        "80",     ":80",   "a:",   "a:b",
					  "a:65536", "::1:80", "[]:80", "a:-1", "a:000080"};
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		assert_int_equal(http_address_resolve(bad[i], &address, &error), LL_USAGE);
}

#define SERVED(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		SERVED(one_connection_serves_many_requests),
		SERVED(pipelined_answers_keep_their_order),
		SERVED(long_pipelines_wait_for_room),
		SERVED(slow_bytes_make_a_request),
		SERVED(bodies_over_the_limit_are_refused),
		SERVED(expectations_are_answered),
		SERVED(refusals_are_json),
		SERVED(nonsense_gets_a_bare_400),
		SERVED(large_heads_are_refused),
		SERVED(paths_are_decoded),
		SERVED(queries_are_strict),
		SERVED(headers_are_found),
		SERVED(head_has_no_body),
		SERVED(connections_close_when_asked),
		SERVED(half_closed_clients_get_their_answers),
		SERVED(aborted_requests_stay_valid),
		SERVED(large_answers_arrive_whole),
		SERVED(clients_that_stop_reading_are_dropped),
		SERVED(writing_to_the_departed_is_harmless),
		SERVED(stopping_finishes_what_was_taken),
		SERVED(stopping_has_a_deadline),
		cmocka_unit_test(connections_are_bounded),
		cmocka_unit_test(quiet_clients_are_timed_out),
		SERVED(addresses_are_checked),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
