/*
 * `ledgerline rebuild`: projections from the journal's first record, as new generations.
 *
 *	make        a new generation's directory beside the current one
 *	fold        from offset 0, or from a snapshot; with --certify exactly as far as the current one stands, where both are compared row by row
 *	            and by their digests; then to the journal's end
 *	adopt       one rename each; the old one is marked retired, so that readers open the new one
 *	tidy        generations older than the one that was replaced are deleted: that one stays for one --rollback
 *
 * Without an engine only: the directory's lock is held all the time. Whatever fails before the adoption leaves everything as it was.
 * The work is done in a child, because a damaged old generation can end the process that reads it.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "engine/audit/findings.h"
#include "engine/audit/guarded.h"
#include "engine/audit/replay.h"
#include "engine/cli/progress.h"
#include "engine/commands/commands.h"
#include "engine/data/data.h"
#include "engine/snapshots/snapshots.h"
#include "projections/views/specs.h"

struct generation {
	unsigned made, before; /* numbers; 0: none */
};

struct rebuilding {
	const struct options *options;
	struct data data;
	struct replay replay;
	struct generation generations[PROJECTIONS_COUNT];
	struct verdict verdict;
	struct findings findings;
	struct progress progress;
	uint64_t entries;
};

static bool is_chosen(const struct rebuilding *rebuilding, unsigned id)
{
	return rebuilding->replay.mask >> id & 1;
}

/* ---- adopting ---- */

/* What readers of an old generation see: that another one took its place. In a child: the old one may be damaged. */
struct retiring {
	enum projection_id id;
	char path[GENERATION_PATH_MAX];
};

static int retire_one(void *context, char *place)
{
	const struct retiring *retiring = context;
	struct store_options store_options = {.directory = retiring->path};
	struct store *store = NULL;
	struct slice position = SLICE_EMPTY;
	struct error error;
	(void)place;
	if (store_open(projection_spec(retiring->id), &store_options, &store, &position, &error) != LL_OK)
		return EXIT_DONE; /* then nobody reads it either */
	free((void *)(uintptr_t)position.at);
	store_retire(store);
	store_freeze(store);
	return store_close(store, &error) == LL_OK ? EXIT_DONE : EXIT_FAILED;
}

static void retire_all(const struct rebuilding *rebuilding)
{
	char root[DATA_PATH_MAX], place[GUARDED_PLACE_MAX];
	struct retiring retiring;
	bool interrupted;
	for (unsigned id = 0; id < PROJECTIONS_COUNT; id++) {
		unsigned number = rebuilding->generations[id].before;
		if (!is_chosen(rebuilding, id) || !number)
			continue;
		retiring.id = id;
		data_projection_root(&rebuilding->data, id, root);
		if (snprintf(retiring.path, sizeof retiring.path, "%s/gen-%06u", root, number) >=
		    (int)sizeof retiring.path)
			continue;
		if (guarded_run(retire_one, &retiring, place, &interrupted) != EXIT_DONE)
			fprintf(stderr,
				"warning: who still reads generation %u of %s was not told that there is a newer one\n",
				number, projection_layouts[id].name);
	}
}

/* Those that are neither `kept` nor `also`. What somebody still has is left for the next time. */
static void delete_others(const char *root, unsigned kept, unsigned also)
{
	unsigned numbers[GENERATIONS_MAX];
	size_t count = 0;
	if (generation_list(root, numbers, &count, NULL) != LL_OK)
		return;
	for (size_t i = 0; i < count; i++)
		if (numbers[i] != kept && numbers[i] != also && generation_delete(root, numbers[i], NULL) != LL_OK)
			continue;
}

static enum ll_code adopt_all(struct rebuilding *rebuilding, struct error *error)
{
	char root[DATA_PATH_MAX];
	for (unsigned id = 0; id < PROJECTIONS_COUNT; id++) {
		struct generation *generation = &rebuilding->generations[id];
		if (!is_chosen(rebuilding, id))
			continue;
		data_projection_root(&rebuilding->data, id, root);
		enum ll_code code = generation_adopt(root, generation->made, error);
		if (code != LL_OK)
			return code;
		delete_others(root, generation->made, generation->before);
	}
	return LL_OK;
}

/* ---- making ---- */

