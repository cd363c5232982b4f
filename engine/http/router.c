#include "engine/http/router.h"

#include <stdlib.h>

#include "schemas/wire/ensure.h"
#include "schemas/wire/utf8.h"

enum { SEGMENTS_MAX = 16 };

struct node {
	struct slice literal;  /* of the segment that leads here; empty below a {name}, and in the root */
	struct node *children; /* literals, one behind the other */
	struct node *sibling;
	struct node *param; /* {name} */
	struct route *routes[HTTP_VERBS];
};

struct router {
	struct node root;
	struct route *routes;
	size_t count;
	struct arena arena; /* the nodes */
};

const char *router_verb_name(enum http_verb verb)
{
	static const char *const names[HTTP_VERBS] = {"GET", "POST", "PUT", "PATCH", "DELETE"};
	ENSURE((unsigned)verb < HTTP_VERBS);
	return names[verb];
}

bool router_split(struct slice *rest, uint8_t separator, struct slice *piece)
{
	if (!rest->at)
		return false;
	const uint8_t *found = rest->size ? memchr(rest->at, separator, rest->size) : NULL;
	if (!found) {
		*piece = *rest;
		*rest = SLICE_EMPTY;
		return true;
	}
	*piece = slice_of(rest->at, (size_t)(found - rest->at));
	*rest = slice_of(found + 1, rest->size - piece->size - 1);
	return true;
}

/* ---- making the tree ---- */

static unsigned words(const char *text, struct slice *list, unsigned max)
{
	struct slice rest = slice_text(text), word;
	unsigned count = 0;
	while (router_split(&rest, ' ', &word)) {
		if (!word.size)
			continue;
		ENSURE(count < max);
		list[count++] = word;
	}
	return count;
}

static struct node *node_new(struct router *router, struct slice literal)
{
	struct node *node = arena_alloc(&router->arena, sizeof *node);
	*node = (struct node){.literal = literal};
	return node;
}

static struct node *literal_child(struct router *router, struct node *node, struct slice literal)
{
	struct node **at = &node->children;
	for (; *at; at = &(*at)->sibling)
		if (slice_equal((*at)->literal, literal))
			return *at;
	*at = node_new(router, literal);
	return *at;
}

static struct node *child(struct router *router, struct node *node, struct slice segment, struct route *route)
{
	if (!segment.size || segment.at[0] != '{')
		return literal_child(router, node, segment);
	ENSURE(segment.size > 2 && segment.at[segment.size - 1] == '}' && route->param_count < HTTP_PARAMS_MAX);
	route->params[route->param_count++] = slice_of(segment.at + 1, segment.size - 2);
	if (!node->param)
		node->param = node_new(router, SLICE_EMPTY);
	return node->param;
}

static void add(struct router *router, struct route *route, const struct http_route *spec)
{
	*route = (struct route){.spec = spec};
	route->query_count = words(spec->query, route->query, HTTP_QUERY_MAX);
	route->accept_count = words(spec->accepts ? spec->accepts : "application/json", route->accepts,
				    sizeof route->accepts / sizeof *route->accepts);
	route->body_bytes_max = spec->body_bytes_max ? spec->body_bytes_max : HTTP_BODY_BYTES_DEFAULT;
	ENSURE(spec->pattern[0] == '/' && spec->handler && (unsigned)spec->verb < HTTP_VERBS && route->accept_count);
	struct slice rest = slice_text(spec->pattern + 1), segment;
	struct node *node = &router->root;
	for (unsigned depth = 0; router_split(&rest, '/', &segment); depth++) {
		ENSURE(depth < SEGMENTS_MAX);
		node = child(router, node, segment, route);
	}
	ENSURE(!node->routes[spec->verb]); /* a route stands twice */
	node->routes[spec->verb] = route;
}

