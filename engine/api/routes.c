/* All routes. */
#include <stdlib.h>

#include "engine/api/internal.h"
#include "schemas/wire/ensure.h"

#define PATH(name)                                                                                                     \
	{                                                                                                              \
		name, FROM_PATH                                                                                        \
	}
#define QUERY(name)                                                                                                    \
	{                                                                                                              \
		name, FROM_QUERY                                                                                       \
	}

static const struct command_route command_routes[] = {
	{HTTP_VERB_POST, "/api/admin/users", NULL, .type = COMMAND_USER_REGISTER, .admin = true},
	{HTTP_VERB_POST, "/api/admin/concerts", NULL, .type = COMMAND_CONCERT_CREATE, .admin = true},
	{HTTP_VERB_POST, "/api/admin/schedules", NULL, .type = COMMAND_SCHEDULE_CREATE, .admin = true,
	 .body_bytes_max = COMMANDS_BYTES_MAX},
	{HTTP_VERB_POST, "/api/admin/schedules/{scheduleId}/seats", NULL, .type = COMMAND_SCHEDULE_ADD_SEATS,
	 .admin = true, .given = {PATH("scheduleId")}, .body_bytes_max = COMMANDS_BYTES_MAX},
	{HTTP_VERB_PATCH, "/api/admin/schedules/{scheduleId}", NULL, .type = COMMAND_SCHEDULE_UPDATE, .admin = true,
	 .given = {PATH("scheduleId")}},
	{HTTP_VERB_POST, "/api/admin/schedules/{scheduleId}/cancel", NULL, .type = COMMAND_SCHEDULE_CANCEL,
	 .admin = true, .given = {PATH("scheduleId")}},
	{HTTP_VERB_PUT, "/api/admin/policies", NULL, .type = COMMAND_POLICY_SET, .admin = true},
	{HTTP_VERB_POST, "/api/admin/points/adjust", NULL, .type = COMMAND_POINTS_ADJUST, .admin = true},
	{HTTP_VERB_POST, "/api/points/charge", NULL, .type = COMMAND_POINTS_CHARGE},
	{HTTP_VERB_POST, "/api/points/use", NULL, .type = COMMAND_POINTS_USE},
	{HTTP_VERB_POST, "/api/points/refund", NULL, .type = COMMAND_POINTS_REFUND},
	{HTTP_VERB_POST, "/api/points/holds", NULL, .type = COMMAND_POINTS_HOLD},
	{HTTP_VERB_POST, "/api/points/holds/{holdId}/capture", NULL, .type = COMMAND_POINTS_CAPTURE,
	 .given = {PATH("holdId")}},
	{HTTP_VERB_POST, "/api/points/holds/{holdId}/release", NULL, .type = COMMAND_POINTS_RELEASE,
	 .given = {PATH("holdId")}},
	{HTTP_VERB_POST, "/api/queue/token", NULL, .type = COMMAND_QUEUE_ENTER},
	{HTTP_VERB_DELETE, "/api/queue/token", NULL, .type = COMMAND_QUEUE_LEAVE,
	 .given = {{"queueToken", FROM_BEARER_NEEDED}}},
	{HTTP_VERB_POST, "/api/reservations", NULL, .type = COMMAND_RESERVATION_CREATE,
	 .given = {{"queueToken", FROM_BEARER}}},
	{HTTP_VERB_DELETE, "/api/reservations/{reservationId}", "userId", .type = COMMAND_RESERVATION_CANCEL,
	 .given = {PATH("reservationId"), QUERY("userId")}},
	{HTTP_VERB_POST, "/api/payments", NULL, .type = COMMAND_PAYMENT_CREATE},
	{HTTP_VERB_POST, "/api/payments/{paymentId}/cancel", NULL, .type = COMMAND_PAYMENT_CANCEL,
	 .given = {PATH("paymentId")}},
};
enum { COMMAND_ROUTES = sizeof command_routes / sizeof *command_routes };

enum {
	MAY_ADMIN = MAY(ROLE_ADMIN),
	MAY_COMMAND = MAY(ROLE_CLIENT) | MAY_ADMIN,
	MAY_READ = MAY(ROLE_CLIENT) | MAY(ROLE_AUDITOR) | MAY_ADMIN,
	MAY_AUDIT = MAY(ROLE_AUDITOR) | MAY_ADMIN,
	MAY_OPERATE = MAY(ROLE_OPERATOR) | MAY_ADMIN,
	MAY_WATCH = MAY(ROLE_OPERATOR) | MAY(ROLE_AUDITOR) | MAY_ADMIN,
};

