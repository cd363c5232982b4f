/*
 * Eyes for a program that serves nothing else: GET /metrics and GET /healthz, in a thread and on a loop of its own. /readyz is the same as
 * /healthz: so `ledgerline status --url URL --ready` asks it as it asks an engine.
 *
 * There are no access keys: what is shown is numbers, to whoever reaches the address.
 */
#ifndef LEDGERLINE_HTTP_WATCH_H
#define LEDGERLINE_HTTP_WATCH_H

#include "engine/http/server.h"
#include "schemas/wire/buffer.h"

struct watch;

/* Called in the watching thread. */
struct watch_options {
	void (*metrics)(void *context, struct buffer *out); /* appends lines as Prometheus reads them */
	/* NULL: it is well. Else why not, in one sentence that is good until the next call. */
	const char *(*illness)(void *context);
	void *context;
};

/* `options` is copied. *port: the real one. Errors as of http_server_listen. */
enum ll_code watch_start(const struct http_address *address, const struct watch_options *options, struct watch **watch,
			 uint16_t *port, struct error *error) LL_CHECKED;

/* BLOCKING. NULL allowed. */
void watch_stop(struct watch *watch);

#endif
