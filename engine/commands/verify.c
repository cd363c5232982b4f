/*
 * `ledgerline verify`: is the journal whole, and are the projections what it says?
 *
 *	1. the journal: every record by the fold rule, every entry decoded
 *	2. with --decide and --invariants: every entry against the rules, in one fold (engine/audit/recheck.h)
 *	3. the projections: a fresh replay from offset 0 into a directory beside them, compared at their own position
 *
 * Nothing of the data directory is changed, and no lock is taken: an engine may serve meanwhile. The work is done in a child,
 * because a damaged file can end the process that reads it.
 */
#include <inttypes.h>
#include <stdlib.h>

#include "engine/audit/findings.h"
#include "engine/audit/guarded.h"
#include "engine/audit/period.h"
#include "engine/audit/recheck.h"
#include "engine/audit/replay.h"
#include "engine/audit/walk.h"
#include "engine/cli/progress.h"
#include "engine/commands/commands.h"
#include "engine/data/data.h"
#include "engine/data/scratch.h"

struct verifying {
	const struct options *options;
	struct data data;
	bool has_data;
	char scratch[DATA_PATH_MAX / 2];
	struct journal *journal;
	struct fold fold; /* of the whole journal */
	struct verdict verdict;
	struct recheck recheck;
	struct replay rules; /* the fold on which the rules are checked */
	struct progress progress;
	struct findings findings;
	bool has_periods;
	size_t periods; /* that were closed */
	unsigned wrong_periods;
	struct buffer period_words;
};

static void on_progress(void *context, uint64_t offset, uint64_t end)
{
	struct verifying *verifying = context;
	verifying->progress.total = end;
	progress_update(&verifying->progress, offset);
}

/* ---- the report ---- */

static bool checks_rules(const struct verifying *verifying)
{
	return option_flag(verifying->options, "decide") || option_flag(verifying->options, "invariants");
}

static void write_rules(struct verifying *verifying, struct json_writer *writer)
{
	struct recheck *recheck = &verifying->recheck;
	json_key(writer, "rules");
	if (!checks_rules(verifying)) {
		json_null(writer);
		return;
	}
	json_object_begin(writer);
	json_member_uint64(writer, "entries", recheck->entries);
	json_member_uint64(writer, "decided", recheck->decided);
	json_member_bool(writer, "invariants", recheck->invariants);
	json_member_uint64(writer, "findings", recheck->findings);
	json_key(writer, "first");
	json_raw(writer, recheck_json(recheck));
	json_object_end(writer);
}

static void print_rules(struct verifying *verifying)
{
	struct recheck *recheck = &verifying->recheck;
	if (recheck->findings) {
		printf("%s", buffer_text(&recheck->words));
		printf("%" PRIu64 " %s not what the rules give\n", recheck->findings,
		       recheck->findings == 1 ? "thing is" : "things are");
		return;
	}
	if (recheck->decide)
		printf("decisions    %" PRIu64 " of %" PRIu64 " entries decided again: all the same\n",
		       recheck->decided, recheck->entries);
	if (recheck->invariants)
		printf("invariants   hold after each of %" PRIu64 " entries\n", recheck->entries);
}

static void write_report(struct verifying *verifying, const struct error *failure, struct json_writer *writer)
{
	const struct verdict *verdict = &verifying->verdict;
	json_object_begin(writer);
	json_member_bool(writer, "verified",
			 !failure && verdict->compared.differences == 0 && verifying->recheck.findings == 0 &&
				 !verifying->wrong_periods);
	json_member_text(writer, "message", failure ? failure->text : NULL);
	json_member_text(writer, "journal", journal_url(verifying->journal));
	json_member_uint64(writer, "offset", verifying->fold.next_offset);
	json_member_uint64(writer, "entries", verifying->fold.next_seq);
	json_key(writer, "position");
	if (verdict->entries)
		json_textf(writer, "0:%" PRIu64, verdict->entries - 1);
	else
		json_null(writer);
	json_member_uint64(writer, "rows", verdict->compared.rows);
	json_member_text(writer, "digest", verdict->has_digests ? verdict->replayed_digest : NULL);
	json_member_uint64(writer, "differences", verdict->compared.differences);
	json_key(writer, "first");
	json_raw(writer, findings_json(&verifying->findings));
	write_rules(verifying, writer);
	json_member_uint64(writer, "periods", verifying->periods);
	json_key(writer, "periodsThatDiffer");
	if (verifying->period_words.size)
		json_string(writer, buffer_slice(&verifying->period_words));
	else
		json_null(writer);
	json_object_end(writer);
}

