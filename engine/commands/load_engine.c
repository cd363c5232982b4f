/*
 * Loading into an engine of this process: lines become commands in slots, as many on their way as there are slots, and the
 * writer decides them in their order. A line that needs what lines before it make (a schedule named by its concert and
 * day) waits until those are committed.
 */
#include <inttypes.h>
#include <stdlib.h>

#include "engine/api/command_json.h"
#include "engine/commands/load.h"
#include "engine/serve/engine.h"
#include "schemas/wire/ensure.h"
#include "schemas/wire/hash.h"

enum { SLOTS = 8192, SLOT_BYTES = 1024 };
#define BYTES_ON_THEIR_WAY_MAX ((size_t)64 << 20)

struct slot {
	struct pending pending; /* first: the writer hands it back */
	struct arena arena;
	struct slot *next_free;
	struct loading *loading;
	uint64_t line;
	size_t bytes;
};

struct loading {
	struct load *load;
	uv_loop_t loop;
	struct engine *engine;
	struct slot *slots, *free;
	size_t out, bytes_out;
	bool changes_schedules; /* something on its way may change what concert and day mean */
	struct pending_chain chain;
	struct json_reader reader;
	struct token_secret secret;
	uv_poll_t source; /* of what is not a file: says when there is more */
	bool polled, polling;
	uv_idle_t feeding; /* keeps the loop turning while lines may be taken */
	bool no_more, over, failed;
	struct error error;
};

static void finish(struct loading *loading)
{
	if (loading->out == 0 && !loading->over) {
		loading->over = true;
		uv_stop(&loading->loop);
	}
}

static void fail(struct loading *loading, enum ll_code code, const char *text)
{
	if (!loading->failed)
		error_set(&loading->error, code, "%s", text);
	loading->failed = loading->no_more = true;
}

/* ---- answers ---- */

static bool is_of_the_world(uint16_t code)
{
	return code_info(code)->status == 503 || code == CODE_OVERLOADED || code == CODE_INTERNAL;
}

static void rejected(struct loading *loading, const struct slot *slot, const struct answer *answer)
{
	const struct code_info *info = code_info(answer->code);
	char sentence[256];
	if (answer->code == CODE_SKIPPED)
		return;
	if (is_of_the_world(answer->code)) {
		snprintf(sentence, sizeof sentence,
			 "line %" PRIu64 " was not taken, %s: %s Load again: what was taken is not taken twice",
			 slot->line, info->name, info->message);
		fail(loading, LL_UNAVAILABLE, sentence);
	} else if (answer->code == CODE_VALIDATION_ERROR && answer->field) {
		load_bad(loading->load, slot->line, "%s %s", answer->field, answer->reason);
	} else {
		load_bad_code(loading->load, slot->line, slice_text(info->name), slice_text(info->message));
	}
}

static void on_feeding(uv_idle_t *idle);

static void answered(struct pending *pending, const struct answer *answer)
{
	struct slot *slot = (struct slot *)pending;
	struct loading *loading = slot->loading;
	struct load *load = loading->load;
	switch (answer->kind) {
	case ANSWER_HIT: load->repeated++; break;
	case ANSWER_READ: load->reads++; break;
	case ANSWER_REJECTED: rejected(loading, slot, answer); break;
	case ANSWER_DECIDED:
		if (answer->entry->head.outcome == OUTCOME_REFUSED)
			load_refused(load, slot->line, answer->entry->code);
		else
			load->accepted++;
		break;
	}
	load_progress(load);
	loading->out--;
	loading->bytes_out -= slot->bytes;
	slot->next_free = loading->free;
	loading->free = slot;
	uv_idle_start(&loading->feeding, on_feeding); /* lines are read from the loop, not from within the fold */
}

/* ---- lines ---- */

static const struct zone *find_zone(void *context)
{
	const struct zone *zone = NULL;
	return engine_policy(((struct loading *)context)->engine, &zone) ? zone : NULL;
}