static enum ll_code make_generations(struct rebuilding *rebuilding, struct error *error)
{
	char root[DATA_PATH_MAX], path[GENERATION_PATH_MAX];
	snprintf(root, sizeof root, "%s/projections", rebuilding->data.path);
	if (mkdir(root, 0775) != 0 && errno != EEXIST)
		return error_set(error, errno == EACCES || errno == EROFS ? LL_DENIED : LL_IO, "cannot make %s: %s",
				 root, strerror(errno));
	for (unsigned id = 0; id < PROJECTIONS_COUNT; id++) {
		struct generation *generation = &rebuilding->generations[id];
		if (!is_chosen(rebuilding, id))
			continue;
		data_projection_root(&rebuilding->data, id, root);
		if (generation_current(root, path, &generation->before, NULL) != LL_OK)
			generation->before = 0;
		enum ll_code code = generation_make(root, rebuilding->replay.directories[id], &generation->made, error);
		if (code != LL_OK)
			return code;
	}
	return LL_OK;
}

/* The new generations begin as what the newest snapshot has. Of another ledger, or of a past that is not the journal's, it is
 * found out before anything is folded onto it (catch_up). */
static enum ll_code begin_at_snapshot(struct rebuilding *rebuilding, struct error *error)
{
	char root[DATA_PATH_MAX], path[SNAPSHOT_PATH_MAX];
	struct snapshot_manifest manifest;
	snprintf(root, sizeof root, "%s/snapshots", rebuilding->data.path);
	enum ll_code code = snapshot_newest(root, &manifest, path, error);
	for (unsigned id = 0; id < PROJECTIONS_COUNT && code == LL_OK; id++)
		if (is_chosen(rebuilding, id))
			code = snapshot_restore(path, &manifest, id, rebuilding->replay.directories[id], error);
	return code;
}

/* Those that were not adopted. */
static void delete_made(const struct rebuilding *rebuilding)
{
	char root[DATA_PATH_MAX], path[GENERATION_PATH_MAX];
	for (unsigned id = 0; id < PROJECTIONS_COUNT; id++) {
		unsigned current = 0, made = rebuilding->generations[id].made;
		data_projection_root(&rebuilding->data, id, root);
		if (!made || (generation_current(root, path, &current, NULL) == LL_OK && current == made))
			continue;
		if (generation_delete(root, made, NULL) != LL_OK)
			fprintf(stderr, "warning: generation %u of %s could not be removed\n", made,
				projection_layouts[id].name);
	}
}

/* ---- the work ---- */

static void on_progress(void *context, uint64_t offset, uint64_t end)
{
	struct rebuilding *rebuilding = context;
	rebuilding->progress.total = end;
	progress_update(&rebuilding->progress, offset);
}

static enum ll_code certify(struct rebuilding *rebuilding, char *place, struct error *error)
{
	char root[DATA_PATH_MAX];
	struct verdict *verdict = &rebuilding->verdict;
	snprintf(root, sizeof root, "%s/projections", rebuilding->data.path);
	enum ll_code code = replay_compare(&rebuilding->replay, root, false, findings_add, &rebuilding->findings,
					   verdict, place, GUARDED_PLACE_MAX, error);
	if (code != LL_OK)
		return error_prefix(error, "cannot certify");
	if (verdict->compared.differences)
		return error_set(error, LL_DIVERGED, "not certified: %" PRIu64 " rows differ; nothing was changed",
				 verdict->compared.differences);
	if (verdict->has_digests && strcmp(verdict->live_digest, verdict->replayed_digest) != 0)
		return error_set(error, LL_DIVERGED,
				 "not certified: the digest is %s, rebuilt it is %s; nothing was changed",
				 verdict->live_digest, verdict->replayed_digest);
	return LL_OK;
}

static enum ll_code fold(struct rebuilding *rebuilding, char *place, struct error *error)
{
	enum ll_code code = LL_OK;
	if (option_flag(rebuilding->options, "from-snapshot"))
		code = begin_at_snapshot(rebuilding, error);
	if (code == LL_OK)
		code = replay_open(&rebuilding->replay, error);
	if (code == LL_OK && option_flag(rebuilding->options, "certify"))
		code = certify(rebuilding, place, error);
	snprintf(place, GUARDED_PLACE_MAX, "the journal");
	if (code == LL_OK)
		code = replay_to(&rebuilding->replay, UINT64_MAX, error);
	if (code != LL_OK) {
		replay_abandon(&rebuilding->replay);
		return code;
	}
	rebuilding->entries = ledger_fold_state(rebuilding->replay.ledger)->next_seq;
	return replay_close(&rebuilding->replay, error);
}

