#include <netdb.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "engine/http/connection.h"
#include "schemas/wire/ensure.h"

enum {
	BACKLOG = 1024,
	TICK_MS = 250,
	CONNECTIONS_DEFAULT = 4096,
	IDLE_TIMEOUT_MS_DEFAULT = 75000,
	REQUEST_TIMEOUT_MS_DEFAULT = 30000,
};

/* ---- addresses ---- */

/* Splits "HOST:PORT" and "[HOST]:PORT". */
static bool split_address(const char *text, struct http_address *address)
{
	const char *colon = strrchr(text, ':');
	if (!colon || colon == text || strlen(colon) > 6 || !colon[1])
		return false;
	unsigned port = 0;
	for (const char *digit = colon + 1; *digit; digit++) {
		if (*digit < '0' || *digit > '9')
			return false;
		port = port * 10 + (unsigned)(*digit - '0');
	}
	const char *begin = text;
	size_t size = (size_t)(colon - text);
	if (*text == '[') {
		if (size < 3 || text[size - 1] != ']')
			return false;
		begin++;
		size -= 2;
	} else if (memchr(text, ':', size)) {
		return false;
	}
	if (port > UINT16_MAX || size >= sizeof address->host)
		return false;
	memcpy(address->host, begin, size);
	address->host[size] = 0;
	address->port = (uint16_t)port;
	return true;
}

enum ll_code http_address_resolve(const char *text, struct http_address *address, struct error *error)
{
	*address = (struct http_address){0};
	if (!split_address(text, address))
		return error_set(error, LL_USAGE, "%s is no address of the form HOST:PORT, for example 127.0.0.1:8080",
				 text);
	char port[8];
	snprintf(port, sizeof port, "%u", address->port);
	const struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV | AI_PASSIVE};
	struct addrinfo *found = NULL;
	int problem = getaddrinfo(address->host, port, &hints, &found);
	if (problem)
		return error_set(error, LL_NOT_FOUND, "no such host: %s (%s)", address->host, gai_strerror(problem));
	ENSURE(found->ai_addrlen <= sizeof address->storage);
	memcpy(&address->storage, found->ai_addr, found->ai_addrlen);
	freeaddrinfo(found);
	return LL_OK;
}

bool http_address_is_loopback(const struct http_address *address)
{
	if (address->storage.ss_family == AF_INET6) {
		const struct sockaddr_in6 *six = (const struct sockaddr_in6 *)&address->storage;
		return IN6_IS_ADDR_LOOPBACK(&six->sin6_addr);
	}
	const struct sockaddr_in *four = (const struct sockaddr_in *)&address->storage;
	return ntohl(four->sin_addr.s_addr) >> 24 == IN_LOOPBACKNET;
}

/* ---- the loop's callbacks ---- */