struct router *router_new(const struct http_route *routes, size_t count)
{
	struct router *router = calloc(1, sizeof *router);
	ENSURE(router);
	router->routes = calloc(count ? count : 1, sizeof *router->routes);
	ENSURE(router->routes);
	router->count = count;
	for (size_t i = 0; i < count; i++)
		add(router, &router->routes[i], &routes[i]);
	return router;
}

void router_free(struct router *router)
{
	if (!router)
		return;
	free(router->routes);
	arena_release(&router->arena);
	free(router);
}

/* ---- decoding ---- */

static int hex_digit(uint8_t byte)
{
	if (byte >= '0' && byte <= '9')
		return byte - '0';
	byte |= 0x20;
	return byte >= 'a' && byte <= 'f' ? byte - 'a' + 10 : -1;
}

bool router_decode(struct slice text, struct arena *arena, struct slice *decoded)
{
	*decoded = text;
	if (!text.size || !memchr(text.at, '%', text.size))
		return utf8_is_good(text);
	uint8_t *bytes = arena_take(arena, text.size, 1);
	size_t size = 0;
	for (size_t i = 0; i < text.size; i++) {
		if (text.at[i] != '%') {
			bytes[size++] = text.at[i];
			continue;
		}
		int high = i + 2 < text.size ? hex_digit(text.at[i + 1]) : -1;
		int low = i + 2 < text.size ? hex_digit(text.at[i + 2]) : -1;
		if (high < 0 || low < 0)
			return false;
		bytes[size++] = (uint8_t)(high << 4 | low);
		i += 2;
	}
	*decoded = slice_of(bytes, size);
	return utf8_is_good(*decoded);
}

/* ---- matching ---- */

struct match {
	struct slice segments[SEGMENTS_MAX]; /* decoded */
	unsigned count;
	struct slice *params;
	unsigned *allowed;
	const struct route *route;
};

static enum route_found arrive(struct match *match, const struct node *node, enum http_verb verb)
{
	unsigned allowed = 0;
	for (unsigned i = 0; i < HTTP_VERBS; i++)
		allowed |= node->routes[i] ? 1u << i : 0;
	if (!allowed)
		return ROUTE_NO_PATH;
	if (verb < HTTP_VERBS && node->routes[verb]) {
		match->route = node->routes[verb];
		return ROUTE_FOUND;
	}
	*match->allowed |= allowed;
	return ROUTE_NO_METHOD;
}

/* Goes on from `node`, which the first `depth` segments led to, `params` of them through {names}. */
static enum route_found walk(struct match *match, const struct node *node, enum http_verb verb, unsigned depth,
			     unsigned params)
{
	if (depth == match->count)
		return arrive(match, node, verb);
	struct slice segment = match->segments[depth];
	enum route_found best = ROUTE_NO_PATH;
	for (const struct node *next = node->children; next; next = next->sibling) {
		if (!slice_equal(next->literal, segment))
			continue;
		best = walk(match, next, verb, depth + 1, params);
		break;
	}
	if (best == ROUTE_FOUND || !node->param || !segment.size)
		return best;
	match->params[params] = segment;
	enum route_found other = walk(match, node->param, verb, depth + 1, params + 1);
	return other == ROUTE_NO_PATH ? best : other;
}

enum route_found router_find(const struct router *router, enum http_verb verb, struct slice path, struct arena *arena,
			     const struct route **route, struct slice params[HTTP_PARAMS_MAX], unsigned *allowed)
{
	struct match match = {.params = params, .allowed = allowed};
	*allowed = 0;
	if (!path.size || path.at[0] != '/')
		return ROUTE_NO_PATH;
	struct slice rest = slice_of(path.at + 1, path.size - 1), segment;
	while (router_split(&rest, '/', &segment)) {
		if (match.count == SEGMENTS_MAX)
			return ROUTE_NO_PATH;
		if (!router_decode(segment, arena, &match.segments[match.count++]))
			return ROUTE_BAD_PATH;
	}
	enum route_found found = walk(&match, &router->root, verb, 0, 0);
	*route = match.route;
	return found;
}
