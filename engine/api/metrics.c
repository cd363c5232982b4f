/* GET /metrics, in the text format of Prometheus, and what is counted for it. */
#include <inttypes.h>
#include <stdio.h>

#include "engine/api/internal.h"
#include "engine/data/building.h"
#include "projections/views/specs.h"

/* Upper bounds of request durations, in microseconds. */
static const uint64_t buckets[BUCKETS] = {250,   500,   1000,   2500,   5000,    10000,
					  25000, 50000, 100000, 250000, 1000000, 5000000};

void api_answered(void *context, const struct http_request *request, int status, uint64_t duration_us)
{
	struct api *api = context;
	const char *pattern = http_pattern(request);
	size_t index = api->route_count;
	unsigned bucket = 0;
	for (size_t i = 0; i < api->route_count && index == api->route_count; i++)
		if (api->routes[i].pattern == pattern)
			index = api->contexts[i].index;
	if (status > 0 && status < STATUS_COUNT)
		api->counts.answers[index][status]++;
	while (bucket < BUCKETS && duration_us > buckets[bucket])
		bucket++;
	api->counts.durations[bucket]++;
	api->counts.duration_us_sum += duration_us;
}

/* ---- writing ---- */

static void head(struct buffer *out, const char *name, const char *type, const char *help)
{
	buffer_printf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void number(struct buffer *out, const char *name, const char *type, const char *help, uint64_t value)
{
	head(out, name, type, help);
	buffer_printf(out, "%s %" PRIu64 "\n", name, value);
}

static void seconds(struct buffer *out, const char *name, const char *type, const char *help, uint64_t us)
{
	head(out, name, type, help);
	buffer_printf(out, "%s %" PRIu64 ".%06u\n", name, us / 1000000, (unsigned)(us % 1000000));
}

/* ---- what happens here ---- */

static void write_commands(struct api *api, struct buffer *out)
{
	static const char *const names[ENDED_KINDS] = {"accepted", "refused", "rejected", "read", "repeated"};
	head(out, "ledgerline_commands_total", "counter", "Commands answered by this engine, by outcome and code.");
	for (unsigned kind = 0; kind < ENDED_KINDS; kind++) {
		for (unsigned code = 0; code < CODES_MAX; code++) {
			const struct code_info *info = code_info((uint16_t)code);
			uint64_t count = api->counts.commands[kind][code];
			if (count || (code == 0 && kind != ENDED_REJECTED && kind != ENDED_REFUSED))
				buffer_printf(out,
					      "ledgerline_commands_total{outcome=\"%s\",code=\"%s\"} %" PRIu64 "\n",
					      names[kind], info ? info->name : "", count);
		}
	}
}

static void write_http(struct api *api, struct buffer *out)
{
	uint64_t total = 0;
	head(out, "ledgerline_http_requests_total", "counter", "HTTP requests answered, by route and status.");
	for (size_t i = 0; i <= api->route_count; i++)
		for (unsigned status = 0; status < STATUS_COUNT; status++)
			if (api->counts.answers[i][status])
				buffer_printf(
					out, "ledgerline_http_requests_total{route=\"%s\",status=\"%u\"} %" PRIu64 "\n",
					i < api->route_count ? api->routes[i].pattern : "", status,
					api->counts.answers[i][status]);
	head(out, "ledgerline_http_request_duration_seconds", "histogram",
	     "From the first byte of a request to its answer.");
	for (unsigned i = 0; i <= BUCKETS; i++) {
		total += api->counts.durations[i];
		if (i < BUCKETS)
			buffer_printf(out,
				      "ledgerline_http_request_duration_seconds_bucket{le=\"%" PRIu64
				      ".%06u\"} %" PRIu64 "\n",
				      buckets[i] / 1000000, (unsigned)(buckets[i] % 1000000), total);
	}
	buffer_printf(out, "ledgerline_http_request_duration_seconds_bucket{le=\"+Inf\"} %" PRIu64 "\n", total);
	buffer_printf(out, "ledgerline_http_request_duration_seconds_sum %" PRIu64 ".%06u\n",
		      api->counts.duration_us_sum / 1000000, (unsigned)(api->counts.duration_us_sum % 1000000));
	buffer_printf(out, "ledgerline_http_request_duration_seconds_count %" PRIu64 "\n", total);
}

static void write_connections(struct api *api, struct buffer *out)
{
	struct http_statistics http;
	if (!api->server)
		return;
	http_server_statistics(api->server, &http);
	number(out, "ledgerline_http_connections", "gauge", "Connections that are open.", http.connections);
	number(out, "ledgerline_http_connections_total", "counter", "Connections taken since the start.",
	       http.connections_total);
	number(out, "ledgerline_http_connections_refused_total", "counter", "Connections refused for being too many.",
	       http.connections_refused);
	if (http.tls_valid_until) {
		number(out, "ledgerline_http_tls_failures_total", "counter",
		       "Connections that came to no handshake of TLS, or broke it.", http.tls_failed);
		number(out, "ledgerline_http_tls_valid_until_seconds", "gauge",
		       "Until when the certificate is valid, since 1970.", (uint64_t)http.tls_valid_until);
	}
	number(out, "ledgerline_http_requests_open", "gauge", "Requests that are not answered yet.",
	       http.requests_open);
	number(out, "ledgerline_http_clients_gone_total", "counter", "Requests whose client went before the answer.",
	       http.clients_gone);
	number(out, "ledgerline_http_received_bytes_total", "counter", "Bytes received.", http.bytes_in);
	number(out, "ledgerline_http_sent_bytes_total", "counter", "Bytes sent.", http.bytes_out);
}

/* ---- the writer and the journal ---- */

static void micro(struct buffer *out, uint64_t us)
{
	buffer_printf(out, "%" PRIu64 ".%06u", us / 1000000, (unsigned)(us % 1000000));
}

/* is_us: bounds and sum are microseconds, and are shown as seconds. */
static void histogram(struct buffer *out, const char *name, const char *help, const struct writer_histogram *h,
		      const uint64_t bounds[WRITER_BUCKETS], bool is_us)
{
	uint64_t total = 0;
	head(out, name, "histogram", help);
	for (unsigned i = 0; i < WRITER_BUCKETS; i++) {
		total += h->counts[i];
		buffer_printf(out, "%s_bucket{le=\"", name);
		if (is_us)
			micro(out, bounds[i]);
		else
			buffer_append_uint64(out, bounds[i]);
		buffer_printf(out, "\"} %" PRIu64 "\n", total);
	}
	total += h->counts[WRITER_BUCKETS];
	buffer_printf(out, "%s_bucket{le=\"+Inf\"} %" PRIu64 "\n%s_sum ", name, total, name);
	if (is_us)
		micro(out, h->sum);
	else
		buffer_append_uint64(out, h->sum);
	buffer_printf(out, "\n%s_count %" PRIu64 "\n", name, total);
}

static void write_writer(struct api *api, struct buffer *out)
{
	const struct writer *writer = engine_writer(api->engine);
	if (!writer)
		return;
	const struct writer_statistics *s = writer_statistics(writer);
	head(out, "ledgerline_entries_total", "counter",
	     "Entries folded since the start, by outcome, whoever wrote them.");
	buffer_printf(out, "ledgerline_entries_total{outcome=\"accepted\"} %" PRIu64 "\n", s->accepted);
	buffer_printf(out, "ledgerline_entries_total{outcome=\"refused\"} %" PRIu64 "\n", s->refused);
	buffer_printf(out, "ledgerline_entries_total{outcome=\"system\"} %" PRIu64 "\n", s->system);
	number(out, "ledgerline_blocks_total", "counter", "Blocks folded since the start.", s->blocks);
	number(out, "ledgerline_own_blocks_total", "counter", "Of them, blocks that this engine wrote.", s->own_blocks);
	number(out, "ledgerline_block_bytes_total", "counter", "Bytes of the blocks folded since the start.", s->bytes);
	number(out, "ledgerline_block_last_entries", "gauge", "Entries of the last block that this engine wrote.",
	       s->block_entries_last);
	seconds(out, "ledgerline_append_last_seconds", "gauge", "From appending the last own block to reading it back.",
		s->append_us_last);
	seconds(out, "ledgerline_append_seconds_total", "counter", "The same, summed over all own blocks.",
		s->append_us_sum);
	histogram(out, "ledgerline_append_duration_seconds", "The same, by how long it took.", &s->append_us,
		  writer_append_bounds_us, true);
	histogram(out, "ledgerline_block_entries", "Entries of the blocks that this engine wrote.", &s->block_entries,
		  writer_block_bounds, false);
	number(out, "ledgerline_append_failures_total", "counter", "Appends that failed, or came to nothing in time.",
	       s->append_failures);
	number(out, "ledgerline_claims_total", "counter", "Claims of the lead that this engine made.", s->claims);
	number(out, "ledgerline_overloaded_total", "counter", "Commands refused for too many waiting.", s->overloaded);
	number(out, "ledgerline_waiting_commands", "gauge", "Commands that wait or are in flight.",
	       writer_waiting(writer));
	number(out, "ledgerline_leader_info", "gauge", "1: this engine leads.", writer_state(writer) == WRITER_LEADING);
	number(out, "ledgerline_leader_known_info", "gauge", "1: this engine leads, or knows that the leader lives.",
	       engine_knows_leader(api->engine));
	head(out, "ledgerline_writer_state_info", "gauge", "The state that the writer is in.");
	buffer_printf(out, "ledgerline_writer_state_info{state=\"%s\"} 1\n", writer_state_text(writer_state(writer)));
}

/* ---- other engines ---- */

static void write_peers(struct api *api, struct buffer *out)
{
	static const char *const ends[FORWARD_KINDS] = {[FORWARD_ANSWERED] = "answered",
							[FORWARD_NOT_TAKEN] = "not_taken",
							[FORWARD_UNKNOWN] = "unknown",
							[FORWARD_LEADS_HERE] = "leads_here"};
	const char *standbys[STANDBYS_MAX];
	struct engine_status status;
	engine_status(api->engine, &status);
	number(out, "ledgerline_standbys", "gauge", "Of the leader: engines that would take over from it.",
	       engine_standbys(api->engine, standbys));
	number(out, "ledgerline_takeovers_total", "counter",
	       "How often this engine began to lead after another one had led.", status.takeovers);
	number(out, "ledgerline_handovers_total", "counter", "How often this engine handed the lead over.",
	       status.handovers);
	head(out, "ledgerline_forwarded_total", "counter", "Requests sent on to the leader, by how that ended.");
	for (unsigned how = 0; how < FORWARD_KINDS; how++)
		buffer_printf(out, "ledgerline_forwarded_total{end=\"%s\"} %" PRIu64 "\n", ends[how],
			      status.forwarded[how]);
}

static void write_journal(struct api *api, struct buffer *out)
{
	const struct fold *fold = ledger_fold_state(engine_ledger(api->engine));
	struct engine_status status;
	engine_status(api->engine, &status);
	number(out, "ledgerline_journal_low_offset", "gauge",
	       "The journal's first offset; anything but 0: its beginning is gone.", status.watermarks.low);
	number(out, "ledgerline_journal_high_offset", "gauge",
	       "One more than the journal's last offset, as of the last look.", status.watermarks.high);
	number(out, "ledgerline_journal_folded_offset", "gauge", "The offset that is folded next.", fold->next_offset);
	number(out, "ledgerline_journal_epoch", "gauge", "The epoch, which every change of the leader raises.",
	       fold->epoch);
	number(out, "ledgerline_ledger_entries", "gauge", "Entries of the whole ledger.", fold->next_seq);
	head(out, "ledgerline_void_blocks_total", "counter", "Records of the journal that do not count, by why.");
	buffer_printf(out, "ledgerline_void_blocks_total{reason=\"stale\"} %" PRIu64 "\n", fold->stale_blocks);
	buffer_printf(out, "ledgerline_void_blocks_total{reason=\"foreign\"} %" PRIu64 "\n", fold->foreign_blocks);
	seconds(out, "ledgerline_loop_turn_max_seconds", "gauge", "The longest turn of the event loop.",
		status.loop_late_us_max);
	seconds(out, "ledgerline_start_time_seconds", "gauge", "When the engine was started, since 1970.",
		(uint64_t)status.started_ms * 1000);
	head(out, "ledgerline_build_info", "gauge", "The version that runs.");
	buffer_printf(out, "ledgerline_build_info{version=\"%s\"} 1\n", LEDGERLINE_VERSION);
}

/* ---- projections ---- */

struct standing {
	uint64_t position, lag, long_readers, reader_held_us;
	bool failed, is_built;
	struct building building; /* of zeros when no rebuild runs */
	struct store_statistics store;
};

struct column {
	const char *name, *type, *help;
	uint64_t (*value)(const struct standing *);
	bool is_us;
};

#define COLUMN(name, expression)                                                                                       \
	static uint64_t column_##name(const struct standing *s)                                                        \
	{                                                                                                              \
		return expression;                                                                                     \
	}
COLUMN(position, s->position)
COLUMN(lag, s->lag)
COLUMN(failed, s->failed)
COLUMN(flushes, s->store.flushes)
COLUMN(rows, s->store.rows_flushed)
COLUMN(bytes, s->store.bytes_flushed)
COLUMN(flush_last, s->store.flush_us_last)
COLUMN(flush_max, s->store.flush_us_max)
COLUMN(map, s->store.map_bytes)
COLUMN(map_used, s->store.map_used_bytes)
COLUMN(clean, s->store.clean_bytes)
COLUMN(dirty, s->store.dirty_bytes)
COLUMN(readers, s->store.readers)
COLUMN(readers_max, s->store.readers_max)
COLUMN(long_readers, s->long_readers)
COLUMN(reader_held, s->reader_held_us)
COLUMN(readers_cleared, s->store.readers_cleared)
COLUMN(is_built, s->is_built)
COLUMN(built_entries, s->building.entries)
COLUMN(built_offset, s->building.offset)
COLUMN(built_end, s->building.end)
COLUMN(built_rate, building_rate(&s->building))

static const struct column columns[] = {
	{"ledgerline_projection_folded_entries", "gauge", "Entries that the projection has folded.", column_position,
	 false},
	{"ledgerline_projection_lag_entries", "gauge", "Entries that it is behind.", column_lag, false},
	{"ledgerline_projection_stopped_info", "gauge", "1: it has failed and is not folded on.", column_failed, false},
	{"ledgerline_projection_flushes_total", "counter", "Flushes to disk.", column_flushes, false},
	{"ledgerline_projection_flushed_rows_total", "counter", "Rows flushed to disk.", column_rows, false},
	{"ledgerline_projection_flushed_bytes_total", "counter", "The same, in bytes of memory.", column_bytes, false},
	{"ledgerline_projection_flush_last_seconds", "gauge", "How long its last flush took.", column_flush_last, true},
	{"ledgerline_projection_flush_max_seconds", "gauge", "How long its longest flush took.", column_flush_max,
	 true},
	{"ledgerline_projection_map_bytes", "gauge", "Size of its LMDB map.", column_map, false},
	{"ledgerline_projection_map_used_bytes", "gauge", "What of the map is used.", column_map_used, false},
	{"ledgerline_projection_clean_bytes", "gauge", "Memory of rows that equal the disk's.", column_clean, false},
	{"ledgerline_projection_dirty_bytes", "gauge", "Memory of rows that are not flushed.", column_dirty, false},
	{"ledgerline_projection_readers", "gauge", "Read slots in use, by any process.", column_readers, false},
	{"ledgerline_projection_max_readers", "gauge", "Read slots there are.", column_readers_max, false},
	{"ledgerline_projection_long_readers", "gauge", "Readers that have stood still for 5 seconds or longer.",
	 column_long_readers, false},
	{"ledgerline_projection_reader_held_seconds", "gauge",
	 "How long the longest of them has; while it does the file grows.", column_reader_held, true},
	{"ledgerline_projection_dead_readers_total", "counter", "Read slots of dead processes that were cleared.",
	 column_readers_cleared, false},
	{"ledgerline_projection_rebuild_info", "gauge", "1: `ledgerline rebuild` builds it anew beside this engine.",
	 column_is_built, false},
	{"ledgerline_projection_rebuild_entries", "gauge", "Entries that the rebuild has folded; 0: none runs.",
	 column_built_entries, false},
	{"ledgerline_projection_rebuild_offset", "gauge", "The journal's offset that the rebuild folds next.",
	 column_built_offset, false},
	{"ledgerline_projection_rebuild_end_offset", "gauge", "The offset that it goes to.", column_built_end, false},
	{"ledgerline_projection_rebuild_entries_per_second", "gauge", "How fast it goes, since it was begun.",
	 column_built_rate, false},
};

static void count_long_readers(const struct store *store, struct standing *standing)
{
	struct store_reader readers[STORE_READERS_MAX];
	standing->long_readers = store_long_readers(store, readers, STORE_READERS_MAX);
	standing->reader_held_us = 0;
	for (unsigned i = 0; i < standing->long_readers && i < STORE_READERS_MAX; i++)
		if (readers[i].held_ms * 1000 > standing->reader_held_us)
			standing->reader_held_us = readers[i].held_ms * 1000;
}

/* How long flushes took, of each projection. */
static void write_flushes(const struct ledger *ledger, const struct standing *standings, struct buffer *out)
{
	static const char name[] = "ledgerline_projection_flush_duration_seconds";
	head(out, name, "histogram", "How long flushes to disk took.");
	for (enum projection_id id = 0; id < PROJECTIONS_COUNT; id++) {
		if (!ledger_holds(ledger, id))
			continue;
		const struct store_statistics *store = &standings[id].store;
		const char *projection = projection_spec(id)->projection;
		uint64_t total = 0;
		for (unsigned i = 0; i < STORE_FLUSH_BUCKETS; i++) {
			total += store->flush_us[i];
			buffer_printf(out, "%s_bucket{projection=\"%s\",le=\"", name, projection);
			micro(out, store_flush_bounds_us[i]);
			buffer_printf(out, "\"} %" PRIu64 "\n", total);
		}
		total += store->flush_us[STORE_FLUSH_BUCKETS];
		buffer_printf(out, "%s_bucket{projection=\"%s\",le=\"+Inf\"} %" PRIu64 "\n", name, projection, total);
		buffer_printf(out, "%s_sum{projection=\"%s\"} ", name, projection);
		micro(out, store->flush_us_sum);
		buffer_printf(out, "\n%s_count{projection=\"%s\"} %" PRIu64 "\n", name, projection, total);
	}
}

static void write_projections(struct api *api, struct buffer *out)
{
	struct ledger *ledger = engine_ledger(api->engine);
	struct standing standings[PROJECTIONS_COUNT];
	struct engine_status status;
	engine_status(api->engine, &status);
	uint64_t next = ledger_fold_state(ledger)->next_seq;
	for (enum projection_id id = 0; id < PROJECTIONS_COUNT; id++) {
		if (!ledger_holds(ledger, id))
			continue;
		struct standing *standing = &standings[id];
		standing->position = ledger_position(ledger, id);
		standing->lag = standing->position < next ? next - standing->position : 0;
		standing->failed = ledger_failure(ledger, id) != NULL;
		store_statistics(ledger_store(ledger, id), &standing->store);
		count_long_readers(ledger_store(ledger, id), standing);
		standing->is_built = building_look(status.data, id, &standing->building);
	}
	for (size_t i = 0; i < sizeof columns / sizeof *columns; i++) {
		const struct column *column = &columns[i];
		head(out, column->name, column->type, column->help);
		for (enum projection_id id = 0; id < PROJECTIONS_COUNT; id++) {
			if (!ledger_holds(ledger, id))
				continue;
			uint64_t value = column->value(&standings[id]);
			buffer_printf(out, "%s{projection=\"%s\"} ", column->name, projection_spec(id)->projection);
			if (column->is_us)
				buffer_printf(out, "%" PRIu64 ".%06u\n", value / 1000000, (unsigned)(value % 1000000));
			else
				buffer_printf(out, "%" PRIu64 "\n", value);
		}
	}
	write_flushes(ledger, standings, out);
}

static void write_audits(struct api *api, struct buffer *out)
{
	struct engine_audits_status status;
	engine_audits_status(api->engine, &status);
	number(out, "ledgerline_audit_cuts_opened_total", "counter", "Past states that were folded for a question.",
	       status.cuts_opened);
	number(out, "ledgerline_audit_cuts_found_total", "counter", "Questions about past states that were found open.",
	       status.cuts_found);
	number(out, "ledgerline_audit_cuts_open", "gauge", "Past states that stay open.", status.cuts_open);
	number(out, "ledgerline_snapshots_total", "counter", "Snapshots that were taken by themselves.",
	       status.snapshots);
}

static void write_access(struct api *api, struct buffer *out)
{
	/* Shown before they are first counted, too: who watches them otherwise misses the beginning. */
	static const uint16_t shown[] = {CODE_KEY_REQUIRED, CODE_KEY_INVALID, CODE_FORBIDDEN, CODE_OVERLOADED};
	struct access_statistics s;
	if (!api->access)
		return;
	access_statistics(api->access, &s);
	head(out, "ledgerline_access_denied_total", "counter",
	     "Requests that were refused for their access key, by code.");
	for (unsigned i = 0; i < sizeof shown / sizeof *shown; i++)
		buffer_printf(out, "ledgerline_access_denied_total{code=\"%s\"} %" PRIu64 "\n",
			      code_info(shown[i])->name, api->counts.denied[shown[i]]);
	number(out, "ledgerline_access_keys", "gauge", "Access keys there are.", s.keys);
	number(out, "ledgerline_access_verifications_total", "counter", "Keys held against their slow hash.",
	       s.verifications);
	number(out, "ledgerline_access_wrong_total", "counter", "Of them, keys that were wrong.", s.wrong);
	number(out, "ledgerline_access_waiting", "gauge", "Keys that wait for it.", s.waiting);
	number(out, "ledgerline_access_stale_info", "gauge",
	       "1: the file of keys has changed and cannot be read: the keys before hold.", s.is_stale);
}

static void write_relay(struct api *api, struct buffer *out)
{
	struct relay_status status;
	if (!api->relay)
		return;
	relay_beside_status(api->relay, &status);
	relay_write_metrics(&status, ledger_fold_state(engine_ledger(api->engine))->next_seq, engine_now(api->engine),
			    out);
}

void handle_metrics(struct http_request *request, void *context)
{
	struct api *api = ((const struct route_context *)context)->api;
	struct buffer *out = &api->body;
	if (http_refuse_query(request))
		return;
	buffer_clear(out);
	write_commands(api, out);
	write_writer(api, out);
	write_peers(api, out);
	write_journal(api, out);
	write_projections(api, out);
	write_audits(api, out);
	write_relay(api, out);
	write_access(api, out);
	write_http(api, out);
	write_connections(api, out);
	const struct http_response response = {
		.status = 200, .content_type = "text/plain; version=0.0.4; charset=utf-8", .body = buffer_slice(out)};
	http_respond(request, &response);
}
