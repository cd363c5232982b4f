/* `ledgerline journal info`: what a journal is and how far it goes; what of it does not count, and why. */
#include <inttypes.h>

#include "engine/audit/walk.h"
#include "engine/cli/progress.h"
#include "engine/commands/commands.h"
#include "schemas/wire/hash.h"
#include "schemas/wire/record_json.h"

enum { LAST_VOID = 10 };

/* A record that does not count. */
struct void_record {
	uint64_t offset, epoch;
	const char *kind, *reason;
};

struct info {
	char name[TEXT_BYTES_MAX + 1];
	uint32_t format;
	uint64_t blocks, stale_claims;
	int64_t first_time;
	uint64_t void_count;
	struct void_record last_void[LAST_VOID]; /* a ring: the newest stands at (void_count - 1) % LAST_VOID */
	struct buffer annulled;                  /* JSON objects, with commas between */
	bool is_poisoned;                        /* by an entry that cannot be decoded: the first is told */
	uint64_t poison_offset, poison_seq;
	char poison[LL_ERROR_TEXT_MAX];
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

static struct void_record stale(const struct fold *fold, const struct journal_record *record, const struct block *block)
{
	struct void_record found = {.offset = record->offset, .epoch = block->epoch};
	if (block->kind == BLOCK_CLAIM) {
		found.kind = "claim";
		found.reason = "its epoch was claimed before";
	} else {
		found.kind = "entries";
		found.reason = block->epoch < fold->epoch ? "of a writer that was deposed"
							  : "its entries were folded before: appended twice";
	}
	return found;
}

static struct void_record foreign(const struct journal_record *record, const struct block *block)
{
	struct void_record found = {.offset = record->offset, .epoch = block->epoch, .kind = "foreign"};
	found.reason = block->ledger.size ? "a block of another ledger: of a writer that outlived its topic?"
					  : "not a block at all: somebody writes into this journal by hand";
	return found;
}

static void take_void(struct info *info, const struct void_record *record, bool is_stale_claim)
{
	info->last_void[info->void_count++ % LAST_VOID] = *record;
	info->stale_claims += is_stale_claim;
}

static enum ll_code on_entry(void *context, const struct entry *entry, struct error *error)
{
	struct info *info = context;
	struct json_writer writer;
	(void)error;
	if (entry->event_count != 1 || entry->events[0].type != EVENT_ANNULLED)
		return LL_OK;
	const struct annulled *event = &entry->events[0].annulled;
	if (info->annulled.size)
		buffer_append_byte(&info->annulled, ',');
	json_writer_init(&writer, &info->annulled, false);
	json_object_begin(&writer);
	json_member_uint64(&writer, "offset", event->offset);
	json_key(&writer, "index");
	if (event->index == NONE_U32)
		json_null(&writer);
	else
		json_uint64(&writer, event->index);
	json_member_uint64(&writer, "by", entry->offset);
	json_member_string(&writer, "approver", event->approver);
	json_member_string(&writer, "reason", event->reason);
	json_object_end(&writer);
	return LL_OK;
}

static enum ll_code on_poison(void *context, const struct entry *entry, const char *why, struct error *error)
{
	struct info *info = context;
	(void)error;
	if (info->is_poisoned)
		return LL_OK;
	info->is_poisoned = true;
	info->poison_offset = entry->offset;
	info->poison_seq = entry->seq;
	snprintf(info->poison, sizeof info->poison, "the entry cannot be decoded (%s)", why);
	return LL_OK;
}

static enum ll_code on_record(void *context, const struct journal_record *record, enum fold_verdict verdict,
			      const struct block *block, struct error *error)
{
	struct info *info = context;
	struct void_record nothing;
	(void)error;
	info->blocks += verdict == FOLD_GENESIS || verdict == FOLD_CLAIM || verdict == FOLD_ENTRIES;
	if (verdict == FOLD_GENESIS)
		take_genesis(info, block);
	else if (verdict == FOLD_CLAIM)
		take_claim(info, block);
	else if (verdict == FOLD_STALE)
		nothing = stale(&info->fold, record, block), take_void(info, &nothing, block->kind == BLOCK_CLAIM);
	else if (verdict == FOLD_FOREIGN)
		nothing = foreign(record, block), take_void(info, &nothing, false);
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

static void write_void(const struct info *info, struct json_writer *writer)
{
	uint64_t shown = info->void_count < LAST_VOID ? info->void_count : LAST_VOID;
	json_key(writer, "void");
	json_object_begin(writer);
	json_member_uint64(writer, "stale", info->fold.stale_blocks);
	json_member_uint64(writer, "foreign", info->fold.foreign_blocks);
	json_member_uint64(writer, "staleClaims", info->stale_claims);
	json_key(writer, "last");
	json_array_begin(writer);
	for (uint64_t i = info->void_count - shown; i < info->void_count; i++) {
		const struct void_record *record = &info->last_void[i % LAST_VOID];
		json_object_begin(writer);
		json_member_uint64(writer, "offset", record->offset);
		json_member_text(writer, "kind", record->kind);
		json_member_uint64(writer, "epoch", record->epoch);
		json_member_text(writer, "reason", record->reason);
		json_object_end(writer);
	}
	json_array_end(writer);
	json_object_end(writer);
}

static void write_poison(const struct info *info, struct json_writer *writer)
{
	json_key(writer, "poison");
	json_object_begin(writer);
	json_member_uint64(writer, "offset", info->poison_offset);
	json_key(writer, "position");
	json_textf(writer, "0:%" PRIu64, info->poison_seq);
	json_member_text(writer, "message", info->poison);
	json_object_end(writer);
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
	write_void(info, writer);
	json_key(writer, "annulled");
	json_array_begin(writer);
	if (info->annulled.size)
		json_raw(writer, buffer_slice(&info->annulled));
	json_array_end(writer);
	if (info->is_poisoned)
		write_poison(info, writer);
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
	struct walk walk = {.end = UINT64_MAX,
			    .record = on_record,
			    .entry = on_entry,
			    .poison = on_poison,
			    .context = &info,
			    .progress = on_progress};
	enum ll_code code = journal_watermarks(journal, &info.marks, &error);
	if (code == LL_OK)
		code = walk_journal(journal, &walk, &info.fold, &error);
	progress_end(&info.progress);
	if (info.marks.high < info.fold.next_offset)
		info.marks.high = info.fold.next_offset; /* it grew meanwhile */
	journal_close(journal);
	bool is_told = code == LL_OK || journal_is_bad(code);
	if (is_told)
		print_info(options, &info, code == LL_OK ? NULL : &error);
	buffer_release(&info.annulled);
	if (!is_told)
		return command_failed(options, &error);
	if (code == LL_OK && info.is_poisoned)
		return option_complain(options, EXIT_NO, "journal offset %" PRIu64 ": position 0:%" PRIu64 ": %s",
				       info.poison_offset, info.poison_seq, info.poison);
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
	.summary = "offsets, epoch, entries, void blocks and annulled entries of a journal",
	.description =
		"Reads everything by the fold rule. `blocks` are those that count; stale ones are of writers that were fenced (of them\n"
		"claims that came too late), foreign ones are not of this ledger: the last ones are told with their reason. `annulled` are\n"
		"entries that an operator has annulled, `poison` is the first that cannot be decoded.",
	.options = options,
	.arguments_max = 1,
	.exits = "1: the journal is damaged, its beginning is gone, or an entry cannot be decoded; the offset is told",
	.run = run,
};
