/*
 * The HTTP client on a loop, against the server of this program and against one that says whatever a test has it say. All on
 * one loop and one thread.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#include "engine/http/caller.h"
#include "engine/http/server.h"
#include "schemas/wire/buffer.h"

#define PATIENCE_NS UINT64_C(20000000000) /* only reached when the test fails */

struct heard {
	bool done;
	enum http_call_end end;
	int status;
	char body[64], field[64];
};

/* A server that answers whatever it is sent with `says`, a piece for each turn, and may close then. */
struct talker {
	uv_tcp_t listener, peer;
	uv_write_t write;
	const char *says;
	bool closes;
	unsigned accepted;
};

struct world {
	uv_loop_t loop;
	uv_timer_t waker;
	struct http_server *server;
	struct http_caller *caller;
	char url[64], talker_url[64];
	struct http_request *held[8];
	unsigned held_count;
	struct talker talker;
	bool stopped, freed;
};

static struct world *world;

/* ---- the server ---- */

static void echo(struct http_request *request, void *context)
{
	struct slice value = SLICE("none");
	(void)context;
	(void)http_header(request, "Ledger-Forwarded", &value);
	const struct http_field field = {"X-Seen", value};
	const struct http_response response = {.status = 201,
					       .content_type = "text/plain",
					       .body = http_body(request),
					       .fields = &field,
					       .field_count = 1};
	http_respond(request, &response);
}

static void target(struct http_request *request, void *context)
{
	(void)context;
	const struct http_response response = {.status = 200, .body = http_target(request)};
	http_respond(request, &response);
}

static void hold(struct http_request *request, void *context)
{
	(void)context;
	world->held[world->held_count++] = request;
}

static const struct http_route routes[] = {
	{HTTP_VERB_POST, "/echo", echo, NULL, NULL, "text/plain", 0, 0},
	{HTTP_VERB_GET, "/target", target, NULL, "a b", NULL, 0, 0},
	{HTTP_VERB_GET, "/hold", hold, NULL, NULL, NULL, 0, 0},
};

/* ---- the talker ---- */

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
	static char room[4096];
	(void)handle;
	(void)suggested;
	*buf = uv_buf_init(room, sizeof room);
}

static void on_said(uv_write_t *write, int status)
{
	(void)status;
	if (world->talker.closes)
		uv_close((uv_handle_t *)write->handle, NULL);
}

static void on_told(uv_stream_t *stream, ssize_t size, const uv_buf_t *buf)
{
	(void)buf;
	if (uv_is_closing((uv_handle_t *)stream))
		return;
	if (size < 0) {
		uv_close((uv_handle_t *)stream, NULL);
		return;
	}
	uv_buf_t bytes = uv_buf_init((char *)(uintptr_t)world->talker.says, (unsigned)strlen(world->talker.says));
	uv_write(&world->talker.write, stream, &bytes, 1, on_said);
}

static void on_guest(uv_stream_t *listener, int status)
{
	assert_int_equal(status, 0);
	world->talker.accepted++;
	assert_int_equal(uv_tcp_init(&world->loop, &world->talker.peer), 0);
	assert_int_equal(uv_accept(listener, (uv_stream_t *)&world->talker.peer), 0);
	uv_read_start((uv_stream_t *)&world->talker.peer, on_alloc, on_told);
}

static void talk(const char *says, bool closes)
{
	world->talker.says = says;
	world->talker.closes = closes;
}

/* ---- the world ---- */

static void nobody(uv_timer_t *timer)
{
	(void)timer;
}

static void start(const struct http_caller_options *options)
{
	struct http_address address;
	struct sockaddr_in any;
	uint16_t port;
	int size = sizeof any;
	world = calloc(1, sizeof *world);
	assert_non_null(world);
	assert_int_equal(uv_loop_init(&world->loop), 0);
	uv_timer_init(&world->loop, &world->waker);
	uv_timer_start(&world->waker, nobody, 1, 1);
	uv_unref((uv_handle_t *)&world->waker);
	world->server = http_server_new(&world->loop, routes, sizeof routes / sizeof *routes, NULL);
	assert_int_equal(http_address_resolve("127.0.0.1:0", &address, NULL), LL_OK);
	assert_int_equal(http_server_listen(world->server, &address, &port, NULL), LL_OK);
	snprintf(world->url, sizeof world->url, "http://127.0.0.1:%u", port);
	uv_tcp_init(&world->loop, &world->talker.listener);
	uv_ip4_addr("127.0.0.1", 0, &any);
	uv_tcp_bind(&world->talker.listener, (struct sockaddr *)&any, 0);
	assert_int_equal(uv_listen((uv_stream_t *)&world->talker.listener, 8, on_guest), 0);
	uv_tcp_getsockname(&world->talker.listener, (struct sockaddr *)&any, &size);
	snprintf(world->talker_url, sizeof world->talker_url, "http://127.0.0.1:%u/", ntohs(any.sin_port));
	world->caller = http_caller_new(&world->loop, options);
}

