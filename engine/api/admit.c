/*
 * Who may ask what (engine/access/access.h): before anything else of a request is looked at.
 *
 * The key comes in X-Api-Key; Authorization carries the waiting room's token. Of /metrics alone `Authorization: Bearer KEY` is taken too, as
 * Prometheus can send no other header.
 */
#include "engine/api/internal.h"
#include "schemas/wire/ensure.h"

struct admission {
	struct access_ask ask;
	struct api *api;
	struct http_request *request;
	struct http_denial denial;
};

/* ---- what a key may ---- */

static enum http_admission deny(struct api *api, uint16_t code, struct http_denial *denial)
{
	const struct code_info *info = code_info(code);
	*denial = (struct http_denial){info->status, info->name, info->message};
	api->counts.denied[code]++;
	return HTTP_DENIED;
}

/* A path that is not there is told to everybody who has a key. */
static bool may(const struct http_request *request, const struct access_grant *grant)
{
	const struct http_route *route = http_route_of(request);
	return !route || (route->access & MAY(access_role(grant)));
}

static enum http_admission judge(struct api *api, struct http_request *request, enum access_answer answer,
				 struct access_grant *grant, struct http_denial *denial)
{
	switch (answer) {
	case ACCESS_LATER: return HTTP_ADMITTED_LATER;
	case ACCESS_BUSY: return deny(api, CODE_OVERLOADED, denial);
	case ACCESS_UNKNOWN: return deny(api, CODE_KEY_INVALID, denial);
	case ACCESS_KNOWN: break;
	}
	if (!may(request, grant))
		return deny(api, CODE_FORBIDDEN, denial);
	*http_admit_slot(request) = grant;
	return HTTP_ADMITTED;
}

static void verified(struct access_ask *ask, enum access_answer answer, struct access_grant *grant)
{
	struct admission *admission = ask->context;
	enum http_admission end = judge(admission->api, admission->request, answer, grant, &admission->denial);
	http_admit(admission->request, end == HTTP_DENIED ? &admission->denial : NULL);
}

static bool key_shown(const struct http_request *request, unsigned access, struct slice *key, bool *twice)
{
	*twice = http_header_count(request, "X-Api-Key") > 1;
	if (http_header(request, "X-Api-Key", key))
		return true;
	*key = access & MAY_BEARER ? bearer_token(request) : SLICE_EMPTY;
	return key->size != 0;
}

enum http_admission api_admit(void *context, struct http_request *request, bool is_whole, struct http_denial *denial)
{
	struct api *api = context;
	const struct http_route *route = http_route_of(request);
	struct access_grant *grant = NULL;
	enum access_answer answer;
	struct slice key;
	bool twice;
	if (*http_admit_slot(request) || (route && route->access & MAY_ANYBODY))
		return HTTP_ADMITTED;
	if (!key_shown(request, route ? route->access : 0, &key, &twice))
		return deny(api, CODE_KEY_REQUIRED, denial);
	if (twice)
		return deny(api, CODE_KEY_INVALID, denial);
	if (!is_whole) {
		answer = access_look(api->access, key, &grant);
		return judge(api, request, answer, grant, denial);
	}
	struct admission *admission = arena_alloc(http_arena(request), sizeof *admission);
	*admission = (struct admission){.ask = {.key = key, .done = verified}, .api = api, .request = request};
	admission->ask.context = admission;
	answer = access_ask(api->access, &admission->ask, &grant);
	return judge(api, request, answer, grant, denial);
}

/* ---- what commands need to know ---- */

bool admitted_commands(struct http_request *request, unsigned count)
{
	struct access_grant *grant = *http_admit_slot(request);
	return !grant || access_take(grant, count);
}

bool admitted_actor(struct http_request *request, uint8_t *type, struct slice *id)
{
	const struct access_grant *grant = *http_admit_slot(request);
	if (!grant)
		return false;
	*type = access_role(grant) == ROLE_ADMIN ? ACTOR_TYPE_ADMIN : ACTOR_TYPE_USER;
	*id = access_name(grant);
	return true;
}

bool admitted_as(struct http_request *request, bool is_admins, uint8_t *type, struct slice *id)
{
	const struct access_grant *grant = *http_admit_slot(request);
	if (!grant)
		return true;
	bool is_admin = access_role(grant) == ROLE_ADMIN;
	if (is_admins && !is_admin)
		return false;
	if (!*type)
		return admitted_actor(request, type, id);
	if (*type == ACTOR_TYPE_ADMIN) /* as oneself alone */
		return is_admin && slice_equal(*id, access_name(grant));
	return !is_admins && (is_admin || *type == ACTOR_TYPE_USER);
}
