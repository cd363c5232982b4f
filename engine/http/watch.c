#include "engine/http/watch.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>

#include "schemas/wire/ensure.h"
#include "schemas/wire/json.h"

enum { ROUTES = 3 };

struct watch {
	struct watch_options options;
	uv_loop_t loop;
	uv_async_t ending;
	struct http_server *server;
	struct http_route routes[ROUTES];
	struct buffer body;
	pthread_t thread;
};

static void handle_metrics(struct http_request *request, void *context)
{
	struct watch *watch = context;
	if (http_refuse_query(request))
		return;
	buffer_clear(&watch->body);
	watch->options.metrics(watch->options.context, &watch->body);
	http_respond(request, &(struct http_response){.status = 200,
						      .content_type = "text/plain; version=0.0.4; charset=utf-8",
						      .body = buffer_slice(&watch->body)});
}

static void handle_health(struct http_request *request, void *context)
{
	struct watch *watch = context;
	struct json_writer writer;
	if (http_refuse_query(request))
		return;
	const char *reason = watch->options.illness(watch->options.context);
	buffer_clear(&watch->body);
	json_writer_init(&writer, &watch->body, false);
	json_object_begin(&writer);
	json_member_text(&writer, "status", reason ? "unavailable" : "ok");
	if (reason)
		json_member_text(&writer, "reason", reason);
	json_object_end(&writer);
	http_respond(request,
		     &(struct http_response){.status = reason ? 503 : 200, .body = buffer_slice(&watch->body)});
}

static void server_stopped(void *context)
{
	struct watch *watch = context;
	uv_close((uv_handle_t *)&watch->ending, NULL);
}

static void on_ending(uv_async_t *ending)
{
	struct watch *watch = ending->data;
	http_server_stop(watch->server, 0, server_stopped, watch);
}

static void *work(void *context)
{
	struct watch *watch = context;
	uv_run(&watch->loop, UV_RUN_DEFAULT);
	return NULL;
}

static void watch_free(struct watch *watch)
{
	http_server_free(watch->server);
	while (uv_run(&watch->loop, UV_RUN_NOWAIT))
		continue;
	ENSURE(uv_loop_close(&watch->loop) == 0);
	buffer_release(&watch->body);
	free(watch);
}

/* Signals are the main thread's. */
static void start_thread(struct watch *watch)
{
	sigset_t all, before;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	ENSURE(pthread_create(&watch->thread, NULL, work, watch) == 0);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
}

enum ll_code watch_start(const struct http_address *address, const struct watch_options *options,
			 struct watch **started, uint16_t *port, struct error *error)
{
	struct watch *watch = calloc(1, sizeof *watch);
	ENSURE(watch);
	watch->options = *options;
	watch->routes[0] = (struct http_route){
		.verb = HTTP_VERB_GET, .pattern = "/metrics", .handler = handle_metrics, .context = watch};
	watch->routes[1] = (struct http_route){
		.verb = HTTP_VERB_GET, .pattern = "/healthz", .handler = handle_health, .context = watch};
	watch->routes[2] = (struct http_route){
		.verb = HTTP_VERB_GET, .pattern = "/readyz", .handler = handle_health, .context = watch};
	ENSURE(uv_loop_init(&watch->loop) == 0);
	ENSURE(uv_async_init(&watch->loop, &watch->ending, on_ending) == 0);
	watch->ending.data = watch;
	watch->server = http_server_new(&watch->loop, watch->routes, ROUTES, NULL);
	enum ll_code code = http_server_listen(watch->server, address, port, error);
	if (code == LL_OK) {
		start_thread(watch);
		*started = watch;
		return LL_OK;
	}
	http_server_stop(watch->server, 0, server_stopped, watch);
	uv_run(&watch->loop, UV_RUN_DEFAULT);
	watch_free(watch);
	return code;
}

void watch_stop(struct watch *watch)
{
	if (!watch)
		return;
	uv_async_send(&watch->ending);
	pthread_join(watch->thread, NULL);
	watch_free(watch);
}
