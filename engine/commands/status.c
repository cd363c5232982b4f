/*
 * `ledgerline status`: what an engine says of itself (--url), or what its directory tells without it (--data).
 */
#include <inttypes.h>
#include <string.h>

#include "engine/audit/guarded.h"
#include "engine/client/http_client.h"
#include "engine/commands/commands.h"
#include "engine/data/data.h"
#include "projections/store/generation.h"
#include "projections/views/snapshot_view.h"
#include "projections/views/specs.h"
#include "schemas/wire/record_json.h"

enum { ASK_TIMEOUT_MS = 10000, READY_TIMEOUT_MS = 3000 };

/* ---- from the directory ---- */

struct look {
	unsigned generation; /* 0: none */
	enum ll_code code;
	struct error error;
	struct fold fold; /* of LL_OK */
};

struct status {
	const struct options *options;
	struct data data;
	struct look looks[PROJECTIONS_COUNT];
	const struct look *furthest; /* NULL: none can be read */
};

static void look_at(struct status *status, enum projection_id id)
{
	struct look *look = &status->looks[id];
	char root[DATA_PATH_MAX], path[GENERATION_PATH_MAX];
	struct snapshot_places places = {.root = root, .which = 1u << id};
	struct snapshot_view *snapshots = NULL;
	data_projection_root(&status->data, id, root);
	look->code = generation_current(root, path, &look->generation, &look->error);
	snprintf(root, sizeof root, "%s/projections", status->data.path);
	if (look->code == LL_OK)
		look->code = snapshot_view_open(&places, &snapshots, &look->error);
	if (look->code == LL_OK)
		look->code = snapshot_view_pin(snapshots, 0, &look->error);
	if (look->code == LL_OK)
		look->fold = *snapshot_view_fold(snapshots);
	if (look->code == LL_OK && (!status->furthest || look->fold.next_offset > status->furthest->fold.next_offset))
		status->furthest = look;
	snapshot_view_close(snapshots);
}

static void member_position(struct json_writer *writer, uint64_t next_seq)
{
	json_key(writer, "position");
	if (next_seq)
		json_textf(writer, "0:%" PRIu64, next_seq - 1);
	else
		json_text(writer, "start");
}

static const char *state_of(const struct status *status, const struct look *look)
{
	if (!look->generation)
		return "absent";
	if (look->code == LL_NOT_FOUND)
		return "empty";
	if (look->code != LL_OK)
		return error_code_text(look->code);
	return look->fold.next_offset < status->furthest->fold.next_offset ? "behind" : "live";
}

static void write_projection(const struct status *status, enum projection_id id, struct json_writer *writer)
{
	const struct look *look = &status->looks[id];
	json_key(writer, projection_layouts[id].name);
	json_object_begin(writer);
	json_key(writer, "generation");
	if (look->generation)
		json_uint64(writer, look->generation);
	else
		json_null(writer);
	json_member_uint64(writer, "schemaVersion", projection_spec(id)->schema_version);
	if (look->code == LL_OK)
		member_position(writer, look->fold.next_seq);
	else
		json_member_null(writer, "position");
	json_member_text(writer, "state", state_of(status, look));
	if (look->generation && look->code != LL_OK)
		json_member_text(writer, "failure", look->error.text);
	json_object_end(writer);
}

static void write_fold(const struct status *status, struct json_writer *writer)
{
	const struct fold *fold = status->furthest ? &status->furthest->fold : NULL;
	char uuid[UUID_TEXT_SIZE] = "";
	if (fold)
		uuid_text(uuid, fold->ledger);
	json_member_text(writer, "ledger", fold ? uuid : NULL);
	json_member_text(writer, "data", status->data.path);
	member_position(writer, fold ? fold->next_seq : 0);
	json_key(writer, "time");
	json_time(writer, fold && fold->next_seq ? fold->time : NONE_TIME);
	json_member_uint64(writer, "entries", fold ? fold->next_seq : 0);
	json_key(writer, "journal");
	json_object_begin(writer);
	json_member_text(writer, "kind", fold ? fold->journal_kind : NULL);
	json_member_text(writer, "url", status->data.url);
	json_member_text(writer, "cluster", fold ? fold->journal_cluster : NULL);
	json_member_text(writer, "topic", fold ? fold->journal_topic : NULL);
	json_member_uint64(writer, "folded", fold ? fold->next_offset : 0);
	json_object_end(writer);
}

static void write_status(const struct status *status, struct json_writer *writer)
{
	int holder = data_holder(status->data.path);
	json_object_begin(writer);
	json_member_text(writer, "version", LEDGERLINE_VERSION);
	write_fold(status, writer);
	json_key(writer, "engine");
	json_object_begin(writer);
	json_member_bool(writer, "running", holder != 0);
	json_key(writer, "pid");
	if (holder)
		json_int64(writer, holder);
	else
		json_null(writer);
	json_object_end(writer);
	json_key(writer, "projections");
	json_object_begin(writer);
	for (unsigned id = 0; id < PROJECTIONS_COUNT; id++)
		write_projection(status, id, writer);
	json_object_end(writer);
	json_object_end(writer);
}

