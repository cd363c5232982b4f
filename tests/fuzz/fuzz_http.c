/*
 * Any bytes on a connection are requests or end it: every answer is HTTP, nothing hangs, nothing is left open. The first byte says where the
 * bytes are cut into two writes.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine/http/server.h"
#include "schemas/wire/ensure.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { TURNS_MAX = 200000 };

static uv_loop_t loop;
static struct http_server *server;
static uint16_t port;

static void echo(struct http_request *request, void *context)
{
	(void)context;
	struct slice value;
	if (http_refuse_query(request))
		return;
	(void)http_header(request, "idempotency-key", &value);
	(void)http_query(request, "limit", &value);
	http_respond(request,
		     &(struct http_response){.status = 200, .content_type = "text/plain", .body = http_body(request)});
}

static void show(struct http_request *request, void *context)
{
	(void)context;
	http_respond(request, &(struct http_response){.status = 200, .body = http_param(request, "id")});
}

static const struct http_route routes[] = {
	{HTTP_VERB_POST, "/echo", echo, NULL, "limit at", "application/json text/plain", 4096},
	{HTTP_VERB_GET, "/echo", echo, NULL, "limit at", NULL, 0},
	{HTTP_VERB_GET, "/things/{id}", show, NULL, NULL, NULL, 0},
	{HTTP_VERB_DELETE, "/things/{id}", show, NULL, NULL, NULL, 0},
};

static void begin(void)
{
	struct http_address address;
	struct error error;
	ENSURE(uv_loop_init(&loop) == 0);
	server = http_server_new(&loop, routes, sizeof routes / sizeof *routes, NULL);
	ENSURE(http_address_resolve("127.0.0.1:0", &address, &error) == LL_OK &&
	       http_server_listen(server, &address, &port, &error) == LL_OK);
}

static int connect_client(void)
{
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port)};
	const struct linger at_once = {.l_onoff = 1, .l_linger = 0}; /* no port waits for its time to be over */
	int client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	ENSURE(client >= 0 && connect(client, (struct sockaddr *)&to, sizeof to) == 0);
	ENSURE(setsockopt(client, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once) == 0);
	ENSURE(fcntl(client, F_SETFL, O_NONBLOCK) == 0);
	return client;
}

static void send_all(int client, const uint8_t *data, size_t size)
{
	for (unsigned turns = 0; size && turns < TURNS_MAX; turns++) {
		ssize_t sent = send(client, data, size, MSG_NOSIGNAL);
		if (sent > 0) {
			data += sent;
			size -= (size_t)sent;
		} else if (errno != EAGAIN) {
			return; /* the server has ended it */
		}
		uv_run(&loop, UV_RUN_NOWAIT);
	}
}

/* Reads until the server closes, which it must once the client has half-closed. */
static void read_all(int client)
{
	char bytes[4096];
	bool first = true;
	for (unsigned turns = 0; turns < TURNS_MAX; turns++) {
		uv_run(&loop, UV_RUN_NOWAIT);
		ssize_t got = recv(client, bytes, sizeof bytes, 0);
		if (got > 0) {
			ENSURE(!first || (got >= 9 && memcmp(bytes, "HTTP/1.", 7) == 0));
			first = false;
		} else if (got == 0 || errno != EAGAIN) {
			return;
		}
	}
	ENSURE(!"the connection was never closed");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct http_statistics statistics;
	if (!server)
		begin();
	if (size == 0)
		return 0;
	int client = connect_client();
	size_t cut = 1 + data[0] % size;
	send_all(client, data + 1, cut - 1);
	send_all(client, data + cut, size - cut);
	(void)shutdown(client, SHUT_WR);
	read_all(client);
	close(client);
	for (unsigned turns = 0; turns < 100; turns++) {
		http_server_statistics(server, &statistics);
		if (statistics.connections == 0)
			break;
		uv_run(&loop, UV_RUN_NOWAIT);
	}
	ENSURE(statistics.requests_open == 0);
	return 0;
}
