/*
 * Routes as a tree of path segments. Seen by engine/http/ only.
 *
 *	/api ── points ── charge          POST
 *	     └─ schedules ── {scheduleId} GET PATCH
 *	                          └─ seats POST
 *
 * A path is matched segment by segment, decoded before it is compared; literals go before {names}, and when a literal
 * leads nowhere the {name} is tried. Pure: no loop, no sockets.
 */
#ifndef LEDGERLINE_HTTP_ROUTER_H
#define LEDGERLINE_HTTP_ROUTER_H

#include "engine/http/server.h"
#include "schemas/wire/buffer.h"

struct router;

/* What a route was made into. */
struct route {
	const struct http_route *spec;
	struct slice params[HTTP_PARAMS_MAX]; /* names, in the order of the pattern */
	unsigned param_count;
	struct slice query[HTTP_QUERY_MAX];
	unsigned query_count;
	struct slice accepts[8];
	unsigned accept_count;
	size_t body_bytes_max;
};

enum route_found { ROUTE_FOUND, ROUTE_NO_PATH, ROUTE_NO_METHOD, ROUTE_BAD_PATH };

struct router *router_new(const struct http_route *routes, size_t count);
void router_free(struct router *router);

/* Looks a path (as sent, without the query) up. verb HTTP_VERBS: one that no route has. Decoded pieces go into `arena`.
 * ROUTE_FOUND: *route, and params[0..param_count). ROUTE_NO_METHOD: *allowed has a bit for each enum http_verb. */
enum route_found router_find(const struct router *router, enum http_verb verb, struct slice path, struct arena *arena,
			     const struct route **route, struct slice params[HTTP_PARAMS_MAX], unsigned *allowed);

const char *router_verb_name(enum http_verb verb);

/* Percent-decodes into the arena (or gives `text` back as it is, when there is nothing to decode). false: a broken
 * escape, or not UTF-8. */
bool router_decode(struct slice text, struct arena *arena, struct slice *decoded);

/* The next piece of `*rest` up to `separator`, which is taken off. false: nothing is left. */
bool router_split(struct slice *rest, uint8_t separator, struct slice *piece);

#endif