static void print_words(struct verifying *verifying)
{
	const struct verdict *verdict = &verifying->verdict;
	if (checks_rules(verifying))
		print_rules(verifying);
	if (verdict->compared.differences) {
		printf("%s", buffer_text(&verifying->findings.words));
		printf("%" PRIu64 " %s from a replay\n", verdict->compared.differences,
		       verdict->compared.differences == 1 ? "row differs" : "rows differ");
		return;
	}
	printf("journal      %s: whole, %" PRIu64 " blocks, %" PRIu64 " entries\n", journal_url(verifying->journal),
	       verifying->fold.next_offset, verifying->fold.next_seq);
	if (verifying->has_data)
		printf("projections  equal to a replay of %" PRIu64 " entries: %" PRIu64 " rows\n", verdict->entries,
		       verdict->compared.rows);
	if (verdict->missing)
		printf("             %u are not there: the next engine builds them\n", verdict->missing);
	if (verifying->wrong_periods)
		printf("%s", buffer_text(&verifying->period_words));
	else if (verifying->periods)
		printf("periods      %zu closed, each as it was closed\n", verifying->periods);
	if (verdict->has_digests)
		printf("digest       %s\n", verdict->replayed_digest);
}

static int report(struct verifying *verifying, enum ll_code code, const struct error *error)
{
	bool is_no = journal_is_bad(code) || code == LL_UNTRUSTED || code == LL_OLDER || code == LL_FOREIGN;
	bool is_told = code == LL_OK || is_no;
	if (is_told && option_flag(verifying->options, "json")) {
		struct buffer buffer = {0};
		struct json_writer writer;
		json_writer_init(&writer, &buffer, false);
		write_report(verifying, code == LL_OK ? NULL : error, &writer);
		command_print(verifying->options, &buffer);
		buffer_release(&buffer);
	} else if (code == LL_OK) {
		print_words(verifying);
	}
	if (code == LL_OK)
		return verifying->verdict.compared.differences || verifying->recheck.findings ||
				       verifying->wrong_periods
			       ? EXIT_NO
			       : EXIT_DONE;
	return is_no ? option_complain(verifying->options, EXIT_NO, "%s", error->text)
		     : command_failed(verifying->options, error);
}

/* ---- the work ---- */

static enum ll_code on_entry(void *context, const struct entry *entry, struct error *error)
{
	struct verifying *verifying = context;
	(void)error;
	verifying->has_periods |= entry->event_count == 1 && entry->events[0].type == EVENT_PERIOD_CLOSED;
	return LL_OK;
}

static enum ll_code verify_journal(struct verifying *verifying, struct error *error)
{
	struct walk walk = {.end = UINT64_MAX, .entry = on_entry, .context = verifying, .progress = on_progress};
	progress_begin(&verifying->progress, stderr, "reading the journal", "blocks", 0);
	enum ll_code code = walk_journal(verifying->journal, &walk, &verifying->fold, error);
	progress_end(&verifying->progress);
	return code;
}

static struct view *state_of_rules(void *context)
{
	struct verifying *verifying = context;
	return ledger_view(verifying->rules.ledger);
}

