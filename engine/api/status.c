/* GET /api/status, /healthz, /readyz. */
#include <stdio.h>

#include "engine/api/internal.h"
#include "projections/store/generation.h"
#include "projections/views/specs.h"

static void write_void(const struct fold *fold, struct json_writer *writer)
{
	json_key(writer, "void");
	json_object_begin(writer);
	json_member_uint64(writer, "stale", fold->stale_blocks);
	json_member_uint64(writer, "foreign", fold->foreign_blocks);
	json_object_end(writer);
}

static void write_journal(const struct engine_status *status, const struct fold *fold, struct json_writer *writer)
{
	json_key(writer, "journal");
	json_object_begin(writer);
	json_member_text(writer, "kind", status->identity.kind);
	json_member_text(writer, "url", status->journal_url);
	json_member_text(writer, "cluster", status->identity.cluster);
	json_member_text(writer, "topic", status->identity.topic);
	json_member_uint64(writer, "low", status->watermarks.low);
	json_member_uint64(writer, "high", status->watermarks.high);
	json_member_uint64(writer, "folded", fold->next_offset);
	write_void(fold, writer);
	json_object_end(writer);
}

/* What it is among the engines of its journal. */
static const char *role_text(bool leads, enum engine_role role)
{
	return leads ? "leader" : role == ENGINE_STANDS_BY ? "standby" : "follower";
}

static void write_standbys(struct api *api, struct json_writer *writer)
{
	const char *addresses[STANDBYS_MAX];
	unsigned count = engine_standbys(api->engine, addresses);
	json_key(writer, "standbys");
	json_array_begin(writer);
	for (unsigned i = 0; i < count; i++)
		json_text(writer, addresses[i]);
	json_array_end(writer);
}

void write_leader(struct api *api, struct json_writer *writer)
{
	const struct fold *fold = ledger_fold_state(engine_ledger(api->engine));
	struct engine_status status;
	engine_status(api->engine, &status);
	const struct writer *own = api->doors_closed ? NULL : engine_writer(api->engine);
	bool leads = own && writer_state(own) == WRITER_LEADING;
	json_key(writer, "leader");
	json_object_begin(writer);
	json_member_bool(writer, "self", leads);
	json_member_text(writer, "role", role_text(leads, status.role));
	json_member_text(writer, "state", own ? writer_state_text(writer_state(own)) : "stopped");
	json_member_bool(writer, "known", own && engine_knows_leader(api->engine));
	json_member_text(writer, "address", *fold->claim_address ? fold->claim_address : NULL);
	json_member_uint64(writer, "epoch", fold->epoch);
	json_member_uint64(writer, "waiting", own ? writer_waiting(own) : 0);
	if (own && writer_failure(own))
		json_member_text(writer, "failure", writer_failure(own)->text);
	write_standbys(api, writer);
	json_member_uint64(writer, "takeovers", status.takeovers);
	json_member_uint64(writer, "handovers", status.handovers);
	json_object_end(writer);
}

static void member_generation(const char *data, const char *name, struct json_writer *writer)
{
	char root[GENERATION_PATH_MAX], path[GENERATION_PATH_MAX];
	unsigned number;
	int size = snprintf(root, sizeof root, "%s/projections/%s", data, name);
	if (size < (int)sizeof root && generation_current(root, path, &number, NULL) == LL_OK)
		json_member_uint64(writer, "generation", number);
	else
		json_member_null(writer, "generation");
}

static void write_long_readers(const struct store *store, struct json_writer *writer)
{
	struct store_reader readers[STORE_READERS_MAX];
	unsigned count = store_long_readers(store, readers, STORE_READERS_MAX);
	json_key(writer, "longReaders");
	json_array_begin(writer);
	for (unsigned i = 0; i < count && i < STORE_READERS_MAX; i++) {
		json_object_begin(writer);
		json_member_int64(writer, "process", readers[i].process);
		json_member_uint64(writer, "seconds", readers[i].held_ms / 1000);
		json_member_uint64(writer, "commitsBehind", readers[i].commits_behind);
		json_object_end(writer);
	}
	json_array_end(writer);
}

static void write_projection(struct ledger *ledger, enum projection_id id, const char *data, struct json_writer *writer)
{
	const struct store_spec *spec = projection_spec(id);
	const struct error *failure = ledger_failure(ledger, id);
	uint64_t next = ledger_fold_state(ledger)->next_seq, at = ledger_position(ledger, id);
	struct store_statistics statistics;
	json_key(writer, spec->projection);
	json_object_begin(writer);
	member_generation(data, spec->projection, writer);
	json_member_uint64(writer, "schemaVersion", spec->schema_version);
	json_member_position(writer, "position", at - 1);
	json_member_uint64(writer, "lag", at < next ? next - at : 0);
	json_member_text(writer, "state", failure ? "stopped" : at < next ? "behind" : "live");
	if (failure)
		json_member_text(writer, "failure", failure->text);
	store_statistics(ledger_store(ledger, id), &statistics);
	json_member_uint64(writer, "mapBytes", statistics.map_bytes);
	json_member_uint64(writer, "mapUsedBytes", statistics.map_used_bytes);
	json_member_uint64(writer, "readers", statistics.readers);
	json_member_uint64(writer, "readersMax", statistics.readers_max);
	write_long_readers(ledger_store(ledger, id), writer);
	json_object_end(writer);
}