static bool submit(struct loading *loading, struct slot *slot, const struct parsed_command *parsed)
{
	enum code code;
	slot->pending = (struct pending){
		.command = parsed->command,
		.id = parsed->id,
		.actor_type = parsed->actor_type ? parsed->actor_type : ACTOR_TYPE_SYSTEM,
		.actor_id = parsed->actor_id,
		.answer = answered,
		.chain = loading->load->keep_going ? NULL : &loading->chain,
	};
	if (engine_submit(loading->engine, &slot->pending, &code) != LL_OK) {
		rejected(loading, slot, &(struct answer){.kind = ANSWER_REJECTED, .code = code});
		return false;
	}
	loading->free = slot->next_free;
	loading->out++;
	loading->bytes_out += slot->bytes;
	loading->changes_schedules |= command_changes_schedules(parsed->command.type);
	return true;
}

/* false: the line has to wait. */
static bool take_line(struct loading *loading, struct slice line)
{
	struct load *load = loading->load;
	struct slot *slot = loading->free;
	const struct json_node *root;
	struct parsed_command parsed;
	struct error error;
	slot->line = load->lines.number;
	slot->bytes = line.size;
	arena_reset(&slot->arena);
	if (!load_command_of(load, &line))
		return true;
	if (json_read(&loading->reader, line, &root, &error) != LL_OK) {
		load_bad(load, slot->line, "%s", error.text);
		return true;
	}
	const struct resolve_context resolve = {
		.view = ledger_view(engine_ledger(loading->engine)),
		.zone = find_zone,
		.context = loading,
		.secret = &loading->secret,
		.busy = loading->out && loading->changes_schedules,
	};
	bool fine = command_from_json(&loading->reader, root, &slot->arena, &resolve, &parsed);
	ledger_view_reset(engine_ledger(loading->engine));
	if (parsed.later)
		return false;
	if (!fine && parsed.code == CODE_VALIDATION_ERROR)
		load_bad(load, slot->line, "%s %s", parsed.field, parsed.reason);
	else if (!fine)
		load_bad_code(load, slot->line, slice_text(code_info(parsed.code)->name),
			      slice_text(code_info(parsed.code)->message));
	else if (parsed.id.size == 0)
		load_bad(load, slot->line,
			 "it has no id: by its id a command is applied once, however often it is loaded");
	else
		submit(loading, slot, &parsed);
	return true;
}

static void on_readable(uv_poll_t *poll, int status, int events);

/* false: nothing has come yet. */
static bool read_on(struct loading *loading, bool readable)
{
	struct error error;
	if (!loading->load->lines.is_file && !readable) {
		if (!loading->polling)
			ENSURE(uv_poll_start(&loading->source, UV_READABLE | UV_DISCONNECT, on_readable) == 0);
		loading->polling = true;
		return false;
	}
	if (lines_fill(&loading->load->lines, &error) != LL_OK)
		fail(loading, error.code, error.text);
	return true;
}

static void feed(struct loading *loading, bool readable)
{
	struct load *load = loading->load;
	struct slice line;
	if (loading->out == 0)
		loading->changes_schedules = false;
	while (!loading->no_more && loading->free && loading->bytes_out < BYTES_ON_THEIR_WAY_MAX) {
		enum line state = load_is_over(load) ? LINE_NONE : lines_next(&load->lines, &line);
		if (state == LINE_NONE) {
			loading->no_more = true;
		} else if (state == LINE_TOO_LONG) {
			load_bad(load, load->lines.number, "it has more than %d bytes", LINE_BYTES_MAX);
		} else if (state == LINE_NEEDS_MORE) {
			if (!read_on(loading, readable))
				return;
			readable = false;
		} else if (!take_line(loading, line)) {
			lines_back(&load->lines);
			return;
		}
	}
	if (loading->no_more)
		finish(loading);
}

static void on_feeding(uv_idle_t *idle)
{
	uv_idle_stop(idle);
	feed(idle->data, false);
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
	struct loading *loading = poll->data;
	(void)status;
	(void)events;
	uv_poll_stop(poll);
	loading->polling = false;
	feed(loading, true);
}

/* ---- beginning and end ---- */

static void ready(void *context)
{
	struct loading *loading = context;
	uv_idle_start(&loading->feeding, on_feeding);
}

static void failed(void *context, const struct error *error)
{
	struct loading *loading = context;
	fail(loading, error->code, error->text);
	loading->over = true;
	uv_stop(&loading->loop);
}