static const struct http_route other_routes[] = {
	{.verb = HTTP_VERB_POST,
	 .pattern = "/api/commands",
	 .handler = handle_batch,
	 .query = "onRejected",
	 .accepts = "application/json application/msgpack",
	 .access = MAY_COMMAND,
	 .body_bytes_max = COMMANDS_BYTES_MAX},
	{.verb = HTTP_VERB_GET, .pattern = "/api/leader", .handler = handle_leader, .access = MAY_WATCH},
	{.verb = HTTP_VERB_POST, .pattern = "/api/admin/lead", .handler = handle_lead, .access = MAY_OPERATE},
	{.verb = HTTP_VERB_POST,
	 .pattern = "/api/admin/handover",
	 .handler = handle_handover,
	 .query = "to",
	 .access = MAY_OPERATE},
	{.verb = HTTP_VERB_POST,
	 .pattern = "/api/admin/periods",
	 .handler = handle_close_period,
	 .access = MAY_ADMIN,
	 .query = "name approver at"},
	{.verb = HTTP_VERB_GET, .pattern = "/api/status", .handler = handle_status, .access = MAY_WATCH},
	{.verb = HTTP_VERB_GET, .pattern = "/healthz", .handler = handle_health, .access = MAY_ANYBODY},
	{.verb = HTTP_VERB_GET, .pattern = "/readyz", .handler = handle_ready, .access = MAY_ANYBODY},
	{.verb = HTTP_VERB_GET, .pattern = "/metrics", .handler = handle_metrics, .access = MAY_WATCH | MAY_BEARER},
	{.verb = HTTP_VERB_GET, .pattern = "/console", .handler = handle_console, .access = MAY_ANYBODY},
	{.verb = HTTP_VERB_GET, .pattern = "/console/{file}", .handler = handle_console_file, .access = MAY_ANYBODY},
};
enum { OTHER_ROUTES = sizeof other_routes / sizeof *other_routes };

static struct http_route route_of_command(const struct command_route *command)
{
	return (struct http_route){
		.verb = command->verb,
		.pattern = command->pattern,
		.handler = handle_command,
		.query = command->query,
		.body_bytes_max = command->body_bytes_max,
		.access = command->admin ? MAY_ADMIN : MAY_COMMAND,
	};
}

static struct http_route route_of_read(const struct read_route *read)
{
	bool audit = slice_begins(slice_text(read->pattern), SLICE("/api/audit/"));
	return (struct http_route){
		.verb = HTTP_VERB_GET,
		.pattern = read->pattern,
		.query = read->query,
		.handler = handle_read,
		.access = audit ? MAY_AUDIT : MAY_READ,
	};
}

bool command_is_admins(uint16_t type)
{
	for (size_t i = 0; i < COMMAND_ROUTES; i++)
		if (command_routes[i].type == type)
			return command_routes[i].admin;
	UNREACHABLE();
}

static void add_route(struct api *api, struct http_route route, struct route_context context)
{
	size_t index = api->route_count++;
	context.api = api;
	context.index = index;
	for (size_t i = 0; i < index; i++)
		if (context.index == index && strcmp(api->routes[i].pattern, route.pattern) == 0)
			context.index = i;
	api->contexts[index] = context;
	route.context = &api->contexts[index];
	api->routes[index] = route;
}

struct api *api_new(struct engine *engine)
{
	size_t count = COMMAND_ROUTES + OTHER_ROUTES + read_route_count;
	struct api *api = calloc(1, sizeof *api);
	ENSURE(api);
	api->engine = engine;
	api->routes = calloc(count, sizeof *api->routes);
	api->contexts = calloc(count, sizeof *api->contexts);
	api->counts.answers = calloc(count + 1, sizeof *api->counts.answers); /* the last: no route */
	ENSURE(api->routes && api->contexts && api->counts.answers);
	memcpy(api->secret.bytes, engine_secret(engine), sizeof api->secret.bytes);
	for (size_t i = 0; i < COMMAND_ROUTES; i++)
		add_route(api, route_of_command(&command_routes[i]),
			  (struct route_context){.command = &command_routes[i]});
	for (size_t i = 0; i < read_route_count; i++)
		add_route(api, route_of_read(&read_routes[i]), (struct route_context){.read = &read_routes[i]});
	for (size_t i = 0; i < OTHER_ROUTES; i++)
		add_route(api, other_routes[i], (struct route_context){.command = NULL});
	return api;
}

void api_free(struct api *api)
{
	if (!api)
		return;
	json_reader_release(&api->reader);
	buffer_release(&api->body);
	buffer_release(&api->scratch);
	free(api->routes);
	free(api->contexts);
	free(api->counts.answers);
	free(api);
}

const struct http_route *api_routes(struct api *api, size_t *count)
{
	*count = api->route_count;
	return api->routes;
}

void api_close_doors(struct api *api)
{
	api->doors_closed = true;
}

void api_set_server(struct api *api, struct http_server *server)
{
	api->server = server;
}

void api_set_relay(struct api *api, struct relay_beside *relay)
{
	api->relay = relay;
}

void api_set_access(struct api *api, struct access *access)
{
	api->access = access;
}
