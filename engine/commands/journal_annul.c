/*
 * `ledgerline journal annul`: an operator's way out of poison.
 *
 *	1. replay the whole journal into a directory beside: what can this program not fold?
 *	2. only that very entry may be annulled: anything else is refused, and nothing is written
 *	3. replay once more without it: does the journal fold to its end now?
 *	4. take the journal over with a claim, append the entry `annulled`, read it back
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "engine/audit/replay.h"
#include "engine/audit/walk.h"
#include "engine/cli/progress.h"
#include "engine/commands/commands.h"
#include "engine/data/operator_entry.h"
#include "engine/data/scratch.h"
#include "schemas/wire/json.h"

enum { SCRATCH_MAX = GENERATION_PATH_MAX / 2, REASON_MAX = 512 };

struct annulling {
	const struct options *options;
	struct journal *journal;
	char scratch[SCRATCH_MAX];
	uint64_t position;
	struct annulments annulled; /* all of them, with the one that is asked for last */
	struct progress progress;
};

/* What a replay found: the first entry that cannot be folded, and why. */
struct found {
	bool is_poisoned;
	enum projection_id id;
	struct poison poison;
	char why[LL_ERROR_TEXT_MAX];
};

static void on_progress(void *context, uint64_t offset, uint64_t end)
{
	struct annulling *annulling = context;
	annulling->progress.total = end;
	progress_update(&annulling->progress, offset);
}

static void take_first(const struct ledger *ledger, struct found *found)
{
	struct poison poison;
	for (unsigned id = 0; id < PROJECTIONS_COUNT; id++) {
		if (!ledger_poison(ledger, id, &poison) || (found->is_poisoned && poison.seq >= found->poison.seq))
			continue;
		found->is_poisoned = true;
		found->id = id;
		found->poison = poison;
		snprintf(found->why, sizeof found->why, "%s", ledger_failure(ledger, id)->text);
	}
}

/* Folds everything anew, without what is annulled. LL_OK also when poison was found. */
static enum ll_code look(struct annulling *annulling, struct found *found, struct error *error)
{
	struct replay replay = {
		.journal = annulling->journal, .mask = PROJECTIONS_ALL, .progress = on_progress, .context = annulling};
	*found = (struct found){.is_poisoned = false};
	annulments_add_all(&replay.annulled, &annulling->annulled);
	for (unsigned id = 0; id < PROJECTIONS_COUNT; id++) {
		snprintf(replay.directories[id], sizeof replay.directories[id], "%s/%s", annulling->scratch,
			 projection_layouts[id].name);
		enum ll_code emptied = generation_empty(replay.directories[id], error);
		if (emptied != LL_OK)
			return emptied;
	}
	progress_begin(&annulling->progress, stderr, "replaying", "blocks", 0);
	enum ll_code code = replay_open(&replay, error);
	if (code == LL_OK)
		code = replay_to(&replay, UINT64_MAX, error);
	progress_end(&annulling->progress);
	if (replay.ledger)
		take_first(replay.ledger, found);
	annulments_add_all(&annulling->annulled, &replay.annulled);
	replay_abandon(&replay);
	return found->is_poisoned ? LL_OK : code;
}

/* Only what this program cannot fold, and of that only the first. */
static int refuse(const struct annulling *annulling, const struct found *found)
{
	if (!found->is_poisoned)
		return option_complain(annulling->options, EXIT_NO,
				       "position 0:%" PRIu64
				       " is not poison: this program folds the whole journal; nothing was written",
				       annulling->position);
	if (found->poison.seq != annulling->position)
		return option_complain(annulling->options, EXIT_NO,
				       "position 0:%" PRIu64
				       " is not the entry that cannot be folded: that is 0:%" PRIu64
				       " (%s); nothing was written",
				       annulling->position, found->poison.seq, found->why);
	return EXIT_DONE;
}

static void print_result(const struct annulling *annulling, const struct found *was, const struct found *next,
			 uint64_t offset)
{
	struct buffer buffer = {0};
	struct json_writer writer;
	json_writer_init(&writer, &buffer, false);
	json_object_begin(&writer);
	json_key(&writer, "position");
	json_textf(&writer, "0:%" PRIu64, was->poison.seq);
	json_member_uint64(&writer, "offset", was->poison.offset);
	json_member_uint64(&writer, "index", was->poison.index);
	json_member_text(&writer, "poison", was->why);
	json_member_uint64(&writer, "annulledAt", offset);
	json_key(&writer, "next");
	if (next->is_poisoned)
		json_textf(&writer, "0:%" PRIu64, next->poison.seq);
	else
		json_null(&writer);
	json_object_end(&writer);
	command_print(annulling->options, &buffer);
	buffer_release(&buffer);
	if (next->is_poisoned)
		fprintf(stderr, "the next entry that cannot be folded is 0:%" PRIu64 ": %s\n", next->poison.seq,
			next->why);
}