static int setup(void **state)
{
	(void)state;
	start(NULL);
	return 0;
}

static void set(void *context)
{
	*(bool *)context = true;
}

static void turn_until(const bool *done)
{
	uint64_t began = uv_hrtime();
	while (!*done) {
		assert_true(uv_hrtime() - began < PATIENCE_NS);
		uv_run(&world->loop, UV_RUN_ONCE);
	}
}

static int teardown(void **state)
{
	(void)state;
	if (!world->freed) {
		http_caller_free(world->caller, set, &world->freed);
		turn_until(&world->freed);
	}
	http_server_stop(world->server, 0, set, &world->stopped);
	turn_until(&world->stopped);
	http_server_free(world->server);
	uv_close((uv_handle_t *)&world->talker.listener, NULL);
	if (world->talker.accepted && !uv_is_closing((uv_handle_t *)&world->talker.peer))
		uv_close((uv_handle_t *)&world->talker.peer, NULL);
	uv_close((uv_handle_t *)&world->waker, NULL);
	uv_run(&world->loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&world->loop), 0);
	free(world);
	return 0;
}

/* ---- calls ---- */

static void called(void *context, enum http_call_end end, const struct http_call_answer *answer)
{
	struct heard *heard = context;
	assert_false(heard->done);
	heard->done = true;
	heard->end = end;
	if (end != HTTP_CALL_ANSWERED) {
		assert_null(answer);
		return;
	}
	heard->status = answer->status;
	snprintf(heard->body, sizeof heard->body, "%.*s", SLICE_PRINT(answer->body));
	for (size_t i = 0; i < answer->field_count; i++)
		if (slice_equal(answer->fields[i].name, SLICE("X-Seen")))
			snprintf(heard->field, sizeof heard->field, "%.*s", SLICE_PRINT(answer->fields[i].value));
}

static void ask(struct heard *heard, const char *url, const char *path, unsigned timeout_ms)
{
	const struct http_call call = {.url = url,
				       .method = "GET",
				       .target = slice_text(path),
				       .timeout_ms = timeout_ms,
				       .done = called,
				       .context = heard};
	*heard = (struct heard){.done = false};
	http_caller_ask(world->caller, &call);
	assert_false(heard->done); /* never inside the call */
}

static void ask_and_wait(struct heard *heard, const char *url, const char *path)
{
	ask(heard, url, path, 5000);
	turn_until(&heard->done);
}

static uint64_t connections(void)
{
	struct http_statistics statistics;
	http_server_statistics(world->server, &statistics);
	return statistics.connections_total;
}

static void wait_until_held(unsigned count)
{
	uint64_t began = uv_hrtime();
	while (world->held_count < count) {
		assert_true(uv_hrtime() - began < PATIENCE_NS);
		uv_run(&world->loop, UV_RUN_ONCE);
	}
}

/* Method, target, headers and body go there, status, headers and body come back; headers that would break the line are left
 * out; one connection serves calls that follow one another. */
static void calls_are_answered(void **state)
{
	(void)state;
	struct heard heard = {.done = false};
	const struct http_call_field fields[] = {{SLICE("Content-Type"), SLICE("text/plain")},
						 {SLICE("Ledger-Forwarded"), SLICE("1")},
						 {SLICE("X-Bad"), SLICE("a\r\nX-Worse: b")}};
	const struct http_call call = {.url = world->url,
				       .method = "POST",
				       .target = SLICE("/echo"),
				       .fields = fields,
				       .field_count = 3,
				       .body = SLICE("hello"),
				       .timeout_ms = 5000,
				       .done = called,
				       .context = &heard};
	http_caller_ask(world->caller, &call);
	turn_until(&heard.done);
	assert_int_equal(heard.end, HTTP_CALL_ANSWERED);
	assert_int_equal(heard.status, 201);
	assert_string_equal(heard.body, "hello");
	assert_string_equal(heard.field, "1");
	ask_and_wait(&heard, world->url, "/target?a=1&b=%20");
	assert_string_equal(heard.body, "/target?a=1&b=%20");
	ask_and_wait(&heard, world->url, "/nowhere");
	assert_int_equal(heard.status, 404);
	assert_int_equal(connections(), 1);
	assert_int_equal(http_caller_open_calls(world->caller), 0);
}