/* The Date header, made once a second. Not with strftime: it would speak the user's language. */
static void tell_time(struct http_server *server)
{
	static const char days[][4] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
	static const char months[][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
					 "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
	struct timespec now;
	struct tm tm;
	char date[96];
	clock_gettime(CLOCK_REALTIME_COARSE, &now);
	if (now.tv_sec == server->date_s)
		return;
	server->date_s = now.tv_sec;
	gmtime_r(&now.tv_sec, &tm);
	snprintf(date, sizeof date, "%s, %02d %s %04d %02d:%02d:%02d GMT", days[tm.tm_wday], tm.tm_mday,
		 months[tm.tm_mon], tm.tm_year + 1900, tm.tm_hour, tm.tm_min, tm.tm_sec);
	memcpy(server->date, date, HTTP_DATE_SIZE);
}

static void on_prepare(uv_prepare_t *prepare)
{
	struct http_server *server = prepare->data;
	connections_flush(server);
	tell_time(server);
}

static void on_tick(uv_timer_t *timer)
{
	connections_tick(timer->data);
}

static void on_deadline(uv_timer_t *timer)
{
	connections_drop(timer->data);
}

static void on_connection(uv_stream_t *listener, int status)
{
	struct http_server *server = listener->data;
	if (status == 0) /* otherwise there is none to take, and the next will be told of again */
		connection_accept(server, listener);
}

/* ---- life ---- */

static unsigned or_default(unsigned value, unsigned otherwise)
{
	return value ? value : otherwise;
}

struct http_server *http_server_new(uv_loop_t *loop, const struct http_route *routes, size_t route_count,
				    const struct http_options *options)
{
	struct http_server *server = calloc(1, sizeof *server);
	ENSURE(server);
	server->loop = loop;
	server->router = router_new(routes, route_count);
	if (options)
		server->options = *options;
	struct http_options *set = &server->options;
	set->connections_max = or_default(set->connections_max, CONNECTIONS_DEFAULT);
	set->idle_timeout_ms = or_default(set->idle_timeout_ms, IDLE_TIMEOUT_MS_DEFAULT);
	set->request_timeout_ms = or_default(set->request_timeout_ms, REQUEST_TIMEOUT_MS_DEFAULT);
	tell_time(server);
	return server;
}

/* The handles that every listening server needs; they do not keep the loop alive by themselves. */
static void start(struct http_server *server)
{
	if (server->started)
		return;
	server->started = true;
	struct sigaction pipe;
	if (sigaction(SIGPIPE, NULL, &pipe) == 0 && pipe.sa_handler == SIG_DFL)
		signal(SIGPIPE, SIG_IGN); /* libuv writes to sockets whose client may be gone: EPIPE says so, too */
	ENSURE(uv_prepare_init(server->loop, &server->flusher) == 0 &&
	       uv_timer_init(server->loop, &server->ticker) == 0 &&
	       uv_timer_init(server->loop, &server->deadline) == 0);
	server->flusher.data = server->ticker.data = server->deadline.data = server;
	ENSURE(uv_prepare_start(&server->flusher, on_prepare) == 0);
	ENSURE(uv_timer_start(&server->ticker, on_tick, TICK_MS, TICK_MS) == 0);
	uv_unref((uv_handle_t *)&server->flusher);
	uv_unref((uv_handle_t *)&server->ticker);
	server->handles_open += 3;
}

static void on_handle_closed(uv_handle_t *handle)
{
	server_closed_one(handle->data);
}

static uint16_t port_of(const uv_tcp_t *tcp)
{
	struct sockaddr_storage storage;
	int size = sizeof storage;
	ENSURE(uv_tcp_getsockname(tcp, (struct sockaddr *)&storage, &size) == 0);
	return ntohs(storage.ss_family == AF_INET6 ? ((const struct sockaddr_in6 *)&storage)->sin6_port
						   : ((const struct sockaddr_in *)&storage)->sin_port);
}

enum ll_code http_server_listen(struct http_server *server, const struct http_address *address, uint16_t *port,
				struct error *error)
{
	if (server->listener_count == HTTP_LISTENERS_MAX || server->stopping)
		return error_set(error, LL_USAGE, "a server listens on at most %d addresses, until it is stopped",
				 HTTP_LISTENERS_MAX);
	start(server);
	uv_tcp_t *tcp = &server->listeners[server->listener_count++]; /* keeps its place also when it fails */
	ENSURE(uv_tcp_init(server->loop, tcp) == 0);
	tcp->data = server;
	server->handles_open++;
	int problem = uv_tcp_bind(tcp, (const struct sockaddr *)&address->storage, 0);
	if (!problem)
		problem = uv_listen((uv_stream_t *)tcp, BACKLOG, on_connection);
	if (!problem) {
		if (port)
			*port = port_of(tcp);
		return LL_OK;
	}
	uv_close((uv_handle_t *)tcp, on_handle_closed);
	enum ll_code code = problem == UV_EADDRINUSE      ? LL_BUSY
			    : problem == UV_EACCES        ? LL_DENIED
			    : problem == UV_EADDRNOTAVAIL ? LL_NOT_FOUND
							  : LL_IO;
	return error_set(error, code, "cannot listen on %s port %u: %s", address->host, address->port,
			 uv_strerror(problem));
}

void server_closed_one(struct http_server *server)
{
	ENSURE(server->handles_open);
	server->handles_open--;
	if (!server->stopping)
		return;
	if (server->handles_open == 3 && !uv_is_closing((uv_handle_t *)&server->flusher)) { /* all sockets are closed */
		uv_close((uv_handle_t *)&server->flusher, on_handle_closed);
		uv_close((uv_handle_t *)&server->ticker, on_handle_closed);
		uv_close((uv_handle_t *)&server->deadline, on_handle_closed);
	}
	if (!server->handles_open)
		server->stopped(server->stopped_context);
}

void http_server_stop(struct http_server *server, unsigned deadline_ms, void (*stopped)(void *), void *context)
{
	ENSURE(!server->stopping);
	start(server);
	server->stopping = true;
	server->stopped = stopped;
	server->stopped_context = context;
	for (unsigned i = 0; i < server->listener_count; i++)
		if (!uv_is_closing((uv_handle_t *)&server->listeners[i]))
			uv_close((uv_handle_t *)&server->listeners[i], on_handle_closed);
	connections_wind_down(server);
	ENSURE(uv_timer_start(&server->deadline, on_deadline, deadline_ms, 0) == 0);
	if (server->handles_open == 3) { /* nothing is open: the callback comes from the loop all the same */
		server->handles_open++;
		server_closed_one(server);
	}
}

void http_server_free(struct http_server *server)
{
	if (!server)
		return;
	ENSURE(!server->handles_open || !server->started);
	connections_free(server);
	while (server->all_requests) {
		struct http_request *request = server->all_requests;
		server->all_requests = request->all_next;
		request_free(request);
	}
	router_free(server->router);
	free(server);
}

void http_server_statistics(const struct http_server *server, struct http_statistics *statistics)
{
	*statistics = server->statistics;
	statistics->tls_valid_until = server->options.tls ? tls_valid_until(server->options.tls) : 0;
}