static void write_result(const struct rebuilding *rebuilding, struct json_writer *writer)
{
	bool certified = option_flag(rebuilding->options, "certify");
	json_object_begin(writer);
	json_member_uint64(writer, "entries", rebuilding->entries);
	json_member_bool(writer, "certified", certified);
	if (certified) {
		json_member_uint64(writer, "rows", rebuilding->verdict.compared.rows);
		json_member_text(writer, "digest",
				 rebuilding->verdict.has_digests ? rebuilding->verdict.replayed_digest : NULL);
	}
	json_key(writer, "projections");
	json_array_begin(writer);
	for (unsigned id = 0; id < PROJECTIONS_COUNT; id++) {
		if (!is_chosen(rebuilding, id))
			continue;
		json_object_begin(writer);
		json_member_text(writer, "projection", projection_layouts[id].name);
		json_member_uint64(writer, "generation", rebuilding->generations[id].made);
		json_key(writer, "replaced");
		if (rebuilding->generations[id].before)
			json_uint64(writer, rebuilding->generations[id].before);
		else
			json_null(writer);
		json_object_end(writer);
	}
	json_array_end(writer);
	json_object_end(writer);
}

static void print_result(const struct rebuilding *rebuilding)
{
	struct buffer buffer = {0};
	struct json_writer writer;
	json_writer_init(&writer, &buffer, false);
	write_result(rebuilding, &writer);
	command_print(rebuilding->options, &buffer);
	buffer_release(&buffer);
}

static int work(void *context, char *place)
{
	struct rebuilding *rebuilding = context;
	struct error error;
	snprintf(place, GUARDED_PLACE_MAX, "the journal");
	int status = command_open_journal(rebuilding->options, rebuilding->data.url, false, false,
					  &rebuilding->replay.journal);
	if (status == EXIT_DONE && data_remember(&rebuilding->data, &error) != LL_OK)
		status = command_failed(rebuilding->options, &error);
	if (status != EXIT_DONE)
		return status;
	rebuilding->replay.progress = on_progress;
	rebuilding->replay.context = rebuilding;
	findings_init(&rebuilding->findings);
	progress_begin(&rebuilding->progress, stderr, "rebuilding", "blocks", 0);
	enum ll_code code = fold(rebuilding, place, &error);
	progress_end(&rebuilding->progress);
	if (code == LL_OK)
		code = adopt_all(rebuilding, &error);
	if (code == LL_OK)
		print_result(rebuilding);
	else if (rebuilding->verdict.compared.differences)
		printf("%s", buffer_text(&rebuilding->findings.words));
	journal_close(rebuilding->replay.journal);
	findings_release(&rebuilding->findings);
	if (code == LL_OK)
		return EXIT_DONE;
	bool is_no = code == LL_DIVERGED && option_flag(rebuilding->options, "certify");
	return is_no ? option_complain(rebuilding->options, EXIT_NO, "%s", error.text)
		     : command_failed(rebuilding->options, &error);
}

static int rebuild(struct rebuilding *rebuilding)
{
	char place[GUARDED_PLACE_MAX];
	bool interrupted = false;
	struct error error;
	int status = EXIT_DONE;
	if (make_generations(rebuilding, &error) != LL_OK)
		status = command_failed(rebuilding->options, &error);
	else
		status = guarded_run(work, rebuilding, place, &interrupted);
	if (status == EXIT_DONE)
		retire_all(rebuilding);
	else
		delete_made(rebuilding);
	if (status >= 0)
		return status;
	if (interrupted)
		return option_complain(rebuilding->options, EXIT_FAILED, "it was interrupted, nothing was changed");
	return option_complain(
		rebuilding->options, EXIT_FAILED,
		"%s cannot be read: its file is damaged; nothing was changed (a projection can be rebuilt without --certify)",
		place);
}

/* ---- going back ---- */

/* The newest generation before the current one; 0: none. */
static unsigned generation_before(const char *root, unsigned current)
{
	unsigned numbers[GENERATIONS_MAX], found = 0;
	size_t count = 0;
	if (generation_list(root, numbers, &count, NULL) != LL_OK)
		return 0;
	for (size_t i = 0; i < count; i++)
		found = numbers[i] < current ? numbers[i] : found;
	return found;
}