static void stopped(void *context)
{
	uv_stop(&((struct loading *)context)->loop);
}

static void begin(struct loading *loading)
{
	struct lines *lines = &loading->load->lines;
	ENSURE(uv_idle_init(&loading->loop, &loading->feeding) == 0);
	loading->feeding.data = loading->source.data = loading;
	if (!lines->is_file)
		loading->polled = uv_poll_init(&loading->loop, &loading->source, lines->descriptor) == 0;
	lines->is_file |= !loading->polled; /* what cannot be polled never keeps one waiting (/dev/null) */
	loading->slots = calloc(SLOTS, sizeof *loading->slots);
	ENSURE(loading->slots);
	for (unsigned i = 0; i < SLOTS; i++) {
		loading->slots[i].arena.chunk_bytes = SLOT_BYTES;
		loading->slots[i].loading = loading;
		loading->slots[i].next_free = loading->free;
		loading->free = &loading->slots[i];
	}
	memcpy(loading->secret.bytes, engine_secret(loading->engine), sizeof loading->secret.bytes);
}

static void end(struct loading *loading)
{
	uint64_t next = ledger_fold_state(engine_ledger(loading->engine))->next_seq;
	loading->load->position = next ? next - 1 : LOAD_NO_POSITION;
	uv_close((uv_handle_t *)&loading->feeding, NULL);
	if (loading->polled)
		uv_close((uv_handle_t *)&loading->source, NULL);
	engine_stop(loading->engine, stopped, loading);
	uv_run(&loading->loop, UV_RUN_DEFAULT);
	for (unsigned i = 0; i < SLOTS; i++)
		arena_release(&loading->slots[i].arena);
	free(loading->slots);
	json_reader_release(&loading->reader);
}

/* A mistyped --data made another ledger: one line says so. */
static void tell_made(const struct loading *loading)
{
	char uuid[UUID_TEXT_SIZE];
	struct engine_status status;
	engine_status(loading->engine, &status);
	uuid_text(uuid, ledger_fold_state(engine_ledger(loading->engine))->ledger);
	const char *among = *status.made_among ? ", among other things: " : "";
	if (status.made == ENGINE_MADE_LEDGER)
		option_complain(loading->load->options, EXIT_DONE,
				"%s had no ledger: made a new one, %s, with its journal at %s%s%s", status.data, uuid,
				status.journal_url, among, status.made_among);
	else if (status.made == ENGINE_MADE_DIRECTORY)
		option_complain(loading->load->options, EXIT_DONE,
				"%s was no data directory: made it one, of the ledger %s with its journal at %s%s%s",
				status.data, uuid, status.journal_url, among, status.made_among);
}

static struct progress *folding;

static void on_folding(uint64_t offset, uint64_t all)
{
	folding->total = all;
	progress_update(folding, offset);
}

enum ll_code load_into_engine(struct load *load, const char *data, const char *journal,
			      const struct journal_option *settings, size_t settings_count, struct error *error)
{
	struct loading loading = {.load = load};
	struct error closing;
	struct progress progress;
	struct engine_options engine_options = {
		.data = data, .journal = journal, .settings = settings, .settings_count = settings_count};
	ENSURE(uv_loop_init(&loading.loop) == 0);
	progress_begin(&progress, stderr, "folding", "blocks", 0);
	folding = &progress;
	enum ll_code code = engine_open(&loading.loop, &engine_options, on_folding, &loading.engine, error);
	progress_end(&progress);
	if (code == LL_OK) {
		tell_made(&loading);
		begin(&loading);
		engine_start(loading.engine, ready, failed, &loading);
		uv_run(&loading.loop, UV_RUN_DEFAULT);
		if (loading.failed)
			code = error_set(error, loading.error.code, "%s", loading.error.text);
		end(&loading);
		if (engine_close(loading.engine, &closing) != LL_OK && code == LL_OK)
			code = error_set(error, closing.code, "%s", closing.text);
	}
	while (uv_run(&loading.loop, UV_RUN_NOWAIT))
		continue;
	ENSURE(uv_loop_close(&loading.loop) == 0);
	return code;
}