static enum ll_code write_entry(struct annulling *annulling, const struct found *found, uint64_t *offset,
				struct error *error)
{
	struct fold fold = {0};
	struct walk walk = {.end = UINT64_MAX};
	struct event event = {.type = EVENT_ANNULLED, .version = event_info(EVENT_ANNULLED)->version};
	event.annulled = (struct annulled){
		.offset = found->poison.offset,
		.index = found->poison.index,
		.reason = slice_text(option_text(annulling->options, "reason")),
		.approver = slice_text(option_text(annulling->options, "approver")),
	};
	enum ll_code code = walk_journal(annulling->journal, &walk, &fold, error);
	return code == LL_OK ? operator_entry_append(annulling->journal, &fold, &event, offset, error) : code;
}

static int annul(struct annulling *annulling)
{
	struct found found, next;
	struct error error;
	uint64_t offset = 0;
	if (look(annulling, &found, &error) != LL_OK)
		return command_failed(annulling->options, &error);
	int status = refuse(annulling, &found);
	if (status != EXIT_DONE)
		return status;
	(void)annulments_add(&annulling->annulled,
			     (struct annulment){found.poison.offset, found.poison.index, UINT64_MAX});
	if (look(annulling, &next, &error) != LL_OK || write_entry(annulling, &found, &offset, &error) != LL_OK)
		return command_failed(annulling->options, &error);
	print_result(annulling, &found, &next, offset);
	return EXIT_DONE;
}

static const char *scratch_place(const struct options *options)
{
	const char *place = option_text(options, "data"), *temporary = getenv("TMPDIR");
	return place ? place : temporary && *temporary ? temporary : "/tmp";
}

static int check(const struct options *options, uint64_t *position)
{
	const char *reason = option_text(options, "reason"), *approver = option_text(options, "approver");
	if (!command_position(option_text(options, "position"), position) || *position == UINT64_MAX)
		return option_complain(options, EXIT_USAGE, "--position takes one entry, like 0:1842");
	if (!*reason || strlen(reason) > REASON_MAX)
		return option_complain(options, EXIT_USAGE, "--reason has 1 to %d bytes: others will read it",
				       REASON_MAX);
	if (!*approver || strlen(approver) > TEXT_BYTES_MAX)
		return option_complain(options, EXIT_USAGE, "--approver has 1 to %d bytes", TEXT_BYTES_MAX);
	return EXIT_DONE;
}

static int run(const struct options *options, void *context)
{
	char url[JOURNAL_URL_MAX];
	struct annulling annulling = {.options = options};
	struct error error;
	(void)context;
	int status = check(options, &annulling.position);
	if (status == EXIT_DONE)
		status = command_journal_url(options, url);
	if (status == EXIT_DONE)
		status = command_open_journal(options, url, true, false, &annulling.journal);
	if (status == EXIT_DONE &&
	    scratch_make(scratch_place(options), "annul", annulling.scratch, sizeof annulling.scratch, &error) != LL_OK)
		status = command_failed(options, &error);
	if (status == EXIT_DONE)
		status = annul(&annulling);
	scratch_remove(annulling.scratch);
	annulments_release(&annulling.annulled);
	journal_close(annulling.journal);
	return status;
}

static const struct option options[] = {
	{.name = "data", .kind = OPTION_TEXT, .value = "DIR", .help = "the journal of this data directory"},
	{.name = "position",
	 .kind = OPTION_TEXT,
	 .value = "POSITION",
	 .help = "the entry, as the engine's message names it",
	 .required = true},
	{.name = "reason",
	 .kind = OPTION_TEXT,
	 .value = "TEXT",
	 .help = "why, for those who come later",
	 .required = true},
	{.name = "approver", .kind = OPTION_TEXT, .value = "NAME", .help = "who decided it", .required = true},
	OPTION_KAFKA,
	OPTION_CONFIG,
	OPTION_JSON,
	{0},
};

const struct cli_command command_journal_annul = {
	.name = "journal annul",
	.arguments = "[URL]",
	.summary = "declare that an entry which cannot be folded is to be folded as nothing",
	.description =
		"For an entry that stops a projection, when no version of the program can fold it. Replays the journal beside the data,\n"
		"and refuses every other entry than the first that this program cannot fold. Then takes the journal over with a claim and\n"
		"appends the entry `annulled`; an engine that leads follows from then on, and is to be started again: projections that had\n"
		"folded the entry are built anew. The entry stays in the journal; its command counts as never decided.",
	.options = options,
	.arguments_max = 1,
	.exits = "1: it is not the entry that cannot be folded; nothing was written",
	.run = run,
};