static int roll_back(struct rebuilding *rebuilding)
{
	char root[DATA_PATH_MAX], path[GENERATION_PATH_MAX];
	struct error error;
	for (unsigned id = 0; id < PROJECTIONS_COUNT; id++) {
		struct generation *generation = &rebuilding->generations[id];
		if (!is_chosen(rebuilding, id))
			continue;
		data_projection_root(&rebuilding->data, id, root);
		if (generation_current(root, path, &generation->before, &error) != LL_OK)
			return command_failed(rebuilding->options, &error);
		generation->made = generation_before(root, generation->before);
		if (!generation->made)
			return option_complain(
				rebuilding->options, EXIT_NO,
				"projection %s has no earlier generation to go back to; nothing was changed",
				projection_layouts[id].name);
	}
	if (adopt_all(rebuilding, &error) != LL_OK)
		return command_failed(rebuilding->options, &error);
	retire_all(rebuilding);
	for (unsigned id = 0; id < PROJECTIONS_COUNT; id++) {
		data_projection_root(&rebuilding->data, id, root);
		if (is_chosen(rebuilding, id))
			delete_others(root, rebuilding->generations[id].made, 0);
	}
	printf("the generations before are in use again; what the journal has more is folded at the next start\n");
	return EXIT_DONE;
}

/* ---- the command line ---- */

static int choose(const struct options *options, unsigned *mask)
{
	size_t count = option_arguments(options);
	if (count && option_flag(options, "all"))
		return option_complain(options, EXIT_USAGE, "name projections or say --all, not both");
	*mask = count ? 0 : PROJECTIONS_ALL;
	for (size_t i = 0; i < count; i++) {
		enum projection_id id = projection_named(slice_text(option_argument(options, i)));
		if (id == PROJECTIONS_COUNT)
			return option_complain(
				options, EXIT_USAGE,
				"there is no projection %s: balances, seats, queue, receipts, rankings, history",
				option_argument(options, i));
		*mask |= 1u << id;
	}
	return EXIT_DONE;
}

static int run(const struct options *options, void *context)
{
	struct rebuilding rebuilding = {.options = options};
	struct error error;
	(void)context;
	int status = choose(options, &rebuilding.replay.mask);
	if (status != EXIT_DONE)
		return status;
	if (option_flag(options, "rollback") &&
	    (option_flag(options, "certify") || option_flag(options, "from-snapshot")))
		return option_complain(options, EXIT_USAGE,
				       "--rollback builds nothing: it goes with neither --certify nor --from-snapshot");
	if (data_open(option_text(options, "data"), option_text(options, "journal"), DATA_WORK, &rebuilding.data,
		      &error) != LL_OK)
		return command_failed(options, &error);
	if (option_flag(options, "rollback"))
		status = roll_back(&rebuilding);
	else
		status = rebuild(&rebuilding);
	data_close(&rebuilding.data);
	return status;
}

static const struct option options[] = {
	OPTION_DATA,
	OPTION_JOURNAL,
	{.name = "all", .kind = OPTION_FLAG, .help = "all projections; so it is when none is named"},
	{.name = "certify",
	 .kind = OPTION_FLAG,
	 .help = "swap only if the new ones equal the old ones, where those stand"},
	{.name = "from-snapshot", .kind = OPTION_FLAG, .help = "begin at the newest snapshot instead of offset 0"},
	{.name = "rollback", .kind = OPTION_FLAG, .help = "use the generations before the current ones again"},
	OPTION_KAFKA,
	OPTION_CONFIG,
	OPTION_JSON,
	{0},
};

const struct cli_command command_rebuild = {
	.name = "rebuild",
	.arguments = "[PROJECTION...]",
	.summary = "build projections anew from the journal, and swap them in",
	.description =
		"Folds the journal from offset 0 into new generations, and puts them in the place of the old ones, which are kept for\n"
		"one --rollback. Projections: balances, seats, queue, receipts, rankings, history. No engine may hold the directory.",
	.options = options,
	.arguments_max = PROJECTIONS_COUNT,
	.exits = "1: with --certify: they differ, and nothing was swapped; where is told",
	.run = run,
};