/* Nobody listens, no such host, no URL: nothing was sent. */
static void nobody_there_is_not_sent(void **state)
{
	(void)state;
	struct heard heard;
	uv_tcp_t taken;
	struct sockaddr_in any;
	int size = sizeof any;
	char url[64];
	uv_tcp_init(&world->loop, &taken); /* bound, but it does not listen */
	uv_ip4_addr("127.0.0.1", 0, &any);
	uv_tcp_bind(&taken, (struct sockaddr *)&any, 0);
	uv_tcp_getsockname(&taken, (struct sockaddr *)&any, &size);
	snprintf(url, sizeof url, "http://127.0.0.1:%u", ntohs(any.sin_port));
	ask_and_wait(&heard, url, "/");
	assert_int_equal(heard.end, HTTP_CALL_REFUSED);
	ask_and_wait(&heard, "http://no-such-host.invalid:80", "/");
	assert_int_equal(heard.end, HTTP_CALL_NOT_SENT);
	ask_and_wait(&heard, "ftp://127.0.0.1", "/");
	assert_int_equal(heard.end, HTTP_CALL_NOT_SENT);
	ask_and_wait(&heard, world->url, "/\r\nX: y");
	assert_int_equal(heard.end, HTTP_CALL_NOT_SENT);
	uv_close((uv_handle_t *)&taken, NULL);
	for (unsigned turns = 0; turns < 3; turns++)
		uv_run(&world->loop, UV_RUN_ONCE);
}

/* An answer that does not come in time leaves in doubt whether the request was heard. */
static void no_answer_in_time_is_broken(void **state)
{
	(void)state;
	struct heard heard;
	ask(&heard, world->url, "/hold", 50);
	turn_until(&heard.done);
	assert_int_equal(heard.end, HTTP_CALL_BROKEN);
	ask_and_wait(&heard, world->url, "/target"); /* over another connection */
	assert_int_equal(heard.end, HTTP_CALL_ANSWERED);
	assert_int_equal(connections(), 2);
}

/* All forms of framing are read; what is cut off, is no HTTP or comes unasked is not taken for an answer. */
static void answers_of_others(void **state)
{
	(void)state;
	static const struct {
		const char *says;
		bool closes;
		enum http_call_end end;
		const char *body;
	} cases[] = {
		{"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", false, HTTP_CALL_ANSWERED, "ok"},
		{"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok", true, HTTP_CALL_ANSWERED, "ok"},
		{"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\no\r\n1\r\nk\r\n0\r\n\r\n", false,
		 HTTP_CALL_ANSWERED, "ok"},
		{"HTTP/1.0 200 OK\r\n\r\nto the end", true, HTTP_CALL_ANSWERED, "to the end"},
		{"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n", false, HTTP_CALL_ANSWERED, ""},
		{"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok and more", false, HTTP_CALL_ANSWERED, "ok"},
		{"HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\ncut", true, HTTP_CALL_BROKEN, ""},
		{"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhe", true, HTTP_CALL_BROKEN, ""},
		{"", true, HTTP_CALL_BROKEN, ""},
		{"what?\r\n\r\n", false, HTTP_CALL_BROKEN, ""},
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct heard heard;
		talk(cases[i].says, cases[i].closes);
		ask_and_wait(&heard, world->talker_url, "/");
		if (heard.end != cases[i].end)
			fail_msg("case %zu ended with %d", i, heard.end);
		assert_string_equal(heard.body, cases[i].body);
		for (unsigned turns = 0; turns < 5; turns++) /* until what was closed is seen to be */
			uv_run(&world->loop, UV_RUN_ONCE);
		if (!uv_is_closing((uv_handle_t *)&world->talker.peer))
			uv_close((uv_handle_t *)&world->talker.peer, NULL);
		for (unsigned turns = 0; turns < 5; turns++)
			uv_run(&world->loop, UV_RUN_ONCE);
	}
}

/* A connection on which more came than the answer is not used again: the rest would be taken for the next answer. */
static void what_comes_behind_an_answer(void **state)
{
	(void)state;
	struct heard heard;
	talk("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nmore", false);
	ask_and_wait(&heard, world->talker_url, "/");
	assert_string_equal(heard.body, "ok");
	while (!uv_is_closing((uv_handle_t *)&world->talker.peer)) /* as the caller hung up */
		uv_run(&world->loop, UV_RUN_ONCE);
	uv_run(&world->loop, UV_RUN_ONCE);
	ask_and_wait(&heard, world->talker_url, "/");
	assert_string_equal(heard.body, "ok");
	assert_int_equal(world->talker.accepted, 2);
}

