/*
 * The HTTP API: requests to commands and reads, answers to JSON. API.md is the contract.
 */
#ifndef LEDGERLINE_API_H
#define LEDGERLINE_API_H

#include "engine/http/server.h"
#include "engine/serve/engine.h"

struct api;

/* The routes of the API over an engine. `api_routes` is good as long as the api lives. */
struct api *api_new(struct engine *engine);
void api_free(struct api *api);
const struct http_route *api_routes(struct api *api, size_t *count);

/* From now on /readyz says no and commands are not taken. */
void api_close_doors(struct api *api);

/* For http_options: counts answers for /metrics. */
void api_answered(void *api, const struct http_request *request, int status, uint64_t duration_us);
void api_set_server(struct api *api, struct http_server *server); /* whose statistics /metrics shows */

#endif