/* An annulled entry makes the fold begin anew, and the check with it. */
static enum ll_code verify_rules(struct verifying *verifying, struct error *error)
{
	struct replay *replay = &verifying->rules;
	verifying->recheck.decide = option_flag(verifying->options, "decide");
	verifying->recheck.invariants = option_flag(verifying->options, "invariants");
	*replay = (struct replay){.journal = verifying->journal,
				  .mask = RECHECK_MASK,
				  .before = recheck_before,
				  .after = recheck_after,
				  .seen_context = &verifying->recheck,
				  .progress = on_progress,
				  .context = verifying};
	for (unsigned id = 0; id < PROJECTIONS_COUNT; id++)
		snprintf(replay->directories[id], sizeof replay->directories[id], "%s/rules-%s", verifying->scratch,
			 projection_layouts[id].name);
	progress_begin(&verifying->progress, stderr, "checking the rules", "blocks", 0);
	enum ll_code code = replay_open(replay, error);
	if (code == LL_OK)
		code = replay_to(replay, UINT64_MAX, error);
	if (code == LL_OK)
		recheck_count(&verifying->recheck);
	replay_abandon(replay);
	progress_end(&verifying->progress);
	return code;
}

static enum ll_code verify_projections(struct verifying *verifying, char *place, struct error *error)
{
	char root[DATA_PATH_MAX];
	struct replay replay = {
		.journal = verifying->journal, .mask = PROJECTIONS_ALL, .progress = on_progress, .context = verifying};
	snprintf(root, sizeof root, "%s/projections", verifying->data.path);
	for (unsigned id = 0; id < PROJECTIONS_COUNT; id++)
		snprintf(replay.directories[id], sizeof replay.directories[id], "%s/%s", verifying->scratch,
			 projection_layouts[id].name);
	progress_begin(&verifying->progress, stderr, "replaying", "blocks", 0);
	enum ll_code code = replay_open(&replay, error);
	if (code == LL_OK)
		code = replay_compare(&replay, root, true, findings_add, &verifying->findings, &verifying->verdict,
				      place, GUARDED_PLACE_MAX, error);
	replay_abandon(&replay);
	progress_end(&verifying->progress);
	return code;
}

/* What was closed once must be so for ever. A period's state is folded from the nearest snapshot: one that were wrong would not
 * have its digest. */
static enum ll_code verify_periods(struct verifying *verifying, struct error *error)
{
	char snapshots[DATA_PATH_MAX];
	struct closings closings = {.count = 0};
	struct buffer words = {0};
	struct cut_source source = {.journal = verifying->journal,
				    .scratch = verifying->has_data ? verifying->data.path : "/var/tmp"};
	snprintf(snapshots, sizeof snapshots, "%s/snapshots", verifying->data.path);
	source.snapshots = verifying->has_data ? snapshots : NULL;
	progress_begin(&verifying->progress, stderr, "checking closed periods", "blocks", 0);
	enum ll_code code = closings_find(verifying->journal, &closings, on_progress, verifying, error);
	for (size_t i = 0; i < closings.count && code == LL_OK; i++) {
		const struct closing *closing = closings.at[i];
		buffer_clear(&words);
		code = closing_check(&source, closing, &words, error);
		if (!words.size)
			continue;
		verifying->wrong_periods++;
		buffer_printf(&verifying->period_words, "period %.*s, closed by 0:%" PRIu64 ": %s\n",
			      SLICE_PRINT(closing->period.closed.name), closing->seq, buffer_text(&words));
	}
	progress_end(&verifying->progress);
	verifying->periods = closings.count;
	closings_release(&closings);
	buffer_release(&words);
	return code;
}

