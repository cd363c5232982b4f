/*
 * The HTTP API: requests to commands and reads, answers to JSON. API.md is the contract.
 *
 *	request -> parsed command -> engine_submit ... block ... answer -> reply_render(entry) -> response
 *	request -> (wait for a position) -> read from the committed state -> response
 *
 * Everything belongs to the loop's thread. What a command needs lives in its request's arena; buffers and the JSON reader
 * are the api's and used again for each request.
 *
 * Who may ask. With access keys each route has the roles that may ask it (routes.c), and a request without such a key is refused before anything else
 * of it is looked at: 401 KEY_REQUIRED, KEY_INVALID, 403 FORBIDDEN. /healthz and /readyz are for everybody. The actor is {admin, the key's
 * name}, or {user, the key's name} when its role is another. A JSON command may name a user as its actor; with an administrator's
 * key, and when it is no administrator's command, also {system, ...}; anything else is FORBIDDEN.
 *
 * Who acts. Without access keys everybody on loopback is admin. A command that comes by a route of its own has the actor
 * {admin, "local"} under /api/admin, else {user, its userId, or "local" when it has none}. A JSON command says it itself, or
 * has {system, no id}.
 */
#ifndef LEDGERLINE_API_H
#define LEDGERLINE_API_H

#include "engine/access/access.h"
#include "engine/http/server.h"
#include "engine/relay/beside.h"
#include "engine/serve/engine.h"

struct api;

/* The routes of the API over an engine. `api_routes` is good as long as the api lives. */
struct api *api_new(struct engine *engine);
/* Whose keys are asked for, from now on; borrowed. Then http_options.admit is to be api_admit, with the api. */
void api_set_access(struct api *api, struct access *access);
http_admit_fn api_admit;
/* After the server: requests that were not answered by then point into it. NULL allowed. */
void api_free(struct api *api);
const struct http_route *api_routes(struct api *api, size_t *count);

/* From now on /readyz says no and commands are not taken. To be called before engine_stop. */
void api_close_doors(struct api *api);

/* For http_options: counts answers for /metrics. */
void api_answered(void *api, const struct http_request *request, int status, uint64_t duration_us);
void api_set_relay(struct api *api, struct relay_beside *relay);  /* that stands beside the engine; borrowed */
void api_set_server(struct api *api, struct http_server *server); /* whose statistics /metrics shows */

#endif