static int work(void *context, char *place)
{
	struct status *status = context;
	struct buffer buffer = {0};
	struct json_writer writer;
	for (unsigned id = 0; id < PROJECTIONS_COUNT; id++) {
		snprintf(place, GUARDED_PLACE_MAX, "projection %s", projection_layouts[id].name);
		look_at(status, id);
	}
	json_writer_init(&writer, &buffer, false);
	write_status(status, &writer);
	command_print(status->options, &buffer);
	buffer_release(&buffer);
	return EXIT_DONE;
}

static int from_directory(const struct options *options)
{
	struct status status = {.options = options};
	struct error error;
	char place[GUARDED_PLACE_MAX];
	bool interrupted = false;
	if (data_open(option_text(options, "data"), NULL, DATA_READ, &status.data, &error) != LL_OK)
		return command_failed(options, &error);
	int result = guarded_run(work, &status, place, &interrupted);
	data_close(&status.data);
	if (result >= 0)
		return result;
	return interrupted ? option_complain(options, EXIT_FAILED, "it was interrupted")
			   : option_complain(options, EXIT_FAILED,
					     "%s cannot be read: its file is damaged; run `ledgerline rebuild`", place);
}

/* ---- from an engine ---- */

static int from_engine(const struct options *options)
{
	struct http_client *client = NULL;
	struct http_reply reply;
	struct error error;
	struct buffer buffer = {0};
	struct json_reader reader = {0};
	const struct json_node *root;
	const char *url = option_text(options, "url");
	int status = EXIT_DONE;
	enum ll_code code = command_client(options, url, &client, &error);
	if (code == LL_OK)
		code = http_client_ask(client, "GET", "/api/status", SLICE_EMPTY, ASK_TIMEOUT_MS, &reply, &error);
	if (code != LL_OK) {
		status = command_failed(options, &error);
	} else if (reply.status != 200 || json_read(&reader, reply.body, &root, &error) != LL_OK ||
		   root->type != JSON_OBJECT) {
		status = option_complain(options, EXIT_FAILED, "%s answered with status %d: %s", url, reply.status,
					 reply.status == 401 || reply.status == 403
						 ? "give an access key that may ask this, by --access-key FILE"
					 : reply.status == 400 ? "does it speak https://?"
							       : "is that a ledgerline engine?");
	} else {
		buffer_append_slice(&buffer, reply.body);
		command_print(options, &buffer);
	}
	json_reader_release(&reader);
	buffer_release(&buffer);
	http_client_free(client);
	return status;
}

/* /readyz needs no key: it is 200, or 503 with the reason. */
static int is_ready(const struct options *options)
{
	struct http_client *client = NULL;
	struct http_reply reply;
	struct error error;
	int status = EXIT_DONE;
	enum ll_code code = command_client(options, option_text(options, "url"), &client, &error);
	if (code == LL_OK)
		code = http_client_ask(client, "GET", "/readyz", SLICE_EMPTY, READY_TIMEOUT_MS, &reply, &error);
	if (code != LL_OK) {
		status = command_failed(options, &error);
	} else {
		printf("%.*s\n", (int)reply.body.size, reply.body.at);
		status = reply.status == 200 ? EXIT_DONE : EXIT_NO;
	}
	http_client_free(client);
	return status;
}

static int run(const struct options *options, void *context)
{
	bool data = option_given(options, "data"), url = option_given(options, "url");
	bool ready = option_flag(options, "ready");
	(void)context;
	if (data == url)
		return option_complain(options, EXIT_USAGE, "give --data DIR or --url http://HOST:PORT%s",
				       data ? ", not both" : "");
	if (ready && data)
		return option_complain(options, EXIT_USAGE, "--ready is asked of an engine: give --url URL");
	if (ready)
		return is_ready(options);
	return url ? from_engine(options) : from_directory(options);
}

static const struct option options[] = {
	{.name = "data", .kind = OPTION_TEXT, .value = "DIR", .help = "a data directory, with an engine or without"},
	{.name = "url",
	 .kind = OPTION_TEXT,
	 .value = "URL",
	 .help = "of an engine: http://HOST:PORT or https://HOST:PORT"},
	{.name = "ready",
	 .kind = OPTION_FLAG,
	 .help = "ask --url only whether it takes requests: status 0, or 1 and the reason; 3 when nobody answers"},
	OPTION_ACCESS_KEY,
	OPTION_TLS_CA,
	OPTION_CONFIG,
	OPTION_JSON,
	{0},
};

const struct cli_command command_status = {
	.name = "status",
	.summary = "where the ledger stands: journal, positions, generations",
	.description =
		"With --url what the engine says at /api/status; with --data what its directory tells: which ledger and journal, whether\n"
		"an engine runs, and for each projection its generation, schema version, position and state.\n"
		"--ready is for health checks.",
	.options = options,
	.run = run,
};