static int work(void *context, char *place)
{
	struct verifying *verifying = context;
	struct error error;
	const char *url = verifying->has_data ? verifying->data.url : option_text(verifying->options, "journal");
	findings_init(&verifying->findings);
	recheck_init(&verifying->recheck, state_of_rules, verifying);
	snprintf(place, GUARDED_PLACE_MAX, "the journal %s", url);
	int status = command_open_journal(verifying->options, url, false, false, &verifying->journal);
	if (status != EXIT_DONE)
		return status;
	enum ll_code code = verify_journal(verifying, &error);
	if (code == LL_OK && checks_rules(verifying))
		code = verify_rules(verifying, &error);
	if (code == LL_OK && verifying->has_data)
		code = verify_projections(verifying, place, &error);
	if (code == LL_OK && verifying->has_periods)
		code = verify_periods(verifying, &error);
	status = report(verifying, code, &error);
	journal_close(verifying->journal);
	findings_release(&verifying->findings);
	recheck_release(&verifying->recheck);
	buffer_release(&verifying->period_words);
	return status;
}

/* Without a data directory there is work to be done on the disk only for the rules. */
static int make_room(struct verifying *verifying, struct error *error)
{
	const char *temporary = getenv("TMPDIR");
	const char *where = verifying->has_data       ? verifying->data.path
			    : temporary && *temporary ? temporary
						      : "/var/tmp";
	if (!verifying->has_data && !checks_rules(verifying))
		return EXIT_DONE;
	if (scratch_make(where, "verify", verifying->scratch, sizeof verifying->scratch, error) == LL_OK)
		return EXIT_DONE;
	return command_failed(verifying->options, error);
}

static int open_data(struct verifying *verifying, struct error *error)
{
	const char *directory = option_text(verifying->options, "data");
	if (!directory)
		return make_room(verifying, error);
	if (data_open(directory, option_text(verifying->options, "journal"), DATA_READ, &verifying->data, error) !=
	    LL_OK)
		return command_failed(verifying->options, error);
	verifying->has_data = true;
	return make_room(verifying, error);
}

static int run(const struct options *options, void *context)
{
	struct verifying verifying = {.options = options};
	struct error error;
	char place[GUARDED_PLACE_MAX];
	bool interrupted = false;
	(void)context;
	if (!option_text(options, "data") && !option_text(options, "journal"))
		return option_complain(options, EXIT_USAGE,
				       "what is to be verified? Give --data DIR, or --journal URL for a journal alone");
	int status = open_data(&verifying, &error);
	if (status == EXIT_DONE)
		status = guarded_run(work, &verifying, place, &interrupted);
	scratch_remove(verifying.scratch);
	if (verifying.has_data)
		data_close(&verifying.data);
	if (status >= 0)
		return status;
	if (interrupted)
		return option_complain(options, EXIT_FAILED, "it was interrupted, nothing was changed");
	return option_complain(options, EXIT_NO, "%s cannot be read: its file is damaged", place);
}

static const struct option options[] = {
	{.name = "data",
	 .kind = OPTION_TEXT,
	 .value = "DIR",
	 .help = "the data directory; without it only the journal is verified"},
	OPTION_JOURNAL,
	{.name = "decide",
	 .kind = OPTION_FLAG,
	 .help = "decide every command again, and hold what comes of it against its entry"},
	{.name = "invariants",
	 .kind = OPTION_FLAG,
	 .help = "hold the laws of the ledger against the state after every entry"},
	OPTION_KAFKA,
	OPTION_CONFIG,
	OPTION_JSON,
	{0},
};

const struct cli_command command_verify = {
	.name = "verify",
	.summary = "prove that the journal is whole and the projections are what it says",
	.description =
		"Reads the journal from offset 0: checksums, hashes, sequence numbers, epochs, every event. Then replays it beside the\n"
		"projections and compares every row, at their position. Works while an engine serves. Shows the first differences.\n"
		"--decide and --invariants fold the journal once more, from 0, and hold every entry against the rules.",
	.options = options,
	.exits =
		"1: the journal is damaged, a projection is not what a replay gives, or an entry not what the rules give; where is told",
	.run = run,
};