static void write_relay(struct api *api, uint64_t entries, struct json_writer *writer)
{
	struct relay_status status;
	uint64_t published = 0;
	relay_beside_status(api->relay, &status);
	for (unsigned i = 0; i < PUBLIC_TYPES_COUNT; i++)
		published += status.counts.published[i];
	json_key(writer, "relay");
	json_object_begin(writer);
	json_member_text(writer, "state", relay_state_text(status.state));
	json_member_position(writer, "position", status.next - 1);
	json_member_uint64(writer, "pending", relay_pending(&status, entries));
	json_member_uint64(writer, "lagMs", (uint64_t)relay_lag_ms(&status, engine_now(api->engine)));
	json_member_uint64(writer, "published", published);
	json_member_uint64(writer, "retries", status.retries);
	json_member_uint64(writer, "fenced", status.fenced);
	json_member_text(writer, "lastError", status.error_ms ? status.error : NULL);
	json_member_time(writer, "lastErrorAt", status.error_ms ? status.error_ms : NONE_TIME);
	json_object_end(writer);
}

static void write_status(struct api *api, struct json_writer *writer)
{
	struct ledger *ledger = engine_ledger(api->engine);
	const struct fold *fold = ledger_fold_state(ledger);
	struct engine_status status;
	char uuid[UUID_TEXT_SIZE];
	engine_status(api->engine, &status);
	uuid_text(uuid, fold->ledger);
	json_object_begin(writer);
	json_member_text(writer, "version", LEDGERLINE_VERSION);
	json_member_text(writer, "ledger", uuid);
	json_member_bool(writer, "ready", status.is_ready && !api->doors_closed);
	json_member_time(writer, "startedAt", status.started_ms);
	json_member_text(writer, "data", status.data);
	json_member_position(writer, "position", fold->next_seq - 1);
	json_member_time(writer, "time", fold->time);
	json_member_uint64(writer, "entries", fold->next_seq);
	write_journal(&status, fold, writer);
	write_leader(api, writer);
	json_key(writer, "projections");
	json_object_begin(writer);
	for (enum projection_id id = 0; id < PROJECTIONS_COUNT; id++)
		if (ledger_holds(ledger, id))
			write_projection(ledger, id, status.data, writer);
	json_object_end(writer);
	if (api->relay)
		write_relay(api, fold->next_seq, writer);
	json_object_end(writer);
}

void handle_status(struct http_request *request, void *context)
{
	struct api *api = ((const struct route_context *)context)->api;
	struct answer_fields fields = {.count = 0};
	struct json_writer writer;
	if (http_refuse_query(request))
		return;
	buffer_clear(&api->body);
	json_writer_init(&writer, &api->body, false);
	write_status(api, &writer);
	fields_position(&fields, position_now(api));
	answer_body(api, request, 200, &fields);
}

/* ---- health ---- */

/* Why this engine is of no use any more; NULL: it is well. */
static const char *illness(struct api *api)
{
	const struct writer *writer = engine_writer(api->engine);
	struct ledger *ledger = engine_ledger(api->engine);
	if (writer && writer_failure(writer))
		return writer_failure(writer)->text;
	for (enum projection_id id = 0; id < PROJECTIONS_COUNT; id++)
		if (ledger_holds(ledger, id) && ledger_failure(ledger, id))
			return ledger_failure(ledger, id)->text;
	return NULL;
}

/* Why nothing should be sent here now. */
static const char *absence(struct api *api)
{
	const struct writer *writer = engine_writer(api->engine);
	struct engine_status status;
	engine_status(api->engine, &status);
	if (api->doors_closed || !writer)
		return "the engine is stopping";
	if (!status.is_ready)
		return "the engine is starting";
	if (!engine_knows_leader(api->engine))
		return "the engine does not lead, and knows nobody who does";
	return illness(api);
}

static void answer_health(struct http_request *request, void *context, const char *(*ask)(struct api *))
{
	struct api *api = ((const struct route_context *)context)->api;
	struct answer_fields fields = {.count = 0};
	struct json_writer writer;
	if (http_refuse_query(request))
		return;
	const char *reason = ask(api);
	buffer_clear(&api->body);
	json_writer_init(&writer, &api->body, false);
	json_object_begin(&writer);
	json_member_text(&writer, "status", reason ? "unavailable" : "ok");
	if (reason)
		json_member_text(&writer, "reason", reason);
	json_object_end(&writer);
	answer_body(api, request, reason ? 503 : 200, &fields);
}

void handle_health(struct http_request *request, void *context)
{
	answer_health(request, context, illness);
}

void handle_ready(struct http_request *request, void *context)
{
	answer_health(request, context, absence);
}