/* No more connections than allowed, the others wait their turn; too many waiting are not sent; late ones neither. */
static void connections_are_bounded(void **state)
{
	(void)state;
	const struct http_caller_options few = {.connections_max = 2, .waiting_max = 3};
	struct heard heard[6], late;
	start(&few);
	ask(&heard[0], world->url, "/hold", 60000);
	ask(&heard[1], world->url, "/hold", 60000);
	wait_until_held(2);
	ask(&late, world->url, "/target", 20);
	turn_until(&late.done);
	assert_int_equal(late.end, HTTP_CALL_NOT_SENT);
	for (unsigned i = 2; i < 6; i++)
		ask(&heard[i], world->url, "/target", 60000);
	turn_until(&heard[5].done);
	assert_int_equal(heard[5].end, HTTP_CALL_NOT_SENT);
	const struct http_response response = {.status = 200, .body = SLICE("held")};
	http_respond(world->held[0], &response);
	for (unsigned i = 0; i < 5; i++) {
		if (i == 1)
			continue;
		turn_until(&heard[i].done);
		assert_int_equal(heard[i].end, HTTP_CALL_ANSWERED);
	}
	assert_false(heard[1].done);
	assert_int_equal(connections(), 2);
	http_respond(world->held[1], &response);
	turn_until(&heard[1].done);
}

/* Freeing ends what is under way, at once: what was sent is in doubt, what was not is not. */
static void freeing_ends_calls(void **state)
{
	(void)state;
	const struct http_caller_options one = {.connections_max = 1};
	struct heard sent, waiting;
	start(&one);
	ask(&sent, world->url, "/hold", 60000);
	wait_until_held(1);
	ask(&waiting, world->url, "/hold", 60000);
	http_caller_free(world->caller, set, &world->freed);
	assert_int_equal(sent.end, HTTP_CALL_BROKEN);
	assert_true(waiting.done);
	assert_int_equal(waiting.end, HTTP_CALL_NOT_SENT);
	turn_until(&world->freed);
}

/* What is an address, and what is not. */
static void urls_are_split(void **state)
{
	(void)state;
	static const struct {
		const char *url, *host;
		uint16_t port;
	} cases[] = {
		{"http://127.0.0.1:8080", "127.0.0.1", 8080},
		{"HTTP://host/", "host", 80},
		{"http://[::1]:1", "::1", 1},
		{"http://[fe80::1]", "fe80::1", 80},
		{"http://host:65535", "host", 65535},
		{"http://host:65536", NULL, 0},
		{"http://host:", NULL, 0},
		{"http://host:8o", NULL, 0},
		{"http://::1", NULL, 0},
		{"http://[]:1", NULL, 0},
		{"http://[::1", NULL, 0},
		{"http://[::1]x:1", NULL, 0},
		{"http://:80", NULL, 0},
		{"http://host/path", NULL, 0},
		{"http://", NULL, 0},
		{"https://host", "host", 443},
		{"HTTPS://[::1]:8443/", "::1", 8443},
		{"https://", NULL, 0},
		{"httpss://host", NULL, 0},
		{"", NULL, 0},
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		char host[HTTP_CALL_ADDRESS_MAX + 1];
		uint16_t port;
		bool is_tls, fine = http_call_split(cases[i].url, host, &port, &is_tls);
		if (fine != (cases[i].host != NULL))
			fail_msg("%s was %s", cases[i].url, fine ? "taken" : "refused");
		if (!fine)
			continue;
		assert_string_equal(host, cases[i].host);
		assert_int_equal(port, cases[i].port);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(calls_are_answered, setup, teardown),
		cmocka_unit_test_setup_teardown(nobody_there_is_not_sent, setup, teardown),
		cmocka_unit_test_setup_teardown(no_answer_in_time_is_broken, setup, teardown),
		cmocka_unit_test_setup_teardown(answers_of_others, setup, teardown),
		cmocka_unit_test_setup_teardown(what_comes_behind_an_answer, setup, teardown),
		cmocka_unit_test_teardown(connections_are_bounded, teardown),
		cmocka_unit_test_teardown(freeing_ends_calls, teardown),
		cmocka_unit_test(urls_are_split),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
