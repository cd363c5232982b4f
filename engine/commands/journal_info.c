/* `ledgerline journal info`: what a journal is and how far it goes, from its envelopes alone. */
#include <inttypes.h>

#include "engine/audit/walk.h"
#include "engine/cli/progress.h"
#include "engine/commands/commands.h"
#include "schemas/wire/hash.h"
#include "schemas/wire/record_json.h"

struct info {
	char name[TEXT_BYTES_MAX + 1];
	uint32_t format;
	uint64_t blocks;
	int64_t first_time;
	struct journal_watermarks marks;
	struct fold fold;
	struct progress progress;
};

static void take_genesis(struct info *info, const struct block *block)
{
	struct arena arena = {0};
	struct genesis_body genesis;
	struct cursor cursor = cursor_over(block->body, &arena);
	if (genesis_body_decode(&cursor, &genesis)) {
		snprintf(info->name, sizeof info->name, "%.*s", SLICE_PRINT(genesis.name));
		info->format = genesis.format;
	}
	arena_release(&arena);
	info->first_time = block->time;
}

static void take_claim(struct info *info, const struct block *block)
{
	struct claim_body claim;
	struct cursor cursor = cursor_over(block->body, NULL);
	if (claim_body_decode(&cursor, &claim) && claim.format > info->format)
		info->format = claim.format;
}

static enum ll_code on_record(void *context, const struct journal_record *record, enum fold_verdict verdict,
			      const struct block *block, struct error *error)
{
	struct info *info = context;
	(void)record;
	(void)error;
	info->blocks += verdict == FOLD_GENESIS || verdict == FOLD_CLAIM || verdict == FOLD_ENTRIES;
	if (verdict == FOLD_GENESIS)
		take_genesis(info, block);
	else if (verdict == FOLD_CLAIM)
		take_claim(info, block);
	return LL_OK;
}

static void on_progress(void *context, uint64_t offset, uint64_t end)
{
	struct info *info = context;
	info->progress.total = end;
	progress_update(&info->progress, offset);
}

static void member_uuid(struct json_writer *writer, const char *key, const uint8_t *uuid, bool is_there)
{
	char text[UUID_TEXT_SIZE];
	json_key(writer, key);
	if (!is_there) {
		json_null(writer);
		return;
	}
	uuid_text(text, uuid);
	json_text(writer, text);
}

static void write_info(const struct info *info, const struct error *damage, struct json_writer *writer)
{
	const struct fold *fold = &info->fold;
	json_object_begin(writer);
	member_uuid(writer, "uuid", fold->ledger, fold->begun);
	json_member_text(writer, "name", fold->begun ? info->name : NULL);
	json_member_uint64(writer, "format", info->format);
	json_member_uint64(writer, "low", info->marks.low);
	json_member_uint64(writer, "high", info->marks.high);
	json_member_uint64(writer, "epoch", fold->epoch);
	member_uuid(writer, "writer", fold->claim_writer, fold->epoch > 0);
	json_member_uint64(writer, "blocks", info->blocks);
	json_member_uint64(writer, "entries", fold->next_seq);
	json_key(writer, "void");
	json_object_begin(writer);
	json_member_uint64(writer, "stale", fold->stale_blocks);
	json_member_uint64(writer, "foreign", fold->foreign_blocks);
	json_object_end(writer);
	json_key(writer, "firstTime");
	json_time(writer, info->first_time);
	json_key(writer, "lastTime");
	json_time(writer, fold->time);
	if (damage) {
		json_key(writer, "damage");
		json_object_begin(writer);
		json_member_uint64(writer, "offset", fold->next_offset);
		json_member_text(writer, "message", damage->text);
		json_object_end(writer);
	}
	json_object_end(writer);
}

static void print_info(const struct options *options, const struct info *info, const struct error *damage)
{
	struct buffer buffer = {0};
	struct json_writer writer;
	json_writer_init(&writer, &buffer, false);
	write_info(info, damage, &writer);
	command_print(options, &buffer);
	buffer_release(&buffer);
}

static int run(const struct options *options, void *context)
{
	char url[JOURNAL_URL_MAX];
	struct journal *journal = NULL;
	struct info info = {.format = 0};
	struct error error;
	(void)context;
	int status = command_journal_url(options, url);
	if (status == EXIT_DONE)
		status = command_open_journal(options, url, false, false, &journal);
	if (status != EXIT_DONE)
		return status;
	progress_begin(&info.progress, stderr, "reading", "blocks", 0);
	struct walk walk = {.end = UINT64_MAX, .record = on_record, .context = &info, .progress = on_progress};
	enum ll_code code = journal_watermarks(journal, &info.marks, &error);
	if (code == LL_OK)
		code = walk_journal(journal, &walk, &info.fold, &error);
	progress_end(&info.progress);
	if (info.marks.high < info.fold.next_offset)
		info.marks.high = info.fold.next_offset; /* it grew meanwhile */
	journal_close(journal);
	if (code != LL_OK && !journal_is_bad(code))
		return command_failed(options, &error);
	print_info(options, &info, code == LL_OK ? NULL : &error);
	return code == LL_OK ? EXIT_DONE : option_complain(options, EXIT_NO, "%s", error.text);
}

static const struct option options[] = {
	{.name = "data", .kind = OPTION_TEXT, .value = "DIR", .help = "the journal of this data directory"},
	OPTION_KAFKA,
	OPTION_CONFIG,
	OPTION_JSON,
	{0},
};

const struct cli_command command_journal_info = {
	.name = "journal info",
	.arguments = "[URL]",
	.summary = "offsets, epoch, entries and void blocks of a journal",
	.description =
		"Reads all envelopes by the fold rule. `blocks` are those that count; stale ones are of writers that were fenced,\n"
		"foreign ones are not of this ledger.",
	.options = options,
	.arguments_max = 1,
	.exits = "1: the journal is damaged, or its beginning is gone; the offset is told",
	.run = run,
};
